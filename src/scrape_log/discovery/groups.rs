//! Lists of target groups as JSON and YAML, in the form that Prometheus' `file_sd_configs` and `http_sd_configs` have.

use std::collections::BTreeMap;

use serde::Deserialize;

use crate::scrape_log::config::TargetGroup;
use crate::scrape_log::labels::Labels;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Group {
    // A group without targets is one that has none at the moment.
    #[serde(default)]
    targets: Vec<String>,
    #[serde(default)]
    labels: Option<BTreeMap<String, String>>,
}

/// Reads JSON.
///
/// # Errors
/// What is wrong, with line and column.
pub(super) fn from_json(text: &str, source: (&str, &str)) -> Result<Vec<TargetGroup>, String> {
    let read: Vec<Group> = serde_json::from_str(text).map_err(|error| error.to_string())?;
    Ok(made(read, source))
}

/// Reads YAML. An empty document is an empty list.
///
/// # Errors
/// What is wrong, with line and column.
pub(super) fn from_yaml(text: &str, source: (&str, &str)) -> Result<Vec<TargetGroup>, String> {
    let read: Option<Vec<Group>> = serde_saphyr::from_str(text).map_err(|error| {
        let problem = error.to_string();
        // The first line says what and where; what follows shows the place.
        problem.lines().next().unwrap_or_default().to_owned()
    })?;
    Ok(made(read.unwrap_or_default(), source))
}

/// Gives each group the label that says where it comes from.
fn made(read: Vec<Group>, (label, origin): (&str, &str)) -> Vec<TargetGroup> {
    let group = |group: Group| {
        let mut labels: Labels = group.labels.unwrap_or_default().into_iter().collect();
        labels.set(label, origin);
        TargetGroup { targets: group.targets, labels }
    };
    read.into_iter().map(group).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    const SOURCE: (&str, &str) = ("__meta_filepath", "/x");

    #[test]
    fn json_and_yaml_say_the_same() {
        let json =
            r#"[{"targets": ["a:1", "b:1"], "labels": {"env": "prod", "empty": ""}}, {"targets": []}]"#;
        let yaml =
            "# ours\n- targets: ['a:1', b:1]\n  labels:\n    env: prod\n    empty: ''\n- targets: []\n";
        let groups = from_json(json, SOURCE).unwrap();
        assert_eq!(groups, from_yaml(yaml, SOURCE).unwrap());
        assert_eq!(groups[0].targets, ["a:1", "b:1"]);
        assert_eq!(groups[0].labels.to_string(), "{__meta_filepath=\"/x\", env=\"prod\"}");
        assert_eq!(groups[1].labels.len(), 1);
        for empty in ["", "[]", "# nothing yet\n", "---\n"] {
            assert_eq!(from_yaml(empty, SOURCE), Ok(Vec::new()), "{empty:?}");
        }
        assert_eq!(
            from_yaml("- targets: [a:1]\n  labels: {rack: 7, up: true}\n", SOURCE).unwrap()[0]
                .labels
                .get("rack"),
            "7"
        );
    }

    #[test]
    fn mistakes_have_a_place() {
        for text in [
            "[{\"targets\": [\"a:1\"]},\n {\"target\": []}]",
            "[\n {\"targets\": [1]}]",
            "[\n{",
            "[]\n[]",
            "[\n{\"targets\": {}}]",
        ] {
            let error = from_json(text, SOURCE).unwrap_err();
            assert!(error.contains("line 2"), "{text}: {error}");
        }
        for text in [
            "- targets: [a:1]\n  label: {}\n",
            "- labels: {}\n  targets: b:1\n",
            "- targets: []\n- [",
            "- targets: [a:1]\n  labels: [x]\n",
        ] {
            let error = from_yaml(text, SOURCE).unwrap_err();
            assert!(error.contains("line 2") || error.contains("line 3"), "{text}: {error}");
            assert!(!error.contains('\n'));
        }
        assert!(from_json("", SOURCE).is_err(), "a file that is being written");
    }
}

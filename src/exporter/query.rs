//! The query of a scrape: `collect[]` and `exclude[]`, any number of times, one kind at a time.

use std::collections::BTreeSet;

use crate::base::query;

/// The collectors that a query selects, `None` for all of `enabled`. Parameters of other names mean nothing, and
/// leaving out what is not there is no error, as in node_exporter.
///
/// # Errors
/// The text of a 400 answer.
pub(super) fn select(
    query: &str,
    enabled: &[&'static str],
) -> Result<Option<BTreeSet<&'static str>>, String> {
    let (mut collect, mut exclude) = (BTreeSet::new(), Vec::new());
    for pair in query.split('&').filter(|pair| !pair.is_empty()) {
        let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
        match decode(name)?.as_str() {
            "collect[]" => {
                collect.insert(find(&decode(value)?, enabled)?);
            }
            "exclude[]" => exclude.push(decode(value)?),
            _ => {}
        }
    }
    match (collect.is_empty(), exclude.is_empty()) {
        (false, false) => Err("Use either collect[] or exclude[], not both.\n".into()),
        (false, true) => Ok(Some(collect)),
        (true, false) => {
            let kept = enabled.iter().filter(|name| !exclude.iter().any(|out| out == *name));
            Ok(Some(kept.copied().collect()))
        }
        (true, true) => Ok(None),
    }
}

fn find(wanted: &str, enabled: &[&'static str]) -> Result<&'static str, String> {
    enabled.iter().copied().find(|name| *name == wanted).ok_or_else(|| {
        let names = enabled.join(", ");
        format!("Unknown or disabled collector {wanted:?} in the query; switched on are: {names}.\n")
    })
}

fn decode(text: &str) -> Result<String, String> {
    query::decode(text).map_err(|problem| format!("The query {problem}.\n"))
}

#[cfg(test)]
mod tests {
    use super::select;

    #[test]
    fn selects() {
        let enabled = ["cpu", "meminfo", "stat"];
        let some = |names: &[&'static str]| Ok(Some(names.iter().copied().collect()));
        assert_eq!(select("", &enabled), Ok(None));
        assert_eq!(select("debug=1&x", &enabled), Ok(None));
        assert_eq!(select("collect[]=cpu&collect%5b%5D=stat", &enabled), some(&["cpu", "stat"]));
        assert_eq!(select("exclude[]=cpu", &enabled), some(&["meminfo", "stat"]));
        assert_eq!(select("exclude[]=wifi&exclude[]=stat", &enabled), some(&["cpu", "meminfo"]));
        for bad in [
            "collect[]=cpu&exclude[]=stat",
            "collect[]=cpu&exclude[]=wifi",
            "collect[]=nfs",
            "collect[]=",
            "collect[]=%zz",
            "%f=1",
            "%ff=1",
        ] {
            assert!(select(bad, &enabled).is_err(), "{bad}");
        }
    }
}

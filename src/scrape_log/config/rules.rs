//! `relabel_configs` and `metric_relabel_configs`.

use super::fields::Fields;
use super::yaml::{At, Position};
use crate::base::near::nearest;
use crate::exposition::is_label_name;
use crate::scrape_log::relabel::{Action, Rule, Spec};

/// Takes a list of rules out of `fields`.
pub(super) fn read(fields: &mut Fields<'_>, key: &'static str) -> Vec<Rule> {
    fields.sections(key).into_iter().filter_map(rule).collect()
}

fn rule(mut fields: Fields<'_>) -> Option<Rule> {
    let mut places: Vec<(&str, Position)> = Vec::new();
    let mut text = |fields: &mut Fields<'_>, key: &'static str, default: String| match fields.text(key) {
        Some(At { at, value }) => {
            places.push((key, at));
            value
        }
        None => default,
    };
    let default = Spec::default();
    let separator = text(&mut fields, "separator", default.separator);
    let regex = text(&mut fields, "regex", default.regex);
    let target_label = text(&mut fields, "target_label", default.target_label);
    let replacement = text(&mut fields, "replacement", default.replacement);
    let modulus = fields.count("modulus");
    let source_labels = fields.texts("source_labels");
    for name in source_labels.iter().filter(|name| !is_label_name(&name.value)) {
        fields.problem(name.at, format!("{:?} in source_labels is no label name", name.value));
    }
    let action = fields.text("action");
    places.extend(modulus.as_ref().map(|modulus| ("modulus", modulus.at)));
    places.extend(source_labels.first().map(|name| ("source_labels", name.at)));
    let spec = Spec {
        source_labels: source_labels.into_iter().map(|name| name.value).collect(),
        separator,
        regex,
        modulus: modulus.map_or(default.modulus, |modulus| modulus.value),
        target_label,
        replacement,
        action: match &action {
            None => Some(default.action),
            Some(name) => known_action(&fields, name),
        }?,
    };
    let (start, report) = (fields.at, fields.report());
    if !fields.finish() {
        return None; // what is missing may be what is misspelt
    }
    // A rule tells its first mistake, which may hide one in the regex.
    let regex_alone = Spec { regex: spec.regex.clone(), action: Action::Keep, ..Spec::default() };
    let made = Rule::new(spec);
    let first = made.as_ref().err();
    let hidden = first.filter(|mistake| mistake.key != "regex").and_then(|_| Rule::new(regex_alone).err());
    for mistake in first.into_iter().chain(&hidden) {
        let place = places.iter().find(|(key, _)| *key == mistake.key);
        let at = place.map(|(_, at)| *at).or(action.as_ref().map(|action| action.at)).unwrap_or(start);
        report.problem(at, mistake.to_string());
    }
    made.ok()
}

fn known_action(fields: &Fields<'_>, name: &At<String>) -> Option<Action> {
    let found = Action::from_name(&name.value);
    if found.is_none() {
        let names = Action::ALL.map(|(name, _)| name);
        let hint = match nearest(&name.value, names) {
            Some(meant) => format!("did you mean {meant:?}?"),
            None => format!("expected one of {}", names.join(", ")),
        };
        fields.problem(name.at, format!("unknown action {:?}, {hint}", name.value));
    }
    found
}

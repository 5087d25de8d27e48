//! The dashboards in `grafana/dashboards/`: the files as such, what they have in common, the rules of Grafana's
//! dashboard-linter, that they ask for metrics that there are, and what a Prometheus answers to all they ask.
#![allow(clippy::unwrap_used)]

mod checks;
#[path = "../common/mod.rs"]
mod common;
mod conventions;
mod history;
mod interpolate;
mod linter;
mod live;
mod model;
mod panels;
mod prometheus;
mod sample;

use std::collections::BTreeSet;

use common::{emitted, promql};
use serde_json::json;

/// Keys in order and an indent of two, as `json.dumps(dashboard, indent=2, sort_keys=True, ensure_ascii=False)` of
/// Python writes it, so that a change in Grafana's editor shows as that change alone.
#[test]
fn files_are_canonical() {
    for dashboard in model::all() {
        let canonical = format!("{:#}\n", dashboard.json);
        let differing = dashboard.text.lines().zip(canonical.lines()).find(|(found, wanted)| found != wanted);
        assert!(
            dashboard.text == canonical,
            "{}.json is not in its canonical form: {differing:?}",
            dashboard.name
        );
    }
    // Holds as long as the objects of serde_json are sorted.
    assert_eq!(
        format!("{:#}", json!({"b": [], "a": {"é": "ü\u{7f}\n"}})),
        "{\n  \"a\": {\n    \"é\": \"ü\u{7f}\\n\"\n  },\n  \"b\": []\n}"
    );
}

/// A misspelt name is a panel that stays empty.
#[test]
fn dashboards_ask_for_metrics_that_there_are() {
    let kinds = emitted::kinds();
    let mut problems = BTreeSet::new();
    let mut names = BTreeSet::new();
    for dashboard in model::all() {
        for query in dashboard.queries() {
            // What can't be read is found by the linter's rules.
            let Ok(expr) = interpolate::tree(&dashboard, &query.expr) else { continue };
            let place = format!("{}: {}", dashboard.name, query.place);
            let misuses = promql::misuses(&expr, &kinds);
            problems.extend(misuses.into_iter().map(|misuse| format!("{place}: {misuse}")));
            let asked = promql::metrics(&expr);
            let unknown = asked.iter().filter(|name| !kinds.contains_key(*name));
            problems.extend(unknown.map(|name| format!("{place}: nothing here gives {name}")));
            names.extend(asked);
        }
    }
    assert!(problems.is_empty(), "{} problems: {problems:#?}", problems.len());
    assert!(names.len() > 50, "the queries name only {names:?}");
}

//! What panels of this project have in common: where they lie, what they say of themselves, and how they tell hosts apart.

use std::collections::BTreeSet;

use serde_json::Value;

use crate::checks::{Breakage, Check, Problem, problem};
use crate::model::{Dashboard, list, text};

/// Panels that every Grafana has.
const CORE_PANELS: &[&str] =
    &["timeseries", "stat", "gauge", "bargauge", "table", "state-timeline", "alertlist", "text"];

/// More panels than this on one dashboard ask Prometheus too much at once.
const MOST_PANELS: usize = 30;

/// The columns of Grafana's grid.
const COLUMNS: u64 = 24;

/// The checks.
pub const CHECKS: &[Check] = &[
    Check { name: "ids", run: ids },
    Check { name: "grid", run: grid },
    Check { name: "number of panels", run: number_of_panels },
    Check { name: "core panels", run: core_panels },
    Check { name: "descriptions", run: descriptions },
    Check { name: "thresholds", run: thresholds },
    Check { name: "legends", run: legends },
];

const BREAKAGES: &[Breakage] = &[
    ("ids", "/panels/1/id", "1", "panel 1"),
    ("ids", "/panels/1/id", "null", "no id"),
    ("ids", "/panels/0/targets/-", r#"{"refId": "A"}"#, "query A"),
    ("ids", "/panels/1/title", r#""Network errors""#, "called Network errors"),
    ("grid", "/panels/1/gridPos/x", "11", "lies on"),
    ("grid", "/panels/1/gridPos/w", "13", "columns"),
    ("grid", "/panels/1/gridPos/h", "0", "no place"),
    ("grid", "/panels/1/gridPos", "", "no place"),
    (
        "number of panels",
        "/panels",
        "[1,2,3,4,5,6,7,8,9,10,11,12,13,14,15,16,17,18,19,20,21,22,23,24,25,26,27,28,29,30,31]",
        "31 panels",
    ),
    ("core panels", "/panels/0/type", r#""graph""#, "graph"),
    ("core panels", "/panels/0/type", r#""grafana-piechart-panel""#, "grafana-piechart-panel"),
    ("descriptions", "/panels/0/description", r#""Shows errors.""#, "too little"),
    (
        "descriptions",
        "/panels/0/description",
        r#""None is normal. If there are some, look at the cable""#,
        "sentence",
    ),
    ("thresholds", "/panels/0/fieldConfig/defaults/thresholds/steps/0/value", "0", "first step"),
    ("thresholds", "/panels/0/fieldConfig/defaults/thresholds/steps/0/value", "", "first step"),
    ("thresholds", "/panels/0/fieldConfig/defaults/thresholds/steps/1/value", "null", "upwards"),
    ("legends", "/panels/0/targets/0/legendFormat", r#""{{device}}""#, "{{device}}"),
    ("legends", "/panels/0/targets/0/legendFormat", r#""{{nodename}} {{instance}}""#, "instance"),
    ("legends", "/panels/0/targets/0/legendFormat", "", "begins with"),
];

fn ids(dashboard: &Dashboard) -> Vec<Problem> {
    let mut problems = Vec::new();
    let (mut ids, mut titles) = (BTreeSet::new(), BTreeSet::new());
    let rows = list(&dashboard.json, "/panels").iter().filter(|panel| text(panel, "/type") == "row");
    for panel in dashboard.panels().into_iter().chain(rows) {
        let title = text(panel, "/title");
        match panel["id"].as_u64() {
            None => problems.push(problem(title, "has no id".to_owned())),
            Some(id) if !ids.insert(id) => {
                problems.push(problem(title, format!("there is another panel {id}")))
            }
            Some(_) => {}
        }
        // Places in messages and exclusions are titles.
        if !title.is_empty() && !titles.insert(title) {
            problems.push(problem(title, format!("another panel is called {title}")));
        }
        let mut queries = BTreeSet::new();
        for target in list(panel, "/targets") {
            if !queries.insert(text(target, "/refId")) {
                problems.push(problem(title, format!("there is another query {}", text(target, "/refId"))));
            }
        }
    }
    problems
}

fn grid(dashboard: &Dashboard) -> Vec<Problem> {
    let mut problems = on_grid(list(&dashboard.json, "/panels"));
    for row in list(&dashboard.json, "/panels") {
        problems.extend(on_grid(list(row, "/panels")));
    }
    problems
}

/// Panels side by side: those of the dashboard, or those inside of a closed row.
fn on_grid(panels: &[Value]) -> Vec<Problem> {
    let mut problems = Vec::new();
    let mut taken: Vec<([u64; 4], &str)> = Vec::new();
    for panel in panels {
        let title = text(panel, "/title");
        let place = ["x", "y", "w", "h"].map(|key| panel["gridPos"][key].as_u64());
        let [Some(x), Some(y), Some(w @ 1..), Some(h @ 1..)] = place else {
            problems.push(problem(title, format!("has no place on the grid: {}", panel["gridPos"])));
            continue;
        };
        if x + w > COLUMNS {
            problems.push(problem(title, format!("reaches column {} of {COLUMNS} columns", x + w)));
        }
        let meets = |[x2, y2, w2, h2]: [u64; 4]| x < x2 + w2 && x2 < x + w && y < y2 + h2 && y2 < y + h;
        let on = taken.iter().filter(|(other, _)| meets(*other));
        problems.extend(on.map(|(_, other)| problem(title, format!("lies on {other}"))));
        taken.push(([x, y, w, h], title));
    }
    problems
}

fn number_of_panels(dashboard: &Dashboard) -> Vec<Problem> {
    let panels = dashboard.panels().len();
    (panels > MOST_PANELS)
        .then(|| problem("", format!("{panels} panels, at most {MOST_PANELS}")))
        .into_iter()
        .collect()
}

fn core_panels(dashboard: &Dashboard) -> Vec<Problem> {
    let panels = dashboard.panels().into_iter();
    let foreign = panels.filter(|panel| !CORE_PANELS.contains(&text(panel, "/type")));
    foreign.map(|panel| problem(text(panel, "/title"), format!("is a {}", panel["type"]))).collect()
}

/// What is normal, and what to do when it is not.
fn descriptions(dashboard: &Dashboard) -> Vec<Problem> {
    let mut problems = Vec::new();
    for panel in dashboard.panels_with_data() {
        let (title, description) = (text(panel, "/title"), text(panel, "/description").trim());
        if description.matches(['.', '?', ':']).count() < 2 {
            problems.push(problem(title, format!("its description says too little: {description}")));
        }
        if !description.ends_with('.') {
            problems.push(problem(title, "its description ends in the middle of a sentence".to_owned()));
        }
    }
    problems
}

fn thresholds(dashboard: &Dashboard) -> Vec<Problem> {
    let mut problems = Vec::new();
    for panel in dashboard.panels() {
        let overrides = list(panel, "/fieldConfig/overrides").iter();
        let properties = overrides.flat_map(|field| list(field, "/properties"));
        let of_fields = properties.filter(|property| text(property, "/id") == "thresholds");
        let all = of_fields.map(|property| &property["value"]);
        for thresholds in all.chain(panel.pointer("/fieldConfig/defaults/thresholds")) {
            let steps = list(thresholds, "/steps");
            let title = text(panel, "/title");
            if steps.first().is_none_or(|first| first.get("value") != Some(&Value::Null)) {
                problems
                    .push(problem(title, "the first step of the thresholds needs the value null".to_owned()));
            }
            let values = steps.iter().skip(1).map(|step| step["value"].as_f64());
            let values: Vec<Option<f64>> = values.collect();
            if !values.iter().all(Option::is_some) || !values.is_sorted() {
                problems.push(problem(title, format!("its thresholds don't go upwards: {values:?}")));
            }
        }
    }
    problems
}

/// Lines of hosts are told apart by the hosts' names.
fn legends(dashboard: &Dashboard) -> Vec<Problem> {
    let mut problems = Vec::new();
    for panel in dashboard.panels() {
        for target in list(panel, "/targets") {
            let legend = text(target, "/legendFormat");
            let lines = ["timeseries", "state-timeline"].contains(&text(panel, "/type"));
            if lines && !legend.starts_with("{{nodename}}") {
                let message =
                    format!("the legend '{legend}' should be one that begins with {{{{nodename}}}}");
                problems.push(problem(text(panel, "/title"), message));
            }
            if legend.contains("instance") {
                problems.push(problem(text(panel, "/title"), format!("shows the instance: {legend}")));
            }
        }
    }
    problems
}

#[test]
fn each_check_finds_its_breakage() {
    crate::checks::each_finds_its_breakage(CHECKS, BREAKAGES);
}

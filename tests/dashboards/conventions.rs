//! What dashboards of this project have in common, so that Grafana loads the files as they are and a reader of one
//! knows the next.

use std::collections::BTreeSet;

use promql_parser::parser::Expr;
use promql_parser::parser::token::{T_COUNT, T_DIV};
use regex_lite::Regex;
use serde_json::{Value, json};

use crate::checks::{Breakage, Check, Problem, differing, problem};
use crate::common::promql;
use crate::interpolate::tree;
use crate::model::{self, Dashboard, list, text};
use crate::panels;

/// The dashboards: file, title and the time they show at first.
const DASHBOARDS: &[(&str, &str, &str)] = &[
    ("fleet", "Fleet", "now-6h"),
    ("hardware", "Hardware and health", "now-7d"),
    ("host", "Host", "now-24h"),
];

const CHECKS: &[Check] = &[
    Check { name: "identity", run: identity },
    Check { name: "settings", run: settings },
    Check { name: "portable", run: portable },
    Check { name: "variables", run: variables },
    Check { name: "dashboard links", run: dashboard_links },
    Check { name: "links", run: links },
    Check { name: "annotations", run: annotations },
    Check { name: "no recording rules", run: no_recording_rules },
    Check { name: "guarded divisions", run: guarded_divisions },
];

const BREAKAGES: &[Breakage] = &[
    ("identity", "/uid", r#""host""#, "/uid"),
    ("identity", "/title", r#""A host""#, "/title"),
    ("identity", "/time/from", r#""now-1h""#, "/time/from"),
    ("settings", "/id", "12", "/id"),
    ("settings", "/tags", "[]", "/tags"),
    ("settings", "/schemaVersion", "42", "/schemaVersion"),
    ("settings", "/refresh", r#""5s""#, "/refresh"),
    ("settings", "/timezone", r#""utc""#, "/timezone"),
    ("portable", "/__inputs", "[]", "__inputs"),
    ("portable", "/__requires", "[]", "__requires"),
    ("variables", "/templating/list/1/sort", "0", "/sort"),
    ("variables", "/templating/list/0/query", r#""loki""#, "/query"),
    ("variables", "/templating/list/2/label", r#""Instance""#, "/label"),
    ("variables", "/templating/list/1", "", "in this order"),
    ("variables", "/templating/list/1/current", r#"{"text": "node"}"#, "current"),
    ("dashboard links", "/links", "[]", "0 links"),
    ("dashboard links", "/links/0/includeVars", "false", "/includeVars"),
    ("links", "/panels/0/links/0/url", r#""/d/vitals-hosts/host""#, "vitals-hosts"),
    ("links", "/panels/0/links/0/url", r#""d/vitals-fleet/host?a=b""#, "vitals-fleet"),
    ("annotations", "/annotations/list/0", "", "built-in"),
    ("annotations", "/annotations/list/1/datasource/uid", r#""x""#, "/datasource"),
    (
        "no recording rules",
        "/panels/0/targets/0/expr",
        r#""instance:vitals_uptime:seconds""#,
        "instance:vitals_uptime",
    ),
    ("guarded divisions", "/panels/0/targets/0/expr", r#""a / (b - 1)""#, "b - 1"),
    ("guarded divisions", "/panels/0/targets/0/expr", r#""a / sum(b)""#, "sum(b)"),
];

fn identity(dashboard: &Dashboard) -> Vec<Problem> {
    let Some((name, title, from)) = DASHBOARDS.iter().find(|(name, ..)| *name == dashboard.name) else {
        return vec![problem("", format!("{} is not in the list of dashboards", dashboard.name))];
    };
    let wanted = [
        ("/uid", json!(format!("vitals-{name}"))),
        ("/title", json!(title)),
        ("/time", json!({"from": from, "to": "now"})),
        ("/time/from", json!(from)),
    ];
    differing("", &dashboard.json, &wanted)
}

fn settings(dashboard: &Dashboard) -> Vec<Problem> {
    let wanted = [
        ("/id", json!(null)),
        ("/tags", json!(["vitals-exporter"])),
        ("/graphTooltip", json!(1)),
        ("/timezone", json!("browser")),
        ("/schemaVersion", json!(41)),
        ("/refresh", json!("1m")),
        ("/weekStart", json!("")),
        ("/fiscalYearStartMonth", json!(0)),
        ("/liveNow", json!(false)),
        ("/timepicker", json!({})),
        ("/version", json!(1)),
    ];
    differing("", &dashboard.json, &wanted)
}

/// What Grafana adds when it exports for others asks for a data source on import, which provisioning can't answer.
fn portable(dashboard: &Dashboard) -> Vec<Problem> {
    let keys = dashboard.json.as_object().unwrap().keys();
    keys.filter(|key| key.starts_with("__")).map(|key| problem("", format!("has {key}"))).collect()
}

fn variables(dashboard: &Dashboard) -> Vec<Problem> {
    let variables = list(&dashboard.json, "/templating/list");
    let order = ["datasource", "job", "instance"];
    let names: Vec<&str> = variables.iter().map(|variable| text(variable, "/name")).collect();
    let mut problems = Vec::new();
    if !names.starts_with(&order) {
        problems.push(problem(
            "",
            format!("the variables are {names:?}, first should be {order:?}, in this order"),
        ));
    }
    for (name, label) in [("datasource", "Data source"), ("job", "Job"), ("instance", "Host")] {
        let Some(variable) = dashboard.variable(name) else { continue };
        let mut wanted = vec![("/label", json!(label))];
        if name == "datasource" {
            wanted.push(("/query", json!("prometheus")));
        } else {
            wanted.extend([("/sort", json!(1)), ("/refresh", json!(2)), ("/hide", json!(0))]);
        }
        problems.extend(differing(name, variable, &wanted));
    }
    for variable in variables {
        let current = &variable["current"];
        let whole =
            current == &json!({}) || (current.get("text").is_some() && current.get("value").is_some());
        if !whole {
            problems.push(problem(
                text(variable, "/name"),
                format!("current is {current}, needs text and value"),
            ));
        }
    }
    problems
}

fn dashboard_links(dashboard: &Dashboard) -> Vec<Problem> {
    let [link] = list(&dashboard.json, "/links") else {
        let found = list(&dashboard.json, "/links").len();
        return vec![problem("", format!("{found} links, should be one to the other dashboards"))];
    };
    let wanted = [
        ("/type", json!("dashboards")),
        ("/tags", json!(["vitals-exporter"])),
        ("/asDropdown", json!(false)),
        ("/includeVars", json!(true)),
        ("/keepTime", json!(true)),
        ("/targetBlank", json!(false)),
        ("/title", json!("Vitals dashboards")),
        ("/tooltip", json!("")),
    ];
    differing("link", link, &wanted)
}

/// Links to dashboards lead to one of ours, by its uid and the name that Grafana makes of its title.
fn links(dashboard: &Dashboard) -> Vec<Problem> {
    let link = Regex::new(r"\bd/([a-z0-9-]+)/([a-z0-9-]+)").unwrap();
    let known: BTreeSet<(String, String)> = DASHBOARDS
        .iter()
        .map(|(name, title, _)| (format!("vitals-{name}"), title.to_lowercase().replace(' ', "-")))
        .collect();
    let mut problems = Vec::new();
    for url in urls(&dashboard.json) {
        // In any form, so that none is missed.
        let to_dashboard = url.contains("d/vitals-") || url.starts_with("/d/");
        let found = link.captures(url).map(|found| (found[1].to_owned(), found[2].to_owned()));
        if to_dashboard && found.is_none_or(|found| !known.contains(&found)) {
            problems.push(problem("", format!("{url} leads to none of {known:?}")));
        }
    }
    problems
}

fn urls(value: &Value) -> Vec<&str> {
    match value {
        Value::Object(object) => {
            let own = object.get("url").and_then(Value::as_str);
            own.into_iter().chain(object.values().flat_map(urls)).collect()
        }
        Value::Array(array) => array.iter().flat_map(urls).collect(),
        _ => Vec::new(),
    }
}

fn annotations(dashboard: &Dashboard) -> Vec<Problem> {
    let annotations = list(&dashboard.json, "/annotations/list");
    let mut problems = Vec::new();
    if annotations.first().is_none_or(|first| first["builtIn"] != 1) {
        problems.push(problem("", "the first annotation should be Grafana's built-in one".to_owned()));
    }
    for annotation in annotations.iter().filter(|annotation| annotation["builtIn"] != 1) {
        let source = json!({"type": "prometheus", "uid": "${datasource}"});
        problems.extend(differing(text(annotation, "/name"), annotation, &[("/datasource", source)]));
    }
    problems
}

/// Dashboards work without our rules, on any node_exporter and on files that were imported.
fn no_recording_rules(dashboard: &Dashboard) -> Vec<Problem> {
    each_tree(dashboard, |expr| {
        let recorded = promql::metrics(expr).into_iter().filter(|name| name.contains(':'));
        recorded.map(|name| format!("asks for {name}, which is made by a rule")).collect()
    })
}

/// Where the divisor is zero there is no answer, rather than one that is not a number.
fn guarded_divisions(dashboard: &Dashboard) -> Vec<Problem> {
    each_tree(dashboard, |expr| {
        let mut divisors = Vec::new();
        promql::each(expr, &mut |part| match part {
            Expr::Binary(binary) if binary.op.id() == T_DIV => divisors.push(binary.rhs.as_ref().clone()),
            _ => {}
        });
        let guarded = |divisor: &Expr| {
            let of_number = matches!(divisor, Expr::NumberLiteral(_));
            let by_part = promql::any(divisor, |part| match part {
                Expr::Binary(binary) => binary.op.is_comparison_operator(),
                // A count is never zero.
                Expr::Aggregate(aggregate) => aggregate.op.id() == T_COUNT,
                _ => false,
            });
            of_number || by_part
        };
        let bare = divisors.iter().filter(|divisor| !guarded(divisor));
        bare.map(|divisor| format!("divides by {divisor}, which may be zero")).collect()
    })
}

fn each_tree(dashboard: &Dashboard, check: impl Fn(&Expr) -> Vec<String>) -> Vec<Problem> {
    let mut problems = Vec::new();
    for query in dashboard.queries() {
        // What can't be read is found by the linter's rules.
        let Ok(expr) = tree(dashboard, &query.expr) else { continue };
        problems.extend(check(&expr).into_iter().map(|message| problem(&query.place, message)));
    }
    problems
}

#[test]
fn dashboards_keep_to_the_conventions() {
    let dashboards = model::all();
    let names: Vec<&str> = dashboards.iter().map(|dashboard| dashboard.name.as_str()).collect();
    let mut problems = Vec::new();
    for dashboard in &dashboards {
        for check in CHECKS.iter().chain(panels::CHECKS) {
            let found = (check.run)(dashboard).into_iter();
            let line = |found: Problem| {
                format!("{}: {}: {}: {}", dashboard.name, check.name, found.place, found.message)
            };
            problems.extend(found.map(line));
        }
    }
    assert!(problems.is_empty(), "{} problems:\n{}", problems.len(), problems.join("\n"));
    assert_eq!(names, DASHBOARDS.iter().map(|(name, ..)| *name).collect::<Vec<_>>());
}

#[test]
fn each_check_finds_its_breakage() {
    crate::checks::each_finds_its_breakage(CHECKS, BREAKAGES);
}

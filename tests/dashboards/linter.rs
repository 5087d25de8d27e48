//! The rules of Grafana's dashboard-linter, by the names they have there, so that who runs it on our dashboards hears
//! nothing new but one thing: it wants the variable `instance` to be labelled so, and ours shows names of hosts and is
//! labelled `Host`. Its two rules for LogQL have nothing to look at, as no dashboard asks Loki.

use std::collections::BTreeSet;

use serde_json::{Value, json};

use crate::checks::{Breakage, Check, Problem, differing, problem};
use crate::common::promql::{OF_COUNTERS, Selector, selectors};
use crate::interpolate::{RANGE, RATE_INTERVAL, tree};
use crate::model::{self, Dashboard, VariableQuery, list, text, variable_query};

/// Where a rule does not hold: its name, the dashboard, a part of the message, and why.
const EXCLUSIONS: &[(&str, &str, &str, &str)] = &[
    (
        "template-instance-rule",
        "host",
        "/includeAll is false",
        "Grafana would open the dashboard on all hosts at once; the list itself has a box that selects all",
    ),
    ("target-rate-interval-rule", "hardware", "increase of node_edac_correctable_errors_total", AS_THE_ALERT),
    (
        "target-rate-interval-rule",
        "hardware",
        "increase of node_edac_uncorrectable_errors_total",
        AS_THE_ALERT,
    ),
    ("target-rate-interval-rule", "hardware", "increase of node_btrfs_device_errors_total", AS_THE_ALERT),
    ("target-rate-interval-rule", "hardware", "increase of nvme_media_errors_total", AS_THE_ALERT),
    (
        "target-counter-agg-rule",
        "hardware",
        "vitals_unclean_shutdowns_total",
        "how many there were in all is asked; a restart of the host does not begin it anew",
    ),
    (
        "target-counter-agg-rule",
        "hardware",
        "nvme_critical_warning_total",
        "a field of bits that its script calls so",
    ),
];

const AS_THE_ALERT: &str =
    "tells what is wrong now over the time that the alert takes, whatever is on display";

const CHECKS: &[Check] = &[
    Check { name: "template-datasource-rule", run: template_datasource },
    Check { name: "template-job-rule", run: |dashboard| template(dashboard, "job", "Job") },
    Check { name: "template-instance-rule", run: |dashboard| template(dashboard, "instance", "Host") },
    Check { name: "template-label-promql-rule", run: template_label_promql },
    Check { name: "template-on-time-change-reload-rule", run: template_reload },
    Check { name: "panel-datasource-rule", run: panel_datasource },
    Check { name: "panel-title-description-rule", run: panel_title_description },
    Check { name: "panel-units-rule", run: panel_units },
    Check { name: "panel-no-targets-rule", run: panel_no_targets },
    Check { name: "target-promql-rule", run: target_promql },
    Check { name: "target-rate-interval-rule", run: target_rate_interval },
    Check { name: "target-job-rule", run: |dashboard| target_matcher(dashboard, "job") },
    Check { name: "target-instance-rule", run: |dashboard| target_matcher(dashboard, "instance") },
    Check { name: "target-counter-agg-rule", run: target_counter },
    Check { name: "uneditable-dashboard-rule", run: uneditable },
];

const BREAKAGES: &[Breakage] = &[
    ("template-datasource-rule", "/templating/list/0", "", "0 variables of type datasource"),
    (
        "template-datasource-rule",
        "/templating/list/-",
        r#"{"type": "datasource", "name": "b"}"#,
        "2 variables",
    ),
    ("template-datasource-rule", "/templating/list/0/name", r#""DS_PROMETHEUS""#, "/name is \"DS_PROM"),
    ("template-datasource-rule", "/templating/list/0/label", r#""Source""#, "/label is \"Source\""),
    ("template-job-rule", "/templating/list/1", "", "no variable job"),
    ("template-job-rule", "/templating/list/1/datasource/uid", r#""x""#, "/datasource/uid"),
    ("template-job-rule", "/templating/list/1/type", r#""custom""#, "/type"),
    ("template-job-rule", "/templating/list/1/label", r#""job""#, "/label"),
    ("template-job-rule", "/templating/list/1/multi", "false", "/multi"),
    ("template-job-rule", "/templating/list/1/allValue", r#"".*""#, "/allValue"),
    ("template-instance-rule", "/templating/list/2/name", r#""node""#, "no variable instance"),
    ("template-instance-rule", "/templating/list/2/allValue", "null", "/allValue"),
    (
        "template-label-promql-rule",
        "/templating/list/1/query",
        r#""label_valuez(up, job)""#,
        "not a function",
    ),
    ("template-label-promql-rule", "/templating/list/1/query/query", r#""label_values(up{, job)""#, "up{"),
    ("template-label-promql-rule", "/templating/list/2/query/query", r#""query_result(a{b=~\"$c\"})""#, "$c"),
    ("template-on-time-change-reload-rule", "/templating/list/1/refresh", "1", "/refresh"),
    (
        "panel-datasource-rule",
        "/panels/1/datasource",
        r#"{"type": "prometheus", "uid": "abc"}"#,
        "/datasource",
    ),
    ("panel-datasource-rule", "/panels/0/targets/0/datasource/type", r#""loki""#, "/targets/0/datasource"),
    ("panel-datasource-rule", "/panels/0/datasource", "", "/datasource is null"),
    ("panel-title-description-rule", "/panels/0/title", r#""""#, "no title"),
    ("panel-title-description-rule", "/panels/1/description", "", "no description"),
    ("panel-units-rule", "/panels/0/fieldConfig/defaults/unit", "", "no unit"),
    ("panel-units-rule", "/panels/0/fieldConfig/defaults/unit", r#""bytes/s""#, "bytes/s"),
    (
        "panel-units-rule",
        "/panels/0/fieldConfig/overrides/-",
        r#"{"matcher": {"id": "byName", "options": "a"}, "properties": [{"id": "unit", "value": "Celsius"}]}"#,
        "Celsius",
    ),
    ("panel-no-targets-rule", "/panels/1/targets", "[]", "asks nothing"),
    ("target-promql-rule", "/panels/0/targets/0/expr", r#""rate(a[$__rate_interval)""#, "rate(a[$"),
    (
        "target-promql-rule",
        "/panels/0/targets/0/expr",
        r#""a[$__rate_intervall]""#,
        "no variable $__rate_intervall",
    ),
    ("target-promql-rule", "/panels/0/targets/0/expr", r#""a{job=~\"$jobs\"}""#, "no variable $jobs"),
    ("target-promql-rule", "/annotations/list/1/expr", r#""a b""#, "a b"),
    ("target-rate-interval-rule", "/panels/0/targets/0/expr", r#""rate(a_total[5m])""#, "rate of a_total"),
    (
        "target-rate-interval-rule",
        "/panels/0/targets/0/expr",
        r#""irate((a_total[$__interval]))""#,
        "irate of a_total",
    ),
    (
        "target-rate-interval-rule",
        "/panels/0/targets/0/expr",
        r#""increase(a_total[1h:1m])""#,
        "increase of a_total",
    ),
    (
        "target-rate-interval-rule",
        "/panels/0/targets/0/expr",
        r#""rate(a_total[$__range])""#,
        "rate of a_total",
    ),
    ("target-job-rule", "/panels/0/targets/0/expr", r#""a{instance=~\"$instance\"}""#, "job=~\"$job\""),
    (
        "target-job-rule",
        "/panels/0/targets/0/expr",
        r#""a{job=\"$job\", instance=~\"$instance\"}""#,
        "job=~\"$job\"",
    ),
    ("target-job-rule", "/panels/0/targets/0/expr", r#""a{job=~\"node\"}""#, "job=~\"$job\""),
    (
        "target-instance-rule",
        "/panels/0/targets/0/expr",
        r#""a{job=~\"$job\"} + b{instance=~\"$job\"}""#,
        "b{",
    ),
    ("target-instance-rule", "/annotations/list/1/expr", r#""ALERTS{job=~\"$job\"}""#, "ALERTS"),
    ("target-counter-agg-rule", "/panels/0/targets/0/expr", r#""sum(a_total)""#, "a_total"),
    ("target-counter-agg-rule", "/panels/0/targets/0/expr", r#""max_over_time(a_total[1h])""#, "a_total"),
    ("target-counter-agg-rule", "/panels/0/targets/0/expr", r#""count(a_total > 0)""#, "a_total"),
    ("target-counter-agg-rule", "/panels/0/targets/0/expr", r#""b_total and a""#, "b_total"),
    ("uneditable-dashboard-rule", "/editable", "true", "/editable"),
    ("uneditable-dashboard-rule", "/editable", "", "/editable"),
];

/// Units of Grafana that measures of hosts have. Another one is free text that stands behind the number.
const UNITS: &[&str] = &[
    "none",
    "string",
    "short",
    "sishort",
    "percent",
    "percentunit",
    "bytes",
    "decbytes",
    "bits",
    "decbits",
    "binBps",
    "Bps",
    "binbps",
    "bps",
    "pps",
    "iops",
    "ops",
    "cps",
    "eps",
    "reqps",
    "hertz",
    "celsius",
    "rotrpm",
    "watt",
    "volt",
    "amp",
    "joule",
    "ns",
    "µs",
    "ms",
    "s",
    "m",
    "h",
    "d",
    "dtdurations",
    "dtdhms",
    "clocks",
    "bool",
    "bool_yes_no",
    "bool_on_off",
    "dateTimeAsIso",
    "dateTimeAsLocal",
    "dateTimeAsSystem",
    "dateTimeFromNow",
];

fn template_datasource(dashboard: &Dashboard) -> Vec<Problem> {
    let variables = list(&dashboard.json, "/templating/list").iter();
    let found: Vec<&Value> = variables.filter(|variable| text(variable, "/type") == "datasource").collect();
    let [variable] = found.as_slice() else {
        return vec![problem("", format!("{} variables of type datasource, should be one", found.len()))];
    };
    differing("datasource", variable, &[("/name", json!("datasource")), ("/label", json!("Data source"))])
}

fn template(dashboard: &Dashboard, name: &str, label: &str) -> Vec<Problem> {
    let Some(variable) = dashboard.variable(name) else {
        return vec![problem("", format!("there is no variable {name}"))];
    };
    let wanted = [
        ("/datasource/uid", json!("${datasource}")),
        ("/type", json!("query")),
        ("/label", json!(label)),
        ("/multi", json!(true)),
        ("/includeAll", json!(true)),
        ("/allValue", json!(".+")),
    ];
    differing(name, variable, &wanted)
}

fn template_label_promql(dashboard: &Dashboard) -> Vec<Problem> {
    let check = |variable: &Value| {
        let query = variable_query(variable);
        let result = VariableQuery::read(query).and_then(|read| {
            let (VariableQuery::Result(expr) | VariableQuery::Values(expr, _)) = read;
            tree(dashboard, &expr)
        });
        result.err().map(|reason| problem(text(variable, "/name"), format!("{query}: {reason}")))
    };
    dashboard.query_variables().filter_map(check).collect()
}

fn template_reload(dashboard: &Dashboard) -> Vec<Problem> {
    let check = |variable| differing(text(variable, "/name"), variable, &[("/refresh", json!(2))]);
    dashboard.query_variables().flat_map(check).collect()
}

fn panel_datasource(dashboard: &Dashboard) -> Vec<Problem> {
    let source = json!({"type": "prometheus", "uid": "${datasource}"});
    let check = |panel: &&Value| {
        let targets = list(panel, "/targets").len();
        let of_targets = (0..targets).map(|index| format!("/targets/{index}/datasource"));
        let pointers: Vec<String> = of_targets.chain(["/datasource".to_owned()]).collect();
        let wanted: Vec<(&str, Value)> =
            pointers.iter().map(|pointer| (pointer.as_str(), source.clone())).collect();
        differing(text(panel, "/title"), panel, &wanted)
    };
    dashboard.panels_with_data().iter().flat_map(check).collect()
}

fn panel_title_description(dashboard: &Dashboard) -> Vec<Problem> {
    let mut problems = Vec::new();
    for panel in dashboard.panels().into_iter().filter(|panel| text(panel, "/type") != "text") {
        let title = text(panel, "/title");
        for (field, pointer) in [("title", "/title"), ("description", "/description")] {
            if text(panel, pointer).trim().is_empty() {
                problems.push(problem(title, format!("panel {} has no {field}", panel["id"])));
            }
        }
    }
    problems
}

fn panel_units(dashboard: &Dashboard) -> Vec<Problem> {
    let mut problems = Vec::new();
    for panel in dashboard.panels_with_data() {
        let title = text(panel, "/title");
        let unit = text(panel, "/fieldConfig/defaults/unit");
        // States have names in place of numbers.
        let mapped = !list(panel, "/fieldConfig/defaults/mappings").is_empty();
        if unit.is_empty() && !mapped {
            problems.push(problem(title, "there is no unit".to_owned()));
        }
        let overrides = list(panel, "/fieldConfig/overrides").iter();
        let properties = overrides.flat_map(|field| list(field, "/properties"));
        let of_fields = properties.filter(|property| text(property, "/id") == "unit");
        for unit in of_fields.map(|property| text(property, "/value")).chain([unit]) {
            let own = ["suffix:", "prefix:", "time:"].iter().any(|kind| unit.starts_with(kind));
            if !unit.is_empty() && !own && !UNITS.contains(&unit) {
                problems.push(problem(title, format!("Grafana does not know the unit {unit}")));
            }
        }
    }
    problems
}

fn panel_no_targets(dashboard: &Dashboard) -> Vec<Problem> {
    let panels = dashboard.panels_with_data().into_iter();
    let silent = panels.filter(|panel| {
        let targets = list(panel, "/targets");
        targets.is_empty() || targets.iter().any(|target| text(target, "/expr").trim().is_empty())
    });
    silent.map(|panel| problem(text(panel, "/title"), "asks nothing".to_owned())).collect()
}

fn target_promql(dashboard: &Dashboard) -> Vec<Problem> {
    let check = |query: &model::Query| {
        let reason = tree(dashboard, &query.expr).err()?;
        Some(problem(&query.place, format!("{}: {reason}", query.expr)))
    };
    dashboard.queries().iter().filter_map(check).collect()
}

/// Calls `check` with everything that the queries of panels and annotations select.
fn each_selector(dashboard: &Dashboard, check: impl Fn(&Selector<'_>) -> Option<String>) -> Vec<Problem> {
    let mut problems = Vec::new();
    for query in dashboard.queries() {
        // Variables can't depend on themselves.
        if query.place.starts_with("variable ") {
            continue;
        }
        // That others can't be read is found by the rule for that.
        let Ok(expr) = tree(dashboard, &query.expr) else { continue };
        let found = selectors(&expr).iter().filter_map(&check).collect::<Vec<_>>();
        problems.extend(found.into_iter().map(|message| problem(&query.place, message)));
    }
    problems
}

/// An increase may also be over all the time on display: that counts what happened in it.
fn target_rate_interval(dashboard: &Dashboard) -> Vec<Problem> {
    each_selector(dashboard, |selector| {
        let function = selector.function.filter(|name| OF_COUNTERS.contains(name))?;
        let fits = selector.range == Some(RATE_INTERVAL)
            || (function == "increase" && selector.range == Some(RANGE));
        (!fits).then(|| format!("{function} of {} is not over $__rate_interval", selector.vector))
    })
}

fn target_matcher(dashboard: &Dashboard, label: &str) -> Vec<Problem> {
    each_selector(dashboard, |selector| {
        let wanted = format!("${label}");
        (!selector.matches(label, "=~", &wanted))
            .then(|| format!("{}: no {label}=~\"{wanted}\"", selector.vector))
    })
}

/// What asks only whether there is such a series may do so with a counter.
fn target_counter(dashboard: &Dashboard) -> Vec<Problem> {
    each_selector(dashboard, |selector| {
        let counter = selector.names().iter().any(|name| name.ends_with("_total"));
        let of_existence = ["count", "and", "absent"];
        let fits = |name| OF_COUNTERS.contains(&name) || of_existence.contains(&name);
        (counter && !selector.function.is_some_and(fits))
            .then(|| format!("{} is a counter and shown as it is", selector.vector))
    })
}

fn uneditable(dashboard: &Dashboard) -> Vec<Problem> {
    differing("", &dashboard.json, &[("/editable", json!(false))])
}

#[test]
fn dashboards_pass_the_linter() {
    let mut used = BTreeSet::new();
    let mut problems = Vec::new();
    for dashboard in model::all() {
        for check in CHECKS {
            for Problem { place, message } in (check.run)(&dashboard) {
                let excluded = EXCLUSIONS.iter().find(|(rule, name, part, _)| {
                    *rule == check.name && *name == dashboard.name && message.contains(part)
                });
                match excluded {
                    Some(exclusion) => drop(used.insert(*exclusion)),
                    None => problems.push(format!("{}: {}: {place}: {message}", dashboard.name, check.name)),
                }
            }
        }
    }
    assert!(problems.is_empty(), "{} problems:\n{}", problems.len(), problems.join("\n"));
    let unused: Vec<_> = EXCLUSIONS.iter().filter(|exclusion| !used.contains(*exclusion)).collect();
    assert!(unused.is_empty(), "nothing needs these exclusions: {unused:#?}");
}

#[test]
fn each_rule_finds_its_breakage() {
    crate::checks::each_finds_its_breakage(CHECKS, BREAKAGES);
}

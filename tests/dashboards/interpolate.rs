//! Grafana's variables in queries.

use std::collections::BTreeMap;
use std::time::Duration;

use promql_parser::parser::Expr;
use regex_lite::{Captures, Regex};

use crate::common::promql;
use crate::model::Dashboard;

/// What `$__rate_interval` and its like stand for where a query is only read: times that nobody writes.
pub const RATE_INTERVAL: Duration = Duration::from_millis(100_001);
/// The time between two points of a line.
const INTERVAL: Duration = Duration::from_millis(200_002);
/// The time that is on display.
pub const RANGE: Duration = Duration::from_millis(300_003);

/// What each variable stands for.
pub type Values = BTreeMap<String, String>;

/// The text with all variables replaced; the first one that has no value is the error. `$1` and its like are groups
/// of a pattern.
pub fn interpolate(text: &str, values: &Values) -> Result<String, String> {
    let variable = Regex::new(r"\$\{([a-zA-Z_]\w*)(?::\w+)?\}|\$([a-zA-Z_]\w*)").unwrap();
    let mut missing = None;
    let found = variable.replace_all(text, |found: &Captures<'_>| {
        let name = found.get(1).or_else(|| found.get(2)).unwrap().as_str();
        values.get(name).cloned().unwrap_or_else(|| {
            missing.get_or_insert(format!("there is no variable ${name}"));
            String::new()
        })
    });
    missing.map_or_else(|| Ok(found.into_owned()), Err)
}

/// Grafana's own variables.
pub fn built_in(rate_interval: Duration, interval: Duration, range: Duration) -> Values {
    let milliseconds = |time: Duration| format!("{}ms", time.as_millis());
    let values = [
        ("__rate_interval", milliseconds(rate_interval)),
        ("__interval", milliseconds(interval)),
        ("__interval_ms", interval.as_millis().to_string()),
        ("__range", milliseconds(range)),
        ("__range_s", range.as_secs().to_string()),
        ("__range_ms", range.as_millis().to_string()),
    ];
    values.map(|(name, value)| (name.to_owned(), value)).into()
}

/// A query of a dashboard as a tree, in which the variables still have their names.
pub fn tree(dashboard: &Dashboard, expr: &str) -> Result<Expr, String> {
    let mut values = built_in(RATE_INTERVAL, INTERVAL, RANGE);
    for variable in crate::model::list(&dashboard.json, "/templating/list") {
        let name = crate::model::text(variable, "/name");
        values.insert(name.to_owned(), format!("${name}"));
    }
    promql::parse(&interpolate(expr, &values)?)
}

#[test]
fn variables_are_replaced() {
    let values = built_in(RATE_INTERVAL, INTERVAL, Duration::from_secs(60));
    let interpolated = |text: &str| interpolate(text, &values);
    assert_eq!(interpolated("a[${__range}] + $__range_s").unwrap(), "a[60000ms] + 60");
    assert_eq!(interpolated("a[$__rate_interval]").unwrap(), "a[100001ms]");
    assert_eq!(interpolated("a{b=~\"${job:regex}\"}").unwrap_err(), "there is no variable $job");
    assert_eq!(interpolated("a{b=~\"x$\"}").unwrap(), "a{b=~\"x$\"}");
    assert_eq!(interpolated("\"$1\", \"${2}\"").unwrap(), "\"$1\", \"${2}\"");
}

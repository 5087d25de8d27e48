//! What the rules of `deploy/prometheus/` ask for: that there is such a metric, that it is asked in a way that fits its
//! kind, and that alerts compare, stay stable and find their data at the slowest scrape interval.
#![allow(clippy::unwrap_used)]

mod common;

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use common::promql::{self, any, selectors};
use common::rules::{self, Kind, Rule};
use common::{emitted, promql::OF_COUNTERS};
use promql_parser::label::MatchOp;
use promql_parser::parser::Expr;
use promql_parser::parser::token::{T_BOTTOMK, T_LIMITK, T_TOPK};

/// The one alert that always fires.
const WATCHDOG: &str = "Watchdog";

/// Twice the slowest scrape interval that the rules have to work with.
const SHORTEST_RANGE: Duration = Duration::from_secs(120);

/// A misspelt name is a rule that never fires; promtool does not see it.
#[test]
fn rules_ask_for_metrics_that_there_are() {
    let all = rules::all();
    let recorded: BTreeSet<String> = recorded(&all).into_keys().collect();
    let used: BTreeSet<String> = all.iter().flat_map(|rule| promql::metrics(&rule.tree())).collect();
    assert!(used.len() > 70, "{used:?}");
    for name in &recorded {
        assert!(used.contains(name), "nobody asks for what is recorded as {name}");
    }
    let given = emitted::kinds();
    let unknown: Vec<&String> =
        used.iter().filter(|name| !given.contains_key(*name) && !recorded.contains(*name)).collect();
    assert!(unknown.is_empty(), "{} metrics that nothing here gives: {unknown:#?}", unknown.len());
}

fn recorded(rules: &[Rule]) -> BTreeMap<String, &Rule> {
    let recording = rules.iter().filter(|rule| rule.kind == Kind::Record);
    recording.map(|rule| (rule.name.clone(), rule)).collect()
}

#[test]
fn functions_fit_the_kinds() {
    let kinds = emitted::kinds();
    for rule in rules::all() {
        let problems = promql::misuses(&rule.tree(), &kinds);
        assert!(problems.is_empty(), "{}: {problems:?}", rule.name);
    }
}

#[test]
fn rules_are_sound() {
    let mut expressions: BTreeMap<String, String> = BTreeMap::new();
    for rule in rules::all() {
        let problems = problems(rule.kind, &rule.tree());
        assert!(problems.is_empty() || rule.name == WATCHDOG, "{}: {problems:?}", rule.name);
        let before = expressions.insert(rule.tree().to_string(), rule.name.clone());
        assert_eq!(before, None, "{} asks the same", rule.name);
    }
}

/// What is wrong with the expression of a rule, whatever it is about.
fn problems(kind: Kind, expr: &Expr) -> Vec<String> {
    let mut problems = Vec::new();
    if kind == Kind::Alert && !compares(expr) {
        problems.push("fires on any value: it has no comparison".to_owned());
    }
    let of_some = |part: &Expr| match part {
        Expr::Aggregate(aggregate) => [T_TOPK, T_BOTTOMK, T_LIMITK].contains(&aggregate.op.id()),
        _ => false,
    };
    if kind == Kind::Alert && any(expr, of_some) {
        problems.push("its series come and go with the ranks of others".to_owned());
    }
    for selector in selectors(expr) {
        if selector.range.is_some_and(|range| range < SHORTEST_RANGE) {
            problems.push(format!("{}: a range below {SHORTEST_RANGE:?}", selector.vector));
        }
        let of_range = selector.function.is_some_and(|name| OF_COUNTERS.contains(&name));
        if of_range && selector.names().iter().any(|name| name.contains(':')) {
            problems.push(format!("{}: a rate of what is recorded", selector.vector));
        }
        for matcher in &selector.vector.matchers.matchers {
            if ["job", "instance"].contains(&matcher.name.as_str()) {
                problems.push(format!("{}: selects hosts", selector.vector));
            }
            let is_regex = matches!(matcher.op, MatchOp::Re(_) | MatchOp::NotRe(_));
            let plain = matcher.value.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'_');
            if is_regex && plain {
                problems.push(format!("{}: a plain value needs no pattern", selector.vector));
            }
            if is_regex && (matcher.value.starts_with('^') || matcher.value.ends_with('$')) {
                problems.push(format!("{}: patterns are anchored as they are", selector.vector));
            }
        }
    }
    problems
}

/// Whether what comes out depends on a comparison. What stands on the left of `and` and `unless` may be any value when
/// the right side compares.
fn compares(expr: &Expr) -> bool {
    match expr {
        Expr::Paren(paren) => compares(&paren.expr),
        Expr::Binary(binary) if binary.op.is_comparison_operator() => !binary.return_bool(),
        Expr::Binary(binary) if binary.op.id() == promql_parser::parser::token::T_LOR => {
            compares(&binary.lhs) && compares(&binary.rhs)
        }
        Expr::Binary(binary) if binary.op.is_set_operator() => compares(&binary.lhs) || compares(&binary.rhs),
        _ => false,
    }
}

#[test]
fn problems_are_found() {
    let found = |kind: Kind, query: &str| problems(kind, &promql::parse(query).unwrap()).join("; ");
    for (query, problem) in [
        ("a", "no comparison"),
        ("a or b > 1", "no comparison"),
        ("a > bool 1", "no comparison"),
        ("topk(3, a) > 1", "come and go"),
        ("rate(a_total[1m]) > 1", "a range below"),
        ("max_over_time(a[1m:10s]) > 1", "a range below"),
        ("rate(b:a:c[5m]) > 1", "a rate of what is recorded"),
        (r#"a{job="x"} > 1"#, "selects hosts"),
        (r#"a{mode=~"idle"} > 1"#, "needs no pattern"),
        (r#"a{mode!~"^idle.*"} > 1"#, "anchored"),
    ] {
        assert!(found(Kind::Alert, query).contains(problem), "{query}: {}", found(Kind::Alert, query));
    }
    for query in
        ["a > 1 and b", "a and b > 1", "(a > 1) unless b", "rate(a_total{b=~\"x|y\"}[2m]) > 1 or c == 0"]
    {
        assert_eq!(found(Kind::Alert, query), "", "{query}");
    }
    assert_eq!(found(Kind::Record, "topk(3, a)"), "");
}

#[test]
fn misuses_are_found() {
    use vitals::exposition::Kind as Metric;
    let kinds: BTreeMap<String, Metric> =
        [("c_total", Metric::Counter), ("g", Metric::Gauge), ("u", Metric::Untyped)]
            .map(|(name, kind)| (name.to_owned(), kind))
            .into();
    let found = |query: &str| promql::misuses(&promql::parse(query).unwrap(), &kinds).len();
    for query in [
        "rate(g[5m])",
        "increase((g)[1h:5m])",
        "deriv(c_total[5m])",
        "delta(c_total[5m:1m] offset 1h)",
        "rate(sum(c_total)[5m:1m])",
        r#"rate({__name__=~"c_total|g"}[5m])"#,
    ] {
        assert_eq!(found(query), 1, "{query}");
    }
    for query in [
        "rate(c_total[5m])",
        "deriv(g[5m])",
        "rate(u[5m])",
        "sum(rate(c_total[5m:1m]))",
        "deriv(sum(g)[1h:5m])",
    ] {
        assert_eq!(found(query), 0, "{query}");
    }
}

#[test]
fn names_are_found_in_expressions() {
    let expr = r#"sum without (cpu, mode) (rate(a_total{mode=~"idle|x{}", b="c[1m]"}[5m]))
        / on (job) group_left b:c:d offset 6h > bool 1e9
        or (e and f{g="h"} == 0) or quantile(scalar(q), {__name__=~"i|j"}) unless absent({__name__="k"})"#;
    let found: Vec<String> = promql::metrics(&promql::parse(expr).unwrap()).into_iter().collect();
    assert_eq!(found, ["a_total", "b:c:d", "e", "f", "i", "j", "k", "q"]);
}

#[test]
fn thresholds_are_taken_away() {
    for (query, watched) in [
        ("a > 1", "a"),
        ("1 < a", "a"),
        ("a / (b > 0) > 1", "a / (b > 0)"),
        ("(a > b) and on (c) d == 1", "(a) and on (c) (d)"),
        ("a == 1 unless b < 5", "a"),
        ("a == 0 or (b == 0 and c == 1)", "(a) or ((b) and (c))"),
        ("predict_linear(a[1h], 60) < 0", "predict_linear(a[1h], 60)"),
        ("count(a > 1)", "count(a > 1)"),
    ] {
        let found = promql::without_thresholds(&promql::parse(query).unwrap());
        assert_eq!(found.to_string(), promql::parse(watched).unwrap().to_string(), "{query}");
    }
}

//! The problems that page, terminal and report show begin where the alerts do: the thresholds in the program are those of
//! `deploy/prometheus/rules/`.
#![allow(clippy::unwrap_used)]

mod common;

use std::collections::BTreeSet;

use common::rules::{self, Rule};
use regex_lite::Regex;
use vitals::base::duration;
use vitals::vitals::LIMITS;

/// The numbers that an expression has outside of strings, selectors and windows.
fn numbers(expr: &str) -> Vec<f64> {
    let mut bare = expr.to_owned();
    for pattern in [r#""(\\.|[^"\\])*""#, r"\{[^}]*\}", r"\[[^\]]*\]", r"offset \w+"] {
        bare = Regex::new(pattern).unwrap().replace_all(&bare, " ").into_owned();
    }
    let number = Regex::new(r"(?:^|[\s(,-])([0-9]+(?:\.[0-9]+)?)\b").unwrap();
    number.captures_iter(&bare).map(|found| found[1].parse().unwrap()).collect()
}

/// The first window of an expression.
fn window(expr: &str) -> Option<std::time::Duration> {
    let found = Regex::new(r"\[([0-9a-z]+)[:\]]").unwrap().captures(expr)?;
    Some(duration::parse(&found[1]).unwrap())
}

#[test]
fn thresholds_are_those_of_the_rules() {
    let alerts = rules::alerts();
    let recorded = rules::all();
    for limit in LIMITS {
        let is_it = |rule: &&Rule| rule.name == limit.alert && rule.key("severity") == limit.severity.name();
        let found: Vec<&Rule> = alerts.iter().filter(is_it).collect();
        let [rule] = found[..] else { panic!("{} rules for {limit:?}", found.len()) };
        let numbers = numbers(&rule.expr);
        assert!(numbers.starts_with(limit.thresholds), "{limit:?}: the rule compares with {numbers:?}");
        assert!(!limit.thresholds.is_empty());
        if let Some(expected) = limit.window {
            assert_eq!(window(&rule.expr), Some(expected), "{limit:?}");
        }
    }
    // Limits of sensors that count as set.
    let margin =
        recorded.iter().find(|rule| rule.name == "sensor:vitals_temperature_margin:celsius").unwrap();
    assert_eq!(numbers(&margin.expr), [20.0, 150.0]);
}

#[test]
fn an_alert_that_is_known_is_known_in_all_its_severities() {
    let known: BTreeSet<_> = LIMITS.iter().map(|limit| (limit.alert, limit.severity.name())).collect();
    assert_eq!(known.len(), LIMITS.len(), "one limit twice");
    for rule in rules::alerts() {
        let severity = rule.key("severity");
        let some = LIMITS.iter().any(|limit| limit.alert == rule.name);
        assert!(!some || known.contains(&(rule.name.as_str(), severity)), "{} {severity}", rule.name);
    }
}

#[test]
fn numbers_are_found() {
    assert_eq!(numbers("a{x=\"9\"}[5m] < 0.40 and predict_linear(b1[6h], 86400) < 0"), [0.4, 86400.0, 0.0]);
    assert_eq!(window("rate(a[15m:1m]) > 1"), duration::parse("15m").ok());
}

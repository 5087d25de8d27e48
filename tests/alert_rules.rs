//! The alert rules of `deploy/prometheus/`: that each is whole, tested and explained, and what promtool says of them.
//! What they ask for is in rule_queries.rs.
#![allow(clippy::unwrap_used)]

mod common;

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write;
use std::fs;
use std::process::Command;

use std::time::Duration;

use common::rules::{self, Rule, files, project, stem};
use regex_lite::Regex;
use vitals::base::duration;

const RUNBOOKS: &str =
    "https://github.com/vitals-exporter/vitals-exporter/blob/main/deploy/prometheus/runbooks/";

/// The one alert that always fires.
const WATCHDOG: &str = "Watchdog";

/// What the tests of each alert are called, after `ALERT: `.
const TESTS: [&str; 4] =
    ["fires", "quiet when all is well", "quiet without its metrics", "quiet through a reboot"];

fn by_name() -> BTreeMap<String, Vec<Rule>> {
    let mut alerts: BTreeMap<String, Vec<Rule>> = BTreeMap::new();
    for rule in rules::alerts() {
        alerts.entry(rule.name.clone()).or_default().push(rule);
    }
    assert!(alerts.len() > 40, "{}", alerts.len());
    alerts
}

#[test]
fn alerts_have_what_a_reader_needs() {
    for rule in rules::alerts() {
        let name = rule.name.as_str();
        match rule.key("severity") {
            "critical" | "warning" | "info" => assert_ne!(name, WATCHDOG),
            // Nobody has to be told that the watchdog barks.
            severity => assert_eq!((severity, name), ("none", WATCHDOG)),
        }
        assert_eq!(rule.key("runbook_url"), format!("{RUNBOOKS}{name}.md"));
        let known = ["for", "keep_firing_for", "severity", "summary", "description", "runbook_url"];
        let unknown: Vec<&String> = rule.keys.keys().filter(|key| !known.contains(&key.as_str())).collect();
        assert!(unknown.is_empty(), "{name}: {unknown:?}");
        if name == WATCHDOG {
            continue;
        }
        let (summary, description) = (rule.key("summary"), rule.key("description"));
        assert!(summary.contains("$labels.instance") && !summary.contains("$value"), "{name}: {summary}");
        assert!(
            description.contains("$labels.instance") && description.ends_with('.'),
            "{name}: {description}"
        );
        // 0 and 1 say no more than the words.
        let flag = rule.expr.lines().next().unwrap().ends_with(" == 0")
            || rule.expr.lines().next().unwrap().ends_with(" == 1");
        let rate = rule.expr.contains("rate(");
        assert!((flag && !rate) || description.contains("$value"), "{name}: no value in {description}");
    }
}

/// The built-in thresholds of the live page are read from here: a number ends each comparison.
#[test]
fn thresholds_end_their_lines() {
    for rule in rules::alerts() {
        let name = &rule.name;
        for line in rule.expr.lines().filter(|line| line.contains(" > ") || line.contains(" < ")) {
            let last = line.rsplit(' ').next().unwrap();
            assert!(last.parse::<f64>().is_ok(), "{name}: the threshold is not at the end of {line}");
        }
    }
}

#[test]
fn waits_are_explained() {
    for rule in rules::alerts().iter().filter(|rule| rule.name != WATCHDOG) {
        let name = &rule.name;
        let waits = rule.keys.contains_key("for");
        let explained =
            if waits { rule.explained.contains("for") } else { rule.comments.contains("No `for`") };
        assert!(explained, "{name}: a comment must say why `for` is what it is, or why there is none");
    }
}

/// A host that goes down takes its series with it. What was wrong with it must not be told to be over before TargetDown
/// fires and mutes that: alerts last longer, by a window or by `keep_firing_for`.
#[test]
fn alerts_outlast_their_host() {
    let time = |rule: &Rule, key: &str| duration::parse(rule.key(key)).unwrap();
    let alerts = rules::alerts();
    let down = alerts.iter().find(|rule| rule.name == "TargetDown").unwrap();
    let enough = time(down, "for") * 2;
    // A function over a window that is all there is: it sees what was before the end.
    let window =
        Regex::new(r"^(increase|resets|min_over_time)\([^\[]*\[(\w+)[^\]]*\]\) [<>=]+ [0-9.]+$").unwrap();
    let told = |rule: &&Rule| matches!(rule.key("severity"), "critical" | "warning");
    for rule in alerts.iter().filter(told).filter(|rule| rule.name != down.name) {
        let lasts = match window.captures(&rule.expr) {
            Some(found) => duration::parse(&found[2]).unwrap(),
            None if rule.key("keep_firing_for").is_empty() => Duration::ZERO,
            None => time(rule, "keep_firing_for"),
        };
        assert!(lasts >= enough, "{} ends {lasts:?} after its host, TargetDown needs {enough:?}", rule.name);
    }
    let keeps = |name: &str| time(alerts.iter().find(|rule| rule.name == name).unwrap(), "keep_firing_for");
    assert!(keeps("ScrapeLogSuspended") > keeps("ScrapeLogNotWriting"), "the first one mutes the second");
}

/// A runbook for each alert and nothing else, and in it what somebody who was woken up looks for.
#[test]
fn alerts_have_runbooks() {
    let names: BTreeSet<String> = by_name().into_keys().collect();
    let pages = files("deploy/prometheus/runbooks", "md");
    assert_eq!(pages.iter().map(|page| stem(page)).collect::<BTreeSet<_>>(), names);
    for page in pages {
        let text = fs::read_to_string(&page).unwrap();
        let headings: Vec<&str> = text.lines().filter(|line| line.starts_with('#')).collect();
        let title = format!("# {}", stem(&page));
        assert_eq!(headings, [&title, "## Meaning", "## Impact", "## Diagnosis", "## Mitigation"]);
        assert!(text.contains("```console\n"), "{title} has no command");
        let empty =
            text.split("\n## ").skip(1).find(|section| section.lines().nth(2).is_none_or(str::is_empty));
        assert_eq!(empty, None, "{title}");
    }
}

/// One test of promtool's: its name, and for each check the alert and whether it is to fire.
struct UnitTest {
    name: String,
    checks: Vec<(String, bool)>,
}

fn unit_tests() -> Vec<UnitTest> {
    let mut tests: Vec<UnitTest> = Vec::new();
    for file in files("tests/rules", "yml") {
        for line in fs::read_to_string(file).unwrap().lines() {
            if let Some(name) = line.strip_prefix("  - name: ") {
                tests.push(UnitTest { name: name.trim_matches('"').to_owned(), checks: Vec::new() });
            } else if let Some((_, rest)) = line.split_once("alertname: ") {
                let alert = rest.split(',').next().unwrap().to_owned();
                tests.last_mut().unwrap().checks.push((alert, !rest.contains("exp_alerts: []")));
            } else if line.trim() == "exp_alerts: []" {
                tests.last_mut().unwrap().checks.last_mut().unwrap().1 = false;
            }
        }
    }
    assert!(tests.len() > 150, "{}", tests.len());
    tests
}

#[test]
fn alerts_have_tests_of_all_kinds() {
    let tests = unit_tests();
    let find = |name: String| {
        let mut found = tests.iter().filter(|test| test.name == name);
        let test = found.next().unwrap_or_else(|| panic!("there is no test '{name}' in tests/rules/"));
        assert!(found.next().is_none(), "two tests are called '{name}'");
        assert!(!test.checks.is_empty(), "'{name}' checks nothing");
        test
    };
    let healthy = find("healthy hosts".to_owned());
    let mut expected: BTreeSet<String> = BTreeSet::from(["healthy hosts".to_owned()]);
    for alert in by_name().keys() {
        for kind in TESTS {
            // There is no state in which this one may be quiet.
            let kind = if alert == WATCHDOG { kind.replace("quiet", "fires") } else { kind.to_owned() };
            let test = find(format!("{alert}: {kind}"));
            expected.insert(test.name.clone());
            assert!(test.checks.iter().all(|(checked, _)| checked == alert), "{}", test.name);
            let fires = test.checks.iter().any(|(_, fires)| *fires);
            assert_eq!(fires, kind.starts_with("fires"), "{}", test.name);
        }
        let there = healthy.checks.iter().filter(|(checked, _)| checked == alert).count();
        assert!(there >= 6, "{alert} is checked {there} times among the healthy hosts");
        let fires = healthy.checks.iter().any(|(checked, fires)| checked == alert && *fires);
        assert!(!fires || [WATCHDOG, "NodeRebooted"].contains(&alert.as_str()), "{alert}");
    }
    let more = tests.iter().filter(|test| !expected.contains(&test.name));
    for test in more {
        let (alert, what) = test.name.split_once(": ").unwrap();
        assert!(by_name().contains_key(alert), "{} is of no alert", test.name);
        assert!(what.starts_with("fires") && test.checks.iter().any(|(_, fires)| *fires), "{}", test.name);
    }
}

/// `UPDATE_GOLDEN=1 cargo test --test alert_rules` writes the table anew.
#[test]
fn the_table_of_alerts_is_that_of_the_rules() {
    let mut table = String::from("| alert | severity | fires when | for |\n|---|---|---|---|\n");
    for rule in rules::alerts() {
        let expr = rule.expr.replace('\n', " ").replace('|', "\\|");
        let (name, severity) = (&rule.name, rule.key("severity"));
        let wait = if rule.key("for").is_empty() { "–" } else { rule.key("for") };
        writeln!(table, "| [{name}](runbooks/{name}.md) | {severity} | `{expr}` | {wait} |").unwrap();
    }
    let path = project("deploy/prometheus/README.md");
    let readme = fs::read_to_string(&path).unwrap();
    let (before, rest) = readme.split_once("<!-- alerts -->\n").unwrap();
    let (_, after) = rest.split_once("<!-- end of alerts -->").unwrap();
    let made = format!("{before}<!-- alerts -->\n{table}<!-- end of alerts -->{after}");
    if std::env::var_os("UPDATE_GOLDEN").is_some() {
        fs::write(path, made).unwrap();
    } else if readme != made {
        let differing = made.lines().zip(readme.lines()).find(|(made, found)| made != found);
        panic!("the table of alerts is not that of the rules, first at {differing:?}");
    }
}

#[test]
#[ignore = "needs promtool (tests/run installs it)"]
fn promtool_takes_the_rules() {
    let mut command = Command::new("promtool");
    command
        .args(["check", "rules", "--lint=all", "--lint-fatal"])
        .args(files("deploy/prometheus/rules", "yml"));
    assert_success(&mut command);
}

#[test]
#[ignore = "needs promtool (tests/run installs it)"]
fn alerts_fire_when_they_should() {
    std::thread::scope(|scope| {
        for file in files("tests/rules", "yml") {
            scope.spawn(move || assert_success(Command::new("promtool").args(["test", "rules"]).arg(file)));
        }
    });
}

fn assert_success(command: &mut Command) {
    let output = command.output().unwrap();
    let said = String::from_utf8_lossy(&output.stdout) + String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{command:?}:\n{said}");
}

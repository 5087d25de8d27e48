//! What is shipped for Prometheus and Alertmanager, copied for a world whose clocks run [`FACTOR`] times as fast.
//! Nothing but times is changed, and the addresses that a user fills in.

use std::net::SocketAddr;

use regex_lite::{Captures, Regex};
use vitals::base::duration::{format, parse};

/// How many times as fast: a minute is a second, so that one scrape a second is one a minute.
pub const FACTOR: u32 = 60;

/// A rule file in which all waits, windows, steps and horizons are shorter.
///
/// # Panics
/// At an expression in YAML's quotes, whose strings could not be told from the rest.
pub fn rules(file: &str) -> String {
    let mut in_expr = false;
    let mut copy = String::new();
    for line in file.lines() {
        let content = line.trim_start();
        let (before, content) = line.split_at(line.len() - content.len());
        in_expr = in_expr && before.len() >= 10;
        let line = if in_expr {
            expression(content)
        } else if let Some(expr) = content.strip_prefix("expr: ") {
            assert!(!expr.starts_with(['"', '\'']), "an expression in quotes: {line}");
            in_expr = expr == "|";
            format!("expr: {}", expression(expr))
        } else {
            values_of(content, &["for", "keep_firing_for"])
        };
        copy.extend([before, &line, "\n"]);
    }
    copy
}

/// An expression in which windows, offsets, steps, the horizon of predictions and how long a host has been up are
/// shorter. Other numbers stay: a share of time is the same in both worlds, as are what a clock is off by and how often
/// something happened, since tests make things happen.
pub fn expression(expr: &str) -> String {
    let string = Regex::new(r#""(\\.|[^"\\])*""#).unwrap();
    let (mut copy, mut rest) = (String::new(), expr);
    while let Some(found) = string.find(rest) {
        let (before, from) = rest.split_at(found.start());
        let (string, after) = from.split_at(found.len());
        copy.extend([&outside_strings(before), string]);
        rest = after;
    }
    copy + &outside_strings(rest)
}

fn outside_strings(code: &str) -> String {
    let durations = Regex::new(r"\b([0-9]+(ms|[smhdwy]))+\b").unwrap();
    let code = durations.replace_all(code, |found: &Captures<'_>| duration(&found[0]));
    let seconds = Regex::new(r"(\],\s*|\binstance:vitals_uptime:seconds\s*[<>]=?\s*)([0-9]+)\b").unwrap();
    let shorter = |found: &Captures<'_>| format!("{}{}", &found[1], divided(found[2].parse().unwrap()));
    seconds.replace_all(&code, shorter).into_owned()
}

/// A duration as Prometheus and Alertmanager write them, divided.
fn duration(text: &str) -> String {
    format(parse(text).unwrap() / FACTOR)
}

fn divided(seconds: u32) -> u32 {
    assert!(seconds.is_multiple_of(FACTOR), "{seconds} s are no whole number of seconds in the copy");
    seconds / FACTOR
}

/// A line `key: DURATION`, divided if the key is one of `keys`.
fn values_of(line: &str, keys: &[&str]) -> String {
    match line.split_once(": ") {
        Some((key, value)) if keys.contains(&key) => format!("{key}: {}", duration(value)),
        _ => line.to_owned(),
    }
}

/// Where the notifications of the copy go.
#[derive(Clone, Copy)]
pub struct Addresses {
    /// Webhooks and chat.
    pub http: SocketAddr,
    /// The mail server.
    pub mail: SocketAddr,
}

/// Alertmanager's configuration with shorter waits and the addresses filled in: `/on-call`, `/chat` and
/// `/dead-mans-switch` on the HTTP server.
pub fn alertmanager(config: &str, to: Addresses) -> String {
    let keys = ["resolve_timeout", "group_wait", "group_interval", "repeat_interval"];
    let mut copy = String::new();
    for line in config.lines() {
        let content = line.trim_start();
        let (before, content) = line.split_at(line.len() - content.len());
        copy.extend([before, &values_of(content, &keys), "\n"]);
    }
    let Addresses { http, mail } = to;
    let fill_in = [
        ("smtp_smarthost: localhost:25", format!("smtp_smarthost: {mail}")),
        (" url: http://localhost:8080/alerts", format!(" url: http://{http}/on-call")),
        ("api_url: http://localhost:8065/hooks/CHANGE-ME", format!("api_url: http://{http}/chat")),
        (" url: http://localhost:8081/watchdog", format!(" url: http://{http}/dead-mans-switch")),
    ];
    for (shipped, filled_in) in fill_in {
        assert_eq!(copy.matches(shipped).count(), 1, "{shipped}");
        copy = copy.replace(shipped, &filled_in);
    }
    copy
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::common::promql;
    use crate::common::rules::{self as shipped, Kind, files, project};
    use std::collections::BTreeSet;
    use std::fs;
    use std::process::Command;

    /// Metrics in seconds, and why a number of these stays or does not.
    const SECONDS: &[(&str, &str)] = &[
        ("instance:vitals_uptime:seconds", "how long ago the boot was: shorter, like all waits"),
        ("node_kernel_hung_tasks_total", "a count"),
        ("node_pressure_cpu_waiting_seconds_total", "a share of time"),
        ("node_pressure_io_stalled_seconds_total", "a share of time"),
        ("node_pressure_memory_stalled_seconds_total", "a share of time"),
        ("node_pressure_memory_waiting_seconds_total", "a share of time"),
        ("node_cpu_seconds_total", "counted, or a share of time"),
        ("node_timex_maxerror_seconds", "a difference of clocks"),
        ("node_timex_offset_seconds", "a difference of clocks"),
        ("node_time_seconds", "a difference of clocks"),
    ];

    #[test]
    fn expressions_get_shorter_times_and_nothing_else() {
        let cases = [
            (r#"rate(a{b="[5m] 10m", c="\"1h"}[5m]) > 500"#, r#"rate(a{b="[5m] 10m", c="\"1h"}[5s]) > 500"#),
            ("max_over_time(a[1d:10m] offset 6h) == 1", "max_over_time(a[24m:10s] offset 6m) == 1"),
            ("a[1h30m] offset 90s > 16", "a[1m30s] offset 1s500ms > 16"),
            ("predict_linear(a[6h], 86400) < 0", "predict_linear(a[6m], 1440) < 0"),
            ("instance:vitals_uptime:seconds < 900", "instance:vitals_uptime:seconds < 15"),
            (
                "resets(instance:vitals_uptime:seconds[1h]) > 2",
                "resets(instance:vitals_uptime:seconds[1m]) > 2",
            ),
            ("increase(a5m[15m]) > 10 and node_load1 > 1e9", "increase(a5m[15s]) > 10 and node_load1 > 1e9"),
            (
                "floor(node_watchdog_bootstatus / 32) % 2 == 1",
                "floor(node_watchdog_bootstatus / 32) % 2 == 1",
            ),
        ];
        for (expr, shorter) in cases {
            assert_eq!(expression(expr), shorter);
        }
    }

    #[test]
    fn rule_files_keep_all_but_times() {
        let file = "groups:\n  - name: a\n    rules:\n      - alert: B\n        expr: |\n          c[1h]\n          or d\n        \
                    # Within 5m.\n        for: 30m\n        keep_firing_for: 1h\n        annotations:\n          \
                    description: \"Since 5m.\"\n      - alert: E\n        expr: f[5m] < 900\n";
        let copy = file.replace("[1h]", "[1m]").replace(": 30m", ": 30s").replace(": 1h", ": 1m");
        assert_eq!(rules(file), copy.replace("f[5m]", "f[5s]"));
    }

    #[test]
    #[should_panic(expected = "an expression in quotes")]
    fn expressions_in_quotes_are_refused() {
        rules("        expr: \"up == 0\"\n");
    }

    /// A rule that gets a number of seconds has to say which kind of time that is.
    #[test]
    fn seconds_of_the_shipped_rules_are_known() {
        let all = shipped::all();
        let alerts = all.iter().filter(|rule| rule.kind == Kind::Alert);
        let used: BTreeSet<String> = alerts.flat_map(|rule| promql::metrics(&rule.tree())).collect();
        for name in used.iter().filter(|name| name.contains("seconds")) {
            assert!(
                SECONDS.iter().any(|(known, _)| known == name),
                "{name}: shorter in the copy, or the same?"
            );
        }
        for (name, reason) in SECONDS {
            assert!(used.contains(*name), "no alert asks for {name} ({reason})");
        }
        for rule in all.iter().filter(|rule| rule.expr.contains("predict_linear")) {
            let (before, after) = (&rule.expr, expression(&rule.expr));
            let horizon = |expr: &str| -> u32 {
                let (_, number) = expr.rsplit_once("], ").unwrap();
                number.split(')').next().unwrap().parse().unwrap()
            };
            assert_eq!(horizon(before), horizon(&after) * FACTOR, "{before}");
        }
    }

    #[test]
    fn alertmanager_gets_shorter_times_and_addresses() {
        let shipped = fs::read_to_string(project("deploy/alertmanager/alertmanager.yml")).unwrap();
        let to = Addresses {
            http: SocketAddr::from(([127, 0, 0, 1], 1234)),
            mail: SocketAddr::from(([127, 0, 0, 1], 25)),
        };
        let copy = alertmanager(&shipped, to);
        assert!(!copy.contains("//localhost") && !copy.contains("CHANGE-ME"), "{copy}");
        let differing = shipped.lines().zip(copy.lines()).filter(|(before, after)| before != after);
        let changed: BTreeSet<&str> = differing
            .map(|(before, _)| before.trim_start_matches([' ', '-']).split(':').next().unwrap())
            .collect();
        let times = ["group_interval", "group_wait", "repeat_interval", "resolve_timeout"];
        let expected: BTreeSet<&str> =
            times.into_iter().chain(["api_url", "smtp_smarthost", "url"]).collect();
        assert_eq!(changed, expected);
        assert!(
            copy.contains("\n  group_wait: 500ms\n") && copy.contains("\n  repeat_interval: 12m\n"),
            "{copy}"
        );
    }

    #[test]
    #[ignore = "needs promtool (tests/run installs it)"]
    fn promtool_takes_the_copy() {
        let directory = tempfile::tempdir().unwrap();
        let mut command = Command::new("promtool");
        command.args(["check", "rules"]);
        for file in files("deploy/prometheus/rules", "yml") {
            let copy = directory.path().join(file.file_name().unwrap());
            fs::write(&copy, rules(&fs::read_to_string(file).unwrap())).unwrap();
            command.arg(copy);
        }
        let output = command.output().unwrap();
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    }
}

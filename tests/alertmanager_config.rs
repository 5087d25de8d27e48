//! The configuration of Alertmanager in `deploy/alertmanager/`: what amtool says of it, who is told what, and how the
//! notifications read.
#![allow(clippy::unwrap_used)]

mod common;

use std::fs;
use std::process::Command;

use common::rules::{self, project};
use serde_json::{Value, json};

const CONFIG: &str = "deploy/alertmanager/alertmanager.yml";

fn amtool(arguments: &[&str]) -> String {
    let output = Command::new("amtool").args(arguments).current_dir(project("")).output().unwrap();
    let errors = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "amtool {arguments:?}: {errors}");
    String::from_utf8(output.stdout).unwrap()
}

#[test]
#[ignore = "needs amtool (tests/run installs it)"]
fn amtool_takes_the_configuration() {
    let said = amtool(&["check-config", CONFIG]);
    for part in ["5 receivers", "4 inhibit rules", "1 templates"] {
        assert!(said.contains(part), "{said}");
    }
}

#[test]
#[ignore = "needs amtool (tests/run installs it)"]
fn alerts_go_to_whom_they_concern() {
    let receiver = |severity: &str, name: &str| {
        let labels =
            [format!("severity={severity}"), format!("alertname={name}"), "instance=db01".to_owned()];
        let config = format!("--config.file={CONFIG}");
        let labels = labels.iter().map(String::as_str);
        let arguments: Vec<&str> = ["config", "routes", "test", &config].into_iter().chain(labels).collect();
        amtool(&arguments).trim().to_owned()
    };
    // Each way once; an alert of somebody else's rules arrives as well.
    let ways = [
        ("critical", "TargetDown", "on-call"),
        ("warning", "NodeOOMKill", "team"),
        ("info", "NodeRebooted", "nobody"),
        ("none", "Watchdog", "dead-mans-switch"),
        ("page", "SomethingElse", "team"),
    ];
    for (severity, name, who) in ways {
        assert_eq!(receiver(severity, name), who, "{name}");
    }
    let known = |severity: &str| ways.iter().any(|(known, ..)| *known == severity);
    assert!(rules::alerts().iter().all(|rule| known(rule.key("severity"))));
}

/// What Alertmanager hands to the templates for two alerts of one host, the second one over if `resolved`.
fn notification(resolved: bool) -> Value {
    let alert = |status: &str, name: &str, summary: &str| {
        json!({
            "status": status,
            "labels": {"alertname": name, "instance": "db01:9100", "severity": "critical"},
            "annotations": {
                "summary": summary,
                "description": "/srv has 1.5% left.",
                "runbook_url": format!("https://example.org/{name}.md"),
            },
            "startsAt": "2026-11-23T05:00:00Z",
            "endsAt": "2026-11-23T06:30:00Z",
            "generatorURL": "http://prometheus:9090/graph?g0.expr=up",
        })
    };
    let second = if resolved { "resolved" } else { "firing" };
    json!({
        "receiver": "team",
        "status": "firing",
        "alerts": [alert("firing", "NodeFilesystemAlmostOutOfSpace", "db01: <full> & more"), alert(second, "NodeOOMKill", "db01: killed")],
        "groupLabels": {"instance": "db01:9100"},
        "commonLabels": {"instance": "db01:9100", "severity": "critical"},
        "commonAnnotations": {},
        "externalURL": "http://alertmanager:9093",
    })
}

fn render(template: &str, data: &Value) -> String {
    let file = tempfile::NamedTempFile::new().unwrap();
    fs::write(file.path(), data.to_string()).unwrap();
    let text = format!("--template.text={{{{ template \"{template}\" . }}}}");
    let data = format!("--template.data={}", file.path().display());
    let kind = if template.ends_with("html") { "--template.type=html" } else { "--template.type=text" };
    amtool(&[
        "template",
        "render",
        "--template.glob=deploy/alertmanager/templates/*.tmpl",
        &text,
        &data,
        kind,
    ])
}

#[test]
#[ignore = "needs amtool (tests/run installs it)"]
fn notifications_say_where_what_since_when_and_what_to_do() {
    let firing = notification(false);
    assert_eq!(render("vitals.subject", &firing).trim_end(), "[CRITICAL] db01:9100: 2 alerts");
    assert_eq!(render("vitals.color", &firing).trim_end(), "danger");
    for template in ["vitals.text", "vitals.html", "vitals.chat"] {
        let text = render(template, &firing);
        for part in ["/srv has 1.5% left.", "https://example.org/NodeOOMKill.md", "critical"] {
            assert!(text.contains(part), "{template}: no {part} in\n{text}");
        }
    }
    let text = render("vitals.text", &firing);
    assert!(text.contains("Since 2026-11-23 05:00:00 UTC\n") && !text.contains("RESOLVED"), "{text}");
    let html = render("vitals.html", &firing);
    assert!(html.contains("db01: &lt;full&gt; &amp; more"), "{html}");

    let mut one_over = notification(true);
    assert_eq!(
        render("vitals.subject", &one_over).trim_end(),
        "[CRITICAL] db01:9100: NodeFilesystemAlmostOutOfSpace"
    );
    let text = render("vitals.text", &one_over);
    let (before, after) = text.split_once("RESOLVED").unwrap();
    assert!(before.contains("FIRING") && before.contains("AlmostOutOfSpace.md"), "{text}");
    assert!(after.contains("over at 2026-11-23 06:30:00 UTC") && after.contains("NodeOOMKill.md"), "{text}");

    one_over["status"] = "resolved".into();
    one_over["alerts"].as_array_mut().unwrap().remove(0);
    assert_eq!(render("vitals.subject", &one_over).trim_end(), "[RESOLVED] db01:9100: NodeOOMKill");
    assert_eq!(render("vitals.color", &one_over).trim_end(), "good");
}

//! From a cause on a host to the person who is told, and back: our exporter and recorder, Prometheus with the shipped
//! rules, Alertmanager with the shipped routes and templates, a web server and a mail server that people would read.
//!
//! Time runs a minute a second: `quick` copies what is shipped with shorter waits and windows.
#![allow(clippy::unwrap_used)]

#[path = "../common/mod.rs"]
mod common;
mod hosts;
mod monitoring;
mod quick;
mod receivers;

use std::collections::BTreeSet;
use std::process::Command;
use std::time::Duration;

use common::rules::project;
use common::servers::{Server, vitals_exporter, wrapped};
use common::small_disk::SmallDisk;
use common::wait_until;
use hosts::{BOND, COOLING, Host, MEMORY, RAID};
use monitoring::Monitoring;
use receivers::Post;
use serde_json::Value;

/// How long anything may take on a busy machine.
const LONG: Duration = Duration::from_secs(120);

/// A hundred times the largest page of memory that Linux has.
const DISK_BYTES: u64 = 100 * 65536;

const ON_CALL: &str = "on-call@example.org";
const TEAM: &str = "team@example.org";

/// Warnings that may be true of the machine that runs the tests, and why.
const TRUE_OF_THIS_MACHINE: &[(&str, &str)] = &[
    ("NodeClockNotSynchronising", "no time server in the network of the tests"),
    ("NodeClockSkewDetected", "no time server in the network of the tests"),
    ("NodeCPUPressure", "other tests run"),
    ("NodeIOPressure", "other tests and compilers run"),
    ("NodeMemoryPressure", "other tests and compilers run"),
    ("NodeSystemSaturation", "other tests run, on a kernel without pressure figures"),
    ("NodeMemoryHighUtilization", "other tests and compilers run"),
    ("NodeSwapFillingUp", "other tests and compilers run"),
    ("NodeSwapStorm", "other tests and compilers run"),
    ("NodeOOMKill", "tests may be limited in memory"),
    ("NodeFilesystemAlmostOutOfSpace", "its disk is what it is"),
    ("NodeFilesystemSpaceFillingUp", "what is compiled fills it, and an hour is a minute"),
    ("NodeFilesystemAlmostOutOfFiles", "its disk is what it is"),
    ("NodeFilesystemFilesFillingUp", "what is compiled fills it, and an hour is a minute"),
];

/// What a post says of an alert.
fn told<'p>(post: &'p Post, instance: &str, name: &str, status: &str) -> Option<&'p Value> {
    let is_meant = |alert: &&Value| {
        let labels = &alert["labels"];
        labels["instance"] == instance && labels["alertname"] == name && alert["status"] == status
    };
    post.body["alerts"].as_array().into_iter().flatten().find(is_meant)
}

fn small_disk() -> SmallDisk {
    SmallDisk::mount(DISK_BYTES).expect(
        "this test mounts a small tmpfs: run it as root, or allow users to have namespaces \
         (sysctl kernel.unprivileged_userns_clone=1 kernel.apparmor_restrict_unprivileged_userns=0), \
         and install unshare and nsenter (util-linux)",
    )
}

/// scrape-log that records `target` on `disk`.
fn recorder(target: &Host, disk: &SmallDisk) -> Server {
    let mut command: Command = wrapped(&disk.wrapper(), env!("CARGO_BIN_EXE_scrape-log"));
    command
        .args(["--web.listen-address=127.0.0.1:0", "--scrape.interval=200ms", "--storage.min-free=0"])
        .arg(format!("--storage.path={}", disk.path().display()))
        .arg(format!("--target=http://{}/metrics", target.address));
    Server::start_logging_address(command, "msg=listening")
}

/// The page that the link in an alert leads to is in this repository.
fn assert_runbook(alert: &Value, name: &str) {
    let link = alert["annotations"]["runbook_url"].as_str().unwrap();
    let (_, path) = link.split_once("/blob/main/").unwrap();
    assert_eq!(path, format!("deploy/prometheus/runbooks/{name}.md"));
    assert!(project(path).is_file(), "{path}");
}

#[test]
#[ignore = "needs prometheus and prometheus-alertmanager (tests/run installs them)"]
fn causes_reach_people_and_so_does_their_end() {
    let (disk, record) = (small_disk(), small_disk());
    let (db01, mut db02, vm01) = (Host::server(Some(&disk)), Host::server(None), Host::just_booted());
    let here = vitals_exporter(&[] as &[&str]);
    let recorder = recorder(&vm01, &record);
    let hosts = [
        ("db01", db01.address),
        ("db02", db02.address),
        ("vm01", vm01.address),
        ("here", here.address),
        ("recorder", recorder.address),
    ];
    let monitoring = Monitoring::start(&hosts);
    wait_until("two scrapes of all", LONG, || {
        (monitoring.query("count_over_time(up[1h]) > 1 and up == 1").len() == hosts.len()).then_some(())
    });
    monitoring.wait_for_watchdog(2);

    disk.fill_but(DISK_BYTES / 50);
    db01.break_down(&COOLING);
    db01.break_down(&BOND);
    db02.break_down(&RAID);
    db02.break_down(&MEMORY);
    record.fill();
    those_who_are_concerned_are_told(&monitoring);

    let before = monitoring.web.all().len();
    db02.kill();
    lesser_alerts_are_muted(&monitoring);
    a_dead_host_says_one_thing(&monitoring, before);
    disk.free();
    db01.mend(&COOLING);
    ends_are_told(&monitoring);
    nothing_more_was_heard_of(&monitoring, "db02", before);
    db02.start();
    monitoring.wait_for_post("/on-call", before, "db02", "TargetDown", "resolved");
    monitoring.wait_for_post("/on-call", before, "db02", "NodeRAIDDegraded", "firing");

    let quiet = monitoring.web.all().iter().all(|post| post.path != "/chat");
    assert!(quiet, "nothing is routed to the chat as shipped");
    // Before the reload: one that has just started does not mute yet, and here it waits for nothing.
    nothing_is_left_of_templates(&monitoring);
    warnings_go_to_the_chat_instead(&monitoring);
    // It goes on all the time.
    monitoring.wait_for_watchdog(3);
    hosts_that_are_well_fire_nothing(&monitoring);
}

fn those_who_are_concerned_are_told(monitoring: &Monitoring) {
    let full = "NodeFilesystemAlmostOutOfSpace";
    let cases = [
        ("db01", full, "/ (tmpfs) on db01 has 2% left: writes are about to fail."),
        ("db01", "NodeTemperatureHigh", "on db01 is at its critical limit (margin -1.5 °C)"),
        ("db02", "NodeRAIDDegraded", "The array md2 of db02 lacks 1 of its disks."),
        ("db02", "NodeMemoryErrorsUncorrectable", "Memory controller 0 of db02 had 3 uncorrectable errors"),
        ("recorder", "ScrapeLogSuspended", "reason: full."),
    ];
    for (host, name, description) in cases {
        let post = monitoring.wait_for_post("/on-call", 0, host, name, "firing");
        let alert = told(&post, host, name, "firing").unwrap();
        assert_eq!(alert["labels"]["severity"], "critical", "{alert}");
        let found = alert["annotations"]["description"].as_str().unwrap();
        assert!(found.contains(description), "{found}");
        assert!(alert["annotations"]["summary"].as_str().unwrap().contains(host), "{alert}");
        assert_runbook(alert, name);
    }
    let mail = monitoring.wait_for_mail(ON_CALL, "[CRITICAL] db01: ", cases[0].2);
    let runbook = format!("/deploy/prometheus/runbooks/{full}.md");
    assert!(mail.text.starts_with("FIRING\n") && mail.text.contains("Since 20"), "{}", mail.text);
    assert!(mail.text.contains(&format!("{runbook}\n")), "{}", mail.text);
    for part in [cases[0].2, "<b>critical</b> db01: / is full", &format!("{runbook}\">Runbook</a>")] {
        assert!(mail.html.contains(part), "no {part} in {}", mail.html);
    }
    for (host, name, description) in [
        ("db01", "NodeBondingDegraded", "1 links of the bond bond0 on db01 are down."),
        ("db02", "NodeRAIDDiskFailure", "The array md2 of db02 has 1 failed disks."),
    ] {
        let mail = monitoring.wait_for_mail(TEAM, &format!("[WARNING] {host}: "), description);
        assert!(mail.text.contains(&format!("/deploy/prometheus/runbooks/{name}.md\n")), "{}", mail.text);
    }
    for post in monitoring.web.all().iter().filter(|post| post.path == "/on-call") {
        let host = &post.body["groupLabels"]["instance"];
        let alerts = post.body["alerts"].as_array().unwrap();
        let is_of_the_group = |alert: &Value| alert["labels"]["instance"] == *host;
        assert!(alerts.iter().all(is_of_the_group), "one host a notification: {}", post.body);
    }
}

fn lesser_alerts_are_muted(monitoring: &Monitoring) {
    monitoring.wait_for_alert("db01", "NodeTemperatureHigh", "warning", true);
    monitoring.wait_for_alert("db01", "NodeTemperatureHigh", "critical", false);
    monitoring.wait_for_alert("recorder", "ScrapeLogNotWriting", "critical", true);
    monitoring.wait_for_alert("recorder", "ScrapeLogSuspended", "critical", false);
    // The counters of a copied host stand still, so that its processors are never idle.
    let info = monitoring.wait_for_alert("vm01", "NodeCPUHighUsage", "info", false);
    assert_eq!(info.receivers, ["nobody"]);
}

/// What is known to be wrong with db02.
const WRONG: [(&str, &str); 3] = [
    ("NodeRAIDDegraded", "critical"),
    ("NodeMemoryErrorsUncorrectable", "critical"),
    ("NodeRAIDDiskFailure", "warning"),
];

fn a_dead_host_says_one_thing(monitoring: &Monitoring, before: usize) {
    let post = monitoring.wait_for_post("/on-call", before, "db02", "TargetDown", "firing");
    let alert = told(&post, "db02", "TargetDown", "firing").unwrap();
    assert_runbook(alert, "TargetDown");
    assert_eq!(alert["annotations"]["summary"], "db02 is down");
    for (name, severity) in WRONG {
        monitoring.wait_for_alert("db02", name, severity, true);
    }
    // The other host's go on.
    monitoring.wait_for_alert("db01", "NodeFilesystemAlmostOutOfSpace", "critical", false);
    monitoring.wait_for_alert("db01", "NodeBondingDegraded", "warning", false);
    monitoring.wait_for_mail(ON_CALL, "[CRITICAL] db02: TargetDown", "has not answered a scrape");
}

fn ends_are_told(monitoring: &Monitoring) {
    for name in ["NodeFilesystemAlmostOutOfSpace", "NodeTemperatureHigh"] {
        let post = monitoring.wait_for_post("/on-call", 0, "db01", name, "resolved");
        assert_runbook(told(&post, "db01", name, "resolved").unwrap(), name);
    }
    let mail = monitoring.wait_for_mail(ON_CALL, "[RESOLVED] db01: ", "RESOLVED");
    assert!(mail.text.contains(", over at 20") && !mail.text.contains("FIRING"), "{}", mail.text);
}

/// While a host is down, neither a reminder of what was wrong with it nor word that this is over.
fn nothing_more_was_heard_of(monitoring: &Monitoring, host: &str, before: usize) {
    // As long as an alert stays after its cause, and then some more notifications.
    wait_until("the end of what was muted", LONG, || {
        let alerts = monitoring.alerts();
        (!alerts.iter().any(|alert| alert.is(host, "NodeRAIDDegraded", "critical"))).then_some(())
    });
    monitoring.wait_for_watchdog(3);
    let posts = monitoring.web.all();
    for post in posts.iter().skip(before).filter(|post| post.path == "/on-call") {
        for (name, status) in WRONG.iter().flat_map(|(name, _)| [(name, "firing"), (name, "resolved")]) {
            assert!(told(post, host, name, status).is_none(), "{host} is down: {}", post.body);
        }
    }
    let mails = monitoring.mail.all();
    assert!(!mails.iter().any(|mail| mail.subject.contains(&format!("[RESOLVED] {host}"))), "{mails:#?}");
}

fn warnings_go_to_the_chat_instead(monitoring: &Monitoring) {
    let route = "- matchers: [severity = warning]\n      receiver: ";
    monitoring.reconfigure(&format!("{route}team"), &format!("{route}chat"));
    let attachment = wait_until("a message in the chat", LONG, || {
        let posts = monitoring.web.all().into_iter().filter(|post| post.path == "/chat");
        let attachments = posts.map(|post| post.body["attachments"][0].clone());
        attachments.into_iter().find(|found| found["title"].as_str().unwrap().contains("db01"))
    });
    assert_eq!(attachment["title"], "[WARNING] db01: NodeBondingDegraded");
    assert_eq!(attachment["fallback"], attachment["title"]);
    assert_eq!(attachment["color"], "warning");
    let text = attachment["text"].as_str().unwrap();
    assert_whole("the chat", &attachment.to_string());
    assert!(text.contains("*warning* db01: bond0 lost a link\n1 links of the bond bond0"), "{text}");
    assert!(text.contains("/deploy/prometheus/runbooks/NodeBondingDegraded.md|Runbook>"), "{text}");
}

fn hosts_that_are_well_fire_nothing(monitoring: &Monitoring) {
    let reason =
        |name: &str| TRUE_OF_THIS_MACHINE.iter().find(|(known, _)| *known == name).map(|(_, reason)| reason);
    let (mut here, vm01) = (monitoring.fired("here"), monitoring.fired("vm01"));
    here.retain(|(name, severity)| severity != "info" && reason(name).is_none());
    assert_eq!(here, BTreeSet::new(), "an exporter of this machine");

    let names: Vec<&str> = vm01.iter().map(|(name, _)| name.as_str()).collect();
    assert_eq!(names, ["NodeCPUHighUsage", "NodeRebooted"], "a host without hardware, after a boot");
    let mut down = monitoring.fired("db01");
    down.retain(|(name, _)| name == "TargetDown");
    assert_eq!(down, BTreeSet::new());
}

/// Over all that was sent: each receiver got what is its, and no template was at a loss.
fn nothing_is_left_of_templates(monitoring: &Monitoring) {
    let (posts, mails) = (monitoring.web.all(), monitoring.mail.all());
    let posts: Vec<(String, String)> =
        posts.into_iter().map(|post| (post.path, post.body.to_string())).collect();
    for (path, body) in &posts {
        let severity = if path == "/on-call" { "\"severity\":\"critical\"" } else { "" };
        assert!(body.contains(severity) && !body.contains("\"severity\":\"warning\""), "{path}: {body}");
        assert!(
            !body.contains("NodeCPUHighUsage") && !body.contains("ScrapeLogNotWriting"),
            "{path}: {body}"
        );
    }
    for mail in &mails {
        let Mails { severity, other } = Mails::of(&mail.to);
        assert!(mail.text.contains(&format!("\n{severity}  ")), "{mail:#?}");
        assert!(!mail.text.contains(&format!("\n{other}  ")) && !mail.text.contains("\ninfo  "), "{mail:#?}");
        // When the muted one and what mutes it end at once, Alertmanager tells both ends.
        let firing = mail.text.split("RESOLVED\n").next().unwrap();
        assert!(!(mail.to == TEAM && firing.contains("NodeTemperatureHigh")), "{mail:#?}");
    }
    let mails = mails.into_iter().map(|mail| (mail.to, mail.subject + &mail.text + &mail.html));
    for (to, text) in posts.into_iter().chain(mails) {
        assert_whole(&to, &text);
    }
}

fn assert_whole(to: &str, text: &str) {
    for left in ["<no value>", "&lt;no value&gt;", "{{", "%!", "several hosts"] {
        assert!(!text.contains(left), "{left} sent to {to}: {text}");
    }
}

/// What the mails of a person are about, and what not.
struct Mails {
    severity: &'static str,
    other: &'static str,
}

impl Mails {
    fn of(person: &str) -> Self {
        match person {
            ON_CALL => Self { severity: "critical", other: "warning" },
            TEAM => Self { severity: "warning", other: "critical" },
            _ => panic!("a mail to {person}"),
        }
    }
}

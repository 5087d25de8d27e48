//! The collectors `systemd` and `logind` on a real message bus, where services of this test stand for those two.
#![allow(clippy::unwrap_used)]

mod common;

use std::time::{Duration, Instant};

use common::bus::{Body, Daemon, Reply, Request, Service, Variant};
use common::page::Page;
use common::servers::{Server, node_exporter_on_bus, vitals_exporter_on_bus};
use common::{hosts, http};

use Variant::{Bool, Text, U32, U64};

const SYSTEMD: &str = "org.freedesktop.systemd1";
const LOGIND: &str = "org.freedesktop.login1";

/// Name, load state, active state.
const UNITS: [(&str, &str, &str); 14] = [
    ("ssh.service", "loaded", "active"),
    ("backup.service", "loaded", "failed"),
    ("old.service", "loaded", "active"),
    ("gone.service", "loaded", "inactive"),
    ("web.service", "loaded", "reloading"),
    ("missing.service", "not-found", "inactive"),
    ("getty@tty1.service", "loaded", "activating"),
    ("ssh.socket", "loaded", "active"),
    ("old.socket", "loaded", "inactive"),
    ("backup.timer", "loaded", "active"),
    ("srv-data\\x2dset.mount", "loaded", "active"),
    ("dev-sda.device", "loaded", "active"),
    ("multi-user.target", "loaded", "active"),
    ("system.slice", "loaded", "active"),
];

/// What the units have; everything else is refused.
const PROPERTIES: [(&str, &str, Variant); 32] = [
    ("ssh.service", "Service.Type", Text("notify")),
    ("ssh.service", "Service.NRestarts", U32(3)),
    ("ssh.service", "Service.TasksCurrent", U64(4)),
    ("ssh.service", "Service.TasksMax", U64(u64::MAX)),
    ("ssh.service", "Unit.ActiveEnterTimestamp", U64(1_700_000_000_123_456)),
    ("backup.service", "Service.Type", Text("oneshot")),
    ("backup.service", "Service.NRestarts", U32(0)),
    ("backup.service", "Service.TasksCurrent", U64(u64::MAX)),
    ("backup.service", "Service.TasksMax", U64(512)),
    ("backup.service", "Unit.ActiveEnterTimestamp", U64(1)),
    ("old.service", "Service.Type", Text("simple")),
    ("old.service", "Unit.ActiveEnterTimestamp", U64(1_600_000_000_000_000)),
    ("web.service", "Service.Type", Text("notify-reload")),
    ("web.service", "Service.NRestarts", U32(u32::MAX)),
    ("getty@tty1.service", "Service.Type", Text("idle")),
    ("getty@tty1.service", "Service.NRestarts", U32(1)),
    ("ssh.socket", "Socket.NAccepted", U32(10)),
    ("ssh.socket", "Socket.NConnections", U32(2)),
    ("ssh.socket", "Socket.NRefused", U32(1)),
    ("ssh.socket", "Unit.ActiveEnterTimestamp", U64(1_700_000_000_000_000)),
    ("old.socket", "Socket.NAccepted", U32(0)),
    ("old.socket", "Socket.NConnections", U32(0)),
    ("backup.timer", "Timer.LastTriggerUSec", U64(1_699_999_999_000_001)),
    ("backup.timer", "Unit.ActiveEnterTimestamp", U64(1_700_000_000_000_001)),
    ("srv-data\\x2dset.mount", "Mount.Type", Text("ext4")),
    ("srv-data\\x2dset.mount", "Unit.ActiveEnterTimestamp", U64(1_700_000_000_000_002)),
    ("dev-sda.device", "Unit.ActiveEnterTimestamp", U64(1_700_000_000_000_003)),
    ("multi-user.target", "Unit.ActiveEnterTimestamp", U64(1_700_000_000_000_004)),
    ("system.slice", "Unit.ActiveEnterTimestamp", U64(0)),
    ("", "Manager.Version", Text("252.38-1~deb12u1")),
    ("", "Manager.Virtualization", Text("")),
    ("", "Manager.SystemState", Text("running")),
];

/// Seat and what the session has.
const SESSIONS: [(&str, &[(&str, Variant)]); 6] = [
    ("seat0", &[("Remote", Bool(false)), ("Type", Text("tty")), ("Class", Text("user"))]),
    ("", &[("Remote", Bool(true)), ("Type", Text("tty")), ("Class", Text("user"))]),
    ("", &[("Remote", Bool(true)), ("Type", Text("tty")), ("Class", Text("user"))]),
    ("seat0", &[("Remote", Bool(false)), ("Type", Text("wayland")), ("Class", Text("greeter"))]),
    ("", &[("Remote", Bool(false)), ("Type", Text("unspecified")), ("Class", Text("manager"))]),
    ("", &[("Remote", Bool(true)), ("Type", Text("tty"))]), // ends while it is asked
];

/// The object of a unit, as systemd makes it: what is no letter or digit in hexadecimal.
fn unit_path(unit: &str) -> String {
    let escaped = unit.bytes().map(|byte| match byte {
        b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' => char::from(byte).to_string(),
        _ => format!("_{byte:02x}"),
    });
    format!("/org/freedesktop/systemd1/unit/{}", escaped.collect::<String>())
}

fn systemd(request: &Request) -> Reply {
    match (request.method.as_str(), request.arguments.as_slice()) {
        ("ListUnits", []) => Reply::Body(
            "a(ssssssouso)",
            Body::default().array(UNITS, |body, (name, load, active)| {
                let body = body.text(name).text("Some unit").text(load).text(active).text("sub").text("");
                body.text(&unit_path(name)).number(0).text("").text("/")
            }),
        ),
        ("Get", [interface, name]) => {
            let wanted = format!("{interface}.{name}");
            let found = PROPERTIES.iter().find(|(unit, property, _)| {
                let path = if unit.is_empty() { "/org/freedesktop/systemd1".into() } else { unit_path(unit) };
                request.path == path && wanted == format!("{SYSTEMD}.{property}")
            });
            found.map(|(_, _, value)| *value).into()
        }
        _ => Reply::Refusal("org.freedesktop.DBus.Error.UnknownMethod"),
    }
}

fn logind(request: &Request) -> Reply {
    match (request.method.as_str(), request.arguments.as_slice()) {
        ("ListSeats", []) => {
            let seats = Body::default().array(["seat0"], |body, seat| body.text(seat).text("/seat"));
            Reply::Body("a(so)", seats)
        }
        ("ListSessions", []) => Reply::Body(
            "a(susso)",
            Body::default().array(SESSIONS.iter().enumerate(), |body, (index, (seat, _))| {
                body.text("c1").number(1000).text("ada").text(seat).text(&format!("/session/{index}"))
            }),
        ),
        ("Get", [interface, name]) if interface == "org.freedesktop.login1.Session" => {
            let index: usize = request.path.strip_prefix("/session/").unwrap().parse().unwrap();
            SESSIONS[index].1.iter().find(|(property, _)| property == name).map(|(_, value)| *value).into()
        }
        _ => Reply::Refusal("org.freedesktop.DBus.Error.UnknownMethod"),
    }
}

/// The first of these the other exporter has already.
const COLLECTORS: [&str; 3] = ["--collector.disable-defaults", "--collector.systemd", "--collector.logind"];

/// The lines of families that come over the bus.
fn from_the_bus(page: &str) -> String {
    let is_wanted = |line: &&str| line.contains("node_systemd_") || line.contains("node_logind_");
    page.lines().filter(is_wanted).map(|line| format!("{line}\n")).collect()
}

/// The page without the family that node_exporter 1.5 does not have.
fn without_virtualization(page: &str) -> Page {
    let mut page = Page::read(page);
    page.kinds.remove("node_systemd_virtualization_info").unwrap();
    page.samples.retain(|series, _| series.name != "node_systemd_virtualization_info");
    page
}

fn success(server: &Server, collector: &str) -> f64 {
    let page = Page::read(&server.metrics());
    let mut samples = page.of("node_scrape_collector_success");
    samples.find(|(series, _)| series.label("collector") == collector).unwrap().1
}

#[test]
#[ignore = "needs dbus-daemon and prometheus-node-exporter (tests/run installs them)"]
fn units_and_sessions_are_those_of_node_exporter() {
    let bus = Daemon::start();
    let _services = [Service::start(&bus, SYSTEMD, systemd), Service::start(&bus, LOGIND, logind)];
    for (case, flags) in [
        // What is left out by default has changed since node_exporter 1.5.
        (
            "defaults",
            ["--collector.systemd.unit-exclude=.+\\.(automount|device|mount|scope|slice)"].as_slice(),
        ),
        (
            "all",
            &[
                "--collector.systemd.unit-exclude=.+\\.slice|dev",
                "--collector.systemd.enable-task-metrics",
                "--collector.systemd.enable-restarts-metrics",
                "--collector.systemd.enable-start-time-metrics",
            ],
        ),
        (
            "few",
            &["--collector.systemd.unit-include=ssh|s.+|backup", "--collector.systemd.unit-exclude=.+socket"],
        ),
    ] {
        let arguments: Vec<&str> = COLLECTORS.iter().chain(flags).copied().collect();
        let ours = vitals_exporter_on_bus(&bus.address(), &arguments).metrics();
        assert_eq!(ours.matches("node_scrape_collector_success{").count(), 2);
        assert_eq!(
            ours.matches("node_scrape_collector_success{collector=\"systemd\"} 1\n").count(),
            1,
            "{ours}"
        );
        let ours = from_the_bus(&ours);
        hosts::compare(&format!("dbus/{case}"), &ours).unwrap_or_else(|difference| panic!("{difference}"));
        let ours = without_virtualization(&ours);
        let theirs = node_exporter_on_bus(&bus.address(), &arguments[1..]).metrics();
        let theirs = Page::read(&from_the_bus(&theirs));
        assert_eq!(ours.kinds, theirs.kinds, "{case}");
        assert_eq!(ours.samples, theirs.samples, "{case}");
    }
}

/// Systemd of 2013 knows no state of the whole and no virtualization, and some builds call themselves by no number.
#[test]
#[ignore = "needs dbus-daemon and prometheus-node-exporter (tests/run installs them)"]
fn old_systemd_gives_less() {
    for (version, sample) in [
        ("systemd 208", "node_systemd_version{version=\"systemd 208\"} 208"),
        ("git", "node_systemd_version{version=\"\"} 0"),
    ] {
        let bus = Daemon::start();
        let _service = Service::start(&bus, SYSTEMD, move |request| {
            match request.arguments.get(1).map(String::as_str) {
                Some("Version") => Some(Text(version)).into(),
                Some("Virtualization" | "SystemState") => None.into(),
                _ => systemd(request),
            }
        });
        let arguments = ["--collector.systemd", "--collector.systemd.unit-exclude=.+service"];
        let ours = vitals_exporter_on_bus(&bus.address(), &arguments).metrics();
        assert!(ours.contains("node_scrape_collector_success{collector=\"systemd\"} 1\n"), "{ours}");
        let ours = from_the_bus(&ours);
        assert!(ours.lines().any(|line| line == sample), "{ours}");
        assert!(ours.contains("{virtualization_type=\"unknown\"} 1\n"), "{ours}");
        assert!(!ours.contains("system_running") && !ours.contains("timer_last_trigger"), "{ours}");
        let theirs = from_the_bus(&node_exporter_on_bus(&bus.address(), &arguments).metrics());
        assert_eq!(without_virtualization(&ours).samples, Page::read(&theirs).samples);
    }
}

#[test]
#[ignore = "needs dbus-daemon (tests/run installs it)"]
fn a_service_that_is_not_there_is_told_once_and_so_is_its_return() {
    let bus = Daemon::start();
    let server = vitals_exporter_on_bus(&bus.address(), &COLLECTORS);
    for _ in 0..3 {
        assert_eq!((success(&server, "systemd"), success(&server, "logind")), (0.0, 0.0));
    }
    let services = [Service::start(&bus, SYSTEMD, systemd), Service::start(&bus, LOGIND, logind)];
    for _ in 0..2 {
        assert_eq!((success(&server, "systemd"), success(&server, "logind")), (1.0, 1.0));
    }
    drop(services);
    drop(bus);
    assert_eq!(success(&server, "logind"), 0.0);
    let (_, log) = server.process.terminate(Duration::from_secs(10));
    for (collector, owner) in [("systemd", SYSTEMD), ("logind", LOGIND)] {
        let of = |text: &str| {
            let is_of = |line: &&str| line.contains(text) && line.contains(&format!("collector={collector}"));
            log.lines().filter(is_of).collect::<Vec<_>>()
        };
        let failures = of("level=WARN");
        assert!(failures[0].contains(owner) && failures.len() == 2, "{failures:?}");
        assert_eq!(of("works again").len(), 1, "{log}");
    }
}

/// A service that hangs, and one that does so after the first answer, as when systemd is stopped in a debugger.
#[test]
#[ignore = "needs dbus-daemon (tests/run installs it)"]
fn a_service_that_is_silent_holds_nothing_up() {
    let bus = Daemon::start();
    let _services = [
        Service::start(&bus, SYSTEMD, |request| match request.arguments.as_slice() {
            [interface, _] if interface != "org.freedesktop.systemd1.Manager" => Reply::Silence,
            _ => systemd(request),
        }),
        Service::start(&bus, LOGIND, |_| Reply::Silence),
    ];
    let arguments: Vec<&str> = COLLECTORS.iter().chain(&["--collector.loadavg"]).copied().collect();
    let server = vitals_exporter_on_bus(&bus.address(), &arguments);
    let start = Instant::now();
    let page = http::get_ok(server.address, "/metrics");
    assert!(start.elapsed() < Duration::from_secs(3), "{:?}", start.elapsed());
    for line in [
        "node_scrape_collector_success{collector=\"systemd\"} 0",
        "node_scrape_collector_success{collector=\"logind\"} 0",
        "node_scrape_collector_success{collector=\"loadavg\"} 1",
        "node_systemd_units{state=\"active\"} 8", // what had come before
    ] {
        assert!(page.lines().any(|found| found == line), "{line}\nin\n{page}");
    }
    let log = server.process.log();
    assert_eq!(log.matches("no answer over D-Bus in time").count(), 2, "{log}");
}

#[test]
fn without_a_bus_there_is_one_clear_error() {
    let arguments = ["--collector.disable-defaults", "--collector.logind"];
    let server = vitals_exporter_on_bus("unix:path=/nonexistent/bus", &arguments);
    for _ in 0..3 {
        assert_eq!(success(&server, "logind"), 0.0);
    }
    let (_, log) = server.process.terminate(Duration::from_secs(10));
    let want = "cannot connect to unix:path=/nonexistent/bus: No such file or directory";
    assert_eq!(log.matches(want).count(), 1, "{log}");
}

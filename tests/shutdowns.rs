//! Whether the machine was shut down or just went, as the real program tells it after the next boot. The machine is a
//! folder whose boot id changes.
#![allow(clippy::unwrap_used)]

mod common;

use std::fs;
use std::time::{Duration, SystemTime};

use common::bus::{Daemon, Reply, Request, Service, Variant};
use common::hosts;
use common::page::Page;
use common::servers::{Server, vitals_exporter_on_bus};
use tempfile::TempDir;

const NO_BUS: &str = "unix:path=/nonexistent/bus";

struct Machine(TempDir);

/// What the page says of the last run: clean, when it was alive, how many were not.
#[derive(Debug, PartialEq)]
struct Told(Option<f64>, Option<f64>, Option<f64>);

impl Machine {
    fn new() -> Self {
        let machine = Self(hosts::temporary_folder());
        hosts::copy(&hosts::folder("fixtures/vm/proc"), &machine.0.path().join("proc"));
        fs::create_dir_all(machine.0.path().join("proc/sys/kernel/random")).unwrap();
        fs::create_dir(machine.0.path().join("state")).unwrap();
        machine
    }

    /// Starts the exporter in the run of the machine with this name.
    fn boot(&self, boot_id: &str, bus: &str) -> Server {
        let proc = self.0.path().join("proc");
        fs::write(proc.join("sys/kernel/random/boot_id"), format!("{boot_id}\n")).unwrap();
        let state = self.0.path().join("state");
        let flags = [
            format!("--path.procfs={}", proc.display()),
            format!("--state.directory={}", state.display()),
            "--collector.disable-defaults".to_owned(),
            "--collector.vitals".to_owned(),
        ];
        vitals_exporter_on_bus(bus, &flags)
    }
}

fn told(server: &Server) -> Told {
    let page = Page::read(&server.metrics());
    let value = |name| page.of(name).next().map(|(_, value)| value);
    Told(
        value("vitals_last_shutdown_clean"),
        value("vitals_last_alive_timestamp_seconds"),
        value("vitals_unclean_shutdowns_total"),
    )
}

fn now_seconds() -> f64 {
    SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap().as_secs_f64()
}

/// Stops it as a shutdown does.
fn terminate(server: Server) {
    let (status, log) = server.process.terminate(Duration::from_secs(30));
    assert!(status.success(), "{log}");
}

#[test]
fn a_power_cut_a_shutdown_and_restarts_of_the_exporter() {
    let machine = Machine::new();
    let first = machine.boot("first", NO_BUS);
    assert_eq!(told(&first), Told(None, None, Some(0.0)), "nobody knows what was before");
    drop(first); // SIGKILL: the machine goes

    let second = machine.boot("second", NO_BUS);
    let Told(clean, alive, unclean) = told(&second);
    assert_eq!((clean, unclean), (Some(0.0), Some(1.0)));
    assert!((now_seconds() - alive.unwrap()).abs() < 60.0, "{alive:?}");
    drop(second); // the exporter crashes, the machine goes on

    let again = machine.boot("second", NO_BUS);
    assert_eq!(told(&again), Told(clean, alive, unclean), "a restart of the exporter says nothing");
    terminate(again);

    let third = machine.boot("third", NO_BUS);
    let Told(clean, later, unclean) = told(&third);
    assert_eq!((clean, unclean), (Some(1.0), Some(1.0)));
    assert!(later > alive);
}

#[test]
fn without_a_directory_nothing_is_said() {
    let server = vitals_exporter_on_bus(NO_BUS, &["--collector.disable-defaults", "--collector.vitals"]);
    assert_eq!(told(&server), Told(None, None, None));
    let log = server.process.log();
    assert_eq!(log.matches("--state.directory").count(), 1, "{log}");
}

#[test]
#[ignore = "needs dbus-daemon (tests/run installs it)"]
fn an_exporter_that_is_stopped_alone_does_not_know_the_end() {
    for (state, clean) in [("running", None), ("stopping", Some(1.0))] {
        let daemon = Daemon::start();
        let answer = move |request: &Request| match request.arguments.last().map(String::as_str) {
            Some("SystemState") => Some(Variant::Text(state)).into(),
            _ => Reply::Refusal("org.freedesktop.DBus.Error.UnknownProperty"),
        };
        let _systemd = Service::start(&daemon, "org.freedesktop.systemd1", answer);
        let machine = Machine::new();
        terminate(machine.boot("first", &daemon.address()));
        let second = machine.boot("second", &daemon.address());
        let told = told(&second);
        assert_eq!((told.0, told.2), (clean, Some(0.0)), "{state}");
        assert!(told.1.is_some(), "when it was last alive is known");
    }
}

//! What both programs tell a service manager, over a real socket.
#![allow(clippy::unwrap_used)]

mod common;

use std::fs;
use std::io;
use std::os::linux::net::SocketAddrExt;
use std::os::unix::net::{SocketAddr, UnixDatagram};
use std::path::Path;
use std::process::Command;
use std::time::{Duration, Instant};

use common::process::Running;
use rustix::process::Signal;

const EXPORTER: &str = env!("CARGO_BIN_EXE_vitals-exporter");
const RECORDER: &str = env!("CARGO_BIN_EXE_scrape-log");
const LONG: Duration = Duration::from_secs(30);

/// The manager's end.
struct Manager {
    socket: UnixDatagram,
    name: String,
    heard: Vec<String>,
}

impl Manager {
    fn at(path: &Path) -> Self {
        let socket = UnixDatagram::bind(path).unwrap();
        socket.set_read_timeout(Some(Duration::from_millis(100))).unwrap();
        Self { socket, name: path.to_str().unwrap().to_owned(), heard: Vec::new() }
    }

    fn named(name: &str) -> Self {
        let address = SocketAddr::from_abstract_name(name).unwrap();
        let socket = UnixDatagram::bind_addr(&address).unwrap();
        socket.set_read_timeout(Some(Duration::from_millis(100))).unwrap();
        Self { socket, name: format!("@{name}"), heard: Vec::new() }
    }

    fn start(&self, program: &str, arguments: &[&str], variables: &[(&str, &str)]) -> Running {
        let mut command = Command::new(program);
        command.args(arguments).env("NOTIFY_SOCKET", &self.name).envs(variables.iter().copied());
        Running::start(command)
    }

    fn next(&mut self) -> Option<String> {
        let mut buffer = [0; 4096];
        let message = match self.socket.recv(&mut buffer) {
            Ok(length) => String::from_utf8(buffer[..length].to_vec()).unwrap(),
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => return None,
            Err(error) => panic!("{error}"),
        };
        self.heard.push(message.clone());
        Some(message)
    }

    /// Waits for a message that begins with `start`, and gives it.
    fn expect(&mut self, start: &str) -> String {
        let end = Instant::now() + LONG;
        while Instant::now() < end {
            if let Some(message) = self.next().filter(|message| message.starts_with(start)) {
                return message;
            }
        }
        panic!("no {start} among {:?}", self.heard);
    }

    /// What came and was not taken yet.
    fn rest(&mut self) -> Vec<String> {
        std::iter::from_fn(|| self.next()).collect()
    }
}

#[test]
fn the_exporter_is_ready_once_it_listens() {
    let folder = tempfile::tempdir().unwrap();
    let mut manager = Manager::at(&folder.path().join("notify"));
    let exporter = manager.start(EXPORTER, &["--web.listen-address=127.0.0.1:0"], &[]);
    let status = manager.expect("STATUS=listening on 127.0.0.1:");
    let address = status.rsplit_once(' ').unwrap().1.parse().unwrap();
    assert_eq!(manager.expect("READY"), "READY=1");
    assert_eq!(common::http::get(address, "/-/ready").unwrap().status, 200);
    assert!(exporter.terminate(LONG).0.success());
    assert_eq!(manager.expect("STOPPING"), "STOPPING=1");
    assert_eq!(
        manager.heard,
        [status.as_str(), "READY=1", "STOPPING=1"],
        "and no watchdog, as none was wanted"
    );

    let taken = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let taken = format!("--web.listen-address={}", taken.local_addr().unwrap());
    assert!(!manager.start(EXPORTER, &[&taken], &[]).terminate(LONG).0.success());
    assert!(!manager.rest().iter().any(|message| message.contains("READY")), "{:?}", manager.heard);
}

#[test]
fn the_watchdog_hears_of_both_programs_until_they_hang() {
    let folder = tempfile::tempdir().unwrap();
    let data = folder.path().join("data");
    let recorder = [
        "--storage.path",
        data.to_str().unwrap(),
        "--target=127.0.0.1:1",
        "--web.listen-address=127.0.0.1:0",
    ];
    for (program, arguments) in [(EXPORTER, &["--web.listen-address=127.0.0.1:0"][..]), (RECORDER, &recorder)]
    {
        let mut manager = Manager::named(&format!("vitals-{}-{}", std::process::id(), arguments.len()));
        let running = manager.start(program, arguments, &[("WATCHDOG_USEC", "200000")]);
        manager.expect("READY=1");
        for _ in 0..5 {
            manager.expect("WATCHDOG=1");
        }
        running.signal(Signal::STOP);
        manager.rest();
        std::thread::sleep(Duration::from_millis(500));
        assert_eq!(manager.rest(), Vec::<String>::new());
        running.signal(Signal::CONT);
        manager.expect("WATCHDOG=1");
        running.signal(Signal::TERM);
        manager.expect("STOPPING=1");
        assert!(running.terminate(LONG).0.success());
        assert_eq!(manager.rest(), Vec::<String>::new(), "no signs of life of one that stops");
        let other = manager.start(program, arguments, &[("WATCHDOG_USEC", "200000"), ("WATCHDOG_PID", "1")]);
        manager.expect("READY=1");
        std::thread::sleep(Duration::from_millis(500));
        assert!(!manager.rest().contains(&"WATCHDOG=1".to_owned()), "the watchdog of another process");
        drop(other);
    }
}

#[test]
fn scrape_log_is_ready_once_it_records_and_says_when_it_reloads() {
    let folder = tempfile::tempdir().unwrap();
    let mut manager = Manager::at(&folder.path().join("notify"));
    let (config, data) = (folder.path().join("prometheus.yml"), folder.path().join("data"));
    let write = |targets: &str| {
        let text =
            format!("scrape_configs: [{{job_name: node, static_configs: [{{targets: [{targets}]}}]}}]");
        fs::write(&config, text).unwrap();
    };
    write("'127.0.0.1:1'");
    let arguments = [
        "--config.file",
        config.to_str().unwrap(),
        "--storage.path",
        data.to_str().unwrap(),
        "--web.listen-address=127.0.0.1:0",
    ];
    let recorder = manager.start(RECORDER, &arguments, &[]);
    manager.expect("READY=1");
    assert_eq!(manager.expect("STATUS="), "STATUS=recording 1 target");
    assert!(data.is_dir());

    // A second one on the same storage never records.
    let second = manager.start(RECORDER, &arguments, &[]);
    let log = common::wait_until("the second one to give up", LONG, || {
        let log = second.log();
        log.contains("is in use by another scrape-log").then_some(log)
    });
    drop(second);
    assert!(!manager.rest().iter().any(|message| message.contains("READY")), "{:?} {log}", manager.heard);

    write("'127.0.0.1:1', '127.0.0.1:2'");
    recorder.signal(Signal::HUP);
    let reloading = manager.expect("RELOADING=1");
    let since_boot: u64 = reloading.strip_prefix("RELOADING=1\nMONOTONIC_USEC=").unwrap().parse().unwrap();
    let uptime = fs::read_to_string("/proc/uptime").unwrap();
    let uptime_seconds: f64 = uptime.split(' ').next().unwrap().parse().unwrap();
    assert!(since_boot as f64 / 1e6 <= uptime_seconds + 1.0 && since_boot > 0, "{since_boot} {uptime}");
    assert_eq!(manager.expect("STATUS="), "STATUS=recording 2 targets");
    manager.expect("READY=1");

    // One that fails is over as well.
    write("'127.0.0.1:1'], wrong: [");
    recorder.signal(Signal::HUP);
    manager.expect("RELOADING=1");
    assert!(manager.expect("STATUS=").contains("from before"));
    manager.expect("READY=1");
    assert!(recorder.terminate(LONG).0.success());
    manager.expect("STOPPING=1");
}

#[test]
fn a_manager_that_can_not_be_told_changes_nothing() {
    for (socket, warned) in [("/nowhere/notify", false), ("vsock:2:1", true)] {
        let mut command = Command::new(EXPORTER);
        command.arg("--web.listen-address=127.0.0.1:0").env("NOTIFY_SOCKET", socket);
        let mut exporter = Running::start(command);
        exporter.wait_for("listening", LONG, |log| log.contains("msg=listening").then_some(()));
        let (status, log) = exporter.terminate(LONG);
        assert!(status.success());
        assert_eq!(log.contains("can't reach the service manager"), warned, "{log}");
    }
}

//! The programs under test and those they are tested with.

use std::collections::BTreeMap;
use std::ffi::OsStr;
use std::fs;
use std::net::{Ipv4Addr, SocketAddr, TcpListener};
use std::path::Path;
use std::process::{Command, Output};
use std::time::Duration;

use serde_json::Value;

use super::page::Series;
use super::parity::shared_collectors;
use super::process::Running;
use super::{http, wait_until};

/// How long a program may take to start on a busy machine.
const START: Duration = Duration::from_secs(30);

/// A program that serves HTTP.
pub struct Server {
    /// Where it listens.
    pub address: SocketAddr,
    /// The program.
    pub process: Running,
}

impl Server {
    /// Its metrics page in the text format.
    pub fn metrics(&self) -> String {
        http::get_ok(self.address, "/metrics")
    }

    /// Starts a program that logs `address=HOST:PORT` on a line with `mark` once it listens.
    pub fn start_logging_address(command: Command, mark: &'static str) -> Self {
        let mut process = Running::start(command);
        let address = process.wait_for("listening address", START, |log| {
            let line = log.lines().find(|line| line.contains(mark))?;
            let address = line.split_once("address=")?.1;
            address.split([' ', '"']).find(|part| !part.is_empty())?.parse().ok()
        });
        Self { address, process }
    }
}

/// Our exporter at `address` with its default collectors and what `arguments` add. `wrapper` is a command line that is
/// to start it, or nothing.
pub fn vitals_exporter_at(
    address: SocketAddr,
    wrapper: &[String],
    arguments: &[impl AsRef<OsStr>],
) -> Server {
    let mut command = wrapped(wrapper, env!("CARGO_BIN_EXE_vitals-exporter"));
    command.arg(format!("--web.listen-address={address}")).args(arguments);
    Server::start_logging_address(command, "msg=listening")
}

/// A command that starts `program`, by way of the command line `wrapper` if there is one.
pub fn wrapped(wrapper: &[String], program: &str) -> Command {
    let Some((first, rest)) = wrapper.split_first() else { return Command::new(program) };
    let mut command = Command::new(first);
    command.args(rest).arg(program);
    command
}

/// Our exporter with its default collectors and what `arguments` add.
pub fn vitals_exporter(arguments: &[impl AsRef<OsStr>]) -> Server {
    Server::start_logging_address(vitals_exporter_command(arguments), "msg=listening")
}

/// The same, where the system bus is at `bus`.
pub fn vitals_exporter_on_bus(bus: &str, arguments: &[impl AsRef<OsStr>]) -> Server {
    let mut command = vitals_exporter_command(arguments);
    command.env("DBUS_SYSTEM_BUS_ADDRESS", bus);
    Server::start_logging_address(command, "msg=listening")
}

fn vitals_exporter_command(arguments: &[impl AsRef<OsStr>]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_vitals-exporter"));
    command.arg("--web.listen-address=127.0.0.1:0").args(arguments);
    command
}

/// Debian's node_exporter with those of its collectors that ours runs by default too, and what `arguments` add.
pub fn node_exporter(arguments: &[impl AsRef<OsStr>]) -> Server {
    Server::start_logging_address(node_exporter_command(arguments), "msg=\"Listening on\"")
}

/// The same, where the system bus is at `bus`.
pub fn node_exporter_on_bus(bus: &str, arguments: &[impl AsRef<OsStr>]) -> Server {
    let mut command = node_exporter_command(arguments);
    command.env("DBUS_SYSTEM_BUS_ADDRESS", bus);
    Server::start_logging_address(command, "msg=\"Listening on\"")
}

fn node_exporter_command(arguments: &[impl AsRef<OsStr>]) -> Command {
    let mut command = Command::new("prometheus-node-exporter");
    command.arg("--web.listen-address=127.0.0.1:0").arg("--collector.disable-defaults");
    command.args(shared_collectors().iter().map(|name| format!("--collector.{name}"))).args(arguments);
    command
}

/// Debian's node_exporter with the collectors it has by default and what `arguments` add; without systemd, which
/// Debian alone has on by default.
pub fn node_exporter_by_default(arguments: &[impl AsRef<OsStr>]) -> Server {
    let mut command = Command::new("prometheus-node-exporter");
    command.args(["--web.listen-address=127.0.0.1:0", "--no-collector.systemd"]).args(arguments);
    Server::start_logging_address(command, "msg=\"Listening on\"")
}

/// Our recorder: one scrape a second of each target into `storage`.
pub fn scrape_log(targets: &[SocketAddr], storage: &Path) -> Running {
    let mut command = Command::new(env!("CARGO_BIN_EXE_scrape-log"));
    for target in targets {
        command.arg("--target").arg(format!("http://{target}/metrics"));
    }
    command.args(["--scrape.interval", "1s", "--storage.path"]).arg(storage);
    command.args(["--storage.compression-level=0", "--web.listen-address=127.0.0.1:0"]);
    Running::start(command)
}

/// Our recorder with what a prometheus.yml says, files in `storage`, and its own pages.
pub fn scrape_log_with(config: &Path, storage: &Path, arguments: &[impl AsRef<OsStr>]) -> Server {
    let mut command = Command::new(env!("CARGO_BIN_EXE_scrape-log"));
    command.arg("--config.file").arg(config).arg("--storage.path").arg(storage);
    command.arg("--web.listen-address=127.0.0.1:0").args(arguments);
    Server::start_logging_address(command, "msg=listening")
}

/// Prometheus with `config` as its prometheus.yml, written into `directory`, and blocks in `directory/data`.
/// Keeps everything younger than ten years. Tells Alertmanager again of what fires each five seconds, since the first
/// word is lost when it comes before the first look for Alertmanagers.
pub fn prometheus(config: &str, directory: &Path) -> Server {
    let config_file = directory.join("prometheus.yml");
    fs::write(&config_file, config).unwrap();
    let mut command = Command::new("prometheus");
    command
        .arg(format!("--config.file={}", config_file.display()))
        .arg(format!("--storage.tsdb.path={}", directory.join("data").display()))
        .args(["--storage.tsdb.retention.time=10y", "--web.listen-address=127.0.0.1:0"])
        .arg("--rules.alert.resend-delay=5s");
    let server = Server::start_logging_address(command, "msg=\"Listening on\"");
    wait_until("Prometheus to be ready", START, || {
        http::get(server.address, "/-/ready").ok().filter(|answer| answer.status == 200)
    });
    server
}

/// Alertmanager on its own, with the configuration in `config` and its state in `directory`.
pub fn alertmanager(config: &Path, directory: &Path) -> Server {
    let mut command = Command::new("prometheus-alertmanager");
    command
        .arg(format!("--config.file={}", config.display()))
        .arg(format!("--storage.path={}", directory.display()))
        .args(["--web.listen-address=127.0.0.1:0", "--cluster.listen-address="]);
    let server = Server::start_logging_address(command, "msg=\"Listening on\"");
    wait_until("Alertmanager to be ready", START, || {
        http::get(server.address, "/-/ready").ok().filter(|answer| answer.status == 200)
    });
    server
}

/// VictoriaMetrics with its files in `directory`. It does not tell which port it was given, so one that is free
/// is chosen first, and another one if somebody was faster.
pub fn victoria_metrics(directory: &Path) -> Server {
    let mut problem = String::new();
    for _ in 0..3 {
        let address = free_address();
        let mut command = Command::new("victoria-metrics");
        command
            .arg(format!("-httpListenAddr={address}"))
            .arg(format!("-storageDataPath={}", directory.display()))
            .arg("-retentionPeriod=10y");
        let mut process = Running::start(command);
        let healthy = |_: &str| http::get(address, "/health").ok().filter(|answer| answer.status == 200);
        match process.try_wait_for(START, healthy) {
            Ok(_) => return Server { address, process },
            Err(reason) => problem = format!("{reason}:\n{}", process.log()),
        }
    }
    panic!("VictoriaMetrics does not start: {problem}");
}

fn free_address() -> SocketAddr {
    TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap().local_addr().unwrap()
}

/// Runs promtool to its end.
pub fn promtool(arguments: &[impl AsRef<OsStr>], input: &str) -> Output {
    let directory = tempfile::tempdir().unwrap();
    let input_file = directory.path().join("input");
    fs::write(&input_file, input).unwrap();
    Command::new("promtool").args(arguments).stdin(fs::File::open(input_file).unwrap()).output().unwrap()
}

/// One series of a query's answer: times in milliseconds since 1970 UTC and values.
pub type Points = BTreeMap<i64, f64>;

/// All samples that Prometheus has for `selector` in the hour before `end_seconds`.
pub fn prometheus_samples(server: &Server, selector: &str, end_seconds: f64) -> BTreeMap<Series, Points> {
    let query = http::encode(&format!("{selector}[1h]"));
    let body = http::get_ok(server.address, &format!("/api/v1/query?query={query}&time={end_seconds}"));
    let answer: Value = serde_json::from_str(&body).unwrap();
    let list = answer["data"]["result"].as_array().unwrap_or_else(|| panic!("no result: {body}"));
    list.iter()
        .map(|entry| (series_from_json(&entry["metric"]), points_from_json(&entry["values"])))
        .collect()
}

/// A series from the JSON object that Prometheus and VictoriaMetrics write for it.
pub fn series_from_json(metric: &Value) -> Series {
    let mut labels: BTreeMap<String, String> = metric
        .as_object()
        .unwrap()
        .iter()
        .map(|(name, value)| (name.clone(), value.as_str().unwrap().to_owned()))
        .collect();
    let name = labels.remove("__name__").unwrap_or_default();
    Series::new(&name, labels)
}

fn points_from_json(values: &Value) -> Points {
    let point = |pair: &Value| {
        let time = (pair[0].as_f64().unwrap() * 1000.0).round() as i64;
        (time, pair[1].as_str().unwrap().parse().unwrap())
    };
    values.as_array().unwrap().iter().map(point).collect()
}

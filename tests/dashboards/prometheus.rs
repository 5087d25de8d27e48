//! A Prometheus with our rules, and what it scrapes.

use std::collections::BTreeSet;
use std::fs;
use std::net::SocketAddr;
use std::path::Path;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use serde_json::{Value, json};
use vitals::collectors::COLLECTORS;

use crate::common::emitted::{SMART, state_after_power_cut};
use crate::common::page::Page;
use crate::common::rules::{files, project};
use crate::common::servers::{
    Server, node_exporter_by_default, prometheus, scrape_log_with, series_from_json, vitals_exporter,
};
use crate::common::{hosts, http, used, wait_until};
use crate::history;
use crate::model::Shape;

/// What came back.
pub enum Answer {
    /// At least one value that is a number, and the names of all labels.
    Data(BTreeSet<String>),
    /// Nothing, or only what is not a number.
    Empty,
    /// Prometheus does not take the query.
    Error(String),
}

/// How long scraping may take on a busy machine.
const LONG: Duration = Duration::from_secs(120);

/// Scrapes of each target before anything is asked.
const SCRAPES: u32 = 12;

/// How the server that is made of files differs from the fixture: it has some more parts and a bad day. A file, what
/// stands in it (nothing: there is no such file), and what does then.
const BAD_DAY: &[(&str, &str, &str)] = &[
    ("proc/meminfo", "HardwareCorrupted:     0 kB", "HardwareCorrupted:     8 kB"),
    ("proc/sys/kernel/random/entropy_avail", "256", "many"),
    ("sys/class/nvme/nvme0/state", "live", "dead"),
    ("sys/class/power_supply/AC/online", "", "0\n"),
    ("sys/class/power_supply/AC/type", "", "Mains\n"),
    ("sys/class/power_supply/BAT0/capacity", "", "8\n"),
    ("sys/class/power_supply/BAT0/energy_full", "", "41020000\n"),
    ("sys/class/power_supply/BAT0/energy_full_design", "", "57000000\n"),
    ("sys/class/power_supply/BAT0/status", "", "Discharging\n"),
    ("sys/class/power_supply/BAT0/type", "", "Battery\n"),
    ("sys/class/power_supply/ups0/capacity", "100", "9"),
    ("sys/class/power_supply/ups0/status", "Full", "Discharging"),
    ("sys/class/power_supply/ups1/status", "", "Full\n"),
    ("sys/class/power_supply/ups1/type", "", "UPS\n"),
    ("sys/devices/platform/coretemp.0/hwmon/hwmon0/temp1_crit_alarm", "0", "1"),
    ("sys/devices/platform/coretemp.0/hwmon/hwmon0/temp1_input", "47000", "98000"),
    ("sys/devices/platform/nct6775.656/hwmon/hwmon1/fan1_alarm", "", "0\n"),
    ("sys/devices/platform/power_meter.0/hwmon/hwmon2/power2_input", "", "184000000\n"),
    ("sys/devices/system/edac/mc/mc0/ce_count", "4", "40"),
    ("sys/devices/system/edac/mc/mc0/ue_count", "0", "1"),
];

/// What changes while it is scraped.
const TRAFFIC: &[(&str, &str, &str)] = &[(
    "proc/net/dev",
    "enp1s0: 183726450193 201928374    3 17283    2     1          0  918273 92837465018 150293847    4    5 ",
    "enp1s0: 183826450193 201938374   13 17293    2     1          0  918273 92937465018 150303847   14   15 ",
)];

/// A Prometheus that has scraped for a while, with its targets.
pub struct Scraped {
    /// The name that all hosts have, as they are one machine.
    pub node_name: String,
    hosts: Vec<(&'static str, String)>,
    prometheus: Server,
    /// Run until the end, as what is asked last is about now.
    _targets: Vec<Server>,
    _folder: tempfile::TempDir,
}

impl Scraped {
    /// The time on display.
    pub const RANGE: Duration = Duration::from_secs(3600);
    /// Grafana asks for as many points as there are pixels. A few of them fall into the time of the scrapes.
    pub const INTERVAL: Duration = Duration::from_secs(4);
    /// Grafana makes it four scrapes or a bit more, but those here may be late.
    pub const RATE_INTERVAL: Duration = Duration::from_secs(8);

    /// Starts all and waits for the scrapes. There is history of what is called one of `names`.
    pub fn start(names: &BTreeSet<String>) -> Self {
        let folder = hosts::temporary_folder();
        let server = folder.path().join("server");
        make_server(&server);
        let targets = vec![
            vitals_exporter(&flags_for_files(&server)),
            vitals_exporter(&[flags_for_this_machine(), vec![state_after_power_cut(folder.path())]].concat()),
            // A kernel without PSI.
            node_exporter_by_default(&["--no-collector.pressure"]),
        ];
        let addresses: Vec<SocketAddr> = targets.iter().map(|target| target.address).collect();
        let recorder_config = folder.path().join("scrape-log.yml");
        fs::write(&recorder_config, config(&[("node", &addresses[2..])], &[])).unwrap();
        let recorder = scrape_log_with(&recorder_config, &folder.path().join("scrape-log"), &[""; 0]);
        let page = Page::read(&targets[0].metrics());
        history::import(&page, "vitals", &addresses[0].to_string(), names, &folder.path().join("data"));
        let jobs = [
            ("vitals", &addresses[..2]),
            ("node", &addresses[2..]),
            ("scrape-log", std::slice::from_ref(&recorder.address)),
        ];
        let prometheus = prometheus(&config(&jobs, &files("deploy/prometheus/rules", "yml")), folder.path());
        let name = fs::read_to_string("/proc/sys/kernel/hostname").unwrap();
        let hosts = addresses.iter().zip(["vitals", "vitals", "node"]);
        let scraped = Self {
            node_name: name.trim().to_owned(),
            hosts: hosts.map(|(address, job)| (job, address.to_string())).collect(),
            prometheus,
            _targets: targets.into_iter().chain([recorder]).collect(),
            _folder: folder,
        };
        scraped.wait_for_scrapes(SCRAPES - 3);
        change(&server, TRAFFIC);
        scraped.wait_for_scrapes(SCRAPES);
        scraped
    }

    fn wait_for_scrapes(&self, count: u32) {
        let targets = self.hosts.len() + 1;
        let enough = format!("count(sum_over_time(up[10m]) >= {count}) == {targets}");
        wait_until("scrapes of all targets", LONG, || {
            matches!(self.ask(&enough, &Shape::Instant), Answer::Data(_)).then_some(())
        });
    }

    /// Job and instance of each target that is a host.
    pub fn hosts(&self) -> Vec<(&'static str, String)> {
        self.hosts.clone()
    }

    /// Asks as Grafana does for a panel or a variable of this shape.
    pub fn ask(&self, expr: &str, shape: &Shape) -> Answer {
        let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_secs();
        let (query, start) = (http::encode(expr), now - Self::RANGE.as_secs());
        let step = Self::INTERVAL.as_secs();
        let path = match shape {
            Shape::Instant => format!("/api/v1/query?query={query}"),
            Shape::Range => format!("/api/v1/query_range?query={query}&start={start}&end={now}&step={step}"),
            Shape::Values(label) => {
                format!("/api/v1/label/{label}/values?match[]={query}&start={start}&end={now}")
            }
        };
        let answer = http::get(self.prometheus.address, &path).unwrap();
        let json: Value = serde_json::from_str(answer.text()).unwrap_or_else(|_| panic!("{}", answer.text()));
        if json["status"] != "success" {
            return Answer::Error(format!("{}: {expr}", json["error"]));
        }
        if is_filled(&json["data"]) { Answer::Data(labels(&json["data"])) } else { Answer::Empty }
    }

    /// The result as text, from which Grafana takes the values of variables.
    pub fn as_text(&self, expr: &str) -> Vec<String> {
        let path = format!("/api/v1/query?query={}", http::encode(expr));
        let json: Value = serde_json::from_str(&http::get_ok(self.prometheus.address, &path)).unwrap();
        let results = json["data"]["result"].as_array().unwrap().iter();
        let line = |result: &Value| {
            let series = series_from_json(&result["metric"]);
            let labels: Vec<String> =
                series.labels.iter().map(|(name, value)| format!("{name}=\"{value}\"")).collect();
            format!("{}{{{}}} {}", series.name, labels.join(","), result["value"][1].as_str().unwrap())
        };
        results.map(line).collect()
    }
}

/// The labels of all series together.
fn labels(data: &Value) -> BTreeSet<String> {
    let series = data["result"].as_array().into_iter().flatten();
    let labels = series.filter_map(|series| series["metric"].as_object());
    labels.flat_map(|labels| labels.keys().cloned()).collect()
}

/// Whether there is a number in it, or a name.
fn is_filled(data: &Value) -> bool {
    let is_number = |point: &Value| point[1].as_str().is_some_and(|value| value != "NaN");
    if let Some(names) = data.as_array() {
        return !names.is_empty();
    }
    if data["resultType"] == "scalar" {
        return is_number(&data["result"]);
    }
    data["result"].as_array().unwrap().iter().any(|series| {
        let points = series["values"].as_array().into_iter().flatten();
        points.chain(series.get("value")).any(is_number)
    })
}

fn config(jobs: &[(&str, &[SocketAddr])], rule_files: &[std::path::PathBuf]) -> String {
    let jobs: Vec<Value> = jobs
        .iter()
        .map(|(name, targets)| json!({"job_name": name, "static_configs": [{"targets": targets}]}))
        .collect();
    let times = json!({"scrape_interval": "1s", "scrape_timeout": "1s", "evaluation_interval": "1s"});
    let mut config = json!({"global": times, "scrape_configs": jobs});
    if !rule_files.is_empty() {
        config["rule_files"] = json!(rule_files);
    }
    config.to_string()
}

/// The fixture host on a bad day.
fn make_server(folder: &Path) {
    hosts::copy(&hosts::folder("fixtures/server"), folder);
    change(folder, BAD_DAY);
    let stat = fs::read_to_string(folder.join("proc/stat")).unwrap();
    let started = SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_secs() - history::UPTIME;
    let line = |line: &str| {
        if line.starts_with("btime ") { format!("btime {started}\n") } else { format!("{line}\n") }
    };
    fs::write(folder.join("proc/stat"), stat.lines().map(line).collect::<String>()).unwrap();
    write_textfiles(&folder.join("textfile"));
}

fn change(folder: &Path, changes: &[(&str, &str, &str)]) {
    for (file, from, to) in changes {
        let path = folder.join(file);
        if from.is_empty() {
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            assert!(!path.exists(), "there is a {file}");
            fs::write(path, to).unwrap();
        } else {
            let text = fs::read_to_string(&path).unwrap_or_else(|error| panic!("{file}: {error}"));
            assert_eq!(text.matches(from).count(), 1, "'{from}' in {file}: {text}");
            fs::write(path, text.replace(from, to)).unwrap();
        }
    }
}

/// Beside the folder's own: what scripts write about disks, and the page of a host with systemd.
fn write_textfiles(folder: &Path) {
    for file in files(SMART, "prom") {
        fs::copy(&file, folder.join(file.file_name().unwrap())).unwrap();
    }
    let page = fs::read_to_string(project("tests/golden/dbus/all.txt")).unwrap();
    let of_systemd = |line: &&str| {
        line.trim_start_matches("# HELP ").trim_start_matches("# TYPE ").starts_with("node_systemd_")
    };
    let lines: String = page.lines().filter(of_systemd).map(|line| format!("{line}\n")).collect();
    fs::write(folder.join("systemd.prom"), lines).unwrap();
}

/// Every collector that reads files, on the host in `folder`.
fn flags_for_files(folder: &Path) -> Vec<String> {
    let path = |name: &str| folder.join(name).display().to_string();
    let mut flags = vec![
        format!("--path.procfs={}", path("proc")),
        format!("--path.sysfs={}", path("sys")),
        format!("--path.rootfs={}", path("")),
        format!("--path.udev.data={}", path("udev")),
        format!("--collector.textfile.directory={}", path("textfile")),
    ];
    for spec in COLLECTORS.iter().filter(|spec| hosts::is_from_files(spec)) {
        flags.push(format!("--collector.{}", spec.name));
        let over_netlink = spec.flags.iter().filter(|flag| flag.name.ends_with(".netlink"));
        flags.extend(over_netlink.map(|flag| format!("--no-collector.{}", flag.name)));
    }
    flags
}

/// The collectors that dashboards of others need, too.
fn flags_for_this_machine() -> Vec<String> {
    let used = used::used();
    let on = COLLECTORS.iter().filter(|spec| used.values().any(|metric| metric.collector == spec.name));
    on.map(|spec| format!("--collector.{}", spec.name)).collect()
}

#[test]
fn data_are_told_from_nothing() {
    for (filled, data) in [
        (false, json!({"resultType": "vector", "result": []})),
        (false, json!({"resultType": "vector", "result": [{"value": [1, "NaN"]}]})),
        (true, json!({"resultType": "vector", "result": [{"value": [1, "NaN"]}, {"value": [1, "0"]}]})),
        (false, json!({"resultType": "matrix", "result": [{"values": [[1, "NaN"], [2, "NaN"]]}]})),
        (true, json!({"resultType": "matrix", "result": [{"values": [[1, "NaN"], [2, "+Inf"]]}]})),
        (true, json!({"resultType": "scalar", "result": [1, "3"]})),
        (false, json!([])),
        (true, json!(["node"])),
    ] {
        assert_eq!(is_filled(&data), filled, "{data}");
    }
}

//! The state of hosts as the programs tell it each other, and pages: JSON at `/api/v1/vitals`.
//!
//! ```json
//! {"time_milliseconds": 1795262415000, "hosts": [{
//!   "job": "node", "instance": "db01:9100", "name": "db01", "state": "up",
//!   "seen_milliseconds": 1795262414000, "interval_seconds": 15,
//!   "vitals": {"uptime_seconds": 86400, "cpu_usage_ratio": 0.21, "swap_used_ratio": null, ...},
//!   "problems": [{"severity": "warning", "alert": "NodeFilesystemAlmostOutOfSpace", "about": "/srv",
//!                 "sentence": "/srv has 4 % of its space left (40 GiB)", "since_milliseconds": 1795262400000}],
//!   "recent": {"at_milliseconds": [...], "cpu_usage_ratio": [0.2, null, ...], ...}
//! }]}
//! ```
//!
//! Times are milliseconds since 1970 UTC. What is not known is null.

use serde::{Deserialize, Serialize};

use super::limits::Severity;
use super::numbers::Vitals;
use super::watch::{Point, Watch};

/// All hosts that a program knows of.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Status {
    /// When this was true.
    pub time_milliseconds: i64,
    /// In no order.
    pub hosts: Vec<Host>,
}

/// One host.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Host {
    /// The job of its target.
    pub job: String,
    /// The instance of its target; with the job it is one host's alone.
    pub instance: String,
    /// What people call it: its own name, or the instance.
    pub name: String,
    /// Whether its last scrape worked.
    pub state: State,
    /// When the numbers were read. `None` if they never were.
    pub seen_milliseconds: Option<i64>,
    /// How often they are read. `None` if that is when somebody asks.
    pub interval_seconds: Option<f64>,
    /// The numbers.
    pub vitals: Vitals,
    /// What is wrong, the worst first.
    pub problems: Vec<Problem>,
    /// The last quarter of an hour, for those who asked for it.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub recent: Option<Recent>,
}

/// Whether a host answers.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum State {
    /// It does.
    Up,
    /// It does not.
    Down,
    /// Nobody has asked it yet.
    Unknown,
}

/// Something that is wrong with a host.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Problem {
    /// How bad it is.
    pub severity: Severity,
    /// The alert that fires for it.
    pub alert: String,
    /// The filesystem, sensor or array; empty if it is the host.
    pub about: String,
    /// What is wrong, with the value.
    pub sentence: String,
    /// Since when.
    pub since_milliseconds: i64,
}

/// Numbers over time, a column each; all of the same length. See [`Point`].
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[expect(missing_docs, reason = "named as in `Point`")]
pub struct Recent {
    pub at_milliseconds: Vec<i64>,
    pub cpu_usage_ratio: Vec<Option<f32>>,
    pub memory_used_ratio: Vec<Option<f32>>,
    pub network_bytes_per_second: Vec<Option<f32>>,
    pub disk_bytes_per_second: Vec<Option<f32>>,
    pub celsius: Vec<Option<f32>>,
}

impl Host {
    /// What `watch` knows of the target with this job and instance.
    pub fn new(job: &str, instance: &str, interval_seconds: Option<f64>, watch: &Watch) -> Self {
        Self {
            job: job.to_owned(),
            instance: instance.to_owned(),
            name: watch.host_name().unwrap_or(instance).to_owned(),
            state: match watch.up() {
                Some(true) => State::Up,
                Some(false) => State::Down,
                None => State::Unknown,
            },
            seen_milliseconds: watch.seen_milliseconds(),
            interval_seconds,
            vitals: watch.vitals().clone(),
            problems: watch.problems().iter().map(Problem::from).collect(),
            recent: None,
        }
    }

    /// With the last quarter of an hour.
    #[must_use]
    pub fn with_recent(self, watch: &Watch) -> Self {
        Self { recent: Some(Recent::of(watch.recent().points())), ..self }
    }
}

impl From<&super::watch::Problem> for Problem {
    fn from(problem: &super::watch::Problem) -> Self {
        Self {
            severity: problem.limit.severity,
            alert: problem.limit.alert.to_owned(),
            about: problem.about.clone(),
            sentence: problem.sentence.clone(),
            since_milliseconds: problem.since_milliseconds,
        }
    }
}

impl Recent {
    fn of<'a>(points: impl Iterator<Item = &'a Point>) -> Self {
        let number = |value: f32| value.is_finite().then_some(value);
        let mut columns = Self::default();
        for point in points {
            columns.at_milliseconds.push(point.at_milliseconds);
            columns.cpu_usage_ratio.push(number(point.cpu_usage_ratio));
            columns.memory_used_ratio.push(number(point.memory_used_ratio));
            columns.network_bytes_per_second.push(number(point.network_bytes_per_second));
            columns.disk_bytes_per_second.push(number(point.disk_bytes_per_second));
            columns.celsius.push(number(point.celsius));
        }
        columns
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::vitals::tests::Host as Scraped;

    #[test]
    fn a_host_comes_back_from_json() {
        let mut scraped =
            Scraped::default().scraped("node_load1 0.5\nnode_memory_HardwareCorrupted_bytes 1\n");
        scraped.scrape(15, "node_uname_info{nodename=\"db01\"} 1\nnode_load1 0.5\nvitals_cpu_usage_ratio 0.1\nnode_memory_HardwareCorrupted_bytes 1\n");
        let host = Host::new("node", "10.0.0.1:9100", Some(15.0), &scraped.watch).with_recent(&scraped.watch);
        let status = Status { time_milliseconds: 16_000, hosts: vec![host] };
        let json = serde_json::to_value(&status).unwrap();
        let first = &json["hosts"][0];
        assert_eq!((first["name"].as_str(), first["state"].as_str()), (Some("db01"), Some("up")));
        assert!(first["vitals"]["swap_used_ratio"].is_null() && first["vitals"]["load1"] == 0.5);
        assert_eq!(first["problems"][0]["alert"], "NodeMemoryHardwareCorrupted");
        assert_eq!(first["problems"][0]["severity"], "warning");
        assert_eq!(first["recent"]["cpu_usage_ratio"], serde_json::json!([null, 0.1_f32]));
        let back: Status = serde_json::from_value(json).unwrap();
        assert_eq!(back, status);
    }
}

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

use std::cmp::Ordering;

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

/// How much trouble a host is in; what wants to be looked at first comes first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Trouble {
    /// It does not answer.
    Down,
    /// Its worst problem is critical.
    Critical,
    /// Its worst problem is a warning.
    Warning,
    /// There is something good to know about it.
    Info,
    /// Its numbers are older than they should be.
    Stale,
    /// Nobody has asked it yet.
    Unknown,
    /// None.
    None,
}

/// Numbers that were not read for so many intervals are stale.
const STALE_INTERVALS: f64 = 2.5;

impl Trouble {
    /// What it is called.
    pub fn name(self) -> &'static str {
        match self {
            Self::Down => "down",
            Self::Critical => Severity::Critical.name(),
            Self::Warning => Severity::Warning.name(),
            Self::Info => Severity::Info.name(),
            Self::Stale => "stale",
            Self::Unknown => "unknown",
            Self::None => "up",
        }
    }
}

impl From<Severity> for Trouble {
    fn from(severity: Severity) -> Self {
        match severity {
            Severity::Critical => Self::Critical,
            Severity::Warning => Self::Warning,
            Severity::Info => Self::Info,
        }
    }
}

impl Host {
    /// How much trouble it is in at this time.
    pub fn trouble_at(&self, time_milliseconds: i64) -> Trouble {
        match (self.state, self.problems.iter().map(|problem| problem.severity).max()) {
            (State::Down, _) => Trouble::Down,
            (_, Some(worst)) => worst.into(),
            (State::Unknown, None) => Trouble::Unknown,
            (State::Up, None) if self.is_stale_at(time_milliseconds) => Trouble::Stale,
            (State::Up, None) => Trouble::None,
        }
    }

    /// How close it is to a limit: the largest of the shares of CPU, memory and its fullest disk that are in use.
    pub fn worst_utilisation(&self) -> Option<f64> {
        let Vitals { cpu_usage_ratio, memory_used_ratio, fullest_disk, .. } = &self.vitals;
        let disk = fullest_disk.as_ref().map(|disk| disk.used_ratio);
        let known = [*cpu_usage_ratio, *memory_used_ratio, disk].into_iter().flatten();
        known.filter(|ratio| !ratio.is_nan()).max_by(f64::total_cmp)
    }

    /// The order in which hosts are shown: by trouble, then the busier or fuller one first, then by name.
    pub fn by_trouble_at(&self, other: &Self, time_milliseconds: i64) -> Ordering {
        let trouble = |host: &Self| host.trouble_at(time_milliseconds);
        let utilisation = |host: &Self| host.worst_utilisation().unwrap_or(-1.0);
        trouble(self)
            .cmp(&trouble(other))
            .then_with(|| utilisation(other).total_cmp(&utilisation(self)))
            .then_with(|| self.by_name(other))
    }

    /// The order of names.
    pub fn by_name(&self, other: &Self) -> Ordering {
        (&self.name, &self.instance, &self.job).cmp(&(&other.name, &other.instance, &other.job))
    }

    /// Whether its numbers are older at this time than they should be. Those that are read when somebody asks for them
    /// never are.
    pub fn is_stale_at(&self, time_milliseconds: i64) -> bool {
        let age_milliseconds =
            self.seen_milliseconds.map(|seen| time_milliseconds.saturating_sub(seen) as f64);
        age_milliseconds
            .zip(self.interval_seconds)
            .is_some_and(|(age, interval)| age > STALE_INTERVALS * interval * 1000.0)
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
    /// The numbers of several moments, the oldest first.
    pub fn of_moments<'a>(moments: impl Iterator<Item = (i64, &'a Vitals)>) -> Self {
        let points: Vec<Point> = moments.map(|(at, vitals)| Point::new(at, vitals)).collect();
        Self::of(points.iter())
    }

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

    fn host(name: &str, state: State, severities: &[Severity], cpu: Option<f64>, memory: f64) -> Host {
        let watch = Watch::default();
        let problem = |severity: &Severity| Problem {
            severity: *severity,
            alert: String::new(),
            about: String::new(),
            sentence: String::new(),
            since_milliseconds: 0,
        };
        let vitals = Vitals { cpu_usage_ratio: cpu, memory_used_ratio: Some(memory), ..Vitals::default() };
        let problems = severities.iter().map(problem).collect();
        Host { state, problems, vitals, ..Host::new("node", name, Some(15.0), &watch) }
    }

    #[test]
    fn hosts_come_by_trouble_then_by_use_then_by_name() {
        use Severity::{Critical, Info, Warning};
        let mut hosts = vec![
            host("fine b", State::Up, &[], Some(0.5), 0.1),
            host("fine a", State::Up, &[], Some(0.1), 0.5),
            host("busy", State::Up, &[], Some(0.9), 0.5),
            host("odd", State::Up, &[], Some(f64::NAN), 0.6),
            host("unknown", State::Unknown, &[], None, 0.99),
            host("info", State::Up, &[Info], None, 0.0),
            host("warning", State::Up, &[Info, Warning], None, 0.0),
            host("critical", State::Up, &[Critical, Warning], None, 0.0),
            host("down", State::Down, &[Critical], None, 0.0),
        ];
        let mut stale = host("stale", State::Up, &[], None, 0.0);
        stale.seen_milliseconds = Some(0);
        hosts.push(stale);
        hosts.sort_by(|one, other| one.by_trouble_at(other, 60_000));
        let names = hosts.iter().map(|host| host.name.as_str()).collect::<Vec<_>>();
        let want =
            ["down", "critical", "warning", "info", "stale", "unknown", "busy", "odd", "fine a", "fine b"];
        assert_eq!(names, want);
        let troubles: Vec<_> = hosts.iter().map(|host| host.trouble_at(60_000).name()).collect();
        assert_eq!(troubles[..6], want[..6]);
        assert_eq!(troubles[6..], ["up"; 4]);
    }

    #[test]
    fn numbers_are_stale_when_scrapes_do_not_come() {
        let mut host = host("a", State::Up, &[], None, 0.0);
        assert!(!host.is_stale_at(1_000_000), "it was never seen");
        host.seen_milliseconds = Some(1_000);
        assert!(!host.is_stale_at(38_500) && host.is_stale_at(38_501) && !host.is_stale_at(i64::MIN));
        host.interval_seconds = None;
        assert!(!host.is_stale_at(i64::MAX));
    }
}

//! A real Prometheus scrapes both exporters on this host; what it then holds has to agree.
//!
//! What may differ is in tests/common/parity.rs and in the lists below, each entry with its reason.
#![allow(clippy::unwrap_used)]

mod common;

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::time::Duration;

use common::page::{Page, Series};
use common::servers::{
    Points, Server, node_exporter, prometheus, prometheus_samples, promtool, vitals_exporter,
};
use common::{http, parity, wait_until};
use serde_json::Value;

const OURS: &str = "ours";
const THEIRS: &str = "theirs";

/// Scrapes of each exporter, one a second, before anything is compared.
const SCRAPES: usize = 12;
/// Scrapes that started closer together than this are not taken as before and after one another.
const APART_MILLISECONDS: i64 = 150;

/// Gauges that may be anything small at any moment, or that count what their reader itself holds at that moment, as
/// open files and sockets do: on a quiet host theirs stands still, yet not where ours does. The number is how far
/// apart they may be.
const JUMPY: &[(&str, f64)] = &[
    ("node_procs_running", 64.0),
    ("node_procs_blocked", 64.0),
    ("node_disk_io_now", 256.0),
    ("node_filefd_allocated", 64.0),
    ("node_sockstat_sockets_used", 16.0),
    ("node_sockstat_TCP_alloc", 16.0),
    ("node_sockstat_TCP_mem", 64.0),
    ("node_sockstat_TCP_mem_bytes", 64.0 * 4096.0),
];

#[test]
#[ignore = "needs prometheus and prometheus-node-exporter (tests/run installs them)"]
fn agrees_with_node_exporter_in_the_eyes_of_prometheus() {
    let directory = tempfile::tempdir().unwrap();
    let textfile = format!("--collector.textfile.directory={}", directory.path().display());
    let text = "# HELP backup_last_success_timestamp_seconds Last good backup.\n\
                # TYPE backup_last_success_timestamp_seconds gauge\n\
                backup_last_success_timestamp_seconds{name=\"daily \\\"db\\\"\"} 1.7e+09\n";
    fs::write(directory.path().join("backup.prom"), text).unwrap();
    // Where Debian's defaults are not node_exporter's own, or those changed, both get the same.
    let arguments = [
        textfile.as_str(),
        "--collector.netdev.device-exclude=",
        "--collector.filesystem.fs-types-exclude=^(autofs|binfmt_misc|bpf|cgroup2?|configfs|debugfs|devpts|devtmpfs|\
         erofs|fusectl|hugetlbfs|iso9660|mqueue|nsfs|overlay|proc|procfs|pstore|rpc_pipefs|securityfs|selinuxfs|\
         squashfs|sysfs|tmpfs|tracefs)$",
        "--collector.filesystem.mount-points-exclude=^/(dev|proc|run|sys|var/lib/docker/.+)($|/)",
        "--collector.diskstats.device-exclude=^(z?ram|loop|fd)\\d+$",
    ];
    let (ours, theirs) = (vitals_exporter(&arguments), node_exporter(&arguments));
    let config = format!(
        "global: {{scrape_interval: 1s, scrape_timeout: 1s}}\nscrape_configs:\n{}{}",
        job(OURS, &ours),
        job(THEIRS, &theirs)
    );
    let prometheus = prometheus(&config, directory.path());
    let up = |selector: &str| {
        prometheus_samples(&prometheus, selector, now_seconds()).values().map(BTreeMap::len).min()
    };
    let both = format!("up{{job=~\"{OURS}|{THEIRS}\"}}");
    wait_until("a dozen scrapes of both", Duration::from_secs(60), || {
        let series = prometheus_samples(&prometheus, &both, now_seconds()).len();
        (series == 2 && up(&both)? >= SCRAPES).then_some(())
    });

    let mut problems = Vec::new();
    let our_types = types(&prometheus, OURS);
    let their_types = types(&prometheus, THEIRS);
    compare_types(&our_types, &their_types, &mut problems);
    let shared: BTreeSet<&str> =
        our_types.keys().filter(|name| their_types.contains_key(*name)).map(String::as_str).collect();
    let our_samples = samples(&prometheus, OURS);
    let their_samples = samples(&prometheus, THEIRS);
    let compared = compare_series(&our_samples, &their_samples, &shared, &our_types, &mut problems);
    assert!(problems.is_empty(), "{} problems:\n{}", problems.len(), problems.join("\n"));
    assert!(compared > 150, "only {compared} series were compared");
}

fn job(name: &str, server: &Server) -> String {
    format!("- {{job_name: {name}, static_configs: [{{targets: ['{}']}}]}}\n", server.address)
}

fn now_seconds() -> f64 {
    std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap().as_secs_f64()
}

/// The type of each family of a job. Prometheus asks for OpenMetrics where it can get it, in which a counter's
/// family lacks the `_total` of its samples; here it has it.
fn types(prometheus: &Server, job: &str) -> BTreeMap<String, String> {
    let matcher = http::encode(&format!("{{job=\"{job}\"}}"));
    let body = http::get_ok(prometheus.address, &format!("/api/v1/targets/metadata?match_target={matcher}"));
    let answer: Value = serde_json::from_str(&body).unwrap();
    let text = |entry: &Value, key: &str| entry[key].as_str().unwrap().to_owned();
    let family = |entry: &Value| {
        let (name, kind) = (text(entry, "metric"), text(entry, "type"));
        let bare = kind == "counter" && !name.ends_with("_total");
        (if bare { name + "_total" } else { name }, kind)
    };
    answer["data"].as_array().unwrap().iter().map(family).collect()
}

/// All samples of a job without the labels that Prometheus added.
fn samples(prometheus: &Server, job: &str) -> BTreeMap<Series, Points> {
    prometheus_samples(prometheus, &format!("{{job=\"{job}\"}}"), now_seconds())
        .into_iter()
        .map(|(series, points)| (series.without("job").without("instance"), points))
        .collect()
}

fn compare_types(
    ours: &BTreeMap<String, String>,
    theirs: &BTreeMap<String, String>,
    problems: &mut Vec<String>,
) {
    for (name, theirs) in theirs.iter().filter(|(name, _)| !parity::is_theirs_only(name)) {
        match ours.get(name) {
            Some(ours) if ours == theirs => {}
            Some(ours) => problems.push(format!("{name} is a {ours}, node_exporter says {theirs}")),
            None => problems.push(format!("{name} is missing")),
        }
    }
}

/// Compares label sets and values of the families in `shared`; gives the number of series that were compared.
fn compare_series(
    ours: &BTreeMap<Series, Points>,
    theirs: &BTreeMap<Series, Points>,
    shared: &BTreeSet<&str>,
    types: &BTreeMap<String, String>,
    problems: &mut Vec<String>,
) -> usize {
    let (ours, theirs) = (comparable(ours, shared), comparable(theirs, shared));
    problems
        .extend(theirs.keys().filter(|series| !ours.contains_key(series)).map(|s| format!("{s} is missing")));
    problems.extend(
        ours.keys()
            .filter(|series| !theirs.contains_key(series))
            .map(|s| format!("{s} is not in node_exporter's")),
    );
    let mut compared = 0;
    for (series, ours) in &ours {
        let Some(theirs) = theirs.get(series) else { continue };
        let verdict = match types.get(&series.name).map(String::as_str) {
            Some("counter") => counters_agree(ours, theirs),
            _ if ALWAYS_GROWS.iter().any(|name| series.name.starts_with(name)) => {
                counters_agree(ours, theirs)
            }
            _ => gauges_agree(&series.name, ours, theirs),
        };
        match verdict {
            Ok(()) => compared += 1,
            Err(problem) => problems.push(format!("{series}: {problem}")),
        }
    }
    compared
}

/// Names that begin so only ever grow, whatever their type says.
const ALWAYS_GROWS: &[&str] = &["node_vmstat_pg", "node_time_seconds"];

fn comparable<'s>(
    samples: &'s BTreeMap<Series, Points>,
    shared: &BTreeSet<&str>,
) -> BTreeMap<Series, &'s Points> {
    let collectors = parity::shared_collectors();
    samples
        .iter()
        .filter(|(series, _)| series.name.starts_with("node_") && shared.contains(series.name.as_str()))
        .filter(|(series, _)| {
            series.label("collector").is_empty() || collectors.contains(&series.label("collector"))
        })
        .filter(|(series, _)| !parity::ABOUT_THE_EXPORTER.iter().any(|(name, _)| *name == series.name))
        .map(|(series, points)| {
            let apart = parity::LABELS_APART.iter().filter(|(name, ..)| *name == series.name);
            let series = apart.fold(series.clone(), |series, (_, label, _)| series.without(label));
            (series, points)
        })
        .collect()
}

/// Each of our readings lies between their reading before it and their reading after it.
fn counters_agree(ours: &Points, theirs: &Points) -> Result<(), String> {
    let mut brackets = 0;
    for (&time, &value) in ours {
        let before = theirs.range(..time - APART_MILLISECONDS).next_back();
        let after = theirs.range(time + APART_MILLISECONDS..).next();
        if let (Some((_, &low)), Some((_, &high))) = (before, after) {
            brackets += 1;
            if value < low || value > high {
                return Err(format!("{value} at {time} is not within {low} and {high}"));
            }
        }
    }
    if brackets < 3 { Err(format!("only {brackets} readings lie between two others")) } else { Ok(()) }
}

/// Most of our readings lie where theirs were during the two seconds around: exactly there if theirs stood still,
/// else within as much again as theirs moved. "Most" because a peak of a moment may fall between their readings.
fn gauges_agree(name: &str, ours: &Points, theirs: &Points) -> Result<(), String> {
    let jumpy = JUMPY.iter().find(|(known, _)| *known == name).map_or(0.0, |(_, slack)| *slack);
    let (mut good, mut bad) = (0, Vec::new());
    for (&time, &value) in ours {
        let around = || theirs.range(time - 2000..time + 2000).map(|(_, value)| *value);
        let (low, high) = around()
            .fold((f64::INFINITY, f64::NEG_INFINITY), |(low, high), value| (low.min(value), high.max(value)));
        if around().count() < 3 {
            continue;
        }
        let moved = high - low;
        let slack = jumpy + if moved > 0.0 { moved + 0.02 * high.abs() } else { 0.0 };
        if value >= low - slack && value <= high + slack {
            good += 1;
        } else {
            bad.push(format!("{value} at {time} is not within {low} and {high}"));
        }
    }
    if good > bad.len() {
        Ok(())
    } else {
        Err(format!("{good} of {} agree; {}", good + bad.len(), bad.join(", ")))
    }
}

#[test]
#[ignore = "needs prometheus and prometheus-node-exporter (tests/run installs them)"]
fn promtool_finds_nothing_that_it_does_not_find_in_node_exporter() {
    let (ours, theirs) = (vitals_exporter(&[""; 0]).metrics(), node_exporter(&[""; 0]).metrics());
    assert!(Page::read(&ours).samples.len() > 150);
    let (ours, theirs) = (complaints(&ours), complaints(&theirs));
    assert!(!theirs.is_empty(), "promtool complains about node_memory_* at least");
    // node_exporter gives these since 1.8, so that 1.5 has no chance to.
    let newer = |line: &&String| ["TCPOFOQueue", "TCPRcvQDrop"].iter().any(|name| line.contains(name));
    let new: Vec<_> = ours.difference(&theirs).filter(|line| !newer(line)).collect();
    assert!(new.is_empty(), "{new:#?}");
    assert_eq!(complaints("# TYPE a counter\na 1\n").len(), 2, "promtool sees what it should");
}

/// What `promtool check metrics` says about a page, by line.
fn complaints(page: &str) -> BTreeSet<String> {
    let output = promtool(&["check", "metrics"], page);
    let text = String::from_utf8(output.stderr).unwrap();
    text.lines().map(str::to_owned).collect()
}

#[test]
fn a_reading_outside_its_neighbours_is_found() {
    let theirs: Points = (0..8).map(|n| (n * 1000, n as f64)).collect();
    let ours = |shift: f64| (0..7).map(|n| (n * 1000 + 500, n as f64 + 0.5 + shift)).collect::<Points>();
    assert_eq!(counters_agree(&ours(0.0), &theirs), Ok(()));
    assert!(counters_agree(&ours(0.6), &theirs).is_err());
    assert_eq!(gauges_agree("g", &ours(0.0), &theirs), Ok(()));
    assert!(gauges_agree("g", &ours(100.0), &theirs).is_err());
    let steady: Points = (0..8).map(|n| (n * 1000, 5.0)).collect();
    assert!(gauges_agree("g", &steady.keys().map(|&time| (time, 5.001)).collect(), &steady).is_err());
}

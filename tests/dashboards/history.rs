//! A day of history before the first scrape, imported as files of scrape-log are: rules and panels look back over hours,
//! and what a bad day is shows only beside a good one. With it comes a host that runs no Linux and gives `vitals_*` only.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write;
use std::fs;
use std::path::Path;
use std::time::{SystemTime, UNIX_EPOCH};

use crate::common::page::{Page, Series};
use crate::common::servers::promtool;

/// How far it reaches back, in seconds.
const LENGTH: u64 = 30 * 3600;
/// A sample each so many seconds, so that there is always one that is not stale.
const STEP: u64 = 240;
/// It is as it is now since so many seconds, so that any step of a subquery finds that.
const SINCE: u64 = 900;
/// The last start was so many seconds ago.
pub const UPTIME: u64 = 3 * 3600;

/// What was otherwise before. For the rest it was as it is now.
const BEFORE: &[(&str, f64)] = &[
    ("node_edac_correctable_errors_total", 0.0),
    ("node_edac_uncorrectable_errors_total", 0.0),
    ("node_filesystem_readonly", 0.0),
    ("node_hwmon_fan_rpm", 900.0),
    ("node_hwmon_temp_crit_alarm_celsius", 0.0),
    ("node_memory_HardwareCorrupted_bytes", 0.0),
    ("node_power_supply_online", 1.0),
    ("node_scrape_collector_success", 1.0),
    ("node_textfile_scrape_error", 1.0),
    ("node_vmstat_oom_kill", 0.0),
    ("nvme_media_errors_total", 0.0),
    ("sensor:vitals_alarm:bool", 0.0),
];

/// Bytes a second by which file systems fill up.
const FILLING: f64 = 200_000.0;

/// The host without Linux, and its samples.
pub const PORTABLE: (&str, &str) = ("imported", "mac.example:9100");
const PORTABLE_PAGE: &str = r#"
vitals_cpu_usage_ratio 0.31
vitals_disk_available_bytes{device="/dev/disk3s1",fstype="apfs",mountpoint="/"} 1.2e+11
vitals_disk_total_bytes{device="/dev/disk3s1",fstype="apfs",mountpoint="/"} 4.9e+11
vitals_memory_available_bytes 6e+09
vitals_memory_total_bytes 1.7e+10
vitals_memory_used_bytes 1.1e+10
vitals_swap_available_bytes 1e+09
vitals_swap_total_bytes 2e+09
vitals_swap_used_bytes 1e+09
vitals_temperature_celsius{sensor="PMU tdie1"} 71
vitals_temperature_critical_celsius{sensor="PMU tdie1"} 105
vitals_temperature_celsius{sensor="NAND CH0 temp"} 38
vitals_uptime_seconds 500000
"#;

/// Makes blocks in `data` of those samples on the page of a host that are called one of `names`.
pub fn import(page: &Page, job: &str, instance: &str, names: &BTreeSet<String>, data: &Path) {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_secs();
    let mut samples: BTreeMap<Series, f64> = BTreeMap::new();
    for (page, (job, instance)) in [(page, (job, instance)), (&Page::read(PORTABLE_PAGE), PORTABLE)] {
        let known = page.samples.iter().filter(|(series, _)| names.contains(&series.name));
        for (series, value) in known.filter(|(_, value)| value.is_finite()) {
            samples.insert(of_target(series.clone(), job, instance), *value);
            // What the rule of this name makes of it.
            if series.name == "node_hwmon_temp_crit_alarm_celsius" {
                let recorded = Series { name: "sensor:vitals_alarm:bool".to_owned(), ..series.clone() };
                samples.insert(of_target(recorded, job, instance), *value);
            }
        }
    }
    let mut text = String::new();
    for (series, value) in &samples {
        let series_text = as_text(series);
        for time in (now - LENGTH..now).step_by(usize::try_from(STEP).unwrap()).chain([now]) {
            writeln!(text, "{series_text} {} {time}", at(&series.name, *value, time, now)).unwrap();
        }
    }
    text.push_str("# EOF\n");
    let file = data.with_extension("txt");
    fs::write(&file, text).unwrap();
    let arguments = ["tsdb", "create-blocks-from", "openmetrics"].map(AsRef::as_ref);
    let output = promtool(&[arguments.as_slice(), &[file.as_os_str(), data.as_os_str()]].concat(), "");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
}

/// The value at `time` of what is `value` `now`.
fn at(name: &str, value: f64, time: u64, now: u64) -> f64 {
    let age = now - time;
    let before = BEFORE.iter().find(|(known, _)| *known == name).filter(|_| age > SINCE);
    match name {
        "node_time_seconds" => time as f64,
        "node_boot_time_seconds" if age > UPTIME => value - 86400.0,
        "vitals_uptime_seconds" => value - age as f64,
        "node_filesystem_avail_bytes" | "vitals_disk_available_bytes" => value + FILLING * age as f64,
        _ => before.map_or(value, |(_, before)| *before),
    }
}

fn of_target(mut series: Series, job: &str, instance: &str) -> Series {
    series.labels.insert("job".to_owned(), job.to_owned());
    series.labels.insert("instance".to_owned(), instance.to_owned());
    series
}

fn as_text(series: &Series) -> String {
    let escape = |value: &str| value.replace('\\', "\\\\").replace('"', "\\\"").replace('\n', "\\n");
    let labels = series.labels.iter().map(|(name, value)| format!("{name}=\"{}\"", escape(value)));
    format!("{}{{{}}}", series.name, labels.collect::<Vec<_>>().join(","))
}

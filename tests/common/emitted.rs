//! What there is to query: the metrics that our programs and the scripts beside them give, with their kinds.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;
use std::time::Duration;

use vitals::exposition::Kind;

use super::page::Page;
use super::rules::{files, project};
use super::servers::{scrape_log_with, vitals_exporter};
use super::{http, wait_until};

/// Metrics that our programs do not give, or not on the hosts that tests have.
pub const FROM_ELSEWHERE: &[(&str, Kind, &str)] = &[
    ("up", Kind::Gauge, "of Prometheus itself"),
    ("ALERTS", Kind::Gauge, "of Prometheus itself"),
    ("ALERTS_FOR_STATE", Kind::Gauge, "of Prometheus itself"),
    ("node_hwmon_fan_alarm", Kind::Gauge, "made by rule from the files of a chip; no fixture has this one"),
    ("node_hwmon_power_watt", Kind::Gauge, "made by rule from the files of a chip; no fixture has this one"),
    ("vitals_temperature_celsius", Kind::Gauge, "virtual machines have no sensors"),
    ("vitals_temperature_critical_celsius", Kind::Gauge, "virtual machines have no sensors"),
];

/// The folder with what smartmon.sh and nvme_metrics.sh write for the textfile collector.
pub const SMART: &str = "tests/fixtures/smart";

/// The kind of each sample name.
pub fn kinds() -> BTreeMap<String, Kind> {
    let mut kinds: BTreeMap<String, Kind> =
        FROM_ELSEWHERE.iter().map(|(name, kind, _)| ((*name).to_owned(), *kind)).collect();
    for page in golden_pages().iter().chain([&page_of_a_running_exporter(), &page_of_a_running_recorder()]) {
        kinds.extend(page.samples.keys().map(|series| (series.name.clone(), kind_of(&series.name, page))));
    }
    kinds
}

fn kind_of(sample: &str, page: &Page) -> Kind {
    let part = ["_bucket", "_sum", "_count"].iter().find_map(|ending| sample.strip_suffix(ending));
    let of_part = part.and_then(|family| page.kinds.get(family));
    page.kinds.get(sample).or(of_part).copied().unwrap_or(Kind::Untyped)
}

fn golden_pages() -> Vec<Page> {
    let folders = fs::read_dir(project("tests/golden")).unwrap().map(|entry| entry.unwrap().path());
    let folders = folders.filter(|path| path.is_dir()).chain([project("tests/golden")]);
    let pages = folders.flat_map(|path| files(path.to_str().unwrap(), "txt"));
    pages.chain(files(SMART, "prom")).map(|path| Page::read(&fs::read_to_string(path).unwrap())).collect()
}

/// For what has no files to be read from, such as sizes of file systems and the kernel's clock.
fn page_of_a_running_exporter() -> Page {
    let state = tempfile::tempdir().unwrap();
    let exporter = vitals_exporter(&[state_after_power_cut(state.path())]);
    wait_until("a page with the use of the CPU", Duration::from_secs(10), || {
        let page = Page::read(&exporter.metrics());
        // It takes two scrapes that are some time apart.
        let has_it = page.of("vitals_cpu_usage_ratio").next().is_some();
        has_it.then_some(page)
    })
}

/// Leaves a note of an earlier run of the machine without an end in `folder`, and gives the flag for an exporter that is
/// to find it.
pub fn state_after_power_cut(folder: &Path) -> String {
    let note = "{\"boot_id\": \"earlier\", \"state\": \"running\", \"alive_milliseconds\": 1795262400000, \
                \"unclean_shutdowns\": 1, \"last\": null}";
    fs::write(folder.join("last-run.json"), note).unwrap();
    format!("--state.directory={}", folder.display())
}

fn page_of_a_running_recorder() -> Page {
    let directory = tempfile::tempdir().unwrap();
    let config = directory.path().join("prometheus.yml");
    // Nobody listens there.
    fs::write(&config, "scrape_configs: [{job_name: a, static_configs: [{targets: ['127.0.0.1:1']}]}]\n")
        .unwrap();
    let recorder = scrape_log_with(&config, &directory.path().join("data"), &[""; 0]);
    // What is about the storage comes once it has begun.
    wait_until("readiness", Duration::from_secs(10), || {
        http::get(recorder.address, "/-/ready").ok().filter(|answer| answer.status == 200)
    });
    Page::read(&recorder.metrics())
}

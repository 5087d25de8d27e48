//! What scrape-log records and other programs import is what Prometheus itself would have stored: both scrape the same
//! exporters with the same prometheus.yml at the same time, the files go through rotation, compression and import, and
//! then three servers answer the same queries.
#![allow(clippy::unwrap_used)]

mod common;

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use common::page::{Page, Series};
use common::servers::{
    Points, Server, prometheus, prometheus_samples, promtool, scrape_log_with, series_from_json,
    victoria_metrics, vitals_exporter,
};
use common::{http, wait_until};
use serde_json::Value;
use vitals::exposition::Kind;

const INTERVAL_MILLISECONDS: i64 = 200;
/// Scrapes of each of the two exporters.
const SCRAPES: usize = 240;

/// Seconds since 1970 UTC in which both programs scraped without a break.
#[derive(Clone, Copy, Debug)]
struct Window {
    start_milliseconds: i64,
    end_milliseconds: i64,
}

impl Window {
    fn length_milliseconds(self) -> i64 {
        self.end_milliseconds - self.start_milliseconds
    }

    fn contains(self, time: i64) -> bool {
        (self.start_milliseconds..=self.end_milliseconds).contains(&time)
    }
}

#[test]
#[ignore = "needs prometheus and victoria-metrics (tests/run installs them)"]
fn imports_answer_as_the_prometheus_that_scraped_at_the_same_time() {
    let directory = tempfile::tempdir().unwrap();
    let exporters = [vitals_exporter(&[""; 0]), vitals_exporter(&[""; 0])];
    let config = prometheus_yml(&exporters);
    let live = prometheus(&config, directory.path());
    // It looks for targets some seconds after its start.
    wait_until("scrapes by Prometheus", Duration::from_secs(60), || {
        let seconds = std::time::UNIX_EPOCH.elapsed().unwrap().as_secs_f64();
        (prometheus_samples(&live, "up", seconds).len() == exporters.len()).then_some(())
    });
    let storage = directory.path().join("recorded");
    record(&directory.path().join("prometheus.yml"), &storage);

    let exported = directory.path().join("exported");
    export(&storage, &exported);
    let imports = directory.path().join("imported");
    fs::create_dir(&imports).unwrap();
    let imported = import_into_prometheus(&exported, &imports);
    let victoria = import_into_victoria_metrics(&storage, &directory.path().join("vm"));

    let now_seconds = std::time::UNIX_EPOCH.elapsed().unwrap().as_secs_f64();
    let of_exporters = |server: &Server| prometheus_samples(server, "{instance!=\"\"}", now_seconds);
    let (scraped, recorded) = (of_exporters(&live), of_exporters(&imported));
    let window = window(&[&scraped, &recorded]);
    let missed = missed_scrapes(&scraped, window) + missed_scrapes(&recorded, window);
    assert!(
        missed < 2 * SCRAPES / 10,
        "{missed} scrapes failed or were left out: no ground for a comparison"
    );

    let counts = |server: &Server, names: &BTreeSet<String>| {
        answers(server, names, window, |name, length| format!("count_over_time({name}[{length}ms])"))
    };
    let names: BTreeSet<String> =
        scraped.keys().map(|series| series.name.clone()).filter(|name| is_of_page(name)).collect();
    assert!(names.len() > 150, "{} families", names.len());
    let in_live = counts(&live, &names);
    // One scrape more or less at either edge, and those that one of the two programs did not get.
    let tolerance = 2.0 + missed as f64;
    let mut largest_difference: f64 = 0.0;
    for (who, there) in
        [("Prometheus", counts(&imported, &names)), ("VictoriaMetrics", counts(&victoria, &names))]
    {
        let of_page = |series: &&Series| is_of_page(&series.name);
        let only_live: Vec<_> = in_live.keys().filter(|series| !there.contains_key(series)).collect();
        assert!(only_live.is_empty(), "{who} lacks {only_live:?}");
        let only_there: Vec<_> = there.keys().filter(|series| !in_live.contains_key(series)).collect();
        assert!(only_there.is_empty(), "{who} alone has {only_there:?}");
        assert!(recorded.keys().filter(of_page).all(|series| names.contains(&series.name)));
        for (series, count) in &in_live {
            let other = there[series];
            largest_difference = largest_difference.max((count - other).abs());
            assert!((count - other).abs() <= tolerance, "{who}: {other} samples of {series}, not {count}");
        }
    }

    let page = Page::read(&exporters[0].metrics());
    let counter = |name: &&String| page.kinds.get(name.as_str()) == Some(&Kind::Counter);
    let counters: BTreeSet<String> =
        names.iter().filter(counter).cloned().chain(["node_time_seconds".to_owned()]).collect();
    let rates = |server: &Server| {
        answers(server, &counters, window, |name, length| format!("rate({name}[{length}ms])"))
    };
    let in_live = rates(&live);
    let moving = in_live.values().filter(|rate| **rate > 0.0).count();
    assert!(moving > 50, "{moving} of {} counters move", in_live.len());
    for (who, there) in [("Prometheus", rates(&imported)), ("VictoriaMetrics", rates(&victoria))] {
        for (series, &rate) in &in_live {
            let other = there[series];
            let tolerance = rate * 0.01 + edges_per_second(&scraped[series], window);
            assert!(
                (rate - other).abs() <= tolerance,
                "{who}: rate {other} of {series}, not {rate} ± {tolerance}"
            );
        }
        for (series, rate) in there.iter().filter(|(series, _)| series.name == "node_time_seconds") {
            assert!((rate - 1.0).abs() < 0.01, "{who}: {series} goes {rate} s in a second");
        }
    }
    println!(
        "{} series, {} counters of which {moving} move, {} s, {missed} scrapes failed or left out, \
         counts differ by up to {largest_difference}",
        scraped.len(),
        in_live.len(),
        window.length_milliseconds() as f64 / 1000.0
    );
}

/// Names are made by rule, labels added and families dropped, so that both programs have something to agree on.
fn prometheus_yml(exporters: &[Server; 2]) -> String {
    format!(
        "global:
  scrape_interval: {INTERVAL_MILLISECONDS}ms
  scrape_timeout: {INTERVAL_MILLISECONDS}ms
scrape_configs:
  - job_name: node
    static_configs:
      - targets: ['{}', '{}']
        labels: {{site: fra1}}
    relabel_configs:
      - source_labels: [__address__]
        regex: '.*:(\\d+)'
        target_label: instance
        replacement: 'host-$1'
    metric_relabel_configs:
      - source_labels: [__name__]
        regex: 'promhttp_.*|node_scrape_collector_.*'
        action: drop
",
        exporters[0].address, exporters[1].address
    )
}

/// Whether the exporter gave it: what a scraper adds differs from one to the other.
fn is_of_page(name: &str) -> bool {
    !name.starts_with("scrape_") && !name.starts_with("scrapelog_")
}

/// Records until each exporter was scraped often enough; the files were rotated and compressed meanwhile.
fn record(config: &Path, storage: &Path) {
    let recorder = scrape_log_with(config, storage, &["--storage.max-file-size=2MB"]);
    wait_until("scrapes of both exporters", Duration::from_secs(150), || {
        let stored = Page::read(&recorder.metrics()).single("scrape_log_stored_scrapes_total");
        std::thread::sleep(Duration::from_millis(200));
        (stored >= 2.0 * SCRAPES as f64 + 2.0).then_some(())
    });
    let (status, log) = recorder.process.terminate(Duration::from_secs(10));
    assert!(status.success(), "scrape-log ended with {status}:\n{log}");
    let compressed = files(storage, ".om.zst").len();
    assert!(compressed >= 6, "{compressed} compressed files");
}

/// The files below `directory` whose names end so, at any depth, oldest first.
fn files(directory: &Path, ending: &str) -> Vec<PathBuf> {
    let mut found = Vec::new();
    for entry in fs::read_dir(directory).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            found.extend(files(&path, ending));
        } else if path.to_str().unwrap().ends_with(ending) {
            found.push(path);
        }
    }
    found.sort();
    found
}

fn export(storage: &Path, target: &Path) {
    let mut command = Command::new(env!("CARGO_BIN_EXE_scrape-log"));
    command.arg("export").arg(storage).arg("-o").arg(format!("{}/", target.display()));
    let output = command.output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
}

fn import_into_prometheus(exported: &Path, directory: &Path) -> Server {
    let blocks = directory.join("data");
    for file in files(exported, ".om") {
        let create = ["tsdb", "create-blocks-from", "openmetrics"].map(AsRef::as_ref);
        let output = promtool(&[create.as_slice(), &[file.as_os_str(), blocks.as_os_str()]].concat(), "");
        let said = String::from_utf8_lossy(&output.stderr).into_owned();
        assert!(output.status.success(), "promtool on {}: {said}", file.display());
    }
    prometheus("global: {scrape_interval: 1h}\n", directory)
}

/// The files as they are, not what `export` makes of them.
fn import_into_victoria_metrics(storage: &Path, directory: &Path) -> Server {
    let server = victoria_metrics(directory);
    for file in files(storage, ".om").into_iter().chain(files(storage, ".om.zst")) {
        let mut text = fs::read(&file).unwrap();
        if file.extension().is_some_and(|extension| extension == "zst") {
            text = zstd::decode_all(text.as_slice()).unwrap();
        }
        let response = http::post(server.address, "/api/v1/import/prometheus", &text).unwrap();
        assert_eq!(response.status, 204, "{}: {}", file.display(), response.text());
    }
    http::get_ok(server.address, "/internal/force_flush");
    server
}

/// A stretch that begins well after and ends well before the edges of all records.
fn window(records: &[&BTreeMap<Series, Points>]) -> Window {
    let ups = |record: &BTreeMap<Series, Points>| {
        let ups = record.iter().filter(|(series, _)| series.name == "up");
        let times: Vec<Vec<i64>> = ups.map(|(_, points)| points.keys().copied().collect()).collect();
        assert_eq!(times.len(), 2);
        times
    };
    let times: Vec<Vec<i64>> = records.iter().flat_map(|record| ups(record)).collect();
    let window = Window {
        start_milliseconds: times.iter().map(|times| *times.first().unwrap()).max().unwrap() + 2000,
        end_milliseconds: times.iter().map(|times| *times.last().unwrap()).min().unwrap() - 2000,
    };
    let least = (SCRAPES as i64 - 30) * INTERVAL_MILLISECONDS;
    assert!(window.length_milliseconds() >= least, "{window:?}");
    window
}

/// Scrapes that the schedule asks for and that gave no page.
fn missed_scrapes(samples: &BTreeMap<Series, Points>, window: Window) -> usize {
    let planned = (window.length_milliseconds() / INTERVAL_MILLISECONDS) as usize;
    let ups = samples.iter().filter(|(series, _)| series.name == "up");
    ups.map(|(_, points)| {
        let good = points.iter().filter(|(time, up)| window.contains(**time) && **up == 1.0).count();
        planned.saturating_sub(good)
    })
    .sum()
}

/// The answers to a query for each name, by series. One query for all of them would not tell names apart.
fn answers(
    server: &Server,
    names: &BTreeSet<String>,
    window: Window,
    query: impl Fn(&str, i64) -> String,
) -> BTreeMap<Series, f64> {
    let time = window.end_milliseconds as f64 / 1000.0;
    let mut all = BTreeMap::new();
    for name in names {
        let query = http::encode(&query(name, window.length_milliseconds()));
        // VictoriaMetrics answers for half a minute ago unless told not to.
        let body =
            http::get_ok(server.address, &format!("/api/v1/query?query={query}&time={time:.3}&nocache=1"));
        let answer: Value = serde_json::from_str(&body).unwrap();
        for entry in answer["data"]["result"].as_array().unwrap_or_else(|| panic!("{name}: {body}")) {
            let labels = series_from_json(&entry["metric"]).labels;
            all.insert(Series::new(name, labels), entry["value"][1].as_str().unwrap().parse().unwrap());
        }
    }
    all
}

/// What different scrape moments explain: by how much a counter moved in the intervals around both edges of the
/// window, by the second of the window.
fn edges_per_second(points: &Points, window: Window) -> f64 {
    let around = |edge: i64| {
        let reach = 2 * INTERVAL_MILLISECONDS + INTERVAL_MILLISECONDS / 2;
        let mut values = points.range(edge - reach..=edge + reach).map(|(_, value)| *value);
        let first = values.next().unwrap_or_default();
        values.next_back().unwrap_or(first) - first
    };
    let moved = around(window.start_milliseconds) + around(window.end_milliseconds);
    moved.abs() * 1000.0 / window.length_milliseconds() as f64
}

//! What scrape-log writes is what promtool and VictoriaMetrics read: sample for sample, with Prometheus bit for bit.
//! VictoriaMetrics keeps the values of a series as whole numbers with one decimal exponent, so that the last of a
//! float's digits may differ.
#![allow(clippy::unwrap_used)]

mod common;

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::time::Duration;

use common::page::{Series, series_of};
use common::servers::{
    Points, Server, node_exporter, prometheus, prometheus_samples, promtool, scrape_log, series_from_json,
    victoria_metrics, vitals_exporter,
};
use common::{http, wait_until};
use serde_json::Value;
use vitals::exposition::{Format, Line, Parser};

/// The sample that ends each scrape in a file.
const COMMIT_MARK: &str = "scrape_samples_post_metric_relabeling{";
/// The least number of scrapes of each target.
const SCRAPES: usize = 10;

/// What the files hold.
type Recorded = BTreeMap<Series, Points>;

#[test]
#[ignore = "needs prometheus, prometheus-node-exporter and victoria-metrics (tests/run installs them)"]
fn promtool_and_victoriametrics_give_back_what_was_recorded() {
    let directory = tempfile::tempdir().unwrap();
    let files = record(&directory.path().join("recorded"));
    let recorded = read_files(&files);
    check_the_record(&recorded);
    let end_seconds = recorded.values().flat_map(BTreeMap::keys).max().unwrap().div_euclid(1000) as f64 + 1.0;

    let blocks = directory.path().join("data");
    for file in &files {
        let create = ["tsdb", "create-blocks-from", "openmetrics"].map(AsRef::as_ref);
        let output = promtool(&[create.as_slice(), &[file.as_os_str(), blocks.as_os_str()]].concat(), "");
        let said = String::from_utf8_lossy(&output.stderr).into_owned();
        assert!(output.status.success(), "promtool on {}: {said}", file.display());
    }
    let server = prometheus("global: {scrape_interval: 1h}\n", directory.path());
    let imported = prometheus_samples(&server, "{__name__!=\"\"}", end_seconds);
    assert_same("Prometheus", &recorded, &imported, 0.0);
    let scrapes = scrapes_by_instance(&recorded);
    for (instance, &scrapes) in &scrapes {
        let query = http::encode(&format!("count_over_time(up{{instance=\"{instance}\"}}[1h])"));
        let path = format!("/api/v1/query?query={query}&time={end_seconds}");
        let answer: Value = serde_json::from_str(&http::get_ok(server.address, &path)).unwrap();
        assert_eq!(answer["data"]["result"][0]["value"][1], scrapes.to_string(), "{instance}");
    }

    let server = victoria_metrics(&directory.path().join("vm"));
    for file in &files {
        let response =
            http::post(server.address, "/api/v1/import/prometheus", &fs::read(file).unwrap()).unwrap();
        assert_eq!(response.status, 204, "{}", response.text());
    }
    let finite = finite(&recorded);
    let expected: usize = finite.values().map(BTreeMap::len).sum();
    // VictoriaMetrics shows samples a moment after it took them; whether they are all there and right is for the
    // comparison to say.
    let mut imported = Recorded::new();
    for _ in 0..100 {
        http::get_ok(server.address, "/internal/force_flush");
        imported = exported(&server);
        if imported.values().map(BTreeMap::len).sum::<usize>() >= expected {
            break;
        }
        std::thread::sleep(Duration::from_millis(100));
    }
    assert_same("VictoriaMetrics", &finite, &imported, 1e-12);
}

/// Records both exporters and Prometheus' own page, which has histograms, summaries and NaN, until each has been
/// scraped often enough, stops the recorder and gives the files.
fn record(storage: &Path) -> Vec<PathBuf> {
    fs::create_dir(storage).unwrap();
    let directory = tempfile::tempdir().unwrap();
    let (ours, theirs) = (vitals_exporter(&[""; 0]), node_exporter(&[""; 0]));
    let other = prometheus("global: {scrape_interval: 1h}\n", directory.path());
    let mut recorder = scrape_log(&[ours.address, theirs.address, other.address], storage);
    wait_until("ten scrapes of each target", Duration::from_secs(60), || {
        assert!(recorder.is_alive(), "scrape-log ended:\n{}", recorder.log());
        let mut scrapes: BTreeMap<PathBuf, usize> = BTreeMap::new();
        for file in sample_files(storage) {
            let text = fs::read_to_string(&file).ok()?;
            let marks = text.lines().filter(|line| line.starts_with(COMMIT_MARK)).count();
            *scrapes.entry(file.parent()?.to_owned()).or_default() += marks;
        }
        (scrapes.len() == 3 && scrapes.values().all(|&scrapes| scrapes >= SCRAPES)).then_some(())
    });
    let (status, log) = recorder.terminate(Duration::from_secs(5));
    assert!(status.success(), "scrape-log ended with {status}:\n{log}");
    sample_files(storage)
}

/// The samples files below `directory`, at any depth.
fn sample_files(directory: &Path) -> Vec<PathBuf> {
    let mut found = Vec::new();
    for entry in fs::read_dir(directory).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            found.extend(sample_files(&path));
        } else if path.extension().is_some_and(|extension| extension == "om") {
            found.push(path);
        }
    }
    found.sort();
    found
}

/// Reads all files; fails on a line that can't be read, on a missing `# EOF` and on a sample without a time.
fn read_files(files: &[PathBuf]) -> Recorded {
    let mut recorded = Recorded::new();
    for file in files {
        let text = fs::read_to_string(file).unwrap();
        assert!(text.ends_with("\n# EOF\n"), "{} is not closed", file.display());
        let mut parser = Parser::new(&text, Format::OpenMetrics);
        while let Some(line) = parser.next() {
            let Line::Sample(sample) = line.unwrap_or_else(|error| panic!("{}: {error}", file.display()))
            else {
                continue;
            };
            let series = series_of(&sample);
            let time = sample.timestamp_milliseconds.unwrap();
            let before = recorded.entry(series.clone()).or_default().insert(time, sample.value);
            assert_eq!(before, None, "{series} has two values at {time}");
        }
    }
    recorded
}

/// The record itself is whole: each scrape as many samples as it says, one a second, all of them `up`.
fn check_the_record(recorded: &Recorded) {
    let scrapes = scrapes_by_instance(recorded);
    assert_eq!(scrapes.len(), 3, "{scrapes:?}");
    for (series, points) in recorded.iter().filter(|(series, _)| series.name == "up") {
        assert!(points.len() >= SCRAPES, "{series} was scraped {} times", points.len());
        assert!(points.values().all(|&up| up == 1.0), "{series}: {points:?}");
        let times: Vec<_> = points.keys().collect();
        for pair in times.windows(2) {
            let gap = pair[1] - pair[0];
            assert!((500..=5000).contains(&gap), "{gap} ms between two scrapes of {series}");
        }
        let instance = series.label("instance");
        let own = |name: &str| name == "up" || name.starts_with("scrape_") || name.starts_with("scrapelog_");
        let of_target = |series: &Series| series.label("instance") == instance && !own(&series.name);
        for (time, &said) in
            &recorded[&Series { name: "scrape_samples_post_metric_relabeling".into(), ..series.clone() }]
        {
            let there =
                recorded.iter().filter(|(s, points)| of_target(s) && points.contains_key(time)).count();
            assert_eq!(there as f64, said, "samples of {instance} at {time}");
        }
    }
}

fn scrapes_by_instance(recorded: &Recorded) -> BTreeMap<String, usize> {
    let ups = recorded.iter().filter(|(series, _)| series.name == "up");
    ups.map(|(series, points)| (series.label("instance").to_owned(), points.len())).collect()
}

/// Without NaN and the infinities, which VictoriaMetrics drops or writes in its own way.
fn finite(recorded: &Recorded) -> Recorded {
    let finite =
        |points: &Points| points.iter().filter(|(_, v)| v.is_finite()).map(|(&t, &v)| (t, v)).collect();
    recorded
        .iter()
        .map(|(series, points)| (series.clone(), finite(points)))
        .filter(|(_, p): &(_, Points)| !p.is_empty())
        .collect()
}

/// All that VictoriaMetrics has of the exporters and of the recorder.
fn exported(server: &Server) -> Recorded {
    let matcher = http::encode("{instance!=\"\"}");
    let body = http::get_ok(server.address, &format!("/api/v1/export?match%5B%5D={matcher}&start=0"));
    let read = |line: &str| {
        let entry: Value = serde_json::from_str(line).unwrap();
        let times = entry["timestamps"].as_array().unwrap().iter().map(|time| time.as_i64().unwrap());
        let values = entry["values"].as_array().unwrap().iter().map(Value::as_f64);
        let points = times.zip(values).filter_map(|(time, value)| Some((time, value?))).collect();
        (series_from_json(&entry["metric"]), points)
    };
    body.lines().map(read).filter(|(_, points): &(_, Points)| !points.is_empty()).collect()
}

/// Every series with every sample, and values that differ by less than the share `tolerance` of the largest value of
/// the series.
fn assert_same(who: &str, recorded: &Recorded, imported: &Recorded, tolerance: f64) {
    let mut problems = Vec::new();
    for series in imported.keys().filter(|series| !recorded.contains_key(series)) {
        problems.push(format!("{series} was never recorded"));
    }
    for (series, points) in recorded {
        match imported.get(series) {
            None => problems.push(format!("{series} is missing")),
            Some(imported) if same_points(points, imported, tolerance) => {}
            Some(imported) => problems.push(format!("{series}: recorded {points:?}, got {imported:?}")),
        }
    }
    let shown = problems.iter().take(20).cloned().collect::<Vec<_>>().join("\n");
    assert!(
        problems.is_empty(),
        "{who} differs in {} of {} series:\n{shown}",
        problems.len(),
        recorded.len()
    );
}

fn same_points(left: &Points, right: &Points, tolerance: f64) -> bool {
    let largest = left.values().fold(0.0, |largest: f64, value| largest.max(value.abs()));
    let same = |a: f64, b: f64| {
        a.to_bits() == b.to_bits() || (a.is_nan() && b.is_nan()) || (a - b).abs() < largest * tolerance
    };
    left.len() == right.len() && left.iter().zip(right).all(|((t, v), (u, w))| t == u && same(*v, *w))
}

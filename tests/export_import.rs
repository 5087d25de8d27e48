//! What `scrape-log export` writes is what promtool and VictoriaMetrics import: every sample, and no more.
#![allow(clippy::unwrap_used)]

mod common;

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::Duration;

use common::page::{Series, series_of};
use common::servers::{Points, prometheus, prometheus_samples, promtool, series_from_json, victoria_metrics};
use common::{http, wait_until};
use serde_json::Value;
use vitals::exposition::{Format, Line, Parser};
use vitals::scrape_log::tools::export;

/// 2026-11-21T12:00:00Z, where one window of the files ends and another begins.
const NOON_SECONDS: i64 = 1_795_262_400;
/// A scrape every 15 seconds for half an hour, the border of the windows in the middle of it.
const SCRAPES: i64 = 120;
const INTERVAL_SECONDS: i64 = 15;

#[test]
#[ignore = "needs prometheus (tests/run installs it)"]
fn promtool_imports_every_sample() {
    let directory = tempfile::tempdir().unwrap();
    let recorded = record(&directory.path().join("recorded"));
    let files = exported(directory.path(), "openmetrics");
    assert_eq!(files.len(), 2, "a file for each two hours: {files:?}");
    for file in &files {
        let create = ["tsdb", "create-blocks-from", "openmetrics"].map(AsRef::as_ref);
        let blocks = directory.path().join("data");
        let output = promtool(&[create.as_slice(), &[file.as_os_str(), blocks.as_os_str()]].concat(), "");
        let said = String::from_utf8_lossy(&output.stderr).into_owned();
        assert!(output.status.success(), "promtool on {}: {said}", file.display());
    }
    let server = prometheus("global: {scrape_interval: 1h}\n", directory.path());
    let end_seconds = (NOON_SECONDS + 1800) as f64;
    let imported = prometheus_samples(&server, "{__name__!=\"\"}", end_seconds);
    assert_same(&recorded, &imported);
}

#[test]
#[ignore = "needs victoria-metrics (tests/run installs it)"]
fn victoriametrics_imports_every_sample() {
    let directory = tempfile::tempdir().unwrap();
    let mut recorded = record(&directory.path().join("recorded"));
    let files = exported(directory.path(), "jsonl");
    assert_eq!(files.len(), 2, "a file for each target: {files:?}");
    let server = victoria_metrics(&directory.path().join("vm"));
    for file in &files {
        let response = http::post(server.address, "/api/v1/import", &fs::read(file).unwrap()).unwrap();
        assert_eq!(response.status, 204, "{}", response.text());
    }
    // It keeps no NaN, and says infinities in a way that is no JSON.
    recorded.values_mut().for_each(|points| points.retain(|_, value| value.is_finite()));
    recorded.retain(|_, points| !points.is_empty());
    let samples: usize = recorded.values().map(BTreeMap::len).sum();
    let matcher = http::encode("{__name__!=\"infinite\"}");
    let path = format!("/api/v1/export?match%5B%5D={matcher}&start=0&end={}", NOON_SECONDS + 86_400);
    let imported = wait_until("VictoriaMetrics to have all samples", Duration::from_secs(20), || {
        http::get_ok(server.address, "/internal/force_flush");
        let imported: BTreeMap<Series, Points> =
            http::get_ok(server.address, &path).lines().map(read_line).collect();
        (imported.values().map(BTreeMap::len).sum::<usize>() >= samples).then_some(imported)
    });
    assert_same(&recorded, &imported);
    let infinite = http::get_ok(server.address, &path.replace(&matcher, "infinite"));
    assert!(infinite.contains("+Inf") || infinite.contains("Infinity"), "{infinite}");
}

fn read_line(line: &str) -> (Series, Points) {
    let entry: Value = serde_json::from_str(line).unwrap_or_else(|error| panic!("{error}: {line}"));
    let times = entry["timestamps"].as_array().unwrap().iter().map(|time| time.as_i64().unwrap());
    let values = entry["values"].as_array().unwrap().iter().map(|value| value.as_f64().unwrap());
    (series_from_json(&entry["metric"]), times.zip(values).collect())
}

/// Two targets whose files are cut at noon, the older ones compressed, and what is in them.
fn record(storage: &Path) -> BTreeMap<Series, Points> {
    let mut recorded: BTreeMap<Series, Points> = BTreeMap::new();
    for host in ["db01", "web"] {
        let directory = storage.join(format!("{host}_9100"));
        fs::create_dir_all(&directory).unwrap();
        for (name, scrapes) in [
            ("samples-20261121T114500Z.om.zst", -SCRAPES / 2..0),
            ("samples-20261121T120000Z.om", 0..SCRAPES / 2),
        ] {
            let text = file_text(host, scrapes);
            let mut parser = Parser::new(&text, Format::OpenMetrics);
            while let Some(line) = parser.next() {
                if let Line::Sample(sample) = line.unwrap() {
                    let points = recorded.entry(series_of(&sample)).or_default();
                    points.insert(sample.timestamp_milliseconds.unwrap(), sample.value);
                }
            }
            let data = match name.ends_with(".zst") {
                true => zstd::encode_all(format!("{text}# EOF\n").as_bytes(), 3).unwrap(),
                false => text.into_bytes(),
            };
            fs::write(directory.join(name), data).unwrap();
        }
    }
    assert_eq!(recorded.values().map(BTreeMap::len).sum::<usize>() as i64, 2 * SCRAPES * 11);
    recorded
}

fn file_text(host: &str, scrapes: std::ops::Range<i64>) -> String {
    let own = format!("job=\"node\",instance=\"{host}:9100\"");
    let mut text = format!(
        "# HELP scrapelog_file {{\"v\":1,\"interval\":{INTERVAL_SECONDS}}}\n# TYPE scrapelog_file unknown\n\
         # HELP c Some \\\"help\\\", with\\nlines.\n# TYPE c counter\n# HELP empty \n# TYPE h histogram\n"
    );
    for scrape in scrapes {
        let time = format!("{}.016", NOON_SECONDS + scrape * INTERVAL_SECONDS);
        for (series, value) in [
            ("c_total{OWN}", scrape.to_string()),
            ("empty{OWN,x=\"} 1 2\\n\\\\ \\\" ü\"}", "-1.5e-07".to_owned()),
            ("h_bucket{OWN,le=\"+Inf\"}", "18446744073709551615".to_owned()),
            ("h_sum{OWN}", "1e+06".to_owned()),
            ("not_a_number{OWN}", "NaN".to_owned()),
            ("infinite{OWN}", "+Inf".to_owned()),
            ("up{OWN}", "1".to_owned()),
            ("scrape_duration_seconds{OWN}", "0.0131".to_owned()),
            ("scrape_response_size_bytes{OWN}", "75".to_owned()),
            ("scrape_samples_scraped{OWN}", "6".to_owned()),
            ("scrape_samples_post_metric_relabeling{OWN}", "6".to_owned()),
        ] {
            text.push_str(&format!("{} {value} {time}\n", series.replace("OWN", &own)));
        }
    }
    text
}

/// Exports what is in `recorded`, all of it, and gives the files.
fn exported(directory: &Path, format: &str) -> Vec<PathBuf> {
    let into = directory.join("exported");
    let from = directory.join("recorded");
    let arguments = ["export", from.to_str().unwrap(), "--format", format, "-o"];
    let into_directory = format!("{}/", into.display());
    let matches = export::command().try_get_matches_from([&arguments[..], &[&into_directory]].concat());
    assert_eq!(export::run(matches.unwrap()), ExitCode::SUCCESS);
    let mut files: Vec<PathBuf> = fs::read_dir(into).unwrap().map(|entry| entry.unwrap().path()).collect();
    files.sort();
    files
}

fn assert_same(recorded: &BTreeMap<Series, Points>, imported: &BTreeMap<Series, Points>) {
    assert_eq!(imported.keys().collect::<Vec<_>>(), recorded.keys().collect::<Vec<_>>());
    for (series, points) in recorded {
        let imported = &imported[series];
        assert_eq!(imported.keys().collect::<Vec<_>>(), points.keys().collect::<Vec<_>>(), "{series}");
        for (value, want) in imported.values().zip(points.values()) {
            let close = (value - want).abs() <= want.abs() * 1e-12;
            assert!(
                value.to_bits() == want.to_bits() || (value.is_nan() && want.is_nan()) || close,
                "{series}"
            );
        }
    }
}

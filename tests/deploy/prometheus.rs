//! `deploy/prometheus/prometheus.yml`: one file for Prometheus and for scrape-log.

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;
use std::process::Command;

use serde_json::Value;

use crate::common::rules::{files, project};
use crate::common::servers::promtool;
use crate::{port, strings, text, yaml};

const CONFIG: &str = "deploy/prometheus/prometheus.yml";

/// The addresses of all `targets:` in a file.
fn addresses(value: &Value) -> Vec<String> {
    match value {
        Value::Array(list) => list.iter().flat_map(addresses).collect(),
        Value::Object(keys) => {
            let inner =
                keys.iter().filter(|(key, _)| *key != "targets").flat_map(|(_, value)| addresses(value));
            strings(&value["targets"]).into_iter().chain(inner).collect()
        }
        _ => Vec::new(),
    }
}

/// The ports on this machine that the configuration and its targets name. All it names are on this machine.
pub fn local_ports() -> BTreeSet<u16> {
    let targets = files("deploy/prometheus/targets", "yml");
    assert!(!targets.is_empty());
    let targets = targets.iter().map(|path| yaml(path.to_str().unwrap()));
    let all: Vec<String> =
        std::iter::once(yaml(CONFIG)).chain(targets).flat_map(|file| addresses(&file)).collect();
    assert!(all.len() >= 5, "{all:?}");
    all.iter()
        .map(|address| {
            assert!(address.starts_with("localhost:"), "{address}");
            port(address)
        })
        .collect()
}

#[test]
fn scrape_log_takes_the_file_and_finds_a_target_for_each_job() {
    let file = project(CONFIG);
    let output =
        Command::new(env!("CARGO_BIN_EXE_scrape-log")).arg("check-config").arg(file).output().unwrap();
    let said = String::from_utf8(output.stdout).unwrap();
    assert!(output.status.success(), "{said}{}", String::from_utf8_lossy(&output.stderr));
    let jobs: Vec<String> = yaml(CONFIG)["scrape_configs"]
        .as_array()
        .unwrap()
        .iter()
        .map(|job| text(&job["job_name"]).into())
        .collect();
    assert_eq!(jobs, ["node", "scrape-log", "prometheus", "alertmanager"]);
    assert_eq!(said.matches("1 target\n").count(), jobs.len(), "{said}");
}

fn copy(from: &Path, to: &Path) {
    fs::create_dir_all(to).unwrap();
    for entry in fs::read_dir(from).unwrap().map(|entry| entry.unwrap().path()) {
        let to = to.join(entry.file_name().unwrap());
        if entry.is_dir() { copy(&entry, &to) } else { assert!(fs::copy(&entry, &to).unwrap() > 0) }
    }
}

#[test]
#[ignore = "needs promtool (tests/run installs it)"]
fn promtool_takes_the_file_where_it_lies_and_where_it_is_mounted() {
    let elsewhere = tempfile::tempdir().unwrap();
    copy(&project("deploy/prometheus"), elsewhere.path());
    for file in [project(CONFIG), elsewhere.path().join("prometheus.yml")] {
        let output = promtool(&["check", "config", file.to_str().unwrap()], "");
        let said =
            String::from_utf8_lossy(&output.stdout).into_owned() + &String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success(), "{said}");
        let rule_files = files("deploy/prometheus/rules", "yml").len();
        assert!(said.contains(&format!("{rule_files} rule files found")), "{said}");
        assert!(!said.contains("does not point to an existing file"), "{said}");
    }
}

//! What `deploy/` ships: units, a Dockerfile, compose, Kubernetes and Prometheus' configuration, held against each other,
//! against the flags of the programs and, where tests/run has them, against the tools of their kinds.
#![allow(clippy::unwrap_used)]

#[path = "../common/mod.rs"]
mod common;
mod compose;
mod grafana;
mod image;
mod kubernetes;
mod prometheus;
mod systemd;

use std::fs;

use common::rules::project;
use serde_json::Value;
use vitals::scrape_log::args::{self, Command, Options};

/// A file of the repository as a tree of values.
fn yaml(path: &str) -> Value {
    parse_yaml(&read(path))
}

fn parse_yaml(text: &str) -> Value {
    serde_saphyr::from_str(text).unwrap_or_else(|error| panic!("{error}\n{text}"))
}

fn read(path: &str) -> String {
    fs::read_to_string(project(path)).unwrap_or_else(|error| panic!("{path}: {error}"))
}

/// The strings of a list; none where there is no list.
fn strings(list: &Value) -> Vec<String> {
    list.as_array().into_iter().flatten().map(|value| value.as_str().unwrap().to_owned()).collect()
}

fn text(value: &Value) -> &str {
    value.as_str().unwrap_or_else(|| panic!("no text: {value}"))
}

/// Has the exporter read `arguments`, and gives what it made of them. Directories of another host are not here to be read.
fn exporter_takes(arguments: &[String]) -> vitals::exporter::Config {
    let here = arguments.iter().map(|argument| match argument.split_once('=') {
        Some((flag, _)) if flag.starts_with("--path.") => format!("{flag}=/"),
        _ => argument.clone(),
    });
    vitals::exporter::args::parse(std::iter::once("vitals-exporter".to_owned()).chain(here))
        .unwrap_or_else(|usage| panic!("{arguments:?}: {usage}"))
}

/// Has scrape-log read `arguments`, and gives what it made of them.
fn recorder_takes(arguments: &[String]) -> Options {
    match args::parse(["scrape-log".to_owned()].iter().chain(arguments)) {
        Ok(Command::Record(options)) => *options,
        other => panic!("{arguments:?}: {other:?}"),
    }
}

/// The value of `--flag=VALUE`.
fn flag<'a>(arguments: &'a [String], flag: &str) -> Option<&'a str> {
    arguments.iter().find_map(|argument| argument.strip_prefix(flag)?.strip_prefix('='))
}

/// The port behind the last colon.
fn port(address: &str) -> u16 {
    address.rsplit_once(':').unwrap().1.parse().unwrap_or_else(|_| panic!("{address}"))
}

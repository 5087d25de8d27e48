//! The file as a whole: `global`, `scrape_configs`, other files with more of these, and sections that have no use here.

use std::collections::HashMap;
use std::path::Path;
use std::time::Duration;

use super::fields::Fields;
use super::job::{self, Defaults, PASSED_OVER};
use super::report::Report;
use super::yaml::{self, At, Node, Value};
use super::{Config, Job, Limits, discovery};
use crate::base::glob;

/// Sections of a Prometheus configuration that say nothing about scraping.
const WITHOUT_USE: [&str; 8] =
    ["rule_files", "alerting", "remote_write", "remote_read", "storage", "tracing", "otlp", "runtime"];

/// Reads the configuration of `report`'s file.
pub(super) fn read(root: Node, report: &Report<'_>) -> Config {
    if root.value == Value::Null {
        report.problem(root.at, "the file is empty: expected scrape_configs with at least one job");
        return Config::default();
    }
    let Some(mut fields) = Fields::open(root, "the configuration", report) else {
        return Config::default();
    };
    let defaults = global(fields.section("global"));
    let unused: Vec<String> =
        fields.present(&WITHOUT_USE).into_iter().map(|key| format!("{:?}", key.value)).collect();
    if !unused.is_empty() {
        report.warning(None, format!("passed over, since scrape-log only scrapes: {}", unused.join(", ")));
    }
    let mut jobs = Jobs::default();
    jobs.read(&mut fields, &defaults);
    for pattern in fields.texts("scrape_config_files") {
        more_jobs(&fields, &pattern, &defaults, &mut jobs);
    }
    if jobs.found.is_empty() {
        report.warning(None, "there is no job in scrape_configs, so that nothing is scraped");
    }
    fields.finish();
    Config { jobs: jobs.found }
}

fn global(fields: Option<Fields<'_>>) -> Defaults {
    let defaults = Defaults {
        interval: Duration::from_secs(60),
        timeout: Duration::from_secs(10),
        limits: Limits::default(),
    };
    let Some(mut fields) = fields else {
        return defaults;
    };
    let interval = fields.duration("scrape_interval");
    let timeout = fields.duration("scrape_timeout");
    let (interval, timeout) = job::times(&fields, interval, timeout, &defaults);
    let limits = job::limits(&mut fields, &defaults.limits);
    let _checked = fields.duration("evaluation_interval");
    let _checked = discovery::read_labels(&mut fields, "external_labels");
    fields.pass_over(&["query_log_file", "rule_query_offset"]);
    fields.pass_over(&PASSED_OVER);
    fields.finish();
    Defaults { interval, timeout, limits }
}

/// The jobs so far, and where each was found.
#[derive(Default)]
struct Jobs {
    found: Vec<Job>,
    places: HashMap<String, String>,
}

impl Jobs {
    fn read(&mut self, fields: &mut Fields<'_>, defaults: &Defaults) {
        for entry in fields.sections("scrape_configs") {
            let report = entry.report();
            let Some((At { at, value: name }, job)) = job::read(entry, defaults) else {
                continue;
            };
            match self.places.get(&name) {
                Some(first) => {
                    let message =
                        format!("the job_name {name:?} was given before, at {first}: expected each once");
                    report.problem(at, message);
                }
                None => {
                    self.places.insert(name, format!("{}:{at}", report.path().display()));
                    self.found.push(job);
                }
            }
        }
    }
}

/// Reads the files of one entry of `scrape_config_files`.
fn more_jobs(fields: &Fields<'_>, pattern: &At<String>, defaults: &Defaults, jobs: &mut Jobs) {
    let resolved = fields.resolve(&pattern.value);
    let files = glob::files(&resolved.to_string_lossy());
    if files.is_empty() {
        let message = format!("scrape_config_files: there is no file {}", resolved.display());
        fields.report().warning(Some(pattern.at), message);
    }
    for path in files {
        match std::fs::read_to_string(&path) {
            Ok(text) => fields.report().absorb(jobs_of_file(&path, &text, defaults, jobs)),
            Err(error) => {
                fields.problem(pattern.at, format!("can't read {}: {error}", path.display()));
            }
        }
    }
}

fn jobs_of_file<'a>(path: &'a Path, text: &'a str, defaults: &Defaults, jobs: &mut Jobs) -> Report<'a> {
    let report = Report::new(path, text);
    match yaml::parse(text) {
        Err(mistake) => report.no_yaml(mistake),
        Ok(root) => {
            if let Some(mut fields) = Fields::open(root, "a file of scrape_config_files", &report) {
                jobs.read(&mut fields, defaults);
                fields.finish();
            }
        }
    }
    report
}

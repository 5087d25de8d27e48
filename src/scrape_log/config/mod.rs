//! What is scraped, and how: the `global` and `scrape_configs` sections of a `prometheus.yml`.
//!
//! The keys, their defaults and their meaning are those of Prometheus' configuration reference. `--target` makes a
//! [`Job`] too, so that there is one way from here on.
//!
//! ```text
//!  text ──► yaml: a tree that knows lines and columns ──► document, job, …: each asks `fields` for the keys it knows
//!                                                            └── what is wrong ──► report: all of it, with its place
//! ```

mod discovery;
mod document;
mod fields;
mod http;
mod job;
mod report;
mod rules;
#[cfg(test)]
mod tests;
mod yaml;

pub use report::{Error, Problem, Warning};
pub use yaml::Position;

use std::path::{Path, PathBuf};
use std::time::Duration;

use super::labels::Labels;
use super::relabel::Rule;
use crate::base::watched::{self, ReadError};
use crate::web::client::HttpSettings;

use report::Report;

/// `metrics_path` of a job that does not say it.
pub(super) const DEFAULT_PATH: &str = "/metrics";
/// The longest time between two scrapes, and for one: timers and timestamps have to count it.
pub(super) const LONGEST_TIME: Duration = Duration::from_secs(366 * 86_400);
/// The most that a list of targets may have. More than any that one process could scrape.
pub const MAX_LIST_BYTES: usize = 32 << 20;

/// Reads a configuration file. Relative paths in it are below its directory.
///
/// # Errors
/// When it can't be read, or has mistakes: all of them, with line and column.
pub fn load(path: &Path) -> Result<(Config, Vec<Warning>), Error> {
    parse(&read(path)?, path)
}

/// Reads a configuration; `path` is its name in messages and what relative paths begin at.
///
/// # Errors
/// When it has mistakes: all of them, with line and column.
pub fn parse(text: &str, path: &Path) -> Result<(Config, Vec<Warning>), Error> {
    let report = Report::new(path, text);
    let config = match yaml::parse(text) {
        Ok(root) => document::read(root, &report),
        Err(mistake) => {
            report.no_yaml(mistake);
            Config::default()
        }
    };
    report.conclude(config)
}

/// What a list of target groups is written in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ListSyntax {
    /// Files that end with `.json`, and pages of `http_sd_configs`.
    Json,
    /// All other files.
    Yaml,
}

/// Reads target groups: a file of `file_sd_configs`, or a page of `http_sd_configs` with its URL as the path.
///
/// # Errors
/// When they have mistakes: all of them, with line and column.
pub fn parse_target_groups(text: &str, path: &Path, syntax: ListSyntax) -> Result<Vec<TargetGroup>, Error> {
    let report = Report::new(path, text);
    // JSON is YAML too, but not all YAML is JSON: half a list, for one, which a file is that is being written.
    let read = match syntax {
        ListSyntax::Json => yaml::check_json(text).and_then(|()| yaml::parse(text)),
        ListSyntax::Yaml => yaml::parse(text),
    };
    let groups = match read {
        Ok(root) => discovery::target_groups(root, &report),
        Err(mistake) => {
            report.no_yaml(mistake);
            Vec::new()
        }
    };
    report.conclude(groups).map(|(groups, _)| groups)
}

/// Reads a file of `file_sd_configs`, which has at most [`MAX_LIST_BYTES`].
///
/// # Errors
/// When it can't be read, or has mistakes: all of them, with line and column.
pub fn load_target_groups(path: &Path) -> Result<Vec<TargetGroup>, Error> {
    let bytes = watched::read(path, MAX_LIST_BYTES as u64).map_err(|error| Error::unreadable(path, error))?;
    let is_json = path.extension().is_some_and(|extension| extension.eq_ignore_ascii_case("json"));
    let syntax = if is_json { ListSyntax::Json } else { ListSyntax::Yaml };
    parse_target_groups(&text(bytes, path)?, path, syntax)
}

/// Reads what may also be a pipe.
fn read(path: &Path) -> Result<String, Error> {
    let bytes = std::fs::read(path).map_err(|error| Error::unreadable(path, ReadError::from(error)))?;
    text(bytes, path)
}

fn text(bytes: Vec<u8>, path: &Path) -> Result<String, Error> {
    String::from_utf8(bytes).map_err(|_| Error::unreadable(path, "it is not text in UTF-8"))
}

/// The jobs of a configuration, in their order. No two have the same name.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Config {
    /// What is scraped.
    pub jobs: Vec<Job>,
}

impl Config {
    /// Whether no job says where targets come from.
    pub fn scrapes_nothing(&self) -> bool {
        self.jobs.iter().all(|job| job.discoveries.is_empty())
    }
}

/// An entry of `scrape_configs`: targets that are scraped in the same way.
#[derive(Clone, Debug, PartialEq)]
pub struct Job {
    /// `job_name`.
    pub name: String,
    /// `scrape_interval`: from the start of one scrape to the start of the next.
    pub interval: Duration,
    /// `scrape_timeout`, at most the interval.
    pub timeout: Duration,
    /// `metrics_path`.
    pub path: String,
    /// `scheme`: `http` or `https`.
    pub scheme: String,
    /// `params`: names and their values, in the order of the names.
    pub params: Vec<(String, Vec<String>)>,
    /// `honor_labels`: whether a page's labels win over the target's.
    pub honor_labels: bool,
    /// Credentials, TLS, redirects and compression.
    pub http: HttpSettings,
    /// Where the targets come from.
    pub discoveries: Vec<Discovery>,
    /// `relabel_configs`, for targets.
    pub relabel: Vec<Rule>,
    /// `metric_relabel_configs`, for samples.
    pub metric_relabel: Vec<Rule>,
    /// The caps on each scrape and on the job.
    pub limits: Limits,
}

impl Job {
    /// A job without targets, in which everything else has Prometheus' defaults.
    pub fn new(name: String, interval: Duration, timeout: Duration) -> Self {
        Self {
            name,
            interval,
            timeout,
            path: DEFAULT_PATH.to_owned(),
            scheme: "http".to_owned(),
            params: Vec::new(),
            honor_labels: false,
            http: HttpSettings::default(),
            discoveries: Vec::new(),
            relabel: Vec::new(),
            metric_relabel: Vec::new(),
            limits: Limits::default(),
        }
    }

    /// Adds static targets.
    pub fn add_group(&mut self, group: TargetGroup) {
        if let Some(Discovery::Static(groups)) = self.discoveries.last_mut() {
            groups.push(group);
        } else {
            self.discoveries.push(Discovery::Static(vec![group]));
        }
    }
}

/// Caps of a job. `None` is no cap. A scrape beyond one is a failed scrape.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Limits {
    /// `body_size_limit`: bytes of a page without compression.
    pub body_size_bytes: Option<usize>,
    /// `sample_limit`: samples of a page that are left after `metric_relabel_configs`.
    pub samples: Option<usize>,
    /// `label_limit`: labels of a sample, those of the target and the name included.
    pub labels: Option<usize>,
    /// `label_name_length_limit`, in bytes.
    pub label_name_length: Option<usize>,
    /// `label_value_length_limit`, in bytes.
    pub label_value_length: Option<usize>,
    /// `target_limit`: targets that are left after `relabel_configs`. Beyond it all targets of the job fail.
    pub targets: Option<usize>,
}

/// One source of targets.
#[derive(Clone, Debug, PartialEq)]
pub enum Discovery {
    /// `static_configs`.
    Static(Vec<TargetGroup>),
    /// An entry of `file_sd_configs`.
    Files {
        /// `files`: paths, the last part of which may have a `*`; relative ones are below the configuration's.
        patterns: Vec<PathBuf>,
    },
    /// An entry of `http_sd_configs`.
    Http {
        /// `url`.
        url: String,
        /// `refresh_interval`.
        refresh_interval: Duration,
        /// Credentials, TLS, redirects and compression.
        http: Box<HttpSettings>,
    },
}

/// Addresses that share labels.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct TargetGroup {
    /// What becomes `__address__`: usually `host:port`.
    pub targets: Vec<String>,
    /// What each of them has besides.
    pub labels: Labels,
}

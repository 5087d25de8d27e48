//! What is scraped, and how: the `global` and `scrape_configs` sections of a `prometheus.yml`.
//!
//! The keys, their defaults and their meaning are those of Prometheus' configuration reference. `--target` makes a
//! [`Job`] too, so that there is one way from here on.

use std::path::PathBuf;
use std::time::Duration;

use super::labels::Labels;
use super::relabel::Rule;
use crate::web::client::HttpSettings;

/// The jobs of a configuration, in their order. No two have the same name.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Config {
    /// What is scraped.
    pub jobs: Vec<Job>,
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

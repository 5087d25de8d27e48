//! One exporter to scrape: its URL, its labels, when it is scraped and its directory.
//!
//! A discovered label set becomes a target as in Prometheus: the job's settings are put into labels such as
//! `__scheme__` and `__metrics_path__`, `relabel_configs` may change all of them, and then they are read back. What
//! is left without `__` before its name are the labels of the target's samples.

mod directory;
mod url;

use std::borrow::Cow;
use std::time::Duration;

use super::config::{Job, LONGEST_TIME};
use super::labels::Labels;
use crate::base::duration;
use crate::exposition::is_label_name;
use crate::web::client::Endpoint;

const ADDRESS: &str = "__address__";
const SCHEME: &str = "__scheme__";
const METRICS_PATH: &str = "__metrics_path__";
const SCRAPE_INTERVAL: &str = "__scrape_interval__";
const SCRAPE_TIMEOUT: &str = "__scrape_timeout__";
const PARAM_PREFIX: &str = "__param_";

/// The characters of an address that a message shows.
const MAX_SHOWN: usize = 200;

/// An exporter to scrape.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Target {
    endpoint: Endpoint,
    url: String,
    labels: Labels,
    interval: Duration,
    timeout: Duration,
    identity: u64,
    directory: String,
}

impl Target {
    /// The labels that `relabel_configs` of `job` get to see.
    pub(super) fn before_relabelling(job: &Job, mut discovered: Labels) -> Labels {
        discovered.set_default("job", &job.name);
        discovered.set_default(SCRAPE_INTERVAL, &duration::format(job.interval));
        discovered.set_default(SCRAPE_TIMEOUT, &duration::format(job.timeout));
        discovered.set_default(METRICS_PATH, &job.path);
        discovered.set_default(SCHEME, &job.scheme);
        for (name, values) in &job.params {
            if let Some(value) = values.first() {
                discovered.set_default(&format!("{PARAM_PREFIX}{name}"), value);
            }
        }
        discovered
    }

    /// The target of a label set to which `relabel_configs` were applied.
    ///
    /// # Errors
    /// A sentence that says which label is wrong, and what is expected.
    pub(super) fn relabelled(job: &Job, mut labels: Labels) -> Result<Self, String> {
        let address = labels.get(ADDRESS).to_owned();
        if address.is_empty() {
            return Err(format!("{ADDRESS} is empty, expected HOST:PORT"));
        }
        let shown = without_credentials(&address);
        if address.contains('/') {
            return Err(format!(
                "{ADDRESS} is {shown:?}, expected HOST:PORT alone: a path belongs into metrics_path or {METRICS_PATH}"
            ));
        }
        let (interval, timeout) = (time(&labels, SCRAPE_INTERVAL)?, time(&labels, SCRAPE_TIMEOUT)?);
        if timeout > interval {
            return Err(format!(
                "{SCRAPE_TIMEOUT} {timeout:?} is longer than {SCRAPE_INTERVAL} {interval:?}, so that scrapes would overlap: \
                 expected a timeout of at most the interval"
            ));
        }
        let url = url::of(labels.get(SCHEME), &address, labels.get(METRICS_PATH), &params(job, &labels));
        let endpoint =
            Endpoint::parse(&url).map_err(|problem| format!("target with {ADDRESS} {shown:?}: {problem}"))?;
        // As in Prometheus 3 a port that the scheme implies is not put into the label.
        labels.set_default("instance", &address);
        labels.retain(|name, _| !name.starts_with("__"));
        if let Some((name, _)) = labels.iter().find(|(name, _)| !is_label_name(name)) {
            return Err(format!(
                "{name:?} is no name of a label, expected letters, digits and _ with no digit at the start: rename or \
                 drop it in relabel_configs"
            ));
        }
        let identity = identity(&labels, &url);
        let directory = directory::name(&labels, &endpoint, &url, identity);
        Ok(Self { endpoint, url, labels, interval, timeout, identity, directory })
    }

    /// Where the page is.
    pub fn endpoint(&self) -> &Endpoint {
        &self.endpoint
    }

    /// What is asked for, in the spelling of the configuration.
    pub fn url(&self) -> &str {
        &self.url
    }

    /// The labels of the target's samples, `job` and `instance` among them.
    pub fn labels(&self) -> &Labels {
        &self.labels
    }

    /// From the start of one scrape to the start of the next.
    pub fn interval(&self) -> Duration {
        self.interval
    }

    /// What a scrape may take, at most the interval.
    pub fn timeout(&self) -> Duration {
        self.timeout
    }

    /// A number that labels and URL decide: the same in each process and each release, another for each target.
    pub fn identity(&self) -> u64 {
        self.identity
    }

    /// The name of the target's directory below the storage path: one plain file name, another for each target.
    pub fn directory(&self) -> &str {
        &self.directory
    }
}

#[cfg(test)]
impl Target {
    /// The target of a label set that was discovered for `job`, `None` if `relabel_configs` drop it.
    pub(super) fn discovered(job: &Job, discovered: Labels) -> Result<Option<Self>, String> {
        let labels = Self::before_relabelling(job, discovered);
        super::relabel::apply(&job.relabel, labels).map(|labels| Self::relabelled(job, labels)).transpose()
    }

    pub(super) fn job(&self) -> &str {
        self.labels.get("job")
    }

    pub(super) fn instance(&self) -> &str {
        self.labels.get("instance")
    }
}

/// What a message may show of a text in the place of an address: what is before an @ may be a password.
pub(super) fn without_credentials(text: &str) -> Cow<'_, str> {
    let shown: Cow<'_, str> =
        text.rsplit_once('@').map_or(text.into(), |(_, host)| format!("...@{host}").into());
    match shown.char_indices().nth(MAX_SHOWN) {
        Some((end, _)) => shown.get(..end).unwrap_or_default().to_owned().into(),
        None => shown,
    }
}

/// Reads a time that timers and timestamps can count.
fn time(labels: &Labels, name: &str) -> Result<Duration, String> {
    let time = duration::parse(labels.get(name)).map_err(|problem| format!("{name}: {problem}"))?;
    if time < Duration::from_millis(1) || time > LONGEST_TIME {
        return Err(format!("{name} is {time:?}, expected at least 1ms and at most a year"));
    }
    Ok(time)
}

/// The job's `params`, with the first value of each as the labels `__param_…` have it.
fn params(job: &Job, labels: &Labels) -> Vec<(String, Vec<String>)> {
    let mut params = job.params.clone();
    for (label, value) in labels.iter() {
        let Some(name) = label.strip_prefix(PARAM_PREFIX) else { continue };
        match params.iter_mut().find(|(known, _)| known == name) {
            Some((_, values)) => match values.first_mut() {
                Some(first) => value.clone_into(first),
                None => values.push(value.to_owned()),
            },
            None => params.push((name.to_owned(), vec![value.to_owned()])),
        }
    }
    params.sort();
    params
}

fn identity(labels: &Labels, url: &str) -> u64 {
    // 0xff is in no UTF-8 text, so that no two sets run together into the same bytes.
    let mut bytes = Vec::with_capacity(256);
    for (name, value) in labels.iter() {
        for part in [name, value] {
            bytes.extend_from_slice(part.as_bytes());
            bytes.push(0xff);
        }
    }
    bytes.extend_from_slice(url.as_bytes());
    stable_hash(&bytes)
}

/// FNV-1a with a final mix. Unlike the standard library's hash it is the same in every release, which file names
/// and the phase of the schedule rely on.
pub(super) fn stable_hash(bytes: &[u8]) -> u64 {
    let mut hash = 0xcbf2_9ce4_8422_2325_u64;
    for &byte in bytes {
        hash = (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3);
    }
    hash ^= hash >> 32;
    hash = hash.wrapping_mul(0x9e37_79b9_7f4a_7c15);
    hash ^ (hash >> 29)
}

#[cfg(test)]
mod tests;

//! The options as the part that records takes them: one job of targets that differ in nothing but the URL.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

use super::{JobSource, Options, targets};
use crate::base::usage::Usage;
use crate::scrape_log::Target;

/// A checked configuration.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Config {
    /// What to scrape; no two have the same URL.
    pub targets: Vec<Target>,
    /// From the start of one scrape of a target to the start of the next.
    pub interval: Duration,
    /// The time that one scrape may take, at most the interval.
    pub timeout: Duration,
    /// The directory below which each target has its own.
    pub storage_path: PathBuf,
    /// The value of the label `job`.
    pub job: String,
    /// Where the exporter listens that is started when there is no target.
    pub listen_address: SocketAddr,
}

impl TryFrom<&Options> for Config {
    type Error = Usage;

    /// # Errors
    /// When the jobs come from a file.
    fn try_from(options: &Options) -> Result<Self, Usage> {
        let JobSource::Flags(jobs) = &options.jobs else {
            return Err(Usage::wrong(
                "--config.file can only be checked so far (check-config FILE): use --target",
            ));
        };
        let first = jobs.first().ok_or_else(|| Usage::wrong("there is no job"))?;
        // An instance with a path has the query too.
        let target = |instance: &str| match instance.contains('/') {
            true => Target::parse(&format!("http://{instance}")),
            false => Target::parse(instance),
        };
        let targets: Result<Vec<Target>, String> =
            jobs.iter().flat_map(targets::instances).map(target).collect();
        Ok(Self {
            targets: targets.map_err(Usage::wrong)?,
            interval: first.interval,
            timeout: first.timeout,
            storage_path: options.storage.path.clone(),
            job: first.name.clone(),
            listen_address: options.exporter_listen_address,
        })
    }
}

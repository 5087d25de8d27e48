//! The command line.

mod flags;
mod targets;
#[cfg(test)]
mod tests;

use std::ffi::OsString;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Duration;

use clap::ArgMatches;
use clap::parser::ValueSource;

use super::config::{self, Job, Warning};
use super::service::Addresses;
use super::store::{MinFree, StorageOptions};
use super::tools;
use crate::base::usage::Usage;
use targets::FlagTarget;

const DEFAULT_TIMEOUT: Duration = Duration::from_secs(10);

/// What to do.
#[derive(Clone, Debug)]
pub enum Command {
    /// Record, which is what happens without a subcommand.
    Record(Box<Options>),
    /// `check-config`: say what a configuration has in it, or what is wrong with it.
    CheckConfig {
        /// The configuration.
        file: PathBuf,
    },
    /// One of [`TOOLS`], with its arguments.
    Tool(Tool, ArgMatches),
}

/// A subcommand that has flags of its own.
#[derive(Clone, Copy, Debug)]
pub struct Tool {
    /// Its name, flags and help.
    pub command: fn() -> clap::Command,
    /// What it does. Messages for people are printed, the exit code is the program's.
    pub run: fn(ArgMatches) -> ExitCode,
}

/// The subcommands that work on recorded files.
pub const TOOLS: &[Tool] = &[
    Tool { command: tools::check::command, run: tools::check::run },
    Tool { command: tools::export::command, run: tools::export::run },
    Tool { command: tools::top::command, run: tools::top::run },
    Tool { command: tools::report::command, run: tools::report::run },
];

/// How to record.
#[derive(Clone, Debug, PartialEq)]
pub struct Options {
    /// What is scraped.
    pub jobs: JobSource,
    /// Where files go, and how long they stay.
    pub storage: StorageOptions,
    /// `--web.listen-address`: where the recorder's own pages are.
    pub addresses: Addresses,
    /// `--web.enable-lifecycle`: whether `POST /-/reload` is allowed.
    pub enable_lifecycle: bool,
    /// `--exporter.listen-address`: where the exporter listens that is started when there is no target.
    pub exporter_listen_address: SocketAddr,
    /// One of [`LEVELS`](crate::base::log::LEVELS).
    pub log_level: String,
    /// One of [`FORMATS`](crate::base::log::FORMATS).
    pub log_format: String,
}

/// Where the jobs come from.
#[derive(Clone, Debug, PartialEq)]
pub enum JobSource {
    /// `--config.file`, which is read again at each reload.
    File(PathBuf),
    /// `--target` and the flags about it. The first job has the name that `--job` gives. Targets whose parameters can't
    /// be told by labels have jobs of their own behind it.
    Flags(Vec<Job>),
}

/// Reads the command line, the program's name first.
///
/// # Errors
/// [`Usage`] with a text that names the flag, what is wrong with it and what is expected.
pub fn parse(args: impl IntoIterator<Item = impl Into<OsString> + Clone>) -> Result<Command, Usage> {
    let mut matches = flags::command().try_get_matches_from(args)?;
    match matches.remove_subcommand() {
        None => Options::read(matches).map(|options| Command::Record(Box::new(options))),
        Some((name, mut arguments)) if name == flags::CHECK_CONFIG => {
            Ok(Command::CheckConfig { file: take(&mut arguments, "FILE").unwrap_or_default() })
        }
        Some((name, arguments)) => match TOOLS.iter().find(|tool| (tool.command)().get_name() == name) {
            Some(tool) => Ok(Command::Tool(*tool, arguments)),
            None => Err(Usage::wrong(format!("there is no subcommand {name:?}"))),
        },
    }
}

impl Options {
    fn read(mut matches: ArgMatches) -> Result<Self, Usage> {
        let jobs = match take(&mut matches, "config.file") {
            Some(file) => {
                refuse_beside_file(&matches)?;
                JobSource::File(file)
            }
            None => JobSource::Flags(vec![job(&mut matches)?]),
        };
        let time: Option<Duration> = take(&mut matches, "storage.retention.time");
        let size: Option<u64> = take(&mut matches, "storage.retention.size");
        let targets: Vec<String> = matches.remove_many("target").into_iter().flatten().collect();
        if !(targets.is_empty() && matches!(jobs, JobSource::Flags(_))) {
            refuse(
                &matches,
                &["exporter.listen-address"],
                "is about the exporter that is started without a target",
            )?;
        }
        let mut options = Self {
            jobs,
            storage: StorageOptions {
                path: take(&mut matches, "storage.path").unwrap_or_default(),
                max_file_size_bytes: take(&mut matches, "storage.max-file-size").unwrap_or_default(),
                compression_level: take(&mut matches, "storage.compression-level").unwrap_or_default(),
                retention_time: time.filter(|time| !time.is_zero()),
                retention_size_bytes: size.filter(|bytes| *bytes > 0),
                min_free: take(&mut matches, "storage.min-free").map_or(MinFree::Tenth, MinFree::Bytes),
                sync_interval: take(&mut matches, "storage.sync-interval").unwrap_or_default(),
            },
            addresses: addresses(&mut matches),
            enable_lifecycle: matches.get_flag("web.enable-lifecycle"),
            exporter_listen_address: take(&mut matches, "exporter.listen-address")
                .unwrap_or(flags::EXPORTER_ADDRESS),
            log_level: take(&mut matches, "log.level").unwrap_or_default(),
            log_format: take(&mut matches, "log.format").unwrap_or_default(),
        };
        for target in targets {
            options.add_target(&target)?;
        }
        Ok(options)
    }

    /// Whether there is nothing to scrape but this machine.
    pub fn records_this_machine(&self) -> bool {
        match &self.jobs {
            JobSource::File(_) => false,
            JobSource::Flags(jobs) => jobs.iter().all(|job| targets::instances(job).next().is_none()),
        }
    }

    /// Adds a target as `--target` does.
    ///
    /// # Errors
    /// When it is no target, or there is one with the same label `instance` already, or jobs come from a file.
    pub fn add_target(&mut self, text: &str) -> Result<(), Usage> {
        let JobSource::Flags(jobs) = &mut self.jobs else {
            return Err(Usage::wrong(
                "--target and --config.file can't be used together: put the target into the file",
            ));
        };
        let target = FlagTarget::parse(text)?;
        if jobs.iter().flat_map(targets::instances).any(|known| known == target.instance()) {
            return Err(Usage::wrong(format!(
                "--target {target} was given twice: expected each target once"
            )));
        }
        target.add_to(jobs);
        Ok(())
    }

    /// The jobs: from the file, which is read, or from the flags.
    ///
    /// # Errors
    /// When the file can't be read or has mistakes.
    pub fn load(&self) -> Result<(config::Config, Vec<Warning>), config::Error> {
        match &self.jobs {
            JobSource::File(path) => config::load(path),
            JobSource::Flags(jobs) => Ok((config::Config { jobs: jobs.clone() }, Vec::new())),
        }
    }
}

/// The job of the flags, without targets.
fn job(matches: &mut ArgMatches) -> Result<Job, Usage> {
    let interval = take(matches, "scrape.interval").unwrap_or_default();
    let timeout = take(matches, "scrape.timeout").unwrap_or_else(|| DEFAULT_TIMEOUT.min(interval));
    if timeout > interval {
        return Err(Usage::wrong(format!(
            "--scrape.timeout {timeout:?} is longer than --scrape.interval {interval:?}, so that scrapes of a \
             target would overlap: expected a timeout of at most the interval"
        )));
    }
    Ok(Job::new(take(matches, "job").unwrap_or_default(), interval, timeout))
}

fn addresses(matches: &mut ArgMatches) -> Addresses {
    const FLAG: &str = "web.listen-address";
    let given = matches.value_source(FLAG) == Some(ValueSource::CommandLine);
    match take(matches, FLAG) {
        Some(address) if given => Addresses::Chosen(vec![address]),
        _ => Addresses::Default(flags::WEB_ADDRESS),
    }
}

fn refuse_beside_file(matches: &ArgMatches) -> Result<(), Usage> {
    refuse(
        matches,
        &["target", "job", "scrape.interval", "scrape.timeout"],
        "and --config.file can't be used together: put what it says into the file",
    )
}

/// Refuses flags that were given, unlike their defaults.
fn refuse(matches: &ArgMatches, names: &[&str], why: &str) -> Result<(), Usage> {
    let given = |name: &&&str| matches.value_source(name) == Some(ValueSource::CommandLine);
    match names.iter().find(given) {
        Some(name) => Err(Usage::wrong(format!("--{name} {why}"))),
        None => Ok(()),
    }
}

fn take<T: Clone + Send + Sync + 'static>(matches: &mut ArgMatches, name: &str) -> Option<T> {
    matches.remove_one(name)
}

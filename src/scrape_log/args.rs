//! The command line.

use std::ffi::OsString;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

use clap::{Arg, ArgAction, ArgMatches, Command, value_parser};

use super::config;
use super::{Target, target};
use crate::base::usage::Usage;
use crate::base::{duration, log};

const DEFAULT_TIMEOUT: Duration = Duration::from_secs(10);

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
    /// One of [`log::LEVELS`].
    pub log_level: String,
    /// One of [`log::FORMATS`].
    pub log_format: String,
    /// Where the exporter listens that is started when there is no target.
    pub listen_address: SocketAddr,
}

/// Reads the command line, the program's name first.
///
/// # Errors
/// [`Usage`] with a text that names the flag, what is wrong with it and what is expected.
pub fn parse(args: impl IntoIterator<Item = impl Into<OsString> + Clone>) -> Result<Config, Usage> {
    let mut matches = command().try_get_matches_from(args)?;
    let interval = take(&mut matches, "scrape.interval").unwrap_or_default();
    let timeout = take(&mut matches, "scrape.timeout").unwrap_or_else(|| DEFAULT_TIMEOUT.min(interval));
    if timeout > interval {
        return Err(Usage::wrong(format!(
            "--scrape.timeout {timeout:?} is longer than --scrape.interval {interval:?}, so that scrapes of a \
             target would overlap: expected a timeout of at most the interval"
        )));
    }
    let mut config = Config {
        targets: Vec::new(),
        interval,
        timeout,
        storage_path: take(&mut matches, "storage.path").unwrap_or_default(),
        job: take(&mut matches, "job").unwrap_or_default(),
        log_level: take(&mut matches, "log.level").unwrap_or_default(),
        log_format: take(&mut matches, "log.format").unwrap_or_default(),
        listen_address: take(&mut matches, "web.listen-address")
            .unwrap_or_else(|| SocketAddr::from(([127, 0, 0, 1], 9100))),
    };
    for text in matches.remove_many::<String>("target").into_iter().flatten() {
        let target = read_target(&text, &config)?;
        config.add_target(target)?;
    }
    Ok(config)
}

impl Config {
    /// Adds a target.
    ///
    /// # Errors
    /// When there is one with the same URL already.
    pub fn add_target(&mut self, target: Target) -> Result<(), Usage> {
        let same = |known: &Target| {
            known.endpoint() == target.endpoint()
                || known.directory() == target.directory()
                || known.instance() == target.instance()
        };
        if self.targets.iter().any(same) {
            return Err(Usage::wrong(format!(
                "--target {} was given twice: expected each target once",
                target.endpoint()
            )));
        }
        self.targets.push(target);
        Ok(())
    }

    /// The targets as a configuration file would have them.
    pub fn jobs(&self) -> config::Config {
        let times = (self.interval, self.timeout);
        let mut jobs: Vec<config::Job> = Vec::new();
        for target in &self.targets {
            let mut job = target::job(target.endpoint(), &self.job, times);
            let discoveries = std::mem::take(&mut job.discoveries);
            let alike = |known: &config::Job| known.params == job.params;
            match jobs.iter_mut().find(|known| alike(known)) {
                Some(known) => known.discoveries.extend(discoveries),
                None => jobs.push(config::Job { discoveries, ..job }),
            }
        }
        config::Config { jobs }
    }
}

fn take<T: Clone + Send + Sync + 'static>(matches: &mut ArgMatches, name: &str) -> Option<T> {
    matches.remove_one(name)
}

fn command() -> Command {
    Command::new("scrape-log")
        .version(env!("CARGO_PKG_VERSION"))
        .about("Scrapes exporters and writes what they say into plain text files")
        .arg(
            flag("target", "HOST:PORT|URL")
                .help(
                    "An exporter to scrape, any number of times: HOST:PORT for http://HOST:PORT/metrics, or \
                     a URL. The label instance is HOST:PORT, with the path behind it where that is not \
                     /metrics. Without a target this machine is recorded",
                )
                .action(ArgAction::Append),
        )
        .arg(
            flag("scrape.interval", "DURATION")
                .help("Time between two scrapes of a target")
                .default_value("15s")
                .value_parser(positive_duration),
        )
        .arg(
            flag("scrape.timeout", "DURATION")
                .help("Time that a scrape may take, at most the interval [default: 10s or the interval]")
                .value_parser(positive_duration),
        )
        .arg(
            flag("storage.path", "DIRECTORY")
                .help("Directory of the files; each target has its own below it")
                .default_value("data")
                .value_parser(value_parser!(PathBuf)),
        )
        .arg(flag("job", "NAME").help("Value of the label job").default_value("node").value_parser(job_name))
        .arg(
            flag("web.listen-address", "ADDRESS")
                .help("Address of the exporter that is started when no --target is given")
                .default_value("127.0.0.1:9100")
                .value_parser(listen_address),
        )
        .arg(
            flag("log.level", "LEVEL")
                .help("Least severity of log lines")
                .default_value("info")
                .value_parser(log::LEVELS),
        )
        .arg(
            flag("log.format", "FORMAT")
                .help("Format of log lines")
                .default_value("logfmt")
                .value_parser(log::FORMATS),
        )
}

fn flag(name: &'static str, value_name: &'static str) -> Arg {
    Arg::new(name).long(name).value_name(value_name)
}

/// Reads a target here rather than in `clap`, whose message would repeat a password.
fn read_target(text: &str, config: &Config) -> Result<Target, Usage> {
    Target::on_command_line(text, &config.job, (config.interval, config.timeout)).map_err(|problem| {
        let shown = match text.rsplit_once('@') {
            Some((_, host)) => format!("...@{host}"),
            None => text.to_owned(),
        };
        Usage::wrong(format!("invalid value '{shown}' for --target: {problem}"))
    })
}

/// Timers and timestamps count milliseconds, and a year is beyond every use.
fn positive_duration(text: &str) -> Result<Duration, String> {
    let duration = duration::parse(text)?;
    if duration < Duration::from_millis(1) || duration > Duration::from_secs(366 * 86_400) {
        return Err("expected at least 1ms and at most a year".to_owned());
    }
    Ok(duration)
}

fn job_name(text: &str) -> Result<String, String> {
    if text.is_empty() || text.chars().any(char::is_control) {
        return Err("expected a name without control characters".to_owned());
    }
    Ok(text.to_owned())
}

fn listen_address(text: &str) -> Result<SocketAddr, String> {
    text.parse().map_err(|_| {
        "expected IP:PORT, for example 127.0.0.1:9100 for this machine alone or 0.0.0.0:9100 for all"
            .to_owned()
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn run(args: &[&str]) -> Result<Config, Usage> {
        parse(["scrape-log"].iter().chain(args))
    }

    #[test]
    fn defaults() {
        let config = run(&[]).unwrap();
        assert_eq!(config.targets, []);
        assert_eq!((config.interval, config.timeout), (Duration::from_secs(15), Duration::from_secs(10)));
        assert_eq!((config.job.as_str(), config.storage_path), ("node", PathBuf::from("data")));
        assert_eq!(config.listen_address.to_string(), "127.0.0.1:9100");
        let short = run(&["--scrape.interval=5s"]).unwrap();
        assert_eq!(short.timeout, Duration::from_secs(5));
    }

    #[test]
    fn targets_in_their_order() {
        let config = run(&["--target=b:1", "--target", "http://a:1/metrics"]).unwrap();
        let names: Vec<_> = config.targets.iter().map(Target::instance).collect();
        assert_eq!(names, ["b:1", "a:1"]);
    }

    #[test]
    fn mistakes_name_the_flag_and_what_is_expected() {
        for (args, wants) in [
            (&["--target=db01"][..], &["--target", "db01:9100"][..]),
            (&["--target=https://db01/"], &["--target", "https is not supported"]),
            (&["--target=a:1", "--target=http://A:1/metrics"], &["--target http://a:1/metrics", "twice"]),
            (&["--scrape.interval=15"], &["--scrape.interval", "unit"]),
            (&["--scrape.interval=0s"], &["--scrape.interval", "at least 1ms"]),
            (&["--scrape.interval=5s", "--scrape.timeout=6s"], &["--scrape.timeout", "at most the interval"]),
            (&["--web.listen-address=:9100"], &["--web.listen-address", "0.0.0.0:9100"]),
            (&["--log.level=loud"], &["--log.level", "debug"]),
            (&["--job="], &["--job", "a name"]),
            (&["--storage.pth=x"], &["--storage.path"]),
            (&["extra"], &["extra"]),
        ] {
            let error = run(args).unwrap_err();
            assert_eq!(error.code, 64, "{args:?}");
            for want in wants {
                assert!(error.to_string().contains(want), "{args:?}: {error}");
            }
        }
    }

    #[test]
    fn a_password_is_not_repeated() {
        for target in ["http://me:secret@db01:9100/metrics", "me:secret@db01:9100"] {
            let error = run(&["--target", target]).unwrap_err().to_string();
            assert!(error.contains("before the @") && error.contains("...@db01:9100"), "{error}");
            assert!(!error.contains("secret"), "{error}");
        }
    }

    #[test]
    fn help_and_version_are_no_mistakes() {
        let help = run(&["--help"]).unwrap_err();
        assert_eq!(help.code, 0);
        assert!(help.to_string().contains("--scrape.interval"));
        let version = run(&["--version"]).unwrap_err();
        assert_eq!(version.code, 0);
        assert_eq!(version.to_string(), concat!("scrape-log ", env!("CARGO_PKG_VERSION"), "\n"));
    }
}

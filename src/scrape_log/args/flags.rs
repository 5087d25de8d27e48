//! The flags and subcommands with their help.

use std::net::{Ipv4Addr, SocketAddr, SocketAddrV4};
use std::path::PathBuf;
use std::time::Duration;

use clap::{Arg, ArgAction, Command, value_parser};

use super::TOOLS;
use crate::base::{duration, log, size};
use crate::scrape_log::config::LONGEST_TIME;
use crate::web::server;

pub(super) const CHECK_CONFIG: &str = "check-config";
/// The default of `--web.listen-address`.
pub(super) const WEB_ADDRESS: SocketAddr = loopback(9980);
/// The default of `--exporter.listen-address`.
pub(super) const EXPORTER_ADDRESS: SocketAddr = loopback(9100);

const fn loopback(port: u16) -> SocketAddr {
    SocketAddr::V4(SocketAddrV4::new(Ipv4Addr::LOCALHOST, port))
}

pub(super) fn command() -> Command {
    let check_config = Command::new(CHECK_CONFIG)
        .about("Says what a configuration has in it, or all that is wrong with it")
        .arg(Arg::new("FILE").help("A prometheus.yml").required(true).value_parser(value_parser!(PathBuf)));
    Command::new("scrape-log")
        .version(env!("CARGO_PKG_VERSION"))
        .about("Scrapes exporters and writes what they say into plain text files")
        .args_conflicts_with_subcommands(true)
        .disable_help_subcommand(true)
        .subcommand(check_config)
        .subcommands(TOOLS.iter().map(|tool| (tool.command)()))
        .args(what_to_scrape())
        .args(storage())
        .args(web())
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

fn what_to_scrape() -> [Arg; 5] {
    [
        flag("config.file", "FILE")
            .help(
                "What to scrape: the sections global and scrape_configs of a prometheus.yml. It is read again at \
                 SIGHUP",
            )
            .value_parser(value_parser!(PathBuf)),
        flag("target", "HOST:PORT|URL")
            .help(
                "An exporter to scrape, any number of times: HOST:PORT for http://HOST:PORT/metrics, or a URL. The \
                 label instance is HOST:PORT, with the path behind it where that is not /metrics. Without a target \
                 and without --config.file this machine is recorded",
            )
            .action(ArgAction::Append),
        flag("job", "NAME")
            .help("Value of the label job of each --target")
            .default_value("node")
            .value_parser(job_name),
        flag("scrape.interval", "DURATION")
            .help("Time between two scrapes of a --target")
            .default_value("15s")
            .value_parser(positive_duration),
        flag("scrape.timeout", "DURATION")
            .help("Time that a scrape of a --target may take, at most the interval [default: 10s or the interval]")
            .value_parser(positive_duration),
    ]
}

fn storage() -> [Arg; 7] {
    [
        flag("storage.path", "DIRECTORY")
            .help("Directory of the files; each target has its own below it")
            .default_value("data")
            .value_parser(value_parser!(PathBuf)),
        flag("storage.max-file-size", "SIZE")
            .help("Size at which a samples file is closed before its two hours are over; 0 is no limit")
            .default_value("512MB")
            .value_parser(size::parse),
        flag("storage.retention.time", "DURATION")
            .help("How long files stay; 0 is for ever")
            .default_value("30d")
            .value_parser(duration::parse),
        flag("storage.retention.size", "SIZE")
            .help("Size of all files together at which the oldest go; 0 is no limit")
            .default_value("0")
            .value_parser(size::parse),
        flag("storage.min-free", "SIZE")
            .help(
                "Free space on the filesystem below which the oldest files go [default: 1GB or a tenth of a smaller \
                 filesystem]",
            )
            .value_parser(size::parse),
        flag("storage.sync-interval", "DURATION")
            .help(
                "Longest time until a scrape that was written is synced to the disk, together with those of other \
                 targets; 0s syncs each by itself before the next is written",
            )
            .default_value("50ms")
            .value_parser(short_duration),
        flag("storage.compression-level", "LEVEL")
            .help("Level of zstd from 1 to 22 for closed files; 0 leaves them plain")
            .default_value("1")
            .value_parser(value_parser!(i32).range(0..=22)),
    ]
}

fn web() -> [Arg; 3] {
    [
        flag("web.listen-address", "ADDRESS")
            .help("Address of the recorder's own pages; :9980 is for all that can reach this machine")
            .default_value("127.0.0.1:9980")
            .value_parser(web_address),
        Arg::new("web.enable-lifecycle")
            .long("web.enable-lifecycle")
            .help("Allow POST /-/reload, which reads --config.file again")
            .action(ArgAction::SetTrue),
        flag("exporter.listen-address", "ADDRESS")
            .help("Address of the exporter that is started when there is nothing else to scrape")
            .default_value("127.0.0.1:9100")
            .value_parser(listen_address),
    ]
}

fn flag(name: &'static str, value_name: &'static str) -> Arg {
    Arg::new(name).long(name).value_name(value_name)
}

/// Timers and timestamps count milliseconds.
fn positive_duration(text: &str) -> Result<Duration, String> {
    let duration = duration::parse(text)?;
    if duration < Duration::from_millis(1) || duration > LONGEST_TIME {
        return Err("expected at least 1ms and at most a year".to_owned());
    }
    Ok(duration)
}

/// A duration that can be added to the present time.
fn short_duration(text: &str) -> Result<Duration, String> {
    let duration = duration::parse(text)?;
    if duration > LONGEST_TIME { Err("expected at most a year".to_owned()) } else { Ok(duration) }
}

fn job_name(text: &str) -> Result<String, String> {
    if text.is_empty() || text.chars().any(char::is_control) {
        return Err("expected a name without control characters".to_owned());
    }
    Ok(text.to_owned())
}

fn web_address(text: &str) -> Result<String, String> {
    server::parse_address(text).map(|_| text.to_owned())
}

fn listen_address(text: &str) -> Result<SocketAddr, String> {
    text.parse().map_err(|_| {
        "expected IP:PORT, for example 127.0.0.1:9100 for this machine alone or 0.0.0.0:9100 for all"
            .to_owned()
    })
}

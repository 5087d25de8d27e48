//! The command line of `scrape-log report`.

use std::io::IsTerminal;
use std::path::PathBuf;

use clap::{Arg, ArgAction, ArgMatches, Command, value_parser};
use jiff::Zoned;

use super::clock::Clock;
use crate::base::usage::Usage;
use crate::scrape_log::tools;
use crate::scrape_log::tools::output::Destination;

/// The file that a page is written to, where there is no other place for it.
const DEFAULT_FILE: &str = "report.html";

/// A checked command line.
#[derive(Debug)]
pub(super) struct Options {
    pub(super) storage: PathBuf,
    pub(super) format: Format,
    pub(super) targets: Vec<String>,
    /// In milliseconds since 1970 UTC.
    pub(super) start: Option<i64>,
    pub(super) end: Option<i64>,
    pub(super) last_reboot: bool,
    /// `None` is standard output.
    pub(super) path: Option<PathBuf>,
    /// Nobody has asked for this file.
    pub(super) is_default_path: bool,
    pub(super) quiet: bool,
    pub(super) clock: Clock,
}

/// What a report is written as.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Format {
    Html,
    Text,
}

impl Format {
    const NAMES: [(&str, Self); 2] = [("html", Self::Html), ("text", Self::Text)];
}

impl Options {
    pub(super) fn read(mut matches: ArgMatches) -> Result<Self, Usage> {
        let now = Zoned::now();
        let (start, end) = tools::start_and_end(&mut matches, &now)?;
        let format: String = matches.remove_one("format").unwrap_or_default();
        let format = Format::NAMES.into_iter().find(|(name, _)| *name == format);
        let format = format.map_or(Format::Html, |(_, format)| format);
        let force = matches.get_flag("force");
        let output: Option<PathBuf> = matches.remove_one("output");
        let is_default_path = output.is_none() && format == Format::Html && std::io::stdout().is_terminal();
        let output = if is_default_path { Some(DEFAULT_FILE.into()) } else { output };
        let path = Destination::new(output).path(match format {
            Format::Html => DEFAULT_FILE,
            Format::Text => "report.txt",
        });
        if let Some(path) = path.as_ref().filter(|path| !force && path.exists()) {
            return Err(Usage::wrong(format!(
                "{} exists: give --force to replace it, or another -o",
                path.display()
            )));
        }
        Ok(Self {
            storage: tools::directory(&mut matches),
            format,
            targets: matches.remove_many("target").into_iter().flatten().collect(),
            start,
            end,
            last_reboot: matches.get_flag("last-reboot"),
            path,
            is_default_path,
            quiet: matches.get_flag("quiet"),
            clock: Clock::new(now.time_zone().clone()),
        })
    }
}

/// The subcommand's flags and help.
pub fn command() -> Command {
    let flag = |name: &'static str, value: &'static str| Arg::new(name).long(name).value_name(value);
    Command::new("report")
        .about("Tells how hosts were: a page with plots to hand on, or a text for a mail")
        .after_help(
            "A time is RFC 3339 (2026-11-21T12:00:00Z), a day (2026-11-21, today, yesterday), now, or a time ago \
             (2h, 1d12h, \"10 min ago\"). Without an offset it is local. Times in the report are of the time zone \
             TZ, or the machine's.\n\n\
             Last week of one host:\n  scrape-log report DIR --target db01:9100 --start 7d -o db01.html\n\n\
             Why a machine went down:\n  scrape-log report DIR --target db01:9100 --last-reboot --format text\n\n\
             The exit code is 0 if all went well, 1 if nothing is recorded or something could not be read or \
             written, 64 for a wrong command line.",
        )
        .arg(tools::directory_argument())
        .arg(
            flag("format", "FORMAT")
                .help("html: one file with plots, which needs nothing else. text: 80 columns, for a mail")
                .value_parser(Format::NAMES.map(|(name, _)| name))
                .default_value("html"),
        )
        .arg(
            flag("target", "NAME")
                .help(
                    "Only this target, any number of times: the name of its directory or its label instance, \
                     where * and ? stand for anything",
                )
                .action(ArgAction::Append),
        )
        .arg(
            flag("start", "TIME")
                .help("From this time on [default: 24 hours before the end]")
                .allow_hyphen_values(true),
        )
        .arg(
            flag("end", "TIME")
                .help("Until this time [default: the last scrape that is recorded]")
                .allow_hyphen_values(true),
        )
        .arg(
            Arg::new("last-reboot")
                .long("last-reboot")
                .help(
                    "Only the last time that each host went down, in all that is recorded or between --start and \
                     --end: when, for how long, whether it was shut down, and what moved before",
                )
                .action(ArgAction::SetTrue),
        )
        .arg(
            flag("output", "FILE")
                .short('o')
                .help(
                    "Write there. Without it a page goes to report.html, or to standard output if that is no \
                     terminal, and a text to standard output",
                )
                .value_parser(value_parser!(PathBuf)),
        )
        .arg(Arg::new("force").long("force").help("Replace a file that exists").action(ArgAction::SetTrue))
        .arg(Arg::new("quiet").long("quiet").help("No progress bar").action(ArgAction::SetTrue))
}

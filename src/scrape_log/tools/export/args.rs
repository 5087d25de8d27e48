//! The command line of `scrape-log export`.

use std::path::PathBuf;
use std::time::Duration;

use clap::{Arg, ArgAction, ArgMatches, Command, value_parser};
use jiff::Zoned;

use super::formats::Format;
use super::selector::Selector;
use crate::base::duration;
use crate::base::usage::Usage;
use crate::scrape_log::files::TimeRange;
use crate::scrape_log::tools;
use crate::scrape_log::tools::output::Destination;

/// A checked command line.
#[derive(Debug)]
pub(super) struct Options {
    pub(super) storage: PathBuf,
    pub(super) format: Format,
    pub(super) targets: Vec<String>,
    pub(super) selectors: Vec<Selector>,
    pub(super) range: TimeRange,
    pub(super) step_milliseconds: Option<i64>,
    pub(super) destination: Destination,
    pub(super) force: bool,
    pub(super) quiet: bool,
}

impl Options {
    pub(super) fn read(mut matches: ArgMatches) -> Result<Self, Usage> {
        let (start, end) = tools::start_and_end(&mut matches, &Zoned::now())?;
        let range = TimeRange {
            start: start.unwrap_or(TimeRange::ALL.start),
            end: end.unwrap_or(TimeRange::ALL.end),
        };
        let selectors = matches.remove_many::<String>("match").into_iter().flatten();
        let selectors = selectors.map(|text| text.parse()).collect::<Result<_, _>>();
        let format: String = matches.remove_one("format").unwrap_or_default();
        let format = Format::NAMES.into_iter().find(|(name, _)| *name == format);
        Ok(Self {
            storage: tools::directory(&mut matches),
            format: format.map_or(Format::OpenMetrics, |(_, format)| format),
            targets: matches.remove_many("target").into_iter().flatten().collect(),
            selectors: selectors.map_err(|problem| Usage::wrong(format!("--match: {problem}")))?,
            range,
            step_milliseconds: matches.remove_one("step"),
            destination: Destination::new(matches.remove_one("output")),
            force: matches.get_flag("force"),
            quiet: matches.get_flag("quiet"),
        })
    }
}

/// The subcommand's flags and help.
pub fn command() -> Command {
    let flag = |name: &'static str, value: &'static str| Arg::new(name).long(name).value_name(value);
    Command::new("export")
        .about("Gives recorded samples to other programs: promtool, VictoriaMetrics, spreadsheets")
        .after_help(
            "A time is RFC 3339 (2026-11-21T12:00:00Z), a day (2026-11-21, today, yesterday), now, or a time ago \
             (2h, 1d12h, \"10 min ago\"). Without an offset it is local.\n\n\
             Into Prometheus:\n  scrape-log export DIR --start yesterday --end yesterday -o blocks.in/\n  \
             for f in blocks.in/*.om; do promtool tsdb create-blocks-from openmetrics $f PROMETHEUS-DATA; done\n\
             promtool reads files, not pipes, and goes over a file once for each two hours in it: give -o a \
             directory, which gets a file for each two hours.\n\n\
             Into VictoriaMetrics:\n  scrape-log export DIR --format jsonl | curl -X POST -T - http://HOST:8428/api/v1/import",
        )
        .arg(tools::directory_argument())
        .arg(
            flag("format", "FORMAT")
                .help(
                    "openmetrics: what promtool imports. csv: a row per sample, with the columns time, job, \
                     instance, name, labels, value. csv-wide: a row per scrape and a column per series; reads \
                     the files twice. jsonl: lines for VictoriaMetrics' /api/v1/import",
                )
                .value_parser(Format::NAMES.map(|(name, _)| name))
                .default_value("openmetrics"),
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
            flag("match", "SELECTOR")
                .help(
                    "Only series that match, any number of times: as in PromQL, for example \
                     node_cpu_seconds_total{mode!=\"idle\",cpu=~\"0|1\"}",
                )
                .action(ArgAction::Append),
        )
        .arg(flag("start", "TIME").help("Only samples of this time or later").allow_hyphen_values(true))
        .arg(flag("end", "TIME").help("Only samples before this time").allow_hyphen_values(true))
        .arg(
            flag("step", "DURATION")
                .help(
                    "At most one sample of a series in each step, such as 1m: the last one, with its own time. \
                     Steps count from 1970 UTC",
                )
                .value_parser(step),
        )
        .arg(
            flag("output", "FILE|DIR")
                .short('o')
                .help(
                    "Write there instead of to standard output. A directory (with a / at its end if it does not \
                     exist) gets several files: for each two hours in the format openmetrics, for each target in \
                     the others. A file has a temporary name until it is whole",
                )
                .value_parser(value_parser!(PathBuf)),
        )
        .arg(Arg::new("force").long("force").help("Replace files that exist").action(ArgAction::SetTrue))
        .arg(Arg::new("quiet").long("quiet").help("No progress bar").action(ArgAction::SetTrue))
}

/// A step in milliseconds.
fn step(text: &str) -> Result<i64, String> {
    let step: Duration = duration::parse(text)?;
    let milliseconds = i64::try_from(step.as_millis()).ok().filter(|&milliseconds| milliseconds > 0);
    milliseconds.ok_or_else(|| format!("{text:?} is not a step, expected at least 1ms"))
}

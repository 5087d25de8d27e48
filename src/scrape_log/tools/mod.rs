//! The subcommands that read the recorded files. None of them writes into the storage path, and all of them may run
//! beside the recorder.

pub mod check;
pub mod export;
mod output;
mod progress;
pub mod report;
mod targets;
pub mod top;

use std::path::PathBuf;

use clap::{Arg, ArgMatches, value_parser};
use jiff::Zoned;

use crate::base::usage::Usage;
use crate::base::when::{self, Edge};

/// The argument that says which files are meant.
fn directory_argument() -> Arg {
    Arg::new("directory")
        .value_name("DIR")
        .help("The storage path of the recorder, or the directory of one target in it")
        .required(true)
        .value_parser(value_parser!(PathBuf))
}

/// What was given for [`directory_argument`].
fn directory(matches: &mut ArgMatches) -> PathBuf {
    matches.remove_one("directory").unwrap_or_default()
}

/// What was given for `--start` and `--end`, in milliseconds since 1970 UTC.
///
/// # Errors
/// What is no time, or that there is nothing between the two.
fn start_and_end(matches: &mut ArgMatches, now: &Zoned) -> Result<(Option<i64>, Option<i64>), Usage> {
    let mut time = |flag: &str, edge| {
        let text: Option<String> = matches.remove_one(flag);
        let read = text.map(|text| when::parse(&text, edge, now).map(|time| time.as_millisecond()));
        read.transpose().map_err(|problem| Usage::wrong(format!("--{flag}: {problem}")))
    };
    let (start, end) = (time("start", Edge::Start)?, time("end", Edge::End)?);
    if start.zip(end).is_some_and(|(start, end)| start >= end) {
        return Err(Usage::wrong("--start is not before --end"));
    }
    Ok((start, end))
}

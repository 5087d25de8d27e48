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

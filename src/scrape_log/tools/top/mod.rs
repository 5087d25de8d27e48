//! `scrape-log top DIR`: all hosts in the terminal, as they are now and as they were.
//!
//! ```text
//!  DIR ───► recorded: follows the files, plays back what was ─┐
//!                                                             ├─► Source ─► Picture ─┬─► view: the terminal
//!  --url ─► server: asks /api/v1/vitals                      ─┘                      └─► once: plain text
//!                                            columns, text: what both say of a host
//! ```
//!
//! The view needs the cargo feature `top`; plain text does not.
#![cfg_attr(not(feature = "top"), allow(dead_code, reason = "plain text needs less than the view"))]

mod args;
mod columns;
mod once;
mod picture;
mod recorded;
mod server;
mod text;
#[cfg(feature = "top")]
mod view;

pub use args::command;

use std::io::{self, IsTerminal, Write};
use std::process::ExitCode;

use clap::ArgMatches;

use args::{Options, Place};
use picture::{Source, When};
use recorded::Recorded;
use server::Server;

/// Runs the subcommand: the view, or the table to standard output once; errors to standard error.
///
/// The exit code is 0 if all went well, 1 if there is nothing to show or to show it on, 64 for a wrong command line.
pub fn run(matches: ArgMatches) -> ExitCode {
    let options = match Options::read(matches) {
        Ok(options) => options,
        Err(usage) => return usage.print(),
    };
    match top(options) {
        Ok(()) => ExitCode::SUCCESS,
        // Whoever reads from the pipe has enough.
        Err(Failure::Output(error)) if error.kind() == io::ErrorKind::BrokenPipe => ExitCode::SUCCESS,
        Err(failure) => {
            eprintln!("error: {failure}");
            ExitCode::FAILURE
        }
    }
}

#[derive(Debug, thiserror::Error)]
enum Failure {
    #[error(transparent)]
    Recorded(#[from] recorded::Failure),
    #[error("{0}")]
    Server(String),
    #[error("can't write to standard output: {0}")]
    Output(io::Error),
    #[cfg(feature = "top")]
    #[error("can't use the terminal: {0}: give --once for plain text")]
    Terminal(io::Error),
    #[cfg(not(feature = "top"))]
    #[error(
        "this scrape-log was built without the view in the terminal: give --once for plain text, or build it with \
         the feature top, which is on by default"
    )]
    NoView,
}

fn top(options: Options) -> Result<(), Failure> {
    let mut source: Box<dyn Source> = match options.place {
        Place::Directory(path) => Box::new(Recorded::open(&path, options.interval)?),
        Place::Server(endpoint) => {
            Box::new(Server::start(endpoint, options.interval).map_err(Failure::Server)?)
        }
    };
    let when = options.at.map_or(When::Live, When::At);
    if options.once || !io::stdout().is_terminal() {
        let picture = once::settle(source.as_mut(), when).map_err(Failure::Server)?;
        let table = once::table(source.name(), &picture);
        return io::stdout().lock().write_all(table.as_bytes()).map_err(Failure::Output);
    }
    #[cfg(feature = "top")]
    return view::run(source, when).map_err(Failure::Terminal);
    #[cfg(not(feature = "top"))]
    Err(Failure::NoView)
}

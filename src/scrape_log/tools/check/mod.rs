//! `scrape-log check DIR`: whether the recorded files are whole, and whether importers will take them.
//!
//! Only reads, and may run beside the recorder: the file that it writes to is looked at as far as its last whole
//! scrape.

mod file;
mod report;

use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::Duration;

use clap::{Arg, ArgAction, ArgMatches, Command};

use super::progress::Progress;
use crate::scrape_log::files::{Entry, SamplesFile, Storage, Target};
use file::{FileCheck, Place};
use report::Report;

/// Compression of a file takes seconds: what is older was left behind.
const LEFTOVER_AGE: Duration = Duration::from_secs(600);

/// The subcommand's flags and help.
pub fn command() -> Command {
    Command::new("check")
        .about("Tells whether recorded files are whole and whether importers will take them")
        .after_help(
            "Prints a line for each problem: the file, the line, what it means and what to do. Changes nothing and \
             may run beside the recorder. The exit code is 0 if there is no problem, 1 if there is one, 64 for a \
             wrong command line.",
        )
        .arg(super::directory_argument())
        .arg(
            Arg::new("quiet")
                .long("quiet")
                .help("Print problems only: no summary, no notes, no progress bar")
                .action(ArgAction::SetTrue),
        )
}

/// Runs the subcommand: what it finds goes to standard output, errors to standard error.
///
/// The exit code is 0 if there is no problem, 1 if there is one or the directory can't be read.
pub fn run(mut matches: ArgMatches) -> ExitCode {
    let directory = super::directory(&mut matches);
    let quiet = matches.get_flag("quiet");
    let progress = Progress::new(quiet);
    let checked = check(&directory, quiet, &progress, &mut io::stdout().lock());
    progress.finish();
    match checked {
        Ok(0) => ExitCode::SUCCESS,
        Ok(_) => ExitCode::FAILURE,
        // Whoever reads from the pipe has enough.
        Err(Failure::Output(error)) if error.kind() == io::ErrorKind::BrokenPipe => ExitCode::FAILURE,
        Err(failure) => {
            eprintln!("error: {failure}");
            ExitCode::FAILURE
        }
    }
}

#[derive(Debug, thiserror::Error)]
enum Failure {
    #[error("can't list {}: {error}: give the --storage.path of a recorder", path.display())]
    List { path: PathBuf, error: io::Error },
    #[error("can't write to standard output: {0}")]
    Output(#[from] io::Error),
}

/// Checks all that is below `directory`, prints what it finds and gives the number of problems.
fn check(directory: &Path, quiet: bool, progress: &Progress, out: &mut dyn Write) -> Result<u64, Failure> {
    let storage =
        Storage::open(directory).map_err(|error| Failure::List { path: directory.to_owned(), error })?;
    let mut report = Report::new(out, progress, quiet);
    for other in &storage.others {
        report.note(other, "not a file of this program")?;
    }
    if progress.is_shown() {
        let entries = storage.targets.iter().filter_map(|target| target.entries().ok());
        progress.set_total(
            entries.map(|entries| files(&entries).map(SamplesFile::disk_bytes).sum::<u64>()).sum(),
        );
    }
    for target in &storage.targets {
        progress.set_subject(&target.name);
        match target.entries() {
            Ok(entries) => check_target(target, &entries, &mut report)?,
            Err(error) => {
                let problem = format!("can't be listed: {error}: run this as a user that may read it");
                report.problem(&target.path, None, &problem)?;
            }
        }
    }
    Ok(report.conclude()?)
}

fn files(entries: &[Entry]) -> impl Iterator<Item = &SamplesFile> {
    entries.iter().filter_map(|entry| if let Entry::Samples(file) = entry { Some(file) } else { None })
}

fn check_target(target: &Target, entries: &[Entry], report: &mut Report<'_>) -> io::Result<()> {
    report.summary.targets += u64::from(files(entries).next().is_some());
    let newest = files(entries).last();
    let mut last = None;
    for entry in entries {
        match entry {
            Entry::Samples(file) => {
                let place = Place { target: &target.name, is_newest: Some(file) == newest, before: last };
                last = FileCheck::run(file, place, report)?.or(last);
            }
            Entry::Unfinished(path) if is_leftover(path) => report.problem(
                path,
                None,
                "compression was interrupted, the file itself is still there without .zst.tmp: remove this one, or \
                 start scrape-log, which does",
            )?,
            Entry::Unfinished(path) => report.note(path, "being compressed")?,
            Entry::People => {}
            Entry::Other(path) => report.note(path, "not a file of this program")?,
        }
    }
    Ok(())
}

fn is_leftover(path: &Path) -> bool {
    let age =
        path.metadata().and_then(|metadata| metadata.modified()).ok().and_then(|time| time.elapsed().ok());
    age.is_some_and(|age| age > LEFTOVER_AGE)
}

#[cfg(test)]
mod tests;

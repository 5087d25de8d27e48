//! `scrape-log export DIR`: recorded samples in the forms that other programs take.
//!
//! ```text
//!  plan ─► pieces of targets' time ─► TargetScrapes ─► filter ─► step ─► formats ─► output
//! ```
//!
//! Memory holds one scrape at a time, what is known about the series of one target, and for `csv-wide` the names of
//! the columns and one row.

mod args;
mod filter;
mod formats;
mod plan;
mod selector;
mod step;
mod table;

pub use args::command;

use std::collections::BTreeMap;
use std::io;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use clap::ArgMatches;

use super::output::{Destination, Output};
use super::progress::Progress;
use super::targets;
use crate::base::usage::Usage;
use crate::scrape_log::files::{
    Sample, SamplesFile, Storage, Target, TargetScrapes, TimeRange, files_within, samples,
};
use args::Options;
use filter::Filter;
use formats::{Columns, Csv, Format, Jsonl, OpenMetrics, Sink, Wide, rfc3339};
use plan::{Piece, Source, Unit};
use step::Stepper;

/// How many damaged files are named one by one.
const MAX_SAID: usize = 20;

/// Runs the subcommand: samples to standard output or into files, anything else to standard error.
///
/// The exit code is 0 if all went well, 1 if something could not be read or written, 64 for a wrong command line.
pub fn run(matches: ArgMatches) -> ExitCode {
    let options = match Options::read(matches) {
        Ok(options) => options,
        Err(usage) => return usage.print(),
    };
    match export(&options) {
        Ok(code) => code,
        Err(Failure::Usage(usage)) => usage.print(),
        // Whoever reads from the pipe has enough.
        Err(Failure::Output(path, error)) if path.is_none() && error.kind() == io::ErrorKind::BrokenPipe => {
            ExitCode::SUCCESS
        }
        Err(failure) => {
            eprintln!("error: {failure}");
            ExitCode::FAILURE
        }
    }
}

#[derive(Debug, thiserror::Error)]
enum Failure {
    #[error("{0}")]
    Usage(Usage),
    #[error("can't list {}: {error}", path.display())]
    List { path: PathBuf, error: io::Error },
    #[error("can't write to {}: {}", .0.as_deref().unwrap_or(Path::new("standard output")).display(), .1)]
    Output(Option<PathBuf>, io::Error),
}

fn export(options: &Options) -> Result<ExitCode, Failure> {
    let sources = sources(options)?;
    let units = plan::units(&sources, options.range, options.format, options.step_milliseconds);
    let units = match options.destination {
        Destination::Directory(_) => units,
        _ => vec![plan::joined(units)],
    };
    refuse_existing(options, &units)?;
    let mut export = Export {
        options,
        filter: Filter::new(options.selectors.clone()),
        progress: Progress::new(options.quiet),
        sources,
        samples: 0,
        disk_bytes: 0,
        damage: BTreeMap::new(),
    };
    export.announce(&units);
    for unit in units {
        export.unit(unit)?;
    }
    Ok(export.conclude())
}

/// The wanted targets with the files of theirs that may hold what is wanted.
fn sources(options: &Options) -> Result<Vec<Source>, Failure> {
    let list = |path: &Path, error| Failure::List { path: path.to_owned(), error };
    let storage = Storage::open(&options.storage).map_err(|error| list(&options.storage, error))?;
    let wanted = targets::choose(storage.targets, &options.targets);
    let wanted = wanted.map_err(|problem| Failure::Usage(Usage::wrong(problem)))?;
    let source = |target: Target| {
        let files = target.files().map_err(|error| list(&target.path, error))?;
        Ok(Source { name: target.name, files: files_within(&files, options.range).to_vec() })
    };
    wanted.into_iter().map(source).collect()
}

fn refuse_existing(options: &Options, units: &[Unit]) -> Result<(), Failure> {
    let mut paths = units.iter().filter_map(|unit| options.destination.path(&unit.name));
    match paths.find(|path| !options.force && path.exists()) {
        None => Ok(()),
        Some(path) => Err(Failure::Usage(Usage::wrong(format!(
            "{} exists: give --force to replace it, or another -o",
            path.display()
        )))),
    }
}

/// An export that is under way.
struct Export<'a> {
    options: &'a Options,
    sources: Vec<Source>,
    filter: Filter,
    progress: Progress,
    samples: u64,
    disk_bytes: u64,
    /// What was wrong with files, each once: some are read more often.
    damage: BTreeMap<String, ()>,
}

impl Export<'_> {
    /// Tells the bar how much there is to read.
    fn announce(&self, units: &[Unit]) {
        if !self.progress.is_shown() {
            return;
        }
        let mut bytes = 0;
        for piece in units.iter().flat_map(|unit| &unit.pieces) {
            let files = self.sources.get(piece.source).map(|source| source.files.as_slice());
            let files = files_within(files.unwrap_or_default(), piece.range);
            bytes += files.iter().map(SamplesFile::disk_bytes).sum::<u64>();
        }
        let passes = if self.options.format == Format::CsvWide { 2 } else { 1 };
        self.progress.set_total(bytes * passes);
    }

    /// Writes one output. A file without any sample is not made, unless it was asked for by its name.
    fn unit(&mut self, mut unit: Unit) -> Result<(), Failure> {
        let path = self.options.destination.path(&unit.name);
        let failed = |error| Failure::Output(path.clone(), error);
        let before = self.samples;
        let mut columns = Columns::default();
        if self.options.format == Format::CsvWide {
            self.pieces(&mut unit.pieces, &mut columns).map_err(failed)?;
            self.samples = before;
        }
        let mut output = Output::create(path.clone()).map_err(failed)?;
        let out = output.writer();
        let mut sink: Box<dyn Sink + '_> = match self.options.format {
            Format::OpenMetrics => Box::new(OpenMetrics::new(out)),
            Format::Csv => Box::new(Csv::new(out)),
            Format::CsvWide => Box::new(Wide::new(out, &columns)),
            Format::Jsonl => Box::new(Jsonl::new(out)),
        };
        self.pieces(&mut unit.pieces, sink.as_mut()).map_err(failed)?;
        drop(sink);
        if self.samples == before && matches!(self.options.destination, Destination::Directory(_)) {
            return Ok(());
        }
        output.finish().map_err(failed)
    }

    /// Reads all pieces into the sink. Afterwards each piece ends with the last scrape that was there, so that a file
    /// that grows has nothing new the second time.
    fn pieces(&mut self, pieces: &mut [Piece], sink: &mut dyn Sink) -> io::Result<()> {
        for piece in pieces {
            let last = self.piece(*piece, sink)?;
            piece.range.end = last.map_or(piece.range.start, |last| last + 1);
        }
        sink.finish()
    }

    /// Reads one piece and gives the time of its last scrape.
    fn piece(&mut self, piece: Piece, sink: &mut dyn Sink) -> io::Result<Option<i64>> {
        let Some(source) = self.sources.get(piece.source) else { return Ok(None) };
        self.progress.set_subject(&source.name);
        let mut scrapes = TargetScrapes::new(&source.files, piece.range);
        let mut stepper = self.options.step_milliseconds.map(Stepper::new);
        let mut last = None;
        while let Some(time) = scrapes.advance() {
            last = Some(time);
            let Some(scrape) = scrapes.scrape() else { break };
            let metadata = scrapes.metadata();
            let timestamp = scrape.sample().map_or(&b""[..], |mark| mark.timestamp);
            let mut give = |time, sample: Sample<'_>| {
                self.samples += 1;
                sink.sample(time, &sample, metadata)
            };
            if let Some(stepper) = stepper.as_mut().filter(|stepper| stepper.is_over(time)) {
                stepper.flush(&mut give)?;
            }
            for sample in samples(scrape.text) {
                match sample {
                    Some(sample) if self.filter.wants(&sample, timestamp) => match &mut stepper {
                        Some(stepper) => stepper.take(time, &sample),
                        None => give(time, sample)?,
                    },
                    Some(_) => {}
                    None => self.filter.bad_lines += 1,
                }
            }
            self.progress.set_read(self.disk_bytes + scrapes.disk_bytes());
        }
        if let Some(mut stepper) = stepper {
            let metadata = scrapes.metadata();
            stepper.flush(|time, sample| {
                self.samples += 1;
                sink.sample(time, &sample, metadata)
            })?;
        }
        self.disk_bytes += scrapes.disk_bytes();
        self.damage.extend(scrapes.take_problems().iter().map(|problem| (problem.to_string(), ())));
        sink.end_of_target()?;
        Ok(last)
    }

    /// Says what was left out.
    fn conclude(self) -> ExitCode {
        self.progress.finish();
        for problem in self.damage.keys().take(MAX_SAID) {
            self.progress.say(&format!("warning: {problem}"));
        }
        if self.damage.len() > MAX_SAID {
            self.progress.say(&format!("warning: and {} more of the kind", self.damage.len() - MAX_SAID));
        }
        if self.filter.bad_lines > 0 {
            let lines = self.filter.bad_lines;
            self.progress.say(&format!("warning: {lines} lines are left out that importers would refuse"));
        }
        if self.samples == 0 {
            let range = self.options.range;
            let time = |time: i64, endless| if time == endless { "…".to_owned() } else { rfc3339(time) };
            self.progress.say(&format!(
                "warning: there is no such sample between {} and {}",
                time(range.start, TimeRange::ALL.start),
                time(range.end, TimeRange::ALL.end)
            ));
        }
        let whole = self.damage.is_empty() && self.filter.bad_lines == 0;
        if whole {
            return ExitCode::SUCCESS;
        }
        self.progress.say("error: a part could not be exported: scrape-log check tells more");
        ExitCode::FAILURE
    }
}

#[cfg(test)]
mod tests;

//! `scrape-log report DIR`: how hosts were over a time, and why one went down.
//!
//! ```text
//!  Replay ─► gather ─► columns of buckets, problems, outages, incidents ─► Host ─► html (plot), text
//!  (scrapes)  (one target at a time)                                               (words)
//! ```
//!
//! Memory holds one scrape, what is known of one host, and the part of the report that is written about each.

mod args;
mod buckets;
mod clock;
mod columns;
mod forecast;
mod gather;
mod history;
mod html;
mod incident;
mod last_reboot;
mod movers;
mod plain;
mod plot;
mod sentences;
mod text;

pub use args::command;

use std::collections::BTreeSet;
use std::io;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use clap::ArgMatches;

use super::output::Output;
use super::progress::Progress;
use super::targets;
use crate::base::usage::Usage;
use crate::scrape_log::files::{SamplesFile, ScrapeReader, Storage, Target, TimeRange, files_within};
use crate::scrape_log::replay::Replay;
use args::{Format, Options};
use gather::{Gather, Host};
use sentences::Trouble;

/// What is told about without --start, in milliseconds.
const DAY: i64 = 24 * 60 * 60_000;
/// How many damaged files are named one by one.
const MAX_SAID: usize = 20;

/// Runs the subcommand: the report goes to standard output or a file, anything else to standard error.
///
/// The exit code is 0 if all went well, 1 if nothing is recorded or something could not be read or written, 64 for a
/// wrong command line.
pub fn run(matches: ArgMatches) -> ExitCode {
    let options = match Options::read(matches) {
        Ok(options) => options,
        Err(usage) => return usage.print(),
    };
    match Work::new(&options).and_then(|work| work.run()) {
        Ok(code) => code,
        Err(Failure::Usage(usage)) => usage.print(),
        // Whoever reads from the pipe has enough.
        Err(Failure::Output(None, error)) if error.kind() == io::ErrorKind::BrokenPipe => ExitCode::SUCCESS,
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
    #[error("can't list {}: {error}: give the --storage.path of a recorder", path.display())]
    List { path: PathBuf, error: io::Error },
    #[error("nothing is recorded in {}", .0.display())]
    Empty(PathBuf),
    #[error("nothing is recorded between {start} and {end} ({zone}): the record ends at {last}")]
    NothingThen { start: String, end: String, zone: String, last: String },
    #[error("can't draw: {0}")]
    Plot(Box<dyn std::error::Error>),
    #[error("can't write to {}: {}", .0.as_deref().unwrap_or(Path::new("standard output")).display(), .1)]
    Output(Option<PathBuf>, io::Error),
}

/// A target and its files.
struct Source {
    target: Target,
    files: Vec<SamplesFile>,
}

/// What is written about one host.
struct Section {
    trouble: Trouble,
    name: String,
    /// Its line in the table.
    row: String,
    body: String,
}

/// What a report is about as a whole.
struct Cover<'a> {
    options: &'a Options,
    range: TimeRange,
    /// Directories of targets of which nothing is recorded in this time.
    silent: Vec<String>,
    /// How many files could not be read as a whole.
    damaged: usize,
}

/// A report that is under way.
struct Work<'a> {
    options: &'a Options,
    progress: Progress,
    sources: Vec<Source>,
    damage: BTreeSet<String>,
    disk_bytes: u64,
}

impl<'a> Work<'a> {
    fn new(options: &'a Options) -> Result<Self, Failure> {
        let storage = Storage::open(&options.storage)
            .map_err(|error| Failure::List { path: options.storage.clone(), error })?;
        let wanted = targets::choose(storage.targets, &options.targets);
        let wanted = wanted.map_err(|problem| Failure::Usage(Usage::wrong(problem)))?;
        let (mut sources, mut damage) = (Vec::new(), BTreeSet::new());
        for target in wanted {
            match target.files() {
                Ok(files) => sources.push(Source { target, files }),
                Err(error) => {
                    damage.insert(format!("{}: can't be listed: {error}", target.path.display()));
                }
            }
        }
        Ok(Self { options, progress: Progress::new(options.quiet), sources, damage, disk_bytes: 0 })
    }

    fn run(mut self) -> Result<ExitCode, Failure> {
        let sources = std::mem::take(&mut self.sources);
        let Some(newest) = self.newest(&sources) else {
            self.conclude();
            return Err(Failure::Empty(self.options.storage.clone()));
        };
        let end = self.options.end.unwrap_or(newest + 1);
        let start = match self.options.start {
            None if self.options.last_reboot => i64::MIN,
            None => self.first_after(&sources, end.saturating_sub(DAY)),
            Some(start) => start,
        };
        let range = TimeRange { start, end };
        if range.is_empty() {
            self.conclude();
            return Err(self.nothing(range, newest));
        }
        self.announce(&sources, range);
        let (mut sections, mut silent) = (Vec::new(), Vec::new());
        for source in &sources {
            self.progress.set_subject(&source.target.name);
            let section = match self.options.last_reboot {
                true => self.last_reboot(source, range)?,
                false => self.host(source, range)?,
            };
            match section {
                Some(section) => sections.push(section),
                None => silent.push(source.target.name.clone()),
            }
        }
        if sections.is_empty() {
            self.conclude();
            return Err(self.nothing(range, newest));
        }
        sections
            .sort_by(|one, other| other.trouble.cmp(&one.trouble).then_with(|| one.name.cmp(&other.name)));
        let cover = Cover { options: self.options, range, silent, damaged: self.damage.len() };
        self.write(&cover, &sections)?;
        if let Some(path) = self.options.path.as_ref().filter(|_| self.options.is_default_path) {
            self.progress.say(&format!("The report is in {}", path.display()));
        }
        Ok(self.conclude())
    }

    fn nothing(&self, range: TimeRange, newest: i64) -> Failure {
        let clock = &self.options.clock;
        Failure::NothingThen {
            start: clock.full(range.start),
            end: clock.full(range.end),
            zone: clock.zone(newest),
            last: clock.full(newest),
        }
    }

    /// The time of the last scrape of all.
    fn newest(&mut self, sources: &[Source]) -> Option<i64> {
        let mut newest = None;
        for source in sources {
            for file in source.files.iter().rev() {
                if newest.is_some_and(|newest| file.times().end <= newest) {
                    break;
                }
                match last_scrape(file) {
                    Ok(Some(last)) => {
                        newest = newest.max(Some(last));
                        break;
                    }
                    Ok(None) => {}
                    Err(error) => {
                        self.damage
                            .insert(format!("{}: can't be read any further: {error}", file.path().display()));
                    }
                }
            }
        }
        newest
    }

    /// That time, or that of the first scrape of all if that is later.
    fn first_after(&self, sources: &[Source], time: i64) -> i64 {
        let begins = sources.iter().filter_map(|source| match source.files.first() {
            Some(file) if file.times().start >= time => first_scrape(file).ok().flatten(),
            file => file.map(|file| file.times().start),
        });
        begins.min().map_or(time, |first| first.max(time))
    }

    /// Tells the bar how much there is to read.
    fn announce(&self, sources: &[Source], range: TimeRange) {
        if self.progress.is_shown() && !self.options.last_reboot {
            let files = sources.iter().flat_map(|source| files_within(&source.files, range));
            self.progress.set_total(files.map(SamplesFile::disk_bytes).sum());
        }
    }

    /// What is written about a host; `None` if nothing is recorded of it.
    fn host(&mut self, source: &Source, range: TimeRange) -> Result<Option<Section>, Failure> {
        let host = self.play(&source.files, range, range);
        if host.record.is_none() {
            return Ok(None);
        }
        let options = self.options;
        let name = sentences::title(&host);
        let (row, body) = match options.format {
            Format::Html => {
                let id = &source.target.name;
                let body = html::section(&host, range, &options.clock, id).map_err(Failure::Plot)?;
                (html::row(&host, id), body)
            }
            Format::Text => (text::row(&host), text::section(&host, range, &options.clock)),
        };
        Ok(Some(Section { trouble: Trouble::of(&host), name, row, body }))
    }

    /// What is written about the last time that a host went.
    fn last_reboot(&mut self, source: &Source, range: TimeRange) -> Result<Option<Section>, Failure> {
        let Some(found) = last_reboot::find(self, &source.files, range) else { return Ok(None) };
        let options = self.options;
        let (host, shown) = match found.windows {
            Some((played, shown)) => (self.play(&source.files, played, shown), shown),
            None => (found.host(), range),
        };
        let name = sentences::title(&host);
        let incident = host.incidents().next_back();
        let trouble = Trouble::latest(incident.and_then(|incident| incident.went.or(incident.booted)));
        let why = found.why_none(&options.clock);
        let body = match options.format {
            Format::Html => html::incident(&host, shown, &options.clock, &why).map_err(Failure::Plot)?,
            Format::Text => text::incident(&host, &options.clock, &why),
        };
        Ok(Some(Section { trouble, name, row: String::new(), body }))
    }

    /// Plays `played` of the files and gathers what happened in `shown`.
    fn play(&mut self, files: &[SamplesFile], played: TimeRange, shown: TimeRange) -> Host {
        let mut replay = Replay::new(files, played);
        let mut gather = Gather::new(shown);
        while let Some(at) = replay.advance() {
            gather.take(at, &replay);
            self.progress.set_read(self.disk_bytes + replay.disk_bytes());
        }
        self.done(&mut replay);
        gather.finish(replay.target())
    }

    /// Keeps what a replay that is over has to say about files.
    fn done(&mut self, replay: &mut Replay) {
        self.disk_bytes += replay.disk_bytes();
        self.damage.extend(replay.take_problems().iter().map(ToString::to_string));
    }

    fn write(&self, cover: &Cover<'_>, sections: &[Section]) -> Result<(), Failure> {
        let path = &self.options.path;
        let failed = |error| Failure::Output(path.clone(), error);
        let mut output = Output::create(path.clone()).map_err(failed)?;
        let out = output.writer();
        let written = match self.options.format {
            Format::Html => html::write(out, cover, sections),
            Format::Text => text::write(out, cover, sections),
        };
        written.map_err(failed)?;
        output.finish().map_err(failed)
    }

    /// Says what is missing.
    fn conclude(&self) -> ExitCode {
        self.progress.finish();
        for problem in self.damage.iter().take(MAX_SAID) {
            self.progress.say(&format!("warning: {}", plain::plain(problem)));
        }
        if self.damage.len() > MAX_SAID {
            self.progress.say(&format!("warning: and {} more of the kind", self.damage.len() - MAX_SAID));
        }
        if self.damage.is_empty() {
            return ExitCode::SUCCESS;
        }
        self.progress.say("error: a part could not be read: scrape-log check tells more");
        ExitCode::FAILURE
    }
}

/// The time of the first scrape of a file.
fn first_scrape(file: &SamplesFile) -> io::Result<Option<i64>> {
    let Some(mut reader) = ScrapeReader::open(file)? else { return Ok(None) };
    Ok(if reader.advance()? { reader.scrape().timestamp() } else { None })
}

/// The time of the last scrape of a file.
fn last_scrape(file: &SamplesFile) -> io::Result<Option<i64>> {
    let Some(mut reader) = ScrapeReader::open(file)? else { return Ok(None) };
    let mut last = None;
    while reader.advance()? {
        last = reader.scrape().timestamp().max(last);
    }
    Ok(last)
}

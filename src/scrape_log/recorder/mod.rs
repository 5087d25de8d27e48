//! What happens to a scrape once it is fetched. Everything here blocks.

use std::io;
use std::path::Path;
use std::sync::Arc;
use std::time::Instant;

use super::lines::{Lines, Scrape, Summary};
use super::store::{Disk, Entry, PeopleLog, Ready, Samples};
use super::{Config, Target};
use crate::vitals::{Observation, Vitals};

/// How often a scrape is tried to be written. A failed fsync asks for a new file, whose making needs an fsync too.
const TRIES: usize = 3;

/// Writes the scrapes of one target into its files.
pub(super) struct Recorder {
    lines: Lines,
    samples: Samples,
    samples_trouble: Trouble,
    people: PeopleLog,
    people_trouble: Trouble,
    now: Observation,
    /// The last page that was read, and when.
    before: Option<(Observation, Instant)>,
}

/// When a scrape happened, besides its timestamp.
#[derive(Clone, Copy, Debug)]
pub(super) struct Moment {
    /// Its start by the monotonic clock.
    pub(super) started: Instant,
    /// Its timestamp is so far before the last one that it has to go into a file of its own.
    pub(super) clock_went_back: bool,
    /// The planned scrapes before it that did not happen.
    pub(super) missed: u64,
}

impl Recorder {
    pub(super) fn new(target: &Target, config: &Config, disk: &Arc<dyn Disk>) -> Self {
        let directory = config.storage_path.join(target.directory());
        let (samples, people) = Arc::clone(disk).writers(target.directory());
        Self {
            lines: Lines::new(target, &config.job, config.interval),
            samples_trouble: Trouble::new("samples", &directory),
            people_trouble: Trouble::new("the log for people", &directory),
            samples,
            people,
            now: Observation::default(),
            before: None,
        }
    }

    /// Writes one scrape. Trouble with the files is logged when it begins and ends, and never ends the recording.
    pub(super) fn record(&mut self, scrape: &Scrape<'_>, moment: Moment) -> Summary {
        let (summary, written) = self.write_samples(scrape, moment.clock_went_back);
        if written.is_err() {
            self.lines.forget_metadata();
            self.samples.not_stored();
        }
        self.lines.give_memory_back();
        self.samples_trouble.note(written);
        let elapsed = self.before.as_ref().map_or_else(Default::default, |(_, at)| moment.started - *at);
        let before = self.before.as_ref().map(|(observation, _)| observation);
        let vitals = Vitals::between(before, &self.now, elapsed);
        let entry = Entry {
            timestamp_milliseconds: scrape.timestamp_milliseconds,
            vitals: &vitals,
            duration: scrape.duration,
            samples: summary.written,
            missed: moment.missed,
            error: summary.error.as_deref(),
        };
        self.people_trouble.note(self.people.append(&entry));
        if summary.error.is_none() {
            let seen = std::mem::take(&mut self.now);
            self.now =
                self.before.replace((seen, moment.started)).map_or_else(Default::default, |(old, _)| old);
        }
        summary
    }

    /// Writes the samples, trying again where need be: a call that failed, or a file that can't be trusted any more,
    /// is no reason to lose a scrape.
    fn write_samples(&mut self, scrape: &Scrape<'_>, fresh_file: bool) -> (Summary, io::Result<()>) {
        let note = self.samples_trouble.loss();
        let mut outcome = self.try_samples(scrape, fresh_file, note.as_deref());
        for _ in 1..TRIES {
            if outcome.1.is_ok() {
                break;
            }
            self.lines.forget_metadata();
            outcome = self.try_samples(scrape, false, note.as_deref());
        }
        outcome
    }

    fn try_samples(
        &mut self,
        scrape: &Scrape<'_>,
        fresh_file: bool,
        note: Option<&str>,
    ) -> (Summary, io::Result<()>) {
        let ready = self.samples.ready(scrape.timestamp_milliseconds, fresh_file);
        let first_in_file = ready.as_ref().is_ok_and(|ready| *ready == Ready::Empty);
        if matches!(ready, Ok(Ready::WithoutMetadata)) {
            self.lines.forget_metadata();
        }
        let summary = self.lines.write(scrape, first_in_file, note, &mut self.now);
        let written = ready.and_then(|_| self.samples.append(self.lines.record()));
        (summary, written)
    }

    /// Closes the files.
    pub(super) fn close(&mut self) {
        self.samples.close();
    }
}

/// Trouble with writing, which is logged when it begins, when its kind changes and when it is over.
#[derive(Debug)]
struct Trouble {
    what: &'static str,
    directory: String,
    present: Option<(io::ErrorKind, String)>,
    lost: u64,
}

impl Trouble {
    fn new(what: &'static str, directory: &Path) -> Self {
        Self { what, directory: directory.display().to_string(), present: None, lost: 0 }
    }

    /// What the file's reader should know about scrapes that are missing.
    fn loss(&self) -> Option<String> {
        let (_, error) = self.present.as_ref()?;
        Some(format!("{} scrapes before this one could not be written: {error}", self.lost))
    }

    fn note(&mut self, written: io::Result<()>) {
        let (what, path) = (self.what, self.directory.as_str());
        match written {
            Ok(()) => {
                match self.present.take() {
                    Some((kind, _)) if concerns_all(kind) => {
                        tracing::debug!(path, lost_scrapes = self.lost, "writing {what} again");
                    }
                    Some(_) => tracing::info!(path, lost_scrapes = self.lost, "writing {what} again"),
                    None => {}
                }
                self.lost = 0;
            }
            Err(error) => {
                self.lost += 1;
                if self.present.as_ref().is_none_or(|(kind, _)| *kind != error.kind()) {
                    // What holds for all targets the storage reports itself.
                    if concerns_all(error.kind()) {
                        tracing::debug!(path, %error, "can't write {what}");
                    } else {
                        tracing::warn!(path, %error, remedy = remedy(error.kind()), "can't write {what}");
                    }
                    self.present = Some((error.kind(), error.to_string()));
                }
            }
        }
    }
}

/// No room and no lock.
fn concerns_all(kind: io::ErrorKind) -> bool {
    matches!(kind, io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded | io::ErrorKind::ResourceBusy)
}

/// Writing goes on by itself in all cases, since each scrape tries again.
fn remedy(kind: io::ErrorKind) -> &'static str {
    match kind {
        io::ErrorKind::ReadOnlyFilesystem => "see the kernel's log for why it is read-only, and remount it",
        io::ErrorKind::PermissionDenied => "let this user write there",
        io::ErrorKind::NotADirectory => "put a real directory there, links are not followed",
        _ => "check the directory, and the device in the kernel's log",
    }
}

#[cfg(test)]
mod tests;

//! What happens to a scrape once it is fetched. Everything here blocks.

use std::io;
use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError};

use super::config::Job;
use super::lines::{Lines, Rules, Scrape, Summary, Workspace};
use super::store::{Entry, PeopleLog, Ready, Samples, Storage};
use super::targets::Target;
use crate::vitals::{Observation, Watch};

/// How often a scrape is tried to be written. A failed fsync asks for a new file, whose making needs an fsync too.
const TRIES: usize = 3;

/// Writes the scrapes of one target into its files.
pub(super) struct Recorder {
    lines: Lines,
    samples: Samples,
    samples_trouble: Trouble,
    people: PeopleLog,
    people_trouble: Trouble,
    observation: Observation,
}

/// When a scrape happened, besides its timestamp.
#[derive(Clone, Copy, Debug)]
pub(super) struct Moment {
    /// Its timestamp is so far before the last one that it has to go into a file of its own.
    pub(super) clock_went_back: bool,
    /// The planned scrapes before it that did not happen.
    pub(super) missed: u64,
}

/// What became of a scrape.
#[derive(Debug)]
pub(super) struct Recorded {
    pub(super) summary: Summary,
    /// Whether its samples are in the file.
    pub(super) stored: bool,
}

impl Recorder {
    pub(super) fn new(target: &Target, job: &Job, storage: &Arc<Storage>) -> Self {
        let directory = storage.path().join(target.directory());
        let (samples, people) = storage.target(target.directory());
        Self {
            lines: Lines::new(target.url().to_owned(), target.interval(), rules(target, job)),
            samples_trouble: Trouble::new("samples", &directory),
            people_trouble: Trouble::new("the log for people", &directory),
            samples,
            people,
            observation: Observation::default(),
        }
    }

    /// Goes on by the rules of another job.
    pub(super) fn set_job(&mut self, target: &Target, job: &Job) {
        self.lines.set_rules(rules(target, job));
    }

    /// Writes one scrape and shows it to `watch`. Trouble with the files is logged when it begins and ends, and never ends
    /// the recording.
    pub(super) fn record(
        &mut self,
        workspace: &mut Workspace,
        scrape: &Scrape<'_>,
        moment: Moment,
        watch: &Mutex<Watch>,
    ) -> Recorded {
        let (summary, written) = self.write_samples(workspace, scrape, moment.clock_went_back);
        workspace.give_memory_back();
        if written.is_err() {
            self.lines.forget_metadata();
            self.samples.not_stored();
        }
        let stored = written.is_ok();
        self.samples_trouble.note(written);
        let at = scrape.timestamp_milliseconds;
        let mut watch = watch.lock().unwrap_or_else(PoisonError::into_inner);
        match &summary.error {
            None => watch.answered(at, &mut self.observation),
            Some(error) => watch.failed(at, error),
        }
        let (vitals, problems) = match &summary.error {
            None => (watch.vitals().clone(), problem_names(&watch)),
            Some(_) => Default::default(),
        };
        drop(watch);
        let entry = Entry {
            timestamp_milliseconds: at,
            vitals: &vitals,
            problems: &problems,
            duration: scrape.duration,
            samples: summary.written,
            missed: moment.missed,
            error: summary.error.as_deref(),
        };
        self.people_trouble.note(self.people.append(&entry));
        Recorded { summary, stored }
    }

    /// Writes the samples, trying again where need be: a call that failed, or a file that can't be trusted any more,
    /// is no reason to lose a scrape.
    fn write_samples(
        &mut self,
        workspace: &mut Workspace,
        scrape: &Scrape<'_>,
        fresh_file: bool,
    ) -> (Summary, io::Result<()>) {
        let note = self.samples_trouble.loss();
        let mut outcome = self.try_samples(workspace, scrape, fresh_file, note.as_deref());
        for _ in 1..TRIES {
            if outcome.1.is_ok() {
                break;
            }
            self.lines.forget_metadata();
            outcome = self.try_samples(workspace, scrape, false, note.as_deref());
        }
        outcome
    }

    fn try_samples(
        &mut self,
        workspace: &mut Workspace,
        scrape: &Scrape<'_>,
        fresh_file: bool,
        note: Option<&str>,
    ) -> (Summary, io::Result<()>) {
        let ready = self.samples.ready(scrape.timestamp_milliseconds, fresh_file);
        let first_in_file = ready.as_ref().is_ok_and(|ready| *ready == Ready::Empty);
        if matches!(ready, Ok(Ready::WithoutMetadata)) {
            self.lines.forget_metadata();
        }
        let summary = self.lines.write(workspace, scrape, first_in_file, note, &mut self.observation);
        let written = ready.and_then(|_| self.samples.append(workspace.record()));
        (summary, written)
    }

    /// Closes the files.
    pub(super) fn close(&mut self) {
        self.samples.close();
    }
}

/// The alerts for what is wrong, each once.
fn problem_names(watch: &Watch) -> Vec<&'static str> {
    let mut names: Vec<&str> = watch.problems().iter().map(|problem| problem.limit.alert).collect();
    names.sort_unstable();
    names.dedup();
    names
}

fn rules(target: &Target, job: &Job) -> Rules {
    Rules {
        labels: target.labels().clone(),
        honor_labels: job.honor_labels,
        metric_relabel: job.metric_relabel.clone(),
        limits: job.limits,
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
                if self.present.take().is_some() {
                    tracing::info!(path, lost_scrapes = self.lost, "writing {what} again");
                }
                self.lost = 0;
            }
            Err(error) => {
                self.lost += 1;
                if self.present.as_ref().is_none_or(|(kind, _)| *kind != error.kind()) {
                    tracing::warn!(path, %error, remedy = remedy(error.kind()), "can't write {what}");
                    self.present = Some((error.kind(), error.to_string()));
                }
            }
        }
    }
}

/// Writing goes on by itself in all cases, since each scrape tries again.
fn remedy(kind: io::ErrorKind) -> &'static str {
    match kind {
        io::ErrorKind::StorageFull => "free space on this filesystem",
        io::ErrorKind::QuotaExceeded => "free space or raise the quota of this user",
        io::ErrorKind::ReadOnlyFilesystem => "see the kernel's log for why it is read-only, and remount it",
        io::ErrorKind::PermissionDenied => "let this user write there",
        io::ErrorKind::NotADirectory => "put a real directory there, links are not followed",
        _ => "check the directory, and the device in the kernel's log",
    }
}

#[cfg(test)]
mod tests;

//! What is known about each target right now, for the pages and metrics about them.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use super::labels::Labels;
use crate::vitals::Watch;

/// All targets. Written by the part that finds and scrapes them, read by the web pages.
#[derive(Debug, Default)]
pub struct Registry(Mutex<Snapshot>);

/// The targets of one moment.
#[derive(Clone, Debug, Default)]
pub struct Snapshot {
    /// Those that are scraped, in the order of the configuration.
    pub active: Vec<Arc<Entry>>,
    /// Those that `relabel_configs` drop.
    pub dropped: Vec<Dropped>,
}

/// A target that is scraped.
#[derive(Debug)]
pub struct Entry {
    /// The name of its job.
    pub job: String,
    /// What is asked for, without credentials.
    pub url: String,
    /// The labels that its samples get.
    pub labels: Labels,
    /// The labels before relabelling, `__address__` and the like included.
    pub discovered_labels: Labels,
    /// From the start of one scrape to the start of the next.
    pub interval: Duration,
    /// What a scrape may take.
    pub timeout: Duration,
    state: Arc<Mutex<State>>,
    watch: Arc<Mutex<Watch>>,
}

/// A target that is not scraped.
#[derive(Clone, Debug)]
pub struct Dropped {
    /// The name of its job.
    pub job: String,
    /// The labels before relabelling.
    pub discovered_labels: Labels,
}

/// How the last scrape of a target went.
#[derive(Clone, Debug, Default)]
pub struct State {
    /// Whether it worked; `None` before the first.
    pub up: Option<bool>,
    /// Why it failed, empty if it worked.
    pub last_error: String,
    /// Its start in milliseconds since 1970 UTC.
    pub last_scrape_milliseconds: Option<i64>,
    /// What it took.
    pub last_scrape_duration: Duration,
    /// The samples in its page.
    pub samples: usize,
    /// Scrapes since the target was found that had to be left out.
    pub missed_scrapes: u64,
}

impl Registry {
    /// The present targets.
    pub fn snapshot(&self) -> Snapshot {
        lock(&self.0).clone()
    }

    /// Takes the place of what was known.
    pub fn replace(&self, snapshot: Snapshot) {
        *lock(&self.0) = snapshot;
    }
}

impl Entry {
    /// A target that was not scraped yet.
    pub fn new(
        job: String,
        url: String,
        labels: Labels,
        discovered_labels: Labels,
        (interval, timeout): (Duration, Duration),
    ) -> Self {
        Self {
            job,
            url,
            labels,
            discovered_labels,
            interval,
            timeout,
            state: Arc::default(),
            watch: Arc::default(),
        }
    }

    /// Goes on with the state of `other`, which is the same target with other settings.
    #[must_use]
    pub(super) fn continuing(mut self, other: &Entry) -> Self {
        self.state = Arc::clone(&other.state);
        self.watch = Arc::clone(&other.watch);
        self
    }

    /// The host behind the target. Nobody holds this lock for longer than it takes to look.
    pub fn watch(&self) -> &Mutex<Watch> {
        &self.watch
    }

    /// How the last scrape went.
    pub fn state(&self) -> MutexGuard<'_, State> {
        lock(&self.state)
    }
}

impl State {
    /// All that [`State::health`] gives.
    pub const HEALTH: [&str; 3] = ["up", "down", "unknown"];

    /// `up`, `down`, or `unknown` before the first scrape, as Prometheus says it.
    pub fn health(&self) -> &'static str {
        match self.up {
            Some(true) => "up",
            Some(false) => "down",
            None => "unknown",
        }
    }
}

/// What is behind these locks is whole after each statement, so that a panic elsewhere does not spoil it.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

//! What is known about each target right now, for the pages and metrics about them.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, SystemTime};

use prometheus::{Histogram, HistogramOpts};

use super::labels::Labels;

/// How late scrapes are told apart: from what a busy machine does to a timer up to a missed scrape.
const LATENESS_BUCKETS_SECONDS: [f64; 10] = [0.001, 0.002, 0.005, 0.01, 0.05, 0.1, 0.5, 1.0, 5.0, 15.0];

/// All targets. Written by the part that finds and scrapes them, read by the web pages.
#[derive(Debug)]
pub struct Registry {
    snapshot: Mutex<Snapshot>,
    reload: Mutex<Reload>,
    lateness_seconds: Histogram,
}

/// What came of the last attempt to read the configuration.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Reload {
    /// Whether it worked. If not, what was read before it still holds.
    pub successful: bool,
    /// When it worked last.
    pub last_success: SystemTime,
}

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
    /// From the planned start of the last scrape to its start.
    pub last_lateness: Duration,
}

impl Registry {
    /// The present targets.
    pub fn snapshot(&self) -> Snapshot {
        lock(&self.snapshot).clone()
    }

    /// Takes the place of what was known.
    pub fn replace(&self, snapshot: Snapshot) {
        *lock(&self.snapshot) = snapshot;
    }

    /// What came of the last attempt to read the configuration.
    pub fn reload(&self) -> Reload {
        *lock(&self.reload)
    }

    /// Notes an attempt to read the configuration.
    pub(super) fn note_reload(&self, successful: bool) {
        let mut reload = lock(&self.reload);
        reload.successful = successful;
        if successful {
            reload.last_success = SystemTime::now();
        }
    }

    /// How late all scrapes began, for the page of metrics to register a clone of.
    pub fn lateness_seconds(&self) -> &Histogram {
        &self.lateness_seconds
    }
}

/// No targets, and a configuration that was read just now.
impl Default for Registry {
    fn default() -> Self {
        let lateness = HistogramOpts::new(
            "scrapelog_scrape_lateness_seconds",
            "From the planned start of a scrape to its start.",
        )
        .buckets(LATENESS_BUCKETS_SECONDS.to_vec());
        Self {
            snapshot: Mutex::default(),
            reload: Mutex::new(Reload { successful: true, last_success: SystemTime::now() }),
            lateness_seconds: Histogram::with_opts(lateness)
                .unwrap_or_else(|error| unreachable!("constant: {error}")),
        }
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
        Self { job, url, labels, discovered_labels, interval, timeout, state: Arc::default() }
    }

    /// Goes on with the state of `other`, which is the same target with other settings.
    #[must_use]
    pub(super) fn continuing(mut self, other: &Entry) -> Self {
        self.state = Arc::clone(&other.state);
        self
    }

    /// How the last scrape went.
    pub fn state(&self) -> MutexGuard<'_, State> {
        lock(&self.state)
    }
}

/// What is behind these locks is whole after each statement, so that a panic elsewhere does not spoil it.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

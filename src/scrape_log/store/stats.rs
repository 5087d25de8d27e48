//! What the storage counts about itself.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

/// A number that only grows.
#[derive(Debug, Default)]
pub(super) struct Counter(AtomicU64);

impl Counter {
    pub(super) fn add(&self, number: u64) {
        self.0.fetch_add(number, Ordering::Relaxed);
    }

    pub(super) fn subtract(&self, number: u64) {
        self.0.fetch_sub(number, Ordering::Relaxed);
    }

    pub(super) fn set(&self, number: u64) {
        self.0.store(number, Ordering::Relaxed);
    }

    pub(super) fn get(&self) -> u64 {
        self.0.load(Ordering::Relaxed)
    }
}

/// The counts behind [`Statistics`], which any thread adds to.
#[derive(Debug, Default)]
pub(super) struct Stats {
    pub(super) open_bytes: Counter,
    pub(super) free_bytes: Counter,
    pub(super) written_bytes: Counter,
    pub(super) scrapes_stored: Counter,
    pub(super) scrapes_not_stored: Counter,
    pub(super) scrapes_lost: Counter,
    pub(super) syncs: Counter,
    pub(super) failed_syncs: Counter,
    pub(super) sync_nanoseconds: Counter,
    pub(super) compression_read_bytes: Counter,
    pub(super) compression_written_bytes: Counter,
    pub(super) removed_for_time: Counter,
    pub(super) removed_for_size: Counter,
    pub(super) removed_for_space: Counter,
}

/// Files of one state.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(in crate::scrape_log) struct FileTotal {
    /// How many.
    pub(in crate::scrape_log) files: u64,
    /// Their lengths together.
    pub(in crate::scrape_log) bytes: u64,
}

/// The state of the storage at one moment. Counts are since the start of the process.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(in crate::scrape_log) struct Statistics {
    /// Files that are written to.
    pub(in crate::scrape_log) open: FileTotal,
    /// Closed files that are not compressed, or not yet.
    pub(in crate::scrape_log) plain: FileTotal,
    /// Compressed files.
    pub(in crate::scrape_log) compressed: FileTotal,
    /// What the filesystem still takes from this user, at most a second ago.
    pub(in crate::scrape_log) free_bytes: u64,
    /// What of it has to stay free.
    pub(in crate::scrape_log) min_free_bytes: u64,
    /// Bytes of samples and lines for people that were written.
    pub(in crate::scrape_log) written_bytes: u64,
    /// Scrapes in the files.
    pub(in crate::scrape_log) scrapes_stored: u64,
    /// Scrapes that could not be written.
    pub(in crate::scrape_log) scrapes_not_stored: u64,
    /// Scrapes that were written and are lost, or may be, because the device failed before they were synced.
    pub(in crate::scrape_log) scrapes_lost: u64,
    /// Calls of `fdatasync` for samples, the failed ones included.
    pub(in crate::scrape_log) syncs: u64,
    /// Those that failed.
    pub(in crate::scrape_log) failed_syncs: u64,
    /// The time in these calls.
    pub(in crate::scrape_log) sync_duration: Duration,
    /// Bytes of files that were compressed.
    pub(in crate::scrape_log) compression_read_bytes: u64,
    /// What they became.
    pub(in crate::scrape_log) compression_written_bytes: u64,
    /// Closed files that wait for compression.
    pub(in crate::scrape_log) compression_queue_length: usize,
    /// Files removed because all in them was older than the retention time.
    pub(in crate::scrape_log) removed_for_time: u64,
    /// Files removed because there were more bytes than the retention size.
    pub(in crate::scrape_log) removed_for_size: u64,
    /// Files removed to make room on the filesystem.
    pub(in crate::scrape_log) removed_for_space: u64,
    /// Why scrapes are not stored at present.
    pub(in crate::scrape_log) suspended: Option<super::Suspended>,
}

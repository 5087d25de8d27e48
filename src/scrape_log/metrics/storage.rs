//! The figures of the storage.

use std::sync::{Arc, OnceLock};
use std::time::Duration;

use crate::exposition::{Exposition, Kind};
use crate::scrape_log::store::{FileTotal, Statistics};

/// Whom to ask for the figures, which is known once the storage is ready. Clones are one.
#[derive(Clone, Default)]
pub struct Figures(Arc<OnceLock<Source>>);

type Source = Box<dyn Fn() -> StorageFigures + Send + Sync>;

impl Figures {
    /// Has `source` asked from now on.
    pub(in crate::scrape_log) fn set(&self, source: impl Fn() -> StorageFigures + Send + Sync + 'static) {
        // Recording begins once.
        if self.0.set(Box::new(source)).is_err() {
            tracing::debug!("the storage is ready twice");
        }
    }

    /// The figures of this moment, all 0 before there is a storage.
    pub fn get(&self) -> StorageFigures {
        self.0.get().map_or_else(StorageFigures::default, |source| source())
    }
}

/// What the storage says about itself at one moment. What it counts begins at 0 with the program.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct StorageFigures {
    /// Files that are written to.
    pub active: Files,
    /// Files that are closed and not compressed.
    pub plain: Files,
    /// Files that are compressed.
    pub compressed: Files,
    /// What the filesystem has left for this user; `None` if it does not say.
    pub free_bytes: Option<u64>,
    /// What of it has to stay free.
    pub min_free_bytes: u64,
    /// Scrapes that were written and lost before they were on the device.
    pub lost_scrapes: u64,
    /// Bytes written into active files.
    pub written_bytes: u64,
    /// Times that data was made sure to be on the device.
    pub syncs: u64,
    /// Those that failed.
    pub failed_syncs: u64,
    /// The time that they took.
    pub sync_duration: Duration,
    /// Files that wait to be compressed.
    pub compression_queue: usize,
    /// Bytes that went into the compressor.
    pub compression_input_bytes: u64,
    /// Bytes that came out of it.
    pub compression_output_bytes: u64,
    /// Files removed, by reason.
    pub removed: RemovedFiles,
    /// Why scrapes are not stored at present, in a word: one of [`SUSPENSIONS`].
    pub suspended: Option<&'static str>,
}

/// Why scrapes may not be stored: too little is free, nothing is free, or another process has the storage path.
pub const SUSPENSIONS: [&str; 3] = ["full", "locked", "min_free"];

impl From<Statistics> for StorageFigures {
    fn from(statistics: Statistics) -> Self {
        let files = |total: FileTotal| Files { count: total.files, bytes: total.bytes };
        Self {
            active: files(statistics.open),
            plain: files(statistics.plain),
            compressed: files(statistics.compressed),
            free_bytes: Some(statistics.free_bytes),
            min_free_bytes: statistics.min_free_bytes,
            lost_scrapes: statistics.scrapes_lost,
            written_bytes: statistics.written_bytes,
            syncs: statistics.syncs,
            failed_syncs: statistics.failed_syncs,
            sync_duration: statistics.sync_duration,
            compression_queue: statistics.compression_queue_length,
            compression_input_bytes: statistics.compression_read_bytes,
            compression_output_bytes: statistics.compression_written_bytes,
            removed: RemovedFiles {
                retention_time: statistics.removed_for_time,
                retention_size: statistics.removed_for_size,
                free_space: statistics.removed_for_space,
            },
            suspended: statistics.suspended.map(|suspended| suspended.reason()),
        }
    }
}

/// A number of files and their size.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Files {
    /// How many.
    pub count: u64,
    /// Their bytes.
    pub bytes: u64,
}

/// How many files were removed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct RemovedFiles {
    /// Those older than `--storage.retention.time`.
    pub retention_time: u64,
    /// The oldest ones beyond `--storage.retention.size`.
    pub retention_size: u64,
    /// The oldest ones, to have `--storage.min-free` or any space at all.
    pub free_space: u64,
}

pub(super) fn write(storage: &StorageFigures, out: &mut Exposition) {
    use Kind::{Counter, Gauge};
    let StorageFigures { active, plain, compressed, removed, .. } = storage;
    let states = [("active", active), ("compressed", compressed), ("plain", plain)];
    let help = "Files of samples and for people: those that are written to, those that are closed and those that are compressed.";
    let mut family = out.family("scrape_log_storage_files", help, Gauge);
    for (state, files) in states {
        family.sample(&[("state", state.as_bytes())], files.count as f64);
    }
    let mut family = out.family("scrape_log_storage_bytes", "Size of these files on the disk.", Gauge);
    for (state, files) in states {
        family.sample(&[("state", state.as_bytes())], files.bytes as f64);
    }
    let help = "Files that were removed: they were too old, beyond the size that is allowed, or in the way of new ones.";
    let mut family = out.family("scrape_log_storage_removed_files_total", help, Counter);
    for (reason, count) in [
        ("free_space", removed.free_space),
        ("retention_size", removed.retention_size),
        ("retention_time", removed.retention_time),
    ] {
        family.sample(&[("reason", reason.as_bytes())], count as f64);
    }
    if let Some(bytes) = storage.free_bytes {
        let help = "Space that is left to this user on the filesystem of the storage path.";
        out.single("scrape_log_storage_free_bytes", help, Gauge, bytes as f64);
    }
    let help = "Whether scrapes are not stored at present, by reason: too little is free, nothing is free, or another \
                process has the storage path.";
    let mut family = out.family("scrape_log_storage_suspended", help, Gauge);
    for reason in SUSPENSIONS {
        let value = u8::from(storage.suspended == Some(reason));
        family.sample(&[("reason", reason.as_bytes())], value.into());
    }
    out.single(
        "scrape_log_storage_sync_duration_seconds_total",
        "Time in which data was made sure to be on the device.",
        Counter,
        storage.sync_duration.as_secs_f64(),
    );
    for (name, help, kind, value) in [
        (
            "scrape_log_storage_min_free_bytes",
            "Space that has to stay free: below it the oldest files go.",
            Gauge,
            storage.min_free_bytes,
        ),
        (
            "scrape_log_lost_scrapes_total",
            "Scrapes that were written and then lost, as the device failed before they were on it.",
            Counter,
            storage.lost_scrapes,
        ),
        (
            "scrape_log_storage_failed_syncs_total",
            "Times that the device failed to take data, which was then written elsewhere.",
            Counter,
            storage.failed_syncs,
        ),
        (
            "scrape_log_storage_written_bytes_total",
            "Bytes written into the files, before compression.",
            Counter,
            storage.written_bytes,
        ),
        (
            "scrape_log_storage_syncs_total",
            "Times that data was made sure to be on the device (fsync).",
            Counter,
            storage.syncs,
        ),
        (
            "scrape_log_compression_queue_files",
            "Closed files that wait to be compressed.",
            Gauge,
            storage.compression_queue as u64,
        ),
        (
            "scrape_log_compression_input_bytes_total",
            "Bytes of files before they were compressed.",
            Counter,
            storage.compression_input_bytes,
        ),
        (
            "scrape_log_compression_output_bytes_total",
            "Bytes of files after they were compressed.",
            Counter,
            storage.compression_output_bytes,
        ),
    ] {
        out.single(name, help, kind, value as f64);
    }
}

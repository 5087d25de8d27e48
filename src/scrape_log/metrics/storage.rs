//! The figures of the storage.

use crate::exposition::{Exposition, Kind};

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
    /// Bytes written into active files.
    pub written_bytes: u64,
    /// Times that data was made sure to be on the device.
    pub syncs: u64,
    /// Files that wait to be compressed.
    pub compression_queue: usize,
    /// Bytes that went into the compressor.
    pub compression_input_bytes: u64,
    /// Bytes that came out of it.
    pub compression_output_bytes: u64,
    /// Files removed, by reason.
    pub removed: RemovedFiles,
    /// Whether scrapes are not stored at present, for lack of space.
    pub is_suspended: bool,
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
    let help =
        "Samples files: those that are written to, those that are closed and those that are compressed.";
    let mut family = out.family("scrape_log_storage_files", help, Gauge);
    for (state, files) in states {
        family.sample(&[("state", state.as_bytes())], files.count as f64);
    }
    let mut family = out.family("scrape_log_storage_bytes", "Size of the samples files.", Gauge);
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
    for (name, help, kind, value) in [
        (
            "scrape_log_storage_suspended",
            "Whether scrapes are not stored at present, for lack of space.",
            Gauge,
            storage.is_suspended.into(),
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

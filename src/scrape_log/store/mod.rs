//! The files: one directory per target, samples files of two hours, and a log for people beside them.
//!
//! ```text
//!  scraper's thread                      compressor                     keeper, each second
//!  Samples ── write, fdatasync ──► .om ── # EOF, zstd ──► .om.zst ──► retention, free space, lock, late syncs
//!  PeopleLog ── write ──► .log ───────────────────────────────────────►   │
//!     └────────────────── Index: which files there are ◄──────────────────┘
//! ```
//!
//! Everything here blocks and belongs on a blocking thread. A record is written with one `write` and is on the
//! device when [`Samples::append`] returns, or [`StorageOptions::sync_interval`] later. After an error the file ends with
//! the last whole record, and the next record finds out by itself whether the trouble is over.
//!
//! What a device failed to take is cut off and written into another file. Should the cut fail as well and the process
//! die before it worked, that scrape is in both files, byte for byte the same.
//!
//! While a file is compressed it has up to three names: `X.om`, which counts until `X.om.zst` is there, and
//! `X.om.zst.tmp`, which readers have to leave alone. Where both of the first two are, either is whole.

mod append;
mod background;
mod compress;
mod disk;
mod index;
mod jobs;
mod lock;
mod names;
mod people;
mod recover;
mod retention;
mod samples;
mod stats;
mod suspension;
mod syncs;
mod walk;

pub(super) use background::Background;
use disk::{Disk, SystemDisk};
pub(super) use lock::LOCK_FILE;
pub(super) use names::{FileName, Form, Kind, SAMPLES_WINDOW_SECONDS};
pub(super) use people::{Entry, PeopleLog};
pub(super) use recover::is_whole;
pub(super) use samples::{Ready, Samples};
pub(super) use stats::{FileTotal, Statistics};
pub(super) use suspension::Suspended;

use std::io;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use super::Error;
use disk::Room;
use index::{DirectoryId, FileId, FileState, Index};
use jobs::{Job, Jobs};
use lock::{Held, Lock};
use retention::Retention;
use stats::Stats;
use suspension::Suspension;
use syncs::Syncs;

/// The last line of a samples file that was closed.
const END_OF_FILE: &[u8] = b"# EOF\n";
/// More than this does not have to stay free by default.
const MAX_DEFAULT_MIN_FREE_BYTES: u64 = 1_000_000_000;

/// How the files are kept.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StorageOptions {
    /// `--storage.path`: the directory below which each target has its own.
    pub path: PathBuf,
    /// `--storage.max-file-size`: a samples file that would grow beyond is ended before its two hours are over; 0 for no
    /// limit.
    pub max_file_size_bytes: u64,
    /// `--storage.compression-level`: the level of zstd at which files are compressed once they are ended, 1 to 22; 0
    /// leaves them as they are.
    pub compression_level: i32,
    /// `--storage.retention.time`: a file is removed when all in it is older.
    pub retention_time: Option<Duration>,
    /// `--storage.retention.size`: the oldest files are removed when all together have more bytes.
    pub retention_size_bytes: Option<u64>,
    /// `--storage.min-free`: what has to stay free on the filesystem.
    pub min_free: MinFree,
    /// `--storage.sync-interval`: how long a record may be written and not yet on the device. With zero each is on the
    /// device at once.
    pub sync_interval: Duration,
}

/// What has to stay free on the filesystem: below, the oldest files are removed, and then nothing is stored.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum MinFree {
    /// A tenth of the filesystem, at most 1 GB.
    #[default]
    Tenth,
    /// So much. With 0 the filesystem may get full.
    Bytes(u64),
}

impl MinFree {
    fn bytes(self, room: Room) -> u64 {
        match self {
            Self::Tenth => (room.total_bytes / 10).min(MAX_DEFAULT_MIN_FREE_BYTES),
            Self::Bytes(bytes) => bytes,
        }
    }
}

impl StorageOptions {
    /// Files of two hours, compressed and kept for good, each scrape synced.
    #[cfg(test)]
    pub(super) fn new(path: PathBuf) -> Self {
        Self {
            path,
            max_file_size_bytes: 0,
            compression_level: 1,
            retention_time: None,
            retention_size_bytes: None,
            min_free: MinFree::default(),
            sync_interval: Duration::ZERO,
        }
    }
}

/// The storage path of this process: hands out the files of the targets and keeps all of them in order.
pub(super) struct Storage {
    disk: Arc<dyn Disk>,
    options: StorageOptions,
    lock: Lock,
    stats: Stats,
    index: Mutex<Index>,
    suspension: Suspension,
    syncs: Syncs,
    jobs: Jobs,
    retention: Mutex<Retention>,
    /// What is in the directories may not be what is known about them.
    walk_is_due: AtomicBool,
}

/// Readies the storage path: makes it, locks it, closes what an earlier process left open, and starts the threads
/// that compress, sync and remove files until [`Background`] is dropped.
///
/// # Errors
/// [`Error::Storage`] when the path can't be made or written to, [`Error::Locked`] when another process uses it.
pub(super) fn prepare(options: StorageOptions) -> Result<(Arc<Storage>, Background), Error> {
    let path = options.path.clone();
    let storage = Storage::open(Arc::new(SystemDisk), options)?;
    let background = Background::start(&storage).map_err(|error| Error::Storage { path, error })?;
    Ok((storage, background))
}

impl Storage {
    /// Readies the storage path without starting threads.
    fn open(disk: Arc<dyn Disk>, options: StorageOptions) -> Result<Arc<Self>, Error> {
        let failed = |error| Error::Storage { path: options.path.clone(), error };
        disk.create_directory(&options.path).map_err(failed)?;
        let lock = Lock::take(&options.path)?;
        let storage = Self {
            disk,
            lock,
            stats: Stats::default(),
            index: Mutex::default(),
            suspension: Suspension::default(),
            syncs: Syncs::default(),
            jobs: Jobs::default(),
            retention: Mutex::default(),
            walk_is_due: AtomicBool::new(false),
            options,
        };
        walk::first(&storage)
            .map_err(|error| Error::Storage { path: storage.options.path.clone(), error })?;
        storage.watch_room();
        Ok(Arc::new(storage))
    }

    /// The files of the target whose directory below the storage path has this name, which is one plain file name.
    pub(super) fn target(self: &Arc<Self>, directory_name: &str) -> (Samples, PeopleLog) {
        let id = self.index().directory(directory_name);
        let directory = Arc::new(TargetDirectory::new(self, id, directory_name));
        (Samples::new(Arc::clone(self), Arc::clone(&directory)), PeopleLog::new(Arc::clone(self), directory))
    }

    /// Where the directories of the targets are.
    pub(super) fn path(&self) -> &Path {
        &self.options.path
    }

    /// The present state and all counts.
    pub(super) fn statistics(&self) -> Statistics {
        let [mut open, plain, compressed] = self.index().totals();
        let stats = &self.stats;
        open.bytes = stats.open_bytes.get();
        Statistics {
            open,
            plain,
            compressed,
            free_bytes: stats.free_bytes.get(),
            min_free_bytes: self.retention().min_free_bytes(),
            written_bytes: stats.written_bytes.get(),
            scrapes_stored: stats.scrapes_stored.get(),
            scrapes_not_stored: stats.scrapes_not_stored.get(),
            scrapes_lost: stats.scrapes_lost.get(),
            syncs: stats.syncs.get(),
            failed_syncs: stats.failed_syncs.get(),
            sync_duration: Duration::from_nanos(stats.sync_nanoseconds.get()),
            compression_read_bytes: stats.compression_read_bytes.get(),
            compression_written_bytes: stats.compression_written_bytes.get(),
            compression_queue_length: self.jobs.len(),
            removed_for_time: stats.removed_for_time.get(),
            removed_for_size: stats.removed_for_size.get(),
            removed_for_space: stats.removed_for_space.get(),
            suspended: self.suspension.present(),
        }
    }

    /// Sees to it that a file may be made: that the storage path is there and still this process' own.
    fn ready(&self) -> io::Result<()> {
        self.suspension.check()?;
        self.verify_lock()?;
        self.suspension.check()
    }

    /// Looks after the lock file, and stops the writing while another process has it.
    fn verify_lock(&self) -> io::Result<()> {
        self.disk.create_directory(&self.options.path)?;
        match self.lock.verify()? {
            Held::Yes => self.suspension.unlocked(),
            Held::Again => {
                self.suspension.unlocked();
                self.walk_is_due.store(true, Ordering::Relaxed);
                tracing::warn!(
                    path = %self.options.path.display(),
                    "the lock file had been removed and was made again: don't remove the files of a running scrape-log"
                );
            }
            Held::ByAnother(holder) => self.suspension.locked(holder),
        }
        Ok(())
    }

    /// Whether another process has the storage path: its files are to be left alone.
    fn is_taken_over(&self) -> bool {
        self.suspension.is_locked()
    }

    /// Makes a file known that is about to be made, so that nobody takes it for one to compress or remove. Says
    /// whether the name was free.
    fn enter_open(&self, id: FileId) -> bool {
        let mut index = self.index();
        let is_free = index.state(id).is_none();
        if is_free {
            index.set(id, FileState::Open, 0);
        }
        is_free
    }

    /// Makes a file known that is about to be written to, whether it is there or not.
    fn reopen(&self, id: FileId) {
        self.index().set(id, FileState::Open, 0);
    }

    /// Strikes out a file that was removed or could not be made.
    fn forget(&self, id: FileId) {
        self.index().remove(id);
    }

    /// An open file was closed. `unended` says that the file was to have so many bytes and `# EOF`, which is left
    /// to the compressor.
    fn closed(&self, id: FileId, len: u64, unended: bool) {
        self.index().set(id, FileState::Plain, len);
        if id.name.kind() == Kind::Samples {
            self.jobs.push(if unended { Job::End { id, len } } else { Job::Compress(id) });
        }
        self.retention().ask();
    }

    /// Where a directory is.
    fn directory(&self, id: DirectoryId) -> PathBuf {
        self.options.path.join(self.index().directory_name(id))
    }

    fn index(&self) -> MutexGuard<'_, Index> {
        self.index.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn retention(&self) -> MutexGuard<'_, Retention> {
        self.retention.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The directory of a target as its two kinds of files share it. While it exists the directory is not removed.
struct TargetDirectory {
    storage: Arc<Storage>,
    id: DirectoryId,
    path: PathBuf,
}

impl TargetDirectory {
    fn new(storage: &Arc<Storage>, id: DirectoryId, name: &str) -> Self {
        storage.index().add_writer(id);
        Self { storage: Arc::clone(storage), id, path: storage.options.path.join(name) }
    }

    fn file(&self, name: FileName) -> FileId {
        FileId { name, directory: self.id }
    }
}

impl Drop for TargetDirectory {
    fn drop(&mut self) {
        self.storage.index().remove_writer(self.id);
    }
}

/// Removes a file if it is there.
fn remove_if_there(disk: &dyn Disk, directory: &Path, name: &str) -> io::Result<()> {
    match disk.remove_file(directory, name) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
        removed => removed,
    }
}

#[cfg(test)]
pub(in crate::scrape_log) mod tests;

//! Records that are written and not yet known to be on the device, where `sync_interval` allows that.
//!
//! Of each such record its length and a hash are kept, not its bytes. When the sync fails nobody can say what the
//! device holds; the records are read back then, and those that still have their hash are written into another file.

use std::collections::VecDeque;
use std::hash::BuildHasher;
use std::io;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError, Weak};
use std::time::{Duration, Instant};

use foldhash::fast::FixedState;

use super::disk::DiskFile;
use super::stats::Stats;

/// More records than that in one file are synced at once.
const MAX_RECORDS: usize = 1024;

/// The unsynced end of a file.
pub(super) struct Unsynced {
    file: Arc<dyn DiskFile>,
    state: Mutex<State>,
}

#[derive(Debug, Default)]
struct State {
    records: VecDeque<Record>,
    /// Records that are on the device, and their bytes.
    synced: u64,
    synced_bytes: u64,
    waits: bool,
    failed: bool,
}

/// A written record.
#[derive(Clone, Copy, Debug)]
pub(super) struct Record {
    pub(super) len: u64,
    hash: u64,
}

impl Record {
    pub(super) fn new(bytes: &[u8]) -> Self {
        Self { len: bytes.len() as u64, hash: FixedState::default().hash_one(bytes) }
    }

    pub(super) fn is(&self, bytes: &[u8]) -> bool {
        Self::new(bytes).hash == self.hash
    }
}

impl Unsynced {
    pub(super) fn new(file: &Arc<dyn DiskFile>) -> Arc<Self> {
        Arc::new(Self { file: Arc::clone(file), state: Mutex::default() })
    }

    /// Whether the device has lost records. There is no use in asking it again.
    pub(super) fn has_failed(&self) -> bool {
        self.state().failed
    }

    /// The records that are not known to be on the device.
    pub(super) fn records(&self) -> Vec<Record> {
        self.state().records.iter().copied().collect()
    }

    /// Syncs what was written up to now.
    ///
    /// # Errors
    /// The first time that the device fails, and ever after.
    pub(super) fn sync(&self, stats: &Stats) -> io::Result<()> {
        let end = {
            let mut state = self.state();
            state.waits = false;
            if state.failed {
                return Err(io::Error::other("an earlier sync of this file failed"));
            }
            if state.records.is_empty() {
                return Ok(());
            }
            state.synced + state.records.len() as u64
        };
        let synced = timed(stats, || self.file.sync());
        let mut state = self.state();
        if synced.is_err() {
            state.failed = true;
        } else if let Some(newly) = end.checked_sub(state.synced) {
            let newly = usize::try_from(newly).unwrap_or(usize::MAX).min(state.records.len());
            state.synced_bytes += state.records.drain(..newly).map(|record| record.len).sum::<u64>();
            state.synced = end.max(state.synced);
        }
        synced
    }

    /// Has the device begin to take what is not synced yet, without waiting for it.
    fn begin(&self) {
        let (offset, is_due) = {
            let state = self.state();
            (state.synced_bytes, !state.failed && !state.records.is_empty())
        };
        if is_due {
            self.file.begin_sync(offset);
        }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Runs a sync and counts it.
pub(super) fn timed(stats: &Stats, sync: impl FnOnce() -> io::Result<()>) -> io::Result<()> {
    let start = Instant::now();
    let synced = sync();
    stats.syncs.add(1);
    stats.failed_syncs.add(u64::from(synced.is_err()));
    stats.sync_nanoseconds.add(u64::try_from(start.elapsed().as_nanos()).unwrap_or(u64::MAX));
    synced
}

/// The files with unsynced ends, in the order in which they were written to. Those that were closed meanwhile are synced,
/// and not held open for this.
#[derive(Default)]
pub(super) struct Syncs {
    queue: Mutex<Queue>,
    changed: Condvar,
}

#[derive(Default)]
struct Queue {
    /// The first of them is due at that time, and with it all others: a device takes many together at less than the
    /// price of each.
    due: Option<Instant>,
    files: Vec<Weak<Unsynced>>,
    stopped: bool,
}

impl Syncs {
    /// A record was written. It is synced by [`Syncs::run`] once `delay` is over, if not before.
    pub(super) fn note(&self, unsynced: &Arc<Unsynced>, record: &[u8], delay: Duration, stats: &Stats) {
        let record = Record::new(record);
        let (is_first, is_much) = {
            let mut state = unsynced.state();
            state.records.push_back(record);
            (!std::mem::replace(&mut state.waits, true), state.records.len() >= MAX_RECORDS)
        };
        if is_first {
            let mut queue = self.queue();
            queue.files.push(Arc::downgrade(unsynced));
            if queue.due.is_none() {
                queue.due = Some(Instant::now() + delay);
                self.changed.notify_one();
            }
        }
        if is_much && let Err(error) = unsynced.sync(stats) {
            tracing::debug!(%error, "a sync failed");
        }
    }

    /// Syncs files when their time has come, until [`Syncs::stop`].
    pub(super) fn work(&self, stats: &Stats) {
        loop {
            {
                let mut queue = self.queue();
                loop {
                    let wait = match queue.due {
                        _ if queue.stopped => return,
                        Some(due) => due.saturating_duration_since(Instant::now()),
                        None => Duration::MAX,
                    };
                    if wait.is_zero() {
                        break;
                    }
                    let waited = match wait {
                        Duration::MAX => self.changed.wait(queue).unwrap_or_else(PoisonError::into_inner),
                        _ => self.changed.wait_timeout(queue, wait).unwrap_or_else(PoisonError::into_inner).0,
                    };
                    queue = waited;
                }
            }
            self.run(stats);
        }
    }

    /// Syncs all files that have unsynced ends. Their writers find out themselves about failures.
    pub(super) fn run(&self, stats: &Stats) {
        let files = {
            let mut queue = self.queue();
            queue.due = None;
            std::mem::take(&mut queue.files)
        };
        for unsynced in files.iter().filter_map(Weak::upgrade) {
            unsynced.begin();
        }
        for unsynced in files.iter().filter_map(Weak::upgrade) {
            if let Err(error) = unsynced.sync(stats) {
                tracing::debug!(%error, "a sync failed");
            }
        }
    }

    /// Ends [`Syncs::work`].
    pub(super) fn stop(&self) {
        self.queue().stopped = true;
        self.changed.notify_all();
    }

    fn queue(&self) -> MutexGuard<'_, Queue> {
        self.queue.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

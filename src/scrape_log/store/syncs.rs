//! Records that are written and not yet known to be on the device, where `sync_interval` allows that.
//!
//! Of each such record its length and a hash are kept, not its bytes. When the sync fails nobody can say what the
//! device holds; the records are read back then, and those that still have their hash are written into another file.

use std::collections::VecDeque;
use std::hash::BuildHasher;
use std::io;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};
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
    /// Records that are on the device.
    synced: u64,
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
            state.records.drain(..newly);
            state.synced = end.max(state.synced);
        }
        synced
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

/// The files with unsynced ends, in the order in which they have to be synced. Those that were closed meanwhile are
/// synced, and not held open for this.
#[derive(Default)]
pub(super) struct Syncs(Mutex<VecDeque<(Instant, Weak<Unsynced>)>>);

impl Syncs {
    /// A record was written. It is synced by [`Syncs::run`] once `delay` is over.
    pub(super) fn note(&self, unsynced: &Arc<Unsynced>, record: &[u8], delay: Duration, stats: &Stats) {
        let record = Record::new(record);
        let (is_first, is_much) = {
            let mut state = unsynced.state();
            state.records.push_back(record);
            (!std::mem::replace(&mut state.waits, true), state.records.len() >= MAX_RECORDS)
        };
        if is_first {
            self.queue().push_back((Instant::now() + delay, Arc::downgrade(unsynced)));
        }
        if is_much && let Err(error) = unsynced.sync(stats) {
            tracing::debug!(%error, "a sync failed");
        }
    }

    /// Syncs the files whose time has come. Their writers find out themselves about failures.
    pub(super) fn run(&self, now: Instant, stats: &Stats) {
        loop {
            let next = {
                let mut queue = self.queue();
                if queue.front().is_none_or(|(due, _)| *due > now) {
                    return;
                }
                queue.pop_front()
            };
            let Some((_, unsynced)) = next else { return };
            if let Some(unsynced) = unsynced.upgrade()
                && let Err(error) = unsynced.sync(stats)
            {
                tracing::debug!(%error, "a sync failed");
            }
        }
    }

    fn queue(&self) -> MutexGuard<'_, VecDeque<(Instant, Weak<Unsynced>)>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

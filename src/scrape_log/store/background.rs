//! The threads behind the scrapes: one ends and compresses files, which may take long; one syncs what was written; one
//! looks after everything that has its time.

use std::io;
use std::sync::atomic::Ordering;
use std::sync::{Arc, Condvar, Mutex, PoisonError};
use std::thread;
use std::time::{Duration, Instant, SystemTime};

use super::compress::Compressor;
use super::{Storage, walk};

/// How often the free space and the lock are looked at.
const TICK: Duration = Duration::from_secs(1);
/// How often the directories are compared with what is known about them.
const WALK_INTERVAL: Duration = Duration::from_secs(3600);
/// How long stopping may take. A thread that a device holds up longer is left behind.
const STOP_TIME: Duration = Duration::from_millis(300);
/// Compression has its memory elsewhere.
const STACK_BYTES: usize = 256 << 10;

/// The threads of a storage, which stop when this is dropped.
pub(in crate::scrape_log) struct Background {
    storage: Arc<Storage>,
    stop: Arc<Stop>,
}

#[derive(Default)]
struct Stop {
    state: Mutex<State>,
    changed: Condvar,
}

#[derive(Default)]
struct State {
    requested: bool,
    running: usize,
}

impl Stop {
    /// Waits until the end is requested, at most so long, and says whether it was.
    fn wait(&self, time: Duration) -> bool {
        let state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        let waited = self.changed.wait_timeout_while(state, time, |state| !state.requested);
        waited.unwrap_or_else(PoisonError::into_inner).0.requested
    }

    fn change(&self, change: impl FnOnce(&mut State)) {
        change(&mut self.state.lock().unwrap_or_else(PoisonError::into_inner));
        self.changed.notify_all();
    }
}

/// Counts a thread out, also when it panics.
struct Running(Arc<Stop>);

impl Drop for Running {
    fn drop(&mut self) {
        self.0.change(|state| state.running -= 1);
    }
}

impl Background {
    /// Starts the threads.
    pub(super) fn start(storage: &Arc<Storage>) -> io::Result<Self> {
        let background = Self { storage: Arc::clone(storage), stop: Arc::default() };
        let mut compressor = Compressor::new(storage.options.compression_level)?;
        let storage = Arc::clone(storage);
        background.spawn("compressor", move |_| {
            while let Some(job) = storage.jobs.next() {
                compressor.run(&storage, job);
            }
        })?;
        if !background.storage.options.sync_interval.is_zero() {
            let storage = Arc::clone(&background.storage);
            background.spawn("syncer", move |_| storage.syncs.work(&storage.stats))?;
        }
        let storage = Arc::clone(&background.storage);
        background.spawn("keeper", move |stop| keep(&storage, stop))?;
        Ok(background)
    }

    fn spawn(&self, name: &str, work: impl FnOnce(&Stop) + Send + 'static) -> io::Result<()> {
        self.stop.change(|state| state.running += 1);
        let running = Running(Arc::clone(&self.stop));
        let thread = thread::Builder::new().name(name.to_owned()).stack_size(STACK_BYTES);
        thread.spawn(move || work(&running.0))?;
        Ok(())
    }
}

impl Drop for Background {
    fn drop(&mut self) {
        self.storage.jobs.stop();
        self.storage.syncs.stop();
        self.stop.change(|state| state.requested = true);
        let state = self.stop.state.lock().unwrap_or_else(PoisonError::into_inner);
        let waited = self.stop.changed.wait_timeout_while(state, STOP_TIME, |state| state.running > 0);
        if waited.is_ok_and(|(_, waited)| waited.timed_out()) {
            tracing::debug!("the device is too slow to wait for the compression");
        }
    }
}

fn keep(storage: &Storage, stop: &Stop) {
    let mut last_walk = Instant::now();
    while !stop.wait(TICK) {
        let now = Instant::now();
        storage.tick(now, wall_seconds());
        if now.duration_since(last_walk) >= WALK_INTERVAL {
            storage.walk_is_due.store(true, Ordering::Relaxed);
        }
        if !storage.is_taken_over() && storage.walk_is_due.swap(false, Ordering::Relaxed) {
            last_walk = now;
            walk::again(storage);
        }
    }
}

fn wall_seconds() -> u64 {
    SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default().as_secs()
}

impl Storage {
    /// What has to be done each second.
    pub(super) fn tick(&self, now: Instant, wall_seconds: u64) {
        if let Err(error) = self.verify_lock() {
            // Writing will fail for the same reason, and say so.
            tracing::debug!(%error, "can't look after the lock file");
        }
        if self.is_taken_over() {
            return;
        }
        self.watch_room();
        self.suspension.calm_down(now);
        self.run_retention(wall_seconds, now);
    }
}

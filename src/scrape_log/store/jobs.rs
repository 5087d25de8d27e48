//! What is to be done with closed files.

use std::collections::VecDeque;
use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use super::index::FileId;

/// How long something that did not work is left alone.
const RETRY_DELAY: Duration = Duration::from_secs(10);

/// One closed file and what it needs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Job {
    /// It should have so many bytes and then `# EOF`, which could not be written.
    End { id: FileId, len: u64 },
    /// It is to be compressed. Files of earlier processes may lack their end.
    Compress(FileId),
    /// Both it and its compressed form are there.
    Settle(FileId),
}

/// The jobs, in the order in which they came.
#[derive(Debug, Default)]
pub(super) struct Jobs {
    state: Mutex<State>,
    came: Condvar,
}

#[derive(Debug, Default)]
struct State {
    waiting: VecDeque<Job>,
    /// Those that did not work, and when they are tried again.
    failed: VecDeque<(Instant, Job)>,
    stopped: bool,
}

impl Jobs {
    pub(super) fn push(&self, job: Job) {
        self.state().waiting.push_back(job);
        self.came.notify_one();
    }

    /// Has a job done again later.
    pub(super) fn push_failed(&self, job: Job) {
        self.state().failed.push_back((Instant::now() + RETRY_DELAY, job));
    }

    /// The jobs that are not done.
    pub(super) fn len(&self) -> usize {
        let state = self.state();
        state.waiting.len() + state.failed.len()
    }

    /// Waits for a job; `None` to stop.
    pub(super) fn next(&self) -> Option<Job> {
        let mut state = self.state();
        loop {
            if state.stopped {
                return None;
            }
            if let Some(job) = state.waiting.pop_front() {
                return Some(job);
            }
            let now = Instant::now();
            match state.failed.front() {
                Some(&(due, job)) if due <= now => {
                    state.failed.pop_front();
                    return Some(job);
                }
                Some(&(due, _)) => {
                    let waited = self.came.wait_timeout(state, due - now);
                    state = waited.unwrap_or_else(PoisonError::into_inner).0;
                }
                None => state = self.came.wait(state).unwrap_or_else(PoisonError::into_inner),
            }
        }
    }

    /// All jobs there are now, also those that failed.
    #[cfg(test)]
    pub(super) fn take(&self) -> Vec<Job> {
        let mut state = self.state();
        let failed: Vec<Job> = state.failed.drain(..).map(|(_, job)| job).collect();
        state.waiting.drain(..).chain(failed).collect()
    }

    /// Has no more jobs begun, and those under way given up.
    pub(super) fn stop(&self) {
        self.state().stopped = true;
        self.came.notify_all();
    }

    pub(super) fn is_stopped(&self) -> bool {
        self.state().stopped
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

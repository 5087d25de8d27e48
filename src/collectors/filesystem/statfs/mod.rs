//! Asking file systems for their sizes without waiting for those that do not answer.
//!
//! A call of statfs(2) on a dead network mount returns when its server does, or never, and nothing can call it off.
//! So the calls are made by other threads. One thread goes through the whole list while everything answers. When it
//! does not get on for [`STALL`], another one takes over the rest of the list, up to a fixed number of threads. A
//! call that has not returned when the time is up holds its thread; its mount is reported as not answering and left
//! alone, at no cost to later scrapes, until the call returns.
//!
//! Mounts whose file systems answer from the kernel's memory, and have answered before, need none of that: the
//! scrape asks them itself, which is cheaper than waking a thread.
//!
//! Mounts that only this machine serves have threads of their own, which others cannot take, and go first. Of
//! the others, those that answered the last time go first. At most [`HELD`] of their calls are under way, the
//! last [`RESERVED`] of them on servers that have no other, so that one dead server leaves room for the rest.
//! What finds no room is reported as not answering until there is some.

#[cfg(test)]
mod tests;

use std::ffi::{CStr, CString};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use rustix::io::Errno;

use super::mountinfo::Mount;

/// How many calls on mounts that are not local may be under way.
pub(super) const HELD: usize = 8;

/// How many of these calls are for servers with no call under way.
const RESERVED: usize = 3;

/// When nothing has been answered for this long, another thread goes on with the list.
const STALL: Duration = Duration::from_millis(20);

/// What statfs(2) says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Usage {
    pub size_bytes: u64,
    pub free_bytes: u64,
    pub available_bytes: u64,
    pub files: u64,
    pub files_free: u64,
}

/// What became of one mount.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) enum Answer {
    /// It has not answered in time.
    #[default]
    Timeout,
    /// Its sizes.
    Usage(Usage),
    /// The call failed.
    Failed(Errno),
}

impl From<Result<Usage, Errno>> for Answer {
    fn from(result: Result<Usage, Errno>) -> Self {
        result.map_or_else(Answer::Failed, Answer::Usage)
    }
}

/// Calls statfs(2). The counts are in blocks of `f_bsize`, as node_exporter takes them.
pub(super) fn statfs(path: &CStr) -> Result<Usage, Errno> {
    let found = rustix::io::retry_on_intr(|| rustix::fs::statvfs(path))?;
    let bytes = |blocks: u64| blocks.saturating_mul(found.f_bsize);
    Ok(Usage {
        size_bytes: bytes(found.f_blocks),
        free_bytes: bytes(found.f_bfree),
        available_bytes: bytes(found.f_bavail),
        files: found.f_files,
        files_free: found.f_ffree,
    })
}

type StatFs = dyn Fn(&CStr) -> Result<Usage, Errno> + Send + Sync;

/// Threads that make the calls.
pub(super) struct Workers {
    shared: Arc<Shared>,
    /// Indices of the mounts that the scrape asks itself.
    direct: Vec<usize>,
}

struct Shared {
    state: Mutex<State>,
    /// Wakes threads: there is work, or the end.
    work: Condvar,
    /// Wakes the scrape: all that can be answered is answered.
    done: Condvar,
    statfs: Box<StatFs>,
    /// How many calls on local mounts may be under way.
    local_calls: usize,
}

#[derive(Default)]
struct State {
    mounts: Arc<Vec<Mount>>,
    /// Indices of mounts that are still to be asked, the next one last; local ones and the others.
    queues: [Vec<usize>; 2],
    answers: Vec<Answer>,
    /// How many answers this scrape has.
    answered: usize,
    calls: Vec<Call>,
    last_call: u64,
    threads: usize,
    idle: usize,
    closing: bool,
}

/// A call under way.
struct Call {
    number: u64,
    path: Arc<CString>,
    server: Arc<str>,
    local: bool,
    /// Its scrape has ended without it.
    stuck: bool,
}

impl Workers {
    /// Threads that call `statfs`, `local_calls` of them at most for local mounts. None is started yet.
    pub(super) fn new(
        local_calls: usize,
        statfs: impl Fn(&CStr) -> Result<Usage, Errno> + Send + Sync + 'static,
    ) -> Self {
        let shared = Shared {
            state: Mutex::default(),
            work: Condvar::new(),
            done: Condvar::new(),
            statfs: Box::new(statfs),
            local_calls,
        };
        Self { shared: Arc::new(shared), direct: Vec::new() }
    }

    /// Begins to ask all mounts. `last` holds the answers of the last time for the same mounts, or nothing.
    ///
    /// # Errors
    /// When the system allows no thread.
    pub(super) fn start(&mut self, mounts: &Arc<Vec<Mount>>, last: &[Answer]) -> std::io::Result<()> {
        let answered = |index: usize| matches!(last.get(index), Some(Answer::Usage(_)));
        self.direct.clear();
        self.direct.extend((0..mounts.len()).filter(|&index| mounts[index].prompt && answered(index)));
        let mut state = self.shared.lock();
        state.begin(mounts, answered, &self.direct);
        self.wake_or_start(&mut state)
    }

    /// Waits for the answers until `deadline` at most and puts them into `answers`.
    pub(super) fn finish(&mut self, answers: &mut Vec<Answer>, deadline: Instant) {
        let mut state = self.shared.lock();
        while state.has_more_to_come(self.shared.local_calls) {
            let before = state.answered;
            let left = deadline.saturating_duration_since(Instant::now());
            if left.is_zero() {
                break;
            }
            state = match self.shared.done.wait_timeout(state, left.min(STALL)) {
                Ok((state, _)) => state,
                Err(poisoned) => poisoned.into_inner().0,
            };
            if state.answered == before && state.may_take(self.shared.local_calls) {
                // Where the system allows no further thread, those that there are go on with the list.
                self.wake_or_start(&mut state).unwrap_or_default();
            }
        }
        state.end(answers);
        let mounts = Arc::clone(&state.mounts);
        drop(state);
        for &index in &self.direct {
            answers[index] = (self.shared.statfs)(&mounts[index].path).into();
        }
    }

    fn wake_or_start(&self, state: &mut State) -> std::io::Result<()> {
        if !state.may_take(self.shared.local_calls) {
            return Ok(());
        }
        if state.idle > 0 {
            self.shared.work.notify_one();
            return Ok(());
        }
        if state.threads >= self.shared.local_calls + HELD {
            return Ok(());
        }
        let shared = Arc::clone(&self.shared);
        // The deepest thing on the stack is a path for the call.
        let thread = std::thread::Builder::new().name("statfs".into()).stack_size(128 * 1024);
        match thread.spawn(move || shared.work_until_closed()) {
            Ok(_) => state.threads += 1,
            Err(error) if state.threads == 0 => return Err(error),
            Err(_) => {} // those that there are go on with the list
        }
        Ok(())
    }

    #[cfg(test)]
    fn threads(&self) -> usize {
        self.shared.lock().threads
    }
}

impl Drop for Workers {
    fn drop(&mut self) {
        self.shared.lock().closing = true;
        self.shared.work.notify_all();
    }
}

impl State {
    fn begin(&mut self, mounts: &Arc<Vec<Mount>>, answered: impl Fn(usize) -> bool, direct: &[usize]) {
        self.mounts = Arc::clone(mounts);
        self.answers.clear();
        self.answers.resize(mounts.len(), Answer::Timeout);
        self.answered = 0;
        let asked = |index: &usize| {
            direct.binary_search(index).is_err()
                && !self.calls.iter().any(|call| call.path == mounts[*index].path)
        };
        let [local, others] = &mut self.queues;
        local.clear();
        others.clear();
        local.extend((0..mounts.len()).rev().filter(|&index| mounts[index].local).filter(asked));
        for first in [false, true] {
            let of_this_kind = |&index: &usize| !mounts[index].local && answered(index) == first;
            others.extend((0..mounts.len()).rev().filter(of_this_kind).filter(asked));
        }
    }

    fn end(&mut self, answers: &mut Vec<Answer>) {
        for call in &mut self.calls {
            call.stuck = true;
        }
        self.queues.iter_mut().for_each(Vec::clear);
        std::mem::swap(&mut self.answers, answers);
    }

    fn under_way(&self, local: bool) -> usize {
        self.calls.iter().filter(|call| call.local == local).count()
    }

    /// The queue and the place in it of the mount whose call may be begun next.
    fn next(&self, local_calls: usize) -> Option<(usize, usize)> {
        let [local, others] = &self.queues;
        if !local.is_empty() && self.under_way(true) < local_calls {
            return Some((0, local.len() - 1));
        }
        let under_way = self.under_way(false);
        let busy = |index: usize| self.calls.iter().any(|call| call.server == self.mounts[index].server);
        let admitted = |&index: &usize| under_way < HELD - RESERVED || (under_way < HELD && !busy(index));
        others.iter().rposition(admitted).map(|place| (1, place))
    }

    fn may_take(&self, local_calls: usize) -> bool {
        self.next(local_calls).is_some()
    }

    fn has_more_to_come(&self, local_calls: usize) -> bool {
        self.calls.iter().any(|call| !call.stuck) || self.may_take(local_calls)
    }

    /// Begins the next call: its number, the mount's index and path.
    fn take(&mut self, local_calls: usize) -> Option<(u64, usize, Arc<CString>)> {
        loop {
            let (queue, place) = self.next(local_calls)?;
            let index = self.queues[queue].remove(place);
            let mount = &self.mounts[index];
            if self.calls.iter().any(|call| call.path == mount.path) {
                continue; // another mount at the same place, and this one shows the same file system
            }
            let (path, server, local) = (Arc::clone(&mount.path), Arc::clone(&mount.server), mount.local);
            self.last_call += 1;
            let number = self.last_call;
            self.calls.push(Call { number, path: Arc::clone(&path), server, local, stuck: false });
            return Some((number, index, path));
        }
    }

    fn finish(&mut self, number: u64, index: usize, result: Result<Usage, Errno>) {
        let Some(at) = self.calls.iter().position(|call| call.number == number) else {
            return;
        };
        if !self.calls.swap_remove(at).stuck {
            self.answers[index] = result.into();
            self.answered += 1;
        }
    }
}

impl Shared {
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn work_until_closed(&self) {
        let mut state = self.lock();
        while !state.closing {
            if let Some((number, index, path)) = state.take(self.local_calls) {
                drop(state);
                let result = (self.statfs)(&path);
                state = self.lock();
                state.finish(number, index, result);
                continue;
            }
            if !state.has_more_to_come(self.local_calls) {
                self.done.notify_one();
            }
            if state.idle >= self.local_calls {
                break; // was needed while calls were stuck
            }
            state.idle += 1;
            state = self.work.wait(state).unwrap_or_else(PoisonError::into_inner);
            state.idle -= 1;
        }
        state.threads -= 1;
    }
}

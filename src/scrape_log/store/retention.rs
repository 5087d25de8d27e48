//! Which files have to go: those that are too old, the oldest when there are too many bytes, and the oldest when the
//! filesystem has too little room.

use std::io;
use std::time::{Duration, Instant};

use super::disk::Room;
use super::index::FileId;
use super::names::Form;
use super::stats::Counter;
use super::suspension::is_full;
use super::{Storage, remove_if_there};

/// How often files are looked at that nothing happened to.
const INTERVAL: Duration = Duration::from_secs(60);
/// A clock that leaps ahead is believed when it stays there for that long: a wrong one would remove everything.
const PROBATION: Duration = Duration::from_secs(3600);
/// What the clock may gain between two looks without having leapt.
const TOLERATED_SECONDS: u64 = 60;
/// After storing was suspended so much more than the limit has to be free, as a part of the limit.
const HYSTERESIS_DIVISOR: u64 = 20;
/// While files are removed for space that is said so often.
const REPORT_INTERVAL: Duration = Duration::from_secs(600);
/// How long removed files may take to show as free space.
const PENDING_TIME: Duration = Duration::from_secs(30);
/// How long a write that finds no room waits for them before more are removed.
const PENDING_WRITE_TIME: Duration = Duration::from_secs(5);
/// How often a write is tried again, which costs a file each time. If so many don't help, more may not either.
const MAX_ATTEMPTS: u32 = 8;
/// Freed space that is worth another try of a write, besides the record itself.
const HEADROOM_BYTES: u64 = 1 << 20;

/// What is remembered between two looks.
#[derive(Debug, Default)]
pub(super) struct Retention {
    clock: Clock,
    last_run: Option<Instant>,
    /// A file was closed since.
    asked: bool,
    last_report: Option<Instant>,
    min_free_bytes: u64,
    pending: Option<Pending>,
}

/// Bytes of removed files that the filesystem does not show as free yet: some free them later, with their next commit.
/// Without regard to that, one such commit would cost all files.
#[derive(Clone, Copy, Debug)]
struct Pending {
    bytes: u64,
    since: Instant,
}

impl Retention {
    /// Has the files looked at soon.
    pub(super) fn ask(&mut self) {
        self.asked = true;
    }

    pub(super) fn min_free_bytes(&self) -> u64 {
        self.min_free_bytes
    }
}

/// The time of day as far as it can be believed.
#[derive(Debug, Default)]
struct Clock {
    believed: Option<(u64, Instant)>,
    /// Since when the clock says something later.
    ahead_since: Option<Instant>,
}

impl Clock {
    /// The seconds since 1970 that are used for `wall_seconds`. At first nothing after `newest_seconds`, the end of
    /// the newest file, is believed.
    fn look(&mut self, wall_seconds: u64, now: Instant, newest_seconds: Option<u32>) -> u64 {
        let expected = match self.believed {
            Some((seconds, at)) => seconds + now.saturating_duration_since(at).as_secs(),
            None => newest_seconds.map_or(wall_seconds, u64::from),
        };
        let mut seconds = wall_seconds;
        if wall_seconds <= expected + TOLERATED_SECONDS {
            self.ahead_since = None;
        } else {
            let since = *self.ahead_since.get_or_insert(now);
            if now.saturating_duration_since(since) < PROBATION {
                seconds = expected;
            } else {
                self.ahead_since = None;
            }
        }
        // Whole seconds would get lost at each look.
        if self
            .believed
            .is_none_or(|(before, at)| seconds != before + now.saturating_duration_since(at).as_secs())
        {
            self.believed = Some((seconds, now));
        }
        seconds
    }
}

impl Storage {
    /// Removes what is too old or too much, if it is time to look.
    pub(super) fn run_retention(&self, wall_seconds: u64, now: Instant) {
        let newest = self.index().newest_end_seconds();
        let believed_seconds = {
            let mut retention = self.retention();
            let seconds = retention.clock.look(wall_seconds, now, newest);
            let is_due = retention.asked
                || retention.last_run.is_none_or(|at| now.saturating_duration_since(at) >= INTERVAL);
            if !is_due {
                return;
            }
            retention.asked = false;
            retention.last_run = Some(now);
            seconds
        };
        if let Some(time) = self.options.retention_time {
            let limit = believed_seconds.saturating_sub(time.as_secs());
            self.remove_while(&self.stats.removed_for_time, |id, _| {
                u64::from(id.name.end_seconds()) <= limit
            });
        }
        if let Some(max_bytes) = self.options.retention_size_bytes {
            self.remove_while(&self.stats.removed_for_size, |_, total_bytes| total_bytes > max_bytes);
        }
    }

    /// Removes the oldest files as long as `condition` holds for the oldest and all bytes.
    pub(super) fn remove_while(&self, counter: &Counter, condition: impl Fn(FileId, u64) -> bool) {
        loop {
            let oldest = {
                let index = self.index();
                let total: u64 = index.totals().iter().map(|total| total.bytes).sum();
                let total = total + self.stats.open_bytes.get();
                index.oldest_closed().filter(|&id| condition(id, total))
            };
            let Some(id) = oldest else { return };
            self.remove(id, counter);
        }
    }

    /// Looks at the free space: removes the oldest files while it is below the limit, and has nothing stored while
    /// that does not suffice.
    pub(super) fn watch_room(&self) {
        let Some(room) = self.room() else { return };
        let min_free_bytes = self.options.min_free.bytes(room);
        self.retention().min_free_bytes = min_free_bytes;
        let mut free_bytes = room.free_bytes;
        let pending_bytes = || self.pending_bytes(PENDING_TIME);
        while free_bytes.saturating_add(pending_bytes()) < min_free_bytes && self.remove_oldest_for_space() {
            free_bytes = self.room().map_or(free_bytes, |room| room.free_bytes);
        }
        if free_bytes.saturating_add(pending_bytes()) < min_free_bytes {
            self.suspension.below_min_free(free_bytes, min_free_bytes);
        } else if free_bytes >= min_free_bytes + min_free_bytes / HYSTERESIS_DIVISOR {
            self.suspension.enough_free(free_bytes);
        }
    }

    /// Writes `bytes`. When there is no room the oldest files go and the write is tried again.
    ///
    /// # Errors
    /// Those of `write`; that there is no room if that did not help.
    pub(super) fn with_room<T>(&self, bytes: u64, mut write: impl FnMut() -> io::Result<T>) -> io::Result<T> {
        let mut attempt = 0;
        loop {
            match write() {
                Err(error) if is_full(&error) => {
                    if attempt >= MAX_ATTEMPTS || !self.make_room(bytes, attempt) {
                        self.suspension.write_failed(&error);
                        return Err(error);
                    }
                    attempt += 1;
                }
                done => return done,
            }
        }
    }

    /// Makes room for the next try of a write that can't be tried again at once.
    pub(super) fn note_full(&self, error: &io::Error, bytes: u64) {
        if is_full(error) && !self.make_room(bytes, 1) {
            self.suspension.write_failed(error);
        }
    }

    /// After a write failed for lack of room: removes the oldest file if no other thread has made room since, and
    /// says whether the write is worth another `attempt`.
    pub(super) fn make_room(&self, needed_bytes: u64, attempt: u32) -> bool {
        if self.is_taken_over() {
            return false;
        }
        let enough_bytes = needed_bytes.saturating_add(HEADROOM_BYTES);
        // A quota and a lack of inodes don't show in the free bytes, so these count for the first attempt only.
        if attempt == 0 && self.room().is_some_and(|room| room.free_bytes > enough_bytes) {
            return true;
        }
        self.pending_bytes(PENDING_WRITE_TIME) <= enough_bytes && self.remove_oldest_for_space()
    }

    /// What was removed at most so long ago and does not show as free space.
    fn pending_bytes(&self, time: Duration) -> u64 {
        self.retention()
            .pending
            .filter(|pending| pending.since.elapsed() < time)
            .map_or(0, |pending| pending.bytes)
    }

    fn remove_oldest_for_space(&self) -> bool {
        let Some(id) = self.index().oldest_closed() else { return false };
        let now = Instant::now();
        {
            let mut retention = self.retention();
            if retention.last_report.is_none_or(|at| now.duration_since(at) >= REPORT_INTERVAL) {
                retention.last_report = Some(now);
                tracing::warn!(
                    path = %self.options.path.display(),
                    remedy = "free space on this filesystem, or lower --storage.retention.size or --storage.min-free",
                    "the filesystem is nearly full: the oldest files are removed"
                );
            }
        }
        let free_before = self.stats.free_bytes.get();
        let removed_bytes = self.remove(id, &self.stats.removed_for_space);
        let freed_bytes = self.room().map_or(0, |room| room.free_bytes.saturating_sub(free_before));
        let mut retention = self.retention();
        if freed_bytes >= removed_bytes / 2 {
            retention.pending = None;
        } else {
            let before = retention.pending.filter(|pending| pending.since.elapsed() < PENDING_TIME);
            let bytes = before.map_or(0, |pending| pending.bytes) + removed_bytes;
            retention.pending = Some(Pending { bytes, since: now });
        }
        true
    }

    fn room(&self) -> Option<Room> {
        match self.disk.room(&self.options.path) {
            Ok(room) => {
                self.stats.free_bytes.set(room.free_bytes);
                Some(room)
            }
            Err(error) => {
                tracing::debug!(%error, "can't tell how much space is free");
                None
            }
        }
    }

    /// Removes a closed file, and its directory if that was the last and the target is gone. Says how many bytes that
    /// gives.
    fn remove(&self, id: FileId, counter: &Counter) -> u64 {
        let directory = self.directory(id.directory);
        // Struck out first: whoever compresses it sees that, and does not bring it back.
        let Some(bytes) = self.index().remove_closed(id) else { return 0 };
        let mut outcome: io::Result<()> = Ok(());
        for form in [Form::Plain, Form::Compressed, Form::Unfinished] {
            outcome = outcome.and(remove_if_there(self.disk.as_ref(), &directory, &id.name.text(form)));
        }
        let path = directory.join(id.name.text(Form::Plain));
        match &outcome {
            Ok(()) => {
                counter.add(1);
                tracing::debug!(path = %path.display(), "removed an old file");
            }
            Err(error) => tracing::warn!(path = %path.display(), %error, "can't remove an old file"),
        }
        if self.index().is_deserted(id.directory)
            && let Err(error) = self.disk.remove_directory(&directory)
        {
            tracing::debug!(path = %directory.display(), %error, "a directory without samples stays");
        }
        if outcome.is_ok() { bytes } else { 0 }
    }
}

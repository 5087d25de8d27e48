//! Did the machine's last run end with a shutdown, or did the machine just go? Nothing in a booted system tells, so the
//! exporter keeps a note of it in `--state.directory`:
//!
//! ```json
//! {"boot_id": "9f1b…", "state": "running", "alive_milliseconds": 1795262400000, "unclean_shutdowns": 2,
//!  "last": {"clean": false, "alive_milliseconds": 1795175980000}}
//! ```
//!
//! It is written each minute, and when the exporter is stopped. Another boot id at a start means that the machine was
//! booted: a note that still says `running` is of a run without an end. The same boot id is a restart of the exporter alone,
//! which says nothing. Neither does an exporter that was stopped while the machine went on, as systemd tells over D-Bus.
//!
//! Where it is wrong, because nobody can know:
//! - An exporter that crashed, and was not started again before an orderly shutdown, leaves a run without an end.
//! - So does a directory that could not be written to since before the shutdown, as on a disk that has turned read-only.
//!   On a full disk the note is written in place.
//! - A machine that hangs after the exporter was stopped, on its way down, counts as shut down.
//! - Where there is no systemd to ask, as in most containers, an exporter that is stopped alone counts as stopped with the
//!   machine, until it runs again.

use std::fs::{self, File, TryLockError};
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use serde::{Deserialize, Serialize};
use tokio::task::spawn_blocking;
use tokio::time::{MissedTickBehavior, interval, timeout};

use crate::collectors::LastShutdown;
use crate::host::dbus::{Bus, Call, Value, system_bus_address};

/// How often the note is written.
const HEARTBEAT: Duration = Duration::from_secs(60);
/// How long systemd is asked, and how long the last note may take, while the system waits for the exporter to end.
const PATIENCE: Duration = Duration::from_millis(500);
/// The note's name in its directory.
const FILE: &str = "last-run.json";

/// The note.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
struct Note {
    boot_id: String,
    state: State,
    alive_milliseconds: i64,
    unclean_shutdowns: u64,
    last: Option<Run>,
}

/// What the exporter was last seen doing.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
enum State {
    /// It runs.
    Running,
    /// It was stopped together with the machine, for all that is known.
    Stopped,
    /// It was stopped, and the machine went on.
    StoppedAlone,
}

/// A run of the machine that is over.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
struct Run {
    /// `None` if nobody was there at its end.
    clean: Option<bool>,
    alive_milliseconds: i64,
}

/// Keeps the note.
#[derive(Debug)]
pub(super) struct Shutdowns {
    path: PathBuf,
    /// Held while the file is being written.
    note: Arc<Mutex<Note>>,
    /// Tells others that the directory is taken.
    _lock: Option<File>,
}

impl Shutdowns {
    /// Reads the note in `directory` and goes on with it in this run of the machine, which `boot_id` names. `None` if
    /// another exporter does so already. A disk that is full or broken is no reason not to measure it.
    ///
    /// # Errors
    /// A sentence on why the directory can't be the right one.
    pub(super) fn open(directory: &Path, boot_id: &str) -> Result<Option<Self>, String> {
        let path = directory.join(FILE);
        let lock = File::open(directory).map_err(|error| problem("open", directory, &error))?;
        let lock = match lock.try_lock() {
            Ok(()) => Some(lock),
            Err(TryLockError::WouldBlock) => {
                tracing::warn!(
                    directory = %directory.display(),
                    "another exporter keeps its note of shutdowns there, so this one keeps none: give it a --state.directory of its own"
                );
                return Ok(None);
            }
            // Some network filesystems have no locks.
            Err(TryLockError::Error(_)) => None,
        };
        let earlier = match fs::read(&path) {
            Ok(text) => serde_json::from_slice::<Note>(&text)
                .inspect_err(|error| {
                    let file = path.display();
                    tracing::warn!(%file, %error, "can't be understood, so how the last shutdown went is not known");
                })
                .ok(),
            Err(error) if error.kind() == io::ErrorKind::NotFound => None,
            Err(error) if is_mistake(&error) => return Err(problem("read", &path, &error)),
            Err(error) => {
                tracing::warn!("{}", problem("read", &path, &error));
                None
            }
        };
        let note = next(earlier, boot_id, now_milliseconds());
        match write(&path, &note) {
            Err(error) if is_mistake(&error) => return Err(problem("write", &path, &error)),
            // The first of the beats tries again, and tells.
            Ok(()) | Err(_) => {}
        }
        Ok(Some(Self { path, note: Arc::new(Mutex::new(note)), _lock: lock }))
    }

    /// What the page says.
    pub(super) fn last(&self) -> LastShutdown {
        let note = self.note.lock().unwrap_or_else(PoisonError::into_inner);
        LastShutdown {
            clean: note.last.and_then(|run| run.clean),
            alive_seconds: note.last.map(|run| run.alive_milliseconds as f64 / 1000.0),
            unclean_total: note.unclean_shutdowns,
        }
    }

    /// Writes the note each minute, for ever. A disk that hangs holds up nothing else.
    pub(super) async fn keep(&self) {
        let mut beats = interval(HEARTBEAT);
        beats.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let mut is_well = true;
        loop {
            beats.tick().await;
            let written = self.update(State::Running).await;
            if let Err(error) = &written
                && is_well
            {
                tracing::warn!("{}", problem("write", &self.path, error));
            }
            is_well = written.is_ok();
        }
    }

    /// Writes that the exporter was stopped. Takes a second at most.
    pub(super) async fn stopped(&self) {
        let alone = timeout(PATIENCE, spawn_blocking(system_goes_on)).await;
        let state = if let Ok(Ok(true)) = alone { State::StoppedAlone } else { State::Stopped };
        match timeout(PATIENCE, self.update(state)).await {
            Ok(Ok(())) => {}
            Ok(Err(error)) => tracing::warn!("{}", problem("write", &self.path, &error)),
            Err(_) => tracing::warn!(file = %self.path.display(), "can't be written in time"),
        }
    }

    async fn update(&self, state: State) -> io::Result<()> {
        let (path, note) = (self.path.clone(), Arc::clone(&self.note));
        let write = move || {
            let mut note = note.lock().unwrap_or_else(PoisonError::into_inner);
            // A beat that was held up by the disk comes too late.
            if note.state != State::Running && state == State::Running {
                return Ok(());
            }
            (note.state, note.alive_milliseconds) = (state, now_milliseconds());
            write(&path, &note)
        };
        spawn_blocking(write).await.unwrap_or_else(|error| Err(io::Error::other(error)))
    }
}

/// The note of a run of the machine, from the one before it or from the same run.
fn next(earlier: Option<Note>, boot_id: &str, now: i64) -> Note {
    let (unclean_shutdowns, last) = match earlier {
        None => (0, None),
        Some(note) if note.boot_id == boot_id => (note.unclean_shutdowns, note.last),
        Some(note) => {
            let clean = match note.state {
                State::Running => Some(false),
                State::Stopped => Some(true),
                State::StoppedAlone => None,
            };
            let unclean = note.unclean_shutdowns + u64::from(clean == Some(false));
            (unclean, Some(Run { clean, alive_milliseconds: note.alive_milliseconds }))
        }
    };
    Note {
        boot_id: boot_id.to_owned(),
        state: State::Running,
        alive_milliseconds: now,
        unclean_shutdowns,
        last,
    }
}

fn write(path: &Path, note: &Note) -> io::Result<()> {
    let mut text = serde_json::to_vec(note)?;
    text.push(b'\n');
    match replace(path, &text) {
        // The old note has its block already. A shutdown must not look like a power cut because a disk is full.
        Err(error) if is_full(&error) => overwrite(path, &text).map_err(|_| error),
        written => written,
    }
}

/// Replaces the file as a whole, so that a power cut leaves the one or the other.
fn replace(path: &Path, text: &[u8]) -> io::Result<()> {
    let directory = path.parent().unwrap_or(Path::new("."));
    let fresh = path.with_extension("json.new");
    let mut file = File::create(&fresh)?;
    file.write_all(text)?;
    file.sync_all()?;
    fs::rename(&fresh, path)?;
    File::open(directory)?.sync_all()
}

/// Takes no more room than there is already, for as long as the text stays within a block.
fn overwrite(path: &Path, text: &[u8]) -> io::Result<()> {
    let mut file = File::options().write(true).open(path)?;
    file.write_all(text)?;
    file.set_len(text.len() as u64)?;
    file.sync_all()
}

fn is_full(error: &io::Error) -> bool {
    matches!(error.kind(), io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded)
}

/// Whether the directory is the wrong one, rather than its disk in trouble.
fn is_mistake(error: &io::Error) -> bool {
    use io::ErrorKind as Kind;
    matches!(error.kind(), Kind::NotFound | Kind::PermissionDenied | Kind::NotADirectory | Kind::IsADirectory)
}

fn problem(what: &str, path: &Path, error: &io::Error) -> String {
    let remedy = if is_full(error) {
        "free space on this filesystem"
    } else if is_mistake(error) || error.kind() == io::ErrorKind::ReadOnlyFilesystem {
        "give --state.directory a directory that this user can write to"
    } else {
        "see the kernel's log for what is wrong with this filesystem"
    };
    format!("can't {what} {}: {error}: {remedy}", path.display())
}

/// Whether systemd says that it is not shutting the machine down. False too where there is no systemd to ask.
fn system_goes_on() -> bool {
    const NAME: &str = "org.freedesktop.systemd1";
    let state = || -> Result<bool, crate::host::dbus::BusError> {
        let mut bus = Bus::open(&system_bus_address(), Instant::now() + PATIENCE)?;
        let manager = "org.freedesktop.systemd1.Manager";
        let answer = bus.call(Call::property(NAME, b"/org/freedesktop/systemd1", manager, "SystemState"))?;
        Ok(matches!(answer.body().property(), Ok(Value::Text(state)) if state != b"stopping"))
    };
    state().unwrap_or(false)
}

fn now_milliseconds() -> i64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    i64::try_from(since.as_millis()).unwrap_or(i64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn note(boot_id: &str, state: State) -> Note {
        Note {
            boot_id: boot_id.to_owned(),
            state,
            alive_milliseconds: 5_000,
            unclean_shutdowns: 3,
            last: Some(Run { clean: Some(true), alive_milliseconds: 1 }),
        }
    }

    #[test]
    fn a_run_without_an_end_was_not_clean() {
        for (state, clean, total) in [
            (State::Running, Some(false), 4),
            (State::Stopped, Some(true), 3),
            (State::StoppedAlone, None, 3),
        ] {
            let next = next(Some(note("a", state)), "b", 9_000);
            assert_eq!(next.last, Some(Run { clean, alive_milliseconds: 5_000 }), "{state:?}");
            assert_eq!((next.unclean_shutdowns, next.state), (total, State::Running));
            assert_eq!((next.boot_id.as_str(), next.alive_milliseconds), ("b", 9_000));
        }
    }

    #[test]
    fn a_restart_of_the_exporter_says_nothing() {
        for state in [State::Running, State::Stopped, State::StoppedAlone] {
            let earlier = note("a", state);
            let next = next(Some(earlier.clone()), "a", 9_000);
            assert_eq!((next.last, next.unclean_shutdowns), (earlier.last, 3));
        }
        assert_eq!(next(None, "a", 9_000).last, None, "the first start");
    }

    #[test]
    fn the_note_outlives_the_program() {
        let directory = tempfile::tempdir().unwrap();
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        let open = |boot| Shutdowns::open(directory.path(), boot).unwrap().unwrap();
        assert_eq!(open("a").last(), LastShutdown { clean: None, alive_seconds: None, unclean_total: 0 });
        let second = open("b");
        let last = second.last();
        assert_eq!((last.clean, last.unclean_total), (Some(false), 1));
        assert!(last.alive_seconds.unwrap() > 1.7e9);
        runtime.block_on(second.update(State::Stopped)).unwrap();
        runtime.block_on(second.update(State::Running)).unwrap();
        drop(second);
        for _ in 0..2 {
            let third = open("c").last();
            assert_eq!((third.clean, third.unclean_total), (Some(true), 1));
        }
        assert_eq!(fs::read_dir(directory.path()).unwrap().count(), 1, "nothing else stays behind");
    }

    #[test]
    fn a_broken_note_is_no_reason_not_to_start() {
        let directory = tempfile::tempdir().unwrap();
        fs::write(directory.path().join(FILE), "{\"boot_id\": 7").unwrap();
        assert_eq!(Shutdowns::open(directory.path(), "a").unwrap().unwrap().last().clean, None);
        let error = Shutdowns::open(&directory.path().join("absent"), "a").unwrap_err();
        assert!(error.contains("absent: ") && error.contains("--state.directory"), "{error}");
    }

    #[test]
    fn a_full_disk_is_neither_a_power_cut_nor_a_reason_not_to_start() {
        let directory = tempfile::tempdir().unwrap();
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        let open = |boot| Shutdowns::open(directory.path(), boot).unwrap().unwrap();
        drop(open("first"));
        // Whatever is written to this device, there is no room for it.
        let fresh = directory.path().join("last-run.json.new");
        std::os::unix::fs::symlink("/dev/full", &fresh).unwrap();
        let second = open("second");
        assert_eq!(second.last().unclean_total, 1);
        runtime.block_on(second.update(State::Stopped)).unwrap();
        drop(second);
        let third = open("third").last();
        assert_eq!((third.clean, third.unclean_total), (Some(true), 1));

        fs::remove_file(directory.path().join(FILE)).unwrap();
        let without_note = open("fourth");
        assert_eq!(without_note.last().clean, None);
        let error = runtime.block_on(without_note.update(State::Running)).unwrap_err();
        assert!(problem("write", directory.path(), &error).ends_with("free space on this filesystem"));
        fs::remove_file(fresh).unwrap();
        runtime.block_on(without_note.update(State::Running)).unwrap();
        assert!(directory.path().join(FILE).is_file());
    }

    #[test]
    fn two_exporters_do_not_spoil_one_note() {
        let directory = tempfile::tempdir().unwrap();
        let open = || Shutdowns::open(directory.path(), "a").unwrap();
        let first = open();
        assert!(first.is_some() && open().is_none());
        drop(first);
        assert!(open().is_some());
    }
}

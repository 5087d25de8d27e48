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

use std::fs::{self, File};
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
}

impl Shutdowns {
    /// Reads the note in `directory` and goes on with it in this run of the machine, which `boot_id` names.
    ///
    /// # Errors
    /// A sentence on why the directory can't be used.
    pub(super) fn open(directory: &Path, boot_id: &str) -> Result<Self, String> {
        let path = directory.join(FILE);
        let earlier = match fs::read(&path) {
            Ok(text) => serde_json::from_slice::<Note>(&text)
                .inspect_err(|error| {
                    let file = path.display();
                    tracing::warn!(%file, %error, "can't be understood, so how the last shutdown went is not known");
                })
                .ok(),
            Err(error) if error.kind() == io::ErrorKind::NotFound => None,
            Err(error) => return Err(problem("read", &path, &error)),
        };
        let note = next(earlier, boot_id, now_milliseconds());
        write(&path, &note).map_err(|error| problem("write", &path, &error))?;
        Ok(Self { path, note: Arc::new(Mutex::new(note)) })
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

/// Replaces the file as a whole, so that a power cut leaves the one or the other.
fn write(path: &Path, note: &Note) -> io::Result<()> {
    let directory = path.parent().unwrap_or(Path::new("."));
    let fresh = path.with_extension("json.new");
    let mut text = serde_json::to_vec(note)?;
    text.push(b'\n');
    let mut file = File::create(&fresh)?;
    file.write_all(&text)?;
    file.sync_all()?;
    fs::rename(&fresh, path)?;
    File::open(directory)?.sync_all()
}

fn problem(what: &str, path: &Path, error: &io::Error) -> String {
    format!(
        "can't {what} {}: {error}: give --state.directory a directory that this user can write to",
        path.display()
    )
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
        let open = |boot| Shutdowns::open(directory.path(), boot).unwrap();
        assert_eq!(open("a").last(), LastShutdown { clean: None, alive_seconds: None, unclean_total: 0 });
        let second = open("b");
        let last = second.last();
        assert_eq!((last.clean, last.unclean_total), (Some(false), 1));
        assert!(last.alive_seconds.unwrap() > 1.7e9);
        runtime.block_on(second.update(State::Stopped)).unwrap();
        assert_eq!((open("c").last().clean, open("c").last().unclean_total), (Some(true), 1));
        assert_eq!(fs::read_dir(directory.path()).unwrap().count(), 1, "nothing else stays behind");
    }

    #[test]
    fn a_broken_note_is_no_reason_not_to_start() {
        let directory = tempfile::tempdir().unwrap();
        fs::write(directory.path().join(FILE), "{\"boot_id\": 7").unwrap();
        assert_eq!(Shutdowns::open(directory.path(), "a").unwrap().last().clean, None);
        let error = Shutdowns::open(&directory.path().join("absent"), "a").unwrap_err();
        assert!(error.contains("absent/last-run.json") && error.contains("--state.directory"), "{error}");
    }
}

//! The present: the newest scrapes of all targets, as they are written.

use std::collections::HashSet;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::SystemTime;

use super::cache::Moment;
use crate::scrape_log::files::{Follower, Storage, Target};
use crate::scrape_log::replay::Player;

/// Something new of a target.
#[derive(Debug)]
pub(super) enum Event {
    /// It is there.
    Target { key: String },
    /// It has been scraped.
    Scrape { key: String, at: i64, moment: Box<Moment> },
    /// It can't be read. `None` when it can again.
    Trouble(Option<String>),
}

/// Follows all targets below a path.
pub(super) struct Live {
    path: PathBuf,
    start: i64,
    /// When the path changed last, at the last listing.
    listed: Option<SystemTime>,
    known: HashSet<String>,
    followed: Vec<Followed>,
    has_scrapes: AtomicBool,
    trouble: Option<String>,
}

struct Followed {
    key: String,
    follower: Follower,
    player: Player,
    first: Option<i64>,
}

impl Live {
    /// Follows from `start` on.
    pub(super) fn new(path: &Path, start: i64) -> Self {
        Self {
            path: path.to_owned(),
            start,
            listed: None,
            known: HashSet::new(),
            followed: Vec::new(),
            has_scrapes: AtomicBool::new(false),
            trouble: None,
        }
    }

    /// Takes in what was written since the last time.
    pub(super) fn poll(&mut self, tell: &(dyn Fn(Event) + Sync)) {
        let mut trouble = self.list(tell).err().map(|error| format!("{}: {error}", self.path.display()));
        let tell = |event: Event| {
            if matches!(event, Event::Scrape { .. }) {
                self.has_scrapes.store(true, Ordering::Relaxed);
            }
            tell(event);
        };
        // Many new targets have much to tell, others little.
        let threads = thread::available_parallelism().map_or(1, usize::from);
        let share = self.followed.len().div_ceil(threads).max(1);
        let troubles: Vec<String> = thread::scope(|scope| {
            let parts = self.followed.chunks_mut(share);
            let running: Vec<_> = parts.map(|part| scope.spawn(|| poll(part, &tell))).collect();
            running.into_iter().filter_map(|thread| thread.join().ok().flatten()).collect()
        });
        trouble = trouble.or_else(|| troubles.into_iter().next());
        if trouble != self.trouble {
            tell(Event::Trouble(trouble.clone()));
            self.trouble = trouble;
        }
    }

    /// Whether there was anything yet.
    pub(super) fn has_scrapes(&self) -> bool {
        self.has_scrapes.load(Ordering::Relaxed)
    }

    /// The targets that are there.
    pub(super) fn targets(&self) -> io::Result<Vec<Target>> {
        Ok(Storage::open(&self.path)?.targets)
    }

    fn list(&mut self, tell: &(dyn Fn(Event) + Sync)) -> io::Result<()> {
        let changed = fs::metadata(&self.path)?.modified()?;
        if self.listed == Some(changed) {
            return Ok(());
        }
        for target in self.targets()? {
            if !self.known.insert(target.name.clone()) {
                continue;
            }
            let key = target.name.clone();
            tell(Event::Target { key: key.clone() });
            let follower = Follower::new(target, self.start);
            self.followed.push(Followed { key, follower, player: Player::default(), first: None });
        }
        // A change in the same tick of the filesystem's clock would look like this one.
        let settled = changed.elapsed().is_ok_and(|age| age.as_secs() >= 2);
        self.listed = settled.then_some(changed);
        Ok(())
    }
}

/// Takes in what was written of some targets, and gives what went wrong.
fn poll(targets: &mut [Followed], tell: &(dyn Fn(Event) + Sync)) -> Option<String> {
    let mut trouble = None;
    for Followed { key, follower, player, first } in targets {
        loop {
            match follower.advance() {
                Ok(None) => break,
                Ok(Some(at)) => {
                    let Some(scrape) = follower.scrape() else { break };
                    player.play(at, scrape);
                    let known_from = *first.get_or_insert(at);
                    let host = super::host(player.target(), player.watch(), key);
                    let moment = Box::new(Moment { host, known_from });
                    tell(Event::Scrape { key: key.clone(), at, moment });
                }
                // A directory may be gone because retention emptied it.
                Err(error) if error.kind() == io::ErrorKind::NotFound => break,
                Err(error) => {
                    trouble = Some(format!("{key}: {error}"));
                    break;
                }
            }
        }
    }
    trouble
}

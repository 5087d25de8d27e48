//! The hosts by the recorded files. A thread reads; what it has read is kept for a while, so that steps are quick.

mod cache;
mod live;
mod past;
#[cfg(test)]
mod tests;

use std::io;
use std::path::{Path, PathBuf};
use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender, TryRecvError, channel};
use std::thread;
use std::time::Duration;

use super::picture::{News, Picture, Source, Step, When, now_milliseconds};
use crate::scrape_log::files::{Storage, TimeRange};
use crate::scrape_log::replay::Identity;
use crate::vitals::Watch;
use crate::vitals::status::Host;
use cache::{CHUNK, Cache, Moments};
use live::{Event, Live};

/// There is nothing to show.
#[derive(Debug, thiserror::Error)]
pub(in crate::scrape_log) enum Failure {
    #[error("can't list {}: {error}: give the --storage.path of a recorder", path.display())]
    List { path: PathBuf, error: io::Error },
    #[error("{} is not a directory: give the --storage.path of a recorder", .0.display())]
    NoDirectory(PathBuf),
}

/// Shows what is in a storage path, and what comes.
pub(in crate::scrape_log) struct Recorded {
    name: String,
    cache: Cache,
    requests: Sender<Request>,
    told: Receiver<Told>,
    is_ready: bool,
    /// What is being read, if anything.
    asked: Option<TimeRange>,
    /// The newest scrape of a recording that nobody writes on.
    ended: Option<i64>,
    live_trouble: Option<String>,
    past_trouble: Option<String>,
    shown: Option<i64>,
    /// How far its clock is behind that of the system, in milliseconds; tests look at recordings of long ago.
    late_by: i64,
}

/// What the thread is asked for.
enum Request {
    Read(TimeRange),
    /// So many scrapes before (below zero) or after a time.
    Step {
        key: String,
        time: i64,
        steps: i32,
    },
}

/// What the thread tells.
enum Told {
    Live(Event),
    /// All is known that was there, and the newest scrape if none is of the present.
    Ready {
        ended: Option<i64>,
    },
    Past(TimeRange, io::Result<Vec<(String, Moments)>>),
    Stepped(io::Result<Option<i64>>),
}

impl Recorded {
    /// Begins to read, and looks for more at each `interval`.
    pub(in crate::scrape_log) fn open(path: &Path, interval: Duration) -> Result<Self, Failure> {
        Self::open_at(path, interval, now_milliseconds())
    }

    fn open_at(path: &Path, interval: Duration, now: i64) -> Result<Self, Failure> {
        if path.is_file() {
            return Err(Failure::NoDirectory(path.to_owned()));
        }
        Storage::open(path).map_err(|error| Failure::List { path: path.to_owned(), error })?;
        let start = cache::chunk(now.saturating_sub(CHUNK));
        let (requests, asked) = channel();
        let (tell, told) = channel();
        let live = Live::new(path, start);
        thread::spawn(move || work(live, interval, &asked, &tell));
        Ok(Self {
            name: path.display().to_string(),
            cache: Cache::new(start),
            requests,
            told,
            is_ready: false,
            asked: None,
            ended: None,
            live_trouble: None,
            past_trouble: None,
            shown: None,
            late_by: now_milliseconds().saturating_sub(now),
        })
    }

    fn now(&self) -> i64 {
        now_milliseconds().saturating_sub(self.late_by)
    }

    fn take(&mut self, told: Told, news: &mut News) {
        match told {
            Told::Live(Event::Target { key }) => self.cache.add_target(key),
            Told::Live(Event::Scrape { key, at, moment }) => {
                self.ended = None;
                self.cache.add_live(&key, at, *moment);
            }
            Told::Live(Event::Trouble(trouble)) => self.live_trouble = trouble,
            Told::Ready { ended } => {
                self.is_ready = true;
                self.ended = ended;
            }
            Told::Past(range, read) => {
                self.asked = None;
                self.past_trouble = read.as_ref().err().map(ToString::to_string);
                // What can't be read now is not asked for again and again.
                self.cache.add_past(range, read.unwrap_or_default());
            }
            Told::Stepped(Ok(time)) => {
                news.stepped = Some(time.map_or(Step::End, |time| Step::To(When::At(time))));
            }
            Told::Stepped(Err(error)) => {
                self.past_trouble = Some(error.to_string());
                news.stepped = Some(Step::End);
            }
        }
    }

    /// Has the thread read what is missing for a moment. True if the moment itself can't be shown before that.
    fn ask_for(&mut self, time: i64) -> bool {
        let Some(range) = self.cache.missing(time) else { return false };
        if self.asked.is_none() && self.is_ready && self.requests.send(Request::Read(range)).is_ok() {
            self.asked = Some(range);
        }
        !self.cache.is_loaded(time)
    }
}

impl Source for Recorded {
    fn name(&self) -> &str {
        &self.name
    }

    fn has_past(&self) -> bool {
        true
    }

    fn news(&mut self) -> News {
        let mut news = News::default();
        loop {
            match self.told.try_recv() {
                Ok(told) => self.take(told, &mut news),
                Err(TryRecvError::Empty) => break,
                // Only a mistake in it ends the thread.
                Err(TryRecvError::Disconnected) => {
                    self.live_trouble = Some("nothing is read any more, please report this".to_owned());
                    self.is_ready = true;
                    break;
                }
            }
            news.changed = true;
        }
        if news.changed {
            self.cache.trim(self.now(), self.shown);
        }
        news
    }

    fn picture(&mut self, when: When, chosen: Option<&str>) -> Picture {
        let when = match (when, self.ended) {
            (When::Live, Some(ended)) => When::At(ended),
            (when, _) => when,
        };
        let (time, mut rows, is_loading) = match when {
            When::Live => {
                self.shown = None;
                (self.now(), self.cache.present(), !self.is_ready)
            }
            When::At(time) => {
                self.shown = Some(time);
                let is_loading = self.ask_for(time) || !self.is_ready;
                (time, self.cache.at(time), is_loading)
            }
        };
        for row in rows.iter_mut().filter(|row| Some(row.key.as_str()) == chosen) {
            row.host.recent = Some(self.cache.recent(&row.key, time));
        }
        Picture {
            time,
            is_live: when == When::Live,
            absent: self.cache.targets().saturating_sub(rows.len()),
            rows,
            is_loading,
            trouble: self.live_trouble.clone().or_else(|| self.past_trouble.clone()),
            is_end: self.ended.is_some_and(|ended| when == When::At(ended)),
        }
    }

    fn step(&mut self, key: &str, when: When, steps: i32) -> Step {
        let time = match (when, self.ended) {
            (When::At(time), _) | (When::Live, Some(time)) => time,
            (When::Live, None) if steps > 0 => return Step::End,
            (When::Live, None) => match self.cache.scrape_at(key, i64::MAX) {
                Some(time) => time,
                None => return Step::End,
            },
        };
        // Between two scrapes the earlier one is shown.
        let from = if steps < 0 { self.cache.scrape_at(key, time).unwrap_or(time) } else { time };
        if let Some(there) = self.cache.step(key, from, steps) {
            return Step::To(When::At(there));
        }
        if steps > 0 && self.cache.is_whole(from, from.max(self.now())) {
            return match self.ended {
                None => Step::To(When::Live),
                Some(ended) if from < ended => Step::To(When::At(ended)),
                Some(_) => Step::End,
            };
        }
        let request = Request::Step { key: key.to_owned(), time: from, steps };
        if self.requests.send(request).is_ok() { Step::Later } else { Step::End }
    }
}

/// The thread: follows the files and answers.
fn work(mut live: Live, interval: Duration, requests: &Receiver<Request>, tell: &Sender<Told>) {
    // Nobody listens any more when the program ends.
    let say = |told| tell.send(told).is_ok();
    live.poll(&|event| {
        say(Told::Live(event));
    });
    let ended = if live.has_scrapes() {
        None
    } else {
        live.targets().and_then(|targets| past::newest(&targets)).ok().flatten()
    };
    if !say(Told::Ready { ended }) {
        return;
    }
    loop {
        let request = match requests.recv_timeout(interval) {
            Ok(request) => Some(request),
            Err(RecvTimeoutError::Timeout) => None,
            Err(RecvTimeoutError::Disconnected) => return,
        };
        match request {
            Some(Request::Read(range)) => {
                let read = live.targets().and_then(|targets| past::read(&targets, range));
                say(Told::Past(range, read));
            }
            Some(Request::Step { key, time, steps }) => {
                let found = live.targets().and_then(|targets| {
                    let target = targets.into_iter().find(|target| target.name == key);
                    target.map_or(Ok(None), |target| past::step(&target, time, steps))
                });
                say(Told::Stepped(found));
            }
            None => {}
        }
        live.poll(&|event| {
            say(Told::Live(event));
        });
    }
}

/// The host of a target.
fn host(target: &Identity, watch: &Watch, directory: &str) -> Host {
    let instance = if target.instance.is_empty() { directory } else { &target.instance };
    Host::new(&target.job, instance, None, watch)
}

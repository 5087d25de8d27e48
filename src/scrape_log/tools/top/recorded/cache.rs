//! The hosts at each scrape of some stretches of time.

use std::collections::{BTreeMap, BTreeSet};

use crate::scrape_log::files::TimeRange;
use crate::scrape_log::tools::top::picture::Row;
use crate::vitals::status::{Host, Recent};

/// The past is read in pieces of this length, in milliseconds, which begin at multiples of it.
pub(super) const CHUNK: i64 = 15 * 60_000;
/// Where one is within this of a piece's border, the next one is wanted as well, in milliseconds.
const AHEAD: i64 = 5 * 60_000;
/// So many pieces of the past are kept.
const KEPT_CHUNKS: usize = 12;
/// So much of the present is kept, in pieces.
const KEPT_LIVE: i64 = 2;

/// A host after a scrape.
#[derive(Clone, Debug)]
pub(super) struct Moment {
    pub(super) host: Host,
    /// Nothing is known of what was before.
    pub(super) known_from: i64,
}

/// One target after each of its scrapes.
pub(super) type Moments = BTreeMap<i64, Moment>;

/// What is known by now. Times are milliseconds since 1970 UTC.
#[derive(Debug)]
pub(super) struct Cache {
    targets: BTreeMap<String, Moments>,
    chunks: BTreeSet<i64>,
    /// Where following began.
    followed_from: i64,
    /// From here on all is there that was followed.
    live_from: i64,
}

/// The beginning of the piece that a time is in.
pub(super) fn chunk(time: i64) -> i64 {
    time.div_euclid(CHUNK).saturating_mul(CHUNK)
}

impl Cache {
    /// What is followed from `start` on comes by [`Cache::add_live`].
    pub(super) fn new(start: i64) -> Self {
        Self { targets: BTreeMap::new(), chunks: BTreeSet::new(), followed_from: start, live_from: start }
    }

    /// A target has been found.
    pub(super) fn add_target(&mut self, key: String) {
        self.targets.entry(key).or_default();
    }

    pub(super) fn add_live(&mut self, key: &str, at: i64, moment: Moment) {
        let Some(moments) = self.targets.get_mut(key) else { return };
        // What is later than now is from before the clock was set back.
        moments.split_off(&at);
        moments.insert(at, moment);
    }

    /// Adds what was read of `range`, whole pieces.
    pub(super) fn add_past(&mut self, range: TimeRange, read: Vec<(String, Moments)>) {
        for (key, moments) in read {
            self.targets.entry(key).or_default().extend(moments);
        }
        self.chunks.extend(chunks(range));
    }

    /// What has to be read for the picture at `time` and its next neighbours, if anything.
    pub(super) fn missing(&self, time: i64) -> Option<TimeRange> {
        let first = chunk(time).saturating_sub(CHUNK);
        self.missing_in(first, chunk(time)).or_else(|| {
            let (before, behind) = (time.saturating_sub(AHEAD), time.saturating_add(AHEAD));
            self.missing_in(chunk(before).saturating_sub(CHUNK), chunk(behind))
        })
    }

    fn missing_in(&self, first: i64, last: i64) -> Option<TimeRange> {
        let is_missing = |start: &i64| !self.is_loaded(*start);
        let mut missing = chunks(TimeRange { start: first, end: last.saturating_add(1) }).filter(is_missing);
        let start = missing.next()?;
        let last = missing.last().unwrap_or(start);
        Some(TimeRange { start, end: last.saturating_add(CHUNK) })
    }

    /// Whether all is there from one time to another.
    pub(super) fn is_whole(&self, start: i64, end: i64) -> bool {
        self.missing_in(chunk(start), chunk(end)).is_none()
    }

    /// Whether the piece that a time is in is there.
    pub(super) fn is_loaded(&self, time: i64) -> bool {
        time >= self.live_from || self.chunks.contains(&chunk(time))
    }

    /// The hosts as they are. Those that were not scraped since this was started are left out.
    pub(super) fn present(&self) -> Vec<Row> {
        self.rows(|moments| moments.iter().next_back().filter(|(at, _)| **at >= self.followed_from))
    }

    /// The hosts as they were. Those that were not scraped in the quarter of an hour before are left out.
    pub(super) fn at(&self, time: i64) -> Vec<Row> {
        let first = chunk(time).saturating_sub(CHUNK);
        self.rows(|moments| moments.range(first.min(time)..=time).next_back())
    }

    fn rows<'a>(&'a self, find: impl Fn(&'a Moments) -> Option<(&'a i64, &'a Moment)>) -> Vec<Row> {
        let rows = self.targets.iter().filter_map(|(key, moments)| {
            let (at, Moment { host, known_from }) = find(moments)?;
            let interval_seconds = interval(moments, *at).or(host.interval_seconds);
            let host = Host { interval_seconds, ..host.clone() };
            Some(Row { known_from: *known_from, ..Row::new(key.clone(), host) })
        });
        rows.collect()
    }

    pub(super) fn targets(&self) -> usize {
        self.targets.len()
    }

    /// The last quarter of an hour of a target.
    pub(super) fn recent(&self, key: &str, time: i64) -> Recent {
        let moments = self.targets.get(key).into_iter();
        let moments = moments.flat_map(|moments| moments.range(time.saturating_sub(CHUNK).min(time)..=time));
        // A host that did not answer has the numbers of an earlier scrape.
        let seen = moments.filter(|(at, moment)| moment.host.seen_milliseconds == Some(**at));
        Recent::of_moments(seen.map(|(at, moment)| (*at, &moment.host.vitals)))
    }

    /// The time of a target's scrape at or before `time`.
    pub(super) fn scrape_at(&self, key: &str, time: i64) -> Option<i64> {
        self.targets.get(key)?.range(..=time).next_back().map(|(at, _)| *at)
    }

    /// The time of the `steps`th scrape before (below zero) or after `time`. `None` if it is not known.
    pub(super) fn step(&self, key: &str, time: i64, steps: i32) -> Option<i64> {
        let moments = self.targets.get(key)?;
        let index = usize::try_from(steps.unsigned_abs()).unwrap_or(usize::MAX).checked_sub(1)?;
        let found = if steps < 0 {
            moments.range(..time).nth_back(index)
        } else {
            moments.range(time.saturating_add(1)..).nth(index)
        };
        let there = *found?.0;
        self.is_whole(time.min(there), time.max(there)).then_some(there)
    }

    /// Forgets what is far from both the present and the moment that is shown.
    pub(super) fn trim(&mut self, now: i64, shown: Option<i64>) {
        let live_from = self.live_from.max(chunk(now).saturating_sub(KEPT_LIVE * CHUNK));
        let mut forgets = live_from != self.live_from;
        self.live_from = live_from;
        while self.chunks.len() > KEPT_CHUNKS {
            let shown = shown.unwrap_or(now);
            let Some(furthest) = self.chunks.iter().copied().max_by_key(|start| start.abs_diff(shown)) else {
                break;
            };
            self.chunks.remove(&furthest);
            forgets = true;
        }
        if !forgets {
            return;
        }
        let chunks = &self.chunks;
        for moments in self.targets.values_mut() {
            let newest = moments.keys().next_back().copied();
            moments.retain(|at, _| *at >= live_from || Some(*at) == newest || chunks.contains(&chunk(*at)));
        }
    }
}

/// The beginnings of the pieces that have something of a range.
fn chunks(range: TimeRange) -> impl Iterator<Item = i64> {
    let mut next = Some(chunk(range.start));
    std::iter::from_fn(move || {
        let start = next.filter(|start| *start < range.end)?;
        next = start.checked_add(CHUNK);
        Some(start)
    })
}

/// The usual time between scrapes before `at`, in seconds.
fn interval(moments: &Moments, at: i64) -> Option<f64> {
    const LOOKED_AT: usize = 6;
    let times: Vec<i64> = moments.range(..=at).rev().take(LOOKED_AT).map(|(at, _)| *at).collect();
    let mut steps: Vec<i64> =
        times.iter().zip(times.iter().skip(1)).map(|(later, earlier)| later - earlier).collect();
    steps.sort_unstable();
    steps.get(steps.len() / 2).map(|step| *step as f64 / 1000.0)
}

//! One host over time: its numbers, its problems and its last quarter of an hour.

mod checks;
mod details;
mod history;
mod memory;
mod recent;

use std::time::Duration;

use super::limits::{Limit, TARGET_DOWN};
use super::numbers::Vitals;
use super::observation::{Observation, Page};
use checks::{Checks, Finding};
pub use details::LastRun;
use memory::Memory;
pub use recent::{Point, Recent};

/// Numbers that changed over a longer time than this, in milliseconds, say little about the present.
const LONGEST_RATE: u64 = 15 * 60_000;
/// The most problems of one host that are told: the worst ones. A page can name any number of filesystems.
const MAX_PROBLEMS: usize = 256;

/// Follows one host, scrape by scrape. Times are milliseconds since 1970 UTC.
///
/// Takes a few kilobytes, and some hundred bytes for each filesystem.
#[derive(Clone, Debug, Default)]
pub struct Watch {
    before: Option<(i64, Page)>,
    host_name: Option<String>,
    vitals: Vitals,
    up: Option<bool>,
    problems: Vec<Problem>,
    known: Vec<Known>,
    memory: Memory,
    recent: Recent,
}

/// Something that is wrong with a host.
#[derive(Clone, Debug, PartialEq)]
pub struct Problem {
    /// The alert that fires for it, and from when on.
    pub limit: &'static Limit,
    /// The greater, the worse; tells when one and the same problem was worst.
    pub badness: f64,
    /// The filesystem, sensor or array; empty if it is the host.
    pub about: String,
    /// What is wrong, with the value.
    pub sentence: String,
    /// When it was seen first, in milliseconds since 1970 UTC.
    pub since_milliseconds: i64,
}

/// A problem that was there at the last page.
#[derive(Clone, Debug)]
struct Known {
    alert: &'static str,
    thing: u64,
    since: i64,
}

impl Watch {
    /// A scrape at `at_milliseconds` brought the page in `observation`, which is finished and is the same one each time.
    /// It is cleared.
    pub fn answered(&mut self, at_milliseconds: i64, observation: &mut Observation) {
        let at = at_milliseconds;
        let (last, older) = match self.before.take() {
            Some((last, page)) => (Some(last), Some(page)),
            None => (None, None),
        };
        let elapsed = last.and_then(|last| u64::try_from(at - last).ok()).unwrap_or(0);
        let Observation { page, things } = &*observation;
        let before = older.as_ref().filter(|_| elapsed <= LONGEST_RATE);
        self.vitals = Vitals::between(before, page, things, Duration::from_millis(elapsed));
        let checks = Checks::new(at, &self.vitals, (page, before), things, &mut self.memory);
        let found = worst(checks.run());
        let mut known = Vec::with_capacity(found.len());
        self.problems.clear();
        for finding in found {
            let alert = finding.limit.alert;
            let earlier =
                self.known.iter().find(|known| known.alert == alert && known.thing == finding.thing);
            let since = earlier.map_or(at, |known| known.since.min(at));
            known.push(Known { alert, thing: finding.thing, since });
            self.problems.push(Problem {
                limit: finding.limit,
                badness: finding.badness,
                about: finding.about,
                sentence: finding.sentence,
                since_milliseconds: since,
            });
        }
        // Of equally bad ones the newest is the one to look at.
        self.problems
            .sort_by_key(|problem| std::cmp::Reverse((problem.limit.severity, problem.since_milliseconds)));
        self.known = known;
        self.recent.add(at, &self.vitals);
        self.up = Some(true);
        if self.host_name.as_deref() != things.host_name() {
            self.host_name = things.host_name().map(str::to_owned);
        }
        self.before = Some((at, observation.exchange(older.unwrap_or_default())));
    }

    /// The scrape at `at_milliseconds` failed, and `why`. What the last page said stays known.
    pub fn failed(&mut self, at_milliseconds: i64, why: &str) {
        let since = match (self.up, self.problems.first()) {
            (Some(false), Some(problem)) => problem.since_milliseconds.min(at_milliseconds),
            _ => at_milliseconds,
        };
        self.up = Some(false);
        self.problems.clear();
        self.problems.push(Problem {
            limit: &TARGET_DOWN,
            badness: 0.0,
            about: String::new(),
            sentence: format!("does not answer: {why}"),
            since_milliseconds: since,
        });
    }

    /// Whether the last scrape worked; `None` before the first.
    pub fn up(&self) -> Option<bool> {
        self.up
    }

    /// The numbers of the last page.
    pub fn vitals(&self) -> &Vitals {
        &self.vitals
    }

    /// When the last page was scraped.
    pub fn seen_milliseconds(&self) -> Option<i64> {
        self.before.as_ref().map(|(at, _)| *at)
    }

    /// The host's own name, where a page has told it.
    pub fn host_name(&self) -> Option<&str> {
        self.host_name.as_deref()
    }

    /// What is wrong now, the worst first. A host that does not answer has this one problem.
    pub fn problems(&self) -> &[Problem] {
        &self.problems
    }

    /// The last quarter of an hour.
    pub fn recent(&self) -> &Recent {
        &self.recent
    }
}

/// Not more than [`MAX_PROBLEMS`].
fn worst(mut found: Vec<Finding>) -> Vec<Finding> {
    if found.len() > MAX_PROBLEMS {
        found.sort_by_key(|finding| std::cmp::Reverse(finding.limit.severity));
        found.truncate(MAX_PROBLEMS);
    }
    found
}

#[cfg(test)]
mod tests;

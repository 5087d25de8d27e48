//! Whether a target is up, its scrapes are on time and its page can be used, said in the log when it changes.

use std::sync::Arc;
use std::time::{Duration, Instant};

use super::budget::{Budget, Topic};
use super::lines::Summary;
use crate::web::client::FetchError;

/// A target about which there is something to say all the time gets one line in this time.
const PACE: Duration = Duration::from_secs(60);
const LEFT_OUT_REMEDY: &str = "mend the exporter; the rest of the page is recorded";

/// What the log has said about one target, and what is true.
#[derive(Debug)]
pub(super) struct Health {
    target: String,
    interval: Duration,
    budget: Arc<Budget>,
    /// What the log said last.
    said: State,
    /// Failed scrapes since the log said that the target is up.
    failed: u64,
    said_late: bool,
    /// Scrapes of a target that is up that were left out since the log said that they are on time.
    missed: u64,
    said_bad_lines: bool,
    said_duplicates: bool,
    pace: Pace,
}

#[derive(Debug)]
enum State {
    Unknown,
    Up,
    /// No page.
    Unreachable(FetchError),
    /// A page that is of no use.
    Unreadable(String),
    /// A scrape that was not tried, for a reason that the log has given for the whole job.
    Refused,
}

/// Why there is no page.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Failure {
    Fetch(FetchError),
    /// The scrape was not tried: the job has too many targets.
    Refused(String),
}

impl std::fmt::Display for Failure {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Fetch(error) => error.fmt(out),
            Self::Refused(reason) => out.write_str(reason),
        }
    }
}

/// The lines of a call of [`Health::note`].
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Said {
    pub(super) state: bool,
    pub(super) late: bool,
    pub(super) left_out: bool,
}

/// What of a page is left out, as far as the log has not said yet that the target has such.
#[derive(Clone, Copy, Debug)]
struct LeftOut<'a> {
    unreadable_lines: Option<usize>,
    first_unreadable_line: Option<&'a str>,
    repeated_samples: Option<usize>,
}

impl Health {
    /// Nothing is known yet of the target with this URL. All targets share `budget`.
    pub(super) fn new(target: String, interval: Duration, budget: Arc<Budget>) -> Self {
        Self {
            target,
            interval,
            budget,
            said: State::Unknown,
            failed: 0,
            said_late: false,
            missed: 0,
            said_bad_lines: false,
            said_duplicates: false,
            pace: Pace::default(),
        }
    }

    /// Goes on with another interval.
    pub(super) fn set_interval(&mut self, interval: Duration) {
        self.interval = interval;
    }

    /// Takes the result of one scrape, and how many before it were left out for lack of time.
    pub(super) fn note(
        &mut self,
        now: Instant,
        failure: Option<Failure>,
        summary: &Summary,
        missed: u64,
    ) -> Said {
        let state = match (failure, &summary.error) {
            (Some(Failure::Fetch(error)), _) => State::Unreachable(error),
            (Some(Failure::Refused(_)), _) => State::Refused,
            (None, Some(error)) => State::Unreadable(error.clone()),
            (None, None) => State::Up,
        };
        let up = matches!(state, State::Up);
        let mut said = Said::default();
        if !up {
            self.failed += 1;
        }
        if !self.said.is_like(&state) && self.pace.allows(now) {
            let topic = if up { Topic::Up } else { Topic::Down };
            // What the budget has no room for is said with that of other targets.
            if matches!(state, State::Refused) || self.budget.allows(now, topic) {
                self.say(&state, summary);
            }
            self.said = state;
            said.state = true;
            if up {
                self.left_out_is_said(summary);
            }
        }
        if up {
            if matches!(self.said, State::Up) {
                self.failed = 0;
            }
            // A target that lets scrapes run into their deadline has a line of its own about that.
            said.late = self.note_missed(now, missed);
            said.left_out = self.note_left_out(now, summary);
        }
        said
    }

    fn say(&self, state: &State, summary: &Summary) {
        let (target_url, failed_scrapes) = (self.target.as_str(), self.failed);
        match state {
            State::Unreachable(error) => {
                tracing::warn!(target_url, failed_scrapes, %error, remedy = error.remedy(), "target is down");
            }
            State::Unreadable(error) => {
                let remedy = "check that the target is the exporter's page of metrics";
                tracing::warn!(target_url, failed_scrapes, error, remedy, "target is down");
            }
            State::Refused => tracing::debug!(target_url, "target is not scraped"),
            State::Unknown | State::Up => self.say_up(summary),
        }
    }

    fn say_up(&self, summary: &Summary) {
        let target_url = self.target.as_str();
        let is_new = matches!(self.said, State::Unknown | State::Refused);
        let samples = is_new.then_some(summary.written);
        let failed_scrapes = (!is_new).then_some(self.failed);
        let what = if is_new { "target is up" } else { "target is up again" };
        match self.left_out(summary) {
            None => tracing::info!(target_url, samples, failed_scrapes, "{what}"),
            Some(LeftOut { unreadable_lines, first_unreadable_line, repeated_samples }) => tracing::warn!(
                target_url,
                samples,
                failed_scrapes,
                unreadable_lines,
                first_unreadable_line,
                repeated_samples,
                remedy = LEFT_OUT_REMEDY,
                "{what}, but part of its page is left out"
            ),
        }
    }

    fn note_missed(&mut self, now: Instant, missed: u64) -> bool {
        self.missed += missed;
        let late = missed > 0;
        if late == self.said_late || !self.pace.allows(now) {
            return false;
        }
        let (target_url, missed_scrapes) = (self.target.as_str(), self.missed);
        if !self.budget.allows(now, Topic::Other) {
            // It is counted there.
        } else if late {
            let remedy = "see whether the disk or the target is slow, or give it a longer scrape interval";
            let interval = self.interval;
            tracing::warn!(
                target_url,
                missed_scrapes,
                ?interval,
                remedy,
                "scrapes take longer than the interval"
            );
        } else {
            tracing::info!(target_url, missed_scrapes, "scrapes are on time again");
        }
        if !late {
            self.missed = 0;
        }
        self.said_late = late;
        true
    }

    fn left_out<'a>(&self, summary: &'a Summary) -> Option<LeftOut<'a>> {
        let has_unreadable = summary.bad_lines > 0 && !self.said_bad_lines;
        let has_repeated = summary.duplicates > 0 && !self.said_duplicates;
        (has_unreadable || has_repeated).then(|| LeftOut {
            unreadable_lines: has_unreadable.then_some(summary.bad_lines),
            first_unreadable_line: summary.first_bad_line.as_deref().filter(|_| has_unreadable),
            repeated_samples: has_repeated.then_some(summary.duplicates),
        })
    }

    fn left_out_is_said(&mut self, summary: &Summary) {
        self.said_bad_lines |= summary.bad_lines > 0;
        self.said_duplicates |= summary.duplicates > 0;
    }

    fn note_left_out(&mut self, now: Instant, summary: &Summary) -> bool {
        let Some(LeftOut { unreadable_lines, first_unreadable_line, repeated_samples }) =
            self.left_out(summary)
        else {
            return false;
        };
        if !self.pace.allows(now) {
            return false;
        }
        if self.budget.allows(now, Topic::Other) {
            tracing::warn!(
                target_url = self.target.as_str(),
                unreadable_lines,
                first_unreadable_line,
                repeated_samples,
                remedy = LEFT_OUT_REMEDY,
                "part of the target's page is left out"
            );
        }
        self.left_out_is_said(summary);
        true
    }
}

impl State {
    fn is_like(&self, other: &State) -> bool {
        match (self, other) {
            (State::Unknown, State::Unknown) | (State::Up, State::Up) | (State::Refused, State::Refused) => {
                true
            }
            (State::Unreachable(one), State::Unreachable(two)) => one.same_cause(two),
            (State::Unreadable(one), State::Unreadable(two)) => one == two,
            _ => false,
        }
    }
}

/// Lets two things through at once, and then one in each [`PACE`].
#[derive(Debug, Default)]
struct Pace {
    /// When all that was let through would be over, had it come one in each [`PACE`].
    over: Option<Instant>,
}

impl Pace {
    fn allows(&mut self, now: Instant) -> bool {
        let over = self.over.map_or(now, |over| over.max(now));
        let free = over.duration_since(now) <= PACE;
        if free {
            self.over = Some(over + PACE);
        }
        free
    }
}

#[cfg(test)]
mod tests;

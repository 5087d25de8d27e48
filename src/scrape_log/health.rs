//! Whether a target is up and its scrapes are on time, said in the log when it changes.

use std::sync::Arc;
use std::time::{Duration, Instant};

use super::budget::{Budget, Topic};
use super::lines::Summary;
use crate::web::client::FetchError;

/// A target whose state changes all the time gets two lines in this time: that it went, and that it came back.
const PACE: Duration = Duration::from_secs(60);

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
    state_pace: Pace,
    late_pace: Pace,
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

/// What was said by a call of [`Health::note`].
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Said {
    pub(super) state: bool,
    pub(super) late: bool,
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
            state_pace: Pace::default(),
            late_pace: Pace::default(),
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
        // A target that lets scrapes run into their deadline has a line of its own about that.
        if up {
            said.late = self.note_missed(now, missed);
        } else {
            self.failed += 1;
        }
        if !self.said.is_like(&state) && self.state_pace.allows(now) {
            let topic = if up { Topic::Up } else { Topic::Down };
            // What the budget has no room for is said with that of other targets.
            if matches!(state, State::Refused) || self.budget.allows(now, topic) {
                self.say(&state, summary);
            }
            self.said = state;
            said.state = true;
        }
        if up && matches!(self.said, State::Up) {
            self.failed = 0;
        }
        if summary.error.is_none() {
            self.note_lines(now, summary);
        }
        said
    }

    fn say(&self, state: &State, summary: &Summary) {
        let (target_url, failed_scrapes) = (self.target.as_str(), self.failed);
        match (state, &self.said) {
            (State::Unreachable(error), _) => {
                tracing::warn!(target_url, failed_scrapes, %error, remedy = error.remedy(), "target is down");
            }
            (State::Unreadable(error), _) => {
                let remedy = "check that the target is the exporter's page of metrics";
                tracing::warn!(target_url, failed_scrapes, error, remedy, "target is down");
            }
            (State::Refused, _) => tracing::debug!(target_url, "target is not scraped"),
            (_, State::Unknown | State::Refused) => {
                tracing::info!(target_url, samples = summary.written, "target is up")
            }
            _ => tracing::info!(target_url, failed_scrapes, "target is up again"),
        }
    }

    fn note_missed(&mut self, now: Instant, missed: u64) -> bool {
        self.missed += missed;
        let late = missed > 0;
        if late == self.said_late || !self.late_pace.allows(now) {
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

    fn note_lines(&mut self, now: Instant, summary: &Summary) {
        let target_url = self.target.as_str();
        if summary.bad_lines > 0 && !self.said_bad_lines {
            self.said_bad_lines = true;
            if self.budget.allows(now, Topic::Other) {
                let first = summary.first_bad_line.as_deref().unwrap_or_default();
                tracing::warn!(
                    target_url,
                    lines = summary.bad_lines,
                    first,
                    "lines left out that can't be read"
                );
            }
        }
        if summary.duplicates > 0 && !self.said_duplicates {
            self.said_duplicates = true;
            if self.budget.allows(now, Topic::Other) {
                tracing::warn!(target_url, samples = summary.duplicates, "samples left out that came twice");
            }
        }
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

/// Lets two things through at once, and then two in each [`PACE`].
#[derive(Debug, Default)]
struct Pace {
    last: Option<Instant>,
    before: Option<Instant>,
}

impl Pace {
    fn allows(&mut self, now: Instant) -> bool {
        let free = self.before.is_none_or(|before| now.saturating_duration_since(before) >= PACE);
        if free {
            self.before = self.last.replace(now);
        }
        free
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    struct Bench {
        health: Health,
        start: Instant,
    }

    impl Bench {
        fn new() -> Self {
            Self {
                health: Health::new("http://a:1/".to_owned(), PACE / 4, Arc::default()),
                start: Instant::now(),
            }
        }

        fn note(&mut self, second: u64, error: Option<FetchError>) -> bool {
            let summary = Summary { error: error.as_ref().map(ToString::to_string), ..Summary::default() };
            self.health
                .note(self.start + Duration::from_secs(second), error.map(Failure::Fetch), &summary, 0)
                .state
        }
    }

    fn short(received_bytes: usize) -> Option<FetchError> {
        Some(FetchError::Short { received_bytes })
    }

    #[test]
    fn changes_are_said_once() {
        let mut bench = Bench::new();
        assert!(bench.note(0, None));
        assert!(!bench.note(15, None));
        assert!(bench.note(90, short(1)));
        assert!(!bench.note(105, short(2)), "the same cause with another count");
        assert!(bench.note(120, Some(FetchError::Closed)), "another cause");
        assert!(bench.note(150, None));
        assert_eq!(bench.health.failed, 0);
    }

    #[test]
    fn a_target_that_flaps_gets_two_lines_a_minute() {
        let mut bench = Bench::new();
        let said =
            (0..600).filter(|&second| bench.note(second, short(1).filter(|_| second % 2 == 0))).count();
        assert!((19..=22).contains(&said), "{said} lines in ten minutes");
        // What held when the log was quiet is said in the end.
        let mut quiet = Bench::new();
        assert!(quiet.note(0, None) && quiet.note(1, short(1)));
        assert!(!quiet.note(2, None));
        assert!(!quiet.note(61, short(1)), "that was said");
        assert!(quiet.note(62, None));
    }

    #[test]
    fn many_targets_at_once_are_a_few_lines_and_a_sum() {
        let budget = Arc::new(Budget::default());
        let now = Instant::now();
        let summary = Summary { error: Some("closed".to_owned()), ..Summary::default() };
        let mut all: Vec<_> = (0..500)
            .map(|host| Health::new(format!("http://h{host}:1/"), PACE, Arc::clone(&budget)))
            .collect();
        let closed = || Some(Failure::Fetch(FetchError::Closed));
        assert!(all.iter_mut().all(|health| health.note(now, closed(), &summary, 0).state));
        assert_eq!(budget.unsaid().down, 480);
        let next = now + PACE;
        assert!(all.iter_mut().all(|health| !health.note(next, closed(), &summary, 0).state), "once");
        let up = Summary::default();
        assert!(all.iter_mut().all(|health| health.note(next, None, &up, 0).state));
        assert_eq!(budget.unsaid().up, 480);
    }

    #[test]
    fn targets_that_are_refused_have_no_line_of_their_own() {
        let budget = Arc::new(Budget::default());
        let now = Instant::now();
        let summary = Summary { error: Some("too many".to_owned()), ..Summary::default() };
        for _ in 0..500 {
            let mut health = Health::new("http://a:1/".to_owned(), PACE, Arc::clone(&budget));
            health.note(now, Some(Failure::Refused("too many".to_owned())), &summary, 0);
        }
        assert_eq!(budget.unsaid().down, 0);
        assert!(budget.allows(now, Topic::Down), "nothing was used");
    }

    #[test]
    fn missed_scrapes_are_said_and_counted() {
        let mut health = Health::new("http://a:1/".to_owned(), PACE, Arc::default());
        let start = Instant::now();
        let mut note = |second, missed, error: Option<FetchError>| {
            let now = start + Duration::from_secs(second);
            let summary = Summary { error: error.as_ref().map(ToString::to_string), ..Summary::default() };
            let said = health.note(now, error.map(Failure::Fetch), &summary, missed).late;
            (said, health.missed)
        };
        assert_eq!(note(0, 0, None), (false, 0));
        assert_eq!(note(15, 2, None), (true, 2));
        assert_eq!(note(30, 1, None), (false, 3));
        assert_eq!(note(45, 0, None), (true, 0));
        assert_eq!(note(300, 1, short(1)), (false, 0), "the failure is what there is to say");
    }
}

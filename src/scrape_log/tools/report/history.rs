//! What happened to a host: when it did not answer, when nobody looked, and what was wrong.

use std::mem;

use crate::vitals::{Problem, Severity};

/// More spans of one sort are not told apart: the last one grows.
const MAX_SPANS: usize = 5_000;
/// A problem that comes back within this many milliseconds has not been away.
const PAUSE: i64 = 15 * 60_000;
/// More problems are not listed.
const MAX_PROBLEMS: usize = 500;
/// Alerts that tell of restarts, which a report has a list of its own for, or of failed scrapes, likewise.
const TOLD_ELSEWHERE: [&str; 3] = ["NodeRebooted", "NodeUncleanShutdown", "TargetDown"];

/// A span of time, in milliseconds since 1970 UTC.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Span {
    pub(super) start: i64,
    pub(super) end: i64,
}

impl Span {
    pub(super) fn seconds(self) -> f64 {
        (self.end - self.start) as f64 / 1000.0
    }
}

/// Spans of time, the earliest first.
#[derive(Clone, Debug, Default)]
pub(super) struct Spans(Vec<Span>);

impl Spans {
    pub(super) fn push(&mut self, span: Span) {
        let is_full = self.0.len() >= MAX_SPANS;
        match self.0.last_mut() {
            Some(last) if is_full => last.end = span.end,
            _ => self.0.push(span),
        }
    }

    /// Puts in one that may be earlier than others.
    pub(super) fn insert(&mut self, span: Span) {
        let place = self.0.partition_point(|other| other.start < span.start);
        self.0.insert(place, span);
    }

    pub(super) fn list(&self) -> &[Span] {
        &self.0
    }

    /// Whether one of them has to do with the time between two moments.
    pub(super) fn lies_between(&self, from: i64, to: i64) -> bool {
        let first = self.0.partition_point(|span| span.end <= from);
        self.0.get(first).is_some_and(|span| span.start < to)
    }
}

/// Whether a problem is about a restart or a failed scrape.
pub(super) fn is_told_elsewhere(problem: &Problem) -> bool {
    TOLD_ELSEWHERE.contains(&problem.limit.alert)
}

/// Something that was wrong for a time.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Episode {
    pub(super) severity: Severity,
    pub(super) alert: &'static str,
    pub(super) about: String,
    badness: f64,
    /// As it was said when it was worst.
    pub(super) sentence: String,
    pub(super) since: i64,
    /// When it was seen last.
    pub(super) last: i64,
    /// It was there at the last page.
    pub(super) is_open: bool,
}

/// All that was wrong.
#[derive(Clone, Debug, Default)]
pub(super) struct Episodes {
    list: Vec<Episode>,
    /// Those that found no place.
    pub(super) unlisted: u64,
}

impl Episodes {
    /// Takes what is wrong at a moment.
    pub(super) fn observe(&mut self, at: i64, problems: &[Problem]) {
        for episode in &mut self.list {
            episode.is_open = false;
        }
        for problem in problems.iter().filter(|problem| !is_told_elsewhere(problem)) {
            let is_full = self.list.len() >= MAX_PROBLEMS;
            let known = self.list.iter_mut().rev().find(|episode| {
                episode.alert == problem.limit.alert
                    && episode.about == problem.about
                    && at - episode.last <= PAUSE
            });
            match known {
                Some(episode) => episode.go_on(at, problem),
                None if is_full => self.unlisted += 1,
                None => self.list.push(Episode {
                    severity: problem.limit.severity,
                    alert: problem.limit.alert,
                    about: problem.about.clone(),
                    badness: problem.badness,
                    sentence: problem.sentence.clone(),
                    since: at,
                    last: at,
                    is_open: true,
                }),
            }
        }
    }

    /// All of them, the worst first, and of equal ones the latest.
    pub(super) fn take_sorted(&mut self) -> Vec<Episode> {
        let mut list = mem::take(&mut self.list);
        list.sort_by_key(|episode| std::cmp::Reverse((episode.severity, episode.since)));
        list
    }
}

impl Episode {
    fn go_on(&mut self, at: i64, problem: &Problem) {
        self.last = at;
        self.is_open = true;
        if (problem.limit.severity, problem.badness) >= (self.severity, self.badness) {
            (self.severity, self.badness) = (problem.limit.severity, problem.badness);
            self.sentence.clone_from(&problem.sentence);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::vitals::LIMITS;

    const MINUTE: i64 = 60_000;

    fn problem(alert: &str, severity: Severity, badness: f64) -> Problem {
        let is_it = |limit: &&&crate::vitals::Limit| limit.alert == alert && limit.severity == severity;
        Problem {
            limit: LIMITS.iter().find(is_it).unwrap(),
            badness,
            about: String::new(),
            sentence: format!("{alert} {badness}"),
            since_milliseconds: 0,
        }
    }

    #[test]
    fn an_episode_keeps_its_worst_moment() {
        const ALERT: &str = "NodeMemoryHighUtilization";
        let mut episodes = Episodes::default();
        for (minute, severity, badness) in [
            (0, Severity::Warning, -0.08),
            (1, Severity::Critical, -0.02),
            (2, Severity::Critical, -0.01),
            (3, Severity::Critical, -0.025),
            (4, Severity::Warning, -0.05),
        ] {
            episodes.observe(minute * MINUTE, &[problem(ALERT, severity, badness)]);
        }
        episodes.observe(5 * MINUTE, &[]);
        // It was away for ten minutes, which is nothing, and for half an hour, which is.
        episodes.observe(14 * MINUTE, &[problem(ALERT, Severity::Warning, -0.09)]);
        episodes.observe(15 * MINUTE, &[problem("NodeRebooted", Severity::Info, 0.0)]);
        episodes.observe(44 * MINUTE, &[problem(ALERT, Severity::Warning, -0.09)]);
        let found = episodes.take_sorted();
        let told: Vec<(&str, i64, i64, bool)> = found
            .iter()
            .map(|found| (found.sentence.as_str(), found.since / MINUTE, found.last / MINUTE, found.is_open))
            .collect();
        assert_eq!(
            told,
            [
                ("NodeMemoryHighUtilization -0.01", 0, 14, false),
                ("NodeMemoryHighUtilization -0.09", 44, 44, true)
            ]
        );
    }

    #[test]
    fn memory_has_an_end() {
        let mut episodes = Episodes::default();
        let mut spans = Spans::default();
        for number in 0..3 * MAX_SPANS as i64 {
            let at = number * 20 * MINUTE;
            episodes.observe(at, &[problem("NodeOOMKill", Severity::Warning, 1.0)]);
            spans.push(Span { start: at, end: at + MINUTE });
        }
        assert_eq!(episodes.take_sorted().len(), MAX_PROBLEMS);
        assert_eq!(episodes.unlisted, 3 * MAX_SPANS as u64 - MAX_PROBLEMS as u64);
        assert_eq!(spans.list().len(), MAX_SPANS);
        assert!(spans.lies_between(10 * MINUTE, 21 * MINUTE) && !spans.lies_between(2 * MINUTE, 20 * MINUTE));
    }
}

//! Whether a target is up, said in the log when it changes.

use super::lines::Summary;
use crate::web::client::FetchError;

/// What is known about one target.
#[derive(Debug)]
pub(super) struct Health {
    target: String,
    state: State,
    /// Scrapes in the present state.
    scrapes: u64,
    bad_lines: bool,
    duplicates: bool,
}

#[derive(Debug)]
enum State {
    Unknown,
    Up,
    /// No page.
    Unreachable(FetchError),
    /// A page that is of no use.
    Unreadable(String),
}

impl Health {
    pub(super) fn new(target: String) -> Self {
        Self { target, state: State::Unknown, scrapes: 0, bad_lines: false, duplicates: false }
    }

    /// Takes the result of one scrape.
    pub(super) fn note(&mut self, fetch_error: Option<FetchError>, summary: &Summary) {
        let state = match (fetch_error, &summary.error) {
            (Some(error), _) => State::Unreachable(error),
            (None, Some(error)) => State::Unreadable(error.clone()),
            (None, None) => State::Up,
        };
        if !self.state.is_like(&state) {
            self.say(&state, summary);
            self.scrapes = 0;
        }
        self.state = state;
        self.scrapes += 1;
        if matches!(self.state, State::Up) {
            self.note_lines(summary);
        }
    }

    fn say(&self, state: &State, summary: &Summary) {
        let (target, scrapes) = (self.target.as_str(), self.scrapes);
        match (state, &self.state) {
            (State::Unreachable(error), _) => {
                tracing::warn!(target_url = target, %error, remedy = error.remedy(), "target is down");
            }
            (State::Unreadable(error), _) => {
                let remedy = "check that the target is the exporter's page of metrics";
                tracing::warn!(target_url = target, error, remedy, "target is down");
            }
            (_, State::Unknown) => {
                tracing::info!(target_url = target, samples = summary.written, "target is up");
            }
            _ => tracing::info!(target_url = target, failed_scrapes = scrapes, "target is up again"),
        }
    }

    fn note_lines(&mut self, summary: &Summary) {
        let target = self.target.as_str();
        let (bad_lines, duplicates) = (summary.bad_lines > 0, summary.duplicates > 0);
        if bad_lines && !self.bad_lines {
            let first = summary.first_bad_line.as_deref().unwrap_or_default();
            tracing::warn!(
                target_url = target,
                lines = summary.bad_lines,
                first,
                "lines left out that can't be read"
            );
        }
        if duplicates && !self.duplicates {
            tracing::warn!(
                target_url = target,
                samples = summary.duplicates,
                "samples left out that came twice"
            );
        }
        (self.bad_lines, self.duplicates) = (bad_lines, duplicates);
    }
}

impl State {
    fn is_like(&self, other: &State) -> bool {
        match (self, other) {
            (State::Unknown, State::Unknown) | (State::Up, State::Up) => true,
            (State::Unreachable(one), State::Unreachable(two)) => one.same_cause(two),
            (State::Unreadable(one), State::Unreadable(two)) => one == two,
            _ => false,
        }
    }
}

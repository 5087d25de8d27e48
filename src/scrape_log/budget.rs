//! A bound on how much the log says about targets when many change at the same time.

use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

/// Lines about single targets in each [`WINDOW`]; what is beyond is counted and said in one line.
const LINES: u32 = 20;
const WINDOW: Duration = Duration::from_secs(1);

/// What a line is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Topic {
    Down,
    Up,
    Other,
}

/// The lines that all targets share.
#[derive(Debug, Default)]
pub(super) struct Budget(Mutex<Window>);

#[derive(Debug, Default)]
struct Window {
    start: Option<Instant>,
    lines: u32,
    unsaid: Unsaid,
}

/// What was not said, by topic.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Unsaid {
    pub(super) down: u64,
    pub(super) up: u64,
    pub(super) other: u64,
}

impl Budget {
    /// Whether there is room for one more line. If not it is counted.
    pub(super) fn allows(&self, now: Instant, topic: Topic) -> bool {
        let mut window = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if window.start.is_none_or(|start| now.saturating_duration_since(start) >= WINDOW) {
            window.start = Some(now);
            window.lines = 0;
        }
        if window.lines < LINES {
            window.lines += 1;
            return true;
        }
        match topic {
            Topic::Down => window.unsaid.down += 1,
            Topic::Up => window.unsaid.up += 1,
            Topic::Other => window.unsaid.other += 1,
        }
        false
    }

    /// What was not said since the last call.
    pub(super) fn unsaid(&self) -> Unsaid {
        std::mem::take(&mut self.0.lock().unwrap_or_else(PoisonError::into_inner).unsaid)
    }

    /// Says in one line what was left out. To be called about once a second.
    pub(super) fn sum_up(&self) {
        let Unsaid { down, up, other } = self.unsaid();
        if down > 0 {
            let remedy = "see the page /targets, or the samples files, for each target's error";
            tracing::warn!(down, up, other, remedy, "more targets are down than the log lists");
        } else if up > 0 || other > 0 {
            tracing::info!(up, other, "more targets changed than the log lists");
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_too_much_is_counted() {
        let budget = Budget::default();
        let start = Instant::now();
        let at = |milliseconds| start + Duration::from_millis(milliseconds);
        let said = (0..500).filter(|&target| budget.allows(at(target), Topic::Down)).count();
        assert_eq!(said, 20);
        assert!(!budget.allows(at(999), Topic::Up));
        assert!(budget.allows(at(1000), Topic::Other));
        assert_eq!(budget.unsaid(), Unsaid { down: 480, up: 1, other: 0 });
        assert_eq!(budget.unsaid(), Unsaid::default());
    }
}

//! A machine that went: when, whether it was shut down, and what moved before.

use super::movers::Mover;
use crate::vitals::{LastRun, Severity};

/// The time that a machine went, or was last seen, and what is known of that.
#[derive(Clone, Debug)]
pub(super) struct Incident {
    /// The last scrape that it answered. `None` if that was before the record.
    pub(super) last_seen: Option<i64>,
    /// When it was last alive, by its own note or the last scrape.
    pub(super) went: Option<i64>,
    /// When it was booted. `None` if it has not come back.
    pub(super) booted: Option<i64>,
    pub(super) ending: Ending,
    /// What was wrong when it was last seen, the worst first.
    pub(super) open: Vec<Open>,
    /// The values that moved most, the most telling first. `None` if there is too little to compare with.
    pub(super) movers: Option<Vec<Mover>>,
}

/// How a run of a machine ended, and what tells so.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Ending {
    /// The exporter noted a shutdown.
    Clean,
    /// The exporter noted none.
    Unclean,
    /// A watchdog timer has reset it.
    Watchdog,
    /// The exporter was gone while the machine still answered: connections were refused.
    Stopped,
    /// Nothing tells.
    Unknown,
}

/// A problem that was there when the machine was last seen.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Open {
    pub(super) severity: Severity,
    pub(super) sentence: String,
    pub(super) since: i64,
}

impl Ending {
    /// What the first page after it says of it, and the note about the first scrape that failed before.
    pub(super) fn new(told: LastRun, first_failure: Option<&str>) -> Self {
        match (told.clean, told.was_reset_by_watchdog) {
            (Some(true), _) => Self::Clean,
            (_, true) => Self::Watchdog,
            (Some(false), false) => Self::Unclean,
            (None, false) if first_failure.is_some_and(is_refusal) => Self::Stopped,
            (None, false) => Self::Unknown,
        }
    }

    /// Whether somebody should be worried.
    pub(super) fn is_bad(self) -> bool {
        matches!(self, Self::Unclean | Self::Watchdog)
    }
}

/// Whether a scrape failed as there was nobody at the port of a machine that lives.
fn is_refusal(note: &str) -> bool {
    note.to_ascii_lowercase().contains("refused")
}

impl Incident {
    /// For how long it was away, in seconds.
    pub(super) fn away_seconds(&self) -> Option<f64> {
        Some((self.booted? - self.went?).max(0) as f64 / 1000.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn endings_by_what_tells_them() {
        let run =
            |clean, was_reset_by_watchdog| LastRun { clean, was_reset_by_watchdog, ..LastRun::default() };
        let refused = Some("connect to 10.0.0.1:9100: Connection refused (os error 111)");
        for (told, note, ending) in [
            (run(Some(true), true), None, Ending::Clean),
            (run(Some(false), true), refused, Ending::Watchdog),
            (run(None, true), None, Ending::Watchdog),
            (run(Some(false), false), refused, Ending::Unclean),
            (run(None, false), refused, Ending::Stopped),
            (run(None, false), Some("deadline passed"), Ending::Unknown),
        ] {
            assert_eq!(Ending::new(told, note), ending, "{told:?} {note:?}");
        }
    }
}

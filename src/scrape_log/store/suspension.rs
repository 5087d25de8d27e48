//! Whether scrapes can be stored at present, and what is said about it.

use std::io;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

/// A full disk counts as over when no write failed for that long.
const CALM: Duration = Duration::from_secs(5);

/// Why scrapes are not stored.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(in crate::scrape_log) enum Suspended {
    /// Less is free than has to stay free, and there is nothing left to remove.
    MinFree {
        /// What has to stay free.
        min_free_bytes: u64,
    },
    /// The filesystem or the quota is full, and there is nothing left to remove. Each scrape is tried all the same.
    Full,
    /// Another process uses the storage path, whose lock file had been taken away.
    Locked {
        /// What its lock file says about it.
        holder: String,
    },
}

impl Suspended {
    /// One word for metrics.
    pub(in crate::scrape_log) fn reason(&self) -> &'static str {
        match self {
            Self::MinFree { .. } => "min_free",
            Self::Full => "full",
            Self::Locked { .. } => "locked",
        }
    }
}

/// The present state. Changes are logged once, for all targets together.
#[derive(Debug, Default)]
pub(super) struct Suspension(Mutex<State>);

#[derive(Debug, Default)]
struct State {
    present: Option<Suspended>,
    last_failure: Option<Instant>,
    wrote_since: bool,
}

impl Suspension {
    pub(super) fn present(&self) -> Option<Suspended> {
        self.state().present.clone()
    }

    /// Whether another process has the storage path.
    pub(super) fn is_locked(&self) -> bool {
        matches!(self.state().present, Some(Suspended::Locked { .. }))
    }

    /// The error of a write that is not to be tried.
    pub(super) fn check(&self) -> io::Result<()> {
        match &self.state().present {
            None | Some(Suspended::Full) => Ok(()),
            Some(Suspended::MinFree { min_free_bytes }) => Err(io::Error::new(
                io::ErrorKind::StorageFull,
                format!("less than --storage.min-free ({min_free_bytes} bytes) is free"),
            )),
            Some(Suspended::Locked { holder }) => Err(io::Error::new(
                io::ErrorKind::ResourceBusy,
                format!("another scrape-log (process {holder}) uses the storage path"),
            )),
        }
    }

    /// Less than the limit is free.
    pub(super) fn below_min_free(&self, free_bytes: u64, min_free_bytes: u64) {
        let mut state = self.state();
        if !matches!(state.present, Some(Suspended::MinFree { .. } | Suspended::Locked { .. })) {
            tracing::error!(
                free_bytes,
                min_free_bytes,
                remedy = "free space on this filesystem or lower --storage.min-free",
                "scrapes are not stored: too little is free and no old file is left to remove"
            );
            state.present = Some(Suspended::MinFree { min_free_bytes });
        }
    }

    /// Enough is free again, and some more, so that this does not change every second.
    pub(super) fn enough_free(&self, free_bytes: u64) {
        let mut state = self.state();
        if matches!(state.present, Some(Suspended::MinFree { .. })) {
            tracing::info!(free_bytes, "scrapes are stored again");
            state.present = None;
        }
    }

    /// A write failed for lack of space.
    pub(super) fn write_failed(&self, error: &io::Error) {
        let mut state = self.state();
        state.last_failure = Some(Instant::now());
        state.wrote_since = false;
        if state.present.is_none() {
            tracing::error!(
                %error,
                remedy = "free space on this filesystem or raise the quota of this user",
                "scrapes are not stored: no space is left and no old file is left to remove"
            );
            state.present = Some(Suspended::Full);
        }
    }

    /// A write worked.
    pub(super) fn wrote(&self) {
        let mut state = self.state();
        if state.present.is_some() {
            state.wrote_since = true;
        }
    }

    /// Ends the state of a full disk when writes worked for a while.
    pub(super) fn calm_down(&self, now: Instant) {
        let mut state = self.state();
        let calm = state.last_failure.is_none_or(|at| now.saturating_duration_since(at) >= CALM);
        if state.present == Some(Suspended::Full) && state.wrote_since && calm {
            tracing::info!("scrapes are stored again");
            state.present = None;
        }
    }

    /// Another process has the lock.
    pub(super) fn locked(&self, holder: String) {
        let mut state = self.state();
        if !matches!(state.present, Some(Suspended::Locked { .. })) {
            tracing::error!(
                holder,
                remedy = "stop one of the two processes",
                "scrapes are not stored: the lock file was removed and another scrape-log took the storage path"
            );
            state.present = Some(Suspended::Locked { holder });
        }
    }

    /// This process has the lock.
    pub(super) fn unlocked(&self) {
        let mut state = self.state();
        if matches!(state.present, Some(Suspended::Locked { .. })) {
            tracing::info!("the storage path is free again, scrapes are stored");
            state.present = None;
        }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Whether an error says that there is no room.
pub(super) fn is_full(error: &io::Error) -> bool {
    matches!(error.kind(), io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded)
}

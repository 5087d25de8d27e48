//! Reading the samples files back: which there are, and the whole scrapes in them.
//!
//! ```text
//!  Storage ─► Target ─► SamplesFile ─► ScrapeReader ─┐
//!   (path)    (directory)   (name)     (one file)    ├─► TargetScrapes (a range of time, in order)
//!                                      ScrapeReader ─┘
//!              Target ────────────────────────────────► Follower (from some time on, as they are written)
//! ```
//!
//! A file's name says when it begins, and that it ends with its two hours at the latest: what can't have to do with
//! a range of time is not opened. Memory holds one scrape per open file, usually one file. Only scrapes with their
//! commit mark are seen, so that reading beside a running recorder is fine. Nothing here writes.

mod follow;
mod line;
mod metadata;
mod reader;
mod scrapes;
mod series;
mod source;
mod storage;

use super::store::SAMPLES_WINDOW_SECONDS;
pub(super) use follow::Follower;
pub(super) use line::{Sample, check_series, check_value, parse_series, samples};
pub(super) use metadata::Metadata;
pub(super) use reader::{Rest, Scrape, ScrapeReader};
pub(super) use scrapes::{Problem, TargetScrapes};
pub(super) use series::SeriesMap;
pub(super) use source::Source;
pub(super) use storage::{Entry, SamplesFile, Storage, Target, files_within};

/// The window of a samples file: from an even hour UTC to the next.
pub(super) const WINDOW_MILLISECONDS: i64 = SAMPLES_WINDOW_SECONDS as i64 * 1000;

/// Times from `start` up to, but not including, `end`, in milliseconds since 1970 UTC.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct TimeRange {
    pub(super) start: i64,
    pub(super) end: i64,
}

impl TimeRange {
    /// All of time.
    pub(super) const ALL: Self = Self { start: i64::MIN, end: i64::MAX };

    pub(super) fn contains(self, time: i64) -> bool {
        self.start <= time && time < self.end
    }

    pub(super) fn is_empty(self) -> bool {
        self.start >= self.end
    }

    /// The times that are in both.
    pub(super) fn intersection(self, other: Self) -> Self {
        Self { start: self.start.max(other.start), end: self.end.min(other.end) }
    }
}

#[cfg(test)]
pub(super) mod tests;

//! What is known of a host's past, and how it is forgotten.

use std::collections::HashMap;

use foldhash::fast::RandomState;

use super::history::{Events, Fan, Trend};
use crate::vitals::families::Family;

/// How often what is gone is forgotten, and after how long, in milliseconds.
const FORGET_STEP: i64 = 10 * 60_000;
const FORGET_AFTER: i64 = 24 * 60 * 60_000;
/// When more than so many things of a kind are remembered, those that the last page did not have are forgotten at once.
const MAX_THINGS: usize = 1 << 13;

/// What is known of the past.
#[derive(Clone, Debug, Default)]
pub(super) struct Memory {
    pub(super) events: Kept<(&'static str, u64), Events>,
    pub(super) trends: Kept<(Family, u64), Trend>,
    pub(super) fans: Kept<u64, Fan>,
    /// Filesystems that were writable, and when that was seen last.
    pub(super) writable: Kept<u64, ()>,
    forgot: i64,
    /// When the last page was.
    last: i64,
}

/// Something of the past for each key, and when it was touched last.
type Kept<K, V> = HashMap<K, (i64, V), RandomState>;

impl Memory {
    /// Forgets what has not been seen for long. Has to be called before each page.
    pub(super) fn forget(&mut self, at: i64) {
        let last = std::mem::replace(&mut self.last, at);
        let oldest = if self.counts().into_iter().any(|count| count > MAX_THINGS) {
            last
        } else if (self.forgot..self.forgot + FORGET_STEP).contains(&at) {
            return;
        } else {
            at - FORGET_AFTER
        };
        self.forgot = at;
        // What was seen in the future was seen before the clock was set back.
        let is_recent = |touched: i64| (oldest..=at).contains(&touched);
        self.events.retain(|_, (touched, _)| is_recent(*touched));
        self.trends.retain(|_, (touched, _)| is_recent(*touched));
        self.fans.retain(|_, (touched, _)| is_recent(*touched));
        self.writable.retain(|_, (touched, ())| is_recent(*touched));
    }

    /// How many things of each kind are remembered.
    pub(super) fn counts(&self) -> [usize; 4] {
        [self.events.len(), self.trends.len(), self.fans.len(), self.writable.len()]
    }
}

//! `--step`: at most one sample of a series in each step.

use super::table::Table;
use crate::scrape_log::files::Sample;

/// Keeps the last sample of each series until its step is over. Steps are counted from 1970 UTC; a step includes
/// the moment it begins with, not the one it ends with.
#[derive(Debug)]
pub(super) struct Stepper {
    step_milliseconds: i64,
    step: i64,
    last: Table<Last>,
}

#[derive(Debug)]
struct Last {
    /// Of the sample in the present step.
    time: Option<i64>,
    value: Vec<u8>,
    timestamp: Vec<u8>,
}

impl Stepper {
    pub(super) fn new(step_milliseconds: i64) -> Self {
        Self { step_milliseconds, step: i64::MIN, last: Table::default() }
    }

    /// Whether a sample of this time begins another step, so that [`Stepper::flush`] is due before it.
    pub(super) fn is_over(&self, time: i64) -> bool {
        time.div_euclid(self.step_milliseconds) != self.step
    }

    /// Takes a sample, in the place of the one before it.
    pub(super) fn take(&mut self, time: i64, sample: &Sample<'_>) {
        self.step = time.div_euclid(self.step_milliseconds);
        let make = || Last { time: None, value: Vec::new(), timestamp: Vec::new() };
        if let Some(last) = self.last.entry(sample.series, make) {
            last.time = Some(time);
            sample.value.clone_into(&mut last.value);
            sample.timestamp.clone_into(&mut last.timestamp);
        }
    }

    /// Gives what was taken in the order of its time.
    pub(super) fn flush<E>(
        &mut self,
        mut give: impl FnMut(i64, Sample<'_>) -> Result<(), E>,
    ) -> Result<(), E> {
        let mut order: Vec<(i64, usize)> = Vec::with_capacity(self.last.rows().len());
        for (row, (_, last)) in self.last.rows().iter().enumerate() {
            order.extend(last.time.map(|time| (time, row)));
        }
        order.sort_unstable();
        for &(time, row) in &order {
            if let Some((series, last)) = self.last.rows().get(row) {
                give(time, Sample { series, value: &last.value, timestamp: &last.timestamp })?;
            }
        }
        // Series that are gone must not stay for good.
        if order.len() * 2 < self.last.rows().len() {
            self.last.retain(|last| last.time.is_some());
        }
        self.last.entries_mut().for_each(|last| last.time = None);
        Ok(())
    }
}

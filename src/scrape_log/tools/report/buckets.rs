//! A number over time in a fixed number of parts, of which each keeps its extremes: no peak is lost.

use crate::scrape_log::files::TimeRange;

/// How many parts a range has. A plot has about two points of its width for each.
pub(super) const BUCKETS: usize = 480;

/// The values of a range of time.
#[derive(Clone, Debug)]
pub(super) struct Buckets {
    range: TimeRange,
    list: Vec<Bucket>,
}

/// The values of a part of it.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub(super) struct Bucket {
    pub(super) min: f32,
    pub(super) max: f32,
    pub(super) mean: f32,
    count: u32,
    /// When the first and the last of them were, in milliseconds from the start of the range.
    first: i64,
    last: i64,
}

impl Buckets {
    pub(super) fn new(range: TimeRange) -> Self {
        Self { range, list: Vec::new() }
    }

    /// Takes a value. False if it is not of this time or no number.
    pub(super) fn add(&mut self, at: i64, value: f32) -> bool {
        if !self.range.contains(at) || !value.is_finite() {
            return false;
        }
        let offset = at - self.range.start;
        let length = (self.range.end - self.range.start).max(1);
        let index = i128::from(offset) * BUCKETS as i128 / i128::from(length);
        if self.list.is_empty() {
            self.list = vec![Bucket::default(); BUCKETS];
        }
        let Some(bucket) = usize::try_from(index).ok().and_then(|index| self.list.get_mut(index)) else {
            return false;
        };
        if bucket.count == 0 {
            *bucket = Bucket { min: value, max: value, mean: value, count: 1, first: offset, last: offset };
            return true;
        }
        bucket.min = bucket.min.min(value);
        bucket.max = bucket.max.max(value);
        bucket.last = offset;
        bucket.count = bucket.count.saturating_add(1);
        bucket.mean += (value - bucket.mean) / bucket.count as f32;
        true
    }

    /// Those that have values, the earliest first, each with the middle of its values' times.
    pub(super) fn filled(&self) -> impl DoubleEndedIterator<Item = (i64, &Bucket)> + Clone {
        let start = self.range.start;
        let filled = self.list.iter().filter(|bucket| bucket.count > 0);
        filled.map(move |bucket| (start + bucket.first.midpoint(bucket.last), bucket))
    }

    pub(super) fn is_empty(&self) -> bool {
        self.list.is_empty()
    }

    /// The highest of all values.
    pub(super) fn max(&self) -> Option<f32> {
        self.filled().map(|(_, bucket)| bucket.max).reduce(f32::max)
    }

    /// The lowest of all values.
    pub(super) fn min(&self) -> Option<f32> {
        self.filled().map(|(_, bucket)| bucket.min).reduce(f32::min)
    }

    /// The latest value, or one close to it.
    pub(super) fn last(&self) -> Option<f32> {
        self.filled().next_back().map(|(_, bucket)| bucket.mean)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_peak_is_lost() {
        let mut buckets = Buckets::new(TimeRange { start: 1_000, end: 1_000 + 30 * 86_400_000 });
        let values = 30 * 5_760;
        for number in 0..values {
            let value = if number == 100_000 { 1.0 } else { 0.1 + (number % 10) as f32 / 100.0 };
            assert!(buckets.add(1_000 + number * 15_000, value));
        }
        assert!(!buckets.add(999, 5.0) && !buckets.add(2_000, f32::NAN) && !buckets.add(i64::MAX, 5.0));
        assert_eq!((buckets.max(), buckets.min()), (Some(1.0), Some(0.1)));
        assert_eq!(buckets.filled().count(), BUCKETS);
        let (at, peak) = buckets.filled().find(|(_, bucket)| bucket.max == 1.0).unwrap();
        assert!((at - 1_000 - 100_000 * 15_000).abs() < 90 * 60_000, "{at}");
        assert!((peak.mean - 0.147).abs() < 0.001, "{peak:?}");
    }

    #[test]
    fn few_values_have_their_own_times() {
        let mut buckets = Buckets::new(TimeRange { start: 0, end: 86_400_000 });
        buckets.add(7_000, 1.0);
        buckets.add(80_000_000, 2.0);
        let found: Vec<(i64, f32)> = buckets.filled().map(|(at, bucket)| (at, bucket.mean)).collect();
        assert_eq!(found, [(7_000, 1.0), (80_000_000, 2.0)]);
    }
}

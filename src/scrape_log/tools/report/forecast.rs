//! When a filesystem will be full if it goes on like this.

use super::columns::Column;
use crate::scrape_log::files::TimeRange;
use crate::vitals::Line;

const HOUR: i64 = 3_600_000;
/// A trend over less than this is a guess, in milliseconds.
const SHORTEST_TREND: i64 = HOUR;
/// A trend says nothing about a time further ahead than this many times its own length.
const REACH: f64 = 4.0;
/// Growth over a trend that is less than this share of the filesystem is none.
const LEAST_GROWTH: f64 = 0.005;

/// The trend of a filesystem at the end of a report.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Forecast {
    pub(super) mountpoint: String,
    /// From the end of the report on.
    pub(super) seconds_to_full: f64,
    /// The share of the filesystem that it grows by in a second.
    pub(super) slope_per_second: f64,
    /// What the trend is at the end.
    pub(super) level: f64,
    /// From when on the trend was looked at, and where it ends.
    pub(super) since: i64,
    pub(super) end: i64,
}

/// Looks at the last quarter of the range, at least at six hours, at most at a week.
pub(super) fn forecast(disk: &Column, range: TimeRange) -> Option<Forecast> {
    let (end, _) = disk.buckets.filled().next_back()?;
    let window = ((range.end - range.start) / 4).clamp(6 * HOUR, 7 * 24 * HOUR);
    let tail = disk.buckets.filled().filter(|(at, _)| end - at <= window);
    let (since, _) = tail.clone().next()?;
    if end - since < SHORTEST_TREND {
        return None;
    }
    let line = Line::through(tail.map(|(at, bucket)| ((at - end) as f64 / 1000.0, f64::from(bucket.mean))))?;
    let seconds = (end - since) as f64 / 1000.0;
    let to_full = (1.0 - line.level).max(0.0) / line.slope;
    let is_worth_it = line.slope * seconds >= LEAST_GROWTH && to_full <= REACH * seconds;
    is_worth_it.then(|| Forecast {
        mountpoint: disk.about.clone(),
        seconds_to_full: to_full,
        slope_per_second: line.slope,
        level: line.level,
        since,
        end,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::scrape_log::tools::report::buckets::Buckets;
    use crate::scrape_log::tools::report::columns::Kind;

    fn disk(used: impl Fn(i64) -> f32) -> Option<Forecast> {
        let range = TimeRange { start: 0, end: 24 * HOUR };
        let mut column = Column::new(Kind::Disk, "/srv", Buckets::new(range));
        for minute in 0..24 * 60 {
            column.add(minute * 60_000, used(minute));
        }
        forecast(&column, range)
    }

    #[test]
    fn only_what_will_happen_soon() {
        // Four hours at 5 % are left.
        let forecast = disk(|minute| 0.8 - 0.05 * (1_440 - minute) as f32 / 60.0).unwrap();
        assert!((forecast.seconds_to_full / 3600.0 - 4.0).abs() < 0.05, "{forecast:?}");
        assert!((forecast.level - 0.8).abs() < 0.003, "{forecast:?}");
        assert_eq!(disk(|_| 0.9), None);
        assert_eq!(disk(|minute| 0.9 - minute as f32 / 10_000.0), None, "it empties");
        assert_eq!(disk(|minute| 0.1 + minute as f32 / 100_000.0), None, "in a week at the earliest");
    }
}

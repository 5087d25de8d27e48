//! Times as people read them.

use jiff::tz::TimeZone;
use jiff::{Timestamp, Zoned};

/// The time zone of a report.
#[derive(Clone, Debug)]
pub(super) struct Clock {
    zone: TimeZone,
}

/// Distances of marks on a time axis, in seconds.
const STEPS: [i64; 16] = [
    60, 120, 300, 600, 900, 1_800, 3_600, 7_200, 10_800, 21_600, 43_200, 86_400, 172_800, 345_600, 604_800,
    1_209_600,
];
const DAY: i64 = 86_400;

impl Clock {
    pub(super) fn new(zone: TimeZone) -> Self {
        Self { zone }
    }

    fn zoned(&self, at: i64) -> Zoned {
        Timestamp::from_millisecond(at).unwrap_or_default().to_zoned(self.zone.clone())
    }

    /// Date and time to the second.
    pub(super) fn full(&self, at: i64) -> String {
        self.zoned(at).strftime("%Y-%m-%d %H:%M:%S").to_string()
    }

    /// Without seconds.
    pub(super) fn minute(&self, at: i64) -> String {
        self.zoned(at).strftime("%Y-%m-%d %H:%M").to_string()
    }

    /// The name of the zone and its offset at a time.
    pub(super) fn zone(&self, at: i64) -> String {
        let offset = self.zoned(at).strftime("%:z").to_string();
        match self.zone.iana_name() {
            Some("UTC" | "Etc/UTC") => "UTC".to_owned(),
            Some(name) => format!("{name} ({offset})"),
            None if self.zone == TimeZone::UTC || offset == "+00:00" => "UTC".to_owned(),
            None => format!("UTC{offset}"),
        }
    }

    /// Where marks stand on a time axis, at most `most` of them.
    pub(super) fn marks(&self, start: i64, end: i64, most: usize) -> Vec<i64> {
        let seconds = (end - start) / 1000;
        let fits = |step: &i64| usize::try_from(seconds / step).is_ok_and(|marks| marks <= most);
        let step = STEPS.into_iter().find(fits).unwrap_or(seconds / most.max(1) as i64 + 1) * 1000;
        let offset = i64::from(self.zoned(start).offset().seconds()) * 1000;
        let first = (start + offset).div_euclid(step) * step - offset;
        (0_i64..)
            .map(|number| first + number * step)
            .skip_while(|at| *at < start)
            .take_while(|at| *at <= end)
            .collect()
    }

    /// What a mark is called, on an axis of this length.
    pub(super) fn mark(&self, at: i64, milliseconds: i64) -> String {
        let form = if milliseconds > 3 * DAY * 1000 { "%b %d" } else { "%H:%M" };
        self.zoned(at).strftime(form).to_string()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOON: i64 = 1_795_262_400_000;

    #[test]
    fn marks_are_round_local_times() {
        let clock = Clock::new(TimeZone::fixed(jiff::tz::offset(5)));
        let marks = clock.marks(NOON, NOON + DAY * 1000, 8);
        let marks: Vec<String> = marks.into_iter().map(|at| clock.mark(at, DAY * 1000)).collect();
        assert_eq!(marks, ["18:00", "21:00", "00:00", "03:00", "06:00", "09:00", "12:00", "15:00"]);
        let month = clock.marks(NOON, NOON + 30 * DAY * 1000, 8);
        assert!((4..=8).contains(&month.len()), "{month:?}");
        assert!(month.iter().all(|at| clock.full(*at).ends_with(" 00:00:00")), "{month:?}");
        assert_eq!(clock.mark(month[0], 30 * DAY * 1000), "Nov 23");
        assert!(clock.marks(0, i64::MAX / 2, 8).len() <= 9);
    }

    #[test]
    fn zones_have_names() {
        assert_eq!(Clock::new(TimeZone::UTC).zone(NOON), "UTC");
        assert_eq!(Clock::new(TimeZone::fixed(jiff::tz::offset(2))).zone(NOON), "UTC+02:00");
        assert_eq!(Clock::new(TimeZone::UTC).full(NOON), "2026-11-21 12:00:00");
    }
}

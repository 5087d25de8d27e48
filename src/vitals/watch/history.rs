//! What a problem needs to know of earlier pages.

use std::collections::VecDeque;

use crate::vitals::line::Line;

/// Parts of a window in which events are told apart by their time.
const PARTS: i64 = 60;
/// The time between two points of a trend, in milliseconds.
const TREND_STEP: i64 = 5 * 60_000;
/// What a trend looks back, in milliseconds.
const TREND_WINDOW: i64 = 6 * 60 * 60_000;

/// A fan that turned for less than this before it stopped may do so by design, in milliseconds.
const FAN_STEADY: i64 = 60 * 60_000;
/// A fan that turned for this long without a break is not one that stops by design, in milliseconds.
const FAN_BREAK: i64 = 12 * 60 * 60_000;
/// How long a fan that stopped is news, in milliseconds.
const FAN_NEWS: i64 = 6 * 60 * 60_000;
/// What a fan did while nobody looked for this long is not known, in milliseconds.
const FAN_UNSEEN: i64 = 30 * 60_000;

/// How often something happened within a window, from a counter.
#[derive(Clone, Debug, Default)]
pub(super) struct Events {
    /// When the counter was read last, and its value.
    last: Option<(i64, f64)>,
    /// When, and how many.
    seen: VecDeque<(i64, f64)>,
}

impl Events {
    /// Takes the counter's value. One that is lower than before has begun anew. Of what happened since a value that is
    /// older than the window nobody knows whether it was within the window, so it does not count.
    pub(super) fn count(&mut self, at: i64, value: f64, window: i64) {
        self.forget(at, window);
        if !value.is_finite() {
            return;
        }
        let last = self.last.replace((at, value)).filter(|(when, _)| at - when <= window);
        let grown = last.map_or(0.0, |(_, last)| if value >= last { value - last } else { value });
        if grown <= 0.0 {
            return;
        }
        match self.seen.back_mut().filter(|(time, _)| at - *time < window / PARTS) {
            Some((_, count)) => *count += grown,
            None => self.seen.push_back((at, grown)),
        }
    }

    /// How many there were within the window.
    pub(super) fn total(&self) -> f64 {
        self.seen.iter().map(|(_, count)| count).sum()
    }

    fn forget(&mut self, at: i64, window: i64) {
        // After the clock was set back.
        for (time, _) in &mut self.seen {
            *time = at.min(*time);
        }
        while self.seen.pop_front_if(|(time, _)| *time <= at - window).is_some() {}
    }
}

/// Where a ratio is heading.
#[derive(Clone, Debug, Default)]
pub(super) struct Trend {
    points: VecDeque<(i64, f32)>,
}

impl Trend {
    /// Takes the value of one moment.
    pub(super) fn add(&mut self, at: i64, value: f64) {
        while self.points.pop_front_if(|(time, _)| *time < at - TREND_WINDOW).is_some() {}
        // After the clock was set back.
        while self.points.pop_back_if(|(time, _)| *time > at).is_some() {}
        if self.points.back().is_none_or(|(last, _)| at - last >= TREND_STEP) {
            #[expect(clippy::cast_possible_truncation, reason = "a ratio needs no more digits")]
            self.points.push_back((at, value as f32));
        }
    }

    /// How long the points span, in milliseconds.
    pub(super) fn span(&self) -> i64 {
        match (self.points.front(), self.points.back()) {
            (Some((first, _)), Some((last, _))) => last - first,
            _ => 0,
        }
    }

    /// Seconds from `at`, when the value is `now`, until a straight line through the points (least squares) meets 0.
    /// `None` if it does not fall.
    pub(super) fn seconds_to_zero(&self, at: i64) -> Option<f64> {
        let seconds = |time: i64| (time - at) as f64 / 1000.0;
        let points = self.points.iter().map(|(time, value)| (seconds(*time), f64::from(*value)));
        let line = Line::through(points)?;
        (line.slope < 0.0).then(|| (-line.level / line.slope).max(0.0))
    }
}

/// What a fan did.
#[derive(Clone, Debug, Default)]
pub(super) struct Fan {
    seen: i64,
    turning_since: Option<i64>,
    stopped: Option<i64>,
    /// It has stopped after a short time, or turned again after it had stopped.
    pauses: bool,
}

impl Fan {
    /// Takes its speed. Gives whether it has stopped lately, though it is not one that stops by design.
    pub(super) fn has_stopped(&mut self, at: i64, rpm: f64) -> bool {
        if at - std::mem::replace(&mut self.seen, at) > FAN_UNSEEN {
            self.turning_since = None;
        }
        if rpm > 0.0 {
            self.pauses |= self.stopped.take().is_some();
            let since = *self.turning_since.get_or_insert(at);
            self.pauses &= at - since < FAN_BREAK;
        } else if rpm.is_nan() {
            // Nobody knows.
        } else if let Some(since) = self.turning_since.take() {
            self.stopped = Some(at);
            self.pauses |= at - since < FAN_STEADY;
        } else if self.stopped.is_none() {
            // It stood when it was seen first.
            self.pauses = true;
        }
        !self.pauses && self.stopped.is_some_and(|stopped| at - stopped < FAN_NEWS)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn events_leave_the_window() {
        let mut events = Events::default();
        for (at, value) in [(0, 5.0), (1_000, 5.0), (2_000, 7.0), (30_000, 8.0), (61_000, 8.0)] {
            events.count(at, value, 60_000);
        }
        assert_eq!(events.total(), 3.0, "what was there at first is old");
        events.count(62_000, 8.0, 60_000);
        assert_eq!(events.total(), 1.0);
        events.count(63_000, 2.0, 60_000);
        assert_eq!(events.total(), 3.0, "a counter that begins anew");
        events.count(200_000, 9.0, 60_000);
        assert_eq!(events.total(), 0.0, "it grew, but nobody knows when");
    }

    #[test]
    fn a_counter_that_is_no_number_counts_nothing() {
        let mut events = Events::default();
        for value in [40.0, f64::NAN, 40.0, f64::INFINITY, 41.0, f64::NEG_INFINITY, 41.0] {
            events.count(1_000, value, 60_000);
        }
        assert_eq!(events.total(), 1.0);
    }

    #[test]
    fn a_clock_that_is_set_back_leaves_nothing_in_the_future() {
        let mut events = Events::default();
        for (at, value) in [(900_000, 5.0), (910_000, 6.0), (700_000, 6.0), (710_000, 7.0)] {
            events.count(at, value, 60_000);
        }
        assert_eq!(events.total(), 2.0);
        events.count(775_000, 7.0, 60_000);
        assert_eq!(events.total(), 0.0);
        let mut trend = Trend::default();
        for minute in (0..=60).chain(40..=70) {
            trend.add(minute * 60_000, 0.5 - 0.1 * minute as f64 / 60.0);
        }
        let times: Vec<i64> = trend.points.iter().map(|(time, _)| time / 60_000).collect();
        assert_eq!(times, (0..=70).step_by(5).collect::<Vec<_>>());
    }

    #[test]
    fn a_trend_meets_zero() {
        let mut trend = Trend::default();
        assert_eq!(trend.seconds_to_zero(0), None);
        for minute in 0..=60 {
            trend.add(minute * 60_000, 0.5 - 0.1 * minute as f64 / 60.0);
        }
        assert_eq!(trend.points.len(), 13);
        assert_eq!(trend.span(), 60 * 60_000);
        let hours = trend.seconds_to_zero(60 * 60_000).unwrap() / 3600.0;
        assert!((hours - 4.0).abs() < 0.01, "{hours}");
        for minute in 61..1000 {
            trend.add(minute * 60_000, 0.4 + minute as f64 / 10_000.0);
        }
        assert_eq!((trend.seconds_to_zero(1000 * 60_000), trend.points.len()), (None, 72));
    }
}

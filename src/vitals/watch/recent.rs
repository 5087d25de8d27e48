//! The last quarter of an hour of a host, for small plots.

use std::collections::VecDeque;

use crate::vitals::numbers::Vitals;

/// What is kept, in milliseconds.
const WINDOW: i64 = 15 * 60_000;
/// The least time between two points, in milliseconds: a little less than ten seconds, as scrapes are not quite on time.
const STEP: i64 = 9_500;

/// Some numbers over the last quarter of an hour, at most one point in ten seconds.
#[derive(Clone, Debug, Default)]
pub struct Recent(VecDeque<Point>);

/// The numbers of one moment; those that are not known are NaN.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Point {
    /// In milliseconds since 1970 UTC.
    pub at_milliseconds: i64,
    /// See [`Vitals::cpu_usage_ratio`].
    pub cpu_usage_ratio: f32,
    /// See [`Vitals::memory_used_ratio`].
    pub memory_used_ratio: f32,
    /// Received and sent.
    pub network_bytes_per_second: f32,
    /// Read and written.
    pub disk_bytes_per_second: f32,
    /// The temperature of [`Vitals::hottest`].
    pub celsius: f32,
}

impl Recent {
    pub(super) fn add(&mut self, at: i64, vitals: &Vitals) {
        while self.0.pop_front_if(|point| point.at_milliseconds < at - WINDOW).is_some() {}
        // After the clock was set back.
        while self.0.pop_back_if(|point| point.at_milliseconds > at).is_some() {}
        if self.0.back().is_some_and(|last| at - last.at_milliseconds < STEP) {
            return;
        }
        self.0.push_back(Point::new(at, vitals));
    }

    /// The points, the oldest first.
    pub fn points(&self) -> impl ExactSizeIterator<Item = &Point> {
        self.0.iter()
    }
}

impl Point {
    /// What plots show of these numbers.
    pub(in crate::vitals) fn new(at_milliseconds: i64, vitals: &Vitals) -> Self {
        #[expect(clippy::cast_possible_truncation, reason = "a plot needs no more digits")]
        let number = |value: Option<f64>| value.map_or(f32::NAN, |value| value as f32);
        let sum = |one: Option<f64>, other: Option<f64>| {
            number(one.zip(other).map(|(one, other)| one + other).or(one).or(other))
        };
        Self {
            at_milliseconds,
            cpu_usage_ratio: number(vitals.cpu_usage_ratio),
            memory_used_ratio: number(vitals.memory_used_ratio),
            network_bytes_per_second: sum(
                vitals.network_receive_bytes_per_second,
                vitals.network_transmit_bytes_per_second,
            ),
            disk_bytes_per_second: sum(
                vitals.disk_read_bytes_per_second,
                vitals.disk_written_bytes_per_second,
            ),
            celsius: number(vitals.hottest.as_ref().map(|sensor| sensor.celsius)),
        }
    }
}

//! When a target is scraped, and the timestamps of its scrapes.

use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

/// A wall clock that went back by more than this starts a new file instead of being bridged.
const LARGEST_BRIDGED_STEP: Duration = Duration::from_secs(300);
/// A tick is used late up to this part of the interval.
const LARGEST_LATE_SHARE: i64 = 4;
/// Where one interval follows another, two scrapes may be nearer than the shorter of them, but not than this.
const LEAST_DISTANCE_MILLISECONDS: i64 = 10;
/// Phases are multiples of a hundredth of the interval, at most of 50 ms: scrapes that begin together cost less, as
/// each time that this program and the kernel wake up has its price.
const PHASES_AT_LEAST: i64 = 100;
const LONGEST_PHASE_STEP_MILLISECONDS: i64 = 50;
/// A timestamp this near to the planned time is written as the planned one; steady distances compress well.
const SNAP_MILLISECONDS: i64 = 2;

/// Milliseconds since 1970 UTC by the machine's clock.
pub(super) fn wall_milliseconds() -> i64 {
    match SystemTime::now().duration_since(UNIX_EPOCH) {
        Ok(since) => i64::try_from(since.as_millis()).unwrap_or(i64::MAX),
        Err(before) => -i64::try_from(before.duration().as_millis()).unwrap_or(i64::MAX),
    }
}

/// The ticks of one target: every interval, at a phase that its identity decides, aligned to the wall clock. So
/// targets are spread over the interval, and a restart does not move them. A target that has nobody to share the machine
/// with is also scraped at once, for the person who waits to see something.
#[derive(Clone, Copy, Debug)]
pub(super) struct Schedule {
    interval_milliseconds: i64,
    phase_milliseconds: i64,
    identity: u64,
    alone: bool,
    /// The planned time of the tick that was given last.
    last: Option<Instant>,
    /// That of the one before.
    before: Option<Instant>,
    /// After another interval was set: the tick is still to come with which its phase begins.
    changing: bool,
    /// A tick of the interval before that was waited for when another was set.
    held: Option<Tick>,
}

/// The next scrape.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Tick {
    /// From now on, zero if the planned time has passed.
    pub(super) delay: Duration,
    /// The planned time, in milliseconds since 1970 UTC.
    pub(super) planned_milliseconds: i64,
    /// The planned time by the monotonic clock.
    pub(super) due: Instant,
    /// How many ticks passed unused since the last scrape, because it took too long.
    pub(super) missed: u64,
}

impl Schedule {
    /// The ticks of the target whose [`Target::identity`](super::Target::identity) this is.
    pub(super) fn new(identity: u64, interval: Duration, alone: bool) -> Self {
        let (interval_milliseconds, phase_milliseconds) = times(identity, interval);
        Self {
            interval_milliseconds,
            phase_milliseconds,
            identity,
            alone,
            last: None,
            before: None,
            changing: false,
            held: None,
        }
    }

    /// Goes on with another interval. `unused` is the tick that was given last if it is still waited for: it comes in
    /// time unless the new interval has one before it. So the distance of two scrapes is never longer than the longer
    /// of the two intervals.
    pub(super) fn set_interval(&mut self, interval: Duration, unused: Option<Tick>) {
        (self.interval_milliseconds, self.phase_milliseconds) = times(self.identity, interval);
        self.changing = true;
        self.held = unused;
        if unused.is_some() {
            self.last = self.before;
        }
    }

    /// The first tick after another interval was set.
    fn change(&mut self, now: Instant, wall_milliseconds: i64) -> Tick {
        let interval = self.interval_milliseconds;
        let mut wait = (self.phase_milliseconds - wall_milliseconds).rem_euclid(interval);
        let since_last = self.last.map_or(i64::MAX, |last| {
            i64::try_from(now.saturating_duration_since(last).as_millis()).unwrap_or(i64::MAX)
        });
        if since_last.saturating_add(wait) < LEAST_DISTANCE_MILLISECONDS.min(interval) {
            wait += interval;
        }
        let delay = Duration::from_millis(wait.unsigned_abs());
        let due = now.checked_add(delay).unwrap_or(now);
        let held = self.held.take();
        let tick = match held {
            Some(held) if held.due <= due => Tick { delay: held.due.saturating_duration_since(now), ..held },
            _ => {
                self.changing = false;
                let planned_milliseconds = wall_milliseconds.saturating_add(wait);
                Tick { delay, planned_milliseconds, due, missed: held.map_or(0, |held| held.missed) }
            }
        };
        self.last = Some(tick.due);
        tick
    }

    /// The tick that follows, by what the clocks say now. The wall clock decides the phase; the monotonic one
    /// sees to it that two scrapes are never nearer than half an interval when the wall clock is set. A tick that
    /// has just passed, because the scrape before it took until its deadline, is used late, not lost.
    pub(super) fn next(&mut self, now: Instant, wall_milliseconds: i64) -> Tick {
        let interval = self.interval_milliseconds;
        self.before = self.last;
        if self.changing {
            return self.change(now, wall_milliseconds);
        }
        let mut wait = (self.phase_milliseconds - wall_milliseconds).rem_euclid(interval);
        let mut missed = 0;
        if let Some(last) = self.last {
            let since_last =
                i64::try_from(now.saturating_duration_since(last).as_millis()).unwrap_or(i64::MAX);
            let late = interval - wait;
            if late <= interval / LARGEST_LATE_SHARE && since_last.saturating_sub(late) > interval / 2 {
                wait = -late;
            }
            while since_last.saturating_add(wait) <= interval / 2 {
                wait += interval;
            }
            let intervals = since_last.saturating_add(wait).saturating_add(interval / 2) / interval;
            missed = (intervals - 1).max(0).unsigned_abs();
        } else if self.alone {
            wait = 0;
        }
        let delay = Duration::from_millis(wait.max(0).unsigned_abs());
        let late = Duration::from_millis((-wait).max(0).unsigned_abs());
        let due = now.checked_add(delay).and_then(|start| start.checked_sub(late)).unwrap_or(now);
        self.last = Some(due);
        Tick { delay, planned_milliseconds: wall_milliseconds.saturating_add(wait), due, missed }
    }
}

/// The interval and the phase in it, in milliseconds.
fn times(identity: u64, interval: Duration) -> (i64, i64) {
    let interval = i64::try_from(interval.as_millis()).unwrap_or(i64::MAX).max(1);
    let step = (interval / PHASES_AT_LEAST).clamp(1, LONGEST_PHASE_STEP_MILLISECONDS);
    let steps = (interval / step).unsigned_abs();
    (interval, (identity % steps).cast_signed() * step)
}

/// Gives each scrape of a target its timestamp, each later than the one before.
#[derive(Debug, Default)]
pub(super) struct Stamps {
    last: Option<(i64, Instant)>,
}

/// The timestamp of a scrape.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Stamp {
    /// Milliseconds since 1970 UTC.
    pub(super) milliseconds: i64,
    /// The clock went back so far that the scrape has to go into a file of its own.
    pub(super) clock_went_back: bool,
}

impl Stamps {
    /// The timestamp for a scrape that begins now. While the wall clock is behind the last timestamp, time goes on
    /// by the monotonic clock.
    pub(super) fn next(&mut self, now: Instant, wall_milliseconds: i64, planned_milliseconds: i64) -> Stamp {
        let near = wall_milliseconds.abs_diff(planned_milliseconds) <= SNAP_MILLISECONDS.unsigned_abs();
        let mut stamp = Stamp {
            milliseconds: if near { planned_milliseconds } else { wall_milliseconds },
            clock_went_back: false,
        };
        if let Some((last, at)) = self.last
            && stamp.milliseconds <= last
        {
            let step = last.abs_diff(stamp.milliseconds);
            if u128::from(step) > LARGEST_BRIDGED_STEP.as_millis() {
                stamp.clock_went_back = true;
            } else {
                let elapsed = i64::try_from(now.saturating_duration_since(at).as_millis()).unwrap_or(1);
                stamp.milliseconds = last.saturating_add(elapsed.max(1));
            }
        }
        self.last = Some((stamp.milliseconds, now));
        stamp
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::scrape_log::targets::stable_hash;

    const HASH: u64 = 0xaf63_f54c_8601_f577;
    const INTERVAL: Duration = Duration::from_secs(15);
    const START: i64 = 1_795_226_400_000;

    fn later(start: Instant, milliseconds: u64) -> Instant {
        start + Duration::from_millis(milliseconds)
    }

    #[test]
    fn phases_are_spread_and_survive_restarts() {
        let mut buckets = [0; 15];
        for host in 0..1500 {
            let identity = stable_hash(format!("http://host{host}:9100/metrics").as_bytes());
            let now = Instant::now();
            let first = Schedule::new(identity, INTERVAL, false).next(now, START).planned_milliseconds;
            let again =
                Schedule::new(identity, INTERVAL, false).next(now, START + 3_600_123).planned_milliseconds;
            assert_eq!((again - first) % 15_000, 0, "{host}");
            assert!((START..START + 15_000).contains(&first));
            buckets[((first - START) / 1000) as usize] += 1;
        }
        assert!(buckets.iter().all(|&count| (50..150).contains(&count)), "{buckets:?}");
    }

    #[test]
    fn ticks_follow_each_other() {
        let mut schedule = Schedule::new(HASH, INTERVAL, false);
        let mut now = Instant::now();
        let mut wall = START;
        let first = schedule.next(now, wall);
        now += first.delay;
        wall = first.planned_milliseconds;
        for _ in 0..3 {
            let (now_after, wall_after) = (later(now, 200), wall + 200);
            let tick = schedule.next(now_after, wall_after);
            assert_eq!((tick.planned_milliseconds, tick.missed), (wall + 15_000, 0));
            now = now_after + tick.delay;
            wall = tick.planned_milliseconds;
        }
        // A scrape took until its deadline, which is the interval: the tick that has just passed is used.
        let tick = schedule.next(later(now, 15_003), wall + 15_003);
        assert_eq!((tick.planned_milliseconds, tick.missed), (wall + 15_000, 0));
        assert_eq!(tick.delay, Duration::ZERO);
        now = later(now, 15_003);
        wall += 15_003;
        let tick = schedule.next(later(now, 5000), wall + 5000);
        assert_eq!((tick.planned_milliseconds, tick.missed), (wall - 3 + 15_000, 0));
        now = later(now, 5000) + tick.delay;
        wall = tick.planned_milliseconds;
        // A scrape and its writing took 40 s: two ticks went by, and the third comes at its own time.
        let tick = schedule.next(later(now, 40_000), wall + 40_000);
        assert_eq!((tick.planned_milliseconds, tick.missed), (wall + 45_000, 2));
        assert_eq!(tick.delay, Duration::from_secs(5));
    }

    #[test]
    fn a_target_that_is_alone_is_scraped_at_once_and_then_at_its_phase() {
        let now = Instant::now();
        for wall in (START..START + 15_000).step_by(500) {
            let mut schedule = Schedule::new(HASH, INTERVAL, true);
            let first = schedule.next(now, wall);
            assert_eq!(
                first,
                Tick { delay: Duration::ZERO, planned_milliseconds: wall, due: now, missed: 0 }
            );
            let second = schedule.next(later(now, 200), wall + 200);
            let phase = Schedule::new(HASH, INTERVAL, false).phase_milliseconds;
            assert_eq!((second.planned_milliseconds.rem_euclid(15_000), second.missed), (phase, 0));
            assert!(second.delay > INTERVAL / 2 - Duration::from_millis(201), "{second:?}");
        }
    }

    #[test]
    fn a_timer_that_fires_before_the_wall_clock_gets_there_does_not_double_the_tick() {
        let mut schedule = Schedule::new(HASH, INTERVAL, false);
        let now = Instant::now();
        let first = schedule.next(now, START);
        let at = now + first.delay;
        let tick = schedule.next(at, first.planned_milliseconds - 1);
        assert_eq!(tick.planned_milliseconds, first.planned_milliseconds + 15_000);
        assert_eq!(tick.missed, 0);
    }

    #[test]
    fn setting_the_wall_clock_neither_stops_nor_bunches_scrapes() {
        for step in [-3_600_000 - 7_000, -7_000, 7_000, 3_600_000 + 7_000] {
            let mut schedule = Schedule::new(HASH, INTERVAL, false);
            let now = Instant::now();
            let first = schedule.next(now, START);
            let tick = schedule.next(now + first.delay, first.planned_milliseconds + step);
            assert!(tick.delay > INTERVAL / 2 && tick.delay <= INTERVAL * 3 / 2, "{step}: {tick:?}");
            assert_eq!(tick.missed, 0, "{step}");
        }
    }

    #[test]
    fn a_machine_that_slept_goes_on_at_its_phase() {
        // The monotonic clock stands still while the machine sleeps, and with it the timer: it fires hours late.
        let mut schedule = Schedule::new(HASH, INTERVAL, false);
        let mut stamps = Stamps::default();
        let now = Instant::now();
        let first = schedule.next(now, START);
        let slept = 8 * 3_600_000 + 4321;
        let (at, wall) = (now + first.delay, first.planned_milliseconds + slept);
        let stamp = stamps.next(at, wall, first.planned_milliseconds);
        assert_eq!(
            stamp,
            Stamp { milliseconds: wall, clock_went_back: false },
            "not the time that was planned"
        );
        let tick = schedule.next(at, wall);
        assert_eq!((tick.planned_milliseconds - first.planned_milliseconds) % 15_000, 0);
        assert_eq!((tick.planned_milliseconds - wall, tick.missed), (15_000 - 4321, 0));
    }

    #[test]
    fn between_two_intervals_nothing_is_lost() {
        let start = Instant::now();
        for (old, new) in
            [(15_000, 5000), (5000, 15_000), (60_000, 1000), (1000, 60_000), (500, 1000), (7, 15_000)]
        {
            for waited in [0, 1, 200, 900, 14_000, 59_000].into_iter().filter(|&waited| waited < old) {
                let mut schedule = Schedule::new(HASH, Duration::from_millis(old), false);
                let first = schedule.next(start, START);
                let used = first.due;
                // The clocks run alike here.
                let wall = |at: Instant| START + (at - start).as_millis() as i64;
                let given = schedule.next(used, wall(used));
                schedule.set_interval(Duration::from_millis(new), Some(given));
                let mut now = later(used, waited);
                let mut times = vec![used];
                for _ in 0..4 {
                    let tick = schedule.next(now, wall(now));
                    assert_eq!((tick.missed, tick.due), (0, now + tick.delay));
                    assert_eq!(tick.planned_milliseconds, wall(tick.due));
                    now = tick.due;
                    times.push(now);
                }
                let gaps: Vec<_> =
                    times.windows(2).map(|pair| (pair[1] - pair[0]).as_millis() as i64).collect();
                let (longest, case) = (old.max(new) as i64, format!("{old} {new} {waited}: {gaps:?}"));
                assert!(
                    gaps.iter().all(|&gap| gap > 0 && gap <= longest + LEAST_DISTANCE_MILLISECONDS),
                    "{case}"
                );
                assert_eq!(gaps[2..], [new as i64; 2], "{case}");
                let (_, phase) = super::times(HASH, Duration::from_millis(new));
                assert_eq!(wall(now).rem_euclid(new as i64), phase, "{case}");
            }
        }
    }

    #[test]
    fn ticks_say_when_they_were_due() {
        let mut schedule = Schedule::new(HASH, INTERVAL, false);
        let now = Instant::now();
        let first = schedule.next(now, START);
        assert_eq!(first.due, now + first.delay);
        let late =
            schedule.next(first.due + Duration::from_millis(15_003), first.planned_milliseconds + 15_003);
        assert_eq!((late.delay, late.due), (Duration::ZERO, first.due + INTERVAL));
    }

    #[test]
    fn timestamps_only_grow_unless_the_clock_went_far_back() {
        let start = Instant::now();
        let mut stamps = Stamps::default();
        let mut next = |elapsed, wall: i64, planned: i64| {
            let stamp = stamps.next(later(start, elapsed), START + wall, START + planned);
            (stamp.milliseconds - START, stamp.clock_went_back)
        };
        assert_eq!(next(0, 2, 0), (0, false), "snapped");
        assert_eq!(next(15_000, 15_003, 15_000), (15_003, false), "too far to snap");
        assert_eq!(next(30_000, 10_000, 10_000), (30_003, false), "20 s back: bridged");
        assert_eq!(next(45_000, 25_000, 25_000), (45_003, false), "still behind");
        assert_eq!(next(60_000, 61_000, 60_000), (61_000, false), "caught up");
        assert_eq!(next(60_000, 61_000, 60_000), (61_001, false), "never the same twice");
        assert_eq!(next(75_000, -3_600_000, -3_600_000), (-3_600_000, true), "an hour back");
        assert_eq!(next(90_000, -3_585_000, -3_585_000), (-3_585_000, false));
    }
}

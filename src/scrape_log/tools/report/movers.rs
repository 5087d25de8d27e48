//! Which values moved before a machine went, in the order in which they tell why.

use std::collections::VecDeque;

use super::columns::{Column, Kind, Unit};

/// What is looked at before a machine went, in milliseconds: the last minutes, and the hour before those.
const LAST_MINUTES: i64 = 10 * 60_000;
const HOUR_BEFORE: i64 = 60 * 60_000;
/// For what moves slowly it is these hours.
const HOURS_BEFORE: i64 = 6 * 60 * 60_000;
/// Moments closer together are not kept, in milliseconds.
const STEP: i64 = 9_000;
const COARSE_STEP: i64 = 60_000;
/// Fewer values tell nothing about what is usual.
const FEWEST_VALUES: usize = 8;
/// A move towards the end of what a machine can take that is smaller than this share of the way is none.
const SMALLEST_MOVE: f32 = 0.1;
/// How many are told.
const MAX_MOVERS: usize = 6;

/// A value that moved.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Mover {
    pub(super) kind: Kind,
    pub(super) about: String,
    /// The usual value before.
    pub(super) before: f32,
    /// The extreme of the last minutes.
    pub(super) after: f32,
    /// It took hours: `before` is what it was over that time.
    pub(super) is_slow: bool,
    score: f32,
}

/// The values of the last hour and a bit, and fewer of those of the last hours.
#[derive(Clone, Debug)]
pub(super) struct Ring {
    fine: Moments,
    coarse: Moments,
}

/// The values of all columns at some moments.
#[derive(Clone, Debug)]
struct Moments {
    kept: VecDeque<(i64, Vec<f32>)>,
    step: i64,
    length: i64,
}

impl Default for Ring {
    fn default() -> Self {
        let moments = |step, length| Moments { kept: VecDeque::new(), step, length };
        Self { fine: moments(STEP, HOUR_BEFORE + LAST_MINUTES), coarse: moments(COARSE_STEP, HOURS_BEFORE) }
    }
}

impl Moments {
    fn push(&mut self, at: i64, values: &[f32]) {
        // The last moment before a machine goes counts: it replaces one that is close.
        if let Some((last, _)) = self.kept.back()
            && let Some((before, _)) = self.kept.iter().rev().nth(1)
            && last - before < self.step
        {
            self.kept.pop_back();
        }
        let mut old = Vec::new();
        let length = self.length;
        while let Some((_, values)) = self.kept.pop_front_if(|(time, _)| *time < at - length || *time > at) {
            old = values;
        }
        old.clear();
        old.extend_from_slice(values);
        self.kept.push_back((at, old));
    }

    /// The values of a column over the time from so long to so long before `end`.
    fn values(&self, column: usize, end: i64, (from, to): (i64, i64)) -> Vec<f32> {
        let is_then = |at: i64| end - from <= at && at <= end - to;
        let then = self.kept.iter().filter(|(at, _)| is_then(*at));
        then.filter_map(|(_, values)| values.get(column).copied()).filter(|value| value.is_finite()).collect()
    }
}

impl Ring {
    /// Takes the values of all columns at one moment, NaN where there is none.
    pub(super) fn push(&mut self, at: i64, values: &[f32]) {
        self.fine.push(at, values);
        self.coarse.push(at, values);
    }

    pub(super) fn clear(&mut self) {
        self.fine.kept.clear();
        self.coarse.kept.clear();
    }

    /// The columns that moved most before the last moment.
    pub(super) fn movers(&self, columns: &[Column]) -> Option<Vec<Mover>> {
        let (end, _) = self.fine.kept.back()?;
        let before = self.fine.kept.partition_point(|(at, _)| *at < end - LAST_MINUTES);
        if before < FEWEST_VALUES {
            return None;
        }
        let mover = |(index, column): (usize, &Column)| {
            let last = self.fine.values(index, *end, (LAST_MINUTES, 0));
            let hour = self.fine.values(index, *end, (HOUR_BEFORE + LAST_MINUTES, LAST_MINUTES + 1));
            let hours = self.coarse.values(index, *end, (HOURS_BEFORE, LAST_MINUTES));
            let (fast, slow) = (fast(column, &hour, &last), slow(column, &hours, &last));
            // What is told by the last hour alone needs no others.
            let is_enough = |fast: &Mover| slow.as_ref().is_none_or(|slow| fast.score > 0.8 * slow.score);
            fast.filter(is_enough).or(slow)
        };
        let mut movers: Vec<Mover> = columns.iter().enumerate().filter_map(mover).collect();
        movers.sort_by(|one, other| other.score.total_cmp(&one.score));
        movers.truncate(MAX_MOVERS);
        Some(movers)
    }
}

impl Mover {
    fn new(column: &Column, (before, after): (f32, f32), score: f32) -> Self {
        let (kind, about) = (column.kind, column.about.clone());
        Self { kind, about, before, after, score: score * weight(kind), is_slow: false }
    }
}

/// How a column moved in the last minutes, if it did.
fn fast(column: &Column, before: &[f32], last: &[f32]) -> Option<Mover> {
    if column.kind.unit() == Unit::Events {
        let [before, last] = [before, last].map(|values| values.iter().sum::<f32>());
        return (last > before / 6.0 && last > 0.0).then(|| Mover::new(column, (before, last), 1.0));
    }
    let usual = Usual::of(before)?;
    let last = smooth(last);
    let highest = last.iter().copied().reduce(f32::max)?;
    let is_higher = highest > usual.high + usual.noise;
    if let Some(way) = way(column, usual.middle, highest) {
        let mover = Mover::new(column, (usual.middle, highest), way);
        return (is_higher && mover.score >= SMALLEST_MOVE).then_some(mover);
    }
    // What has no end counts by the power of ten that it rose or fell by.
    let least = least(column.kind);
    let power = |value: f32| ((value + least) / (usual.middle + least)).log10();
    let lowest = last.iter().rev().take(4).copied().reduce(f32::max)?;
    let (value, power) = if is_higher {
        (highest, power(highest))
    } else {
        (lowest, if lowest < usual.low - usual.noise { -power(lowest) } else { 0.0 })
    };
    (power >= 0.5).then(|| Mover::new(column, (usual.middle, value), (power / 2.0).min(1.0)))
}

/// How a column moved over hours, if it took most of what was left.
fn slow(column: &Column, before: &[f32], last: &[f32]) -> Option<Mover> {
    let (usual, last) = (Usual::of(before)?, Usual::of(last)?);
    let way = way(column, usual.middle, last.middle).filter(|way| *way >= 0.5)?;
    Some(Mover { is_slow: true, ..Mover::new(column, (usual.middle, last.high), way) })
}

/// Which share of the way from the usual to the end of what is possible or good a value went. `None` if there is no end.
fn way(column: &Column, usual: f32, value: f32) -> Option<f32> {
    let end = match column.kind.unit() {
        Unit::Ratio => 1.0,
        Unit::Celsius => column.limit.unwrap_or(100.0),
        _ => return None,
    };
    // Where the usual is at the end already, nothing is left to move.
    Some(((value - usual) / (end - usual).max(end * 0.001)).clamp(0.0, 1.2))
}

/// How much it says about the fate of a machine that a value went all the way. A full CPU or network is no danger to it.
fn weight(kind: Kind) -> f32 {
    match kind {
        Kind::Memory | Kind::Disk | Kind::Temperature => 1.0,
        Kind::HungTasks => 0.9,
        Kind::OomKills | Kind::MemoryStalled | Kind::Inodes => 0.85,
        Kind::Swap | Kind::MemoryWaiting | Kind::IoStalled => 0.7,
        Kind::IoWaiting => 0.6,
        Kind::Cpu | Kind::CpuWaiting | Kind::Load => 0.5,
        Kind::SwappedIn | Kind::SwappedOut => 0.4,
        Kind::Received | Kind::Sent | Kind::Read | Kind::Written => 0.3,
    }
}

/// Less than this is next to nothing, for values without an end.
fn least(kind: Kind) -> f32 {
    match kind.unit() {
        Unit::BytesPerSecond => 100_000.0,
        Unit::PagesPerSecond => 100.0,
        _ => 1.0,
    }
}

/// What a value usually is.
struct Usual {
    middle: f32,
    /// The lowest and the highest that it was for more than a moment.
    low: f32,
    high: f32,
    /// By how much it differs from one moment to the next, where nothing happens. A trend is no noise.
    noise: f32,
}

impl Usual {
    fn of(values: &[f32]) -> Option<Self> {
        if values.len() < FEWEST_VALUES {
            return None;
        }
        let mut steps: Vec<f32> = values.windows(2).map(|pair| (pair[1] - pair[0]).abs()).collect();
        let lasting = smooth(values);
        Some(Self {
            middle: quantile(&mut values.to_vec(), 0.5),
            low: lasting.iter().copied().reduce(f32::min)?,
            high: lasting.iter().copied().reduce(f32::max)?,
            noise: quantile(&mut steps, 0.5),
        })
    }
}

fn quantile(values: &mut [f32], share: f32) -> f32 {
    values.sort_unstable_by(f32::total_cmp);
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "an index")]
    let index = (values.len().saturating_sub(1) as f32 * share).round() as usize;
    values.get(index).copied().unwrap_or(0.0)
}

/// Each value but for single outliers: the middle one of it and its neighbours.
fn smooth(values: &[f32]) -> Vec<f32> {
    if values.len() < 3 {
        return values.to_vec();
    }
    let middle = |three: &[f32]| quantile(&mut three.to_vec(), 0.5);
    values.windows(3).map(middle).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::scrape_log::files::TimeRange;
    use crate::scrape_log::tools::report::buckets::Buckets;

    const MINUTE: i64 = 60_000;

    /// The movers of one column whose value is this so many minutes before the end.
    fn movers(kind: Kind, value: impl Fn(f32) -> f32) -> Vec<Mover> {
        let mut column = Column::new(kind, "", Buckets::new(TimeRange::ALL));
        column.limit = (kind == Kind::Temperature).then_some(90.0);
        let mut ring = Ring::default();
        for step in (0..8 * 240).rev() {
            let left = step as f32 / 4.0;
            // Noise, the same in each run.
            let noise = ((step * 7_919) % 101) as f32 / 101.0 - 0.5;
            ring.push(-i64::from(step) * 15_000, &[value(left) * (1.0 + 0.04 * noise)]);
        }
        ring.movers(&[column]).unwrap()
    }

    fn told(kind: Kind, value: impl Fn(f32) -> f32) -> Option<(f32, f32, bool)> {
        let found = movers(kind, value).pop();
        found.map(|mover| (mover.before, mover.after, mover.is_slow))
    }

    #[test]
    fn what_is_usual_does_not_move() {
        assert_eq!(told(Kind::Memory, |_| 0.5), None);
        assert_eq!(told(Kind::Temperature, |left| 60.0 - left / 100.0), None, "a morning");
        assert_eq!(told(Kind::Cpu, |left| if left % 15.0 < 1.0 { 0.9 } else { 0.1 }), None, "a job");
        assert_eq!(told(Kind::Received, |left| 1e6 * (1.5 + (left / 60.0).sin())), None);
        assert_eq!(told(Kind::Disk, |_| 0.96), None, "full for long");
        assert_eq!(told(Kind::Cpu, |left| if left == 3.0 { 0.9 } else { 0.1 }), None, "one outlier");
        assert_eq!(told(Kind::OomKills, |_| 0.0), None);
    }

    #[test]
    fn what_is_unusual_does() {
        let (before, after, is_slow) = told(Kind::Memory, |left| (0.98 - left / 60.0).max(0.4)).unwrap();
        assert!((before - 0.4).abs() < 0.1 && after > 0.95 && !is_slow, "{before} {after}");
        let (before, after, is_slow) =
            told(Kind::Memory, |left| 0.96 - 0.1 * ((left - 60.0).max(0.0) / 60.0)).unwrap();
        assert!((0.6..0.9).contains(&before) && after > 0.95 && is_slow, "{before} {after}");
        let (_, after, _) = told(Kind::Temperature, |left| if left < 0.6 { 89.0 } else { 55.0 }).unwrap();
        assert!(after > 85.0, "the last half minute counts: {after}");
        let (before, after, _) = told(Kind::Sent, |left| if left < 5.0 { 0.0 } else { 5e6 }).unwrap();
        assert!(before > 4e6 && after == 0.0, "{before} {after}");
        assert_eq!(
            told(Kind::HungTasks, |left| f32::from(u8::from(left == 2.0))).map(|told| told.0),
            Some(0.0)
        );
    }

    #[test]
    fn what_endangers_a_machine_comes_first() {
        let kinds = [Kind::Cpu, Kind::Received, Kind::Memory, Kind::IoWaiting, Kind::Load];
        let columns = kinds.map(|kind| Column::new(kind, "", Buckets::new(TimeRange::ALL)));
        let mut ring = Ring::default();
        for step in 0..400_i64 {
            let rise = if step > 370 { (step - 370) as f32 / 30.0 } else { 0.0 };
            ring.push(
                step * 15_000,
                &[0.1 + 0.9 * rise, 1e5 + 1e9 * rise, 0.4 + 0.58 * rise, rise, 1.0 + 99.0 * rise],
            );
        }
        let movers = ring.movers(&columns).unwrap();
        assert_eq!(movers.iter().map(|mover| mover.kind).next(), Some(Kind::Memory));
        assert_eq!(movers.len(), kinds.len(), "{movers:?}");
        let mut short = Ring::default();
        (0..30).for_each(|step| short.push(step * 15_000, &[0.5; 5]));
        assert_eq!(short.movers(&columns), None, "too little to compare with");
    }

    #[test]
    fn memory_has_an_end() {
        let mut ring = Ring::default();
        (0..100_000).for_each(|second| ring.push(second * 1_000, &[1.0]));
        assert!(ring.fine.kept.len() <= (70 * MINUTE / STEP + 2) as usize, "{}", ring.fine.kept.len());
        assert!(ring.coarse.kept.len() <= 370, "{}", ring.coarse.kept.len());
        assert_eq!(ring.fine.kept.back().map(|(at, _)| *at), Some(99_999_000), "the last moment is there");
    }
}

//! The past: what was written about a stretch of time.

use std::io;
use std::thread;

use super::cache::{CHUNK, Moment, Moments};
use crate::scrape_log::files::{Target, TargetScrapes, TimeRange, files_within};
use crate::scrape_log::replay::Replay;

/// Events of the last minutes are known when so much before the wanted time has been played, in milliseconds.
const WARM_UP: i64 = CHUNK;

/// Plays all targets over a range of time.
pub(super) fn read(targets: &[Target], range: TimeRange) -> io::Result<Vec<(String, Moments)>> {
    let threads = thread::available_parallelism().map_or(1, usize::from);
    let share = targets.len().div_ceil(threads).max(1);
    thread::scope(|scope| {
        let read = |part: &[Target]| part.iter().map(|target| read_target(target, range)).collect();
        let parts = targets.chunks(share);
        let running: Vec<_> = parts.map(|part| scope.spawn(move || read(part))).collect();
        let mut all = Vec::with_capacity(targets.len());
        for thread in running {
            let part: io::Result<Vec<_>> =
                thread.join().unwrap_or_else(|_| Err(io::Error::other("please report this")));
            all.extend(part?);
        }
        Ok(all)
    })
}

fn read_target(target: &Target, range: TimeRange) -> io::Result<(String, Moments)> {
    let files = match target.files() {
        Ok(files) => files,
        // Retention has emptied it.
        Err(error) if error.kind() == io::ErrorKind::NotFound => Vec::new(),
        Err(error) => return Err(error),
    };
    let warm = TimeRange { start: range.start.saturating_sub(WARM_UP), end: range.end };
    let mut replay = Replay::new(&files, warm);
    let mut moments = Moments::new();
    let mut first = None;
    while let Some(at) = replay.advance() {
        let known_from = *first.get_or_insert(at);
        if range.contains(at) {
            let host = super::host(replay.target(), replay.watch(), &target.name);
            moments.insert(at, Moment { host, known_from });
        }
    }
    // Damage is what check is for; what could be read is shown.
    for problem in replay.take_problems() {
        tracing::debug!(%problem, "not all can be shown");
    }
    Ok((target.name.clone(), moments))
}

/// The time of the target's scrape that is so many before (below zero) or after `time`. Where there are fewer nearby, it
/// is the furthest of them; where there is none nearby, the nearest.
pub(super) fn step(target: &Target, time: i64, steps: i32) -> io::Result<Option<i64>> {
    let files = target.files()?;
    let count = usize::try_from(steps.unsigned_abs()).unwrap_or(usize::MAX);
    if steps > 0 {
        let later = TimeRange { start: time.saturating_add(1), end: i64::MAX };
        return Ok(times(TargetScrapes::of_samples(&files, later)).take(count).last());
    }
    let near = TimeRange { start: time.saturating_sub(4 * CHUNK), end: time };
    let near: Vec<i64> = times(TargetScrapes::of_samples(&files, near)).collect();
    let furthest = near.len().saturating_sub(count);
    if let Some(there) = near.get(furthest) {
        return Ok(Some(*there));
    }
    let earlier = TimeRange { start: i64::MIN, end: time };
    let mut newest_first = files_within(&files, earlier).iter().rev();
    let last = |file| times(TargetScrapes::new(std::slice::from_ref(file), earlier)).last();
    Ok(newest_first.find_map(last))
}

fn times(mut scrapes: TargetScrapes) -> impl Iterator<Item = i64> {
    std::iter::from_fn(move || scrapes.advance())
}

/// The time of the newest scrape of all.
pub(super) fn newest(targets: &[Target]) -> io::Result<Option<i64>> {
    let mut ends = Vec::with_capacity(targets.len());
    for target in targets {
        ends.extend(target.files()?.last().map(|file| (file.times().end, target)));
    }
    let newest = ends.iter().map(|(end, _)| *end).max();
    let mut last = None;
    for (_, target) in ends.iter().filter(|(end, _)| Some(*end) == newest) {
        last = last.max(step(target, i64::MAX, -1)?);
    }
    Ok(last)
}

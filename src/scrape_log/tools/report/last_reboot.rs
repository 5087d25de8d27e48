//! Finding the last time that a host went, without reading all that is recorded.
//!
//! The last page tells when the machine was booted, and only what is around that is played.

use super::Work;
use super::clock::Clock;
use super::gather::Host;
use crate::scrape_log::files::{SamplesFile, TimeRange, files_within};
use crate::scrape_log::replay::Replay;

const MINUTE: i64 = 60_000;
/// What is played before the machine went, so that trends are known.
const WARM_UP: i64 = 8 * 60 * MINUTE;
/// What is shown before it went, and after it came back.
const BEFORE: i64 = 75 * MINUTE;
const AFTER: i64 = 15 * MINUTE;
/// Who was away for longer is not shown coming back.
const LONG_AWAY: i64 = 60 * MINUTE;
/// A machine that did not answer for this long is gone.
const GONE: i64 = MINUTE;

/// What the last page of a host leads to.
pub(super) struct Found {
    name: String,
    job: String,
    instance: String,
    /// What is to be played and what of it is to be shown. `None` if there was no restart.
    pub(super) windows: Option<(TimeRange, TimeRange)>,
    /// When the machine was booted. `None` if it does not tell.
    booted: Option<i64>,
}

/// The last page of a time.
struct LastPage {
    at: i64,
    booted: Option<i64>,
    /// The last scrape, which may have failed.
    last_scrape: i64,
    name: String,
    job: String,
    instance: String,
}

/// Looks at the last page, and at the last one before the machine was booted. `None` if there is no page at all.
pub(super) fn find(work: &mut Work<'_>, files: &[SamplesFile], range: TimeRange) -> Option<Found> {
    let last = last_page(work, files, range)?;
    let window = |from: i64, played: i64, shown: i64| {
        let played = TimeRange { start: from - WARM_UP, end: played };
        let shown = TimeRange { start: from - BEFORE, end: shown };
        Some((played.intersection(range), shown.intersection(range)))
    };
    let windows = if last.last_scrape - last.at >= GONE {
        let end = last.last_scrape.min(last.at + AFTER) + 1;
        window(last.at, end, end)
    } else {
        last.booted.filter(|booted| range.start < *booted).and_then(|booted| {
            let end = booted + 2 * AFTER;
            let earlier =
                last_page(work, files, range.intersection(TimeRange { start: i64::MIN, end: booted }));
            match earlier.map(|earlier| earlier.at) {
                Some(went) if booted - went <= LONG_AWAY => window(went, end, booted + AFTER),
                Some(went) => window(went, end, went + AFTER),
                // The record begins with the boot, or long after it.
                None => first_scrape(files).filter(|first| booted >= first - LONG_AWAY).map(|_| {
                    // The next page may tell another second.
                    let range = TimeRange { start: booted - MINUTE, end: booted + LONG_AWAY };
                    (range, range)
                }),
            }
        })
    };
    let LastPage { booted, name, job, instance, .. } = last;
    Some(Found { name, job, instance, windows, booted })
}

/// By the name of the first file.
fn first_scrape(files: &[SamplesFile]) -> Option<i64> {
    files.first().map(|file| file.times().start)
}

/// Goes back through the files until one has a page.
fn last_page(work: &mut Work<'_>, files: &[SamplesFile], range: TimeRange) -> Option<LastPage> {
    let mut last_scrape = None;
    for file in files_within(files, range).iter().rev() {
        let mut replay = Replay::new(std::slice::from_ref(file), range);
        let mut last = None;
        while let Some(at) = replay.advance() {
            last = Some(at);
        }
        work.done(&mut replay);
        last_scrape = last_scrape.max(last);
        let watch = replay.watch();
        if let (Some(at), Some(last_scrape)) = (watch.seen_milliseconds(), last_scrape) {
            #[expect(clippy::cast_possible_truncation, reason = "saturates")]
            let uptime = watch.vitals().uptime_seconds.map(|seconds| (seconds * 1000.0) as i64);
            let target = replay.target();
            return Some(LastPage {
                at,
                booted: uptime.map(|uptime| at.saturating_sub(uptime)),
                last_scrape,
                name: watch.host_name().unwrap_or(&target.instance).to_owned(),
                job: target.job.clone(),
                instance: target.instance.clone(),
            });
        }
    }
    None
}

impl Found {
    /// The host without anything that happened to it.
    pub(super) fn host(&self) -> Host {
        Host {
            name: self.name.clone(),
            job: self.job.clone(),
            instance: self.instance.clone(),
            ..Host::default()
        }
    }

    /// Why there is no incident to tell of, if there is none.
    pub(super) fn why_none(&self, clock: &Clock) -> String {
        match self.booted {
            Some(booted) => format!("No restart is recorded: it has been up since {}.", clock.full(booted)),
            None => "It does not tell since when it is up, so restarts are not known.".to_owned(),
        }
    }
}

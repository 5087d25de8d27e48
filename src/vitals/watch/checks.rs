//! What is wrong with a host, by its last pages.

use super::memory::Memory;
use crate::vitals::families::{Family, Gauge, Nature};
use crate::vitals::limits::{self, Limit};
use crate::vitals::numbers::{Vitals, filesystems, sensors};
use crate::vitals::observation::{Page, Things};
use crate::vitals::words::{bytes, percent, span};

/// Trends over less than this, in milliseconds, are guesses.
const SHORTEST_TREND: i64 = 60 * 60_000;
const SHORTEST_FAST_TREND: i64 = 30 * 60_000;
/// The `thing` of problems of the host itself.
const HOST: u64 = 0;

/// Something that is wrong.
#[derive(Debug)]
pub(super) struct Finding {
    pub(super) limit: &'static Limit,
    pub(super) badness: f64,
    pub(super) thing: u64,
    pub(super) about: String,
    pub(super) sentence: String,
}

/// One look at a host.
pub(super) struct Checks<'a> {
    at: i64,
    vitals: &'a Vitals,
    page: &'a Page,
    before: Option<&'a Page>,
    things: &'a Things,
    memory: &'a mut Memory,
    found: Vec<Finding>,
}

impl<'a> Checks<'a> {
    /// `pages` are the present one and the one before it.
    pub(super) fn new(
        at: i64,
        vitals: &'a Vitals,
        pages: (&'a Page, Option<&'a Page>),
        things: &'a Things,
        memory: &'a mut Memory,
    ) -> Self {
        let (page, before) = pages;
        Self { at, vitals, page, before, things, memory, found: Vec::new() }
    }

    pub(super) fn run(mut self) -> Vec<Finding> {
        self.memory.forget(self.at);
        self.restart();
        self.space();
        self.mounts();
        self.memory_and_swap();
        self.tables();
        self.temperatures();
        self.fans();
        self.counted();
        self.arrays();
        self.clock();
        self.found
    }

    fn host(&mut self, limit: &'static Limit, badness: f64, sentence: String) {
        self.thing(limit, badness, HOST, "", sentence);
    }

    fn thing(&mut self, limit: &'static Limit, badness: f64, thing: u64, about: &str, sentence: String) {
        self.found.push(Finding { limit, badness, thing, about: about.to_owned(), sentence });
    }

    fn name(&self, thing: u64) -> &'a str {
        self.things.get(thing).map_or("", |thing| thing.name.as_str())
    }

    fn restart(&mut self) {
        let Some(uptime) = self.vitals.uptime_seconds else { return };
        let clean = self.page.gauge(Gauge::LastShutdownClean);
        if uptime < limits::REBOOTED.threshold() {
            let how = if clean == Some(1.0) { ", after a shutdown" } else { "" };
            self.host(&limits::REBOOTED, 0.0, format!("restarted {} ago{how}", span(uptime)));
        }
        let news = limits::UNCLEAN_SHUTDOWN.thresholds.get(1).copied().unwrap_or(0.0);
        if clean == Some(limits::UNCLEAN_SHUTDOWN.threshold()) && uptime < news {
            let started = self.at as f64 / 1000.0 - uptime;
            let gone = self.page.gauge(Gauge::LastAlive).map(|alive| started - alive);
            let gone =
                gone.filter(|gone| *gone > 0.0).map(|gone| format!(", and was away for {}", span(gone)));
            let sentence = format!("had gone without a shutdown{}", gone.unwrap_or_default());
            self.host(&limits::UNCLEAN_SHUTDOWN, 0.0, sentence);
        }
    }

    fn space(&mut self) {
        let space = (Family::FilesystemSize, Family::FilesystemAvailable);
        let portable = (Family::DiskSize, Family::DiskAvailable);
        let space = if self.page.readings(space.0).is_empty() { portable } else { space };
        let limits = [&limits::SPACE_GONE, &limits::SPACE_LOW];
        let trends = [&limits::SPACE_FILLING_FAST, &limits::SPACE_FILLING];
        self.filling(space, limits, trends, "space");
        let files = (Family::FilesystemFiles, Family::FilesystemFilesFree);
        let limits = [&limits::FILES_GONE, &limits::FILES_LOW];
        let trends = [&limits::FILES_FILLING_FAST, &limits::FILES_FILLING];
        self.filling(files, limits, trends, "inodes");
    }

    fn filling(
        &mut self,
        (size, left): (Family, Family),
        levels: [&'static Limit; 2],
        trends: [&'static Limit; 2],
        what: &str,
    ) {
        for (thing, mountpoint, ratio) in filesystems(self.page, self.things, size, left) {
            let (touched, trend) = self.memory.trends.entry((size, thing)).or_default();
            *touched = self.at;
            trend.add(self.at, ratio);
            let is_low = trends.iter().any(|limit| ratio < limit.threshold());
            let span_milliseconds = trend.span();
            let seconds = if is_low { trend.seconds_to_zero(self.at) } else { None };
            if let Some(limit) = levels.into_iter().find(|limit| ratio < limit.threshold()) {
                let left = match self.page.reading(left, thing) {
                    Some(left) if what == "space" => format!(" ({})", bytes(left)),
                    _ => String::new(),
                };
                let sentence = format!("{mountpoint} has {} of its {what} left{left}", percent(ratio));
                self.thing(limit, -ratio, thing, mountpoint, sentence);
            }
            let is_due = |limit: &Limit, shortest| {
                let horizon = limit.thresholds.get(1).copied().unwrap_or(0.0);
                span_milliseconds >= shortest
                    && ratio < limit.threshold()
                    && seconds.is_some_and(|seconds| seconds < horizon)
            };
            let [fast, slow] = trends;
            let due = (is_due(fast, SHORTEST_FAST_TREND).then_some(fast))
                .or_else(|| is_due(slow, SHORTEST_TREND).then_some(slow));
            if let Some(limit) = due {
                let sentence = format!(
                    "{mountpoint} has {} of its {what} left and none in {} if it goes on like this",
                    percent(ratio),
                    span(seconds.unwrap_or(0.0)),
                );
                self.thing(limit, -ratio, thing, mountpoint, sentence);
            }
        }
    }

    fn mounts(&mut self) {
        let window = limits::READ_ONLY.window_milliseconds();
        for reading in self.page.readings(Family::FilesystemReadonly) {
            let thing = reading.thing;
            if reading.value == 0.0 {
                self.memory.writable.insert(thing, (self.at, ()));
            } else if self.memory.writable.get(&thing).is_some_and(|(seen, ())| self.at - seen < window) {
                let name = self.name(thing);
                self.thing(&limits::READ_ONLY, 0.0, thing, name, format!("{name} has turned read-only"));
            }
        }
        for reading in self.page.readings(Family::FilesystemError).iter().filter(|error| error.value == 1.0) {
            let Some(mount) = self.things.get(reading.thing) else { continue };
            let limit = match mount.nature {
                Nature::Plain => &limits::DEVICE_ERROR,
                Nature::Network => &limits::MOUNT_ERROR,
                Nature::Ignored => continue,
            };
            self.thing(limit, 0.0, reading.thing, &mount.name, format!("{} does not answer", mount.name));
        }
    }

    fn memory_and_swap(&mut self) {
        let available = self.vitals.memory_used_ratio.map(|used| 1.0 - used);
        let levels = [&limits::MEMORY_GONE, &limits::MEMORY_LOW];
        if let Some(available) = available
            && let Some(limit) = levels.into_iter().find(|limit| available < limit.threshold())
        {
            self.host(limit, -available, format!("{} of the memory is available", percent(available)));
        }
        let over = |ratio: Option<f64>, limit: &Limit| ratio.filter(|ratio| *ratio > limit.threshold());
        if let Some(ratio) = over(self.vitals.memory_stalled_ratio, &limits::MEMORY_STALLED) {
            let sentence = format!("all tasks waited for memory in {} of the time", percent(ratio));
            self.host(&limits::MEMORY_STALLED, ratio, sentence);
        } else if let Some(ratio) = over(self.vitals.memory_waiting_ratio, &limits::MEMORY_WAITING) {
            self.host(
                &limits::MEMORY_WAITING,
                ratio,
                format!("tasks waited for memory in {} of the time", percent(ratio)),
            );
        }
        let swapped = self.vitals.swapped_in_pages_per_second.zip(self.vitals.swapped_out_pages_per_second);
        if let Some((into, out)) = swapped.filter(|(into, out)| {
            *into > limits::SWAP_STORM.threshold() && *out > limits::SWAP_STORM.threshold()
        }) {
            let sentence = format!("{into:.0} pages a second come back from swap while {out:.0} go out");
            self.host(&limits::SWAP_STORM, into + out, sentence);
        }
    }

    fn tables(&mut self) {
        let mut table = |used, most, levels: [&'static Limit; 2], what| {
            let ratio = self.page.gauge(used).zip(self.page.gauge(most).filter(|most| *most > 0.0));
            let Some(ratio) = ratio.map(|(used, most)| used / most) else { return };
            if let Some(limit) = levels.into_iter().find(|limit| ratio > limit.threshold()) {
                self.host(limit, ratio, format!("{} of the {what} that the kernel allows", percent(ratio)));
            }
        };
        let levels = [&limits::OPEN_FILES_GONE, &limits::OPEN_FILES_HIGH];
        table(Gauge::FilesAllocated, Gauge::FilesMaximum, levels, "open files");
        let levels = [&limits::CONNECTIONS_GONE, &limits::CONNECTIONS_HIGH];
        table(Gauge::ConnectionsTracked, Gauge::ConnectionsLimit, levels, "tracked connections");
    }

    fn temperatures(&mut self) {
        for (thing, name, celsius, limit_celsius) in sensors(self.page, self.things) {
            let Some(critical) = limit_celsius else { continue };
            let margin = critical - celsius;
            let limit = if margin <= limits::TEMPERATURE_CRITICAL.threshold() {
                &limits::TEMPERATURE_CRITICAL
            } else if margin < limits::TEMPERATURE_HIGH.threshold() {
                &limits::TEMPERATURE_HIGH
            } else {
                continue;
            };
            let sentence = format!("{name} is at {celsius:.0} °C, and {critical:.0} °C is critical");
            self.thing(limit, -margin, thing, name, sentence);
        }
    }

    fn fans(&mut self) {
        for reading in self.page.readings(Family::FanSpeed) {
            let (touched, fan) = self.memory.fans.entry(reading.thing).or_default();
            *touched = self.at;
            if fan.has_stopped(self.at, reading.value) {
                let name = self.name(reading.thing);
                self.thing(&limits::FAN_STOPPED, 0.0, reading.thing, name, format!("fan {name} has stopped"));
            }
        }
    }

    /// Counts on, and says how many there were within the window of `limit`.
    fn count(&mut self, limit: &'static Limit, thing: u64, value: f64) -> f64 {
        let (touched, events) = self.memory.events.entry((limit.alert, thing)).or_default();
        *touched = self.at;
        events.count(self.at, value, limit.window_milliseconds());
        events.total()
    }

    fn counted(&mut self) {
        for (gauge, limit, what) in [
            (Gauge::OomKills, &limits::OOM_KILL, "processes killed for want of memory"),
            (Gauge::HungTasks, &limits::HUNG_TASKS, "tasks stuck in the kernel"),
        ] {
            let Some(value) = self.page.gauge(gauge) else { continue };
            let count = self.count(limit, HOST, value);
            if count > limit.threshold() {
                self.host(limit, count, format!("{count:.0} {what} in the last 15 minutes"));
            }
        }
        for (family, limit, what, period) in [
            (Family::MemoryErrorsUncorrected, &limits::MEMORY_ERRORS_LOST, "uncorrectable", "6 hours"),
            (Family::MemoryErrorsCorrected, &limits::MEMORY_ERRORS, "corrected", "24 hours"),
        ] {
            for reading in self.page.readings(family) {
                let count = self.count(limit, reading.thing, reading.value);
                if count > limit.threshold() {
                    let name = self.name(reading.thing);
                    let sentence =
                        format!("memory controller {name}: {count:.0} {what} errors in the last {period}");
                    self.thing(limit, count, reading.thing, name, sentence);
                }
            }
        }
        for reading in self.page.readings(Family::PackageThrottles) {
            let limit = &limits::THROTTLED;
            let seconds = limit.window_milliseconds() as f64 / 1000.0;
            let rate = self.count(limit, reading.thing, reading.value) / seconds;
            if rate > limit.threshold() {
                let name = self.name(reading.thing);
                let sentence =
                    format!("CPU package {name} was slowed down {:.0} times a minute by heat", rate * 60.0);
                self.thing(limit, rate, reading.thing, name, sentence);
            }
        }
        if let Some(lost) = self.page.gauge(Gauge::MemoryCorrupted)
            && lost > limits::MEMORY_CORRUPTED.threshold()
        {
            let sentence = format!("{} of memory are out of use for hardware errors", bytes(lost));
            self.host(&limits::MEMORY_CORRUPTED, lost, sentence);
        }
    }

    fn arrays(&mut self) {
        for reading in self.page.readings(Family::RaidDisksRequired) {
            let Some(active) = self.page.reading(Family::RaidDisksActive, reading.thing) else { continue };
            let missing = reading.value - active;
            if missing > limits::RAID_DEGRADED.threshold() {
                let name = self.name(reading.thing);
                let sentence = format!("array {name} lacks {missing:.0} of its {:.0} disks", reading.value);
                self.thing(&limits::RAID_DEGRADED, missing, reading.thing, name, sentence);
            }
        }
    }

    fn clock(&mut self) {
        let offset = |page: &Page| page.gauge(Gauge::ClockOffset).map(f64::abs);
        if let Some(now) = offset(self.page)
            && let Some(earlier) = self.before.and_then(offset)
            && now > limits::CLOCK_SKEW.threshold()
            && now >= earlier
        {
            self.host(
                &limits::CLOCK_SKEW,
                now,
                format!("the clock is off by {} by its own reckoning", span(now)),
            );
        }
        if let Some(error) = self.page.gauge(Gauge::ClockMaxError)
            && self.page.gauge(Gauge::ClockSynchronised) == Some(0.0)
            && error >= limits::CLOCK_UNSYNCHRONISED.threshold()
        {
            let sentence = format!("nothing sets the clock, it may be off by {}", span(error));
            self.host(&limits::CLOCK_UNSYNCHRONISED, error, sentence);
        }
        if let Some(time) = self.page.gauge(Gauge::Time) {
            let difference = (time - self.at as f64 / 1000.0).abs();
            if difference > limits::CLOCK_DIFFERS.threshold() {
                let sentence = format!("the clock is {} away from that of the recorder", span(difference));
                self.host(&limits::CLOCK_DIFFERS, difference, sentence);
            }
        }
    }
}

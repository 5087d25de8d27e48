//! What is kept of a host while its scrapes go by. Memory does not grow with their number.

use super::buckets::Buckets;
use super::columns::{Column, Kind};
use super::forecast::{Forecast, forecast};
use super::history::{Episode, Episodes, Span, Spans, is_told_elsewhere};
use super::incident::{Ending, Incident, Open};
use super::movers::Ring;
use crate::scrape_log::files::TimeRange;
use crate::scrape_log::replay::{Identity, Replay};
use crate::vitals::{Vitals, Watch};

/// More filesystems and sensors of one host are not followed.
const MAX_DISKS: usize = 16;
const MAX_SENSORS: usize = 32;
/// More restarts are not listed: the last ones are.
const MAX_INCIDENTS: usize = 100;
/// More problems at the moment of one are not listed: the worst are.
const MAX_OPEN: usize = 12;
/// How many of the last times between scrapes tell the interval.
const INTERVALS: usize = 8;
/// A clock and a schedule may be off by this much, in milliseconds.
const SLACK: i64 = 2_000;
/// A machine that did not answer for this long at the end of the record is gone, in milliseconds.
const GONE: i64 = 60_000;

/// What a report tells of one host.
#[derive(Clone, Debug, Default)]
pub(super) struct Host {
    /// What people call it: its own name, or the instance.
    pub(super) name: String,
    pub(super) job: String,
    pub(super) instance: String,
    /// Scrapes that brought a page, and those that did not.
    pub(super) answered: u64,
    pub(super) failed: u64,
    /// The first and the last scrape.
    pub(super) record: Option<Span>,
    /// Times without any scrape.
    pub(super) gaps: Spans,
    /// Times in which scrapes failed.
    pub(super) outages: Spans,
    /// Why the last scrape failed, if it did.
    pub(super) failure: Option<String>,
    /// The worst first.
    pub(super) problems: Vec<Episode>,
    pub(super) unlisted_problems: u64,
    /// Restarts, the earliest first, and those before them that are not listed.
    pub(super) restarts: Vec<Incident>,
    pub(super) unlisted_restarts: u64,
    /// It did not answer any more at the end of the record.
    pub(super) gone: Option<Incident>,
    /// At the last page.
    pub(super) uptime_seconds: Option<f64>,
    pub(super) columns: Vec<Column>,
    pub(super) forecasts: Vec<Forecast>,
}

/// Follows one host.
pub(super) struct Gather {
    range: TimeRange,
    host: Host,
    host_name: Option<String>,
    values: Vec<f32>,
    ring: Ring,
    episodes: Episodes,
    open: Vec<Open>,
    /// The last page, and when the machine was booted by it.
    page: Option<(i64, Option<i64>)>,
    outage: Option<Outage>,
    scrape: Option<i64>,
    intervals: Vec<i64>,
    oom_kills: Option<f64>,
    hung_tasks: Option<f64>,
}

/// Scrapes that fail, one after another.
struct Outage {
    start: i64,
    note: String,
}

impl Host {
    /// The share of scrapes that brought a page.
    pub(super) fn availability(&self) -> Option<f64> {
        let all = self.answered + self.failed;
        (all > 0).then(|| self.answered as f64 / all as f64)
    }

    /// The columns of a kind that have values.
    pub(super) fn of(&self, kind: Kind) -> impl Iterator<Item = &Column> {
        self.columns.iter().filter(move |column| column.kind == kind && !column.buckets.is_empty())
    }

    /// Restarts and the end, if it is gone.
    pub(super) fn incidents(&self) -> impl DoubleEndedIterator<Item = &Incident> {
        self.restarts.iter().chain(&self.gone)
    }
}

impl Gather {
    /// Tells of `range`; what comes before it is only remembered.
    pub(super) fn new(range: TimeRange) -> Self {
        let columns = Kind::SINGLE.map(|kind| Column::new(kind, "", Buckets::new(range)));
        Self {
            range,
            host: Host { columns: columns.into(), ..Host::default() },
            host_name: None,
            values: Vec::new(),
            ring: Ring::default(),
            episodes: Episodes::default(),
            open: Vec::new(),
            page: None,
            outage: None,
            scrape: None,
            intervals: Vec::new(),
            oom_kills: None,
            hung_tasks: None,
        }
    }

    /// Takes the scrape that `replay` has just played.
    pub(super) fn take(&mut self, at: i64, replay: &Replay) {
        self.passed(at);
        let watch = replay.watch();
        let failed = watch.up() == Some(false);
        if self.range.contains(at) {
            *(if failed { &mut self.host.failed } else { &mut self.host.answered }) += 1;
            let start = self.host.record.map_or(at, |record| record.start);
            self.host.record = Some(Span { start, end: at });
        }
        if failed {
            let note = || watch.problems().first().map(|problem| problem.sentence.clone());
            self.outage.get_or_insert_with(|| Outage { start: at, note: note().unwrap_or_default() });
            return;
        }
        self.restarted(at, watch);
        if let Some(outage) = self.outage.take() {
            self.add_outage(outage.start, at);
        }
        self.episodes.observe(at, watch.problems());
        self.open.clear();
        let problems = watch.problems().iter().filter(|problem| !is_told_elsewhere(problem));
        self.open.extend(problems.take(MAX_OPEN).map(|problem| Open {
            severity: problem.limit.severity,
            sentence: problem.sentence.clone(),
            since: problem.since_milliseconds,
        }));
        self.measure(at, replay);
        if self.host_name.as_deref() != watch.host_name() {
            self.host_name = watch.host_name().map(str::to_owned);
        }
    }

    /// Notes a gap, if too much time has passed since the last scrape.
    fn passed(&mut self, at: i64) {
        let Some(last) = self.scrape.replace(at) else { return };
        let step = at - last;
        if self.intervals.iter().min().is_some_and(|interval| step > interval * 5 / 2 + SLACK) {
            self.add_gap(last, at);
        }
        if self.intervals.len() == INTERVALS {
            self.intervals.remove(0);
        }
        self.intervals.push(step);
    }

    fn add_gap(&mut self, start: i64, end: i64) {
        push_within(&mut self.host.gaps, self.range, start, end);
    }

    fn add_outage(&mut self, start: i64, end: i64) {
        push_within(&mut self.host.outages, self.range, start, end);
    }

    /// Notes a restart, if the machine has been booted since its last page.
    fn restarted(&mut self, at: i64, watch: &Watch) {
        #[expect(clippy::cast_possible_truncation, reason = "saturates")]
        let uptime = watch.vitals().uptime_seconds.map(|seconds| (seconds * 1000.0) as i64);
        let booted = uptime.map(|uptime| at.saturating_sub(uptime));
        let before = self.page.replace((at, booted));
        let Some(booted) = booted else { return };
        let is_new = match before {
            // A clock that was set moves the boot too, but not behind the last page.
            Some((last, Some(earlier))) => booted > earlier + 5 * SLACK && booted >= last - SLACK,
            Some((last, None)) => booted >= last - SLACK,
            None => self.range.contains(booted),
        };
        if !is_new {
            return;
        }
        let last_run = watch.last_run();
        let last_seen = before.map(|(last, _)| last);
        let noted = last_run.alive_milliseconds.filter(|alive| *alive <= booted + SLACK);
        let incident = Incident {
            last_seen,
            went: noted.max(last_seen).map(|went| went.min(booted)),
            booted: Some(booted),
            ending: Ending::new(last_run, self.outage.as_ref().map(|outage| outage.note.as_str())),
            open: std::mem::take(&mut self.open),
            movers: self.ring.movers(&self.host.columns),
        };
        if self.range.contains(at) || incident.went.is_some_and(|went| self.range.contains(went)) {
            self.add_restart(incident);
        }
        self.ring.clear();
        (self.oom_kills, self.hung_tasks) = (None, None);
    }

    fn add_restart(&mut self, incident: Incident) {
        if self.host.restarts.len() == MAX_INCIDENTS {
            self.host.restarts.remove(0);
            self.host.unlisted_restarts += 1;
        }
        self.host.restarts.push(incident);
    }

    fn measure(&mut self, at: i64, replay: &Replay) {
        let watch = replay.watch();
        let vitals = watch.vitals();
        self.host.uptime_seconds = vitals.uptime_seconds;
        self.values.clear();
        self.values.resize(self.host.columns.len(), f32::NAN);
        let grown = |last: &mut Option<f64>, now: Option<f64>| {
            let before = std::mem::replace(last, now);
            now.zip(before).map(|(now, before)| if now >= before { now - before } else { now })
        };
        let oom_kills = grown(&mut self.oom_kills, watch.oom_kills());
        let hung_tasks = grown(&mut self.hung_tasks, watch.hung_tasks());
        for (index, kind) in Kind::SINGLE.into_iter().enumerate() {
            let value = match kind {
                Kind::OomKills => oom_kills,
                Kind::HungTasks => hung_tasks,
                kind => value(kind, vitals),
            };
            self.set(index, at, value.unwrap_or(f64::NAN));
        }
        for disk in watch.filesystems(replay.observation()) {
            if let Some(index) = self.find(Kind::Disk, &disk.mountpoint, MAX_DISKS) {
                self.set(index, at, disk.used_ratio);
            }
        }
        for sensor in watch.sensors(replay.observation()) {
            // What is hotter or colder is no temperature of a machine.
            if (-100.0..=250.0).contains(&sensor.celsius)
                && let Some(index) = self.find(Kind::Temperature, &sensor.name, MAX_SENSORS)
            {
                self.set(index, at, sensor.celsius);
                if let Some(column) = self.host.columns.get_mut(index) {
                    column.limit = sensor.limit_celsius.map(narrow);
                }
            }
        }
        self.ring.push(at, &self.values);
    }

    /// The place of a column about a thing; a new one if there are not too many.
    fn find(&mut self, kind: Kind, about: &str, most: usize) -> Option<usize> {
        let columns = &mut self.host.columns;
        if let Some(found) = columns.iter().position(|column| column.kind == kind && column.about == about) {
            return Some(found);
        }
        if columns.iter().filter(|column| column.kind == kind).count() >= most {
            return None;
        }
        columns.push(Column::new(kind, about, Buckets::new(self.range)));
        self.values.push(f32::NAN);
        Some(columns.len() - 1)
    }

    fn set(&mut self, index: usize, at: i64, value: f64) {
        let value = Some(narrow(value)).filter(|value| value.is_finite());
        let column = self.host.columns.get_mut(index);
        if let (Some(value), Some(column), Some(place)) = (value, column, self.values.get_mut(index)) {
            *place = value;
            column.add(at, value);
        }
    }

    /// All that is known of the host.
    pub(super) fn finish(mut self, target: &Identity) -> Host {
        if let (Some(outage), Some(end)) = (self.outage.take(), self.scrape) {
            self.add_outage(outage.start, end);
            if end - outage.start >= GONE && self.page.is_some() {
                self.host.gone = Some(Incident {
                    last_seen: self.page.map(|(last, _)| last),
                    went: self.page.map(|(last, _)| last),
                    booted: None,
                    ending: Ending::new(Default::default(), Some(&outage.note)),
                    open: std::mem::take(&mut self.open),
                    movers: self.ring.movers(&self.host.columns),
                });
            }
            self.host.failure = Some(outage.note);
        }
        let mut host = self.host;
        host.unlisted_problems = self.episodes.unlisted;
        host.problems = self.episodes.take_sorted();
        host.problems.retain(|episode| episode.last >= self.range.start);
        host.forecasts = host.of(Kind::Disk).filter_map(|disk| forecast(disk, self.range)).collect();
        host.job.clone_from(&target.job);
        host.instance.clone_from(&target.instance);
        host.name = self.host_name.unwrap_or_else(|| target.instance.clone());
        if let (Some(record), Some(interval)) = (host.record, self.intervals.iter().min()) {
            for (start, end) in [(self.range.start, record.start), (record.end, self.range.end)] {
                if end - start > interval * 5 / 2 + SLACK {
                    host.gaps.insert(Span { start, end });
                }
            }
        }
        host
    }
}

/// Adds the part of a span that is within a range.
fn push_within(spans: &mut Spans, range: TimeRange, start: i64, end: i64) {
    let part = range.intersection(TimeRange { start, end });
    if !part.is_empty() {
        spans.push(Span { start: part.start, end: part.end });
    }
}

#[expect(clippy::cast_possible_truncation, reason = "a plot needs no more digits")]
fn narrow(value: f64) -> f32 {
    value as f32
}

fn value(kind: Kind, vitals: &Vitals) -> Option<f64> {
    match kind {
        Kind::Cpu => vitals.cpu_usage_ratio,
        Kind::Load => vitals.load1,
        Kind::Memory => vitals.memory_used_ratio,
        Kind::Swap => vitals.swap_used_ratio,
        Kind::Inodes => vitals.fullest_inodes.as_ref().map(|disk| disk.used_ratio),
        Kind::Received => vitals.network_receive_bytes_per_second,
        Kind::Sent => vitals.network_transmit_bytes_per_second,
        Kind::Read => vitals.disk_read_bytes_per_second,
        Kind::Written => vitals.disk_written_bytes_per_second,
        Kind::CpuWaiting => vitals.cpu_waiting_ratio,
        Kind::MemoryWaiting => vitals.memory_waiting_ratio,
        Kind::MemoryStalled => vitals.memory_stalled_ratio,
        Kind::IoWaiting => vitals.io_waiting_ratio,
        Kind::IoStalled => vitals.io_stalled_ratio,
        Kind::SwappedIn => vitals.swapped_in_pages_per_second,
        Kind::SwappedOut => vitals.swapped_out_pages_per_second,
        Kind::Disk | Kind::Temperature | Kind::OomKills | Kind::HungTasks => None,
    }
}

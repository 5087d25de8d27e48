//! The numbers of one moment, from two pages that follow each other.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::families::{Counter, Family, Gauge, Nature};
use super::observation::{Page, Reading, Things};

/// The state of a host. Ratios are from 0 to 1; what is not known is `None`, in JSON null.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Vitals {
    /// Since the last boot.
    pub uptime_seconds: Option<f64>,
    /// The share of time that the CPUs were neither idle nor waiting for I/O.
    pub cpu_usage_ratio: Option<f64>,
    /// The share of memory that is not available to new programs.
    pub memory_used_ratio: Option<f64>,
    /// All memory.
    pub memory_total_bytes: Option<f64>,
    /// The share of swap space in use; `None` also where there is no swap.
    pub swap_used_ratio: Option<f64>,
    /// The fullest writable filesystem.
    pub fullest_disk: Option<Disk>,
    /// The writable filesystem with the fewest inodes left; those that have no limit do not count.
    pub fullest_inodes: Option<Disk>,
    /// The load average over one minute.
    pub load1: Option<f64>,
    /// The share of time in which some task waited for a CPU (PSI some).
    pub cpu_waiting_ratio: Option<f64>,
    /// The share of time in which some task waited for memory (PSI some).
    pub memory_waiting_ratio: Option<f64>,
    /// The share of time in which all tasks at once waited for memory (PSI full).
    pub memory_stalled_ratio: Option<f64>,
    /// The share of time in which some task waited for I/O (PSI some).
    pub io_waiting_ratio: Option<f64>,
    /// The share of time in which all tasks at once waited for I/O (PSI full).
    pub io_stalled_ratio: Option<f64>,
    /// Pages that came back from swap.
    pub swapped_in_pages_per_second: Option<f64>,
    /// Pages that went out to swap.
    pub swapped_out_pages_per_second: Option<f64>,
    /// The sensor that is closest to its limit, or the hottest one if none has a limit.
    pub hottest: Option<Sensor>,
    /// Received by all network devices, but for the loopback and those whose traffic another one carries: bridges, bonds,
    /// VLANs, tunnels, and the ends of containers and virtual machines.
    pub network_receive_bytes_per_second: Option<f64>,
    /// Sent by the same devices.
    pub network_transmit_bytes_per_second: Option<f64>,
    /// Read from all physical disks.
    pub disk_read_bytes_per_second: Option<f64>,
    /// Written to all physical disks.
    pub disk_written_bytes_per_second: Option<f64>,
}

/// How full a filesystem is.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Disk {
    /// Where it is mounted.
    pub mountpoint: String,
    /// The share of it that unprivileged programs can't use any more, as `df` counts.
    pub used_ratio: f64,
}

/// What a temperature sensor reads.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Sensor {
    /// Its label, or the chip's and its own name.
    pub name: String,
    /// In degrees.
    pub celsius: f64,
    /// What it calls critical, where that is a believable number.
    pub limit_celsius: Option<f64>,
}

impl Vitals {
    /// The state at `now`. What is a rate needs the page `before` it and the time that lies between the two; a
    /// counter that went backwards has been reset and gives no rate.
    pub(super) fn between(before: Option<&Page>, now: &Page, things: &Things, elapsed: Duration) -> Self {
        let rate = |growth: Option<f64>| {
            growth.filter(|_| !elapsed.is_zero()).map(|growth| growth / elapsed.as_secs_f64())
        };
        let counter = |counter| rate(before.and_then(|before| now.growth_since(before, counter)));
        let gauge = |gauge| now.gauge(gauge);
        let gauge_rate = |gauge| {
            let growth = now.gauge(gauge)? - before?.gauge(gauge)?;
            rate((growth >= 0.0).then_some(growth))
        };
        // Two readings are not taken at exactly the times that are told apart.
        let share = |gauge| gauge_rate(gauge).map(|ratio| ratio.min(1.0));
        let vitals_swap = gauge(Gauge::VitalsSwapTotal).zip(gauge(Gauge::VitalsSwapUsed));
        let vitals_swap_free = vitals_swap.map(|(total, used)| total - used);
        Self {
            uptime_seconds: gauge(Gauge::Time)
                .zip(gauge(Gauge::BootTime))
                .map(|(now, boot)| now - boot)
                .or(gauge(Gauge::VitalsUptime))
                .filter(|uptime| *uptime >= 0.0),
            cpu_usage_ratio: before
                .and_then(|before| cpu_usage_ratio(before, now))
                .or(gauge(Gauge::VitalsCpuUsage).filter(|ratio| (0.0..=1.0).contains(ratio))),
            memory_used_ratio: used_ratio(gauge(Gauge::MemoryTotal), gauge(Gauge::MemoryAvailable))
                .or_else(|| used_ratio(gauge(Gauge::VitalsMemoryTotal), gauge(Gauge::VitalsMemoryAvailable))),
            memory_total_bytes: gauge(Gauge::MemoryTotal).or(gauge(Gauge::VitalsMemoryTotal)),
            swap_used_ratio: used_ratio(gauge(Gauge::SwapTotal), gauge(Gauge::SwapFree))
                .or_else(|| used_ratio(gauge(Gauge::VitalsSwapTotal), vitals_swap_free)),
            fullest_disk: fullest(now, things, Family::FilesystemSize, Family::FilesystemAvailable)
                .or_else(|| fullest(now, things, Family::DiskSize, Family::DiskAvailable)),
            fullest_inodes: fullest(now, things, Family::FilesystemFiles, Family::FilesystemFilesFree),
            load1: gauge(Gauge::Load1),
            cpu_waiting_ratio: share(Gauge::CpuWaiting),
            memory_waiting_ratio: share(Gauge::MemoryWaiting),
            memory_stalled_ratio: share(Gauge::MemoryStalled),
            io_waiting_ratio: share(Gauge::IoWaiting),
            io_stalled_ratio: share(Gauge::IoStalled),
            swapped_in_pages_per_second: gauge_rate(Gauge::SwappedIn),
            swapped_out_pages_per_second: gauge_rate(Gauge::SwappedOut),
            hottest: hottest(now, things),
            network_receive_bytes_per_second: counter(Counter::NetworkReceive),
            network_transmit_bytes_per_second: counter(Counter::NetworkTransmit),
            disk_read_bytes_per_second: counter(Counter::DiskRead),
            disk_written_bytes_per_second: counter(Counter::DiskWritten),
        }
    }
}

fn cpu_usage_ratio(before: &Page, now: &Page) -> Option<f64> {
    let busy = now.growth_since(before, Counter::CpuBusy)?;
    let idle = now.growth_since(before, Counter::CpuIdle)?;
    (busy + idle > 0.0).then(|| busy / (busy + idle))
}

/// `1 - available / total`, where that is a ratio.
fn used_ratio(total: Option<f64>, available: Option<f64>) -> Option<f64> {
    let (total, available) = (total?, available?);
    let ratio = 1.0 - available / total;
    (total > 0.0 && (0.0..=1.0).contains(&ratio)).then_some(ratio)
}

/// The filesystems that can fill up, and the share of each that is left, in no order.
pub(super) fn filesystems<'a>(
    page: &'a Page,
    things: &'a Things,
    size: Family,
    left: Family,
) -> impl Iterator<Item = (u64, &'a str, f64)> {
    let is_writable = |thing| page.reading(Family::FilesystemReadonly, thing).unwrap_or(0.0) == 0.0;
    let answers = |thing| page.reading(Family::FilesystemError, thing).unwrap_or(0.0) == 0.0;
    page.readings(size).iter().filter_map(move |&Reading { thing, value, .. }| {
        let known = things.get(thing).filter(|known| known.nature != Nature::Ignored)?;
        let used = used_ratio(Some(value), page.reading(left, thing))?;
        (is_writable(thing) && answers(thing)).then_some((thing, known.name.as_str(), 1.0 - used))
    })
}

fn fullest(page: &Page, things: &Things, size: Family, left: Family) -> Option<Disk> {
    filesystems(page, things, size, left)
        // The same device may be mounted at several places: the shortest path is the one that people know.
        .min_by(|(_, at, one), (_, other_at, other)| {
            one.total_cmp(other).then_with(|| at.len().cmp(&other_at.len()))
        })
        .map(|(_, mountpoint, left)| Disk { mountpoint: mountpoint.to_owned(), used_ratio: 1.0 - left })
}

/// The sensors that tell a temperature, and what they call critical. Limits that nobody has set read as 0 or as
/// thousands.
pub(super) fn sensors<'a>(
    page: &'a Page,
    things: &'a Things,
) -> impl Iterator<Item = (u64, &'a str, f64, Option<f64>)> {
    let of = move |family, limits| {
        page.readings(family).iter().filter(|reading| reading.value.is_finite()).filter_map(move |reading| {
            let limit = page.reading(limits, reading.thing).filter(|limit| *limit > 20.0 && *limit < 150.0);
            Some((reading.thing, things.get(reading.thing)?.name.as_str(), reading.value, limit))
        })
    };
    let has_own = !page.readings(Family::Temperature).is_empty();
    let portable = of(Family::PortableTemperature, Family::PortableTemperatureLimit);
    of(Family::Temperature, Family::TemperatureLimit).chain(portable.filter(move |_| !has_own))
}

fn hottest(page: &Page, things: &Things) -> Option<Sensor> {
    let margin = |limit: Option<f64>, celsius: f64| limit.map(|limit| limit - celsius);
    sensors(page, things)
        .min_by(|(_, _, one, limit), (_, _, other, other_limit)| {
            match (margin(*limit, *one), margin(*other_limit, *other)) {
                (Some(one), Some(other)) => one.total_cmp(&other),
                (Some(_), None) => std::cmp::Ordering::Less,
                (None, Some(_)) => std::cmp::Ordering::Greater,
                (None, None) => other.total_cmp(one),
            }
        })
        .map(|(_, name, celsius, limit_celsius)| Sensor { name: name.to_owned(), celsius, limit_celsius })
}

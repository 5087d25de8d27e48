//! What one page of samples says about the host's state.

use std::hash::{DefaultHasher, Hash, Hasher};

use crate::exposition::Sample;

/// Filesystems that are in memory, or are full by their nature.
const IGNORED_FILESYSTEM_TYPES: [&str; 14] = [
    "autofs",
    "cramfs",
    "devtmpfs",
    "efivarfs",
    "erofs",
    "fuse.snapfuse",
    "iso9660",
    "nsfs",
    "ramfs",
    "romfs",
    "rootfs",
    "squashfs",
    "tmpfs",
    "udf",
];

/// Block devices whose traffic another device carries, or that are no disks.
const LAYERED_DISKS: [&str; 7] = ["bcache", "dm-", "drbd", "loop", "md", "ram", "zram"];

/// The most series of one family, or filesystems, that are looked at. The largest hosts have a few ten thousand.
const MAX_SERIES: usize = 1 << 16;

/// The samples of one page that matter here. Reuse it with [`Observation::clear`].
#[derive(Clone, Debug, Default)]
pub struct Observation {
    pub(super) gauges: Gauges,
    pub(super) cpu_busy_seconds: Counters,
    pub(super) cpu_idle_seconds: Counters,
    pub(super) network_receive_bytes: Counters,
    pub(super) network_transmit_bytes: Counters,
    pub(super) disk_read_bytes: Counters,
    pub(super) disk_written_bytes: Counters,
    pub(super) filesystems: Vec<Filesystem>,
    pub(super) vitals_disks: Vec<Filesystem>,
}

#[derive(Clone, Debug, Default)]
pub(super) struct Gauges {
    pub(super) memory_total_bytes: Option<f64>,
    pub(super) memory_available_bytes: Option<f64>,
    pub(super) swap_total_bytes: Option<f64>,
    pub(super) swap_free_bytes: Option<f64>,
    pub(super) load1: Option<f64>,
    pub(super) vitals_cpu_usage_ratio: Option<f64>,
    pub(super) vitals_memory_total_bytes: Option<f64>,
    pub(super) vitals_memory_available_bytes: Option<f64>,
    pub(super) vitals_swap_total_bytes: Option<f64>,
    pub(super) vitals_swap_used_bytes: Option<f64>,
}

impl Observation {
    /// Forgets all samples and keeps the memory.
    pub fn clear(&mut self) {
        self.gauges = Gauges::default();
        for counters in self.counters() {
            counters.0.clear();
        }
        self.filesystems.clear();
        self.vitals_disks.clear();
    }

    /// Takes one sample of the page, in any order. `series` is a number that its name and labels alone decide. Gives
    /// what is to be made of the next sample of this series.
    pub fn see(&mut self, sample: &Sample<'_, '_>, series: u64) -> Interest {
        let interest = interest(sample);
        if !self.see_again(interest, series, sample.value) {
            self.see_filesystem(sample);
        }
        interest
    }

    /// Takes another sample of a series. False if all of it has to be seen.
    pub fn see_again(&mut self, interest: Interest, series: u64, value: f64) -> bool {
        match interest {
            Interest::Nothing => {}
            Interest::Gauge(gauge) => *self.gauges.of(gauge) = Some(value),
            Interest::Counter(counter) => self.counter(counter).0.push((series, value)),
            Interest::Flag => return value == 0.0,
            Interest::Filesystem => return false,
        }
        true
    }

    /// Has to be called after the page's last sample. A family that is larger than any host's counts as absent, and
    /// its memory is given back.
    pub fn finish(&mut self) {
        for counters in self.counters() {
            drop_if_too_many(&mut counters.0);
            counters.0.sort_unstable_by_key(|&(series, _)| series);
        }
        for list in [&mut self.filesystems, &mut self.vitals_disks] {
            drop_if_too_many(list);
            list.sort_by_key(|filesystem| filesystem.key);
            list.dedup_by(|later, kept| later.key == kept.key && kept.absorb(later));
        }
    }

    fn counters(&mut self) -> [&mut Counters; 6] {
        [
            &mut self.cpu_busy_seconds,
            &mut self.cpu_idle_seconds,
            &mut self.network_receive_bytes,
            &mut self.network_transmit_bytes,
            &mut self.disk_read_bytes,
            &mut self.disk_written_bytes,
        ]
    }

    fn counter(&mut self, counter: Counter) -> &mut Counters {
        match counter {
            Counter::CpuBusy => &mut self.cpu_busy_seconds,
            Counter::CpuIdle => &mut self.cpu_idle_seconds,
            Counter::NetworkReceive => &mut self.network_receive_bytes,
            Counter::NetworkTransmit => &mut self.network_transmit_bytes,
            Counter::DiskRead => &mut self.disk_read_bytes,
            Counter::DiskWritten => &mut self.disk_written_bytes,
        }
    }

    fn see_filesystem(&mut self, sample: &Sample<'_, '_>) {
        let filesystem = Filesystem::new(sample);
        match sample.name {
            "node_filesystem_size_bytes" => self.filesystems.push(filesystem.with_size(sample.value)),
            "node_filesystem_avail_bytes" => self.filesystems.push(filesystem.with_available(sample.value)),
            "vitals_disk_total_bytes" => self.vitals_disks.push(filesystem.with_size(sample.value)),
            "vitals_disk_available_bytes" => self.vitals_disks.push(filesystem.with_available(sample.value)),
            _ => self.filesystems.push(Filesystem { ignored: true, ..filesystem }),
        }
    }
}

impl Gauges {
    fn of(&mut self, gauge: Gauge) -> &mut Option<f64> {
        match gauge {
            Gauge::MemoryTotal => &mut self.memory_total_bytes,
            Gauge::MemoryAvailable => &mut self.memory_available_bytes,
            Gauge::SwapTotal => &mut self.swap_total_bytes,
            Gauge::SwapFree => &mut self.swap_free_bytes,
            Gauge::Load1 => &mut self.load1,
            Gauge::VitalsCpuUsage => &mut self.vitals_cpu_usage_ratio,
            Gauge::VitalsMemoryTotal => &mut self.vitals_memory_total_bytes,
            Gauge::VitalsMemoryAvailable => &mut self.vitals_memory_available_bytes,
            Gauge::VitalsSwapTotal => &mut self.vitals_swap_total_bytes,
            Gauge::VitalsSwapUsed => &mut self.vitals_swap_used_bytes,
        }
    }
}

/// What the samples of a series are of use for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Interest {
    /// They are not.
    Nothing,
    /// Its value is all there is to it.
    Gauge(Gauge),
    /// The value and which series it is.
    Counter(Counter),
    /// Something about a filesystem, if it is not 0.
    Flag,
    /// Something about a filesystem.
    Filesystem,
}

/// The gauges that matter.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[expect(missing_docs, reason = "named after what they hold")]
pub enum Gauge {
    MemoryTotal,
    MemoryAvailable,
    SwapTotal,
    SwapFree,
    Load1,
    VitalsCpuUsage,
    VitalsMemoryTotal,
    VitalsMemoryAvailable,
    VitalsSwapTotal,
    VitalsSwapUsed,
}

/// The counters that matter.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[expect(missing_docs, reason = "named after what they count")]
pub enum Counter {
    CpuBusy,
    CpuIdle,
    NetworkReceive,
    NetworkTransmit,
    DiskRead,
    DiskWritten,
}

fn interest(sample: &Sample<'_, '_>) -> Interest {
    match sample.name {
        "node_cpu_seconds_total" => match sample.label("mode").as_deref() {
            Some("idle" | "iowait") => Interest::Counter(Counter::CpuIdle),
            _ => Interest::Counter(Counter::CpuBusy),
        },
        "node_memory_MemTotal_bytes" => Interest::Gauge(Gauge::MemoryTotal),
        "node_memory_MemAvailable_bytes" => Interest::Gauge(Gauge::MemoryAvailable),
        "node_memory_SwapTotal_bytes" => Interest::Gauge(Gauge::SwapTotal),
        "node_memory_SwapFree_bytes" => Interest::Gauge(Gauge::SwapFree),
        "node_load1" => Interest::Gauge(Gauge::Load1),
        "node_network_receive_bytes_total" if !is_loopback(sample) => {
            Interest::Counter(Counter::NetworkReceive)
        }
        "node_network_transmit_bytes_total" if !is_loopback(sample) => {
            Interest::Counter(Counter::NetworkTransmit)
        }
        "node_disk_read_bytes_total" if is_disk(sample) => Interest::Counter(Counter::DiskRead),
        "node_disk_written_bytes_total" if is_disk(sample) => Interest::Counter(Counter::DiskWritten),
        "node_filesystem_readonly" | "node_filesystem_device_error" => Interest::Flag,
        "node_filesystem_size_bytes"
        | "node_filesystem_avail_bytes"
        | "vitals_disk_total_bytes"
        | "vitals_disk_available_bytes" => Interest::Filesystem,
        "vitals_cpu_usage_ratio" => Interest::Gauge(Gauge::VitalsCpuUsage),
        "vitals_memory_total_bytes" => Interest::Gauge(Gauge::VitalsMemoryTotal),
        "vitals_memory_available_bytes" => Interest::Gauge(Gauge::VitalsMemoryAvailable),
        "vitals_swap_total_bytes" => Interest::Gauge(Gauge::VitalsSwapTotal),
        "vitals_swap_used_bytes" => Interest::Gauge(Gauge::VitalsSwapUsed),
        _ => Interest::Nothing,
    }
}

fn drop_if_too_many<T>(list: &mut Vec<T>) {
    if list.len() > MAX_SERIES {
        *list = Vec::new();
    }
}

fn is_loopback(sample: &Sample<'_, '_>) -> bool {
    sample.label("device").is_some_and(|device| device == "lo")
}

fn is_disk(sample: &Sample<'_, '_>) -> bool {
    sample
        .label("device")
        .is_some_and(|device| !LAYERED_DISKS.iter().any(|prefix| device.starts_with(prefix)))
}

/// The counters of one family: number of the series and value, sorted by number once the page is over.
#[derive(Clone, Debug, Default)]
pub(super) struct Counters(pub(super) Vec<(u64, f64)>);

impl Counters {
    /// The sum of what the series that are in both pages grew by. `None` if one of them shrank or there is none.
    pub(super) fn growth_since(&self, before: &Counters) -> Option<f64> {
        let mut earlier = before.0.iter().peekable();
        let mut growth = None;
        for &(series, value) in &self.0 {
            while earlier.next_if(|&&(other, _)| other < series).is_some() {}
            let Some(&&(other, start)) = earlier.peek() else { break };
            if other != series {
                continue;
            }
            let grown = value - start;
            if !grown.is_finite() || grown < 0.0 {
                return None;
            }
            *growth.get_or_insert(0.0) += grown;
        }
        growth
    }
}

/// What is known of one mounted filesystem.
#[derive(Clone, Debug, Default)]
pub(super) struct Filesystem {
    key: u64,
    pub(super) mountpoint: String,
    pub(super) size_bytes: Option<f64>,
    pub(super) available_bytes: Option<f64>,
    pub(super) ignored: bool,
}

impl Filesystem {
    fn new(sample: &Sample<'_, '_>) -> Self {
        let mut hasher = DefaultHasher::new();
        for name in ["device", "mountpoint"] {
            sample.label(name).hash(&mut hasher);
        }
        Self {
            key: hasher.finish(),
            mountpoint: sample.label("mountpoint").unwrap_or_default().into_owned(),
            ignored: sample
                .label("fstype")
                .is_some_and(|kind| IGNORED_FILESYSTEM_TYPES.contains(&kind.as_ref())),
            ..Self::default()
        }
    }

    fn with_size(self, bytes: f64) -> Self {
        Self { size_bytes: Some(bytes), ..self }
    }

    fn with_available(self, bytes: f64) -> Self {
        Self { available_bytes: Some(bytes), ..self }
    }

    /// Takes over what another sample of the same filesystem says. Always true.
    fn absorb(&mut self, other: &Filesystem) -> bool {
        self.size_bytes = self.size_bytes.or(other.size_bytes);
        self.available_bytes = self.available_bytes.or(other.available_bytes);
        self.ignored |= other.ignored;
        true
    }
}

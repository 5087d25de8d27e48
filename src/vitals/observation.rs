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

    /// Takes one sample of the page, in any order. Samples of other families cost a comparison. Says whether another
    /// sample of this series may matter too; a series that does not matter never will.
    pub fn see(&mut self, sample: &Sample<'_, '_>) -> bool {
        if let Some(name) = sample.name.strip_prefix("node_") {
            self.see_node(name, sample)
        } else if let Some(name) = sample.name.strip_prefix("vitals_") {
            self.see_vitals(name, sample)
        } else {
            false
        }
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

    fn see_node(&mut self, name: &str, sample: &Sample<'_, '_>) -> bool {
        let gauges = &mut self.gauges;
        let value = sample.value;
        match name {
            "cpu_seconds_total" => match sample.label("mode").as_deref() {
                Some("idle" | "iowait") => self.cpu_idle_seconds.push(sample),
                _ => self.cpu_busy_seconds.push(sample),
            },
            "memory_MemTotal_bytes" => gauges.memory_total_bytes = Some(value),
            "memory_MemAvailable_bytes" => gauges.memory_available_bytes = Some(value),
            "memory_SwapTotal_bytes" => gauges.swap_total_bytes = Some(value),
            "memory_SwapFree_bytes" => gauges.swap_free_bytes = Some(value),
            "load1" => gauges.load1 = Some(value),
            "network_receive_bytes_total" if !is_loopback(sample) => self.network_receive_bytes.push(sample),
            "network_transmit_bytes_total" if !is_loopback(sample) => {
                self.network_transmit_bytes.push(sample)
            }
            "disk_read_bytes_total" if is_disk(sample) => self.disk_read_bytes.push(sample),
            "disk_written_bytes_total" if is_disk(sample) => self.disk_written_bytes.push(sample),
            "filesystem_size_bytes" => self.filesystems.push(Filesystem::new(sample).with_size(value)),
            "filesystem_avail_bytes" => self.filesystems.push(Filesystem::new(sample).with_available(value)),
            "filesystem_readonly" | "filesystem_device_error" => {
                if value != 0.0 {
                    self.filesystems.push(Filesystem { ignored: true, ..Filesystem::new(sample) });
                }
            }
            _ => return false,
        }
        true
    }

    fn see_vitals(&mut self, name: &str, sample: &Sample<'_, '_>) -> bool {
        let gauges = &mut self.gauges;
        let value = sample.value;
        match name {
            "cpu_usage_ratio" => gauges.vitals_cpu_usage_ratio = Some(value),
            "memory_total_bytes" => gauges.vitals_memory_total_bytes = Some(value),
            "memory_available_bytes" => gauges.vitals_memory_available_bytes = Some(value),
            "swap_total_bytes" => gauges.vitals_swap_total_bytes = Some(value),
            "swap_used_bytes" => gauges.vitals_swap_used_bytes = Some(value),
            "disk_total_bytes" => self.vitals_disks.push(Filesystem::new(sample).with_size(value)),
            "disk_available_bytes" => self.vitals_disks.push(Filesystem::new(sample).with_available(value)),
            _ => return false,
        }
        true
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

fn label_hash(sample: &Sample<'_, '_>) -> u64 {
    let mut hasher = DefaultHasher::new();
    for label in sample.labels {
        label.name.hash(&mut hasher);
        label.escaped_value.hash(&mut hasher);
    }
    hasher.finish()
}

/// The counters of one family: hash of the labels and value, sorted by hash once the page is over.
#[derive(Clone, Debug, Default)]
pub(super) struct Counters(pub(super) Vec<(u64, f64)>);

impl Counters {
    fn push(&mut self, sample: &Sample<'_, '_>) {
        self.0.push((label_hash(sample), sample.value));
    }

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

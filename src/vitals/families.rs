//! Which families matter, and what for.

use std::hash::{DefaultHasher, Hash, Hasher};

use crate::exposition::Sample;

/// What the samples of a series are of use for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Interest {
    /// They are not.
    Nothing,
    /// Its value is all there is to it.
    Gauge(Gauge),
    /// The value and which series it is.
    Counter(Counter),
    /// The value, and the thing that its labels name.
    Reading,
}

/// Families of one series for each host; counters are among them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[expect(missing_docs, reason = "named after what they hold")]
pub enum Gauge {
    MemoryTotal,
    MemoryAvailable,
    MemoryCorrupted,
    SwapTotal,
    SwapFree,
    Load1,
    Time,
    BootTime,
    FilesAllocated,
    FilesMaximum,
    ConnectionsTracked,
    ConnectionsLimit,
    ClockOffset,
    ClockMaxError,
    ClockSynchronised,
    CpuWaiting,
    MemoryWaiting,
    MemoryStalled,
    IoWaiting,
    IoStalled,
    SwappedIn,
    SwappedOut,
    OomKills,
    HungTasks,
    LastShutdownClean,
    LastAlive,
    VitalsCpuUsage,
    VitalsMemoryTotal,
    VitalsMemoryAvailable,
    VitalsSwapTotal,
    VitalsSwapUsed,
    VitalsUptime,
}

impl Gauge {
    /// How many there are.
    pub(super) const COUNT: usize = Self::VitalsUptime as usize + 1;
}

/// Families of which the sum over their series matters.
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

impl Counter {
    /// How many there are.
    pub(super) const COUNT: usize = Self::DiskWritten as usize + 1;
}

/// Families of which each series is about one thing of the host: a filesystem, a sensor, an array.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(super) enum Family {
    FilesystemSize,
    FilesystemAvailable,
    FilesystemFiles,
    FilesystemFilesFree,
    FilesystemReadonly,
    FilesystemError,
    DiskSize,
    DiskAvailable,
    Temperature,
    TemperatureLimit,
    PortableTemperature,
    PortableTemperatureLimit,
    FanSpeed,
    PackageThrottles,
    RaidDisksRequired,
    RaidDisksActive,
    MemoryErrorsCorrected,
    MemoryErrorsUncorrected,
    WatchdogBoot,
    /// Has no value of its own: its labels are the host's name.
    HostName,
    /// Has no value of its own: its labels are the name of a sensor.
    SensorLabel,
}

/// Filesystems that are in memory, or are full by their nature.
const IGNORED_FILESYSTEM_TYPES: [&str; 16] = [
    "autofs",
    "cd9660",
    "cdfs",
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

/// Beginnings of the names of network filesystems.
const NETWORK_FILESYSTEM_TYPES: [&str; 6] = ["nfs", "cifs", "smb", "ceph", "9p", "fuse."];

/// Mounts of one user's desktop, which refuse all others.
const DESKTOP_FILESYSTEM_TYPES: [&str; 2] = ["fuse.gvfsd-fuse", "fuse.portal"];

/// Block devices whose traffic another device carries, or that are no disks.
const LAYERED_DISKS: [&str; 7] = ["bcache", "dm-", "drbd", "loop", "md", "ram", "zram"];

/// Network devices whose traffic another device carries, or that are none of the host's own.
const LAYERED_NETWORK_DEVICES: [&str; 27] = [
    "bond",
    "br",
    "cali",
    "cilium",
    "cni",
    "docker",
    "dummy",
    "flannel",
    "fwbr",
    "fwln",
    "fwpr",
    "ifb",
    "kube-ipvs",
    "lxc",
    "lxd",
    "macvtap",
    "nodelocaldns",
    "ovs",
    "tap",
    "team",
    "tun",
    "utun",
    "veth",
    "virbr",
    "vnet",
    "vxlan",
    "wg",
];

/// The most characters of a name that are kept. Longer ones are nobody's.
const MAX_NAME_CHARACTERS: usize = 512;

/// What `sample` is of use for, and for a reading also of what.
pub(super) fn interest(sample: &Sample<'_, '_>) -> (Interest, Option<Family>) {
    use Interest as I;
    let interest = match sample.name {
        "node_cpu_seconds_total" => match sample.label("mode").as_deref() {
            Some("idle" | "iowait") => I::Counter(Counter::CpuIdle),
            _ => I::Counter(Counter::CpuBusy),
        },
        "node_network_receive_bytes_total" if is_network_device(sample) => {
            I::Counter(Counter::NetworkReceive)
        }
        "node_network_transmit_bytes_total" if is_network_device(sample) => {
            I::Counter(Counter::NetworkTransmit)
        }
        "node_disk_read_bytes_total" if is_disk(sample) => I::Counter(Counter::DiskRead),
        "node_disk_written_bytes_total" if is_disk(sample) => I::Counter(Counter::DiskWritten),
        name => match (gauge(name), family(sample)) {
            (Some(gauge), _) => I::Gauge(gauge),
            (None, Some(family)) => return (I::Reading, Some(family)),
            (None, None) => I::Nothing,
        },
    };
    (interest, None)
}

fn gauge(name: &str) -> Option<Gauge> {
    Some(match name {
        "node_memory_MemTotal_bytes" => Gauge::MemoryTotal,
        "node_memory_MemAvailable_bytes" => Gauge::MemoryAvailable,
        "node_memory_HardwareCorrupted_bytes" => Gauge::MemoryCorrupted,
        "node_memory_SwapTotal_bytes" => Gauge::SwapTotal,
        "node_memory_SwapFree_bytes" => Gauge::SwapFree,
        "node_load1" => Gauge::Load1,
        "node_time_seconds" => Gauge::Time,
        "node_boot_time_seconds" => Gauge::BootTime,
        "node_filefd_allocated" => Gauge::FilesAllocated,
        "node_filefd_maximum" => Gauge::FilesMaximum,
        "node_nf_conntrack_entries" => Gauge::ConnectionsTracked,
        "node_nf_conntrack_entries_limit" => Gauge::ConnectionsLimit,
        "node_timex_offset_seconds" => Gauge::ClockOffset,
        "node_timex_maxerror_seconds" => Gauge::ClockMaxError,
        "node_timex_sync_status" => Gauge::ClockSynchronised,
        "node_pressure_cpu_waiting_seconds_total" => Gauge::CpuWaiting,
        "node_pressure_memory_waiting_seconds_total" => Gauge::MemoryWaiting,
        "node_pressure_memory_stalled_seconds_total" => Gauge::MemoryStalled,
        "node_pressure_io_waiting_seconds_total" => Gauge::IoWaiting,
        "node_pressure_io_stalled_seconds_total" => Gauge::IoStalled,
        "node_vmstat_pswpin" => Gauge::SwappedIn,
        "node_vmstat_pswpout" => Gauge::SwappedOut,
        "node_vmstat_oom_kill" => Gauge::OomKills,
        "node_kernel_hung_tasks_total" => Gauge::HungTasks,
        "vitals_last_shutdown_clean" => Gauge::LastShutdownClean,
        "vitals_last_alive_timestamp_seconds" => Gauge::LastAlive,
        "vitals_cpu_usage_ratio" => Gauge::VitalsCpuUsage,
        "vitals_memory_total_bytes" => Gauge::VitalsMemoryTotal,
        "vitals_memory_available_bytes" => Gauge::VitalsMemoryAvailable,
        "vitals_swap_total_bytes" => Gauge::VitalsSwapTotal,
        "vitals_swap_used_bytes" => Gauge::VitalsSwapUsed,
        "vitals_uptime_seconds" => Gauge::VitalsUptime,
        _ => return None,
    })
}

fn family(sample: &Sample<'_, '_>) -> Option<Family> {
    Some(match sample.name {
        "node_filesystem_size_bytes" => Family::FilesystemSize,
        "node_filesystem_avail_bytes" => Family::FilesystemAvailable,
        "node_filesystem_files" => Family::FilesystemFiles,
        "node_filesystem_files_free" => Family::FilesystemFilesFree,
        "node_filesystem_readonly" => Family::FilesystemReadonly,
        "node_filesystem_device_error" => Family::FilesystemError,
        "vitals_disk_total_bytes" => Family::DiskSize,
        "vitals_disk_available_bytes" => Family::DiskAvailable,
        "node_hwmon_temp_celsius" => Family::Temperature,
        "node_hwmon_temp_crit_celsius" => Family::TemperatureLimit,
        "vitals_temperature_celsius" => Family::PortableTemperature,
        "vitals_temperature_critical_celsius" => Family::PortableTemperatureLimit,
        "node_hwmon_fan_rpm" => Family::FanSpeed,
        "node_cpu_package_throttles_total" => Family::PackageThrottles,
        "node_md_disks_required" => Family::RaidDisksRequired,
        "node_md_disks" if sample.label("state").is_some_and(|state| state == "active") => {
            Family::RaidDisksActive
        }
        "node_edac_correctable_errors_total" => Family::MemoryErrorsCorrected,
        "node_edac_uncorrectable_errors_total" => Family::MemoryErrorsUncorrected,
        "node_watchdog_bootstatus" => Family::WatchdogBoot,
        "node_uname_info" => Family::HostName,
        "node_hwmon_sensor_label" => Family::SensorLabel,
        _ => return None,
    })
}

fn is_network_device(sample: &Sample<'_, '_>) -> bool {
    sample.label("device").is_some_and(|device| {
        let is_loopback =
            device.strip_prefix("lo").is_some_and(|n| n.bytes().all(|byte| byte.is_ascii_digit()));
        // A VLAN is named after the device that carries it, with a dot and a number.
        let is_layered =
            device.contains('.') || LAYERED_NETWORK_DEVICES.iter().any(|prefix| device.starts_with(prefix));
        !is_loopback && !is_layered
    })
}

/// A name from a label, of bounded length.
pub(super) fn bounded(mut name: String) -> String {
    if let Some((end, _)) = name.char_indices().nth(MAX_NAME_CHARACTERS) {
        name.truncate(end);
        name.push('…');
    }
    name
}

fn is_disk(sample: &Sample<'_, '_>) -> bool {
    sample
        .label("device")
        .is_some_and(|device| !LAYERED_DISKS.iter().any(|prefix| device.starts_with(prefix)))
}

/// A filesystem, a sensor, an array: what readings of one or several families are about.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Thing {
    /// What people call it.
    pub(super) name: String,
    /// What is special about it.
    pub(super) nature: Nature,
}

/// What is special about a thing.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Nature {
    /// Nothing.
    Plain,
    /// A filesystem that is full or gone by its nature, or is nobody else's business.
    Ignored,
    /// A filesystem on another host.
    Network,
}

/// The labels that tell the things of a family apart.
fn identity(family: Family) -> &'static [&'static str] {
    match family {
        Family::FilesystemSize
        | Family::FilesystemAvailable
        | Family::FilesystemFiles
        | Family::FilesystemFilesFree
        | Family::FilesystemReadonly
        | Family::FilesystemError
        | Family::DiskSize
        | Family::DiskAvailable => &["mountpoint", "device"],
        Family::Temperature | Family::TemperatureLimit | Family::FanSpeed | Family::SensorLabel => {
            &["chip", "sensor"]
        }
        Family::PortableTemperature | Family::PortableTemperatureLimit => &["sensor"],
        Family::PackageThrottles => &["package"],
        Family::RaidDisksRequired | Family::RaidDisksActive => &["device"],
        Family::MemoryErrorsCorrected | Family::MemoryErrorsUncorrected => &["controller"],
        Family::WatchdogBoot => &["name"],
        Family::HostName => &[],
    }
}

/// A number for the thing that `sample` is about, equal in all families that speak of it.
pub(super) fn key(family: Family, sample: &Sample<'_, '_>) -> u64 {
    let mut hasher = DefaultHasher::new();
    for name in identity(family) {
        (name, sample.label(name)).hash(&mut hasher);
    }
    hasher.finish()
}

impl Thing {
    /// What the labels of `sample` say.
    pub(super) fn new(family: Family, sample: &Sample<'_, '_>) -> Self {
        let label = |name| sample.label(name).unwrap_or_default();
        let name = match identity(family) {
            // Where it is mounted says enough, and may be long.
            ["mountpoint", ..] => label("mountpoint").into_owned(),
            labels => labels.iter().map(|name| label(name)).collect::<Vec<_>>().join(" "),
        };
        let kind = label("fstype");
        let is_one_of = |list: &[&str]| list.contains(&kind.as_ref());
        let nature = if is_one_of(&IGNORED_FILESYSTEM_TYPES) || is_one_of(&DESKTOP_FILESYSTEM_TYPES) {
            Nature::Ignored
        } else if NETWORK_FILESYSTEM_TYPES.iter().any(|prefix| kind.starts_with(prefix)) {
            Nature::Network
        } else {
            Nature::Plain
        };
        Self { name: bounded(name), nature }
    }
}

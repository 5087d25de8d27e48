//! Block devices from `/proc/diskstats` (kernel: `Documentation/admin-guide/iostats.rst`), with what the udev
//! database and `/sys/block` know about them.

mod parse;
mod udev;

use std::path::{Path, PathBuf};

use self::parse::{COLUMNS, Disk, parse};
use self::udev::{Properties, UdevFile};
use super::{
    BuildError, CollectError, Collector, Context, Filter, Flag, FlagKind, Settings, Spec, read_or_absent,
};
use crate::exposition::{Exposition, Kind};
use crate::host::{KernelFile, read_small};

const INCLUDE: Flag = Flag::new(
    "diskstats.device-include",
    FlagKind::Pattern(""),
    "Regular expression of the devices to keep, in place of device-exclude.",
);
const EXCLUDE: Flag = Flag::new(
    "diskstats.device-exclude",
    FlagKind::Pattern(r"^(z?ram|loop|fd|(h|s|v|xv)d[a-z]|nvme\d+n\d+p)\d+$"),
    "Regular expression of the devices to leave out.",
);
const IGNORED: Flag =
    Flag::alias("diskstats.ignored-devices", "diskstats.device-exclude", FlagKind::Pattern(""));

pub(super) const SPEC: Spec = Spec {
    name: "diskstats",
    default_on: true,
    help: "I/O of block devices (/proc/diskstats, udev database)",
    flags: &[INCLUDE, EXCLUDE, IGNORED],
    build: |settings| Ok(Box::new(DiskStats::new(settings)?)),
};

/// What a column counts, and what that becomes.
#[derive(Clone, Copy)]
enum Unit {
    Count,
    /// Sectors of 512 bytes whatever the device's own block size, to bytes.
    Sectors,
    /// Milliseconds, to seconds.
    Milliseconds,
}

impl Unit {
    fn convert(self, value: u64) -> f64 {
        match self {
            Unit::Count => value as f64,
            Unit::Sectors => value as f64 * 512.0,
            // Multiplied by the inexact 0.001 as node_exporter does, for the same last digit.
            Unit::Milliseconds => value as f64 * 0.001,
        }
    }
}

/// Name, help, type and unit of the column after the device's name, and so on to the last.
const FAMILIES: [(&str, &str, Kind, Unit); COLUMNS] = [
    (
        "node_disk_reads_completed_total",
        "The total number of reads completed successfully.",
        Kind::Counter,
        Unit::Count,
    ),
    ("node_disk_reads_merged_total", "The total number of reads merged.", Kind::Counter, Unit::Count),
    (
        "node_disk_read_bytes_total",
        "The total number of bytes read successfully.",
        Kind::Counter,
        Unit::Sectors,
    ),
    (
        "node_disk_read_time_seconds_total",
        "The total number of seconds spent by all reads.",
        Kind::Counter,
        Unit::Milliseconds,
    ),
    (
        "node_disk_writes_completed_total",
        "The total number of writes completed successfully.",
        Kind::Counter,
        Unit::Count,
    ),
    ("node_disk_writes_merged_total", "The number of writes merged.", Kind::Counter, Unit::Count),
    (
        "node_disk_written_bytes_total",
        "The total number of bytes written successfully.",
        Kind::Counter,
        Unit::Sectors,
    ),
    (
        "node_disk_write_time_seconds_total",
        "The total number of seconds spent by all writes.",
        Kind::Counter,
        Unit::Milliseconds,
    ),
    ("node_disk_io_now", "The number of I/Os currently in progress.", Kind::Gauge, Unit::Count),
    ("node_disk_io_time_seconds_total", "Total seconds spent doing I/Os.", Kind::Counter, Unit::Milliseconds),
    (
        "node_disk_io_time_weighted_seconds_total",
        "The weighted number of seconds spent doing I/Os.",
        Kind::Counter,
        Unit::Milliseconds,
    ),
    (
        "node_disk_discards_completed_total",
        "The total number of discards completed successfully.",
        Kind::Counter,
        Unit::Count,
    ),
    ("node_disk_discards_merged_total", "The total number of discards merged.", Kind::Counter, Unit::Count),
    (
        "node_disk_discarded_sectors_total",
        "The total number of sectors discarded successfully.",
        Kind::Counter,
        Unit::Count,
    ),
    (
        "node_disk_discard_time_seconds_total",
        "The total number of seconds spent by all discards.",
        Kind::Counter,
        Unit::Milliseconds,
    ),
    (
        "node_disk_flush_requests_total",
        "The total number of flush requests completed successfully.",
        Kind::Counter,
        Unit::Count,
    ),
    (
        "node_disk_flush_requests_time_seconds_total",
        "The total number of seconds spent by all flush requests.",
        Kind::Counter,
        Unit::Milliseconds,
    ),
];

struct DiskStats {
    file: KernelFile,
    filter: Filter,
    /// The udev database, if there was one when the exporter started.
    udev: Option<PathBuf>,
    block: PathBuf,
    /// The devices of the last scrape, in the order of the file. They stay the same but for hot-plugging.
    devices: Vec<Device>,
}

impl DiskStats {
    fn new(settings: &Settings) -> Result<Self, BuildError> {
        let root = &settings.root;
        Ok(Self {
            file: KernelFile::new(root.proc("diskstats")),
            filter: settings.filter(&INCLUDE, &EXCLUDE)?,
            udev: root.udev.is_dir().then(|| root.udev.clone()),
            block: root.sys("block"),
            devices: Vec::new(),
        })
    }
}

impl Collector for DiskStats {
    fn collect(&mut self, context: &mut Context, out: &mut Exposition) -> Result<(), CollectError> {
        let text = read_or_absent(&mut self.file, &mut context.buffer, "no /proc/diskstats")?;
        let mut seen = 0;
        for disk in parse(text) {
            let disk = disk.map_err(|error| error.at(self.file.path()))?;
            if !self.filter.keeps(disk.name) {
                continue;
            }
            match self.devices[seen..].iter().position(|device| device.is(&disk)) {
                Some(ahead) => self.devices.swap(seen, seen + ahead),
                None => self.devices.insert(seen, Device::new(&disk, self.udev.as_deref(), &self.block)),
            }
            self.devices[seen].take(&disk);
            seen += 1;
        }
        self.devices.truncate(seen);
        for device in &mut self.devices {
            device.udev.refresh();
        }
        write_columns(&self.devices, out);
        write_properties(&self.devices, out);
        Ok(())
    }
}

struct Device {
    name: Box<[u8]>,
    major: Box<[u8]>,
    minor: Box<[u8]>,
    /// Whether it has spinning platters: `0` or `1`.
    rotational: &'static [u8],
    udev: UdevFile,
    columns: [u64; COLUMNS],
    columns_given: usize,
}

impl Device {
    fn new(disk: &Disk, udev: Option<&Path>, block: &Path) -> Self {
        let (major, minor) = (String::from_utf8_lossy(disk.major), String::from_utf8_lossy(disk.minor));
        let name = String::from_utf8_lossy(disk.name);
        let rotational = block.join(name.as_ref()).join("queue/rotational");
        let mut buffer = Vec::new();
        Self {
            rotational: if read_small(&rotational, &mut buffer).is_ok_and(|text| text == b"1") {
                b"1"
            } else {
                b"0"
            },
            udev: UdevFile::new(udev.map(|folder| folder.join(format!("b{major}:{minor}")))),
            name: disk.name.into(),
            major: disk.major.into(),
            minor: disk.minor.into(),
            columns: [0; COLUMNS],
            columns_given: 0,
        }
    }

    fn is(&self, disk: &Disk) -> bool {
        *self.name == *disk.name && *self.major == *disk.major && *self.minor == *disk.minor
    }

    fn take(&mut self, disk: &Disk) {
        self.columns = disk.columns;
        self.columns_given = disk.columns_given;
    }
}

fn write_columns(devices: &[Device], out: &mut Exposition) {
    for (column, (name, help, kind, unit)) in FAMILIES.into_iter().enumerate() {
        let mut family = out.family(name, help, kind);
        for device in devices.iter().filter(|device| column < device.columns_given) {
            family.sample(&[("device", &device.name)], unit.convert(device.columns[column]));
        }
    }
}

fn write_properties(devices: &[Device], out: &mut Exposition) {
    let mut family = out.family("node_disk_info", "Info of /sys/block/<block_device>.", Kind::Gauge);
    for device in devices {
        let udev = device.udev.properties();
        family.sample(
            &[
                ("device", &device.name),
                ("major", &device.major),
                ("minor", &device.minor),
                ("model", &udev.model),
                ("path", &udev.path),
                ("revision", &udev.revision),
                ("rotational", device.rotational),
                ("serial", udev.serial()),
                ("wwn", &udev.wwn),
            ],
            1.0,
        );
    }
    let with = |has: fn(&Properties) -> bool| {
        devices
            .iter()
            .map(|device| (("device", &*device.name), device.udev.properties()))
            .filter(move |(_, udev)| has(udev))
    };
    let mut family = out.family("node_disk_filesystem_info", "Info about disk filesystem.", Kind::Gauge);
    for (device, udev) in with(|udev| !udev.fs_type.is_empty()) {
        let labels: [(&str, &[u8]); 5] = [
            device,
            ("type", &udev.fs_type),
            ("usage", &udev.fs_usage),
            ("uuid", &udev.fs_uuid),
            ("version", &udev.fs_version),
        ];
        family.sample(&labels, 1.0);
    }
    let mut family =
        out.family("node_disk_device_mapper_info", "Info about disk device mapper.", Kind::Gauge);
    for (device, udev) in with(|udev| !udev.dm_name.is_empty()) {
        let labels: [(&str, &[u8]); 6] = [
            device,
            ("lv_layer", &udev.dm_lv_layer),
            ("lv_name", &udev.dm_lv_name),
            ("name", &udev.dm_name),
            ("uuid", &udev.dm_uuid),
            ("vg_name", &udev.dm_vg_name),
        ];
        family.sample(&labels, 1.0);
    }
    type Number = fn(&Properties) -> Option<f64>;
    let ata: [(&str, &str, Number); 3] = [
        ("node_disk_ata_write_cache", "ATA disk has a write cache.", |udev| udev.ata_write_cache),
        ("node_disk_ata_write_cache_enabled", "ATA disk has its write cache enabled.", |udev| {
            udev.ata_write_cache_enabled
        }),
        ("node_disk_ata_rotation_rate_rpm", "ATA disk rotation rate in RPMs (0 for SSDs).", |udev| {
            udev.ata_rotation_rate_rpm
        }),
    ];
    for (name, help, number) in ata {
        let mut family = out.family(name, help, Kind::Gauge);
        for (device, udev) in with(|udev| udev.is_ata) {
            if let Some(value) = number(udev) {
                family.sample(&[device], value);
            }
        }
    }
}

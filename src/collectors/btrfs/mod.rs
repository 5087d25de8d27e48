//! Mounted Btrfs file systems from `/sys/fs/btrfs` (kernel: `Documentation/ABI/testing/sysfs-fs-btrfs` and
//! `fs/btrfs/sysfs.c`).
//!
//! node_exporter asks each mount point with ioctls about its devices. Here everything comes from sysfs, which needs
//! no privileges and reaches file systems that are mounted in other namespaces. That makes these differences:
//! - errors of devices need kernel 5.14 (`devinfo/<id>/error_stats`);
//! - sysfs does not tell a device's UUID within the file system. The label `btrfs_dev_uuid` is what the udev database
//!   has, and empty without one;
//! - sysfs numbers the devices of `devinfo` and does not name them. In a file system of one device the errors have
//!   its name as the label `device` as well as its UUID; in any other they have instead the number as `devid`, as
//!   `btrfs device usage` shows it;
//! - `node_btrfs_device_size_bytes` is the size of the block device, which the file system need not fill, and there
//!   is no `node_btrfs_device_unused_bytes`.

mod errors;

use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};

use super::{
    Attribute, AttributeTable, Branch, Branches, CollectError, Collector, Context, Info, InfoTable, Key,
    KeyedTable, Settings, Spec, none_if_absent,
};
use crate::exposition::{Exposition, Kind};
use crate::host::parse::{lines, unsigned};
use crate::host::read_small;

use errors::{Errors, Named};

pub(super) const SPEC: Spec = Spec {
    name: "btrfs",
    default_on: true,
    help: "space, commits and device errors of Btrfs file systems (/sys/fs/btrfs)",
    flags: &[],
    build: |settings| Ok(Box::new(Btrfs::new(settings))),
};

const INFO: Info = Info {
    family: "node_btrfs_info",
    help: "The file system's label.",
    labels: &[("label", Some("label")), ("uuid", None)],
};

const fn bytes(file: &'static str, family: &'static str, help: &'static str) -> Attribute {
    Attribute { file, family, help, kind: Kind::Gauge, value: |text| Some(unsigned(text)? as f64) }
}

const FILE_SYSTEM: &[Attribute] = &[bytes(
    "allocation/global_rsv_size",
    "node_btrfs_global_rsv_size_bytes",
    "Size of the reserve for operations that have to succeed.",
)];

/// Of each type of block groups.
const GROUP: &[Attribute] =
    &[bytes("bytes_reserved", "node_btrfs_reserved_bytes", "Space that is promised to writes under way.")];

/// Of each way to store a type of block groups.
const LAYOUT: &[Attribute] = &[
    bytes("used_bytes", "node_btrfs_used_bytes", "Space that is used in block groups of this layout."),
    bytes("total_bytes", "node_btrfs_size_bytes", "Space that block groups of this layout have."),
];

const DEVICE: &[Attribute] = &[Attribute {
    file: "size",
    family: "node_btrfs_device_size_bytes",
    help: "Size of a device of the file system.",
    kind: Kind::Gauge,
    value: |sectors| Some(unsigned(sectors)? as f64 * 512.0),
}];

const fn milliseconds(key: &'static str, family: &'static str, help: &'static str, kind: Kind) -> Key {
    Key { key, family, help, kind, value: |word| Some(unsigned(word)? as f64 / 1000.0) }
}

/// Lines of `commit_stats`, which kernel 6.0 brought.
const COMMITS: &[Key] = &[
    Key {
        key: "commits",
        family: "node_btrfs_commits_total",
        help: "Transactions that were written to disk.",
        kind: Kind::Counter,
        value: |word| Some(unsigned(word)? as f64),
    },
    milliseconds(
        "last_commit_ms",
        "node_btrfs_last_commit_seconds",
        "Time that the latest transaction took.",
        Kind::Gauge,
    ),
    milliseconds(
        "max_commit_ms",
        "node_btrfs_max_commit_seconds",
        "The longest that a transaction took.",
        Kind::Gauge,
    ),
    milliseconds(
        "total_commit_ms",
        "node_btrfs_commit_seconds_total",
        "Time that all transactions took.",
        Kind::Counter,
    ),
];

/// The directories in `allocation` and the values of the label `block_group_type`.
const GROUP_TYPES: [&str; 3] = ["data", "metadata", "system"];
/// What is listed of each file system: its devices by name, by number, and the layouts of [`GROUP_TYPES`].
const LISTED: &[&str] =
    &["devices", "devinfo", "allocation/data", "allocation/metadata", "allocation/system"];

struct Btrfs {
    listed: Branches,
    info: InfoTable,
    file_systems: AttributeTable,
    commits: KeyedTable,
    groups: AttributeTable,
    layouts: AttributeTable,
    ratios: Vec<Ratio>,
    devices: AttributeTable,
    errors: Errors,
    udev: PathBuf,
}

/// How many bytes of disk a layout takes for a byte of content.
struct Ratio {
    group_type: &'static str,
    mode: Box<[u8]>,
    uuid: Box<[u8]>,
    ratio: f64,
}

impl Btrfs {
    fn new(settings: &Settings) -> Self {
        Self {
            listed: Branches::new(settings.root.sys("fs/btrfs"), LISTED),
            info: InfoTable::new(&INFO),
            file_systems: AttributeTable::new(FILE_SYSTEM, &["uuid"]),
            commits: KeyedTable::new("commit_stats", COMMITS, &["uuid"]),
            groups: AttributeTable::new(GROUP, &["block_group_type", "uuid"]),
            layouts: AttributeTable::new(LAYOUT, &["block_group_type", "mode", "uuid"]),
            ratios: Vec::new(),
            devices: AttributeTable::new(DEVICE, &["btrfs_dev_uuid", "device", "uuid"]),
            errors: Errors::default(),
            udev: settings.root.udev.clone(),
        }
    }

    fn find(&mut self, buffer: &mut Vec<u8>) {
        self.info.clear();
        self.file_systems.clear();
        self.commits.clear();
        self.groups.clear();
        self.layouts.clear();
        self.ratios.clear();
        self.devices.clear();
        self.errors.clear();
        for Branch { name, path, folders } in self.listed.iter() {
            let [devices, numbers, layouts @ ..] = folders.as_slice() else { continue };
            // They differ once `btrfstune -m` has changed the UUID.
            let uuid = read_small(&path.join("metadata_uuid"), buffer).unwrap_or_default();
            let uuid: Box<[u8]> = if uuid.is_empty() { name.clone() } else { uuid.into() };
            self.info.add(path, &uuid);
            self.file_systems.add(path, &[&uuid]);
            self.commits.add(path, &[&uuid]);
            for (group_type, folder) in GROUP_TYPES.into_iter().zip(layouts) {
                self.groups.add(folder.path(), &[group_type.as_bytes(), &uuid]);
                let modes = folder.names().iter().map(|mode| (mode, folder.entry(mode)));
                for (mode, path) in modes.filter(|(_, path)| path.is_dir()) {
                    self.layouts.add(&path, &[group_type.as_bytes(), mode, &uuid]);
                    if let Some(ratio) = ratio(mode, devices.names().len()) {
                        self.ratios.push(Ratio { group_type, mode: mode.clone(), uuid: uuid.clone(), ratio });
                    }
                }
            }
            for device in devices.names() {
                let folder = devices.entry(device);
                let device_uuid = device_uuid(&self.udev, &folder, buffer);
                self.devices.add(&folder, &[&device_uuid, device, &uuid]);
            }
            for number in numbers.names() {
                let device = match (devices.names(), numbers.names()) {
                    ([name], [_]) => Named::Name {
                        device_uuid: device_uuid(&self.udev, &devices.entry(name), buffer),
                        name: name.clone(),
                    },
                    _ => Named::Number(number.clone()),
                };
                self.errors.add(&numbers.entry(number), device, &uuid);
            }
        }
        self.ratios.sort_by(|a, b| (a.group_type, &a.mode, &a.uuid).cmp(&(b.group_type, &b.mode, &b.uuid)));
    }
}

impl Collector for Btrfs {
    fn collect(&mut self, context: &mut Context, out: &mut Exposition) -> Result<(), CollectError> {
        let buffer = &mut context.buffer;
        // Beside file systems there is `features`.
        let listed = self.listed.list(buffer, |name| name.contains(&b'-'));
        if *listed.as_ref().unwrap_or(&true) {
            self.find(buffer);
        }
        none_if_absent(listed, self.listed.folder())?;
        self.info.write(buffer, out);
        let help = "Bytes of disk that the layout takes for a byte of content.";
        let mut family = out.family("node_btrfs_allocation_ratio", help, Kind::Gauge);
        for Ratio { group_type, mode, uuid, ratio } in &self.ratios {
            let labels = [("block_group_type", group_type.as_bytes()), ("mode", mode), ("uuid", uuid)];
            family.sample(&labels, *ratio);
        }
        let results = [
            self.errors.write(buffer, out).map_err(CollectError::from),
            self.file_systems.write(buffer, out),
            self.commits.write(buffer, out),
            self.groups.write(buffer, out),
            self.layouts.write(buffer, out),
            self.devices.write(buffer, out),
        ];
        results.into_iter().collect()
    }
}

/// The UUID within its file system of the device in `folder`, as udev stored it when it last looked at the device.
/// Empty if it did not.
fn device_uuid(udev: &Path, folder: &Path, buffer: &mut Vec<u8>) -> Box<[u8]> {
    let number = read_small(&folder.join("dev"), buffer).unwrap_or_default();
    let path = udev.join(OsStr::from_bytes(&[b"b", number].concat()));
    let text = std::fs::read(path).unwrap_or_default();
    let mut uuids = lines(&text).filter_map(|(_, line)| line.strip_prefix(b"E:ID_FS_UUID_SUB="));
    uuids.next().unwrap_or_default().into()
}

/// What a byte of content takes on `devices` devices, as far as the name of the layout tells.
fn ratio(mode: &[u8], devices: usize) -> Option<f64> {
    // With as many devices as there are: a stripe may be narrower when a device was added after it was written.
    let striped = |parities: usize| {
        devices
            .checked_sub(parities)
            .filter(|content| *content > 0)
            .map(|content| devices as f64 / content as f64)
    };
    match mode {
        b"single" | b"raid0" => Some(1.0),
        b"dup" | b"raid1" | b"raid10" => Some(2.0),
        b"raid1c3" => Some(3.0),
        b"raid1c4" => Some(4.0),
        b"raid5" => striped(1),
        b"raid6" => striped(2),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::host::Root;

    #[test]
    fn devices_and_file_systems_come_and_go() {
        let host = tempfile::tempdir().unwrap();
        let path = |name: &str| host.path().join("fs/btrfs/1-2").join(name);
        let write = |name: &str, text: &str| {
            std::fs::create_dir_all(path(name).parent().unwrap()).unwrap();
            std::fs::write(path(name), text).unwrap();
        };
        let settings = Settings::new(Root { sys: host.path().into(), ..Root::default() });
        let mut btrfs = Btrfs::new(&settings);
        let mut page = || {
            let (mut out, mut page) = (Exposition::new(), Vec::new());
            btrfs.collect(&mut Context::new(&settings), &mut out).unwrap();
            out.render(crate::exposition::Format::Text, &mut page);
            String::from_utf8(page).unwrap()
        };
        write("devices/sda/size", "8\n");
        write("devinfo/1/error_stats", "read_errs 3\n");
        write("allocation/data/raid5/used_bytes", "1\n");
        let first = page();
        assert!(first.contains("device=\"sda\",type=\"read\",uuid=\"1-2\"} 3"), "{first}");
        assert!(!first.contains("node_btrfs_allocation_ratio"), "{first}");
        write("devices/sdb/size", "8\n");
        write("devinfo/2/error_stats", "invalid\n");
        let second = page();
        assert!(second.contains("{devid=\"1\",type=\"read\",uuid=\"1-2\"} 3"), "{second}");
        assert!(second.contains("mode=\"raid5\",uuid=\"1-2\"} 2"), "{second}");
        assert!(second.contains("{btrfs_dev_uuid=\"\",device=\"sdb\",uuid=\"1-2\"} 4096"), "{second}");
        std::fs::remove_dir_all(host.path().join("fs")).unwrap();
        assert_eq!(page(), "");
    }

    #[test]
    fn ratios_of_layouts() {
        let of = |mode: &str| ratio(mode.as_bytes(), 4);
        assert_eq!(["single", "dup", "raid1c3", "raid1c4"].map(of), [1.0, 2.0, 3.0, 4.0].map(Some));
        assert_eq!((of("raid5"), of("raid6"), of("raid7")), (Some(4.0 / 3.0), Some(2.0), None));
        assert_eq!((ratio(b"raid5", 1), ratio(b"raid6", 1)), (None, None));
    }
}

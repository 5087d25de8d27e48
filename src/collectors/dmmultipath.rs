//! Multipath devices of the device mapper from `/sys/block/dm-*` (kernel:
//! `Documentation/ABI/testing/sysfs-block-dm`), and the states of their paths: SCSI disks are `running`, NVMe
//! controllers `live`.
//!
//! A device is looked at once for whether it is a multipath device, and again when block devices have come or gone.

use super::{CollectError, Collector, Context, Settings, Spec, no_data_if_absent, read_word};
use crate::exposition::{Exposition, Kind};
use crate::host::parse::{ParseError, unsigned};
use crate::host::{FileError, Folder, KernelFile, read_small};

pub(super) const SPEC: Spec = Spec {
    name: "dmmultipath",
    default_on: true,
    help: "multipath devices and the states of their paths (/sys/block/dm-*)",
    flags: &[],
    build: |settings| Ok(Box::new(DmMultipath::new(settings))),
};

/// What the UUIDs of multipath devices begin with. Those of partitions on them begin with `part`.
const PREFIX: &[u8] = b"mpath-";

/// A number of each device.
struct Gauge {
    family: &'static str,
    help: &'static str,
    value: fn(&Device) -> Option<f64>,
}

const GAUGES: &[Gauge] = &[
    Gauge {
        family: "node_dmmultipath_device_active",
        help: "Whether the device is in use, not suspended.",
        value: |device| Some(f64::from(!device.is_suspended?)),
    },
    Gauge {
        family: "node_dmmultipath_device_size_bytes",
        help: "Size of the device.",
        value: |device| Some(device.size_sectors? as f64 * 512.0),
    },
    Gauge {
        family: "node_dmmultipath_device_paths",
        help: "How many paths lead to the device.",
        value: |device| Some(device.paths.len() as f64),
    },
    Gauge {
        family: "node_dmmultipath_device_paths_active",
        help: "How many of them are running or live.",
        value: |device| Some(device.paths.iter().filter(|path| path.is_active()).count() as f64),
    },
    Gauge {
        family: "node_dmmultipath_device_paths_failed",
        help: "How many of them are not.",
        value: |device| Some(device.paths.iter().filter(|path| !path.is_active()).count() as f64),
    },
];

struct DmMultipath {
    blocks: Folder,
    devices: Vec<Device>,
}

struct Device {
    sysfs_name: Box<[u8]>,
    name_file: KernelFile,
    uuid_file: KernelFile,
    suspended_file: KernelFile,
    size_file: KernelFile,
    slaves: Folder,
    paths: Vec<Path>,
    /// What was read at this scrape. A device can be renamed.
    name: Vec<u8>,
    uuid: Vec<u8>,
    is_suspended: Option<bool>,
    size_sectors: Option<u64>,
}

struct Path {
    name: Box<[u8]>,
    file: KernelFile,
    /// Empty if it can't be read.
    state: Vec<u8>,
}

impl DmMultipath {
    fn new(settings: &Settings) -> Self {
        Self { blocks: Folder::new(settings.root.sys("block")), devices: Vec::new() }
    }

    fn find(&mut self, buffer: &mut Vec<u8>) {
        self.devices.clear();
        for name in self.blocks.names().iter().filter(|name| name.starts_with(b"dm-")) {
            let folder = self.blocks.entry(name);
            if read_small(&folder.join("dm/uuid"), buffer).is_ok_and(|uuid| uuid.starts_with(PREFIX)) {
                let file = |file| KernelFile::new(folder.join(file));
                self.devices.push(Device {
                    sysfs_name: name.clone(),
                    name_file: file("dm/name"),
                    uuid_file: file("dm/uuid"),
                    suspended_file: file("dm/suspended"),
                    size_file: file("size"),
                    slaves: Folder::new(folder.join("slaves")),
                    paths: Vec::new(),
                    name: Vec::new(),
                    uuid: Vec::new(),
                    is_suspended: None,
                    size_sectors: None,
                });
            }
        }
    }
}

impl Collector for DmMultipath {
    fn collect(&mut self, context: &mut Context, out: &mut Exposition) -> Result<(), CollectError> {
        let buffer = &mut context.buffer;
        let listed = self.blocks.list(buffer);
        if no_data_if_absent(listed, self.blocks.path(), "the kernel has no block devices")? {
            self.find(buffer);
        }
        let mut result = Ok(());
        for device in &mut self.devices {
            result = result.and(device.read(&self.blocks, buffer));
        }
        self.devices.sort_unstable_by(|a, b| (&a.name, &a.sysfs_name).cmp(&(&b.name, &b.sysfs_name)));
        write(&self.devices, out);
        Ok(result?)
    }
}

impl Device {
    /// Reads all of the device. What can't be read is absent.
    fn read(&mut self, blocks: &Folder, buffer: &mut Vec<u8>) -> Result<(), FileError> {
        for (text, file) in [(&mut self.name, &mut self.name_file), (&mut self.uuid, &mut self.uuid_file)] {
            read_word(file, text, buffer);
        }
        let had_paths = !self.paths.is_empty();
        if self.slaves.list(buffer).unwrap_or(had_paths) {
            let path = |name: &[u8]| Path {
                name: name.into(),
                file: KernelFile::new(blocks.entry(name).join("device/state")),
                state: Vec::new(),
            };
            self.paths = self.slaves.names().iter().map(|name| path(name)).collect();
        }
        for Path { file, state, .. } in &mut self.paths {
            read_word(file, state, buffer);
        }
        let is_suspended = number(&mut self.suspended_file, buffer);
        let size_sectors = number(&mut self.size_file, buffer);
        self.is_suspended = is_suspended.as_ref().ok().and_then(|value| Some((*value)? != 0));
        self.size_sectors = size_sectors.as_ref().ok().and_then(|value| *value);
        is_suspended.and(size_sectors).map(drop)
    }

    fn is_present(&self) -> bool {
        self.uuid.starts_with(PREFIX) && !self.name.is_empty()
    }
}

fn number(file: &mut KernelFile, buffer: &mut Vec<u8>) -> Result<Option<u64>, FileError> {
    let Ok(text) = file.value(buffer) else { return Ok(None) };
    let number = unsigned(text).ok_or_else(|| ParseError::new(1, "a number", text).at(file.path()))?;
    Ok(Some(number))
}

impl Path {
    fn is_active(&self) -> bool {
        matches!(&*self.state, b"running" | b"live")
    }
}

fn write(devices: &[Device], out: &mut Exposition) {
    let help = "Names and UUID of a multipath device.";
    let mut family = out.family("node_dmmultipath_device_info", help, Kind::Gauge);
    for device in present(devices) {
        let labels: [(&str, &[u8]); 3] =
            [("device", &device.name), ("sysfs_name", &device.sysfs_name), ("uuid", &device.uuid)];
        family.sample(&labels, 1.0);
    }
    for Gauge { family, help, value } in GAUGES {
        let mut family = out.family(family, help, Kind::Gauge);
        for device in present(devices) {
            if let Some(value) = value(device) {
                family.sample(&[("device", &*device.name), ("sysfs_name", &device.sysfs_name)], value);
            }
        }
    }
    let help = "State of a path as its driver names it.";
    let mut family = out.family("node_dmmultipath_path_state", help, Kind::Gauge);
    for device in present(devices) {
        for Path { name, state, .. } in device.paths.iter().filter(|path| !path.state.is_empty()) {
            family.sample(&[("device", &*device.name), ("path", name), ("state", state)], 1.0);
        }
    }
}

/// The devices that are there still, and still multipath devices.
fn present(devices: &[Device]) -> impl Iterator<Item = &Device> {
    devices.iter().filter(|device| device.is_present())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::exposition::Format;
    use crate::host::Root;

    #[test]
    fn devices_fail_and_go() {
        let host = tempfile::tempdir().unwrap();
        let path = |name: &str| host.path().join("block").join(name);
        let write = |name: &str, text: &str| {
            std::fs::create_dir_all(path(name).parent().unwrap()).unwrap();
            std::fs::write(path(name), text).unwrap();
        };
        let settings = Settings::new(Root { sys: host.path().into(), ..Root::default() });
        let mut collector = DmMultipath::new(&settings);
        let mut samples = |starts: &str| {
            let (mut out, mut page) = (Exposition::new(), Vec::new());
            let result = collector.collect(&mut Context::new(&settings), &mut out);
            out.render(Format::Text, &mut page);
            let page = String::from_utf8(page).unwrap();
            let lines = page.lines().filter_map(|line| line.strip_prefix("node_dmmultipath_"));
            (lines.filter(|line| line.starts_with(starts)).map(str::to_owned).collect::<Vec<_>>(), result)
        };
        assert!(matches!(samples("").1, Err(CollectError::NoData(_))));
        write("dm-0/dm/uuid", "mpath-1\n");
        write("dm-0/dm/name", "a\n");
        write("dm-0/dm/suspended", "x\n");
        write("dm-0/size", "2\n");
        write("dm-0/slaves/sda/dev", "8:0\n");
        write("sda/device/state", "blocked\n");
        let (lines, result) = samples("device_");
        assert!(result.unwrap_err().to_string().contains("dm-0/dm/suspended: line 1"));
        let of_a =
            |name: &str, value: u32| format!("device_{name}{{device=\"a\",sysfs_name=\"dm-0\"}} {value}");
        let want = [("paths", 1), ("paths_active", 0), ("paths_failed", 1), ("size_bytes", 1024)];
        assert_eq!(lines[1..], want.map(|(name, value)| of_a(name, value)));
        write("dm-0/dm/suspended", "0\n");
        write("sda/device/state", "running\n");
        write("dm-0/slaves/sdb/dev", "8:16\n");
        let (lines, result) = samples("device_");
        result.unwrap();
        assert_eq!(
            lines[2..5],
            [("paths", 2), ("paths_active", 1), ("paths_failed", 1)].map(|(name, value)| of_a(name, value))
        );
        assert_eq!(samples("path_state").0, ["path_state{device=\"a\",path=\"sda\",state=\"running\"} 1"]);
        write("dm-0/dm/uuid", "LVM-1\n");
        assert_eq!(samples("").0, [""; 0]);
    }
}

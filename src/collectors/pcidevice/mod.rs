//! PCI devices from `/sys/bus/pci/devices` (kernel: `Documentation/ABI/testing/sysfs-bus-pci`).
//!
//! What a device is gets read when devices come or go. Its link is asked for at each scrape, which wakes a device
//! that sleeps. What sysfs does not have for a device is absent, where node_exporter gives -1 or 0.

mod names;

use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};

use super::{
    Attribute, AttributeTable, CollectError, Collector, Context, Flag, FlagKind, Settings, Spec,
    no_data_if_absent,
};
use crate::exposition::{Exposition, Kind};
use crate::host::parse::{fields, float, hexadecimal, signed, unsigned};
use crate::host::{Folder, KernelFile, read_small};
use names::{Ids, Names};

const IDS_FILE: Flag = Flag::new(
    "pcidevice.idsfile",
    FlagKind::List,
    "The file pci.ids; without this flag the usual places are searched.",
);
const NAMES: Flag = Flag::new(
    "pcidevice.names",
    FlagKind::Switch(false),
    "Also give the names that pci.ids has for devices.",
);

pub(super) const SPEC: Spec = Spec {
    name: "pcidevice",
    default_on: false,
    help: "PCI devices, their links, power states and virtual functions (/sys/bus/pci)",
    flags: &[IDS_FILE, NAMES],
    build: |settings| Ok(Box::new(PciDevice::new(settings))),
};

const IDS_FILES: [&str; 2] = ["/usr/share/misc/pci.ids", "/usr/share/hwdata/pci.ids"];

const LOCATION: &[&str] = &["bus", "device", "function", "segment"];

const fn gauge(file: &'static str, family: &'static str, help: &'static str) -> Attribute {
    Attribute { file, family, help, kind: Kind::Gauge, value: |text| Some(unsigned(text)? as f64) }
}

const fn speed(file: &'static str, family: &'static str, help: &'static str) -> Attribute {
    Attribute { value: transfers_per_second, ..gauge(file, family, help) }
}

const ATTRIBUTES: &[Attribute] = &[
    speed(
        "current_link_speed",
        "node_pcidevice_current_link_transfers_per_second",
        "Speed of the link as it is, in transfers per second; -1 if unknown.",
    ),
    gauge("current_link_width", "node_pcidevice_current_link_width", "Lanes of the link that are in use."),
    gauge("d3cold_allowed", "node_pcidevice_d3cold_allowed", "Whether the device may lose its power."),
    speed(
        "max_link_speed",
        "node_pcidevice_max_link_transfers_per_second",
        "Most that the link can do, in transfers per second; -1 if unknown.",
    ),
    gauge("max_link_width", "node_pcidevice_max_link_width", "Lanes that the link has."),
    gauge(
        "sriov_drivers_autoprobe",
        "node_pcidevice_sriov_drivers_autoprobe",
        "Whether virtual functions get their drivers at once.",
    ),
    gauge("sriov_numvfs", "node_pcidevice_sriov_numvfs", "Virtual functions that are enabled."),
    gauge("sriov_totalvfs", "node_pcidevice_sriov_totalvfs", "Virtual functions that the device can have."),
    gauge(
        "sriov_vf_total_msix",
        "node_pcidevice_sriov_vf_total_msix",
        "MSI-X vectors for virtual functions.",
    ),
];

/// Only of devices that are near a node.
const NUMA_NODE: &[Attribute] =
    &[gauge("numa_node", "node_pcidevice_numa_node", "NUMA node that the device is near.")];

const POWER_STATES: [&str; 7] = ["D0", "D1", "D2", "D3cold", "D3hot", "error", "unknown"];

/// `8.0 GT/s PCIe`, or `Unknown`.
fn transfers_per_second(text: &[u8]) -> Option<f64> {
    let mut words = fields(text);
    match (words.next()?, words.next()) {
        (number, Some(b"GT/s")) => Some(float(number)? * 1e9),
        (b"Unknown", _) => Some(-1.0),
        _ => None,
    }
}

struct PciDevice {
    folder: Folder,
    attributes: AttributeTable,
    numa_nodes: AttributeTable,
    devices: Vec<Device>,
    /// Where pci.ids may be, if names are wanted.
    ids_files: Vec<PathBuf>,
    with_names: bool,
}

struct Device {
    /// The labels of `node_pcidevice_info`, sorted.
    info: Vec<(&'static str, Box<[u8]>)>,
    location: [Box<[u8]>; 4],
    power_state: KernelFile,
}

impl PciDevice {
    fn new(settings: &Settings) -> Self {
        let given = settings.list(&IDS_FILE).into_iter().rfind(|path| !path.is_empty());
        let ids_files = given.map_or_else(|| IDS_FILES.map(Into::into).to_vec(), |path| vec![path.into()]);
        Self {
            folder: Folder::new(settings.root.sys("bus/pci/devices")),
            attributes: AttributeTable::new(ATTRIBUTES, LOCATION),
            numa_nodes: AttributeTable::new(NUMA_NODE, LOCATION),
            devices: Vec::new(),
            ids_files,
            with_names: settings.switch(&NAMES),
        }
    }

    fn find(&mut self, buffer: &mut Vec<u8>) {
        self.attributes.clear();
        self.numa_nodes.clear();
        self.devices.clear();
        let text = match self.with_names {
            true => self.ids_files.iter().find_map(|path| std::fs::read(path).ok()).unwrap_or_default(),
            false => Vec::new(),
        };
        let names = self.with_names.then(|| Names::parse(&text));
        for name in self.folder.names() {
            let Some(location) = location(name) else { continue };
            let path = self.folder.entry(name);
            self.attributes.add(&path, &location);
            if read_small(&path.join("numa_node"), buffer).is_ok_and(|text| signed(text) >= Some(0)) {
                self.numa_nodes.add(&path, &location);
            }
            self.devices.push(Device {
                info: info(&path, location, names.as_ref(), buffer),
                location: location.map(Into::into),
                power_state: KernelFile::new(path.join("power_state")),
            });
        }
    }
}

impl Collector for PciDevice {
    fn collect(&mut self, context: &mut Context, out: &mut Exposition) -> Result<(), CollectError> {
        let buffer = &mut context.buffer;
        let listed = self.folder.list(buffer);
        if no_data_if_absent(listed, self.folder.path(), "there is no PCI bus")? {
            self.find(buffer);
        }
        let mut family = out.family("node_pcidevice_info", "What the PCI device is.", Kind::Gauge);
        for device in &self.devices {
            family.sample_with(device.info.iter().map(|(label, value)| (*label, &**value)), 1.0);
        }
        let help = "Whether the PCI device is in this power state.";
        let mut family = out.family("node_pcidevice_power_state", help, Kind::Gauge);
        for device in &mut self.devices {
            let Ok(current) = device.power_state.value(buffer) else { continue };
            for state in POWER_STATES {
                let location = LOCATION.iter().zip(&device.location).map(|(label, value)| (*label, &**value));
                let labels = location.chain([("state", state.as_bytes())]);
                family.sample_with(labels, f64::from(state.as_bytes() == current));
            }
        }
        let attributes = self.attributes.write(buffer, out);
        self.numa_nodes.write(buffer, out).and(attributes)
    }
}

/// The parts of `0000:01:00.0` in the order of [`LOCATION`].
fn location(name: &[u8]) -> Option<[&[u8]; 4]> {
    let mut parts = name.split(|byte| matches!(byte, b':' | b'.'));
    let mut part = || parts.next().filter(|part| hexadecimal(part).is_some());
    let (segment, bus, device, function) = (part()?, part()?, part()?, part()?);
    parts.next().is_none().then_some([bus, device, function, segment])
}

/// The labels that say what the device in `path` is.
fn info(
    path: &Path,
    [bus, device, function, segment]: [&[u8]; 4],
    names: Option<&Names<'_>>,
    buffer: &mut Vec<u8>,
) -> Vec<(&'static str, Box<[u8]>)> {
    // The entry is a link to a directory in that of the bridge above it; on top is the root, such as pci0000:00.
    let target = std::fs::read_link(path).unwrap_or_default();
    let parent = target.parent().and_then(Path::file_name).map_or(&b""[..], OsStrExt::as_bytes);
    let parent = location(parent).unwrap_or([b"*"; 4]);
    let mut read = |file| -> Box<[u8]> { read_small(&path.join(file), buffer).unwrap_or_default().into() };
    let numbers =
        ["class", "vendor", "device", "subsystem_vendor", "subsystem_device", "revision"].map(&mut read);
    let [class, vendor, device_id, subsystem_vendor, subsystem_device, revision] =
        numbers.each_ref().map(|number| &**number);
    let mut labels: Vec<(&'static str, Box<[u8]>)> = [
        ("bus", bus),
        ("class_id", class),
        ("device", device),
        ("device_id", device_id),
        ("function", function),
        ("parent_bus", parent[0]),
        ("parent_device", parent[1]),
        ("parent_function", parent[2]),
        ("parent_segment", parent[3]),
        ("revision", revision),
        ("segment", segment),
        ("subsystem_device_id", subsystem_device),
        ("subsystem_vendor_id", subsystem_vendor),
        ("vendor_id", vendor),
    ]
    .map(|(label, value)| (label, value.into()))
    .into();
    if let Some(names) = names {
        let digits = |number| <[u8]>::strip_prefix(number, b"0x").unwrap_or(number);
        let ids = Ids {
            class: digits(class),
            vendor: digits(vendor),
            device: digits(device_id),
            subsystem_vendor: digits(subsystem_vendor),
            subsystem_device: digits(subsystem_device),
        };
        let unknown = [b"Unknown class (", ids.class, b")"].concat();
        let names = [
            ("class_name", names.class(ids.class).unwrap_or(&unknown)),
            ("device_name", names.device(ids)),
            ("subsystem_device_name", names.subsystem(ids)),
            ("subsystem_vendor_name", names.vendor(ids.subsystem_vendor)),
            ("vendor_name", names.vendor(ids.vendor)),
        ];
        labels.extend(names.map(|(label, value)| (label, value.into())));
        labels.sort_unstable();
    }
    labels
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn locations_and_speeds() {
        assert_eq!(location(b"0000:01:1f.7"), Some([&b"01"[..], b"1f", b"7", b"0000"]));
        for bad in ["pci0000:00", "", "0000:01:1f", "0000:01:1f.7.1", "0000:xy:1f.7"] {
            assert_eq!(location(bad.as_bytes()), None, "{bad}");
        }
        for (text, want) in [
            ("8.0 GT/s PCIe", Some(8e9)),
            ("2.5 GT/s", Some(2.5e9)),
            ("Unknown", Some(-1.0)),
            ("Unknown speed", Some(-1.0)),
            ("x GT/s", None),
            ("8.0", None),
            ("", None),
        ] {
            assert_eq!(transfers_per_second(text.as_bytes()), want, "{text}");
        }
    }
}

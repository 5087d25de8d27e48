//! Thermal zones and what cools them, from `/sys/class/thermal` (kernel:
//! `Documentation/driver-api/thermal/sysfs-api.rst`).
//!
//! The kernel asks the sensor at each read. Those of the firmware (ACPI) may take some milliseconds.

use super::{Attribute, AttributeTable, CollectError, Collector, Context, Settings, Spec, none_if_absent};
use crate::exposition::{Exposition, Kind};
use crate::host::parse::{signed, unsigned};
use crate::host::{Folder, read_small};

pub(super) const SPEC: Spec = Spec {
    name: "thermal_zone",
    default_on: true,
    help: "temperatures of thermal zones and states of cooling devices (/sys/class/thermal)",
    flags: &[],
    build: |settings| Ok(Box::new(ThermalZone::new(settings))),
};

const ZONE: &[Attribute] = &[Attribute {
    file: "temp",
    family: "node_thermal_zone_temp",
    help: "Temperature of the zone in degrees Celsius.",
    kind: Kind::Gauge,
    value: |text| Some(signed(text)? as f64 / 1000.0),
}];

const COOLING_DEVICE: &[Attribute] = &[
    Attribute {
        file: "cur_state",
        family: "node_cooling_device_cur_state",
        help: "How much the device cools now, from 0.",
        kind: Kind::Gauge,
        value: |text| Some(unsigned(text)? as f64),
    },
    Attribute {
        file: "max_state",
        family: "node_cooling_device_max_state",
        help: "The most that the device can cool.",
        kind: Kind::Gauge,
        value: |text| Some(unsigned(text)? as f64),
    },
];

struct ThermalZone {
    folder: Folder,
    zones: AttributeTable,
    cooling_devices: AttributeTable,
}

impl ThermalZone {
    fn new(settings: &Settings) -> Self {
        Self {
            folder: Folder::new(settings.root.sys("class/thermal")),
            zones: AttributeTable::new(ZONE, &["type", "zone"]),
            cooling_devices: AttributeTable::new(COOLING_DEVICE, &["name", "type"]),
        }
    }

    fn find(&mut self, buffer: &mut Vec<u8>) {
        self.zones.clear();
        self.cooling_devices.clear();
        for name in self.folder.names() {
            let path = self.folder.entry(name);
            let Ok(kind) = read_small(&path.join("type"), buffer) else { continue };
            if let Some(zone) = name.strip_prefix(b"thermal_zone") {
                self.zones.add(&path, &[kind, zone]);
            } else if let Some(number) = name.strip_prefix(b"cooling_device") {
                self.cooling_devices.add(&path, &[number, kind]);
            }
        }
    }
}

impl Collector for ThermalZone {
    fn collect(&mut self, context: &mut Context, out: &mut Exposition) -> Result<(), CollectError> {
        let listed = self.folder.list(&mut context.buffer);
        if none_if_absent(listed, self.folder.path())? {
            self.find(&mut context.buffer);
        }
        let zones = self.zones.write(&mut context.buffer, out);
        self.cooling_devices.write(&mut context.buffer, out).and(zones)
    }
}

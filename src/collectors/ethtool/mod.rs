//! What drivers say of network devices: their link modes, their versions and their own statistics, as `ethtool`,
//! `ethtool -i` and `ethtool -S` show them (kernel: `include/uapi/linux/ethtool.h`).
//!
//! Asking may take a driver some milliseconds, more where it talks to firmware, and meanwhile the kernel changes no
//! other network device either.

mod modes;
mod statistics;

use kernel_calls::ethtool::{Driver, Ethtool};

use super::{CollectError, Collector, Context, Filter, Flag, FlagKind, Settings, Spec};
use crate::exposition::{Exposition, Kind};
use statistics::Statistics;

const DEVICE_INCLUDE: Flag = Flag::new(
    "ethtool.device-include",
    FlagKind::Pattern(""),
    "Regular expression of network devices to keep.",
);
const DEVICE_EXCLUDE: Flag = Flag::new(
    "ethtool.device-exclude",
    FlagKind::Pattern(""),
    "Regular expression of network devices to leave out.",
);
const METRICS_INCLUDE: Flag = Flag::new(
    "ethtool.metrics-include",
    FlagKind::Pattern(".*"),
    "Regular expression of the statistics to give, by the driver's names with _ for what metrics can't have.",
);

pub(super) const SPEC: Spec = Spec {
    name: "ethtool",
    default_on: false,
    help: "link modes, drivers and the drivers' own statistics of network devices (ioctl SIOCETHTOOL)",
    flags: &[DEVICE_INCLUDE, DEVICE_EXCLUDE, METRICS_INCLUDE],
    build: |settings| Ok(Box::new(EthtoolCollector::new(settings))),
};

struct EthtoolCollector {
    devices: Filter,
    metrics: Filter,
    ethtool: Option<Ethtool>,
    /// Of the devices that have some, sorted by name.
    statistics: Vec<(String, Statistics)>,
}

impl EthtoolCollector {
    fn new(settings: &Settings) -> Self {
        Self {
            devices: settings.both(&DEVICE_INCLUDE, &DEVICE_EXCLUDE),
            metrics: Filter::new(settings.pattern(&METRICS_INCLUDE), None),
            ethtool: None,
            statistics: Vec::new(),
        }
    }
}

impl Collector for EthtoolCollector {
    /// Devices that have gone are skipped, and so is what a driver does not tell.
    fn collect(&mut self, context: &mut Context, out: &mut Exposition) -> Result<(), CollectError> {
        let Self { devices, metrics, ethtool, statistics } = self;
        let links = context.links().map_err(|error| CollectError::Other(error.to_string()))?;
        let ethtool = match ethtool {
            Some(ethtool) => ethtool,
            None => ethtool.insert(
                Ethtool::open()
                    .map_err(|error| CollectError::Other(format!("cannot ask drivers: {error}")))?,
            ),
        };
        statistics.retain(|(known, _)| links.binary_search_by(|link| link.name.cmp(known)).is_ok());
        for link in links.iter().filter(|link| devices.keeps(link.name.as_bytes())) {
            let device = link.name.as_bytes();
            if let Ok(found) = ethtool.link_modes(device) {
                modes::write(device, &found, out);
            }
            let Ok(driver) = ethtool.driver(device) else { continue };
            write_driver(device, &driver, out);
            let count = driver.statistics;
            if count == 0 {
                continue;
            }
            let place =
                statistics.binary_search_by(|(known, _)| known.cmp(&link.name)).unwrap_or_else(|place| {
                    statistics.insert(place, (link.name.clone(), Statistics::default()));
                    place
                });
            let (_, statistics) = &mut statistics[place];
            if statistics.read(ethtool, device, count, metrics).is_ok() {
                statistics.write(device, out);
            }
        }
        Ok(())
    }
}

fn write_driver(device: &[u8], driver: &Driver<'_>, out: &mut Exposition) {
    let labels = [
        ("bus_info", driver.bus),
        ("device", device),
        ("driver", driver.name),
        ("expansion_rom_version", driver.expansion_rom_version),
        ("firmware_version", driver.firmware_version),
        ("version", driver.version),
    ];
    out.family("node_ethtool_info", "The driver of a network device.", Kind::Gauge).sample(&labels, 1.0);
}

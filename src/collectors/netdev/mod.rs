//! Traffic and error counters of network devices, over rtnetlink or from `/proc/net/dev`.
//!
//! Over netlink the devices are those of the network namespace that this process runs in, whatever
//! `--path.procfs` says.

mod link;
mod proc;

use std::collections::HashMap;

use super::{BuildError, CollectError, Collector, Context, Filter, Flag, FlagKind, Settings, Spec, read};
use crate::exposition::{Exposition, Kind};
use crate::host::netlink::{GET_ADDRESS, GET_LINK, Netlink, NetlinkError};
use crate::host::{KernelFile, Root, read_small};

const DEVICE_INCLUDE: Flag = Flag::new(
    "netdev.device-include",
    FlagKind::Pattern(""),
    "Regular expression of network devices to keep; not together with the exclude flag.",
);
const DEVICE_EXCLUDE: Flag = Flag::new(
    "netdev.device-exclude",
    FlagKind::Pattern(""),
    "Regular expression of network devices to leave out.",
);
const ADDRESS_INFO: Flag =
    Flag::new("netdev.address-info", FlagKind::Switch(false), "Give the addresses of every device.");
const DETAILED: Flag = Flag::new(
    "netdev.enable-detailed-metrics",
    FlagKind::Switch(false),
    "Give each counter of the kernel under its own name, in place of the usual names.",
);
const NETLINK: Flag = Flag::new(
    "netdev.netlink",
    FlagKind::Switch(true),
    "Ask the kernel over netlink; without it /proc/net/dev is read.",
);
const LABEL_IFALIAS: Flag =
    Flag::new("netdev.label-ifalias", FlagKind::Switch(false), "Add the label ifalias to each counter.");

pub(super) const SPEC: Spec = Spec {
    name: "netdev",
    default_on: true,
    help: "traffic and errors of network devices (rtnetlink or /proc/net/dev)",
    flags: &[
        DEVICE_INCLUDE,
        DEVICE_EXCLUDE,
        Flag::alias("netdev.device-whitelist", DEVICE_INCLUDE.name, FlagKind::Pattern("")),
        Flag::alias("netdev.device-blacklist", DEVICE_EXCLUDE.name, FlagKind::Pattern("")),
        ADDRESS_INFO,
        DETAILED,
        NETLINK,
        LABEL_IFALIAS,
    ],
    build: |settings| Ok(Box::new(NetDev::new(settings)?)),
};

/// One network device.
#[derive(Clone, Debug, Default, PartialEq)]
struct Device {
    name: String,
    /// The number by which netlink's addresses refer to it; 0 from `/proc/net/dev`.
    index: u32,
    /// What the administrator calls it; mostly empty.
    alias: String,
    /// The counters in the order of their source.
    counters: [u64; 24],
    /// How many of the counters the kernel has given.
    known: usize,
}

/// A family: the middle of its name and the counters that it is the sum of.
type Series = (&'static str, &'static [usize]);

/// Positions in `struct rtnl_link_stats64`, with the names that node_exporter has used from its beginning.
const NETLINK_SERIES: &[Series] = &[
    ("receive_packets", &[0]),
    ("transmit_packets", &[1]),
    ("receive_bytes", &[2]),
    ("transmit_bytes", &[3]),
    ("receive_errs", &[4]),
    ("transmit_errs", &[5]),
    ("receive_drop", &[6, 15]), // dropped, missed
    ("transmit_drop", &[7]),
    ("receive_multicast", &[8]),
    ("transmit_colls", &[9]),
    ("receive_frame", &[13, 10, 11, 12]), // frame, length, over, crc
    ("receive_fifo", &[14]),
    ("transmit_carrier", &[17, 16, 19, 20]), // carrier, aborted, heartbeat, window
    ("transmit_fifo", &[18]),
    ("receive_compressed", &[21]),
    ("transmit_compressed", &[22]),
    ("receive_nohandler", &[23]),
];

/// The same positions under the kernel's names.
const NETLINK_DETAILED: &[Series] = &[
    ("receive_packets", &[0]),
    ("transmit_packets", &[1]),
    ("receive_bytes", &[2]),
    ("transmit_bytes", &[3]),
    ("receive_errors", &[4]),
    ("transmit_errors", &[5]),
    ("receive_dropped", &[6]),
    ("transmit_dropped", &[7]),
    ("multicast", &[8]),
    ("collisions", &[9]),
    ("receive_length_errors", &[10]),
    ("receive_over_errors", &[11]),
    ("receive_crc_errors", &[12]),
    ("receive_frame_errors", &[13]),
    ("receive_fifo_errors", &[14]),
    ("receive_missed_errors", &[15]),
    ("transmit_aborted_errors", &[16]),
    ("transmit_carrier_errors", &[17]),
    ("transmit_fifo_errors", &[18]),
    ("transmit_heartbeat_errors", &[19]),
    ("transmit_window_errors", &[20]),
    ("receive_compressed", &[21]),
    ("transmit_compressed", &[22]),
    ("receive_nohandler", &[23]),
];

/// Columns of `/proc/net/dev`, in which the kernel has built the sums.
const PROC_SERIES: &[Series] = &[
    ("receive_bytes", &[0]),
    ("receive_packets", &[1]),
    ("receive_errs", &[2]),
    ("receive_drop", &[3]),
    ("receive_fifo", &[4]),
    ("receive_frame", &[5]),
    ("receive_compressed", &[6]),
    ("receive_multicast", &[7]),
    ("transmit_bytes", &[8]),
    ("transmit_packets", &[9]),
    ("transmit_errs", &[10]),
    ("transmit_drop", &[11]),
    ("transmit_fifo", &[12]),
    ("transmit_colls", &[13]),
    ("transmit_carrier", &[14]),
    ("transmit_compressed", &[15]),
];

/// The four names of [`PROC_SERIES`] that differ with `--collector.netdev.enable-detailed-metrics`.
const PROC_DETAILED: [(&str, &str); 4] = [
    ("receive_errs", "receive_errors"),
    ("receive_drop", "receive_dropped"),
    ("transmit_errs", "transmit_errors"),
    ("transmit_drop", "transmit_dropped"),
];

struct NetDev {
    filter: Filter,
    /// The connection; none with `--no-collector.netdev.netlink` or after the system refused it.
    netlink: Option<Netlink>,
    file: KernelFile,
    root: Root,
    devices: Vec<Device>,
    detailed: bool,
    label_alias: bool,
    address_info: Option<Netlink>,
}

impl NetDev {
    fn new(settings: &Settings) -> Result<Self, BuildError> {
        Ok(Self {
            filter: settings.filter(&DEVICE_INCLUDE, &DEVICE_EXCLUDE)?,
            netlink: settings.switch(&NETLINK).then(Netlink::default),
            file: KernelFile::new(settings.root.proc("net/dev")),
            root: settings.root.clone(),
            devices: Vec::new(),
            detailed: settings.switch(&DETAILED),
            label_alias: settings.switch(&LABEL_IFALIAS),
            address_info: settings.switch(&ADDRESS_INFO).then(Netlink::default),
        })
    }

    /// Asks over netlink; false when that is switched off or not to be had.
    fn read_netlink(&mut self) -> Result<bool, CollectError> {
        let Some(netlink) = &mut self.netlink else {
            return Ok(false);
        };
        let reason = match dump_links(netlink, &mut self.devices) {
            Ok(()) if self.devices.iter().any(|device| device.known > 0) => return Ok(true),
            Ok(()) => "it gives no counters".to_owned(),
            Err(error @ NetlinkError::Refused(_)) => error.to_string(),
            Err(error) => return Err(CollectError::Other(error.to_string())),
        };
        tracing::warn!(collector = SPEC.name, reason, "netlink is not usable, reading /proc/net/dev instead");
        self.netlink = None;
        Ok(false)
    }

    fn read_proc(&mut self, buffer: &mut Vec<u8>) -> Result<(), CollectError> {
        self.devices.clear();
        let text = read(&mut self.file, buffer)?;
        proc::parse(text, &mut self.devices).map_err(|error| error.at(self.file.path()))?;
        if self.label_alias {
            for device in &mut self.devices {
                let path = self.root.sys("class/net").join(&device.name).join("ifalias");
                // A device that has just gone has no alias.
                let alias = read_small(&path, buffer).unwrap_or_default();
                device.alias = String::from_utf8_lossy(alias).into_owned();
            }
        }
        Ok(())
    }
}

impl Collector for NetDev {
    fn collect(&mut self, context: &mut Context, out: &mut Exposition) -> Result<(), CollectError> {
        let over_netlink = self.read_netlink()?;
        if !over_netlink {
            self.read_proc(&mut context.buffer)?;
        }
        self.devices.retain(|device| self.filter.keeps(device.name.as_bytes()));
        // Names may have become equal where bytes were not UTF-8, and a device may come twice in a dump.
        self.devices.sort_unstable_by(|a, b| a.name.cmp(&b.name));
        self.devices.dedup_by(|second, first| second.name == first.name);
        let series = match (over_netlink, self.detailed) {
            (true, false) => NETLINK_SERIES,
            (true, true) => NETLINK_DETAILED,
            (false, _) => PROC_SERIES,
        };
        for &(name, parts) in series {
            let name = match PROC_DETAILED.iter().find(|(usual, _)| *usual == name) {
                Some((_, detailed)) if self.detailed => detailed,
                _ => name,
            };
            write_series(name, parts, &self.devices, self.label_alias, out);
        }
        match &mut self.address_info {
            Some(netlink) => write_addresses(netlink, out),
            None => Ok(()),
        }
    }
}

fn write_series(name: &str, parts: &[usize], devices: &[Device], label_alias: bool, out: &mut Exposition) {
    let help = ["Network device statistic ", name, "."];
    let mut family = out.family_parts(&["node_network_", name, "_total"], &help, Kind::Counter);
    for device in devices {
        let known = &device.counters[..device.known];
        let sum = parts.iter().try_fold(0u64, |sum, &part| Some(sum.wrapping_add(*known.get(part)?)));
        let Some(sum) = sum else { continue };
        let labels = [("device", device.name.as_bytes()), ("ifalias", device.alias.as_bytes())];
        family.sample(if label_alias { &labels } else { &labels[..1] }, sum as f64);
    }
}

fn dump_links(netlink: &mut Netlink, devices: &mut Vec<Device>) -> Result<(), NetlinkError> {
    netlink.dump(GET_LINK, link::LINK_HEADER_BYTES, |message| match message {
        Some(message) => devices.extend(link::parse_link(message)),
        None => devices.clear(),
    })
}

/// As in node_exporter the device filter does not apply to addresses.
fn write_addresses(netlink: &mut Netlink, out: &mut Exposition) -> Result<(), CollectError> {
    let other = |error: NetlinkError| CollectError::Other(format!("no addresses of devices: {error}"));
    let mut links = Vec::new();
    dump_links(netlink, &mut links).map_err(other)?;
    let names: HashMap<u32, String> = links.into_iter().map(|device| (device.index, device.name)).collect();
    let mut addresses = Vec::new();
    netlink
        .dump(GET_ADDRESS, link::ADDRESS_HEADER_BYTES, |message| match message {
            Some(message) => addresses.extend(link::parse_address(message)),
            None => addresses.clear(),
        })
        .map_err(other)?;
    let mut rows: Vec<_> = addresses
        .iter()
        .filter_map(|found| Some((found.address, names.get(&found.device_index)?, found.prefix_bits)))
        .collect();
    rows.sort_unstable();
    rows.dedup(); // an address can lead to more than one other end
    let mut family = out.family("node_network_address_info", "An address of a network device.", Kind::Gauge);
    for (address, device, prefix_bits) in rows {
        let labels = [
            ("address", address.to_string()),
            ("device", device.clone()),
            ("netmask", prefix_bits.to_string()),
            ("scope", link::scope(address).to_owned()),
        ];
        family.sample(&labels.each_ref().map(|(name, value)| (*name, value.as_bytes())), 1.0);
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::exposition::Format;

    #[test]
    fn sums_and_counters_that_old_kernels_lack() {
        let mut device = Device { name: "eth0".into(), known: 23, ..Device::default() };
        for (position, counter) in device.counters.iter_mut().enumerate() {
            *counter = 1 << position;
        }
        let mut out = Exposition::new();
        for &(name, parts) in NETLINK_SERIES {
            write_series(name, parts, std::slice::from_ref(&device), false, &mut out);
        }
        let mut page = Vec::new();
        out.render(Format::Text, &mut page);
        let page = String::from_utf8(page).unwrap();
        for want in [
            "receive_drop_total{device=\"eth0\"} 32832",  // 1 << 6 | 1 << 15
            "receive_frame_total{device=\"eth0\"} 15360", // 1 << 10 | 1 << 11 | 1 << 12 | 1 << 13
            "transmit_carrier_total{device=\"eth0\"} 1.769472e+06", // 1 << 16 | 1 << 17 | 1 << 19 | 1 << 20
            "transmit_compressed_total{device=\"eth0\"} 4.194304e+06",
        ] {
            assert!(page.contains(&format!("node_network_{want}\n")), "{want}\n{page}");
        }
        assert!(!page.contains("nohandler"), "{page}");
    }

    #[test]
    fn every_counter_has_a_place_in_both_sets_of_names() {
        for (series, count) in [(NETLINK_SERIES, 24), (NETLINK_DETAILED, 24), (PROC_SERIES, 16)] {
            let mut parts: Vec<usize> = series.iter().flat_map(|(_, parts)| *parts).copied().collect();
            parts.sort_unstable();
            assert_eq!(parts, (0..count).collect::<Vec<_>>());
        }
    }

    #[test]
    fn netlink_and_proc_agree_on_this_machine() {
        let mut over_netlink = Vec::new();
        match dump_links(&mut Netlink::default(), &mut over_netlink) {
            Err(NetlinkError::Refused(_)) => return, // a sandbox
            result => result.unwrap(),
        }
        let mut from_proc = Vec::new();
        proc::parse(&std::fs::read("/proc/self/net/dev").unwrap(), &mut from_proc).unwrap();
        let names = |devices: &[Device]| {
            let mut names: Vec<String> = devices.iter().map(|device| device.name.clone()).collect();
            names.sort();
            names
        };
        assert_eq!(names(&over_netlink), names(&from_proc));
        assert!(over_netlink.iter().all(|device| device.index > 0));
    }
}

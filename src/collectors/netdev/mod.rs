//! Traffic and error counters of network devices, over rtnetlink or from `/proc/net/dev`.
//!
//! Over netlink the devices are those of the network namespace that this process runs in, whatever
//! `--path.procfs` says.

mod address;
mod proc;

use super::{BuildError, CollectError, Collector, Context, Filter, Flag, FlagKind, Settings, Spec, read};
use crate::exposition::{Exposition, Kind};
use crate::host::netlink::NetlinkError;
use crate::host::{KernelFile, Link, Root, read_small};

use address::Addresses;

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
    /// Whether to ask over netlink: not with `--no-collector.netdev.netlink` or after the system refused it.
    over_netlink: bool,
    file: KernelFile,
    root: Root,
    from_proc: Vec<proc::Device>,
    /// The places of the devices that the filter keeps.
    kept: Vec<usize>,
    detailed: bool,
    label_alias: bool,
    addresses: Option<Addresses>,
}

/// What there is to write of a device, wherever it comes from.
#[derive(Clone, Copy, Debug)]
struct Device<'a> {
    name: &'a str,
    alias: &'a str,
    /// In the order of their source.
    counters: &'a [u64],
}

impl<'a> From<&'a Link> for Device<'a> {
    fn from(link: &'a Link) -> Self {
        Self { name: &link.name, alias: &link.alias, counters: link.counters() }
    }
}

impl<'a> From<&'a proc::Device> for Device<'a> {
    fn from(device: &'a proc::Device) -> Self {
        Self { name: &device.name, alias: &device.alias, counters: &device.counters }
    }
}

impl NetDev {
    fn new(settings: &Settings) -> Result<Self, BuildError> {
        Ok(Self {
            filter: settings.filter(&DEVICE_INCLUDE, &DEVICE_EXCLUDE)?,
            over_netlink: settings.switch(&NETLINK),
            file: KernelFile::new(settings.root.proc("net/dev")),
            root: settings.root.clone(),
            from_proc: Vec::new(),
            kept: Vec::new(),
            detailed: settings.switch(&DETAILED),
            label_alias: settings.switch(&LABEL_IFALIAS),
            addresses: settings.switch(&ADDRESS_INFO).then(Addresses::default),
        })
    }

    /// The devices over netlink; none when that is switched off or not to be had.
    fn ask<'c>(&mut self, context: &'c mut Context) -> Result<Option<&'c [Link]>, CollectError> {
        if !self.over_netlink {
            return Ok(None);
        }
        let reason = match context.links() {
            Ok(links) if links.iter().any(|link| !link.counters().is_empty()) => return Ok(Some(links)),
            Ok(_) => "it gives no counters".to_owned(),
            Err(error @ NetlinkError::Refused(_)) => error.to_string(),
            Err(error) => return Err(error.into()),
        };
        tracing::warn!(collector = SPEC.name, reason, "netlink is not usable, reading /proc/net/dev instead");
        self.over_netlink = false;
        Ok(None)
    }

    fn read_proc(&mut self, buffer: &mut Vec<u8>) -> Result<(), CollectError> {
        let text = read(&mut self.file, buffer)?;
        proc::parse(text, &mut self.from_proc).map_err(|error| error.at(self.file.path()))?;
        if self.label_alias {
            for device in &mut self.from_proc {
                let path = self.root.sys("class/net").join(&device.name).join("ifalias");
                // A device that has just gone has no alias.
                let alias = read_small(&path, buffer).unwrap_or_default();
                device.alias = String::from_utf8_lossy(alias).into_owned();
            }
        }
        // Names may have become equal where bytes were not UTF-8.
        self.from_proc.sort_unstable_by(|a, b| a.name.cmp(&b.name));
        self.from_proc.dedup_by(|second, first| second.name == first.name);
        Ok(())
    }

    /// Writes the families of `table` for the devices that the filter keeps.
    fn write<'d, D>(&mut self, table: &[Series], devices: &'d [D], out: &mut Exposition)
    where
        Device<'d>: From<&'d D>,
    {
        let Self { filter, kept, .. } = self;
        kept.clear();
        kept.extend(
            (0..devices.len()).filter(|&place| filter.keeps(Device::from(&devices[place]).name.as_bytes())),
        );
        for &(name, parts) in table {
            let name = match PROC_DETAILED.iter().find(|(usual, _)| *usual == name) {
                Some((_, detailed)) if self.detailed => detailed,
                _ => name,
            };
            let kept = self.kept.iter().map(|&place| Device::from(&devices[place]));
            write_series(name, parts, kept, self.label_alias, out);
        }
    }
}

impl Collector for NetDev {
    fn collect(&mut self, context: &mut Context, out: &mut Exposition) -> Result<(), CollectError> {
        if out.contains("node_network_receive_packets_total") {
            // netclass can be told to give the counters, and one that comes twice would spoil the page.
        } else if let Some(links) = self.ask(context)? {
            let table = if self.detailed { NETLINK_DETAILED } else { NETLINK_SERIES };
            self.write(table, links, out);
        } else {
            self.read_proc(&mut context.buffer)?;
            let devices = std::mem::take(&mut self.from_proc);
            self.write(PROC_SERIES, &devices, out);
            self.from_proc = devices;
        }
        match &mut self.addresses {
            Some(addresses) => addresses.write(context, out),
            None => Ok(()),
        }
    }
}

/// Writes each counter of the kernel under its own name.
pub(super) fn write_all_counters(links: &[&Link], out: &mut Exposition) {
    for &(name, parts) in NETLINK_DETAILED {
        write_series(name, parts, links.iter().map(|&link| Device::from(link)), false, out);
    }
}

fn write_series<'d>(
    name: &str,
    parts: &[usize],
    devices: impl Iterator<Item = Device<'d>>,
    label_alias: bool,
    out: &mut Exposition,
) {
    let help = ["Network device statistic ", name, "."];
    let mut family = out.family_parts(&["node_network_", name, "_total"], &help, Kind::Counter);
    for device in devices {
        let sum =
            parts.iter().try_fold(0u64, |sum, &part| Some(sum.wrapping_add(*device.counters.get(part)?)));
        let Some(sum) = sum else { continue };
        let labels = [("device", device.name.as_bytes()), ("ifalias", device.alias.as_bytes())];
        family.sample(if label_alias { &labels } else { &labels[..1] }, sum as f64);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::exposition::Format;
    use crate::host::Links;

    #[test]
    fn sums_and_counters_that_old_kernels_lack() {
        let counters: Vec<u64> = (0..23).map(|position| 1 << position).collect();
        let device = Device { name: "eth0", alias: "", counters: &counters };
        let mut out = Exposition::new();
        for &(name, parts) in NETLINK_SERIES {
            write_series(name, parts, std::iter::once(device), false, &mut out);
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
        let mut links = Links::default();
        match links.refresh() {
            Err(NetlinkError::Refused(_)) => return, // a sandbox
            result => result.unwrap(),
        }
        let mut from_proc = Vec::new();
        proc::parse(&std::fs::read("/proc/self/net/dev").unwrap(), &mut from_proc).unwrap();
        let mut names: Vec<&str> = from_proc.iter().map(|device| device.name.as_str()).collect();
        names.sort_unstable();
        assert_eq!(links.all().iter().map(|link| link.name.as_str()).collect::<Vec<_>>(), names);
        assert!(links.all().iter().all(|link| link.index > 0));
    }
}

//! What drivers say of network devices over the generic netlink family `ethtool` (kernel 5.6 or newer:
//! `Documentation/networking/ethtool-netlink.rst`), and their names from `/sys/class/net`.
//!
//! The drivers' own counters (`ethtool -S`), and the versions of driver and firmware, can be had by an ioctl
//! (`SIOCETHTOOL`) only, which safe Rust has no way to call: the families `node_ethtool_*` that node_exporter makes
//! of them are absent, and the labels with versions are empty. In their place there are, since kernel 5.13, the
//! counters that standards define, for the drivers that have them. Asking may take a driver some milliseconds.

mod answer;
mod modes;

use std::io;
use std::os::unix::ffi::OsStrExt as _;
use std::path::Path;

use rustix::io::Errno;

use super::{BuildError, CollectError, Collector, Context, Filter, Flag, FlagKind, Settings, Spec};
use crate::exposition::{Exposition, Kind};
use crate::host::Folder;
use crate::host::genetlink::{family, header};
use crate::host::netlink::{Netlink, NetlinkError};

use answer::{Counter, Device};

const DEVICE_INCLUDE: Flag = Flag::new(
    "ethtool.device-include",
    FlagKind::Pattern(""),
    "Regular expression of network devices to keep; not together with the exclude flag.",
);
const DEVICE_EXCLUDE: Flag = Flag::new(
    "ethtool.device-exclude",
    FlagKind::Pattern(""),
    "Regular expression of network devices to leave out.",
);
const METRICS_INCLUDE: Flag = Flag::new(
    "ethtool.metrics-include",
    FlagKind::Pattern(".*"),
    "Regular expression of the counters to give, by their names in the standards.",
);

pub(super) const SPEC: Spec = Spec {
    name: "ethtool",
    default_on: false,
    help: "link modes, standard counters and drivers of network devices (ethtool netlink, not the drivers' own counters)",
    flags: &[DEVICE_INCLUDE, DEVICE_EXCLUDE, METRICS_INCLUDE],
    build: |settings| Ok(Box::new(EthTool::new(settings)?)),
};

const NO_FAMILY: &str = "the kernel has no ethtool over netlink: needs 5.6 with CONFIG_ETHTOOL_NETLINK";

/// A request for all devices.
struct Command {
    number: u8,
    /// The attribute that its header is in.
    header: u16,
    /// `ETHTOOL_FLAG_` bits.
    flags: u32,
}

const COMPACT_BITSETS: u32 = 1;
const WITH_STATS: u32 = 4;

const LINK_MODES: Command = Command { number: 4, header: 1, flags: COMPACT_BITSETS };
const PAUSE: Command = Command { number: 21, header: 1, flags: COMPACT_BITSETS | WITH_STATS };
const STATS: Command = Command { number: 32, header: 2, flags: COMPACT_BITSETS };

struct EthTool {
    devices: Filter,
    metrics: Filter,
    /// None where the host is a copy of files.
    netlink: Option<Netlink>,
    family: Option<u16>,
    folder: Folder,
    drivers: Vec<Driver>,
    answers: Vec<Device>,
}

/// Which driver a device has. That does not change.
struct Driver {
    device: Box<[u8]>,
    name: Vec<u8>,
    bus: Vec<u8>,
}

impl EthTool {
    fn new(settings: &Settings) -> Result<Self, BuildError> {
        let live = settings.root.proc_is_live();
        Ok(Self {
            devices: settings.filter(&DEVICE_INCLUDE, &DEVICE_EXCLUDE)?,
            metrics: Filter::new(settings.pattern(&METRICS_INCLUDE), None),
            netlink: live.then(|| Netlink::new(rustix::net::netlink::GENERIC)),
            family: None,
            folder: Folder::new(settings.root.sys("class/net")),
            drivers: Vec::new(),
            answers: Vec::new(),
        })
    }

    fn write_drivers(&mut self, buffer: &mut Vec<u8>, out: &mut Exposition) -> Result<(), CollectError> {
        let Self { devices, folder, drivers, .. } = self;
        let listed = folder.list(buffer);
        if *listed.as_ref().unwrap_or(&true) {
            let kept = folder.names().iter().filter(|name| devices.keeps(name));
            *drivers = kept.filter_map(|name| Driver::of(folder, name)).collect();
        }
        listed.map_err(|error| CollectError::read(folder.path(), error))?;
        let mut family = out.family("node_ethtool_info", "The driver of a network device.", Kind::Gauge);
        for Driver { device, name, bus } in &*drivers {
            let labels: [(&str, &[u8]); 6] = [
                ("bus_info", bus),
                ("device", device),
                ("driver", name),
                ("expansion_rom_version", b""),
                ("firmware_version", b""),
                ("version", b""),
            ];
            family.sample(&labels, 1.0);
        }
        Ok(())
    }

    /// Asks for all devices with one command and gives the answers of those that the filter keeps.
    fn ask(&mut self, command: &Command, more: &[u8]) -> Result<&[Device], NetlinkError> {
        let Self { devices, netlink: Some(netlink), family: Some(family), answers, .. } = self else {
            return Ok(&[]);
        };
        let request = [&header(command.number)[..], &answer::request_header(command), more].concat();
        netlink.dump(*family, &request, |message| match message {
            Some(message) => answers.extend(answer::read(message, command)),
            None => answers.clear(),
        })?;
        answers.retain(|device| devices.keeps(&device.name));
        answers.sort_by(|a, b| a.name.cmp(&b.name));
        Ok(answers)
    }

    fn write_answers(&mut self, out: &mut Exposition) -> Result<(), NetlinkError> {
        modes::write(self.ask(&LINK_MODES, &[])?, out);
        for (command, more) in [(PAUSE, Vec::new()), (STATS, answer::all_groups())] {
            match self.ask(&command, &more) {
                Ok(_) => {}
                Err(NetlinkError::Io(error)) if is_unknown(&error) => continue,
                Err(error) => return Err(error),
            }
            for counter in answer::COUNTERS {
                if self.metrics.keeps(counter.standard_name.as_bytes()) {
                    write_counter(counter, &self.answers, out);
                }
            }
        }
        Ok(())
    }
}

/// How kernels that are older than a command or one of its flags refuse it.
fn is_unknown(error: &io::Error) -> bool {
    matches!(Errno::from_io_error(error), Some(Errno::OPNOTSUPP | Errno::INVAL))
}

fn write_counter(counter: &Counter, devices: &[Device], out: &mut Exposition) {
    let mut family =
        out.family_parts(&["node_ethtool_", counter.name, "_total"], &[counter.help], Kind::Counter);
    for device in devices {
        if let Some((_, value)) = device.counters.iter().find(|(place, _)| *place == counter.place) {
            family.sample(&[("device", &device.name)], *value as f64);
        }
    }
}

impl Driver {
    /// None for a device that no hardware is behind.
    fn of(folder: &Folder, name: &[u8]) -> Option<Self> {
        let entry = folder.entry(name);
        let device = std::fs::canonicalize(entry.join("device")).ok()?;
        let driver = std::fs::read_link(device.join("driver")).unwrap_or_default();
        let last = |path: &Path| path.file_name().unwrap_or_default().as_bytes().to_vec();
        // What the driver for virtual machines calls its bus is what its devices are plugged into.
        let is_virtual = last(&driver) == b"virtio_net";
        let plugged = device.parent().filter(|_| is_virtual).unwrap_or(&device);
        Some(Self { device: name.into(), bus: last(plugged), name: last(&driver) })
    }
}

impl Collector for EthTool {
    fn collect(&mut self, context: &mut Context, out: &mut Exposition) -> Result<(), CollectError> {
        let other = |error: NetlinkError| CollectError::Other(error.to_string());
        self.write_drivers(&mut context.buffer, out)?;
        if let (Some(netlink), None) = (&mut self.netlink, self.family) {
            self.family = family(netlink, "ethtool").map_err(other)?;
            self.family.ok_or(CollectError::NoData(NO_FAMILY))?;
        }
        self.write_answers(out).map_err(other)
    }
}

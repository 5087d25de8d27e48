//! Neighbours that ARP has found, from rtnetlink (kernel: `include/uapi/linux/neighbour.h`) or `/proc/net/arp`.
//!
//! Over netlink they are those of the network namespace that this process runs in, whatever `--path.procfs` says.

use super::{CollectError, Collector, Context, Filter, Flag, FlagKind, Settings, Spec, read};
use crate::exposition::{Exposition, Kind};
use crate::host::KernelFile;
use crate::host::netlink::{GET_NEIGHBOUR, Netlink, NetlinkError, u16_at, u32_at};
use crate::host::parse::{ParseError, fields, lines};

const DEVICE_INCLUDE: Flag =
    Flag::new("arp.device-include", FlagKind::Pattern(""), "Regular expression of network devices to keep.");
const DEVICE_EXCLUDE: Flag = Flag::new(
    "arp.device-exclude",
    FlagKind::Pattern(""),
    "Regular expression of network devices to leave out.",
);
const NETLINK: Flag = Flag::new(
    "arp.netlink",
    FlagKind::Switch(true),
    "Ask the kernel over netlink; without it /proc/net/arp is read.",
);

pub(super) const SPEC: Spec = Spec {
    name: "arp",
    default_on: true,
    help: "number of neighbours in the ARP table (rtnetlink or /proc/net/arp)",
    flags: &[DEVICE_INCLUDE, DEVICE_EXCLUDE, NETLINK],
    build: |settings| Ok(Box::new(Arp::new(settings))),
};

const AF_INET: u8 = 2;
/// `NUD_NOARP`: the device needs no ARP for this address.
const NO_ARP: u16 = 0x40;
/// The size of `struct ndmsg`.
const HEADER_BYTES: usize = 12;
/// `struct ndmsg` of a request for all neighbours in IPv4.
const REQUEST: [u8; HEADER_BYTES] = [AF_INET, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0];

struct Arp {
    filter: Filter,
    /// The connection; none with `--no-collector.arp.netlink` or after the system refused it.
    netlink: Option<Netlink>,
    /// How many entries each device has, by its number.
    by_index: Vec<(u32, u64)>,
    file: KernelFile,
    /// The same by its name.
    by_name: Vec<(Vec<u8>, u64)>,
}

impl Arp {
    fn new(settings: &Settings) -> Self {
        Self {
            filter: settings.both(&DEVICE_INCLUDE, &DEVICE_EXCLUDE),
            netlink: settings.switch(&NETLINK).then(Netlink::default),
            by_index: Vec::new(),
            file: KernelFile::new(settings.root.proc("net/arp")),
            by_name: Vec::new(),
        }
    }

    /// Counts over netlink; false when that is switched off or not to be had.
    fn ask(&mut self) -> Result<bool, CollectError> {
        let Some(netlink) = &mut self.netlink else { return Ok(false) };
        let by_index = &mut self.by_index;
        let result = netlink.dump(GET_NEIGHBOUR, &REQUEST, |message| match message {
            Some(message) => {
                if let Some(index) = device_of(message) {
                    count(by_index, &index, |index| *index);
                }
            }
            None => by_index.clear(),
        });
        match result {
            Ok(()) => Ok(true),
            Err(error @ NetlinkError::Refused(_)) => {
                let reason = error.to_string();
                tracing::warn!(
                    collector = SPEC.name,
                    reason,
                    "netlink is not usable, reading /proc/net/arp instead"
                );
                self.netlink = None;
                Ok(false)
            }
            Err(error) => Err(error.into()),
        }
    }
}

impl Collector for Arp {
    fn collect(&mut self, context: &mut Context, out: &mut Exposition) -> Result<(), CollectError> {
        let over_netlink = self.ask()?;
        let Self { filter, by_index, file, by_name, .. } = self;
        if !over_netlink {
            let text = read(file, &mut context.buffer)?;
            parse(text, by_name).map_err(|error| error.at(file.path()))?;
        }
        let mut family =
            out.family("node_arp_entries", "Number of neighbours in the ARP table.", Kind::Gauge);
        let mut write = |device: &[u8], entries: u64| {
            if filter.keeps(device) {
                family.sample(&[("device", device)], entries as f64);
            }
        };
        if !over_netlink {
            by_name.iter().for_each(|(device, entries)| write(device, *entries));
        } else if !by_index.is_empty() {
            let links = context.links()?;
            for link in links {
                let found = by_index.iter().find(|(index, _)| *index == link.index);
                if let Some((_, entries)) = found {
                    write(link.name.as_bytes(), *entries);
                }
            }
        }
        Ok(())
    }
}

/// The number of the device that one `RTM_NEWNEIGH` message is about, unless the entry is not ARP's.
fn device_of(message: &[u8]) -> Option<u32> {
    let state = u16_at(message, 8)?;
    (message.first() == Some(&AF_INET) && state & NO_ARP == 0).then(|| u32_at(message, 4))?
}

/// Counts lines such as `192.0.2.1  0x1  0x2  52:54:00:12:34:56  *  eth0` below the heading, into `devices`, which
/// is emptied first and sorted.
fn parse(text: &[u8], devices: &mut Vec<(Vec<u8>, u64)>) -> Result<(), ParseError> {
    devices.clear();
    for (number, line) in lines(text).skip(1) {
        let device = fields(line).nth(5);
        let device = device.ok_or_else(|| ParseError::new(number, "six columns, the last a device", line))?;
        count(devices, device, |device| device.to_vec());
    }
    Ok(())
}

/// Adds one to the entry `key` of a sorted list.
fn count<K: Ord + std::borrow::Borrow<Q>, Q: Ord + ?Sized>(
    counts: &mut Vec<(K, u64)>,
    key: &Q,
    own: impl FnOnce(&Q) -> K,
) {
    match counts.binary_search_by(|(found, _)| found.borrow().cmp(key)) {
        Ok(place) => counts[place].1 += 1,
        Err(place) => counts.insert(place, (own(key), 1)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn messages_about_other_things_are_passed_over() {
        let message = |family: u8, state: u16| {
            let mut bytes = vec![family, 0, 0, 0];
            bytes.extend_from_slice(&7u32.to_ne_bytes());
            bytes.extend_from_slice(&state.to_ne_bytes());
            bytes.extend_from_slice(&[0, 1]);
            bytes
        };
        assert_eq!(device_of(&message(AF_INET, 0x02)), Some(7)); // NUD_REACHABLE
        assert_eq!(device_of(&message(AF_INET, 0x20)), Some(7)); // NUD_FAILED
        assert_eq!(device_of(&message(AF_INET, NO_ARP)), None);
        assert_eq!(device_of(&message(10, 0x02)), None);
        for end in 0..10 {
            assert_eq!(device_of(&message(AF_INET, 2)[..end]), None, "cut at {end}");
        }
    }

    #[test]
    fn a_table_with_a_bad_line() {
        let mut devices = Vec::new();
        let table = "IP address HW type Flags HW address Mask Device\n";
        let text = format!(
            "{table}10.0.0.1 0x1 0x2 00:00:00:00:00:01 * eth1\n10.0.0.2 0x1 0x0 00:00:00:00:00:00 * eth0\n"
        );
        for _ in 0..2 {
            parse(text.as_bytes(), &mut devices).unwrap();
            assert_eq!(devices, [(b"eth0".to_vec(), 1), (b"eth1".to_vec(), 1)]);
        }
        parse(table.as_bytes(), &mut devices).unwrap();
        assert!(devices.is_empty());
        assert_eq!(parse(b"\n10.0.0.1 0x1 0x2 00 *\n", &mut devices).unwrap_err().line, 2);
    }

    #[test]
    fn survives_a_cut_file() {
        crate::collectors::at_every_cut("proc/net/arp", |text| parse(text, &mut Vec::new()));
    }
}

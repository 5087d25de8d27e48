//! Properties of this process' own devices, from the dump of devices and the little that sysfs alone has.

use std::path::{Path, PathBuf};

use rustix::io::Errno;

use super::{
    ADDRESS_ASSIGN_TYPE, CARRIER, CollectError, Context, DEVICE_ID, DORMANT, FLAGS, Filter, NAME_ASSIGN_TYPE,
    NUMBERS, Properties, SPEC, SPEED_PLACE, UP, number,
};
use crate::exposition::{Exposition, Kind};
use crate::host::netlink::NetlinkError;
use crate::host::{Folder, KernelFile, Link, read_small};

const LOWER_UP: u32 = 0x1_0000;
const DORMANT_FLAG: u32 = 0x2_0000;
const RUNNING: u32 = 0x40;
const PROMISCUOUS: u32 = 0x100;
const ALL_MULTICAST: u32 = 0x200;

/// What sysfs calls the `IF_OPER_` constants.
const OPERSTATES: [&str; 7] = ["unknown", "notpresent", "down", "lowerlayerdown", "testing", "dormant", "up"];

/// The carrier as its file has it, which can't be read while the device is down.
pub(super) fn carrier(link: &Link) -> Option<i64> {
    (link.flags & UP != 0).then_some(i64::from(link.flags & LOWER_UP != 0))
}

/// Likewise.
pub(super) fn dormant(link: &Link) -> Option<i64> {
    (link.flags & UP != 0).then_some(i64::from(link.flags & DORMANT_FLAG != 0))
}

/// The device's own flags. In those of the dump, which programs get, three tell the state, and two whether a
/// program, not the kernel, has asked for all packets.
pub(super) fn flags(link: &Link) -> Option<i64> {
    let (promiscuity, all_multicast) = (link.promiscuity?, link.all_multicast?);
    let own = link.flags & !(LOWER_UP | DORMANT_FLAG | RUNNING | PROMISCUOUS | ALL_MULTICAST);
    let asked = |count: u32, flag: u32| if count > 0 { flag } else { 0 };
    Some(i64::from(own | asked(promiscuity, PROMISCUOUS) | asked(all_multicast, ALL_MULTICAST)))
}

/// The dump names the device below only if it is another one.
pub(super) fn below(link: &Link) -> Option<i64> {
    Some(i64::from(link.below.unwrap_or(link.index).cast_signed()))
}

pub(super) struct Live {
    folder: Folder,
    raw: bool,
    /// Set when the system has refused netlink.
    refused: bool,
    /// One for each device of the last dump, in its order.
    devices: Vec<Device>,
    buffer: Vec<u8>,
}

/// What is known of a device beside its latest [`Link`].
struct Device {
    index: u32,
    kept: bool,
    properties: Properties,
    folder: PathBuf,
    flags: KernelFile,
    speed: KernelFile,
    duplex: KernelFile,
    /// What never changes under one name.
    device_id: Option<i64>,
    name_assign_type: Option<i64>,
    /// Changes with the address.
    address_assign_type: Option<i64>,
    address: Vec<u8>,
    /// The state in which the driver had no speed and no duplex to give.
    speechless: Option<State>,
}

/// Without a change of this a device that has no speed does not get one.
#[derive(Clone, Copy, Debug, PartialEq)]
struct State {
    flags: u32,
    operstate: Option<u8>,
    carrier_changes: Option<u32>,
}

impl Live {
    pub(super) fn new(folder: &Path, raw: bool) -> Self {
        let folder = Folder::new(folder);
        Self { folder, raw, refused: false, devices: Vec::new(), buffer: Vec::new() }
    }

    /// Reads all devices that `filter` keeps. False if netlink and sysfs show different devices, or the system
    /// refuses netlink.
    pub(super) fn read(&mut self, context: &mut Context, filter: &mut Filter) -> Result<bool, CollectError> {
        if self.refused {
            return Ok(false);
        }
        let links = match context.links() {
            Ok(links) => links,
            Err(error @ NetlinkError::Refused(_)) => {
                let reason = error.to_string();
                tracing::warn!(collector = SPEC.name, reason, "netlink is not usable, reading sysfs instead");
                self.refused = true;
                return Ok(false);
            }
            Err(error) => return Err(error.into()),
        };
        let Self { folder, raw, devices, buffer, .. } = self;
        let same =
            devices.len() == links.len() && links.iter().zip(&*devices).all(|(link, device)| device.is(link));
        if !same {
            if !*raw && !shows(folder, links, buffer) {
                devices.clear();
                return Ok(false);
            }
            let mut before = std::mem::take(devices);
            let device = |link: &Link| match before.iter().position(|device| device.is(link)) {
                Some(place) => before.swap_remove(place),
                None => Device::new(link, folder, filter.keeps(link.name.as_bytes()), buffer),
            };
            *devices = links.iter().map(device).collect();
        }
        for (link, device) in links.iter().zip(devices).filter(|(_, device)| device.kept) {
            device.read(link, *raw, buffer);
        }
        Ok(true)
    }

    /// What was read last, sorted by name.
    pub(super) fn properties(&self) -> impl Iterator<Item = &Properties> + Clone {
        self.devices.iter().filter(|device| device.kept).map(|device| &device.properties)
    }
}

/// Whether the directory shows just the devices of `links`: it belongs to the network namespace that it was
/// mounted in, which may be another one than this process'.
fn shows(folder: &mut Folder, links: &[Link], buffer: &mut Vec<u8>) -> bool {
    let listed = folder.list(buffer).is_ok();
    let names = folder.names();
    let is_shown = |link: &Link| names.binary_search_by(|name| (**name).cmp(link.name.as_bytes())).is_ok();
    if !listed || !links.iter().all(is_shown) {
        return false;
    }
    let mut address = Vec::new();
    folder.names().iter().all(|name| {
        let entry = folder.entry(name);
        let index = read_small(&entry.join("ifindex"), buffer).ok().and_then(number);
        let Some(index) = index else { return true }; // the file of the bonding driver, or a device that is gone
        links.iter().filter(|link| link.name.as_bytes() == &**name).any(|link| {
            address.clear();
            write_address(&link.address, &mut address);
            i64::from(link.index) == index
                && read_small(&entry.join("address"), buffer).is_ok_and(|text| text == address)
        })
    })
}

impl Device {
    fn new(link: &Link, folder: &Folder, kept: bool, buffer: &mut Vec<u8>) -> Self {
        let folder = folder.entry(link.name.as_bytes());
        let mut device = Self {
            index: link.index,
            kept,
            properties: Properties { name: link.name.clone().into(), ..Properties::default() },
            flags: KernelFile::new(folder.join("flags")),
            speed: KernelFile::new(folder.join("speed")),
            duplex: KernelFile::new(folder.join("duplex")),
            folder,
            device_id: None,
            name_assign_type: None,
            address_assign_type: None,
            address: link.address.clone(),
            speechless: None,
        };
        if kept {
            device.device_id = device.once(DEVICE_ID, buffer);
            device.name_assign_type = device.once(NAME_ASSIGN_TYPE, buffer);
            device.address_assign_type = device.once(ADDRESS_ASSIGN_TYPE, buffer);
        }
        device
    }

    fn is(&self, link: &Link) -> bool {
        self.index == link.index && self.properties.name == link.name.as_bytes()
    }

    fn once(&self, place: usize, buffer: &mut Vec<u8>) -> Option<i64> {
        read_small(&self.folder.join(NUMBERS[place].file), buffer).ok().and_then(number)
    }

    fn read(&mut self, link: &Link, raw: bool, buffer: &mut Vec<u8>) {
        let properties = &mut self.properties;
        properties.clear();
        write_address(&link.address, &mut properties.address);
        write_address(&link.broadcast, &mut properties.broadcast);
        properties.alias.extend_from_slice(link.alias.as_bytes());
        let operstate = link.operstate.and_then(|state| OPERSTATES.get(usize::from(state)));
        properties.operstate.extend_from_slice(operstate.unwrap_or(&OPERSTATES[0]).as_bytes());
        properties.flags = Some(link.flags);
        for (slot, number) in properties.numbers.iter_mut().zip(&NUMBERS) {
            *slot = number.from_link.and_then(|from_link| from_link(link));
        }
        let numbers = &mut properties.numbers;
        if raw {
            numbers[CARRIER] = link.carrier.map(i64::from);
            numbers[DORMANT] = Some(i64::from(link.flags & DORMANT_FLAG != 0));
            numbers[FLAGS] = Some(i64::from(link.flags));
        } else if numbers[FLAGS].is_none() {
            numbers[FLAGS] = self.flags.value(buffer).ok().and_then(number);
        }
        numbers[DEVICE_ID] = self.device_id;
        numbers[NAME_ASSIGN_TYPE] = self.name_assign_type;
        if self.address != link.address {
            self.address_assign_type = self.once(ADDRESS_ASSIGN_TYPE, buffer);
            self.address.clone_from(&link.address);
        }
        self.properties.numbers[ADDRESS_ASSIGN_TYPE] = self.address_assign_type;
        self.read_speed(link, raw, buffer);
    }

    fn read_speed(&mut self, link: &Link, raw: bool, buffer: &mut Vec<u8>) {
        let Link { flags, operstate, carrier_changes, .. } = *link;
        let state = State { flags, operstate, carrier_changes };
        // The kernel does not ask the driver of a device that is down.
        if flags & UP == 0 || self.speechless == Some(state) {
            return;
        }
        let speed = self.speed.value(buffer).map(number);
        let refused = |error: &std::io::Error| Errno::from_io_error(error) == Some(Errno::INVAL);
        self.speechless = speed.as_ref().err().filter(|error| refused(error)).map(|_| state);
        self.properties.numbers[SPEED_PLACE] = speed.ok().flatten();
        match self.duplex.value(buffer) {
            Ok(text) => {
                self.speechless = None;
                let duplex = &mut self.properties.duplex;
                duplex.extend_from_slice(text);
                if let (true, Some(first)) = (raw, duplex.first_mut()) {
                    first.make_ascii_uppercase();
                }
            }
            Err(error) if !refused(&error) => self.speechless = None,
            Err(_) => {}
        }
    }
}

/// Bytes as the kernel prints hardware addresses: `52:54:00:12:34:56`.
fn write_address(address: &[u8], text: &mut Vec<u8>) {
    const DIGITS: &[u8; 16] = b"0123456789abcdef";
    for (place, byte) in address.iter().enumerate() {
        if place > 0 {
            text.push(b':');
        }
        text.extend([byte >> 4, byte & 15].map(|digit| DIGITS[usize::from(digit)]));
    }
}

/// The names that devices have beside their own.
pub(super) fn write_other_names(links: &[&Link], out: &mut Exposition) {
    let mut family =
        out.family("node_network_altnames_info", "Another name of a network device.", Kind::Gauge);
    for link in links {
        for name in link.other_names.split(|&byte| byte == 0).filter(|name| !name.is_empty()) {
            family.sample(&[("altname", name), ("device", link.name.as_bytes())], 1.0);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn flags_and_states_of_a_device() {
        let up = Link { flags: 0x1_1043, promiscuity: Some(1), all_multicast: Some(0), ..Link::default() };
        assert_eq!((flags(&up), carrier(&up), dormant(&up)), (Some(0x1103), Some(1), Some(0)));
        let down = Link { flags: 0x1302, promiscuity: Some(0), all_multicast: Some(2), ..Link::default() };
        assert_eq!((flags(&down), carrier(&down), dormant(&down)), (Some(0x1202), None, None));
        assert_eq!(flags(&Link { all_multicast: None, ..up }), None);
        assert_eq!(below(&Link { index: 7, ..Link::default() }), Some(7));
        assert_eq!(below(&Link { index: 7, below: Some(0), ..Link::default() }), Some(0));
    }

    #[test]
    fn addresses_in_words() {
        let mut text = Vec::new();
        write_address(&[0x52, 0x54, 0, 0xff], &mut text);
        assert_eq!(text, b"52:54:00:ff");
    }

    /// What the directory of devices has to say for a dump to be taken as one of the same devices.
    #[test]
    fn the_devices_of_another_namespace_are_told_apart() {
        let folder = tempfile::tempdir().unwrap();
        let file = |path: &str, text: &str| {
            let path = folder.path().join(path);
            std::fs::create_dir_all(path.parent().unwrap()).unwrap();
            std::fs::write(path, text).unwrap();
        };
        let link = |name: &str, index: u32, address: u8| Link {
            name: name.into(),
            index,
            address: vec![address, 1],
            ..Link::default()
        };
        let shows = |links: &[Link]| shows(&mut Folder::new(folder.path()), links, &mut Vec::new());
        for (name, index) in [("eth0", "2\n"), ("lo", "1\n")] {
            file(&format!("{name}/ifindex"), index);
            file(&format!("{name}/address"), "00:01\n");
        }
        file("bonding_masters", "\n");
        assert!(shows(&[link("eth0", 2, 0), link("lo", 1, 0)]));
        assert!(!shows(&[link("lo", 1, 0)]), "one too many");
        assert!(!shows(&[link("eth0", 2, 0), link("lo", 1, 0), link("veth0", 3, 0)]), "one too few");
        assert!(!shows(&[link("eth0", 3, 0), link("lo", 1, 0)]), "another number");
        assert!(!shows(&[link("eth0", 2, 9), link("lo", 1, 0)]), "another address");
    }
}

//! All network devices from one rtnetlink dump (kernel: `include/uapi/linux/if_link.h`, `struct ifinfomsg`,
//! `struct rtnl_link_stats64`).

use super::netlink::{GET_LINK, Netlink, NetlinkError, attributes, u16_at, u32_at};

/// The size of `struct ifinfomsg`.
const HEADER_BYTES: usize = 16;

const IFLA_ADDRESS: u16 = 1;
const IFLA_BROADCAST: u16 = 2;
const IFLA_IFNAME: u16 = 3;
const IFLA_MTU: u16 = 4;
const IFLA_LINK: u16 = 5;
const IFLA_TXQLEN: u16 = 13;
const IFLA_OPERSTATE: u16 = 16;
const IFLA_LINKMODE: u16 = 17;
const IFLA_IFALIAS: u16 = 20;
const IFLA_STATS64: u16 = 23;
const IFLA_GROUP: u16 = 27;
const IFLA_PROMISCUITY: u16 = 30;
const IFLA_CARRIER: u16 = 33;
const IFLA_CARRIER_CHANGES: u16 = 35;
const IFLA_CARRIER_UP_COUNT: u16 = 47;
const IFLA_CARRIER_DOWN_COUNT: u16 = 48;
const IFLA_PROP_LIST: u16 = 52;
const IFLA_ALT_IFNAME: u16 = 53;
const IFLA_ALLMULTI: u16 = 61;

/// The number of counters in `struct rtnl_link_stats64` that are known here.
const COUNTERS: usize = 24;

/// One network device. Numbers are absent where the kernel is too old to give them.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Link {
    /// The number by which other messages refer to it.
    pub index: u32,
    /// What it speaks, an `ARPHRD_` constant.
    pub kind: u16,
    /// `IFF_` flags as programs see them.
    pub flags: u32,
    /// The name; bytes that are not UTF-8 are U+FFFD.
    pub name: String,
    /// What the administrator calls it; mostly empty.
    pub alias: String,
    /// More names, each with a NUL behind it.
    pub other_names: Vec<u8>,
    /// The hardware address, empty where there is none.
    pub address: Vec<u8>,
    /// The hardware address of all others.
    pub broadcast: Vec<u8>,
    /// RFC 2863's operational state, an `IF_OPER_` constant.
    pub operstate: Option<u8>,
    /// Who decides on it, an `IF_LINK_MODE_` constant.
    pub link_mode: Option<u8>,
    /// Whether there is a carrier, whatever the device's state.
    pub carrier: Option<u8>,
    /// The largest packet, in bytes.
    pub mtu_bytes: Option<u32>,
    /// The device below it if that is another one.
    pub below: Option<u32>,
    /// How many packets may wait to be sent.
    pub queue_length: Option<u32>,
    /// The group it was put into.
    pub group: Option<u32>,
    /// How many want it to take packets for others.
    pub promiscuity: Option<u32>,
    /// How many want it to take all multicast packets; since kernel 6.0.
    pub all_multicast: Option<u32>,
    /// How often the carrier came or went.
    pub carrier_changes: Option<u32>,
    /// How often it came.
    pub carrier_ups: Option<u32>,
    /// How often it went.
    pub carrier_downs: Option<u32>,
    /// See [`Link::counters`].
    pub(crate) counters: [u64; COUNTERS],
    /// How many of the counters the kernel has given.
    pub(crate) known: usize,
}

impl Link {
    /// The counters in the kernel's order, as many as it gives.
    pub fn counters(&self) -> &[u64] {
        &self.counters[..self.known]
    }

    /// Takes over what one `RTM_NEWLINK` message says and keeps nothing else but memory. False without a name.
    fn read(&mut self, payload: &[u8]) -> bool {
        let memory = std::mem::take(self);
        *self = Self {
            name: cleared(memory.name),
            alias: cleared(memory.alias),
            other_names: memory.other_names,
            address: memory.address,
            broadcast: memory.broadcast,
            ..Self::default()
        };
        self.other_names.clear();
        self.address.clear();
        self.broadcast.clear();
        let (Some(kind), Some(index), Some(flags)) =
            (u16_at(payload, 2), u32_at(payload, 4), u32_at(payload, 8))
        else {
            return false;
        };
        (self.kind, self.index, self.flags) = (kind, index, flags);
        for (kind, content) in attributes(payload.get(HEADER_BYTES..).unwrap_or_default()) {
            self.read_attribute(kind, content);
        }
        !self.name.is_empty()
    }

    fn read_attribute(&mut self, kind: u16, content: &[u8]) {
        let byte = content.first().copied();
        let number = u32_at(content, 0);
        match kind {
            IFLA_ADDRESS => self.address.extend_from_slice(content),
            IFLA_BROADCAST => self.broadcast.extend_from_slice(content),
            IFLA_IFNAME => self.name.push_str(&String::from_utf8_lossy(text(content))),
            IFLA_IFALIAS => self.alias.push_str(&String::from_utf8_lossy(text(content))),
            IFLA_MTU => self.mtu_bytes = number,
            IFLA_LINK => self.below = number,
            IFLA_TXQLEN => self.queue_length = number,
            IFLA_OPERSTATE => self.operstate = byte,
            IFLA_LINKMODE => self.link_mode = byte,
            IFLA_GROUP => self.group = number,
            IFLA_PROMISCUITY => self.promiscuity = number,
            IFLA_ALLMULTI => self.all_multicast = number,
            IFLA_CARRIER => self.carrier = byte,
            IFLA_CARRIER_CHANGES => self.carrier_changes = number,
            IFLA_CARRIER_UP_COUNT => self.carrier_ups = number,
            IFLA_CARRIER_DOWN_COUNT => self.carrier_downs = number,
            IFLA_PROP_LIST => {
                for (_, name) in attributes(content).filter(|(kind, _)| *kind == IFLA_ALT_IFNAME) {
                    self.other_names.extend_from_slice(text(name));
                    self.other_names.push(0);
                }
            }
            IFLA_STATS64 => {
                let (numbers, _) = content.as_chunks::<8>();
                for (counter, number) in self.counters.iter_mut().zip(numbers) {
                    *counter = u64::from_ne_bytes(*number);
                }
                self.known = numbers.len().min(COUNTERS);
            }
            _ => {}
        }
    }
}

fn cleared(mut text: String) -> String {
    text.clear();
    text
}

/// A text up to the zero byte at its end.
fn text(content: &[u8]) -> &[u8] {
    content.split(|&byte| byte == 0).next().unwrap_or_default()
}

/// The devices of the network namespace that this process runs in.
#[derive(Debug, Default)]
pub struct Links {
    netlink: Netlink,
    links: Vec<Link>,
}

impl Links {
    /// Asks the kernel for all of them.
    ///
    /// # Errors
    /// As [`Netlink::dump`].
    pub fn refresh(&mut self) -> Result<(), NetlinkError> {
        let Self { netlink, links } = self;
        let mut count = 0;
        netlink.dump(GET_LINK, &[0; HEADER_BYTES], |message| match message {
            Some(message) => {
                if count == links.len() {
                    links.push(Link::default());
                }
                count += usize::from(links[count].read(message));
            }
            None => count = 0,
        })?;
        links.truncate(count);
        // Names may have become equal where bytes were not UTF-8, and a device may come twice in a dump.
        links.sort_unstable_by(|a, b| a.name.cmp(&b.name));
        links.dedup_by(|second, first| second.name == first.name);
        Ok(())
    }

    /// What the last [`Links::refresh`] found, sorted by name.
    pub fn all(&self) -> &[Link] {
        &self.links
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::host::netlink::attribute;

    fn message(attributes: &[Vec<u8>]) -> Vec<u8> {
        let mut bytes = vec![0, 0];
        bytes.extend_from_slice(&1u16.to_ne_bytes());
        bytes.extend_from_slice(&3u32.to_ne_bytes());
        bytes.extend_from_slice(&0x1043u32.to_ne_bytes());
        bytes.extend_from_slice(&[0; 4]);
        bytes.extend(attributes.concat());
        bytes
    }

    fn named(counters: u64) -> Vec<u8> {
        let stats: Vec<u8> = (1..=counters).flat_map(u64::to_ne_bytes).collect();
        message(&[
            attribute(IFLA_IFNAME, b"eth0\0"),
            attribute(IFLA_IFALIAS, b"up\xfflink\0"),
            attribute(IFLA_STATS64, &stats),
        ])
    }

    #[test]
    fn links_of_older_and_newer_kernels() {
        let mut link = Link::default();
        assert!(link.read(&named(25)));
        assert_eq!((link.name.as_str(), link.alias.as_str(), link.index), ("eth0", "up\u{fffd}link", 3));
        assert_eq!((link.kind, link.flags), (1, 0x1043));
        assert_eq!((link.counters().len(), link.counters()[0], link.counters()[23]), (24, 1, 24));
        assert!(link.read(&named(23)));
        assert_eq!((link.counters().len(), link.mtu_bytes), (23, None));
    }

    #[test]
    fn nothing_stays_of_the_device_before() {
        let names = [attribute(IFLA_ALT_IFNAME, b"enp1s0\0"), attribute(IFLA_ALT_IFNAME, b"enx0\0")].concat();
        let mut link = Link::default();
        assert!(link.read(&message(&[
            attribute(IFLA_IFNAME, b"eth0\0"),
            attribute(IFLA_ADDRESS, &[2, 0, 0, 0, 0, 1]),
            attribute(IFLA_BROADCAST, &[255; 6]),
            attribute(IFLA_MTU, &1500u32.to_ne_bytes()),
            attribute(IFLA_OPERSTATE, &[6]),
            attribute(IFLA_PROP_LIST | 0x8000, &names),
            attribute(IFLA_CARRIER_CHANGES, &7u32.to_ne_bytes()),
            attribute(IFLA_LINK, &[1]),
        ])));
        assert_eq!((&link.address[..], &link.broadcast[..]), (&[2, 0, 0, 0, 0, 1][..], &[255; 6][..]));
        assert_eq!((link.mtu_bytes, link.operstate, link.carrier_changes), (Some(1500), Some(6), Some(7)));
        assert_eq!((&link.other_names[..], link.below), (&b"enp1s0\0enx0\0"[..], None));
        let mut fresh = Link::default();
        assert!(link.read(&named(24)) && fresh.read(&named(24)));
        assert_eq!(link, fresh);
    }

    #[test]
    fn cut_links_are_read_as_far_as_they_go() {
        let whole = named(24);
        let mut link = Link::default();
        for end in 0..whole.len() {
            assert_eq!(link.read(&whole[..end]), end >= 16 + 9, "cut at {end}");
            assert_eq!(link.counters().len(), 0, "cut at {end}");
        }
    }
}

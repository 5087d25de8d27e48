//! Network devices and their addresses as rtnetlink gives them (kernel: `include/uapi/linux/if_link.h` and
//! `if_addr.h`; `struct rtnl_link_stats64`).

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use super::Device;
use crate::host::netlink::{attributes, u32_at};

/// The size of `struct ifinfomsg`.
pub(super) const LINK_HEADER_BYTES: usize = 16;
/// The size of `struct ifaddrmsg`.
pub(super) const ADDRESS_HEADER_BYTES: usize = 8;

const IFLA_IFNAME: u16 = 3;
const IFLA_IFALIAS: u16 = 20;
const IFLA_STATS64: u16 = 23;
const IFA_ADDRESS: u16 = 1;
const IFA_LOCAL: u16 = 2;

/// An address of a device.
#[derive(Debug, PartialEq)]
pub(super) struct Address {
    /// The number of its device.
    pub device_index: u32,
    /// The address of this host.
    pub address: IpAddr,
    /// How many bits the network's prefix has.
    pub prefix_bits: u8,
}

/// Reads one `RTM_NEWLINK` message; `None` without a name.
pub(super) fn parse_link(payload: &[u8]) -> Option<Device> {
    let mut device = Device { index: u32_at(payload, 4)?, ..Device::default() };
    let mut named = false;
    for (kind, content) in attributes(payload.get(LINK_HEADER_BYTES..)?) {
        match kind {
            IFLA_IFNAME => {
                device.name = text(content);
                named = !device.name.is_empty();
            }
            IFLA_IFALIAS => device.alias = text(content),
            IFLA_STATS64 => {
                let (numbers, _) = content.as_chunks::<8>();
                for (counter, number) in device.counters.iter_mut().zip(numbers) {
                    *counter = u64::from_ne_bytes(*number);
                }
                device.known = numbers.len().min(device.counters.len());
            }
            _ => {}
        }
    }
    named.then_some(device)
}

/// Reads one `RTM_NEWADDR` message; `None` for families other than IP.
pub(super) fn parse_address(payload: &[u8]) -> Option<Address> {
    let prefix_bits = *payload.get(1)?;
    let device_index = u32_at(payload, 4)?;
    let mut found = None;
    for (kind, content) in attributes(payload.get(ADDRESS_HEADER_BYTES..)?) {
        // On a line between two points the address is the other end's, and the local one this host's.
        if kind == IFA_LOCAL || (kind == IFA_ADDRESS && found.is_none()) {
            found = ip_address(content).or(found);
        }
    }
    Some(Address { device_index, address: found?, prefix_bits })
}

fn ip_address(content: &[u8]) -> Option<IpAddr> {
    if let Ok(octets) = <[u8; 4]>::try_from(content) {
        return Some(Ipv4Addr::from(octets).into());
    }
    <[u8; 16]>::try_from(content).ok().map(|octets| Ipv6Addr::from(octets).into())
}

/// The label `scope`, which goes by the address and not by the kernel's scope.
pub(super) fn scope(address: IpAddr) -> &'static str {
    let (link_local, to_many) = match address {
        IpAddr::V4(v4) => (v4.is_link_local(), v4.is_multicast() || v4.is_broadcast()),
        IpAddr::V6(v6) => (v6.is_unicast_link_local(), v6.is_multicast()),
    };
    if address.is_loopback() || link_local {
        "link-local"
    } else if to_many || address.is_unspecified() {
        ""
    } else {
        "global"
    }
}

/// A text with a zero byte at its end.
fn text(content: &[u8]) -> String {
    let end = content.iter().position(|&byte| byte == 0).unwrap_or(content.len());
    String::from_utf8_lossy(&content[..end]).into_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn attribute(kind: u16, content: &[u8]) -> Vec<u8> {
        let mut bytes = (4 + content.len() as u16).to_ne_bytes().to_vec();
        bytes.extend_from_slice(&kind.to_ne_bytes());
        bytes.extend_from_slice(content);
        bytes.resize(bytes.len().next_multiple_of(4), 0);
        bytes
    }

    fn link(numbers: u64) -> Vec<u8> {
        let mut bytes = vec![0, 0, 1, 0];
        bytes.extend_from_slice(&3u32.to_ne_bytes());
        bytes.extend_from_slice(&[0; 8]);
        bytes.extend(attribute(IFLA_IFNAME, b"eth0\0"));
        bytes.extend(attribute(IFLA_IFALIAS, b"up\xfflink\0"));
        let stats: Vec<u8> = (1..=numbers).flat_map(u64::to_ne_bytes).collect();
        bytes.extend(attribute(IFLA_STATS64, &stats));
        bytes
    }

    #[test]
    fn links_of_older_and_newer_kernels() {
        let device = parse_link(&link(25)).unwrap();
        assert_eq!(
            (device.name.as_str(), device.alias.as_str(), device.index),
            ("eth0", "up\u{fffd}link", 3)
        );
        assert_eq!((device.known, device.counters[0], device.counters[23]), (24, 1, 24));
        assert_eq!(parse_link(&link(23)).unwrap().known, 23);
        assert_eq!(parse_link(&link(0)).unwrap().known, 0);
    }

    #[test]
    fn cut_links_are_read_as_far_as_they_go() {
        let whole = link(24);
        for end in 0..whole.len() {
            let device = parse_link(&whole[..end]);
            assert_eq!(device.is_some(), end >= 16 + 9, "cut at {end}");
            assert_eq!(device.map_or(0, |device| device.known), 0, "cut at {end}");
        }
    }

    #[test]
    fn addresses() {
        let message = |prefix: u8, attributes: &[Vec<u8>]| {
            let mut bytes = vec![2, prefix, 0, 0];
            bytes.extend_from_slice(&9u32.to_ne_bytes());
            bytes.extend(attributes.concat());
            bytes
        };
        let point_to_point =
            message(32, &[attribute(IFA_ADDRESS, &[10, 0, 0, 2]), attribute(IFA_LOCAL, &[10, 0, 0, 1])]);
        let address = parse_address(&point_to_point).unwrap();
        assert_eq!(address, Address { device_index: 9, address: [10, 0, 0, 1].into(), prefix_bits: 32 });
        let mut octets = [0; 16];
        octets[..2].copy_from_slice(&[0xfe, 0x80]);
        let v6 = parse_address(&message(64, &[attribute(IFA_ADDRESS, &octets)])).unwrap();
        assert_eq!(v6.address.to_string(), "fe80::");
        for end in 0..point_to_point.len() {
            assert_eq!(parse_address(&point_to_point[..end]).is_some(), end >= 16, "cut at {end}");
        }
    }

    #[test]
    fn scopes() {
        for (address, want) in [
            ("127.0.0.1", "link-local"),
            ("169.254.1.1", "link-local"),
            ("fe80::1", "link-local"),
            ("::1", "link-local"),
            ("10.0.0.1", "global"),
            ("2001:db8::1", "global"),
            ("fd00::1", "global"),
            ("0.0.0.0", ""),
        ] {
            assert_eq!(scope(address.parse().unwrap()), want, "{address}");
        }
    }
}

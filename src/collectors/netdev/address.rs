//! Addresses of network devices as rtnetlink gives them (kernel: `include/uapi/linux/if_addr.h`).

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use super::{CollectError, Context};
use crate::exposition::{Exposition, Kind};
use crate::host::netlink::{GET_ADDRESS, Netlink, NetlinkError, attributes, u32_at};

/// The size of `struct ifaddrmsg`.
const HEADER_BYTES: usize = 8;

const IFA_ADDRESS: u16 = 1;
const IFA_LOCAL: u16 = 2;

/// All of them, for the family `node_network_address_info`.
#[derive(Debug, Default)]
pub(super) struct Addresses {
    netlink: Netlink,
    found: Vec<Address>,
}

/// An address of a device.
#[derive(Debug, PartialEq)]
struct Address {
    /// The number of its device.
    device_index: u32,
    /// The address of this host.
    address: IpAddr,
    /// How many bits the network's prefix has.
    prefix_bits: u8,
}

impl Addresses {
    /// As in node_exporter the device filter does not apply to addresses.
    pub(super) fn write(&mut self, context: &mut Context, out: &mut Exposition) -> Result<(), CollectError> {
        let other = |error: NetlinkError| CollectError::Other(format!("no addresses of devices: {error}"));
        let links = context.links().map_err(other)?;
        let Self { netlink, found } = self;
        netlink
            .dump(GET_ADDRESS, &[0; HEADER_BYTES], |message| match message {
                Some(message) => found.extend(parse_address(message)),
                None => found.clear(),
            })
            .map_err(other)?;
        let name = |index| links.iter().find(|link| link.index == index).map(|link| link.name.as_str());
        let mut rows: Vec<_> = found
            .iter()
            .filter_map(|found| Some((found.address, name(found.device_index)?, found.prefix_bits)))
            .collect();
        rows.sort_unstable();
        rows.dedup(); // an address can lead to more than one other end
        let mut family =
            out.family("node_network_address_info", "An address of a network device.", Kind::Gauge);
        for (address, device, prefix_bits) in rows {
            let labels = [
                ("address", &*address.to_string()),
                ("device", device),
                ("netmask", &prefix_bits.to_string()),
                ("scope", scope(address)),
            ];
            family.sample(&labels.map(|(name, value)| (name, value.as_bytes())), 1.0);
        }
        Ok(())
    }
}

/// Reads one `RTM_NEWADDR` message; `None` for families other than IP.
fn parse_address(payload: &[u8]) -> Option<Address> {
    let prefix_bits = *payload.get(1)?;
    let device_index = u32_at(payload, 4)?;
    let mut found = None;
    for (kind, content) in attributes(payload.get(HEADER_BYTES..)?) {
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
fn scope(address: IpAddr) -> &'static str {
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::host::netlink::attribute;

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

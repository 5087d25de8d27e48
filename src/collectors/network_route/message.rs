//! Routes as rtnetlink gives them (kernel: `include/uapi/linux/rtnetlink.h`, `struct rtmsg` and `struct rtnexthop`).

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use crate::host::netlink::{attributes, u16_at, u32_at};

/// The size of `struct rtmsg`.
pub(super) const ROUTE_HEADER_BYTES: usize = 12;
/// The size of `struct rtnexthop`.
const HOP_HEADER_BYTES: usize = 8;

const AF_INET: u8 = 2;
const AF_INET6: u8 = 10;
const RTN_UNICAST: u8 = 1;

const RTA_DST: u16 = 1;
const RTA_OIF: u16 = 4;
const RTA_GATEWAY: u16 = 5;
const RTA_PRIORITY: u16 = 6;
const RTA_PREFSRC: u16 = 7;
const RTA_MULTIPATH: u16 = 9;

/// One way that a route has.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Hop {
    /// The number of the device.
    pub device: u32,
    /// The network and the length of its prefix; `None` is everything.
    pub destination: Option<(IpAddr, u8)>,
    pub gateway: Option<IpAddr>,
    pub priority: u32,
    pub protocol: u8,
    /// The address that packets get by default.
    pub source: Option<IpAddr>,
    /// Given where the route has more than one way.
    pub weight: Option<u16>,
}

/// Reads one `RTM_NEWROUTE` message and hands on each of its ways. Only routes to other hosts count, not those to
/// this one or to many.
pub(super) fn parse_route(payload: &[u8], mut each: impl FnMut(Hop)) {
    let (Some([family, bits, _, _, _, protocol, _, kind]), Some(rest)) =
        (payload.first_chunk::<8>(), payload.get(ROUTE_HEADER_BYTES..))
    else {
        return;
    };
    if *kind != RTN_UNICAST || !matches!(*family, AF_INET | AF_INET6) {
        return;
    }
    let mut hop = Hop { protocol: *protocol, ..Hop::default() };
    let mut ways = None;
    for (kind, content) in attributes(rest) {
        match kind {
            RTA_DST => hop.destination = ip_address(content).filter(|_| *bits > 0).map(|ip| (ip, *bits)),
            RTA_OIF => hop.device = u32_at(content, 0).unwrap_or(0),
            RTA_GATEWAY => hop.gateway = ip_address(content),
            RTA_PRIORITY => hop.priority = u32_at(content, 0).unwrap_or(0),
            RTA_PREFSRC => hop.source = ip_address(content),
            RTA_MULTIPATH => ways = Some(content),
            _ => {}
        }
    }
    match ways {
        None => each(hop),
        Some(ways) => parse_ways(ways, hop, each),
    }
}

fn parse_ways(mut bytes: &[u8], route: Hop, mut each: impl FnMut(Hop)) {
    while let (Some(length), Some(&weight), Some(device)) = (u16_at(bytes, 0), bytes.get(3), u32_at(bytes, 4))
    {
        let Some(inner) = bytes.get(HOP_HEADER_BYTES..usize::from(length)) else { return };
        let gateway = attributes(inner).find(|(kind, _)| *kind == RTA_GATEWAY);
        let gateway = gateway.and_then(|(_, content)| ip_address(content));
        each(Hop { device, gateway, weight: Some(u16::from(weight) + 1), ..route });
        bytes = bytes.get(usize::from(length).next_multiple_of(4)..).unwrap_or_default();
    }
}

fn ip_address(content: &[u8]) -> Option<IpAddr> {
    if let Ok(octets) = <[u8; 4]>::try_from(content) {
        return Some(Ipv4Addr::from(octets).into());
    }
    <[u8; 16]>::try_from(content).ok().map(|octets| Ipv6Addr::from(octets).into())
}

/// Who has made a route (kernel: `RTPROT_` constants).
pub(super) fn protocol_name(protocol: u8) -> &'static str {
    match protocol {
        0 => "unspec",
        1 => "redirect",
        2 => "kernel",
        3 => "boot",
        4 => "static",
        8 => "gated",
        9 => "ra",
        10 => "mrt",
        11 => "zebra",
        12 => "bird",
        13 => "dnrouted",
        14 => "xorp",
        15 => "ntk",
        16 => "dhcp",
        17 => "mrouted",
        42 => "babel",
        186 => "bgp",
        187 => "isis",
        188 => "ospf",
        189 => "rip",
        192 => "eigrp",
        _ => "unknown",
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::host::netlink::attribute;

    fn message(family: u8, bits: u8, kind: u8, attributes: &[Vec<u8>]) -> Vec<u8> {
        let mut bytes = vec![family, bits, 0, 0, 254, 16, 0, kind, 0, 0, 0, 0];
        bytes.extend(attributes.concat());
        bytes
    }

    fn hops(payload: &[u8]) -> Vec<Hop> {
        let mut hops = Vec::new();
        parse_route(payload, |hop| hops.push(hop));
        hops
    }

    fn way(weight: u8, device: u32, gateway: [u8; 4]) -> Vec<u8> {
        let gateway = attribute(RTA_GATEWAY, &gateway);
        let mut bytes = (HOP_HEADER_BYTES as u16 + gateway.len() as u16).to_ne_bytes().to_vec();
        bytes.extend_from_slice(&[0, weight]);
        bytes.extend_from_slice(&device.to_ne_bytes());
        bytes.extend(gateway);
        bytes
    }

    #[test]
    fn one_way() {
        let whole = message(
            AF_INET,
            24,
            RTN_UNICAST,
            &[
                attribute(RTA_DST, &[10, 1, 2, 0]),
                attribute(RTA_PRIORITY, &100u32.to_ne_bytes()),
                attribute(RTA_PREFSRC, &[10, 1, 2, 3]),
                attribute(RTA_OIF, &7u32.to_ne_bytes()),
            ],
        );
        let want = Hop {
            device: 7,
            destination: Some(([10, 1, 2, 0].into(), 24)),
            priority: 100,
            protocol: 16,
            source: Some([10, 1, 2, 3].into()),
            ..Hop::default()
        };
        assert_eq!(hops(&whole), [want]);
        for end in 0..whole.len() {
            assert_eq!(hops(&whole[..end]).len(), usize::from(end >= ROUTE_HEADER_BYTES), "cut at {end}");
        }
        for (family, kind) in [(AF_INET, 2), (AF_INET, 3), (AF_INET6, 5), (28, RTN_UNICAST)] {
            assert_eq!(hops(&message(family, 0, kind, &[])), [], "{family} {kind}");
        }
    }

    #[test]
    fn many_ways() {
        let ways = [way(0, 2, [10, 0, 0, 1]), way(4, 3, [10, 0, 0, 2])].concat();
        let whole = message(AF_INET, 0, RTN_UNICAST, &[attribute(RTA_MULTIPATH, &ways)]);
        let want = [(2, [10, 0, 0, 1], 1), (3, [10, 0, 0, 2], 5)].map(|(device, gateway, weight)| Hop {
            device,
            gateway: Some(gateway.into()),
            protocol: 16,
            weight: Some(weight),
            ..Hop::default()
        });
        assert_eq!(hops(&whole), want);
        for end in 0..ways.len() {
            let cut = message(AF_INET, 0, RTN_UNICAST, &[attribute(RTA_MULTIPATH, &ways[..end])]);
            assert_eq!(hops(&cut).len(), usize::from(end >= 16), "cut at {end}");
        }
        assert_eq!(hops(&message(AF_INET6, 0, RTN_UNICAST, &[attribute(RTA_MULTIPATH, &[0; 16])])), []);
    }
}

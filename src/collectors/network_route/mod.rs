//! Routes of this host over rtnetlink (kernel: `Documentation/networking/ip-sysctl.rst`; `rtnetlink(7)`), from all
//! tables. Like node_exporter it gives each route as a series: not for routers with a full table.

mod message;

use std::fmt::Display;
use std::io::Write;
use std::net::IpAddr;
use std::os::fd::OwnedFd;

use rustix::net::netdevice::{InlinedName, index_to_name_inlined};
use rustix::net::{AddressFamily, SocketFlags, SocketType};

use super::{CollectError, Collector, Context, Spec};
use crate::exposition::{Exposition, Family, Kind};
use crate::host::netlink::{GET_ROUTE, Netlink, NetlinkError};
use message::{Hop, ROUTE_HEADER_BYTES, parse_route, protocol_name};

pub(super) const SPEC: Spec = Spec {
    name: "network_route",
    default_on: false,
    help: "routes by device (rtnetlink)",
    flags: &[],
    build: |_| Ok(Box::<NetworkRoute>::default()),
};

#[derive(Default)]
struct NetworkRoute {
    netlink: Netlink,
    /// Asked for names of devices.
    socket: Option<OwnedFd>,
    hops: Vec<Hop>,
    texts: [Vec<u8>; 3],
}

impl Collector for NetworkRoute {
    fn collect(&mut self, _: &mut Context, out: &mut Exposition) -> Result<(), CollectError> {
        let Self { netlink, socket, hops, texts } = self;
        netlink
            .dump(GET_ROUTE, &[0; ROUTE_HEADER_BYTES], |message| match message {
                Some(payload) => parse_route(payload, |hop| hops.push(hop)),
                None => hops.clear(),
            })
            .map_err(|error: NetlinkError| CollectError::Other(format!("no routes: {error}")))?;
        hops.sort_unstable();
        let mut previous = None;
        for ways in hops.chunk_by(|a, b| a.device == b.device) {
            let index = ways.first().map_or(0, |hop| hop.device);
            let Some(name) = name_of(index, socket) else { continue };
            let name = name.as_bytes();
            let mut family = out.family("node_network_route_info", "What a route says.", Kind::Gauge);
            for hop in ways {
                // The same route may be in more than one table.
                if previous.replace(hop) != Some(hop) {
                    write(hop, name, texts, &mut family);
                }
            }
            let mut family = out.family("node_network_routes", "Number of routes by device.", Kind::Gauge);
            family.sample(&[("device", name)], ways.len() as f64);
        }
        Ok(())
    }
}

fn write(hop: &Hop, device: &[u8], texts: &mut [Vec<u8>; 3], family: &mut Family<'_>) {
    let [destination, gateway, source] = addresses(hop, texts);
    let (mut priority, mut weight) = (itoa::Buffer::new(), itoa::Buffer::new());
    let labels = [
        ("dest", destination),
        ("device", device),
        ("gw", gateway),
        ("priority", priority.format(hop.priority).as_bytes()),
        ("proto", protocol_name(hop.protocol).as_bytes()),
        ("src", source),
        ("weight", hop.weight.map_or(b"", |number| weight.format(number).as_bytes())),
    ];
    family.sample(&labels, 1.0);
}

/// The name of the device with this number. `None` where it has just gone.
fn name_of(index: u32, socket: &mut Option<OwnedFd>) -> Option<InlinedName> {
    if socket.is_none() {
        let (family, kind) = (AddressFamily::UNIX, SocketType::DGRAM);
        *socket = rustix::net::socket_with(family, kind, SocketFlags::CLOEXEC, None).ok();
    }
    index_to_name_inlined(socket.as_ref()?, index).ok()
}

/// The labels `dest`, `gw` and `src`.
fn addresses<'t>(hop: &Hop, texts: &'t mut [Vec<u8>; 3]) -> [&'t [u8]; 3] {
    let [destination, gateway, source] = texts;
    let address = |text: &'t mut Vec<u8>, address: Option<IpAddr>| match address {
        Some(address) => show(text, address),
        None => b"",
    };
    [
        match hop.destination {
            Some((network, bits)) => show(destination, format_args!("{network}/{bits}")),
            None => b"default",
        },
        address(gateway, hop.gateway),
        address(source, hop.source),
    ]
}

fn show(text: &mut Vec<u8>, what: impl Display) -> &[u8] {
    text.clear();
    if write!(text, "{what}").is_err() {
        text.clear(); // never: it is written to memory
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn labels_are_as_people_write_them() {
        let mut texts = Default::default();
        let hop = Hop {
            destination: Some(("fd00::".parse().unwrap(), 64)),
            source: Some([10, 0, 0, 1].into()),
            ..Hop::default()
        };
        assert_eq!(addresses(&hop, &mut texts), [&b"fd00::/64"[..], b"", b"10.0.0.1"]);
        assert_eq!(addresses(&Hop::default(), &mut texts), [&b"default"[..], b"", b""]);
    }

    #[test]
    fn devices_have_names() {
        let mut socket = None;
        assert_eq!(name_of(1, &mut socket).unwrap().as_bytes(), b"lo");
        assert!(name_of(u32::MAX, &mut socket).is_none());
    }
}

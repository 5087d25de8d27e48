//! The texts of `/proc/net/ip_vs_stats` and `/proc/net/ip_vs`.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use super::TOTALS;
use crate::host::parse::{ParseError, fields, hexadecimal, lines, unsigned};

/// A server that connections are handed to.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Backend {
    pub place: Place,
    pub active: u64,
    pub inactive: u64,
    pub weight: u64,
}

/// Where connections come in and where they go.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Place {
    /// None with a mark.
    pub local_address: Option<IpAddr>,
    /// The mark of the firewall by which packets are chosen in place of an address.
    pub local_mark: Option<u32>,
    pub local_port: u16,
    pub protocol: &'static str,
    pub remote_address: Option<IpAddr>,
    pub remote_port: u16,
}

const PROTOCOLS: [&str; 5] = ["TCP", "UDP", "SCTP", "AH", "ESP"];
const MARK: &str = "FWM";

/// The five hexadecimal totals in the third line.
pub(super) fn totals(text: &[u8]) -> Result<[u64; TOTALS.len()], ParseError> {
    const LINE: usize = 3;
    let line = lines(text).nth(LINE - 1).map_or(&b""[..], |(_, line)| line);
    let error = || ParseError::new(LINE, "five hexadecimal numbers", line);
    let mut numbers = [0; TOTALS.len()];
    let mut columns = fields(line);
    for number in &mut numbers {
        *number = columns.next().and_then(hexadecimal).ok_or_else(error)?;
    }
    Ok(numbers)
}

/// Puts all backends into `backends`, which is emptied first. Below three lines of heading there is a line for each
/// service, such as `TCP  C0A80016:0CEA wlc`, and below it one for each of its backends, such as
/// `  -> C0A85216:0CEA      Tunnel  100    248        2`.
pub(super) fn backends(text: &[u8], backends: &mut Vec<Backend>) -> Result<(), ParseError> {
    backends.clear();
    let mut service = None;
    for (number, line) in lines(text).skip(3) {
        let mut columns = fields(line);
        let first = columns.next().unwrap_or_default();
        if first == b"->" {
            let backend = service.and_then(|service| parse_backend(service, columns));
            let error =
                || ParseError::new(number, "an address below a service, a method and three counts", line);
            backends.push(backend.ok_or_else(error)?);
        } else {
            let error = || ParseError::new(number, "a protocol and an address, or a mark", line);
            service = Some(parse_service(first, columns.next().unwrap_or_default()).ok_or_else(error)?);
        }
    }
    Ok(())
}

fn parse_service(protocol: &[u8], place: &[u8]) -> Option<Place> {
    if protocol == MARK.as_bytes() {
        let mark = hexadecimal(place).and_then(|mark| u32::try_from(mark).ok())?;
        return Some(Place { local_mark: Some(mark), protocol: MARK, ..Place::default() });
    }
    let protocol = PROTOCOLS.into_iter().find(|known| known.as_bytes() == protocol)?;
    let (address, local_port) = address_and_port(place)?;
    Some(Place { local_address: Some(address), local_port, protocol, ..Place::default() })
}

fn parse_backend<'l>(service: Place, mut columns: impl Iterator<Item = &'l [u8]>) -> Option<Backend> {
    let (address, remote_port) = address_and_port(columns.next()?)?;
    let mut numbers = columns.skip(1).map(unsigned);
    let mut number = || numbers.next().flatten();
    let (weight, active, inactive) = (number()?, number()?, number()?);
    let place = Place { remote_address: Some(address), remote_port, ..service };
    Some(Backend { place, active, inactive, weight })
}

/// Such as `C0A80016:0CEA` or `[2001:0db8:0000:0000:0000:0000:0000:0001]:0050`.
fn address_and_port(text: &[u8]) -> Option<(IpAddr, u16)> {
    let colon = text.iter().rposition(|&byte| byte == b':')?;
    let (address, port) = (&text[..colon], &text[colon + 1..]);
    let port = hexadecimal(port).and_then(|port| u16::try_from(port).ok())?;
    let address = match address.strip_prefix(b"[").and_then(|rest| rest.strip_suffix(b"]")) {
        Some(v6) => std::str::from_utf8(v6).ok()?.parse::<Ipv6Addr>().ok()?.into(),
        None => Ipv4Addr::from(hexadecimal(address).and_then(|v4| u32::try_from(v4).ok())?).into(),
    };
    Some((address, port))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn services_of_all_kinds() {
        let text =
            b"\n\n\nTCP  C0A80016:0CEA wlc persistent 300 FFFFFFFF\n  -> C0A85216:0CEA Tunnel 100 248 2\n\
                     UDP  [2001:0db8:0000:0000:0000:0000:0000:0001]:0035 sh \n\
                       -> [2001:0db8:0000:0000:0000:0000:0000:000a]:0036 Route 1 2 3\n\
                     SCTP C0A80016:0001 rr\nFWM  10001000 wlc\n  -> C0A8321A:0CEA Route 0 0 1\n";
        let mut found = Vec::new();
        for _ in 0..2 {
            backends(text, &mut found).unwrap();
        }
        let rows: Vec<String> = found
            .iter()
            .map(|Backend { place, active, inactive, weight }| {
                let address =
                    |address: Option<IpAddr>| address.map_or("-".into(), |address| address.to_string());
                let (local, remote) = (address(place.local_address), address(place.remote_address));
                let (from, to) = (place.local_port, place.remote_port);
                let mark = place.local_mark.unwrap_or_default();
                format!(
                    "{} {local} {from} {mark:x} {remote} {to} {active} {inactive} {weight}",
                    place.protocol
                )
            })
            .collect();
        assert_eq!(
            rows,
            [
                "TCP 192.168.0.22 3306 0 192.168.82.22 3306 248 2 100",
                "UDP 2001:db8::1 53 0 2001:db8::a 54 2 3 1",
                "FWM - 0 10001000 192.168.50.26 3306 0 1 0",
            ]
        );
        for bad in [
            "  -> C0A85216:0CEA Tunnel 100 248 2\n",
            "TCP C0A80016 wlc\n",
            "TCP C0A80016:10000 wlc\n",
            "TCP [::x]:1 wlc\n",
            "XXX C0A80016:0001 wlc\n",
            "FWM 100000000 wlc\n",
        ] {
            assert_eq!(backends(format!("\n\n\n{bad}").as_bytes(), &mut found).unwrap_err().line, 4, "{bad}");
        }
        let bad = b"\n\n\nFWM 1 wlc\n  -> C0A85216:0CEA Tunnel 100 -1 2\n";
        assert_eq!(backends(bad, &mut found).unwrap_err().line, 5);
    }

    #[test]
    fn survives_cut_files() {
        crate::collectors::at_every_cut("proc/net/ip_vs_stats", totals);
        crate::collectors::at_every_cut("proc/net/ip_vs", |text| backends(text, &mut Vec::new()));
    }
}

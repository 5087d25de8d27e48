//! Finding a family of generic netlink (kernel: `Documentation/userspace-api/netlink/intro.rst`).

use super::netlink::{Netlink, NetlinkError, attributes, u16_at};

/// The size of `struct genlmsghdr`, which every message begins with.
pub const HEADER_BYTES: usize = 4;

/// `GENL_ID_CTRL`.
const CONTROL: u16 = 0x10;
/// `CTRL_CMD_GETFAMILY`.
const GET_FAMILY: u8 = 3;
const CTRL_ATTR_FAMILY_ID: u16 = 1;
const CTRL_ATTR_FAMILY_NAME: u16 = 2;

/// The number by which the running kernel knows the family called `name`; none if it has no such family.
///
/// # Errors
/// As [`Netlink::dump`].
pub fn family(netlink: &mut Netlink, name: &str) -> Result<Option<u16>, NetlinkError> {
    let mut found = None;
    netlink.dump(CONTROL, &header(GET_FAMILY), |message| {
        found = found.or_else(|| family_in(message?, name));
    })?;
    Ok(found)
}

/// `struct genlmsghdr` of a command.
pub fn header(command: u8) -> [u8; HEADER_BYTES] {
    [command, 1, 0, 0]
}

fn family_in(message: &[u8], name: &str) -> Option<u16> {
    let (mut number, mut named) = (None, false);
    for (kind, content) in attributes(message.get(HEADER_BYTES..)?) {
        match kind {
            CTRL_ATTR_FAMILY_ID => number = u16_at(content, 0),
            CTRL_ATTR_FAMILY_NAME => named = content.strip_suffix(b"\0") == Some(name.as_bytes()),
            _ => {}
        }
    }
    number.filter(|_| named)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_family_by_its_name() {
        let message =
            [&[1, 2, 0, 0][..], &[6, 0, 1, 0, 21, 0, 0, 0], &[8, 0, 2, 0, b'a', b'b', b'c', 0]].concat();
        if cfg!(target_endian = "little") {
            assert_eq!((family_in(&message, "abc"), family_in(&message, "ab")), (Some(21), None));
            for end in 0..message.len() {
                assert_eq!(family_in(&message[..end], "abc"), None, "cut at {end}");
            }
        }
    }

    #[test]
    fn the_family_that_manages_the_others_is_there() {
        let mut netlink = Netlink::new(rustix::net::netlink::GENERIC);
        match family(&mut netlink, "nlctrl") {
            Err(NetlinkError::Refused(_)) => {} // a sandbox
            found => assert_eq!(found.unwrap(), Some(CONTROL)),
        }
        assert_eq!(family(&mut netlink, "no such family").ok().flatten(), None);
    }
}

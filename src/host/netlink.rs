//! Dumps over netlink sockets (RFC 3549; kernel: `include/uapi/linux/netlink.h` and `rtnetlink.h`).

use std::io;
use std::os::fd::OwnedFd;
use std::time::Duration;

use rustix::buffer::spare_capacity;
use rustix::io::Errno;
use rustix::net::sockopt::{Timeout, set_socket_timeout};
use rustix::net::{AddressFamily, Protocol, RecvFlags, SendFlags, SocketFlags, SocketType};

/// `RTM_GETLINK`: all network devices.
pub const GET_LINK: u16 = 18;
/// `RTM_GETADDR`: all addresses of network devices.
pub const GET_ADDRESS: u16 = 22;
/// `RTM_GETNEIGH`: all neighbours, such as those that ARP has found.
pub const GET_NEIGHBOUR: u16 = 30;
/// `RTM_GETROUTE`: all routes.
pub const GET_ROUTE: u16 = 26;

const REQUEST_FLAGS: u16 = 0x1 | 0x300; // NLM_F_REQUEST, NLM_F_DUMP
const DUMP_INTERRUPTED: u16 = 0x10; // NLM_F_DUMP_INTR
const ERROR: u16 = 2;
const DONE: u16 = 3;
const OVERRUN: u16 = 4;
const HEADER_BYTES: usize = 16;

/// The kernel fills at most this much at once, so that a larger buffer saves no calls.
const BUFFER_BYTES: usize = 32 * 1024;
/// The kernel answers from memory. Whoever takes longer does not speak netlink.
const ANSWER_TIME: Duration = Duration::from_secs(1);
/// How often a dump is begun again when devices change in its middle.
const ATTEMPTS: usize = 3;

/// Why a dump has failed.
#[derive(Debug, thiserror::Error)]
pub enum NetlinkError {
    /// No socket: a sandbox forbids it, or the kernel has none.
    #[error("no netlink socket: {0}")]
    Refused(io::Error),
    /// The connection failed.
    #[error("netlink: {0}")]
    Io(io::Error),
    /// The kernel's answer can't be read.
    #[error("netlink: {0}")]
    Malformed(&'static str),
}

/// A connection that is opened at the first dump, kept, and opened anew after an error. The default one is to
/// rtnetlink.
#[derive(Debug, Default)]
pub struct Netlink {
    protocol: Option<Protocol>,
    socket: Option<OwnedFd>,
    request: Vec<u8>,
    buffer: Vec<u8>,
    sequence: u32,
}

impl Netlink {
    /// A connection to another part of the kernel than rtnetlink.
    pub fn new(protocol: Protocol) -> Self {
        Self { protocol: Some(protocol), ..Self::default() }
    }

    /// Asks for everything of one kind and hands each message's payload to `each`, that is the fixed header of
    /// its kind and then [`attributes`]. `header` is what the request has in that header's place; all zeros is
    /// everything.
    ///
    /// When things change in the middle the kernel says so and the dump is begun again, which `each` learns by
    /// `None`: it forgets what it has. After some attempts what came last is taken as it is.
    ///
    /// # Errors
    /// [`NetlinkError`]; the connection is closed then and opened again at the next call.
    pub fn dump(
        &mut self,
        request: u16,
        header: &[u8],
        mut each: impl FnMut(Option<&[u8]>),
    ) -> Result<(), NetlinkError> {
        for _ in 0..ATTEMPTS {
            each(None);
            let socket = match self.socket.take() {
                Some(socket) => socket,
                None => open(self.protocol)?,
            };
            let complete = self.dump_once(&socket, request, header, &mut each)?;
            self.socket = Some(socket);
            if complete {
                break;
            }
        }
        Ok(())
    }

    fn dump_once(
        &mut self,
        socket: &OwnedFd,
        request: u16,
        header: &[u8],
        each: &mut impl FnMut(Option<&[u8]>),
    ) -> Result<bool, NetlinkError> {
        self.sequence = self.sequence.wrapping_add(1);
        write_request(&mut self.request, request, header, self.sequence);
        let failed = |error: Errno| NetlinkError::Io(error.into());
        rustix::io::retry_on_intr(|| rustix::net::send(socket, &self.request, SendFlags::empty()))
            .map_err(|error| if is_refusal(error) { refused(error) } else { failed(error) })?;
        let mut complete = true;
        loop {
            self.buffer.clear();
            self.buffer.reserve(BUFFER_BYTES);
            let (_, length) = rustix::io::retry_on_intr(|| {
                rustix::net::recv(socket, spare_capacity(&mut self.buffer), RecvFlags::TRUNC)
            })
            .map_err(failed)?;
            if length > self.buffer.len() {
                self.buffer.reserve(length);
                return Err(NetlinkError::Malformed("a message was too long, the next try has more room"));
            }
            if self.buffer.is_empty() {
                return Err(NetlinkError::Malformed("the connection was closed"));
            }
            match read_datagram(&self.buffer, self.sequence, &mut |payload| each(Some(payload)))? {
                Progress::More { interrupted } => complete &= !interrupted,
                Progress::Done { interrupted } => return Ok(complete && !interrupted),
            }
        }
    }
}

fn open(protocol: Option<Protocol>) -> Result<OwnedFd, NetlinkError> {
    // Protocol 0 of this address family is NETLINK_ROUTE.
    let socket =
        rustix::net::socket_with(AddressFamily::NETLINK, SocketType::RAW, SocketFlags::CLOEXEC, protocol)
            .map_err(refused)?;
    set_socket_timeout(&socket, Timeout::Recv, Some(ANSWER_TIME)).map_err(refused)?;
    Ok(socket)
}

/// A socket that can't be had, unless the system has run out of something and will have it again.
fn refused(error: Errno) -> NetlinkError {
    match error {
        Errno::MFILE | Errno::NFILE | Errno::NOBUFS | Errno::NOMEM => NetlinkError::Io(error.into()),
        _ => NetlinkError::Refused(error.into()),
    }
}

/// Some sandboxes let a socket be made and then refuse to carry anything.
fn is_refusal(error: Errno) -> bool {
    matches!(error, Errno::PERM | Errno::ACCESS | Errno::OPNOTSUPP | Errno::NOSYS | Errno::CONNREFUSED)
}

fn write_request(message: &mut Vec<u8>, request: u16, header: &[u8], sequence: u32) {
    let length = HEADER_BYTES + header.len();
    message.clear();
    message.extend_from_slice(&(length as u32).to_ne_bytes());
    message.extend_from_slice(&request.to_ne_bytes());
    message.extend_from_slice(&REQUEST_FLAGS.to_ne_bytes());
    message.extend_from_slice(&sequence.to_ne_bytes());
    message.extend_from_slice(&[0; 4]);
    message.extend_from_slice(header);
}

/// Whether a dump goes on behind a datagram, and whether things changed in the middle of it.
#[derive(Debug, PartialEq)]
pub enum Progress {
    /// More datagrams follow.
    More {
        /// The dump has to be begun again for a true picture.
        interrupted: bool,
    },
    /// This was the last one.
    Done {
        /// As above.
        interrupted: bool,
    },
}

/// Reads the messages of one datagram that answer the request with number `sequence`.
///
/// # Errors
/// [`NetlinkError`] for an error that the kernel reports and for messages that end too early.
pub fn read_datagram(
    datagram: &[u8],
    sequence: u32,
    each: &mut impl FnMut(&[u8]),
) -> Result<Progress, NetlinkError> {
    const SHORT: NetlinkError = NetlinkError::Malformed("a message ends too early");
    let mut interrupted = false;
    let mut rest = datagram;
    while !rest.is_empty() {
        let length = u32_at(rest, 0).ok_or(SHORT)? as usize;
        let kind = u16_at(rest, 4).ok_or(SHORT)?;
        let flags = u16_at(rest, 6).ok_or(SHORT)?;
        let number = u32_at(rest, 8).ok_or(SHORT)?;
        let payload = rest.get(HEADER_BYTES..length).ok_or(SHORT)?;
        rest = rest.get(length.next_multiple_of(4)..).unwrap_or_default();
        if number != sequence {
            continue; // the rest of an earlier dump
        }
        interrupted |= flags & DUMP_INTERRUPTED != 0;
        match kind {
            ERROR | DONE => {
                // Both carry a negative errno, which old kernels leave out of a good end.
                let code = u32_at(payload, 0).map_or(0, u32::cast_signed);
                if code != 0 {
                    return Err(NetlinkError::Io(io::Error::from_raw_os_error(code.saturating_neg())));
                }
                if kind == DONE {
                    return Ok(Progress::Done { interrupted });
                }
            }
            OVERRUN => return Err(NetlinkError::Malformed("messages were lost")),
            0..OVERRUN => {}
            _ => each(payload),
        }
    }
    Ok(Progress::More { interrupted })
}

/// The attributes of a message or of a nested attribute: type and content. Ends at the first that is cut off.
pub fn attributes(bytes: &[u8]) -> impl Iterator<Item = (u16, &[u8])> {
    let mut rest = bytes;
    std::iter::from_fn(move || {
        let length = usize::from(u16_at(rest, 0)?);
        let kind = u16_at(rest, 2)? & 0x3fff; // without NLA_F_NESTED and NLA_F_NET_BYTEORDER
        let content = rest.get(4..length)?;
        rest = rest.get(length.next_multiple_of(4)..).unwrap_or_default();
        Some((kind, content))
    })
}

/// Two bytes at `offset` as a number in the machine's byte order.
pub fn u16_at(bytes: &[u8], offset: usize) -> Option<u16> {
    bytes.get(offset..)?.first_chunk().map(|chunk| u16::from_ne_bytes(*chunk))
}

/// Four bytes at `offset` as a number in the machine's byte order.
pub fn u32_at(bytes: &[u8], offset: usize) -> Option<u32> {
    bytes.get(offset..)?.first_chunk().map(|chunk| u32::from_ne_bytes(*chunk))
}

/// An attribute as the kernel writes it, for tests of those who read [`attributes`].
#[cfg(test)]
pub(crate) fn attribute(kind: u16, content: &[u8]) -> Vec<u8> {
    let mut bytes = (4 + content.len() as u16).to_ne_bytes().to_vec();
    bytes.extend_from_slice(&kind.to_ne_bytes());
    bytes.extend_from_slice(content);
    bytes.resize(bytes.len().next_multiple_of(4), 0);
    bytes
}

#[cfg(test)]
mod tests {
    use super::*;

    fn message(kind: u16, flags: u16, sequence: u32, payload: &[u8]) -> Vec<u8> {
        let mut bytes = Vec::new();
        bytes.extend_from_slice(&(16 + payload.len() as u32).to_ne_bytes());
        bytes.extend_from_slice(&kind.to_ne_bytes());
        bytes.extend_from_slice(&flags.to_ne_bytes());
        bytes.extend_from_slice(&sequence.to_ne_bytes());
        bytes.extend_from_slice(&[0; 4]);
        bytes.extend_from_slice(payload);
        bytes.resize(bytes.len().next_multiple_of(4), 0);
        bytes
    }

    fn read(datagram: &[u8]) -> (Result<Progress, String>, Vec<Vec<u8>>) {
        let mut payloads = Vec::new();
        let progress = read_datagram(datagram, 7, &mut |payload| payloads.push(payload.to_vec()));
        (progress.map_err(|error| error.to_string()), payloads)
    }

    #[test]
    fn only_answers_to_the_request_count() {
        let mut datagram = message(16, 2, 7, b"one");
        datagram.extend(message(16, 2, 6, b"old"));
        datagram.extend(message(1, 2, 7, b"noop"));
        datagram.extend(message(16, 2 | DUMP_INTERRUPTED, 7, b"two"));
        let payloads = vec![b"one".to_vec(), b"two".to_vec()];
        assert_eq!(read(&datagram), (Ok(Progress::More { interrupted: true }), payloads.clone()));
        datagram.extend(message(DONE, 2, 7, &0i32.to_ne_bytes()));
        datagram.extend(message(16, 2, 7, b"behind the end"));
        assert_eq!(read(&datagram), (Ok(Progress::Done { interrupted: true }), payloads));
        for end in 0..datagram.len() {
            read(&datagram[..end]).1.iter().for_each(|payload| assert_eq!(payload.len(), 3, "cut at {end}"));
        }
    }

    #[test]
    fn a_lack_of_descriptors_is_not_for_ever() {
        assert!(matches!(refused(Errno::MFILE), NetlinkError::Io(_)));
        assert!(matches!(refused(Errno::AFNOSUPPORT), NetlinkError::Refused(_)));
    }

    #[test]
    fn errors_of_the_kernel() {
        let denied = (-13i32).to_ne_bytes();
        assert!(read(&message(ERROR, 0, 7, &denied)).0.unwrap_err().contains("os error 13"));
        assert!(read(&message(DONE, 0, 7, &denied)).0.unwrap_err().contains("os error 13"));
        assert_eq!(read(&message(ERROR, 0, 7, &[0; 4])).0, Ok(Progress::More { interrupted: false }));
        assert_eq!(read(&message(DONE, 0, 7, &[])).0, Ok(Progress::Done { interrupted: false }));
        assert!(read(&message(OVERRUN, 0, 7, &[])).0.unwrap_err().contains("lost"));
        for length in [0u32, 15, 17, u32::MAX] {
            let mut bytes = message(16, 0, 7, b"");
            bytes[..4].copy_from_slice(&length.to_ne_bytes());
            assert!(read(&bytes).0.unwrap_err().contains("too early"), "{length}");
        }
    }

    #[test]
    fn attributes_end_where_they_are_cut() {
        let bytes = [5u16.to_ne_bytes(), (3u16 | 0x8000).to_ne_bytes(), [b'a', 0], [0, 0]].concat();
        let mut all = bytes.clone();
        all.extend_from_slice(&bytes);
        assert_eq!(attributes(&all).collect::<Vec<_>>(), [(3, &b"a"[..]), (3, &b"a"[..])]);
        for end in 0..all.len() {
            assert_eq!(attributes(&all[..end]).count(), usize::from(end >= 5) + usize::from(end >= 13));
        }
        assert_eq!(attributes(&[0; 8]).count(), 0);
    }
}

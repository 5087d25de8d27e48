//! Asking services over D-Bus (D-Bus specification, "Authentication Protocol" and "Message Protocol"): a connection
//! for one scrape that calls methods, many at once, and gives up at a deadline.
//!
//! This is the little that monitoring needs. It offers nothing, listens to no signals and carries no file
//! descriptors.

#[cfg(test)]
mod tests;
mod wire;

use std::collections::VecDeque;
use std::ffi::OsStr;
use std::io;
use std::os::fd::OwnedFd;
use std::os::unix::ffi::OsStrExt;
use std::time::{Duration, Instant};

use rustix::io::Errno;
use rustix::net::sockopt::{Timeout, set_socket_timeout};
use rustix::net::{AddressFamily, RecvFlags, SendFlags, SocketAddrUnix, SocketFlags, SocketType};

pub use wire::{Body, Call, Value};
use wire::{FIXED_BYTES, Message, message_length};

/// How many calls may wait for their answers. Buses refuse connections that have too many; the lowest limit is 128.
const MOST_IN_FLIGHT: usize = 64;
/// How much is read at once.
const READ_BYTES: usize = 16 * 1024;
/// The longest line of a handshake.
const LINE_BYTES: usize = 1024;

/// Why something could not be asked.
#[derive(Debug, thiserror::Error)]
pub enum BusError {
    /// There is no bus, or this user may not connect.
    #[error("cannot connect to {address}: {source}")]
    Connect {
        /// The address, in D-Bus' own notation.
        address: String,
        /// What the system said.
        source: io::Error,
    },
    /// An address that names no socket of this host.
    #[error(
        "{0:?} is not an address of a D-Bus that is known here, expected for example unix:path=/run/dbus/system_bus_socket"
    )]
    Address(String),
    /// The bus does not take this user.
    #[error("D-Bus does not let this user in: {0}")]
    Rejected(String),
    /// The deadline came first.
    #[error("no answer over D-Bus in time")]
    Late,
    /// The connection failed.
    #[error("D-Bus: {0}")]
    Io(io::Error),
    /// What came is not D-Bus as it is specified.
    #[error("D-Bus: {0}")]
    Malformed(&'static str),
    /// The other side has answered with an error.
    #[error("{name}: {text}")]
    Refused {
        /// The error's name, for example `org.freedesktop.DBus.Error.ServiceUnknown`.
        name: String,
        /// What it says.
        text: String,
    },
}

/// Where the system bus is: `DBUS_SYSTEM_BUS_ADDRESS`, or where the specification puts it.
pub fn system_bus_address() -> String {
    std::env::var("DBUS_SYSTEM_BUS_ADDRESS")
        .ok()
        .filter(|addresses| !addresses.is_empty())
        .unwrap_or_else(|| "unix:path=/var/run/dbus/system_bus_socket".into())
}

/// A connection that is good until its deadline.
#[derive(Debug)]
pub struct Bus {
    socket: OwnedFd,
    deadline: Instant,
    serial: u32,
    outgoing: Vec<u8>,
    /// What has been received; [`Bus::read_bytes`] of it have been read.
    incoming: Vec<u8>,
    read_bytes: usize,
}

/// An answer that outlives the next call.
#[derive(Debug)]
pub struct Answer {
    bytes: Vec<u8>,
    signature: Vec<u8>,
    big_endian: bool,
}

impl Answer {
    /// What the answer carries.
    pub fn body(&self) -> Body<'_> {
        Body { bytes: &self.bytes, signature: &self.signature, big_endian: self.big_endian }
    }
}

impl Bus {
    /// Connects to the first of `addresses` that can be reached, a bus. Addresses are as in
    /// `DBUS_SYSTEM_BUS_ADDRESS`; those of Unix sockets are known.
    ///
    /// # Errors
    /// What was wrong with the last of them.
    pub fn open(addresses: &str, deadline: Instant) -> Result<Self, BusError> {
        let mut bus = Self::open_direct(addresses, deadline)?;
        let name = "org.freedesktop.DBus";
        bus.call(Call::method(name, b"/org/freedesktop/DBus", name, "Hello"))?;
        Ok(bus)
    }

    /// Connects to the first of `addresses` that can be reached, a service without a bus in between.
    ///
    /// # Errors
    /// As [`Bus::open`].
    pub fn open_direct(addresses: &str, deadline: Instant) -> Result<Self, BusError> {
        let mut result = Err(BusError::Address(addresses.to_owned()));
        for address in addresses.split(';').filter(|address| !address.is_empty()) {
            result = connect(address, deadline).and_then(|socket| {
                let mut bus = Self {
                    socket,
                    deadline,
                    serial: 0,
                    outgoing: Vec::new(),
                    incoming: Vec::new(),
                    read_bytes: 0,
                };
                bus.authenticate().map(|()| bus)
            });
            if result.is_ok() {
                break;
            }
        }
        result
    }

    /// Calls one method and waits for the answer.
    ///
    /// # Errors
    /// [`BusError::Refused`] if the answer is an error; anything else ends the connection.
    pub fn call(&mut self, call: Call<'_>) -> Result<Answer, BusError> {
        let mut result = Err(BusError::Late);
        self.call_each([((), call)], |(), answer| {
            result = answer.map(|body| Answer {
                bytes: body.bytes.to_owned(),
                signature: body.signature.to_owned(),
                big_endian: body.big_endian,
            });
        })?;
        result
    }

    /// Makes many calls without waiting for each. `each` gets every answer with what came beside its call, in the
    /// order in which they arrive; an answer that is an error is [`BusError::Refused`].
    ///
    /// # Errors
    /// What ends the connection: the deadline, its end, or bytes that are not D-Bus.
    pub fn call_each<'c, K>(
        &mut self,
        calls: impl IntoIterator<Item = (K, Call<'c>)>,
        mut each: impl FnMut(K, Result<Body<'_>, BusError>),
    ) -> Result<(), BusError> {
        let mut calls = calls.into_iter().fuse();
        let mut in_flight: VecDeque<(u32, K)> = VecDeque::new();
        loop {
            if in_flight.len() <= MOST_IN_FLIGHT / 2 {
                for (key, call) in calls.by_ref().take(MOST_IN_FLIGHT - in_flight.len()) {
                    self.serial += 1;
                    call.write(self.serial, &mut self.outgoing);
                    in_flight.push_back((self.serial, key));
                }
                self.send()?;
            }
            if in_flight.is_empty() {
                return Ok(());
            }
            let message = self.receive()?;
            let asked = in_flight.iter().position(|(serial, _)| Some(*serial) == message.reply_to);
            let Some((_, key)) = asked.and_then(|place| in_flight.remove(place)) else {
                continue; // a signal
            };
            match message.kind {
                wire::METHOD_RETURN => each(key, Ok(message.body)),
                wire::ERROR => each(
                    key,
                    Err(BusError::Refused {
                        name: text(message.error_name),
                        text: text(message.body.text().unwrap_or_default()),
                    }),
                ),
                _ => return Err(BusError::Malformed("an answer is neither a result nor an error")),
            }
        }
    }

    /// Says who we are the way that needs no number, which would be another one in a container's user namespace: the
    /// other side asks the kernel.
    fn authenticate(&mut self) -> Result<(), BusError> {
        self.outgoing.extend_from_slice(b"\0AUTH EXTERNAL\r\nDATA\r\nBEGIN\r\n");
        self.send()?;
        for expected in ["DATA", "OK"] {
            let line = self.line()?;
            if line.split(' ').next() != Some(expected) {
                return Err(BusError::Rejected(line));
            }
        }
        Ok(())
    }

    fn line(&mut self) -> Result<String, BusError> {
        loop {
            let unread = self.incoming.get(self.read_bytes..).unwrap_or_default();
            if let Some(end) = memchr::memmem::find(unread, b"\r\n") {
                let line = text(unread.get(..end).unwrap_or_default());
                self.read_bytes += end + 2;
                return Ok(line);
            }
            if unread.len() > LINE_BYTES {
                return Err(BusError::Malformed("a line of the handshake does not end"));
            }
            self.fill()?;
        }
    }

    fn receive(&mut self) -> Result<Message<'_>, BusError> {
        let length = loop {
            let unread = self.incoming.get(self.read_bytes..).unwrap_or_default();
            if let Some(fixed) = unread.first_chunk::<FIXED_BYTES>() {
                let length = message_length(fixed)?;
                if unread.len() >= length {
                    break length;
                }
            }
            self.fill()?;
        };
        let start = self.read_bytes;
        self.read_bytes += length;
        Message::read(self.incoming.get(start..self.read_bytes).unwrap_or_default())
    }

    /// Sends all that is to go.
    fn send(&mut self) -> Result<(), BusError> {
        let mut rest = &*self.outgoing;
        while !rest.is_empty() {
            set_socket_timeout(&self.socket, Timeout::Send, Some(left(self.deadline)?)).map_err(failed)?;
            match rustix::net::send(&self.socket, rest, SendFlags::NOSIGNAL) {
                Ok(sent) => rest = rest.get(sent..).unwrap_or_default(),
                Err(Errno::INTR) => {}
                Err(error) => return Err(failed(error)),
            }
        }
        self.outgoing.clear();
        Ok(())
    }

    /// Receives at least one byte more.
    fn fill(&mut self) -> Result<(), BusError> {
        self.incoming.drain(..std::mem::take(&mut self.read_bytes));
        let before = self.incoming.len();
        self.incoming.resize(before + READ_BYTES, 0);
        let received = loop {
            set_socket_timeout(&self.socket, Timeout::Recv, Some(left(self.deadline)?)).map_err(failed)?;
            let room = self.incoming.get_mut(before..).unwrap_or_default();
            match rustix::net::recv(&self.socket, room, RecvFlags::empty()) {
                Ok((received, _)) => break received,
                Err(Errno::INTR) => {}
                Err(error) => return Err(failed(error)),
            }
        };
        self.incoming.truncate(before + received);
        if received == 0 {
            return Err(BusError::Io(io::Error::new(
                io::ErrorKind::UnexpectedEof,
                "the connection was closed",
            )));
        }
        Ok(())
    }
}

/// A connected socket. Connecting waits too, for a bus that takes no more connections.
fn connect(address: &str, deadline: Instant) -> Result<OwnedFd, BusError> {
    let unknown = || BusError::Address(address.to_owned());
    let socket_address = socket_address(address).ok_or_else(unknown)?;
    let refused = |error: Errno| match error {
        Errno::AGAIN => BusError::Late,
        error => BusError::Connect { address: address.to_owned(), source: error.into() },
    };
    let socket =
        rustix::net::socket_with(AddressFamily::UNIX, SocketType::STREAM, SocketFlags::CLOEXEC, None)
            .map_err(refused)?;
    set_socket_timeout(&socket, Timeout::Send, Some(left(deadline)?)).map_err(refused)?;
    rustix::io::retry_on_intr(|| rustix::net::connect(&socket, &socket_address)).map_err(refused)?;
    Ok(socket)
}

/// The socket of an address like `unix:path=/run/dbus/system_bus_socket,guid=...`.
fn socket_address(address: &str) -> Option<SocketAddrUnix> {
    let mut pairs = address.strip_prefix("unix:")?.split(',').filter_map(|pair| pair.split_once('='));
    pairs.find_map(|(key, value)| match key {
        "path" => SocketAddrUnix::new(OsStr::from_bytes(&unescape(value)?)).ok(),
        "abstract" => SocketAddrUnix::new_abstract_name(&unescape(value)?).ok(),
        _ => None,
    })
}

/// Replaces each `%` and the two hexadecimal digits behind it by their byte.
fn unescape(value: &str) -> Option<Vec<u8>> {
    let mut parts = value.as_bytes().split(|&byte| byte == b'%');
    let mut bytes = parts.next()?.to_owned();
    for part in parts {
        let (digits, rest) = part.split_at_checked(2)?;
        bytes.push(u8::from_str_radix(std::str::from_utf8(digits).ok()?, 16).ok()?);
        bytes.extend_from_slice(rest);
    }
    Some(bytes)
}

fn left(deadline: Instant) -> Result<Duration, BusError> {
    let left = deadline.saturating_duration_since(Instant::now());
    if left.is_zero() { Err(BusError::Late) } else { Ok(left) }
}

fn failed(error: Errno) -> BusError {
    match error {
        Errno::AGAIN => BusError::Late,
        error => BusError::Io(error.into()),
    }
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

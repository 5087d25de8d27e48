//! Listening sockets.

use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, ToSocketAddrs};

use rustix::net::sockopt::set_ipv6_v6only;
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
use tokio::net::{TcpListener, TcpSocket};

/// Connections that the kernel completes while the program is busy. With tokio's usual 128 a burst of new
/// connections waits a second for its SYN to be sent again.
const BACKLOG: u32 = 4096;

/// Why a socket can't listen.
#[derive(Debug, thiserror::Error)]
#[error("cannot listen on {address}: {source}{remedy}")]
pub struct ListenError {
    address: String,
    source: io::Error,
    remedy: &'static str,
}

impl ListenError {
    /// Whether another socket has the address.
    pub fn is_in_use(&self) -> bool {
        self.source.kind() == io::ErrorKind::AddrInUse
    }
}

/// Reads `:9100`, `127.0.0.1:9100`, `[::1]:9100` or `name:9100`: host (empty for all) and port.
///
/// # Errors
/// A sentence that says what is expected.
pub fn parse_address(text: &str) -> Result<(&str, u16), String> {
    let expected =
        || format!("{text:?} is not an address, expected for example :9100, 127.0.0.1:9100 or [::1]:9100");
    if text.starts_with("vsock://") {
        return Err(format!("{text:?}: vsock is not supported, expected for example :9100"));
    }
    let (host, port) = text.rsplit_once(':').ok_or_else(expected)?;
    let port = port.parse().map_err(|_| expected())?;
    let host = match host.strip_prefix('[').and_then(|host| host.strip_suffix(']')) {
        Some(inner) if inner.parse::<Ipv6Addr>().is_ok() => inner,
        Some(_) => return Err(expected()),
        None if host.contains([':', '[', ']', '/', ' ']) => return Err(expected()),
        None => host,
    };
    Ok((host, port))
}

/// Binds and listens, inside a runtime. An empty host means all addresses of both families, or IPv4 alone on a
/// host without IPv6.
///
/// # Errors
/// When the name does not resolve or none of its addresses can be bound.
pub fn bind(text: &str) -> Result<TcpListener, ListenError> {
    let fail = |source: io::Error| {
        let remedy = match source.kind() {
            io::ErrorKind::AddrInUse => {
                "; another exporter may be running there: stop it, or choose another --web.listen-address"
            }
            io::ErrorKind::PermissionDenied => "; ports below 1024 need a privilege: choose a higher one",
            _ => "",
        };
        ListenError { address: text.to_owned(), source, remedy }
    };
    let (host, port) =
        parse_address(text).map_err(|problem| fail(io::Error::new(io::ErrorKind::InvalidInput, problem)))?;
    if host.is_empty() {
        return match listen(SocketAddr::new(IpAddr::V6(Ipv6Addr::UNSPECIFIED), port)) {
            Err(error) if error.kind() != io::ErrorKind::AddrInUse => {
                listen(SocketAddr::new(IpAddr::V4(Ipv4Addr::UNSPECIFIED), port)).map_err(fail)
            }
            other => other.map_err(fail),
        };
    }
    let mut last = io::Error::new(io::ErrorKind::NotFound, "the name has no address");
    for address in (host, port).to_socket_addrs().map_err(fail)? {
        match listen(address) {
            Ok(listener) => return Ok(listener),
            Err(error) => last = error,
        }
    }
    Err(fail(last))
}

fn listen(address: SocketAddr) -> io::Result<TcpListener> {
    let socket = if address.is_ipv4() { TcpSocket::new_v4()? } else { TcpSocket::new_v6()? };
    socket.set_reuseaddr(true)?;
    if address.ip() == IpAddr::V6(Ipv6Addr::UNSPECIFIED) {
        // IPv4 too, whatever net.ipv6.bindv6only says.
        set_ipv6_v6only(&socket, false)?;
    }
    socket.bind(address)?;
    socket.listen(BACKLOG)
}

/// Raises the soft limit on open files to the hard one, as programs with many peers do, and gives it; `None` is no
/// limit.
pub fn raise_open_files_limit() -> Option<u64> {
    let limit = getrlimit(Resource::Nofile);
    let raised = Rlimit { current: limit.maximum, maximum: limit.maximum };
    if limit.current == limit.maximum {
        return limit.current;
    }
    match setrlimit(Resource::Nofile, raised) {
        Ok(()) => limit.maximum,
        Err(error) => {
            tracing::debug!(%error, "the limit on open files stays as it is");
            limit.current
        }
    }
}

/// How many files this process may have open at present.
pub(super) fn open_files_limit() -> usize {
    getrlimit(Resource::Nofile)
        .current
        .map_or(usize::MAX, |limit| usize::try_from(limit).unwrap_or(usize::MAX))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_limit_is_what_this_user_may_have() {
        let limit = raise_open_files_limit();
        assert_eq!(limit, getrlimit(Resource::Nofile).maximum);
        assert_eq!(getrlimit(Resource::Nofile).current, limit);
    }

    #[test]
    fn addresses() {
        for (text, want) in [
            (":9100", ("", 9100)),
            ("127.0.0.1:0", ("127.0.0.1", 0)),
            ("[::1]:9100", ("::1", 9100)),
            ("localhost:80", ("localhost", 80)),
        ] {
            assert_eq!(parse_address(text), Ok(want));
        }
        for text in
            ["", "9100", "localhost", ":x", ":65536", ":-1", "::1:9100", "[x]:1", "http://h:1", "vsock://:1"]
        {
            assert!(parse_address(text).is_err(), "{text}");
        }
    }

    #[tokio::test]
    async fn no_host_means_both_families() {
        for text in [":0", "[::]:0"] {
            let listener = bind(text).unwrap();
            if listener.local_addr().unwrap().is_ipv6() {
                assert!(!rustix::net::sockopt::ipv6_v6only(&listener).unwrap(), "{text}");
            }
            let port = listener.local_addr().unwrap().port();
            std::net::TcpStream::connect((Ipv4Addr::LOCALHOST, port)).unwrap();
        }
    }

    #[tokio::test]
    async fn a_port_in_use_is_explained() {
        let first = bind("127.0.0.1:0").unwrap();
        let error = bind(&first.local_addr().unwrap().to_string()).unwrap_err();
        assert!(error.is_in_use());
        let error = error.to_string();
        assert!(error.contains("another exporter") && error.contains("127.0.0.1:"), "{error}");
    }
}

//! TCP sockets by state, from a dump of sockets over netlink (kernel: `include/uapi/linux/inet_diag.h`), or from
//! `/proc/net/tcp` and `tcp6` (kernel: `Documentation/networking/proc_net_tcp.rst`) where that is not to be had.
//!
//! Over netlink the sockets are those of the network namespace that this process runs in, as they are below
//! `--path.procfs`, where `net` leads to the reader's own. Either way the kernel walks through the whole table of
//! connections, which takes milliseconds on large machines.

use std::io;

use super::{CollectError, Collector, Context, Settings, Spec, none_if_absent, sockets};
use crate::exposition::{Exposition, Kind};
use crate::host::KernelFile;
use crate::host::netlink::{Netlink, NetlinkError, u32_at};

pub(super) const SPEC: Spec = Spec {
    name: "tcpstat",
    default_on: false,
    help: "TCP sockets by state, and the bytes in their queues (sock_diag netlink or /proc/net/tcp)",
    flags: &[],
    build: |settings| Ok(Box::new(TcpStat::new(settings))),
};

/// The labels in their order, with the kernel's number of the state (`include/net/tcp_states.h`).
const STATES: [(&str, u8); 11] = [
    ("close", 7),
    ("close_wait", 8),
    ("closing", 11),
    ("established", 1),
    ("fin_wait1", 4),
    ("fin_wait2", 5),
    ("last_ack", 9),
    ("listen", 10),
    ("syn_recv", 3),
    ("syn_sent", 2),
    ("time_wait", 6),
];

/// `SOCK_DIAG_BY_FAMILY`.
const BY_FAMILY: u16 = 20;
/// The size of `struct inet_diag_req_v2`.
const REQUEST_BYTES: usize = 56;
const AF_INET: u8 = 2;
const AF_INET6: u8 = 10;
const IPPROTO_TCP: u8 = 6;
/// A bit for each state.
const ALL_STATES: u32 = 0xfff;

struct TcpStat {
    /// The connection; none without a real procfs or after the system refused it.
    netlink: Option<Netlink>,
    files: [KernelFile; 2],
}

impl TcpStat {
    fn new(settings: &Settings) -> Self {
        Self {
            netlink: settings.root.proc_is_live().then(|| Netlink::new(rustix::net::netlink::SOCK_DIAG)),
            files: ["net/tcp", "net/tcp6"].map(|path| KernelFile::new(settings.root.proc(path))),
        }
    }

    /// Counts over netlink; none when that is not to be had.
    fn ask(&mut self) -> Result<Option<Counts>, CollectError> {
        let Some(netlink) = &mut self.netlink else { return Ok(None) };
        let mut counts = Counts::default();
        let result = [AF_INET, AF_INET6].into_iter().try_for_each(|family| {
            let before = counts;
            let result = netlink.dump(BY_FAMILY, &request(family), |message| match message {
                Some(message) => counts.add_message(message),
                None => counts = before,
            });
            match result {
                // The kernel has no IPv6.
                Err(NetlinkError::Io(error)) if family == AF_INET6 && is_absent(&error) => Ok(()),
                result => result,
            }
        });
        let reason = match result {
            Ok(()) => return Ok(Some(counts)),
            Err(NetlinkError::Io(error)) if is_absent(&error) => "the kernel has no tcp_diag".to_owned(),
            Err(error @ NetlinkError::Refused(_)) => error.to_string(),
            Err(error) => return Err(error.into()),
        };
        tracing::warn!(collector = SPEC.name, reason, "netlink is not usable, reading /proc/net/tcp instead");
        self.netlink = None;
        Ok(None)
    }

    fn read(&mut self, buffer: &mut Vec<u8>) -> Result<Counts, CollectError> {
        let mut counts = Counts::default();
        let [v4, v6] = &mut self.files;
        let text = v4.read(buffer).map_err(|error| CollectError::read(v4.path(), error))?;
        counts.add_table(text).map_err(|error| error.at(v4.path()))?;
        // Absent without IPv6.
        let text = none_if_absent(v6.read(buffer), v6.path())?;
        counts.add_table(text).map_err(|error| error.at(v6.path()))?;
        Ok(counts)
    }
}

impl Collector for TcpStat {
    fn collect(&mut self, context: &mut Context, out: &mut Exposition) -> Result<(), CollectError> {
        let counts = match self.ask()? {
            Some(counts) => counts,
            None => self.read(&mut context.buffer)?,
        };
        let mut family = out.family(
            "node_tcp_connection_states",
            "Number of TCP sockets in each state, and of bytes in their queues.",
            Kind::Gauge,
        );
        let mut sample =
            |state: &str, value: u64| family.sample(&[("state", state.as_bytes())], value as f64);
        for (state, number) in STATES {
            if state == "syn_recv" {
                sample("rx_queued_bytes", counts.received_bytes);
            }
            match counts.by_state[usize::from(number)] {
                0 => {} // as in node_exporter
                count => sample(state, count),
            }
        }
        sample("tx_queued_bytes", counts.sent_bytes);
        Ok(())
    }
}

fn is_absent(error: &io::Error) -> bool {
    error.kind() == io::ErrorKind::NotFound
}

/// `struct inet_diag_req_v2` for all TCP sockets of an address family.
fn request(family: u8) -> [u8; REQUEST_BYTES] {
    let mut request = [0; REQUEST_BYTES];
    (request[0], request[1]) = (family, IPPROTO_TCP);
    request[4..8].copy_from_slice(&ALL_STATES.to_ne_bytes());
    request
}

/// The queues are those of all sockets. Of one that listens they are, as in node_exporter, the number of connections
/// that wait to be accepted and, over netlink, how many may wait.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
struct Counts {
    by_state: [u64; 12],
    received_bytes: u64,
    sent_bytes: u64,
}

impl Counts {
    fn add(&mut self, state: u8, sent_bytes: u32, received_bytes: u32) {
        if let Some(count) = self.by_state.get_mut(usize::from(state)) {
            *count += 1;
        }
        self.sent_bytes += u64::from(sent_bytes);
        self.received_bytes += u64::from(received_bytes);
    }

    /// Adds the socket of one `struct inet_diag_msg`.
    fn add_message(&mut self, message: &[u8]) {
        if let (Some(&state), Some(received), Some(sent)) =
            (message.get(1), u32_at(message, 56), u32_at(message, 60))
        {
            self.add(state, sent, received);
        }
    }

    fn add_table(&mut self, text: &[u8]) -> Result<(), crate::host::ParseError> {
        for socket in sockets(text) {
            let socket = socket?;
            self.add(socket.state, socket.sent_bytes, socket.received_bytes);
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn states_are_in_the_order_of_their_labels() {
        assert!(STATES.is_sorted());
        let mut numbers = STATES.map(|(_, number)| number);
        numbers.sort_unstable();
        assert_eq!(numbers, std::array::from_fn(|place| place as u8 + 1));
    }

    #[test]
    fn messages() {
        let mut message = vec![0u8; 72];
        message[1] = 6;
        message[56] = 3;
        message[60] = 4;
        let mut counts = Counts::default();
        for end in 0..64 {
            counts.add_message(&message[..end]);
        }
        assert_eq!(counts, Counts::default());
        counts.add_message(&message);
        message[1] = 200;
        counts.add_message(&message);
        assert_eq!((counts.by_state.iter().sum::<u64>(), counts.by_state[6]), (1, 1));
        assert_eq!((counts.received_bytes, counts.sent_bytes), (6, 8));
    }

    #[test]
    fn netlink_sees_a_socket_that_listens() {
        let before = listening();
        let sockets: Vec<_> = (0..50).map(|_| std::net::TcpListener::bind("127.0.0.1:0").unwrap()).collect();
        let after = listening();
        drop(sockets);
        if let (Some(before), Some(after)) = (before, after) {
            assert!(after >= before + 30, "{before} {after}"); // other tests close some
        }
    }

    fn listening() -> Option<u64> {
        let counts = TcpStat::new(&Settings::default()).ask().unwrap()?;
        Some(counts.by_state[10])
    }
}

//! Bytes that wait in the queues of all UDP sockets, from `/proc/net/udp` and `udp6` (kernel:
//! `Documentation/networking/proc_net_tcp.rst` has the columns). The kernel writes a line for each socket.

use super::{CollectError, Collector, Context, Settings, Spec, read_or_absent, sockets};
use crate::exposition::{Exposition, Kind};
use crate::host::KernelFile;

pub(super) const SPEC: Spec = Spec {
    name: "udp_queues",
    default_on: true,
    help: "bytes in the queues of UDP sockets (/proc/net/udp and udp6)",
    flags: &[],
    build: |settings| Ok(Box::new(UdpQueues::new(settings))),
};

struct UdpQueues {
    /// One for each version of IP, with its label.
    files: [(&'static str, KernelFile); 2],
}

impl UdpQueues {
    fn new(settings: &Settings) -> Self {
        let file = |path| KernelFile::new(settings.root.proc(path));
        Self { files: [("v4", file("net/udp")), ("v6", file("net/udp6"))] }
    }
}

impl Collector for UdpQueues {
    fn collect(&mut self, context: &mut Context, out: &mut Exposition) -> Result<(), CollectError> {
        const ABSENT: &str = "no UDP";
        let mut result = Err(CollectError::NoData(ABSENT));
        let mut family =
            out.family("node_udp_queues", "Number of bytes in the queues of UDP sockets.", Kind::Gauge);
        for (ip, file) in &mut self.files {
            let text = match read_or_absent(file, &mut context.buffer, ABSENT) {
                Err(CollectError::NoData(_)) => continue,
                other => other?,
            };
            let (mut received_bytes, mut sent_bytes) = (0u64, 0u64);
            for socket in sockets(text) {
                let socket = socket.map_err(|error| error.at(file.path()))?;
                received_bytes += u64::from(socket.received_bytes);
                sent_bytes += u64::from(socket.sent_bytes);
            }
            for (queue, bytes) in [("rx", received_bytes), ("tx", sent_bytes)] {
                family.sample(&[("ip", ip.as_bytes()), ("queue", queue.as_bytes())], bytes as f64);
            }
            result = Ok(());
        }
        result
    }
}

//! Bytes that wait in the queues of all UDP sockets, from `/proc/net/udp` and `udp6` (kernel: `udp4_seq_show` in
//! `net/ipv4/udp.c`). The kernel writes a line for each socket.

use super::{CollectError, Collector, Context, Settings, Spec, read_or_absent};
use crate::exposition::{Exposition, Kind};
use crate::host::KernelFile;
use crate::host::parse::{ParseError, fields, hexadecimal, lines};

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
            let queues = parse(text).map_err(|error| error.at(file.path()))?;
            for (queue, bytes) in [("rx", queues.received_bytes), ("tx", queues.sent_bytes)] {
                family.sample(&[("ip", ip.as_bytes()), ("queue", queue.as_bytes())], bytes as f64);
            }
            result = Ok(());
        }
        result
    }
}

/// What waits to be sent, and to be read by programs.
#[derive(Debug, Default, PartialEq)]
struct Queues {
    sent_bytes: u64,
    received_bytes: u64,
}

/// Sums up the fifth column, such as `00000000:00000300`, of the lines below the heading.
fn parse(text: &[u8]) -> Result<Queues, ParseError> {
    let mut queues = Queues::default();
    for (number, line) in lines(text).skip(1) {
        let (sent, received) = fields(line)
            .nth(4)
            .and_then(both)
            .ok_or_else(|| ParseError::new(number, "two hexadecimal numbers in the fifth column", line))?;
        queues.sent_bytes += sent;
        queues.received_bytes += received;
    }
    Ok(queues)
}

fn both(column: &[u8]) -> Option<(u64, u64)> {
    let colon = column.iter().position(|&byte| byte == b':')?;
    // The kernel prints 32 bits of each; more would overflow the sum.
    let number = |text| hexadecimal(text).filter(|number| u32::try_from(*number).is_ok());
    Some((number(&column[..colon])?, number(&column[colon + 1..])?))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sums_and_bad_lines() {
        let text = b"  sl  local_address\n 1: 0:35 0:0 07 00000010:0000A000 00:0 0\n 2: 0:35 0:0 07 1:2\n";
        assert_eq!(parse(text).unwrap(), Queues { sent_bytes: 0x11, received_bytes: 0xa002 });
        assert_eq!(parse(b"  sl\n").unwrap(), Queues::default());
        for bad in
            ["1: 0 0 7", "1: 0 0 7 1", "1: 0 0 7 1:", "1: 0 0 7 :1", "1: 0 0 7 x:1", "1: 0 0 7 100000000:0"]
        {
            assert_eq!(parse(format!("  sl\n{bad}\n").as_bytes()).unwrap_err().line, 2, "{bad}");
        }
    }

    #[test]
    fn survives_a_cut_file() {
        crate::collectors::at_every_cut("proc/net/udp", parse);
    }
}

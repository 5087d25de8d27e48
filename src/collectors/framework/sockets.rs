//! The tables of sockets in `/proc/net`, which are alike for all protocols (kernel: `get_tcp4_sock` in
//! `net/ipv4/tcp_ipv4.c`, `udp4_format_sock` in `net/ipv4/udp.c`).

use crate::host::parse::{ParseError, fields, hexadecimal, lines};

/// What one line says of a socket.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub(crate) struct Socket {
    /// A `TCP_` constant of the kernel, also where the protocol is another one.
    pub(crate) state: u8,
    /// Bytes that wait to be sent.
    pub(crate) sent_bytes: u32,
    /// Bytes that wait for the program.
    pub(crate) received_bytes: u32,
}

/// The sockets of the lines below the heading.
pub(crate) fn sockets(text: &[u8]) -> impl Iterator<Item = Result<Socket, ParseError>> {
    lines(text).skip(1).map(|(number, line)| {
        let expected = "the state and both queues in the fourth and fifth column";
        parse_line(line).ok_or_else(|| ParseError::new(number, expected, line))
    })
}

fn parse_line(line: &[u8]) -> Option<Socket> {
    let mut columns = fields(line).skip(3);
    let state = columns.next().and_then(hexadecimal)?;
    let queues = columns.next()?;
    let colon = queues.iter().position(|&byte| byte == b':')?;
    let queue = |text| hexadecimal(text).and_then(|bytes| u32::try_from(bytes).ok());
    Some(Socket {
        state: u8::try_from(state).ok()?,
        sent_bytes: queue(&queues[..colon])?,
        received_bytes: queue(&queues[colon + 1..])?,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_and_bad_lines() {
        let all = |text: &[u8]| sockets(text).collect::<Result<Vec<_>, _>>();
        let text = b"  sl  local_address\n 1: 0:35 0:0 07 00000010:0000A000 00:0 0\n";
        assert_eq!(all(text).unwrap(), [Socket { state: 7, sent_bytes: 0x10, received_bytes: 0xa000 }]);
        assert_eq!(all(b"  sl\n").unwrap(), []);
        for bad in
            ["1: 0 0", "1: 0 0 7 1", "1: 0 0 7 1:", "1: 0 0 7 :1", "1: 0 0 x 1:1", "1: 0 0 7 100000000:0"]
        {
            assert_eq!(all(format!("  sl\n{bad}\n").as_bytes()).unwrap_err().line, 2, "{bad}");
        }
    }

    #[test]
    fn survives_a_cut_file() {
        for file in ["proc/net/udp", "proc/net/tcp6"] {
            crate::collectors::at_every_cut(file, |text| {
                sockets(text).try_for_each(|socket| socket.map(drop))
            });
        }
    }
}

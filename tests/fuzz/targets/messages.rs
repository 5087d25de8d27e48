//! Any bytes as a datagram of the kernel's, and as the attributes in its messages.

use vitals::host::netlink::{attributes, read_datagram};

/// Reads `datagram` as the answer to the request whose number it has in its first message.
pub fn check(datagram: &[u8]) {
    let sequence =
        datagram.get(8..12).and_then(|bytes| bytes.first_chunk()).map_or(0, |n| u32::from_ne_bytes(*n));
    let mut payloads = Vec::new();
    if let Err(error) = read_datagram(datagram, sequence, &mut |payload| payloads.push(payload.to_vec())) {
        assert!(!error.to_string().is_empty());
    }
    let bytes: usize = payloads.iter().map(Vec::len).sum();
    assert!(bytes <= datagram.len(), "{bytes} bytes out of {}", datagram.len());
    for payload in &payloads {
        // Behind the headers of neighbours, addresses and links.
        for header in [8, 12, 16] {
            check_attributes(payload.get(header..).unwrap_or_default(), 4);
        }
    }
}

fn check_attributes(bytes: &[u8], depth: u32) {
    for (_, content) in attributes(bytes) {
        assert!(content.len() + 4 <= bytes.len());
        if depth > 0 {
            check_attributes(content, depth - 1);
        }
    }
}

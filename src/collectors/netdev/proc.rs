//! Network devices from `/proc/net/dev` (kernel: `net/core/net-procfs.c`).

use crate::host::parse::{ParseError, fields, lines, unsigned};

/// How many numbers a line has, 8 for each direction.
const COLUMNS: usize = 16;

/// One network device.
#[derive(Debug, Default)]
pub(super) struct Device {
    pub name: String,
    /// What the administrator calls it, which this file does not say.
    pub alias: String,
    /// The columns.
    pub counters: [u64; COLUMNS],
}

/// Reads the table below its two lines of heading into `devices`, which is emptied first.
pub(super) fn parse(text: &[u8], devices: &mut Vec<Device>) -> Result<(), ParseError> {
    devices.clear();
    for (number, line) in lines(text).skip(2) {
        let device = parse_line(line)
            .ok_or_else(|| ParseError::new(number, "a device name, a colon and 16 numbers", line))?;
        devices.push(device);
    }
    Ok(())
}

fn parse_line(line: &[u8]) -> Option<Device> {
    let colon = line.iter().rposition(|&byte| byte == b':')?;
    let (name, numbers) = line.split_at(colon);
    let mut device =
        Device { name: String::from_utf8_lossy(name.trim_ascii()).into_owned(), ..Device::default() };
    let mut numbers = fields(numbers.get(1..)?);
    for counter in &mut device.counters {
        *counter = unsigned(numbers.next()?)?;
    }
    (!device.name.is_empty()).then_some(device)
}

#[cfg(test)]
mod tests {
    use super::*;

    const TABLE: &[u8] = b"Inter-|   Receive                                                |  Transmit\n \
        face |bytes    packets errs drop fifo frame compressed multicast|bytes    packets errs drop fifo colls carrier compressed\n    \
        lo:    3193      29    0    0    0     0          0         0     3193      29    0    0    0     0       0          0\n\
        eth0:18446744073709551615 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16\n";

    #[test]
    fn reads_the_table() {
        let mut devices = Vec::new();
        parse(TABLE, &mut devices).unwrap();
        let names: Vec<&str> = devices.iter().map(|device| device.name.as_str()).collect();
        assert_eq!(names, ["lo", "eth0"]);
        assert_eq!((devices[1].counters[0], devices[1].counters[15]), (u64::MAX, 16));
    }

    #[test]
    fn a_cut_table_is_an_error_or_shorter() {
        for end in 0..TABLE.len() {
            let mut devices = Vec::new();
            let result = parse(&TABLE[..end], &mut devices);
            assert!(result.is_ok() || result.unwrap_err().line > 2, "cut at {end}");
        }
        let mut devices = Vec::new();
        assert_eq!(parse(b"\n\neth0: 1 2 x\n", &mut devices).unwrap_err().line, 3);
        assert!(devices.is_empty());
    }
}

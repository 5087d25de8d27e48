//! The texts in `/sys/fs/bcachefs` that have more than one value.

use crate::host::parse::{ParseError, binary_suffix, fields, float, lines, unsigned};

/// A number as the kernel's `prt_human_readable_u64` writes it: `405`, or `2.05G` with one letter for a power of
/// 1024. What is shown is rounded, so only the whole part of the product is given.
pub(super) fn human(text: &[u8]) -> Option<f64> {
    let (number, factor) = binary_suffix(text);
    float(number.trim_ascii_end())
        .filter(|value| *value >= 0.0 && value.is_finite())
        .map(|value| (value * factor).trunc())
}

/// The first word of each line, without the colon behind it, and the words after it. Lines without enough words
/// for `columns` are passed over, as are the first `headers` lines.
pub(super) fn rows(
    text: &[u8],
    headers: usize,
    columns: usize,
) -> impl Iterator<Item = (usize, &[u8], &[u8])> {
    lines(text).skip(headers).filter_map(move |(number, line)| {
        let name = fields(line).next().filter(|_| fields(line).count() > columns)?;
        Some((number, name.strip_suffix(b":").unwrap_or(name), line))
    })
}

/// The count of a file in `counters`, since the file system was made. None if the kernel gives it since the mount
/// only.
pub(super) fn counter(text: &[u8]) -> Result<Option<f64>, ParseError> {
    let mut known = false;
    for (number, line) in lines(text) {
        if let Some(count) = line.strip_prefix(b"since filesystem creation:") {
            let count = human(count.trim_ascii());
            return Ok(Some(count.ok_or_else(|| ParseError::new(number, "a count", line))?));
        }
        known |= line.starts_with(b"since mount:");
    }
    if known { Ok(None) } else { Err(ParseError::new(1, "a line since filesystem creation", text)) }
}

/// Operation, type of data and bytes, of a device's file `io_done`: lines `read:` and `write:`, and below each
/// lines such as `btree       :    4411097088`.
pub(super) fn io_done(text: &[u8]) -> impl Iterator<Item = Result<(&'static str, &[u8], u64), ParseError>> {
    let mut operation = None;
    lines(text)
        .filter_map(move |(number, line)| {
            match line.trim_ascii() {
                b"read:" => operation = Some("read"),
                b"write:" => operation = Some("write"),
                _ => return Some(pair(number, line)?.map(|(name, value)| (operation, name, value))),
            }
            None
        })
        .filter_map(|entry| match entry {
            Ok((operation, name, value)) => Some(Ok((operation?, name, value))),
            Err(error) => Some(Err(error)),
        })
}

/// Type and count of errors since the file system was made, of a device's file `io_errors`. A second part has those
/// since somebody reset them.
pub(super) fn io_errors(text: &[u8]) -> impl Iterator<Item = Result<(&[u8], u64), ParseError>> {
    let is_title = |line: &[u8]| line.starts_with(b"IO errors since ");
    lines(text)
        .skip_while(|(_, line)| !line.starts_with(b"IO errors since filesystem creation"))
        .skip(1)
        .take_while(move |(_, line)| !is_title(line))
        .filter_map(|(number, line)| pair(number, line))
}

/// A line `name: number`. None for any other line.
fn pair(number: usize, line: &[u8]) -> Option<Result<(&[u8], u64), ParseError>> {
    let mut parts = line.splitn(2, |&byte| byte == b':');
    let (name, value) = (parts.next()?, parts.next()?);
    let value =
        unsigned(value.trim_ascii()).ok_or_else(|| ParseError::new(number, "a name and a number", line));
    Some(value.map(|value| (name.trim_ascii(), value)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_for_people() {
        let values = ["0", "405", "112k", "1.5G", "2.05G"].map(|text| human(text.as_bytes()).unwrap());
        assert_eq!(values, [0.0, 405.0, 114688.0, 1610612736.0, 2201170739.0]);
        assert_eq!(["", "k", "-1", "x", "NaN", "inf"].map(|bad| human(bad.as_bytes())), [None; 6]);
    }

    #[test]
    fn rows_of_a_table() {
        let text = b"  nr size\ninitial:  19088  108k\n\nshort: 1\nlast 2 3 4\n";
        let found: Vec<_> = rows(text, 1, 2).map(|(number, name, _)| (number, name)).collect();
        assert_eq!(found, [(2, &b"initial"[..]), (5, b"last")]);
    }

    #[test]
    fn counts_since_the_beginning() {
        assert_eq!(counter(b"since mount: 1\nsince filesystem creation: 1.5k\n").unwrap(), Some(1536.0));
        assert_eq!(counter(b"since mount: 1\n").unwrap(), None);
        assert_eq!(counter(b"12\n").unwrap_err().line, 1);
        assert_eq!(counter(b"since mount: 1\nsince filesystem creation:\n").unwrap_err().line, 2);
    }

    #[test]
    fn what_a_device_did() {
        let done: Result<Vec<_>, _> = io_done(b"new: 1\nread:\nsb  :  5\nwrite:\nsb: 6\n\n").collect();
        assert_eq!(done.unwrap(), [("read", &b"sb"[..], 5), ("write", b"sb", 6)]);
        assert_eq!(io_done(b"read:\nsb : x\n").next().unwrap().unwrap_err().line, 2);
    }

    #[test]
    fn errors_of_a_device() {
        let text = b"IO errors since filesystem creation\n  read:    3\n  write:   0\n\nIO errors since 8 y ago\n  read: 1\n";
        let errors: Result<Vec<_>, _> = io_errors(text).collect();
        assert_eq!(errors.unwrap(), [(&b"read"[..], 3), (b"write", 0)]);
        assert_eq!(io_errors(b"read: 3\n").count(), 0);
        let bad = b"IO errors since filesystem creation\nread: x\n";
        assert_eq!(io_errors(bad).next().unwrap().unwrap_err().line, 2);
    }

    #[test]
    fn survives_cut_files() {
        let folder = "sys/fs/bcachefs/7a0c94e6-3f18-4b52-a6d7-e90b185cd243";
        let file = |name: &str| format!("{folder}/{name}");
        crate::collectors::at_every_cut(&file("counters/btree_node_read"), counter);
        crate::collectors::at_every_cut(&file("dev-0/io_done"), |text| {
            io_done(text).collect::<Result<Vec<_>, _>>().map(|all| all.len())
        });
        crate::collectors::at_every_cut(&file("dev-0/io_errors"), |text| {
            io_errors(text).collect::<Result<Vec<_>, _>>().map(|all| all.len())
        });
        crate::collectors::at_every_cut(&file("compression_stats"), |text| {
            Ok::<_, ParseError>(rows(text, 1, 2).count())
        });
    }
}

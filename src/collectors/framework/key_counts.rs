//! Files with a key and a count in each line, as `/proc/vmstat`.

use crate::host::parse::{ParseError, fields, lines, unsigned};

/// What `wanted` makes of each key, with the key's count. Keys of which it makes nothing are passed over, whatever
/// follows them, as are further columns.
pub(crate) fn key_counts<'t, K>(
    text: &'t [u8],
    mut wanted: impl FnMut(&'t [u8]) -> Option<K>,
) -> impl Iterator<Item = Result<(K, u64), ParseError>> {
    lines(text).filter_map(move |(number, line)| {
        let mut columns = fields(line);
        let key = wanted(columns.next()?)?;
        let count = columns.next().and_then(unsigned);
        Some(
            count.map(|count| (key, count)).ok_or_else(|| ParseError::new(number, "a key and a count", line)),
        )
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::collectors::{at_every_cut, name_part};

    #[test]
    fn only_what_is_wanted_has_to_be_a_count() {
        let wanted = |key| name_part(key).filter(|key| *key != "b");
        let all = |text: &'static [u8]| key_counts(text, wanted).collect::<Result<Vec<_>, _>>();
        assert_eq!(all(b"a 1\nb x\n\nc\t 2 more\nd-e y\n").unwrap(), [("a", 1), ("c", 2)]);
        for bad in [&b"b\na\n"[..], b"b\na x\n", b"b\na -1\n", b"b\na 18446744073709551616\n"] {
            assert_eq!(all(bad).unwrap_err().line, 2);
        }
    }

    #[test]
    fn survives_a_cut_file() {
        for file in ["proc/vmstat", "proc/net/xfrm_stat", "sys/devices/system/node/node0/numastat"] {
            at_every_cut(file, |text| key_counts(text, name_part).try_for_each(|entry| entry.map(drop)));
        }
    }
}

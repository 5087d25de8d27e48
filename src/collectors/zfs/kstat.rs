//! The three forms of files below `/proc/spl/kstat/zfs`.

use crate::host::parse::{ParseError, fields, lines, signed, unsigned};

/// What a row of a file with the columns `name type data` holds. Rows of other types are passed over.
#[derive(Debug, PartialEq)]
pub(super) enum Row<'a> {
    Number(&'a str, f64),
    /// The row `dataset_name`.
    Dataset(&'a [u8]),
}

/// `KSTAT_DATA_INT64`, `KSTAT_DATA_UINT64` and `KSTAT_DATA_STRING` (OpenZFS: `include/os/linux/spl/sys/kstat.h`).
const SIGNED: &[u8] = b"3";
const UNSIGNED: &[u8] = b"4";
const STRING: &[u8] = b"7";

/// The rows of a named kstat: a line of numbers about the kstat, the names of the columns, and then, for example,
/// `hits                            4    8772612`.
///
/// # Errors
/// If there are no columns of these names. Each row may be another error.
pub(super) fn rows(text: &[u8]) -> Result<impl Iterator<Item = Result<Row<'_>, ParseError>>, ParseError> {
    let mut rows = lines(text);
    rows.find(|(_, line)| fields(line).eq([&b"name"[..], b"type", b"data"]))
        .ok_or_else(|| ParseError::new(1, "the columns name, type and data", text))?;
    Ok(rows.filter_map(|(number, line)| row(number, line).transpose()))
}

fn row(number: usize, line: &[u8]) -> Result<Option<Row<'_>>, ParseError> {
    let mut columns = fields(line);
    let (Some(name), Some(kind), Some(data)) = (columns.next(), columns.next(), columns.next()) else {
        return Ok(None);
    };
    let value = match kind {
        SIGNED => signed(data).map(|value| value as f64),
        UNSIGNED => unsigned(data).map(|value| value as f64),
        // The name ends with the line: it may have blanks.
        STRING if name == b"dataset_name" => return Ok(after_columns(line, 2).map(Row::Dataset)),
        _ => return Ok(None),
    };
    let value = value.ok_or_else(|| ParseError::new(number, "a name, its type and a whole number", line))?;
    Ok(std::str::from_utf8(name).ok().map(|name| Row::Number(name, value)))
}

/// The line without its first columns and the blanks around the rest.
fn after_columns(line: &[u8], columns: usize) -> Option<&[u8]> {
    let mut rest = line.trim_ascii();
    for _ in 0..columns {
        let end = rest.iter().position(u8::is_ascii_whitespace)?;
        rest = rest.get(end..)?.trim_ascii_start();
    }
    Some(rest)
}

/// The counts of a pool's file `io`, of which the last two lines are names and numbers.
///
/// # Errors
/// If there are no names, or a name without number.
pub(super) fn pool_io(text: &[u8]) -> Result<impl Iterator<Item = (&str, u64)>, ParseError> {
    let error = |line| ParseError::new(line, "names from nread on and a number for each", text);
    let mut lines = lines(text).skip_while(|(_, line)| fields(line).next() != Some(b"nread"));
    let (_, names) = lines.next().ok_or_else(|| error(1))?;
    let (number, numbers) = lines.next().ok_or_else(|| error(1))?;
    if fields(names).count() != fields(numbers).count()
        || fields(numbers).any(|text| unsigned(text).is_none())
    {
        return Err(error(number));
    }
    let pairs = fields(names).zip(fields(numbers));
    Ok(pairs.filter_map(|(name, number)| Some((std::str::from_utf8(name).ok()?, unsigned(number)?))))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn all(text: &[u8]) -> Result<Vec<Row<'_>>, ParseError> {
        rows(text)?.collect()
    }

    #[test]
    fn rows_of_numbers_and_names() {
        let text =
            b"13 1 0x01 5 1 2 3\nname  type data\nhits 4 18446744073709551615\nfree 3 -4096\nshort 4\n\
            dataset_name                    7    tank/my  files \nother 7 x\nodd\xff 4 1\nflags 2 7\n";
        let want = [
            Row::Number("hits", u64::MAX as f64),
            Row::Number("free", -4096.0),
            Row::Dataset(b"tank/my  files"),
        ];
        assert_eq!(all(text).unwrap(), want);
        assert_eq!(all(b"13 1\nhits 4 1\n").unwrap_err().line, 1);
        for bad in ["hits 4 x", "hits 4 -1", "hits 3 1.5"] {
            let text = format!("name type data\nmisses 4 1\n{bad}\n");
            assert_eq!(all(text.as_bytes()).unwrap_err().line, 3, "{bad}");
        }
    }

    #[test]
    fn counts_of_a_pool() {
        let io =
            |text: &str| pool_io(text.as_bytes()).map(|all| all.map(|(_, value)| value).collect::<Vec<_>>());
        assert_eq!(io("12 3\nnread nwritten reads\n1 2 3\n").unwrap(), [1, 2, 3]);
        for bad in ["", "12 3\n", "nread\n", "nread nwritten\n1\n", "nread\nx\n"] {
            assert!(io(bad).is_err(), "{bad:?}");
        }
    }

    #[test]
    fn survives_cut_files() {
        let folder = "proc/spl/kstat/zfs";
        for file in ["arcstats", "tank/objset-0x36"] {
            let count = |text: &[u8]| all(text).map(|all| all.len());
            crate::collectors::at_every_cut(&format!("{folder}/{file}"), count);
        }
        crate::collectors::at_every_cut(&format!("{folder}/tank/io"), |text| {
            pool_io(text).map(Iterator::count)
        });
    }
}

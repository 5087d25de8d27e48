//! Lines of `/proc/diskstats`.

use crate::host::parse::{ParseError, fields, lines, unsigned};

/// The columns after the device's name: 11 since kernel 2.6, 15 since 4.18 (discards), 17 since 5.5 (flushes).
pub(super) const COLUMNS: usize = 17;

/// The columns that every kernel since 2.6.25 has.
const OLDEST_COLUMNS: usize = 11;

/// Partitions had these only before kernel 2.6.25.
const OLD_PARTITION_COLUMNS: usize = 4;

/// One line, as the kernel counts: sectors of 512 bytes, milliseconds.
#[derive(Debug, PartialEq)]
pub(super) struct Disk<'a> {
    pub(super) major: &'a [u8],
    pub(super) minor: &'a [u8],
    pub(super) name: &'a [u8],
    pub(super) columns: [u64; COLUMNS],
    /// How many of `columns` the line has.
    pub(super) columns_given: usize,
}

/// The devices in the order of the file. What newer kernels append to a line is passed over.
pub(super) fn parse(text: &[u8]) -> impl Iterator<Item = Result<Disk<'_>, ParseError>> {
    lines(text).filter_map(|(number, line)| disk(number, line).transpose())
}

fn disk(number: usize, line: &[u8]) -> Result<Option<Disk<'_>>, ParseError> {
    let error = || ParseError::new(number, "major, minor, name and at least 11 counts", line);
    let mut fields = fields(line);
    let mut device_number = || fields.next().filter(|text| unsigned(text).is_some()).ok_or_else(error);
    let (major, minor) = (device_number()?, device_number()?);
    let name = fields.next().ok_or_else(error)?;
    let mut columns = [0; COLUMNS];
    let mut columns_given = 0;
    for (slot, field) in columns.iter_mut().zip(fields) {
        *slot = unsigned(field).ok_or_else(error)?;
        columns_given += 1;
    }
    match columns_given {
        OLDEST_COLUMNS.. => Ok(Some(Disk { major, minor, name, columns, columns_given })),
        OLD_PARTITION_COLUMNS => Ok(None),
        _ => Err(error()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn line(name: &str, columns: u64) -> String {
        let counts: Vec<String> = (1..=columns).map(|count| count.to_string()).collect();
        format!("   8       0 {name} {}\n", counts.join(" "))
    }

    #[test]
    fn lines_of_all_ages() {
        for (columns, given) in [(11, 11), (15, 15), (17, 17), (20, 17)] {
            let text = line("sda", columns);
            let disk = parse(text.as_bytes()).next().unwrap().unwrap();
            assert_eq!((disk.major, disk.minor, disk.name), (&b"8"[..], &b"0"[..], &b"sda"[..]));
            assert_eq!((disk.columns_given, disk.columns[10]), (given, 11));
        }
        assert_eq!(parse(line("sda1", 4).as_bytes()).count(), 0);
    }

    #[test]
    fn short_or_bad_lines_are_errors() {
        let good = line("sda", 17);
        for bad in [line("sdb", 10), "8 x sdb\n".into(), "8\n".into(), good.replace(" 7 ", " -7 ")] {
            let text = format!("{good}{bad}");
            assert_eq!(parse(text.as_bytes()).nth(1).unwrap().unwrap_err().line, 2, "{bad}");
        }
    }

    #[test]
    fn survives_a_cut_file() {
        crate::collectors::at_every_cut("proc/diskstats", |text| {
            parse(text).collect::<Result<Vec<_>, _>>().map(|all| all.len())
        });
    }
}

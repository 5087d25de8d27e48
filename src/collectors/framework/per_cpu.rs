//! Files whose first line names the CPUs and whose other lines have a name and a count for each of them, as
//! `/proc/interrupts` and `/proc/softirqs`.

use crate::host::parse::{ParseError, fields, lines, unsigned};

/// One line of such a file.
#[derive(Clone, Copy, Debug)]
pub(crate) struct PerCpuLine<'t> {
    number: usize,
    header: &'t [u8],
    /// What stands before the colon.
    pub(crate) name: &'t [u8],
    rest: &'t [u8],
}

/// The lines below the one that names the CPUs.
pub(crate) fn per_cpu_lines(text: &[u8]) -> Result<impl Iterator<Item = PerCpuLine<'_>>, ParseError> {
    let mut lines = lines(text);
    let header = lines.next().map_or(&b""[..], |(_, header)| header);
    if fields(header).next().is_none() || !fields(header).all(|cpu| cpu_number(cpu).is_some()) {
        return Err(ParseError::new(1, "the names of CPUs, such as CPU0", header));
    }
    Ok(lines.filter_map(move |(number, line)| {
        let colon = memchr::memchr(b':', line)?;
        let (name, rest) = line.split_at_checked(colon)?;
        let rest = rest.strip_prefix(b":").unwrap_or(rest);
        Some(PerCpuLine { number, header, name: name.trim_ascii(), rest })
    }))
}

impl<'t> PerCpuLine<'t> {
    /// The number of each CPU, which is not its place in the line where some are offline, and its count.
    pub(crate) fn counts(self) -> impl Iterator<Item = Result<(&'t [u8], u64), ParseError>> {
        fields(self.header).zip(fields(self.rest)).map(move |(cpu, column)| {
            let count = unsigned(column).ok_or_else(|| ParseError::new(self.number, "a count", column))?;
            Ok((cpu_number(cpu).unwrap_or(cpu), count))
        })
    }

    /// The words behind the counts. Lines with fewer counts than CPUs have none.
    pub(crate) fn description(self) -> impl Iterator<Item = &'t [u8]> {
        fields(self.rest).skip(fields(self.header).count())
    }
}

fn cpu_number(name: &[u8]) -> Option<&[u8]> {
    name.strip_prefix(b"CPU").filter(|number| unsigned(number).is_some())
}

#[cfg(test)]
mod tests {
    use super::*;

    type Line<'t> = (&'t [u8], Vec<(&'t [u8], u64)>, usize);

    fn parse(text: &[u8]) -> Result<Vec<Line<'_>>, ParseError> {
        per_cpu_lines(text)?
            .map(|line| Ok((line.name, line.counts().collect::<Result<_, _>>()?, line.description().count())))
            .collect()
    }

    #[test]
    fn counts_go_by_the_names_of_the_cpus() {
        let text = b"   CPU0  CPU2\n  8: 1 2 edge rtc 0\nIPI0:3 4\nERR: 5\nno colon\n";
        let want: Vec<Line<'_>> = vec![
            (b"8", vec![(b"0", 1), (b"2", 2)], 3),
            (b"IPI0", vec![(b"0", 3), (b"2", 4)], 0),
            (b"ERR", vec![(b"0", 5)], 0),
        ];
        assert_eq!(parse(text).unwrap(), want);
        for bad in ["", "\n", "CPUx\n", "8: 1 2\n"] {
            assert_eq!(parse(bad.as_bytes()).unwrap_err().line, 1, "{bad}");
        }
        assert_eq!(parse(b"CPU0\n8: 1\n9: x\n").unwrap_err().line, 3);
    }

    #[test]
    fn survives_a_cut_file() {
        crate::collectors::at_every_cut("proc/interrupts", |text| parse(text).map(|lines| lines.len()));
        crate::collectors::at_every_cut("proc/softirqs", |text| parse(text).map(|lines| lines.len()));
    }
}

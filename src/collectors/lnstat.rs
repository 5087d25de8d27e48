//! Statistics of network caches from `/proc/net/stat` (kernel: `net/core/neighbour.c`, `net/ipv4/route.c` and
//! others; read by `lnstat(8)`). Each file has a line with the names of its columns and a line for each possible
//! CPU, all numbers in hexadecimal.

use super::{CollectError, Collector, Context, Settings, Spec, name_part, none_if_absent, read};
use crate::exposition::{Exposition, Kind};
use crate::host::parse::{ParseError, fields, hexadecimal, lines};
use crate::host::{Folder, KernelFile};

pub(super) const SPEC: Spec = Spec {
    name: "lnstat",
    default_on: false,
    help: "statistics of network caches by CPU (/proc/net/stat)",
    flags: &[],
    build: |settings| Ok(Box::new(Lnstat::new(settings))),
};

struct Lnstat {
    folder: Folder,
    /// In the order of the folder's names.
    files: Vec<KernelFile>,
}

impl Lnstat {
    fn new(settings: &Settings) -> Self {
        Self { folder: Folder::new(settings.root.proc("net/stat")), files: Vec::new() }
    }
}

impl Collector for Lnstat {
    fn collect(&mut self, context: &mut Context, out: &mut Exposition) -> Result<(), CollectError> {
        let listed = self.folder.list(&mut context.buffer);
        if none_if_absent(listed, self.folder.path())? {
            let names = self.folder.names().iter();
            self.files = names.map(|name| KernelFile::new(self.folder.entry(name))).collect();
        }
        let mut result = Ok(());
        for (name, file) in self.folder.names().iter().zip(&mut self.files) {
            result = result.and(write(name, file, &mut context.buffer, out));
        }
        result
    }
}

fn write(
    name: &[u8],
    file: &mut KernelFile,
    buffer: &mut Vec<u8>,
    out: &mut Exposition,
) -> Result<(), CollectError> {
    let text = read(file, buffer)?;
    let mut number = itoa::Buffer::new();
    for (place, column) in columns(text) {
        let help = "Statistics of network caches.";
        let mut family = out.family_parts(&["node_lnstat_", column, "_total"], &[help], Kind::Counter);
        for (cpu, count) in (0u32..).zip(counts(text, place)) {
            let count = count.map_err(|error| error.at(file.path()))?;
            let cpu = number.format(cpu).as_bytes();
            family.sample(&[("cpu", cpu), ("subsystem", name)], count as f64);
        }
    }
    Ok(())
}

/// The names in the first line, with their places.
fn columns(text: &[u8]) -> impl Iterator<Item = (usize, &str)> {
    let header = lines(text).next().map_or(&b""[..], |(_, header)| header);
    fields(header).enumerate().filter_map(|(place, column)| Some((place, name_part(column)?)))
}

/// What each CPU has in the column at `place`.
fn counts(text: &[u8], place: usize) -> impl Iterator<Item = Result<u64, ParseError>> {
    lines(text).skip(1).map(move |(number, line)| {
        let count = fields(line).nth(place).and_then(hexadecimal);
        count.ok_or_else(|| ParseError::new(number, "a hexadecimal number in each column", line))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(text: &[u8]) -> Result<Vec<(&str, Vec<u64>)>, ParseError> {
        columns(text)
            .map(|(place, name)| Ok((name, counts(text, place).collect::<Result<_, _>>()?)))
            .collect()
    }

    #[test]
    fn columns_by_cpu() {
        let all = parse(b"entries\t\tnew  a-b\n0000000a  00000001 x\nff ffffffffffffffff\n").unwrap();
        assert_eq!(all, [("entries", vec![10, 255]), ("new", vec![1, u64::MAX])]);
        assert_eq!(parse(b"").unwrap(), []);
        assert_eq!(parse(b"a b\n0 1\n2\n").unwrap_err().line, 3);
    }

    #[test]
    fn survives_a_cut_file() {
        crate::collectors::at_every_cut("proc/net/stat/nf_conntrack", |text| {
            parse(text).map(|all| all.len())
        });
    }
}

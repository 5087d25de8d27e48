//! The table of tracked connections, from `/proc/sys/net/netfilter` and `/proc/net/stat/nf_conntrack` (kernel:
//! `Documentation/networking/nf_conntrack-sysctl.rst` and `ct_cpu_seq_show` in
//! `net/netfilter/nf_conntrack_standalone.c`).

use super::{CollectError, Collector, Context, Settings, Spec, read_count, read_or_absent};
use crate::exposition::{Exposition, Kind};
use crate::host::KernelFile;
use crate::host::parse::{ParseError, fields, hexadecimal, lines};

pub(super) const SPEC: Spec = Spec {
    name: "conntrack",
    default_on: true,
    help: "tracked connections, their limit and what became of them (/proc/sys/net/netfilter)",
    flags: &[],
    build: |settings| Ok(Box::new(Conntrack::new(settings))),
};

const ABSENT: &str = "the kernel tracks no connections: nf_conntrack is not loaded";

/// Columns of the table, and for each the family's name behind `node_nf_conntrack_stat_`, which is the same. They
/// are gauges, as in node_exporter, though the kernel counts upwards.
const COLUMNS: [(&str, &str); 8] = [
    ("found", "Number of searches that found a connection."),
    ("invalid", "Number of packets that can't be tracked."),
    ("ignore", "Number of packets that were tracked already."),
    ("insert", "Number of connections put into the table."),
    ("insert_failed", "Number of connections that could not be put into the table."),
    ("drop", "Number of packets dropped because tracking failed."),
    ("early_drop", "Number of connections dropped to make room for new ones."),
    ("search_restart", "Number of searches begun again because the table was resized."),
];

struct Conntrack {
    entries: KernelFile,
    limit: KernelFile,
    table: KernelFile,
}

impl Conntrack {
    fn new(settings: &Settings) -> Self {
        let file = |path| KernelFile::new(settings.root.proc(path));
        Self {
            entries: file("sys/net/netfilter/nf_conntrack_count"),
            limit: file("sys/net/netfilter/nf_conntrack_max"),
            table: file("net/stat/nf_conntrack"),
        }
    }
}

impl Collector for Conntrack {
    fn collect(&mut self, context: &mut Context, out: &mut Exposition) -> Result<(), CollectError> {
        for (file, family, help) in [
            (&mut self.entries, "node_nf_conntrack_entries", "Number of connections in the table."),
            (
                &mut self.limit,
                "node_nf_conntrack_entries_limit",
                "Number of connections that the table may have.",
            ),
        ] {
            let absent = || CollectError::NoData(ABSENT);
            let number = read_count(file, &mut context.buffer)?.ok_or_else(absent)?;
            out.single(family, help, Kind::Gauge, number as f64);
        }
        let text = read_or_absent(&mut self.table, &mut context.buffer, ABSENT)?;
        let sums = parse(text).map_err(|error| error.at(self.table.path()))?;
        for ((name, help), sum) in COLUMNS.iter().zip(sums) {
            if let Some(sum) = sum {
                out.family_parts(&["node_nf_conntrack_stat_", name], &[help], Kind::Gauge)
                    .sample(&[], sum as f64);
            }
        }
        Ok(())
    }
}

/// The sums over all CPUs in the order of [`COLUMNS`]; none of a column that the kernel does not have. The first
/// line names the columns; the other lines, one for each CPU, have a hexadecimal number in each.
fn parse(text: &[u8]) -> Result<[Option<u64>; COLUMNS.len()], ParseError> {
    let mut lines = lines(text);
    let heading = lines.next().map_or(&b""[..], |(_, line)| line);
    let place = |(name, _): (&str, &str)| fields(heading).position(|column| column == name.as_bytes());
    let places = COLUMNS.map(place);
    let mut sums = places.map(|place| place.map(|_| 0u64));
    for (number, line) in lines {
        for (sum, place) in sums.iter_mut().zip(places) {
            if let (Some(sum), Some(place)) = (sum, place) {
                let value = fields(line).nth(place).and_then(hexadecimal);
                let error = || ParseError::new(number, "a hexadecimal number in each column", line);
                *sum = sum.wrapping_add(value.ok_or_else(error)?);
            }
        }
    }
    Ok(sums)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn columns_go_by_their_names() {
        let text = b"entries drop new found\n00000001 0000000a 00000003 00000004\n00000001 00000001 00000000 ffffffff\n";
        let mut want = [None; COLUMNS.len()];
        (want[0], want[5]) = (Some(0x1_0000_0003), Some(11));
        assert_eq!(parse(text).unwrap(), want);
        assert_eq!(parse(b"").unwrap(), [None; COLUMNS.len()]);
        for bad in ["1\n", "1 x\n", "\n1 2\n"] {
            assert_eq!(parse(format!("entries found\n1 2\n{bad}").as_bytes()).unwrap_err().line, 3, "{bad}");
        }
    }

    #[test]
    fn survives_a_cut_file() {
        crate::collectors::at_every_cut("proc/net/stat/nf_conntrack", parse);
    }
}

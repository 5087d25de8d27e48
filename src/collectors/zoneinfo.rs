//! Zones of memory from `/proc/zoneinfo` (kernel: `Documentation/admin-guide/mm/concepts.rst` and `mm/vmstat.c`).
//!
//! A block begins with `Node 0, zone  DMA`. What is counted by node stands in the block of its first zone.

use super::{CollectError, Collector, Context, Settings, Spec, read};
use crate::exposition::{Exposition, Kind};
use crate::host::KernelFile;
use crate::host::parse::{ParseError, fields, lines, unsigned};

pub(super) const SPEC: Spec = Spec {
    name: "zoneinfo",
    default_on: false,
    help: "memory by use, node and zone (/proc/zoneinfo)",
    flags: &[],
    build: |settings| Ok(Box::new(ZoneInfo::new(settings))),
};

/// A key of the file, the family it becomes, its help and its kind.
type Row = (&'static str, &'static str, &'static str, Kind);

/// Other keys are passed over: kernels have far more of them.
const FAMILIES: &[Row] = &[
    ("nr_free_pages", "node_zoneinfo_nr_free_pages", "Free pages of the zone.", Kind::Gauge),
    (
        "min",
        "node_zoneinfo_min_pages",
        "Free pages below which only what the kernel needs is allocated.",
        Kind::Gauge,
    ),
    ("low", "node_zoneinfo_low_pages", "Free pages below which the kernel begins to reclaim.", Kind::Gauge),
    ("high", "node_zoneinfo_high_pages", "Free pages above which the kernel ends to reclaim.", Kind::Gauge),
    ("scanned", "node_zoneinfo_scanned_pages", "Pages scanned since the last reclaim.", Kind::Gauge),
    ("spanned", "node_zoneinfo_spanned_pages", "Pages between the zone's ends, holes included.", Kind::Gauge),
    ("present", "node_zoneinfo_present_pages", "Pages that there are between the zone's ends.", Kind::Gauge),
    ("managed", "node_zoneinfo_managed_pages", "Present pages that can be allocated.", Kind::Gauge),
    (
        "nr_active_anon",
        "node_zoneinfo_nr_active_anon_pages",
        "Anonymous pages that were used lately.",
        Kind::Gauge,
    ),
    (
        "nr_inactive_anon",
        "node_zoneinfo_nr_inactive_anon_pages",
        "Anonymous pages that were not used lately.",
        Kind::Gauge,
    ),
    (
        "nr_isolated_anon",
        "node_zoneinfo_nr_isolated_anon_pages",
        "Anonymous pages taken off their lists for a moment.",
        Kind::Gauge,
    ),
    ("nr_anon_pages", "node_zoneinfo_nr_anon_pages", "Mapped anonymous pages.", Kind::Gauge),
    (
        "nr_anon_transparent_hugepages",
        "node_zoneinfo_nr_anon_transparent_hugepages",
        "Transparent huge pages of anonymous memory.",
        Kind::Gauge,
    ),
    (
        "nr_active_file",
        "node_zoneinfo_nr_active_file_pages",
        "Pages of files that were used lately.",
        Kind::Gauge,
    ),
    (
        "nr_inactive_file",
        "node_zoneinfo_nr_inactive_file_pages",
        "Pages of files that were not used lately.",
        Kind::Gauge,
    ),
    (
        "nr_isolated_file",
        "node_zoneinfo_nr_isolated_file_pages",
        "Pages of files taken off their lists for a moment.",
        Kind::Gauge,
    ),
    ("nr_file_pages", "node_zoneinfo_nr_file_pages", "Pages of files.", Kind::Gauge),
    (
        "nr_slab_reclaimable",
        "node_zoneinfo_nr_slab_reclaimable_pages",
        "Pages of slabs that can be reclaimed.",
        Kind::Gauge,
    ),
    (
        "nr_slab_unreclaimable",
        "node_zoneinfo_nr_slab_unreclaimable_pages",
        "Pages of slabs that can't be reclaimed.",
        Kind::Gauge,
    ),
    (
        "nr_mlock_stack",
        "node_zoneinfo_nr_mlock_stack_pages",
        "Locked pages that were found and taken off their lists.",
        Kind::Gauge,
    ),
    (
        "nr_kernel_stack",
        "node_zoneinfo_nr_kernel_stacks",
        "Stacks of the kernel; newer kernels count KiB.",
        Kind::Gauge,
    ),
    ("nr_mapped", "node_zoneinfo_nr_mapped_pages", "Pages that processes have mapped.", Kind::Gauge),
    ("nr_dirty", "node_zoneinfo_nr_dirty_pages", "Pages that wait to be written.", Kind::Gauge),
    ("nr_writeback", "node_zoneinfo_nr_writeback_pages", "Pages that are being written.", Kind::Gauge),
    ("nr_unevictable", "node_zoneinfo_nr_unevictable_pages", "Pages that can't be reclaimed.", Kind::Gauge),
    ("nr_shmem", "node_zoneinfo_nr_shmem_pages", "Pages of shared memory and tmpfs.", Kind::Gauge),
    ("nr_dirtied", "node_zoneinfo_nr_dirtied_total", "Pages that were made dirty since boot.", Kind::Counter),
    ("nr_written", "node_zoneinfo_nr_written_total", "Pages that were written since boot.", Kind::Counter),
    ("numa_hit", "node_zoneinfo_numa_hit_total", "Allocations from the node that was wanted.", Kind::Counter),
    (
        "numa_miss",
        "node_zoneinfo_numa_miss_total",
        "Allocations that were wanted from another node.",
        Kind::Counter,
    ),
    (
        "numa_foreign",
        "node_zoneinfo_numa_foreign_total",
        "Allocations wanted from this node and made from another one.",
        Kind::Counter,
    ),
    (
        "numa_interleave",
        "node_zoneinfo_numa_interleave_total",
        "Interleaved allocations from the node that was wanted.",
        Kind::Counter,
    ),
    (
        "numa_local",
        "node_zoneinfo_numa_local_total",
        "Allocations by a process that ran on this node.",
        Kind::Counter,
    ),
    (
        "numa_other",
        "node_zoneinfo_numa_other_total",
        "Allocations by a process that ran on another node.",
        Kind::Counter,
    ),
];

struct ZoneInfo {
    file: KernelFile,
}

impl ZoneInfo {
    fn new(settings: &Settings) -> Self {
        Self { file: KernelFile::new(settings.root.proc("zoneinfo")) }
    }
}

impl Collector for ZoneInfo {
    fn collect(&mut self, context: &mut Context, out: &mut Exposition) -> Result<(), CollectError> {
        let text = read(&mut self.file, &mut context.buffer)?;
        let mut number = itoa::Buffer::new();
        let result = parse(text, |zone, entry, value| {
            let labels = [("node", zone.node), ("zone", zone.name)];
            let mut family = match entry {
                Entry::Row((_, family, help, kind)) => out.family(family, help, *kind),
                Entry::Protection(place) => {
                    let place = number.format(place);
                    let help = "Pages kept from allocations that could use the zone with this number.";
                    out.family_parts(&["node_zoneinfo_protection_", place], &[help], Kind::Gauge)
                }
            };
            family.sample(&labels, value as f64);
        });
        Ok(result.map_err(|error| error.at(self.file.path()))?)
    }
}

#[derive(Clone, Copy, Debug, Default, PartialEq)]
struct Zone<'t> {
    node: &'t [u8],
    name: &'t [u8],
}

/// What a value is.
#[derive(Debug)]
enum Entry {
    Row(&'static Row),
    /// The place in the line `protection: (0, 3019, 24090)`.
    Protection(usize),
}

/// Hands each value to `each`, with its zone.
fn parse<'t>(text: &'t [u8], mut each: impl FnMut(Zone<'t>, Entry, u64)) -> Result<(), ParseError> {
    let mut zone = None;
    for (number, line) in lines(text) {
        if line.starts_with(b"Node ") {
            zone = Some(
                parse_zone(line).ok_or_else(|| ParseError::new(number, "Node 0, zone and a name", line))?,
            );
            continue;
        }
        let mut columns = fields(line);
        let Some(key) = columns.next() else { continue };
        let error = || ParseError::new(number, "a key and counts, below a zone", line);
        if key == b"protection:" {
            for (place, column) in columns.enumerate() {
                let digits = column.strip_prefix(b"(").unwrap_or(column);
                let digits = digits.strip_suffix(b")").or(digits.strip_suffix(b",")).unwrap_or(digits);
                let value = unsigned(digits).ok_or_else(error)?;
                each(zone.ok_or_else(error)?, Entry::Protection(place), value);
            }
        } else if let Some(row) = FAMILIES.iter().find(|(name, ..)| name.as_bytes() == key) {
            let value = columns.next().and_then(unsigned).ok_or_else(error)?;
            each(zone.ok_or_else(error)?, Entry::Row(row), value);
        }
    }
    Ok(())
}

fn parse_zone(line: &[u8]) -> Option<Zone<'_>> {
    let mut columns = fields(line).skip(1);
    let node = columns.next()?.strip_suffix(b",")?;
    let name = columns.nth(1)?;
    Some(Zone { node, name })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn all(text: &str) -> Result<Vec<String>, ParseError> {
        let mut found = Vec::new();
        parse(text.as_bytes(), |zone, entry, value| {
            let what = match entry {
                Entry::Row(row) => row.1.trim_start_matches("node_zoneinfo_").to_owned(),
                Entry::Protection(place) => place.to_string(),
            };
            let text = |bytes| std::str::from_utf8(bytes).unwrap();
            found.push(format!("{} {} {what} {value}", text(zone.node), text(zone.name)));
        })?;
        Ok(found)
    }

    #[test]
    fn blocks_of_zones() {
        let text = "Node 0, zone      DMA\n  per-node stats\n      nr_dirty 3\n  pages free     3840\n        \
                    high     16\n        protection: (0, 30)\n  pagesets\n    cpu: 0\n              high:  5\n\
                    Node 1, zone   Normal\n        min      7\n";
        let want = [
            "0 DMA nr_dirty_pages 3",
            "0 DMA high_pages 16",
            "0 DMA 0 0",
            "0 DMA 1 30",
            "1 Normal min_pages 7",
        ];
        assert_eq!(all(text).unwrap(), want);
        for bad in ["min 1\n", "Node 0\n", "Node 0, zone A\nmin x\n", "Node 0, zone A\nprotection: (1, x)\n"]
        {
            assert!(all(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn survives_a_cut_file() {
        crate::collectors::at_every_cut("proc/zoneinfo", |text| parse(text, |_, _, _| ()));
    }
}

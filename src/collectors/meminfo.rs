//! Memory from `/proc/meminfo` (kernel: `Documentation/filesystems/proc.rst`, section "meminfo").
//!
//! Only the keys of [`FIELDS`] are given. Kernels add keys with almost every release; one that is not in the
//! table yet is passed over.

use super::{CollectError, Collector, Context, Spec};
use crate::exposition::{Exposition, Kind};
use crate::host::parse::{ParseError, fields, lines, unsigned};

pub(super) const SPEC: Spec = Spec {
    name: "meminfo",
    default_on: true,
    help: "memory by use (/proc/meminfo)",
    flags: &[],
    build: |_| Ok(Box::new(MemInfo)),
};

struct Field {
    key: &'static str,
    family: &'static str,
    help: &'static str,
    unit: Unit,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Unit {
    /// The file gives `kB`, which here means 1024 bytes.
    Kibibytes,
    /// A number of huge pages.
    Pages,
}

macro_rules! kibibytes {
    ($key:literal) => {
        kibibytes!($key, $key)
    };
    ($key:literal, $name:literal) => {
        Field {
            key: $key,
            family: concat!("node_memory_", $name, "_bytes"),
            help: concat!("Memory information field ", $name, "_bytes."),
            unit: Unit::Kibibytes,
        }
    };
}

macro_rules! pages {
    ($key:literal) => {
        Field {
            key: $key,
            family: concat!("node_memory_", $key),
            help: concat!("Memory information field ", $key, "."),
            unit: Unit::Pages,
        }
    };
}

/// The keys in the order of the file, which is what makes [`field`] quick.
const FIELDS: &[Field] = &[
    kibibytes!("MemTotal"),
    kibibytes!("MemFree"),
    kibibytes!("MemAvailable"),
    kibibytes!("Buffers"),
    kibibytes!("Cached"),
    kibibytes!("SwapCached"),
    kibibytes!("Active"),
    kibibytes!("Inactive"),
    kibibytes!("Active(anon)", "Active_anon"),
    kibibytes!("Inactive(anon)", "Inactive_anon"),
    kibibytes!("Active(file)", "Active_file"),
    kibibytes!("Inactive(file)", "Inactive_file"),
    kibibytes!("Unevictable"),
    kibibytes!("Mlocked"),
    kibibytes!("SwapTotal"),
    kibibytes!("SwapFree"),
    kibibytes!("Zswap"),
    kibibytes!("Zswapped"),
    kibibytes!("Dirty"),
    kibibytes!("Writeback"),
    kibibytes!("AnonPages"),
    kibibytes!("Mapped"),
    kibibytes!("Shmem"),
    kibibytes!("Slab"),
    kibibytes!("SReclaimable"),
    kibibytes!("SUnreclaim"),
    kibibytes!("KernelStack"),
    kibibytes!("PageTables"),
    kibibytes!("NFS_Unstable"),
    kibibytes!("Bounce"),
    kibibytes!("WritebackTmp"),
    kibibytes!("CommitLimit"),
    kibibytes!("Committed_AS"),
    kibibytes!("VmallocTotal"),
    kibibytes!("VmallocUsed"),
    kibibytes!("VmallocChunk"),
    kibibytes!("Percpu"),
    kibibytes!("HardwareCorrupted"),
    kibibytes!("AnonHugePages"),
    kibibytes!("ShmemHugePages"),
    kibibytes!("ShmemPmdMapped"),
    kibibytes!("CmaTotal"),
    kibibytes!("CmaFree"),
    pages!("HugePages_Total"),
    pages!("HugePages_Free"),
    pages!("HugePages_Rsvd"),
    pages!("HugePages_Surp"),
    kibibytes!("Hugepagesize"),
    kibibytes!("DirectMap4k"),
    kibibytes!("DirectMap2M"),
    kibibytes!("DirectMap1G"),
];

struct MemInfo;

impl Collector for MemInfo {
    fn collect(&mut self, context: &mut Context, out: &mut Exposition) -> Result<(), CollectError> {
        let (path, text) = context.proc_meminfo()?;
        let values = parse(text).map_err(|error| error.at(path))?;
        for (field, value) in FIELDS.iter().zip(values) {
            if let Some(value) = value {
                out.single(field.family, field.help, Kind::Gauge, value);
            }
        }
        Ok(())
    }
}

/// The values of [`FIELDS`], in bytes or pages, where the file has them.
fn parse(text: &[u8]) -> Result<[Option<f64>; FIELDS.len()], ParseError> {
    let mut values = [None; FIELDS.len()];
    let mut next = 0;
    for (number, line) in lines(text) {
        let mut columns = fields(line);
        let Some(key) = columns.next().and_then(|key| key.strip_suffix(b":")) else { continue };
        let Some(index) = field(key, next) else { continue };
        next = index + 1;
        let value = columns.next().and_then(unsigned);
        let unit = columns.next();
        values[index] = Some(match (FIELDS[index].unit, value, unit) {
            // Multiplied as floats: VmallocTotal comes near enough to 2^64 for an overflow.
            (Unit::Kibibytes, Some(kibibytes), Some(b"kB")) => kibibytes as f64 * 1024.0,
            (Unit::Kibibytes, ..) => return Err(ParseError::new(number, "a number and kB", line)),
            (Unit::Pages, Some(pages), None) => pages as f64,
            (Unit::Pages, ..) => return Err(ParseError::new(number, "a number of pages", line)),
        });
    }
    if values.iter().all(Option::is_none) {
        return Err(ParseError::new(1, "lines such as MemTotal: 4096 kB", text));
    }
    Ok(values)
}

/// The place of `key` in [`FIELDS`], looked for from `start` on and then before it.
fn field(key: &[u8], start: usize) -> Option<usize> {
    let matches = |index: &usize| FIELDS[*index].key.as_bytes() == key;
    (start..FIELDS.len()).find(matches).or_else(|| (0..start).find(matches))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn value(text: &[u8], key: &str) -> Option<f64> {
        parse(text).unwrap()[field(key.as_bytes(), 0).unwrap()]
    }

    #[test]
    fn bytes_and_pages_in_any_order() {
        let text = b"HugePages_Total:       3\nNewKey: ?\nActive(anon):       2 kB\nMemTotal: 4 kB\n\nodd\n";
        assert_eq!(value(text, "HugePages_Total"), Some(3.0));
        assert_eq!(value(text, "Active(anon)"), Some(2048.0));
        assert_eq!(value(text, "MemTotal"), Some(4096.0));
        assert_eq!(value(text, "MemFree"), None);
    }

    #[test]
    fn a_wrong_unit_or_number_is_an_error() {
        assert!(parse(b"").is_err() && parse(b"NewKey: 1 kB\n").is_err());
        for bad in
            ["MemTotal: 4\n", "MemTotal: 4 MB\n", "MemTotal: -4 kB\n", "HugePages_Free: 4 kB\n", "Dirty:\n"]
        {
            let error = parse(format!("Cached: 1 kB\n{bad}").as_bytes()).unwrap_err();
            assert_eq!(error.line, 2, "{bad}");
        }
    }

    #[test]
    fn survives_a_cut_file() {
        crate::collectors::at_every_cut("proc/meminfo", parse);
    }
}

//! The kernel's caches of small objects, from `/proc/slabinfo` (slabinfo(5)), which only root may read.

use super::{CollectError, Collector, Context, Filter, Flag, FlagKind, Settings, Spec, read};
use crate::exposition::{Exposition, Kind};
use crate::host::KernelFile;
use crate::host::parse::{ParseError, fields, lines, unsigned};

const INCLUDE: Flag =
    Flag::new("slabinfo.slabs-include", FlagKind::Pattern(".*"), "Regular expression of the caches to give.");
const EXCLUDE: Flag = Flag::new(
    "slabinfo.slabs-exclude",
    FlagKind::Pattern(""),
    "Regular expression of the caches to leave out.",
);

pub(super) const SPEC: Spec = Spec {
    name: "slabinfo",
    default_on: false,
    help: "objects in the kernel's slab caches (/proc/slabinfo, needs root)",
    flags: &[INCLUDE, EXCLUDE],
    build: |settings| Ok(Box::new(SlabInfo::new(settings))),
};

/// What becomes of the counts behind a cache's name, in their order.
const FAMILIES: [(&str, &str); 5] = [
    ("node_slabinfo_active_objects", "Number of objects in use."),
    ("node_slabinfo_objects", "Number of objects, in use or not."),
    ("node_slabinfo_object_size_bytes", "Size of one object."),
    ("node_slabinfo_objects_per_slab", "Number of objects in one slab."),
    ("node_slabinfo_pages_per_slab", "Number of pages of one slab."),
];

struct SlabInfo {
    file: KernelFile,
    filter: Filter,
}

impl SlabInfo {
    fn new(settings: &Settings) -> Self {
        Self {
            file: KernelFile::new(settings.root.proc("slabinfo")),
            filter: settings.both(&INCLUDE, &EXCLUDE),
        }
    }
}

impl Collector for SlabInfo {
    fn collect(&mut self, context: &mut Context, out: &mut Exposition) -> Result<(), CollectError> {
        let text = read(&mut self.file, &mut context.buffer)?;
        let (mut caches, mut first_error) = (Vec::new(), None);
        for cache in parse(text, |name| self.filter.keeps(name)) {
            match cache {
                Ok(cache) => caches.push(cache),
                Err(error) => first_error = first_error.or(Some(error)),
            }
        }
        for (place, (name, help)) in FAMILIES.iter().enumerate() {
            let mut family = out.family(name, help, Kind::Gauge);
            for cache in &caches {
                family.sample(&[("slab", cache.name)], cache.counts[place] as f64);
            }
        }
        first_error.map_or(Ok(()), |error| Err(error.at(self.file.path()).into()))
    }
}

#[derive(Debug, PartialEq)]
struct Cache<'t> {
    name: &'t [u8],
    counts: [u64; FAMILIES.len()],
}

/// The caches that `keeps` says yes to, of a file of version 2: two lines of heading, then a name and counts.
fn parse(
    text: &[u8],
    mut keeps: impl FnMut(&[u8]) -> bool,
) -> impl Iterator<Item = Result<Cache<'_>, ParseError>> {
    let is_heading = |line: &[u8]| line.starts_with(b"#") || line.starts_with(b"slabinfo - version");
    lines(text).filter(move |(_, line)| !is_heading(line)).filter_map(move |(number, line)| {
        let mut columns = fields(line);
        let name = columns.next().filter(|name| keeps(name))?;
        let mut counts = [0; FAMILIES.len()];
        for count in &mut counts {
            let Some(found) = columns.next().and_then(unsigned) else {
                return Some(Err(ParseError::new(number, "a name and five counts", line)));
            };
            *count = found;
        }
        Some(Ok(Cache { name, counts }))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn all(text: &[u8]) -> Result<Vec<Cache<'_>>, ParseError> {
        parse(text, |name| name != b"left_out").collect()
    }

    #[test]
    fn caches_that_are_kept() {
        let text = b"slabinfo - version: 2.1\n# name  <active_objs>\nleft_out x\n\
                     :A-0000192  2 21 192 21 1 : tunables 0 0 0 : slabdata 1 1 0\n";
        assert_eq!(all(text).unwrap(), [Cache { name: b":A-0000192", counts: [2, 21, 192, 21, 1] }]);
        for bad in ["dentry 1 2 3 4", "dentry 1 2 3 4 :", "dentry 1 2 3 4 -5"] {
            assert_eq!(all(format!("# name\n{bad}\n").as_bytes()).unwrap_err().line, 2, "{bad}");
        }
    }

    #[test]
    fn survives_a_cut_file() {
        crate::collectors::at_every_cut("proc/slabinfo", |text| all(text).map(|all| all.len()));
    }
}

//! Counters of the virtual memory system from `/proc/vmstat` (kernel: names in `mm/vmstat.c`). Which keys there
//! are depends on the kernel and its configuration; a pattern decides which become families.

use super::{CollectError, Collector, Context, Filter, Flag, FlagKind, Settings, Spec, is_name_part, read};
use crate::exposition::{Exposition, Kind};
use crate::host::KernelFile;
use crate::host::parse::{ParseError, fields, lines, unsigned};

const FIELDS: Flag = Flag::new(
    "vmstat.fields",
    FlagKind::Pattern("^(oom_kill|pgpg|pswp|pg.*fault).*"),
    "Regular expression of the keys of /proc/vmstat to give.",
);

pub(super) const SPEC: Spec = Spec {
    name: "vmstat",
    default_on: true,
    help: "paging, swapping and page faults (/proc/vmstat)",
    flags: &[FIELDS],
    build: |settings| Ok(Box::new(VmStat::new(settings))),
};

struct VmStat {
    file: KernelFile,
    filter: Filter,
}

impl VmStat {
    fn new(settings: &Settings) -> Self {
        Self {
            file: KernelFile::new(settings.root.proc("vmstat")),
            filter: Filter::new(settings.pattern(&FIELDS), None),
        }
    }
}

impl Collector for VmStat {
    fn collect(&mut self, context: &mut Context, out: &mut Exposition) -> Result<(), CollectError> {
        let text = read(&mut self.file, &mut context.buffer)?;
        for entry in parse(text, |key| self.filter.keeps(key)) {
            let (key, value) = entry.map_err(|error| error.at(self.file.path()))?;
            let help = ["/proc/vmstat information field ", key, "."];
            out.family_parts(&["node_vmstat_", key], &help, Kind::Untyped).sample(&[], value as f64);
        }
        Ok(())
    }
}

/// The keys that `keeps` says yes to, with their values. A key that can't be part of a metric's name is passed
/// over.
fn parse(
    text: &[u8],
    mut keeps: impl FnMut(&[u8]) -> bool,
) -> impl Iterator<Item = Result<(&str, u64), ParseError>> {
    lines(text).filter_map(move |(number, line)| {
        let mut columns = fields(line);
        let key = columns.next().filter(|key| keeps(key))?;
        let name = std::str::from_utf8(key).ok().filter(|_| is_name_part(key))?;
        let value = columns.next().and_then(unsigned);
        Some(
            value
                .map(|value| (name, value))
                .ok_or_else(|| ParseError::new(number, "a key and a count", line)),
        )
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn all(text: &[u8]) -> Result<Vec<(&str, u64)>, ParseError> {
        parse(text, |key| key != b"left_out").collect()
    }

    #[test]
    fn keys_that_are_kept() {
        let text = b"oom_kill 0\nleft_out x\n\nodd-key 1\nodd\xff 2\npgpgin 18446744073709551615\n";
        assert_eq!(all(text).unwrap(), [("oom_kill", 0), ("pgpgin", u64::MAX)]);
        for bad in ["pgpgin\n", "pgpgin x\n", "pgpgin -1\n"] {
            assert_eq!(all(format!("oom_kill 1\n{bad}").as_bytes()).unwrap_err().line, 2, "{bad}");
        }
    }

    #[test]
    fn survives_a_cut_file() {
        crate::collectors::at_every_cut("proc/vmstat", |text| all(text).map(|all| all.len()));
    }
}

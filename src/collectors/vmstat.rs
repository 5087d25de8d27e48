//! Counters of the virtual memory system from `/proc/vmstat` (kernel: names in `mm/vmstat.c`). Which keys there
//! are depends on the kernel and its configuration; a pattern decides which become families.

use super::{
    CollectError, Collector, Context, Filter, Flag, FlagKind, Settings, Spec, key_counts, name_part, read,
};
use crate::exposition::{Exposition, Kind};
use crate::host::KernelFile;

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
        // Keys that can't be part of a metric's name are passed over.
        for entry in key_counts(text, |key| if self.filter.keeps(key) { name_part(key) } else { None }) {
            let (key, value) = entry.map_err(|error| error.at(self.file.path()))?;
            let help = ["/proc/vmstat information field ", key, "."];
            out.family_parts(&["node_vmstat_", key], &help, Kind::Untyped).sample(&[], value as f64);
        }
        Ok(())
    }
}

//! Softirqs by kind and CPU from `/proc/softirqs` (kernel: `Documentation/filesystems/proc.rst`, section 1.2).

use super::{CollectError, Collector, Context, Settings, Spec, per_cpu_lines, read};
use crate::exposition::{Exposition, Kind};
use crate::host::KernelFile;

pub(super) const SPEC: Spec = Spec {
    name: "softirqs",
    default_on: false,
    help: "softirqs by kind and CPU (/proc/softirqs)",
    flags: &[],
    build: |settings| Ok(Box::new(Softirqs::new(settings))),
};

struct Softirqs {
    file: KernelFile,
}

impl Softirqs {
    fn new(settings: &Settings) -> Self {
        Self { file: KernelFile::new(settings.root.proc("softirqs")) }
    }
}

impl Collector for Softirqs {
    fn collect(&mut self, context: &mut Context, out: &mut Exposition) -> Result<(), CollectError> {
        let text = read(&mut self.file, &mut context.buffer)?;
        let mut family =
            out.family("node_softirqs_functions_total", "Number of softirqs on each CPU.", Kind::Counter);
        for line in per_cpu_lines(text).map_err(|error| error.at(self.file.path()))? {
            for entry in line.counts() {
                let (cpu, count) = entry.map_err(|error| error.at(self.file.path()))?;
                family.sample(&[("cpu", cpu), ("type", line.name)], count as f64);
            }
        }
        Ok(())
    }
}

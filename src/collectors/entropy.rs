//! The state of the kernel's random number generator from `/proc/sys/kernel/random` (kernel:
//! `Documentation/admin-guide/sysctl/kernel.rst`, section "random"). Since kernel 5.18 both numbers stay the same
//! once the generator has been seeded.

use super::{CollectError, Collector, Context, Settings, Spec, read_count};
use crate::exposition::{Exposition, Kind};
use crate::host::KernelFile;

pub(super) const SPEC: Spec = Spec {
    name: "entropy",
    default_on: true,
    help: "entropy of the random number generator (/proc/sys/kernel/random)",
    flags: &[],
    build: |settings| Ok(Box::new(Entropy::new(settings))),
};

struct Entropy {
    available: KernelFile,
    pool_size: KernelFile,
}

impl Entropy {
    fn new(settings: &Settings) -> Self {
        let folder = settings.root.proc("sys/kernel/random");
        Self {
            available: KernelFile::new(folder.join("entropy_avail")),
            pool_size: KernelFile::new(folder.join("poolsize")),
        }
    }
}

impl Collector for Entropy {
    fn collect(&mut self, context: &mut Context, out: &mut Exposition) -> Result<(), CollectError> {
        const ABSENT: CollectError = CollectError::NoData("no /proc/sys/kernel/random");
        let available = read_count(&mut self.available, &mut context.buffer)?.ok_or(ABSENT)?;
        let help = "Entropy that the random number generator has.";
        out.single("node_entropy_available_bits", help, Kind::Gauge, available as f64);
        let size = read_count(&mut self.pool_size, &mut context.buffer)?.ok_or(ABSENT)?;
        out.single("node_entropy_pool_size_bits", "Entropy that it can have.", Kind::Gauge, size as f64);
        Ok(())
    }
}

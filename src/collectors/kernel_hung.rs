//! How many tasks the kernel has found to hang, from `/proc/sys/kernel/hung_task_detect_count` (kernel:
//! `Documentation/admin-guide/sysctl/kernel.rst`, section "hung_task_detect_count").

use super::{CollectError, Collector, Context, Settings, Spec, read_count};
use crate::exposition::{Exposition, Kind};
use crate::host::KernelFile;

pub(super) const SPEC: Spec = Spec {
    name: "kernel_hung",
    default_on: true,
    help: "tasks found to hang (/proc/sys/kernel/hung_task_detect_count, kernel 6.13 or newer)",
    flags: &[],
    build: |settings| Ok(Box::new(KernelHung::new(settings))),
};

struct KernelHung {
    file: KernelFile,
}

impl KernelHung {
    fn new(settings: &Settings) -> Self {
        Self { file: KernelFile::new(settings.root.proc("sys/kernel/hung_task_detect_count")) }
    }
}

impl Collector for KernelHung {
    fn collect(&mut self, context: &mut Context, out: &mut Exposition) -> Result<(), CollectError> {
        let absent =
            CollectError::NoData("no hung_task_detect_count: needs kernel 6.13 with CONFIG_DETECT_HUNG_TASK");
        let tasks = read_count(&mut self.file, &mut context.buffer)?.ok_or(absent)?;
        let help = "Number of tasks found to hang since boot.";
        out.single("node_kernel_hung_tasks_total", help, Kind::Counter, tasks as f64);
        Ok(())
    }
}

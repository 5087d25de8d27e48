//! `/sys/devices/system/cpu` (kernel: `Documentation/ABI/testing/sysfs-devices-system-cpu`).
//!
//! Which CPUs are online is read from the two lists for the whole machine, `present` and `online`, in place of
//! one file for each CPU: the kernel answers both from the same set.

use std::path::PathBuf;

use crate::collectors::{CollectError, Settings};
use crate::exposition::{Exposition, Kind};
use crate::host::parse::unsigned;
use crate::host::{CpuList, KernelFile, read_small};

pub(super) struct SysCpu {
    folder: PathBuf,
    /// Fixed by the kernel's command line, so read once.
    isolated: Option<CpuList>,
    /// The lists `present` and `online`, where CPUs can be switched off.
    hotplug: Option<[KernelFile; 2]>,
    throttled_cores: Vec<Throttle>,
    throttled_packages: Vec<Throttle>,
}

/// The count of one core, or of one package.
struct Throttle {
    package: u64,
    core: u64,
    count: KernelFile,
}

impl SysCpu {
    pub(super) fn new(settings: &Settings) -> Self {
        let folder = settings.root.sys("devices/system/cpu");
        // As node_exporter does, the first CPU speaks for all. On most x86 machines it can't be switched off.
        let hotplug = folder
            .join("cpu0/online")
            .exists()
            .then(|| ["present", "online"].map(|name| KernelFile::new(folder.join(name))));
        Self { folder, isolated: None, hotplug, throttled_cores: Vec::new(), throttled_packages: Vec::new() }
    }

    /// Finds the files with throttle counts. To be called when other CPUs have come online: a CPU that goes
    /// offline takes its files along. Siblings share their core's count and cores their package's; the first CPU
    /// that has it is asked.
    pub(super) fn find_throttles(&mut self, online: impl Iterator<Item = u32>, buffer: &mut Vec<u8>) {
        self.throttled_cores.clear();
        self.throttled_packages.clear();
        for cpu in online {
            let folder = self.folder.join(format!("cpu{cpu}"));
            let mut id = |name| read_small(&folder.join(name), buffer).ok().and_then(unsigned);
            let Some(package) = id("topology/physical_package_id") else { continue };
            let Some(core) = id("topology/core_id") else { continue };
            let file = |name| KernelFile::if_exists(folder.join(name));
            if !self.throttled_cores.iter().any(|other| (other.package, other.core) == (package, core))
                && let Some(count) = file("thermal_throttle/core_throttle_count")
            {
                self.throttled_cores.push(Throttle { package, core, count });
            }
            if !self.throttled_packages.iter().any(|other| other.package == package)
                && let Some(count) = file("thermal_throttle/package_throttle_count")
            {
                self.throttled_packages.push(Throttle { package, core, count });
            }
        }
    }

    pub(super) fn collect(&mut self, buffer: &mut Vec<u8>, out: &mut Exposition) -> Result<(), CollectError> {
        self.write_throttles(buffer, out);
        self.write_isolated(buffer, out)?;
        self.write_online(buffer, out)
    }

    fn write_throttles(&mut self, buffer: &mut Vec<u8>, out: &mut Exposition) {
        let mut family = out.family(
            "node_cpu_core_throttles_total",
            "Number of times this CPU core has been throttled.",
            Kind::Counter,
        );
        for throttle in &mut self.throttled_cores {
            let (mut core, mut package) = (itoa::Buffer::new(), itoa::Buffer::new());
            if let Some(count) = throttle.read(buffer) {
                let core = core.format(throttle.core).as_bytes();
                let package = package.format(throttle.package).as_bytes();
                family.sample(&[("core", core), ("package", package)], count as f64);
            }
        }
        let mut family = out.family(
            "node_cpu_package_throttles_total",
            "Number of times this CPU package has been throttled.",
            Kind::Counter,
        );
        for throttle in &mut self.throttled_packages {
            let mut package = itoa::Buffer::new();
            if let Some(count) = throttle.read(buffer) {
                family.sample(&[("package", package.format(throttle.package).as_bytes())], count as f64);
            }
        }
    }

    fn write_isolated(&mut self, buffer: &mut Vec<u8>, out: &mut Exposition) -> Result<(), CollectError> {
        if self.isolated.is_none() {
            let list = read_list(&mut KernelFile::new(self.folder.join("isolated")), buffer)?;
            self.isolated = Some(list.unwrap_or_default());
        }
        let mut family =
            out.family("node_cpu_isolated", "Whether each CPU is isolated from the scheduler.", Kind::Gauge);
        for cpu in self.isolated.iter().flat_map(CpuList::iter) {
            family.sample(&[("cpu", itoa::Buffer::new().format(cpu).as_bytes())], 1.0);
        }
        Ok(())
    }

    fn write_online(&mut self, buffer: &mut Vec<u8>, out: &mut Exposition) -> Result<(), CollectError> {
        let Some([present, online]) = &mut self.hotplug else { return Ok(()) };
        let (Some(present), Some(online)) = (read_list(present, buffer)?, read_list(online, buffer)?) else {
            return Ok(());
        };
        let mut family =
            out.family("node_cpu_online", "CPUs that are online and being scheduled.", Kind::Gauge);
        for cpu in present.iter() {
            let value = f64::from(online.contains(cpu));
            family.sample(&[("cpu", itoa::Buffer::new().format(cpu).as_bytes())], value);
        }
        Ok(())
    }
}

impl Throttle {
    /// The count, unless the CPU has gone offline just now.
    fn read(&mut self, buffer: &mut Vec<u8>) -> Option<u64> {
        self.count.read(buffer).ok().and_then(|text| unsigned(text.trim_ascii()))
    }
}

/// Reads a list, if it exists.
fn read_list(file: &mut KernelFile, buffer: &mut Vec<u8>) -> Result<Option<CpuList>, CollectError> {
    match file.read(buffer) {
        Ok(text) => Ok(Some(CpuList::parse(text).map_err(|error| error.at(file.path()))?)),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(CollectError::read(file.path(), error)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn without_the_list_of_online_cpus_none_is_called_offline() {
        let folder = tempfile::tempdir().unwrap();
        let mut settings = Settings::default();
        settings.root.sys = folder.path().to_owned();
        let cpus = settings.root.sys("devices/system/cpu");
        std::fs::create_dir_all(cpus.join("cpu0")).unwrap();
        std::fs::write(cpus.join("cpu0/online"), "1\n").unwrap();
        std::fs::write(cpus.join("present"), "0-1\n").unwrap();
        let mut sys = SysCpu::new(&settings);
        let mut has_samples = || {
            let mut out = Exposition::new();
            sys.collect(&mut Vec::new(), &mut out).unwrap();
            out.contains("node_cpu_online")
        };
        assert!(!has_samples());
        std::fs::write(cpus.join("online"), "0\n").unwrap();
        assert!(has_samples());
    }
}

//! Frequencies and governors of the CPUs from `/sys/devices/system/cpu/cpu*/cpufreq` (kernel:
//! `Documentation/admin-guide/pm/cpufreq.rst`).
//!
//! CPUs that are offline keep their directories, so the list `online` says which to read. Directories are looked
//! at anew only when that list or the frequency policies of the machine have changed.

use std::fs::File;
use std::path::PathBuf;
use std::time::{Duration, Instant};

use super::{
    Attribute, AttributeTable, CollectError, Collector, Context, Settings, Spec, cpu, none_if_absent,
    read_or_absent,
};
use crate::exposition::{Exposition, Kind};
use crate::host::parse::{fields, unsigned};
use crate::host::{CpuList, Folder, KernelFile, read_small};

pub(super) const SPEC: Spec = Spec {
    name: "cpufreq",
    default_on: true,
    help: "frequencies and governors of the CPUs (/sys/devices/system/cpu/cpu*/cpufreq)",
    flags: &[],
    build: |settings| Ok(Box::new(CpuFreq::new(settings))),
};

const fn frequency(file: &'static str, family: &'static str, help: &'static str) -> Attribute {
    let value = |text: &[u8]| Some(unsigned(text)? as f64 * 1000.0);
    Attribute { file, family, help, kind: Kind::Gauge, value }
}

/// The present frequency comes first, since the cpu collector can give it too.
const FREQUENCIES: &[Attribute] = &[
    frequency("cpuinfo_cur_freq", "node_cpu_frequency_hertz", "Present frequency, as the hardware gives it."),
    frequency("cpuinfo_avg_freq", "node_cpu_frequency_avg_hertz", "Mean frequency of the time just past."),
    frequency("cpuinfo_max_freq", "node_cpu_frequency_max_hertz", "Highest frequency that the CPU can have."),
    frequency("cpuinfo_min_freq", "node_cpu_frequency_min_hertz", "Lowest frequency that the CPU can have."),
    frequency(
        "scaling_cur_freq",
        "node_cpu_scaling_frequency_hertz",
        "Present frequency, as the kernel has set or measured it.",
    ),
    frequency(
        "scaling_max_freq",
        "node_cpu_scaling_frequency_max_hertz",
        "Highest frequency that the kernel allows.",
    ),
    frequency(
        "scaling_min_freq",
        "node_cpu_scaling_frequency_min_hertz",
        "Lowest frequency that the kernel allows.",
    ),
];

/// A CPU whose frequencies take this long to read is one that the kernel sleeps for.
const SLEEP: Duration = Duration::from_millis(5);

struct CpuFreq {
    folder: PathBuf,
    policies: Folder,
    online: KernelFile,
    /// What `online` had when the CPUs were found.
    online_text: Vec<u8>,
    frequencies: AttributeTable,
    governors: Vec<Governor>,
    cpuinfo: PathBuf,
    /// The kernel slept for the CPUs in the last scrape.
    sleeps: bool,
}

/// Who decides on the frequency of one CPU.
struct Governor {
    cpu: Box<[u8]>,
    present: KernelFile,
    available: Vec<Box<[u8]>>,
}

impl CpuFreq {
    fn new(settings: &Settings) -> Self {
        let folder = settings.root.sys("devices/system/cpu");
        let attributes = match FREQUENCIES {
            [_, others @ ..] if cpu::gives_frequencies(settings) => others,
            all => all,
        };
        Self {
            policies: Folder::new(folder.join("cpufreq")),
            online: KernelFile::new(folder.join("online")),
            online_text: Vec::new(),
            frequencies: AttributeTable::new(attributes, &["cpu"]),
            governors: Vec::new(),
            cpuinfo: settings.root.proc("cpuinfo"),
            sleeps: false,
            folder,
        }
    }

    fn find(&mut self, online: &CpuList, buffer: &mut Vec<u8>) {
        self.frequencies.clear();
        self.governors.clear();
        for number in online.iter() {
            let folder = self.folder.join(format!("cpu{number}/cpufreq"));
            if !folder.exists() {
                continue;
            }
            let number = number.to_string();
            self.frequencies.add(&folder, &[number.as_bytes()]);
            if let Ok(names) = read_small(&folder.join("scaling_available_governors"), buffer) {
                let mut available: Vec<Box<[u8]>> = fields(names).map(Into::into).collect();
                available.sort_unstable();
                let present = KernelFile::new(folder.join("scaling_governor"));
                self.governors.push(Governor { cpu: number.as_bytes().into(), present, available });
            }
        }
        self.governors.sort_unstable_by(|a, b| a.cpu.cmp(&b.cpu));
    }

    fn write_governors(&mut self, buffer: &mut Vec<u8>, out: &mut Exposition) {
        let help = "Governors that the CPU can have, and 1 for the one that it has.";
        let mut family = out.family("node_cpu_scaling_governor", help, Kind::Gauge);
        for governor in &mut self.governors {
            let Ok(present) = governor.present.value(buffer) else { continue };
            for name in &governor.available {
                let labels = [("cpu", &*governor.cpu), ("governor", name)];
                family.sample(&labels, f64::from(**name == *present));
            }
        }
    }
}

impl Collector for CpuFreq {
    fn collect(&mut self, context: &mut Context, out: &mut Exposition) -> Result<(), CollectError> {
        let listed = self.policies.list(&mut context.buffer);
        let mut changed = none_if_absent(listed, self.policies.path())?;
        let absent = "the kernel does not say which CPUs are online";
        let text = read_or_absent(&mut self.online, &mut context.buffer, absent)?;
        changed |= text != self.online_text;
        if changed {
            let online = CpuList::parse(text).map_err(|error| error.at(self.online.path()))?;
            self.online_text = text.to_owned();
            self.find(&online, &mut context.buffer);
        }
        // On x86 before Linux 5.19 each reading of a CPU that was not asked for a second makes the kernel sleep for
        // 10 ms. To open /proc/cpuinfo makes it measure all CPUs at once, with one such sleep.
        let prepared = self.sleeps.then(|| File::open(&self.cpuinfo));
        let start = Instant::now();
        let result = self.frequencies.write(&mut context.buffer, out);
        let cpus = u32::try_from(self.governors.len()).unwrap_or(u32::MAX);
        self.sleeps = prepared.is_some() || (cpus > 0 && start.elapsed() >= SLEEP.saturating_mul(cpus));
        self.write_governors(&mut context.buffer, out);
        result
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::exposition::Format;

    #[test]
    fn cpus_and_drivers_come_and_go() {
        let folder = tempfile::tempdir().unwrap();
        let mut settings = Settings::default();
        settings.root.sys = folder.path().to_owned();
        let mut collector = CpuFreq::new(&settings);
        let mut context = Context::new(&settings);
        let mut page = || {
            let (mut out, mut page) = (Exposition::new(), Vec::new());
            let result = collector.collect(&mut context, &mut out);
            out.render(Format::Text, &mut page);
            let text = String::from_utf8(page).unwrap();
            let lines = text.lines().filter(|line| !line.starts_with('#')).map(str::to_owned);
            result.map(|()| lines.collect::<Vec<_>>())
        };
        assert!(matches!(page(), Err(CollectError::NoData(_))));
        let cpus = folder.path().join("devices/system/cpu");
        let write = |path: &str, text: &str| {
            let path = cpus.join(path);
            std::fs::create_dir_all(path.parent().unwrap()).unwrap();
            std::fs::write(path, text).unwrap();
        };
        write("online", "0-1\n");
        assert_eq!(page().unwrap(), [""; 0]);
        // A driver is loaded.
        write("cpufreq/policy0/scaling_cur_freq", "800000\n");
        write("cpu0/cpufreq/scaling_cur_freq", "800000\n");
        write("cpu1/cpufreq/scaling_cur_freq", "<unknown>\n");
        write("cpu1/cpufreq/scaling_governor", "userspace\n");
        write("cpu1/cpufreq/scaling_available_governors", "userspace powersave \n");
        let governors = [
            "node_cpu_scaling_governor{cpu=\"1\",governor=\"powersave\"} 0",
            "node_cpu_scaling_governor{cpu=\"1\",governor=\"userspace\"} 1",
        ];
        let error = page().unwrap_err().to_string();
        assert!(error.contains("cpu1/cpufreq/scaling_cur_freq: line 1"), "{error}");
        write("cpu1/cpufreq/scaling_cur_freq", "900000\n");
        let first = "node_cpu_scaling_frequency_hertz{cpu=\"0\"} 8e+08";
        let second = "node_cpu_scaling_frequency_hertz{cpu=\"1\"} 9e+08";
        assert_eq!(page().unwrap(), [first, second, governors[0], governors[1]]);
        write("online", "0\n");
        assert_eq!(page().unwrap(), [first]);
    }
}

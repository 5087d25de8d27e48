//! Times of the CPUs from `/proc/stat`, throttling, isolation and hot-plug state from `/sys/devices/system/cpu`,
//! and on request what `/proc/cpuinfo` says about them.

mod info;
mod sys;
mod times;

use self::info::InfoFile;
use self::sys::SysCpu;
use self::times::{CpuTimes, GUEST_MODES, MODES};
use super::{CollectError, Collector, Context, Flag, FlagKind, Settings, Spec};
use crate::exposition::{Exposition, Family, Kind};

const GUEST: Flag =
    Flag::new("cpu.guest", FlagKind::Switch(true), "Also give the time spent in guests (virtual machines).");
const INFO: Flag = Flag::new("cpu.info", FlagKind::Switch(false), "Also give what /proc/cpuinfo has.");
const FLAGS_INCLUDE: Flag = Flag::new(
    "cpu.info.flags-include",
    FlagKind::Pattern(""),
    "Regular expression of the CPU flags to give; switches cpu.info on.",
);
const BUGS_INCLUDE: Flag = Flag::new(
    "cpu.info.bugs-include",
    FlagKind::Pattern(""),
    "Regular expression of the CPU bugs to give; switches cpu.info on.",
);

pub(super) const SPEC: Spec = Spec {
    name: "cpu",
    default_on: true,
    help: "seconds by CPU and mode, throttling, isolation (/proc/stat, /sys/devices/system/cpu)",
    flags: &[GUEST, INFO, FLAGS_INCLUDE, BUGS_INCLUDE],
    build: |settings| Ok(Box::new(Cpu::new(settings))),
};

/// Whether the flags ask for what `/proc/cpuinfo` has.
fn with_info(settings: &Settings) -> bool {
    let asks = |flag| settings.pattern(flag).is_some();
    settings.switch(&INFO) || asks(&FLAGS_INCLUDE) || asks(&BUGS_INCLUDE)
}

/// Whether this collector gives the frequencies. `/proc/cpuinfo` and cpufreq both have them: the former's are given
/// where both collectors run and this one reads that file. node_exporter ties them to cpufreq too.
pub(super) fn gives_frequencies(settings: &Settings) -> bool {
    settings.runs(SPEC.name) && settings.runs("cpufreq") && with_info(settings)
}

struct Cpu {
    with_guest: bool,
    info: Option<InfoFile>,
    sys: SysCpu,
    /// What was given last, in the order of the file.
    times: Vec<CpuTimes>,
    /// What the file says now; the memory of the scrape before last.
    fresh: Vec<CpuTimes>,
}

impl Cpu {
    fn new(settings: &Settings) -> Self {
        let (flags, bugs) = (settings.pattern(&FLAGS_INCLUDE), settings.pattern(&BUGS_INCLUDE));
        Self {
            with_guest: settings.switch(&GUEST),
            info: with_info(settings).then(|| InfoFile::new(settings, flags, bugs)),
            sys: SysCpu::new(settings),
            times: Vec::new(),
            fresh: Vec::new(),
        }
    }

    /// Takes the times from `/proc/stat`. Gives whether other CPUs than before are online.
    fn take_times(&mut self, context: &mut Context) -> Result<bool, CollectError> {
        let (path, text) = context.proc_stat()?;
        times::parse(text, &mut self.fresh).map_err(|error| error.at(path))?;
        times::hold(&self.times, &mut self.fresh);
        std::mem::swap(&mut self.times, &mut self.fresh);
        Ok(!self.times.iter().map(|times| times.cpu).eq(self.fresh.iter().map(|times| times.cpu)))
    }
}

impl Collector for Cpu {
    fn collect(&mut self, context: &mut Context, out: &mut Exposition) -> Result<(), CollectError> {
        if self.take_times(context)? {
            self.sys.find_throttles(self.times.iter().map(|times| times.cpu), &mut context.buffer);
        }
        let help = "Seconds the CPUs spent in each mode.";
        write_times(out.family("node_cpu_seconds_total", help, Kind::Counter), &self.times, &MODES);
        if self.with_guest {
            let help = "Seconds the CPUs spent in guests (VMs) for each mode.";
            let family = out.family("node_cpu_guest_seconds_total", help, Kind::Counter);
            write_times(family, &self.times, &GUEST_MODES);
        }
        self.sys.collect(&mut context.buffer, out)?;
        match &mut self.info {
            Some(info) => info.collect(&mut context.buffer, out),
            None => Ok(()),
        }
    }
}

fn write_times(mut family: Family<'_>, all: &[CpuTimes], modes: &[(&str, usize)]) {
    for times in all {
        let mut digits = itoa::Buffer::new();
        let cpu = digits.format(times.cpu).as_bytes();
        for (mode, column) in modes {
            if let Some(seconds) = times.seconds(*column) {
                family.sample(&[("cpu", cpu), ("mode", mode.as_bytes())], seconds);
            }
        }
    }
}

//! One file per subsystem: read, parse, write families.
//!
//! [`COLLECTORS`] is the one place that lists them; `framework` has what they share. Flags, the README's table, the success and duration metrics
//! and the tests that walk all collectors come from it. To add a collector: a file here with a `SPEC`, a `mod`
//! line, a row in the table, and its golden file.
//!
//! Parsers are free functions from bytes to a value; they convert to base units and put the unit into the
//! field's name. What is absent is left out: no sample is ever zero because nothing was found.

mod cpu;
mod cpufreq;
mod diskstats;
mod dmi;
mod edac;
mod filesystem;
mod framework;
mod hwmon;
mod loadavg;
mod mdadm;
mod meminfo;
mod netdev;
mod nvme;
mod os;
mod powersupplyclass;
mod pressure;
mod rapl;
mod stat;
mod textfile;
mod thermal_zone;
mod time;
mod uname;
mod vitals;
mod vmstat;
mod watchdog;

pub use framework::{
    BuildError, CollectError, Collector, CollectorSet, Context, Filter, Flag, FlagKind, Running, Settings,
    Spec,
};

#[cfg(test)]
pub(crate) use framework::at_every_cut;
pub(crate) use framework::{
    Attribute, AttributeTable, DeviceClass, Info, NoAnswer, Reader, none_if_absent, read, read_or_absent,
};

/// All collectors, by name but for `textfile`, which comes last: it gives way to families of the others.
pub const COLLECTORS: &[&Spec] = &[
    &cpu::SPEC,
    &cpufreq::SPEC,
    &diskstats::SPEC,
    &dmi::SPEC,
    &edac::SPEC,
    &filesystem::SPEC,
    &hwmon::SPEC,
    &loadavg::SPEC,
    &mdadm::SPEC,
    &meminfo::SPEC,
    &netdev::SPEC,
    &nvme::SPEC,
    &os::SPEC,
    &powersupplyclass::SPEC,
    &pressure::SPEC,
    &rapl::SPEC,
    &stat::SPEC,
    &thermal_zone::SPEC,
    &time::SPEC,
    &uname::SPEC,
    &vitals::SPEC,
    &vmstat::SPEC,
    &watchdog::SPEC,
    &textfile::SPEC,
];

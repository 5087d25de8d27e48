//! One file per subsystem: read, parse, write families.
//!
//! [`COLLECTORS`] is the one place that lists them; `framework` has what they share. Flags, the README's table, the success and duration metrics
//! and the tests that walk all collectors come from it. To add a collector: a file here with a `SPEC`, a `mod`
//! line, a row in the table, and its golden file.
//!
//! Parsers are free functions from bytes to a value; they convert to base units and put the unit into the
//! field's name. What is absent is left out: no sample is ever zero because nothing was found.

mod cgroups;
mod cpu;
mod cpu_vulnerabilities;
mod diskstats;
mod drbd;
mod drm;
mod filesystem;
mod framework;
mod interrupts;
mod ksmd;
mod lnstat;
mod loadavg;
mod meminfo;
mod meminfo_numa;
mod netdev;
mod network_route;
mod nvmesubsystem;
mod os;
mod pcidevice;
mod pressure;
mod processes;
mod softirqs;
mod stat;
mod swap;
mod textfile;
mod thermal_zone;
mod time;
mod uname;
mod vitals;
mod vmstat;
mod watchdog;
mod xfrm;
mod zoneinfo;

pub use framework::{
    BuildError, CollectError, Collector, CollectorSet, Context, Filter, Flag, FlagKind, Running, Settings,
    Spec,
};

#[cfg(test)]
pub(crate) use framework::at_every_cut;
pub(crate) use framework::{
    Attribute, AttributeTable, DeviceClass, Info, is_name_part, none_if_absent, per_cpu_lines, read,
    read_or_absent,
};

/// All collectors, by name but for `textfile`, which comes last: it gives way to families of the others.
pub const COLLECTORS: &[&Spec] = &[
    &cgroups::SPEC,
    &cpu::SPEC,
    &cpu_vulnerabilities::SPEC,
    &diskstats::SPEC,
    &drbd::SPEC,
    &drm::SPEC,
    &filesystem::SPEC,
    &interrupts::SPEC,
    &ksmd::SPEC,
    &lnstat::SPEC,
    &loadavg::SPEC,
    &meminfo::SPEC,
    &meminfo_numa::SPEC,
    &netdev::SPEC,
    &network_route::SPEC,
    &nvmesubsystem::SPEC,
    &os::SPEC,
    &pcidevice::SPEC,
    &pressure::SPEC,
    &processes::SPEC,
    &softirqs::SPEC,
    &stat::SPEC,
    &swap::SPEC,
    &thermal_zone::SPEC,
    &time::SPEC,
    &uname::SPEC,
    &vitals::SPEC,
    &vmstat::SPEC,
    &watchdog::SPEC,
    &xfrm::SPEC,
    &zoneinfo::SPEC,
    &textfile::SPEC,
];

//! One file per subsystem: read, parse, write families.
//!
//! [`COLLECTORS`] is the one place that lists them; `framework` has what they share. Flags, the tables of the docs,
//! the success and duration metrics and the tests that walk all collectors come from it. To add a collector: a file
//! here with a `SPEC`, a `mod` line, a row in the table, and its golden file.
//!
//! Parsers are free functions from bytes to a value; they convert to base units and put the unit into the
//! field's name. What is absent is left out: no sample is ever zero because nothing was found.

mod arp;
mod bcache;
mod bcachefs;
mod bonding;
mod btrfs;
mod buddyinfo;
mod cgroups;
mod conntrack;
mod cpu;
mod cpu_vulnerabilities;
mod cpufreq;
mod diskstats;
mod dmi;
mod dmmultipath;
mod drbd;
mod drm;
mod edac;
mod entropy;
mod ethtool;
mod fibrechannel;
mod filefd;
mod filesystem;
mod framework;
mod hwmon;
mod infiniband;
mod interrupts;
mod ipvs;
mod kernel_hung;
mod ksmd;
mod lnstat;
mod loadavg;
mod logind;
mod mdadm;
mod meminfo;
mod meminfo_numa;
mod mountstats;
mod netclass;
mod netdev;
mod netstat;
mod network_route;
mod nfs;
mod nvme;
mod nvmesubsystem;
mod os;
mod pcidevice;
mod powersupplyclass;
mod pressure;
mod processes;
mod rapl;
mod schedstat;
mod selinux;
mod slabinfo;
mod sockstat;
mod softirqs;
mod softnet;
mod stat;
mod swap;
mod sysctl;
mod systemd;
mod tapestats;
mod tcpstat;
mod textfile;
mod thermal_zone;
mod time;
mod timex;
mod udp_queues;
mod uname;
mod vitals;
mod vmstat;
mod watchdog;
mod xfrm;
mod xfs;
mod zfs;
mod zoneinfo;

pub use framework::{
    BuildError, CollectError, Collector, CollectorSet, Context, Filter, Flag, FlagKind, LastShutdown,
    Running, Settings, Spec,
};

#[cfg(test)]
pub(crate) use framework::at_every_cut;
pub(crate) use framework::{
    Attribute, AttributeTable, Branch, Branches, DeviceClass, Info, InfoTable, Key, KeyedTable, NoAnswer,
    Reader, key_counts, name_part, no_data_if_absent, none_if_absent, numbered, per_cpu_lines, read,
    read_count, read_number, read_or_absent, read_word, sockets,
};

/// All collectors, by name but for `textfile`, which comes last: it gives way to families of the others.
pub const COLLECTORS: &[&Spec] = &[
    &arp::SPEC,
    &bcache::SPEC,
    &bcachefs::SPEC,
    &bonding::SPEC,
    &btrfs::SPEC,
    &buddyinfo::SPEC,
    &cgroups::SPEC,
    &conntrack::SPEC,
    &cpu::SPEC,
    &cpu_vulnerabilities::SPEC,
    &cpufreq::SPEC,
    &diskstats::SPEC,
    &dmi::SPEC,
    &dmmultipath::SPEC,
    &drbd::SPEC,
    &drm::SPEC,
    &edac::SPEC,
    &entropy::SPEC,
    &ethtool::SPEC,
    &fibrechannel::SPEC,
    &filefd::SPEC,
    &filesystem::SPEC,
    &hwmon::SPEC,
    &infiniband::SPEC,
    &interrupts::SPEC,
    &ipvs::SPEC,
    &kernel_hung::SPEC,
    &ksmd::SPEC,
    &lnstat::SPEC,
    &loadavg::SPEC,
    &logind::SPEC,
    &mdadm::SPEC,
    &meminfo::SPEC,
    &meminfo_numa::SPEC,
    &mountstats::SPEC,
    &netclass::SPEC,
    &netdev::SPEC,
    &netstat::SPEC,
    &network_route::SPEC,
    &nfs::client::SPEC,
    &nfs::server::SPEC,
    &nvme::SPEC,
    &nvmesubsystem::SPEC,
    &os::SPEC,
    &pcidevice::SPEC,
    &powersupplyclass::SPEC,
    &pressure::SPEC,
    &processes::SPEC,
    &rapl::SPEC,
    &schedstat::SPEC,
    &selinux::SPEC,
    &slabinfo::SPEC,
    &sockstat::SPEC,
    &softirqs::SPEC,
    &softnet::SPEC,
    &stat::SPEC,
    &swap::SPEC,
    &sysctl::SPEC,
    &systemd::SPEC,
    &tapestats::SPEC,
    &tcpstat::SPEC,
    &thermal_zone::SPEC,
    &time::SPEC,
    &timex::SPEC,
    &udp_queues::SPEC,
    &uname::SPEC,
    &vitals::SPEC,
    &vmstat::SPEC,
    &watchdog::SPEC,
    &xfrm::SPEC,
    &xfs::SPEC,
    &zfs::SPEC,
    &zoneinfo::SPEC,
    &textfile::SPEC,
];

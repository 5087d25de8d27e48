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
mod conntrack;
mod cpu;
mod diskstats;
mod dmmultipath;
mod entropy;
mod ethtool;
mod fibrechannel;
mod filefd;
mod filesystem;
mod framework;
mod infiniband;
mod ipvs;
mod kernel_hung;
mod loadavg;
mod meminfo;
mod mountstats;
mod netclass;
mod netdev;
mod netstat;
mod nfs;
mod os;
mod pressure;
mod schedstat;
mod selinux;
mod slabinfo;
mod sockstat;
mod softnet;
mod stat;
mod sysctl;
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
mod xfs;
mod zfs;

pub use framework::{
    BuildError, CollectError, Collector, CollectorSet, Context, Filter, Flag, FlagKind, Running, Settings,
    Spec,
};

#[cfg(test)]
pub(crate) use framework::at_every_cut;
pub(crate) use framework::{
    Attribute, AttributeTable, Branch, Branches, DeviceClass, Info, InfoTable, Key, KeyedTable, is_name_part,
    no_data_if_absent, none_if_absent, read, read_count, read_or_absent, sockets,
};

/// All collectors, by name but for `textfile`, which comes last: it gives way to families of the others.
pub const COLLECTORS: &[&Spec] = &[
    &arp::SPEC,
    &bcache::SPEC,
    &bcachefs::SPEC,
    &bonding::SPEC,
    &btrfs::SPEC,
    &buddyinfo::SPEC,
    &conntrack::SPEC,
    &cpu::SPEC,
    &diskstats::SPEC,
    &dmmultipath::SPEC,
    &entropy::SPEC,
    &ethtool::SPEC,
    &fibrechannel::SPEC,
    &filefd::SPEC,
    &filesystem::SPEC,
    &infiniband::SPEC,
    &ipvs::SPEC,
    &kernel_hung::SPEC,
    &loadavg::SPEC,
    &meminfo::SPEC,
    &mountstats::SPEC,
    &netclass::SPEC,
    &netdev::SPEC,
    &netstat::SPEC,
    &nfs::client::SPEC,
    &nfs::server::SPEC,
    &os::SPEC,
    &pressure::SPEC,
    &schedstat::SPEC,
    &selinux::SPEC,
    &slabinfo::SPEC,
    &sockstat::SPEC,
    &softnet::SPEC,
    &stat::SPEC,
    &sysctl::SPEC,
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
    &xfs::SPEC,
    &zfs::SPEC,
    &textfile::SPEC,
];

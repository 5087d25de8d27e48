//! One file per subsystem: read, parse, write families.
//!
//! [`COLLECTORS`] is the one place that lists them; `framework` has what they share. Flags, the tables of the docs,
//! the success and duration metrics and the tests that walk all collectors come from it. To add a collector: a file
//! here with a `SPEC`, a `mod` line, a row in the table, and its golden file.
//!
//! Parsers are free functions from bytes to a value; they convert to base units and put the unit into the
//! field's name. What is absent is left out: no sample is ever zero because nothing was found.

mod bcache;
mod bcachefs;
mod btrfs;
mod buddyinfo;
mod cpu;
mod diskstats;
mod dmmultipath;
mod entropy;
mod fibrechannel;
mod filefd;
mod filesystem;
mod framework;
mod infiniband;
mod kernel_hung;
mod loadavg;
mod meminfo;
mod mountstats;
mod netdev;
mod nfs;
mod os;
mod pressure;
mod schedstat;
mod selinux;
mod slabinfo;
mod stat;
mod sysctl;
mod tapestats;
mod textfile;
mod thermal_zone;
mod time;
mod timex;
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
    Attribute, AttributeTable, Branch, Branches, DeviceClass, Info, InfoTable, Key, KeyedTable,
    no_data_if_absent, none_if_absent, read, read_count, read_or_absent,
};

/// All collectors, by name but for `textfile`, which comes last: it gives way to families of the others.
pub const COLLECTORS: &[&Spec] = &[
    &bcache::SPEC,
    &bcachefs::SPEC,
    &btrfs::SPEC,
    &buddyinfo::SPEC,
    &cpu::SPEC,
    &diskstats::SPEC,
    &dmmultipath::SPEC,
    &entropy::SPEC,
    &fibrechannel::SPEC,
    &filefd::SPEC,
    &filesystem::SPEC,
    &infiniband::SPEC,
    &kernel_hung::SPEC,
    &loadavg::SPEC,
    &meminfo::SPEC,
    &mountstats::SPEC,
    &netdev::SPEC,
    &nfs::client::SPEC,
    &nfs::server::SPEC,
    &os::SPEC,
    &pressure::SPEC,
    &schedstat::SPEC,
    &selinux::SPEC,
    &slabinfo::SPEC,
    &stat::SPEC,
    &sysctl::SPEC,
    &tapestats::SPEC,
    &thermal_zone::SPEC,
    &time::SPEC,
    &timex::SPEC,
    &uname::SPEC,
    &vitals::SPEC,
    &vmstat::SPEC,
    &watchdog::SPEC,
    &xfs::SPEC,
    &zfs::SPEC,
    &textfile::SPEC,
];

//! The families of the numbers of a mount, by their places in the file.

use super::Labelled;
use super::parse::{BYTES, EVENTS, Mounts, OPERATION, TRANSPORT};
use crate::exposition::{Exposition, Kind};

const PREFIX: &str = "node_mountstats_nfs_";

const BYTE_FAMILIES: [(&str, &str); BYTES] = [
    ("read_bytes_total", "Number of bytes that programs have read."),
    ("write_bytes_total", "Number of bytes that programs have written."),
    ("direct_read_bytes_total", "Number of bytes that programs have read past the cache (O_DIRECT)."),
    ("direct_write_bytes_total", "Number of bytes that programs have written past the cache (O_DIRECT)."),
    ("total_read_bytes_total", "Number of bytes read from the server."),
    ("total_write_bytes_total", "Number of bytes written to the server."),
    ("read_pages_total", "Number of pages read from the server."),
    ("write_pages_total", "Number of pages written to the server."),
];

/// Without the one that counts waits for congestion, which the kernel has not had for long.
const EVENT_FAMILIES: [Option<(&str, &str)>; EVENTS] = [
    Some(("inode_revalidate", "Times that attributes of a file were checked anew.")),
    Some(("dnode_revalidate", "Times that a name was checked anew.")),
    Some(("data_invalidate", "Times that the cached content of a file was dropped.")),
    Some(("attribute_invalidate", "Times that the cached attributes of a file were dropped.")),
    Some(("vfs_open", "Files and directories opened.")),
    Some(("vfs_lookup", "Names looked up in a directory.")),
    Some(("vfs_access", "Times that permissions were checked.")),
    Some(("vfs_update_page", "Writes into cached pages.")),
    Some(("vfs_read_page", "Single pages read.")),
    Some(("vfs_read_pages", "Groups of pages read.")),
    Some(("vfs_write_page", "Single pages written.")),
    Some(("vfs_write_pages", "Groups of pages written.")),
    Some(("vfs_getdents", "Reads of directories.")),
    Some(("vfs_setattr", "Times that attributes were set.")),
    Some(("vfs_flush", "Times that waiting writes were sent because a file was closed.")),
    Some(("vfs_fsync", "Times that a program asked for its writes to be safe.")),
    Some(("vfs_lock", "Locks asked for.")),
    Some(("vfs_file_release", "Files closed.")),
    None,
    Some(("truncation", "Files made shorter.")),
    Some(("write_extension", "Files made longer by writing behind their end.")),
    Some(("silly_rename", "Files removed while a program had them open.")),
    Some(("short_read", "Reads for which the server gave less than asked.")),
    Some(("short_write", "Writes of which the server took less than given.")),
    Some(("jukebox_delay", "Times that the server asked to come again later.")),
    Some(("pnfs_read", "Reads from the servers of a parallel file system.")),
    Some(("pnfs_write", "Writes to the servers of a parallel file system.")),
];

const TRANSPORT_FAMILIES: [(&str, &str, Kind); TRANSPORT] = [
    ("bind_total", "Times that a port of the server was found out.", Kind::Counter),
    ("connect_total", "Connections made.", Kind::Counter),
    ("idle_time_seconds", "Time since the connection was last used.", Kind::Gauge),
    ("sends_total", "Calls sent.", Kind::Counter),
    ("receives_total", "Answers received.", Kind::Counter),
    ("bad_transaction_ids_total", "Answers to calls that were not known.", Kind::Counter),
    ("backlog_queue_total", "Calls waiting for a slot, summed up at each call.", Kind::Counter),
    ("maximum_rpc_slots", "The most calls that there were at once.", Kind::Gauge),
    ("sending_queue_total", "Calls waiting to be sent, summed up at each call.", Kind::Counter),
    ("pending_queue_total", "Calls waiting for their answer, summed up at each call.", Kind::Counter),
];

/// With how many of the file's units make one of the family's: times are in milliseconds.
const OPERATION_FAMILIES: [(&str, &str, f64); OPERATION] = [
    ("requests_total", "Calls made.", 1.0),
    ("transmissions_total", "Times that calls were sent, repetitions included.", 1.0),
    ("major_timeouts_total", "Calls that had no answer for long.", 1.0),
    ("sent_bytes_total", "Number of bytes sent.", 1.0),
    ("received_bytes_total", "Number of bytes received.", 1.0),
    ("queue_time_seconds_total", "Time that calls waited to be sent.", 1000.0),
    ("response_time_seconds_total", "Time that the server took to answer.", 1000.0),
    ("request_time_seconds_total", "Time that calls took from beginning to end.", 1000.0),
];

/// Writes the numbers of the mounts in `chosen`.
pub(super) fn write(all: &Mounts<'_>, chosen: &[Labelled<'_, '_>], out: &mut Exposition) {
    let mut age = out.family_parts(&[PREFIX, "age_seconds_total"], &["Age of the mount."], Kind::Counter);
    for one in chosen {
        if let Some(seconds) = one.mount.age_seconds {
            age.sample(&one.labels(), seconds as f64);
        }
    }
    for (place, (name, help)) in BYTE_FAMILIES.iter().enumerate() {
        let mut family = out.family_parts(&[PREFIX, name], &[help], Kind::Counter);
        for one in chosen {
            if let Some(bytes) = one.mount.bytes[place] {
                family.sample(&one.labels(), bytes as f64);
            }
        }
    }
    for (place, (name, help)) in EVENT_FAMILIES.iter().enumerate().filter_map(|(n, one)| Some((n, (*one)?))) {
        let mut family = out.family_parts(&[PREFIX, "event_", name, "_total"], &[help], Kind::Counter);
        for one in chosen {
            if let Some(events) = one.mount.events[place] {
                family.sample(&one.labels(), events as f64);
            }
        }
    }
    write_transports(all, chosen, out);
    write_operations(all, chosen, out);
}

fn write_transports(all: &Mounts<'_>, chosen: &[Labelled<'_, '_>], out: &mut Exposition) {
    for (place, (name, help, kind)) in TRANSPORT_FAMILIES.iter().enumerate() {
        let mut family = out.family_parts(&[PREFIX, "transport_", name], &[help], *kind);
        for one in chosen {
            for (index, transport) in all.transports_of(one.mount).iter().enumerate() {
                let Some(value) = transport.counts[place] else { continue };
                let mut number = itoa::Buffer::new();
                let [export, address, protocol] = one.labels();
                let index = ("transport", number.format(index).as_bytes());
                family.sample(&[export, address, protocol, index], value as f64);
            }
        }
    }
}

fn write_operations(all: &Mounts<'_>, chosen: &[Labelled<'_, '_>], out: &mut Exposition) {
    for (place, (name, help, units)) in OPERATION_FAMILIES.iter().enumerate() {
        let mut family = out.family_parts(&[PREFIX, "operations_", name], &[help], Kind::Counter);
        for one in chosen {
            for operation in all.operations_of(one.mount) {
                let Some(value) = operation.counts[place] else { continue };
                let [export, address, protocol] = one.labels();
                let name = ("operation", operation.name);
                family.sample(&[export, address, name, protocol], value as f64 / units);
            }
        }
    }
}

impl Labelled<'_, '_> {
    fn labels(&self) -> [(&'static str, &[u8]); 3] {
        [("export", self.mount.export), ("mountaddr", self.address), ("protocol", self.protocol)]
    }
}

//! Mounted bcachefs file systems from `/sys/fs/bcachefs` (bcachefs-tools: `libbcachefs/sysfs.c`). What is counted
//! differs between kernels, so each file in `counters` becomes a family by its name.

mod parse;

use std::path::Path;

use super::{
    Attribute, AttributeTable, Branch, Branches, CollectError, Collector, Context, Info, InfoTable, Settings,
    Spec, no_data_if_absent, read_word,
};
use crate::exposition::{Exposition, Kind};
use crate::host::parse::{ParseError, fields, unsigned};
use crate::host::{FileError, KernelFile};

use parse::{counter, human, io_done, io_errors, rows};

pub(super) const SPEC: Spec = Spec {
    name: "bcachefs",
    default_on: true,
    help: "counters, compression and device errors of bcachefs (/sys/fs/bcachefs)",
    flags: &[],
    build: |settings| Ok(Box::new(Bcachefs::new(settings))),
};

const ABSENT: &str = "no bcachefs is mounted";

const INFO: Info = Info {
    family: "node_bcachefs_info",
    help: "Always 1; the label is the file system's UUID.",
    labels: &[("uuid", None)],
};

const FILE_SYSTEM: &[Attribute] = &[Attribute {
    file: "btree_cache_size",
    family: "node_bcachefs_btree_cache_size_bytes",
    help: "Memory that nodes of btrees take.",
    kind: Kind::Gauge,
    value: human,
}];

const DEVICE: &[Attribute] = &[
    Attribute {
        file: "bucket_size",
        family: "node_bcachefs_device_bucket_size_bytes",
        help: "Size of the device's buckets.",
        kind: Kind::Gauge,
        value: human,
    },
    Attribute {
        file: "nbuckets",
        family: "node_bcachefs_device_buckets",
        help: "How many buckets the device has.",
        kind: Kind::Gauge,
        value: |text| Some(unsigned(text)? as f64),
    },
    Attribute {
        file: "durability",
        family: "node_bcachefs_device_durability",
        help: "For how many copies a copy on this device counts.",
        kind: Kind::Gauge,
        value: |text| Some(unsigned(text)? as f64),
    },
];

/// A file with a line for each of several things: a name, and a number in each column.
struct Table {
    file: &'static str,
    /// Lines before the first row.
    headers: usize,
    /// What the names are of.
    label: &'static str,
    columns: &'static [Column],
}

struct Column {
    family: &'static str,
    help: &'static str,
    kind: Kind,
    value: fn(&[u8]) -> Option<f64>,
}

const TABLES: &[Table] = &[
    Table {
        file: "compression_stats",
        headers: 1,
        label: "algorithm",
        columns: &[
            Column {
                family: "node_bcachefs_compression_compressed_bytes",
                help: "Space that content takes on disk, by how it is compressed.",
                kind: Kind::Gauge,
                value: human,
            },
            Column {
                family: "node_bcachefs_compression_uncompressed_bytes",
                help: "Size of that content when it is read.",
                kind: Kind::Gauge,
                value: human,
            },
        ],
    },
    Table {
        file: "errors",
        headers: 0,
        label: "error_type",
        columns: &[Column {
            family: "node_bcachefs_errors_total",
            help: "Errors found in the file system.",
            kind: Kind::Counter,
            value: |word| Some(unsigned(word)? as f64),
        }],
    },
    Table {
        file: "btree_write_stats",
        headers: 1,
        label: "type",
        columns: &[
            Column {
                family: "node_bcachefs_btree_writes_total",
                help: "Writes of nodes of btrees, by reason.",
                kind: Kind::Counter,
                value: |word| Some(unsigned(word)? as f64),
            },
            Column {
                family: "node_bcachefs_btree_write_average_size_bytes",
                help: "Average size of these writes.",
                kind: Kind::Gauge,
                value: human,
            },
        ],
    },
];

struct Bcachefs {
    /// File systems with their devices, and with the names of their counters.
    listed: Branches,
    info: InfoTable,
    file_systems: AttributeTable,
    tables: Vec<(&'static Table, PerFileSystem)>,
    counters: Vec<(String, PerFileSystem)>,
    attributes: AttributeTable,
    devices: Vec<Device>,
}

struct PerFileSystem {
    file: KernelFile,
    uuid: Box<[u8]>,
}

struct Device {
    name: Box<[u8]>,
    uuid: Box<[u8]>,
    label: KernelFile,
    state: KernelFile,
    io_done: KernelFile,
    io_errors: KernelFile,
    /// The present label and state.
    words: [Vec<u8>; 2],
}

impl Bcachefs {
    fn new(settings: &Settings) -> Self {
        Self {
            listed: Branches::new(settings.root.sys("fs/bcachefs"), &["", "counters"]),
            info: InfoTable::new(&INFO),
            file_systems: AttributeTable::new(FILE_SYSTEM, &["uuid"]),
            tables: Vec::new(),
            counters: Vec::new(),
            attributes: AttributeTable::new(DEVICE, &["device", "uuid"]),
            devices: Vec::new(),
        }
    }

    fn find(&mut self) {
        self.info.clear();
        self.file_systems.clear();
        self.tables.clear();
        self.counters.clear();
        self.attributes.clear();
        self.devices.clear();
        for Branch { name: uuid, path, folders } in self.listed.iter() {
            let per_file_system = |path| PerFileSystem { file: KernelFile::new(path), uuid: uuid.clone() };
            self.info.add(path, uuid);
            self.file_systems.add(path, &[uuid]);
            let tables = TABLES.iter().map(|table| (table, per_file_system(path.join(table.file))));
            self.tables.extend(tables.filter(|(_, table)| table.file.path().exists()));
            let [entries, counters] = folders.as_slice() else { continue };
            let counter = |name: &[u8]| (family(name), per_file_system(counters.entry(name)));
            self.counters.extend(counters.names().iter().map(|name| counter(name)));
            for entry in entries.names() {
                let Some(name) = entry.strip_prefix(b"dev-") else { continue };
                let path = entries.entry(entry);
                self.attributes.add(&path, &[name, uuid]);
                self.devices.push(Device::new(name, uuid, &path));
            }
        }
        self.counters.sort_by(|(a, of_a), (b, of_b)| (a, &of_a.uuid).cmp(&(b, &of_b.uuid)));
        self.devices.sort_by(|a, b| (&a.name, &a.uuid).cmp(&(&b.name, &b.uuid)));
    }
}

impl Collector for Bcachefs {
    fn collect(&mut self, context: &mut Context, out: &mut Exposition) -> Result<(), CollectError> {
        let buffer = &mut context.buffer;
        let listed = self.listed.list(buffer, |_| true);
        if no_data_if_absent(listed, self.listed.folder(), ABSENT)? {
            self.find();
        }
        if self.listed.iter().next().is_none() {
            return Err(CollectError::NoData(ABSENT));
        }
        self.info.write(buffer, out);
        let mut result = Ok(());
        for (table, of) in &mut self.tables {
            result = result.and(table.write(of, buffer, out));
        }
        for (name, of) in &mut self.counters {
            result = result.and(write_counter(name, of, buffer, out));
        }
        result = result.and(write_devices(&mut self.devices, buffer, out));
        let results = [
            result.map_err(CollectError::from),
            self.file_systems.write(buffer, out),
            self.attributes.write(buffer, out),
        ];
        results.into_iter().collect()
    }
}

/// The family of a counter. What can't be in a family's name becomes an underscore.
fn family(counter: &[u8]) -> String {
    let letter = |&byte: &u8| if byte.is_ascii_alphanumeric() { char::from(byte) } else { '_' };
    "node_bcachefs_".chars().chain(counter.iter().map(letter)).chain("_total".chars()).collect()
}

fn write_counter(
    family: &str,
    of: &mut PerFileSystem,
    buffer: &mut Vec<u8>,
    out: &mut Exposition,
) -> Result<(), FileError> {
    let Ok(text) = of.file.value(buffer) else { return Ok(()) };
    if let Some(count) = counter(text).map_err(|error| error.at(of.file.path()))? {
        let help = "A counter of /sys/fs/bcachefs, since the file system was made.";
        out.family(family, help, Kind::Counter).sample(&[("uuid", &of.uuid)], count);
    }
    Ok(())
}

impl Table {
    fn write(
        &self,
        of: &mut PerFileSystem,
        buffer: &mut Vec<u8>,
        out: &mut Exposition,
    ) -> Result<(), FileError> {
        let Ok(text) = of.file.value(buffer) else { return Ok(()) };
        let mut result = Ok(());
        for (place, column) in self.columns.iter().enumerate() {
            let mut family = out.family(column.family, column.help, column.kind);
            for (number, name, line) in rows(text, self.headers, self.columns.len()) {
                match fields(line).nth(place + 1).and_then(column.value) {
                    Some(value) => family.sample(&[(self.label, name), ("uuid", &of.uuid)], value),
                    None => result = result.and(Err(ParseError::new(number, "a name and numbers", line))),
                }
            }
        }
        result.map_err(|error| error.at(of.file.path()))
    }
}

impl Device {
    fn new(name: &[u8], uuid: &[u8], folder: &Path) -> Self {
        let file = |file| KernelFile::new(folder.join(file));
        Self {
            name: name.into(),
            uuid: uuid.into(),
            label: file("label"),
            state: file("state"),
            io_done: file("io_done"),
            io_errors: file("io_errors"),
            words: Default::default(),
        }
    }
}

fn write_devices(
    devices: &mut [Device],
    buffer: &mut Vec<u8>,
    out: &mut Exposition,
) -> Result<(), FileError> {
    let mut result = Ok(());
    let mut family = out.family("node_bcachefs_device_info", "Label and state of a device.", Kind::Gauge);
    for Device { name, uuid, label, state, words: [label_text, state_text], .. } in &mut *devices {
        for (file, text) in [(label, &mut *label_text), (state, &mut *state_text)] {
            read_word(file, text, buffer);
        }
        let labels: [(&str, &[u8]); 4] =
            [("device", name), ("label", label_text), ("state", state_text), ("uuid", uuid)];
        family.sample(&labels, 1.0);
    }
    let help = "Data that a device has read and written, by what it was.";
    let mut family = out.family("node_bcachefs_device_io_done_bytes_total", help, Kind::Counter);
    for Device { name, uuid, io_done: file, .. } in &mut *devices {
        let Ok(text) = file.value(buffer) else { continue };
        for entry in io_done(text) {
            match entry {
                Ok((operation, data_type, bytes)) => {
                    let labels: [(&str, &[u8]); 4] = [
                        ("data_type", data_type),
                        ("device", name),
                        ("operation", operation.as_bytes()),
                        ("uuid", uuid),
                    ];
                    family.sample(&labels, bytes as f64);
                }
                Err(error) => result = result.and(Err(error.at(file.path()))),
            }
        }
    }
    let help = "Errors of a device since the file system was made.";
    let mut family = out.family("node_bcachefs_device_io_errors_total", help, Kind::Counter);
    for Device { name, uuid, io_errors: file, .. } in devices {
        let Ok(text) = file.value(buffer) else { continue };
        for entry in io_errors(text) {
            match entry {
                Ok((kind, count)) => {
                    family.sample(&[("device", name), ("type", kind), ("uuid", uuid)], count as f64);
                }
                Err(error) => result = result.and(Err(error.at(file.path()))),
            }
        }
    }
    result
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_of_counters() {
        assert_eq!(family(b"btree_node_read"), "node_bcachefs_btree_node_read_total");
        assert_eq!(family(b"io-move.\xff2"), "node_bcachefs_io_move__2_total");
    }
}

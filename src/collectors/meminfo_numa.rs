//! Memory of each NUMA node from `/sys/devices/system/node/node*/{meminfo,numastat}` (kernel:
//! `Documentation/admin-guide/numastat.rst`).
//!
//! Unlike [`super::meminfo`] it gives all keys that there are, and node_exporter's names do not say that those with
//! a unit are bytes.

use super::{
    CollectError, Collector, Context, Settings, Spec, key_counts, name_part, none_if_absent, numbered, read,
};
use crate::exposition::{Exposition, Kind};
use crate::host::parse::{ParseError, fields, lines, unsigned};
use crate::host::{Folder, KernelFile};

pub(super) const SPEC: Spec = Spec {
    name: "meminfo_numa",
    default_on: false,
    help: "memory by use and NUMA node (/sys/devices/system/node)",
    flags: &[],
    build: |settings| Ok(Box::new(MemInfoNuma::new(settings))),
};

struct MemInfoNuma {
    folder: Folder,
    nodes: Vec<Node>,
}

struct Node {
    number: Box<[u8]>,
    meminfo: KernelFile,
    numastat: KernelFile,
}

impl MemInfoNuma {
    fn new(settings: &Settings) -> Self {
        Self { folder: Folder::new(settings.root.sys("devices/system/node")), nodes: Vec::new() }
    }

    fn find(&mut self) {
        self.nodes.clear();
        for name in self.folder.names() {
            let Some(number) = numbered(name, "node") else { continue };
            let folder = self.folder.entry(name);
            self.nodes.push(Node {
                number: number.into(),
                meminfo: KernelFile::new(folder.join("meminfo")),
                numastat: KernelFile::new(folder.join("numastat")),
            });
        }
    }
}

impl Collector for MemInfoNuma {
    fn collect(&mut self, context: &mut Context, out: &mut Exposition) -> Result<(), CollectError> {
        let listed = self.folder.list(&mut context.buffer);
        if none_if_absent(listed, self.folder.path())? {
            self.find();
        }
        let mut result = Ok(());
        for node in &mut self.nodes {
            let Node { number, meminfo, numastat } = node;
            let memory = write_memory(meminfo, number, &mut context.buffer, out);
            let allocations = write_allocations(numastat, number, &mut context.buffer, out);
            result = result.and(memory).and(allocations);
        }
        result
    }
}

fn write_memory(
    file: &mut KernelFile,
    node: &[u8],
    buffer: &mut Vec<u8>,
    out: &mut Exposition,
) -> Result<(), CollectError> {
    let text = read(file, buffer)?;
    for entry in parse_memory(text) {
        let (key, value) = entry.map_err(|error| error.at(file.path()))?;
        let [word, joint, more] = key;
        let name = ["node_memory_numa_", word, joint, more];
        let help = ["Memory information field ", word, joint, more, "."];
        out.family_parts(&name, &help, Kind::Gauge).sample(&[("node", node)], value);
    }
    Ok(())
}

fn write_allocations(
    file: &mut KernelFile,
    node: &[u8],
    buffer: &mut Vec<u8>,
    out: &mut Exposition,
) -> Result<(), CollectError> {
    let text = read(file, buffer)?;
    for entry in key_counts(text, name_part) {
        let (key, value) = entry.map_err(|error| error.at(file.path()))?;
        let help = ["Memory information field ", key, "_total."];
        out.family_parts(&["node_memory_numa_", key, "_total"], &help, Kind::Counter)
            .sample(&[("node", node)], value as f64);
    }
    Ok(())
}

/// A key as the parts of its family's name: `Active(anon)` is `Active`, `_` and `anon`.
type Key<'t> = [&'t str; 3];

/// Parses lines such as `Node 0 Active(anon):  1580 kB` into bytes, or a number of pages where there is no unit.
fn parse_memory(text: &[u8]) -> impl Iterator<Item = Result<(Key<'_>, f64), ParseError>> {
    lines(text).filter(|(_, line)| !line.trim_ascii().is_empty()).filter_map(|(number, line)| {
        let mut columns = fields(line).skip(2);
        let (key, count) = (columns.next().unwrap_or_default(), columns.next().and_then(unsigned));
        let unit = match columns.next() {
            None => Some(1.0),
            Some(b"kB") => Some(1024.0),
            Some(_) => None,
        };
        match count.zip(unit) {
            Some((count, unit)) => Some(Ok((family_key(key)?, count as f64 * unit))),
            None => Some(Err(ParseError::new(number, "Node, a number, a key, a count and kB", line))),
        }
    })
}

/// `None` of a key that can't be a part of a name.
fn family_key(key: &[u8]) -> Option<Key<'_>> {
    let key = key.strip_suffix(b":").unwrap_or(key);
    let bracket = memchr::memchr(b'(', key).and_then(|at| key.split_at_checked(at));
    match bracket {
        None => Some([name_part(key)?, "", ""]),
        Some((word, rest)) => {
            let rest = rest.strip_prefix(b"(").and_then(|rest| rest.strip_suffix(b")"))?;
            Some([name_part(word)?, "_", name_part(rest)?])
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_and_units() {
        let text = b"Node 0 MemFree:  2 kB\n\nNode 0 Active(anon):  3 kB\nNode 0 HugePages_Free:  4\nNode 0 a-b: 5\n";
        let all: Vec<_> = parse_memory(text).collect::<Result<_, _>>().unwrap();
        let want = [
            (["MemFree", "", ""], 2048.0),
            (["Active", "_", "anon"], 3072.0),
            (["HugePages_Free", "", ""], 4.0),
        ];
        assert_eq!(all, want);
        for bad in ["Node 0 X: 1 MB\n", "Node 0 X:\n", "Node 0\n", "Node 0 X: -1 kB\n"] {
            assert!(parse_memory(bad.as_bytes()).any(|entry| entry.is_err()), "{bad}");
        }
    }

    #[test]
    fn survives_a_cut_file() {
        let node = "sys/devices/system/node/node0";
        crate::collectors::at_every_cut(&format!("{node}/meminfo"), |text| {
            parse_memory(text).collect::<Result<Vec<_>, _>>().map(|all| all.len())
        });
    }
}

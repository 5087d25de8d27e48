//! Free memory by the size of its blocks, from `/proc/buddyinfo` (kernel: `Documentation/filesystems/proc.rst`,
//! section 1.3). Shows how fragmented memory is.

use super::{CollectError, Collector, Context, Spec, read};
use crate::exposition::{Exposition, Kind};
use crate::host::KernelFile;
use crate::host::parse::{ParseError, fields, lines, unsigned};

pub(super) const SPEC: Spec = Spec {
    name: "buddyinfo",
    default_on: false,
    help: "free blocks of memory by size (/proc/buddyinfo)",
    flags: &[],
    build: |settings| Ok(Box::new(BuddyInfo { file: KernelFile::new(settings.root.proc("buddyinfo")) })),
};

struct BuddyInfo {
    file: KernelFile,
}

impl Collector for BuddyInfo {
    fn collect(&mut self, context: &mut Context, out: &mut Exposition) -> Result<(), CollectError> {
        let text = read(&mut self.file, &mut context.buffer)?;
        let help = "Number of free blocks of 2 to the power of size pages.";
        let mut family = out.family("node_buddyinfo_blocks", help, Kind::Gauge);
        let result = parse(text, |zone, order, blocks| {
            let mut number = itoa::Buffer::new();
            let size = number.format(order).as_bytes();
            family.sample(&[("node", zone.node), ("size", size), ("zone", zone.name)], blocks as f64);
        });
        result.map_err(|error| error.at(self.file.path()).into())
    }
}

#[derive(Clone, Copy, Debug, PartialEq)]
struct Zone<'t> {
    node: &'t [u8],
    name: &'t [u8],
}

/// Gives `take` the zone, the order and the count of free blocks of each column of lines such as
/// `Node 0, zone   Normal   4381   1093    185`: orders count from 0.
fn parse(text: &[u8], mut take: impl FnMut(Zone<'_>, usize, u64)) -> Result<(), ParseError> {
    for (number, line) in lines(text) {
        let error = || ParseError::new(number, "a node, a zone and counts", line);
        let mut columns = fields(line);
        let zone = zone(&mut columns).ok_or_else(error)?;
        for (order, column) in columns.enumerate() {
            take(zone, order, unsigned(column).ok_or_else(error)?);
        }
    }
    Ok(())
}

fn zone<'t>(columns: &mut impl Iterator<Item = &'t [u8]>) -> Option<Zone<'t>> {
    columns.next().filter(|&word| word == b"Node")?;
    let node = columns.next()?.strip_suffix(b",")?;
    columns.next().filter(|&word| word == b"zone")?;
    Some(Zone { node, name: columns.next()? })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn blocks_by_node_zone_and_order() {
        let mut all = Vec::new();
        let text = b"Node 0, zone      DMA      1      0\nNode 10, zone   Normal 4381   1093\n";
        parse(text, |zone, order, blocks| all.push((zone.node.to_vec(), zone.name.to_vec(), order, blocks)))
            .unwrap();
        let (dma, normal) = ((b"0".to_vec(), b"DMA".to_vec()), (b"10".to_vec(), b"Normal".to_vec()));
        let want = [(&dma, 0, 1), (&dma, 1, 0), (&normal, 0, 4381), (&normal, 1, 1093)];
        assert_eq!(
            all,
            want.map(|((node, name), order, blocks)| (node.clone(), name.clone(), order, blocks))
        );
        for bad in
            ["Node 0, zone", "Node 0 zone DMA 1", "Node 0, DMA 1", "Zone 0, zone DMA 1", "Node 0, zone DMA x"]
        {
            assert!(parse(bad.as_bytes(), |_, _, _| {}).is_err(), "{bad}");
        }
    }

    #[test]
    fn survives_a_cut_file() {
        crate::collectors::at_every_cut("proc/buddyinfo", |text| parse(text, |_, _, _| {}));
    }
}

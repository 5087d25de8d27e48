//! Mounted XFS file systems from `/sys/fs/xfs/<device>/stats/stats`, kernel 4.4 or newer (kernel:
//! `fs/xfs/xfs_stats.c`; the counters: <https://xfs.org/index.php/Runtime_Stats>).

use super::{CollectError, Collector, Context, Settings, Spec, none_if_absent};
use crate::exposition::{Exposition, Kind};
use crate::host::parse::{ParseError, fields, lines, unsigned};
use crate::host::{Folder, KernelFile};

pub(super) const SPEC: Spec = Spec {
    name: "xfs",
    default_on: true,
    help: "what XFS file systems do (/sys/fs/xfs)",
    flags: &[],
    build: |settings| Ok(Box::new(Xfs::new(settings))),
};

/// A line of the file: its name, and the family and help text of each of its first columns.
type Line = (&'static str, &'static [(&'static str, &'static str)]);

const LINES: [Line; 8] = [
    (
        "extent_alloc",
        &[
            ("node_xfs_extent_allocation_extents_allocated_total", "Extents allocated."),
            ("node_xfs_extent_allocation_blocks_allocated_total", "Blocks allocated."),
            ("node_xfs_extent_allocation_extents_freed_total", "Extents freed."),
            ("node_xfs_extent_allocation_blocks_freed_total", "Blocks freed."),
        ],
    ),
    (
        "abt",
        &[
            ("node_xfs_allocation_btree_lookups_total", "Lookups in trees of free space."),
            ("node_xfs_allocation_btree_compares_total", "Comparisons in trees of free space."),
            ("node_xfs_allocation_btree_records_inserted_total", "Records put into trees of free space."),
            ("node_xfs_allocation_btree_records_deleted_total", "Records taken from trees of free space."),
        ],
    ),
    (
        "blk_map",
        &[
            ("node_xfs_block_mapping_reads_total", "Block maps looked at for a read."),
            ("node_xfs_block_mapping_writes_total", "Block maps looked at for a write."),
            ("node_xfs_block_mapping_unmaps_total", "Removals of blocks from block maps."),
            ("node_xfs_block_mapping_extent_list_insertions_total", "Extents put into lists of extents."),
            ("node_xfs_block_mapping_extent_list_deletions_total", "Extents taken from lists of extents."),
            ("node_xfs_block_mapping_extent_list_lookups_total", "Lookups in lists of extents."),
            ("node_xfs_block_mapping_extent_list_compares_total", "Comparisons in lists of extents."),
        ],
    ),
    (
        "bmbt",
        &[
            ("node_xfs_block_map_btree_lookups_total", "Lookups in trees of block maps."),
            ("node_xfs_block_map_btree_compares_total", "Comparisons in trees of block maps."),
            ("node_xfs_block_map_btree_records_inserted_total", "Records put into trees of block maps."),
            ("node_xfs_block_map_btree_records_deleted_total", "Records taken from trees of block maps."),
        ],
    ),
    (
        "dir",
        &[
            ("node_xfs_directory_operation_lookup_total", "Names looked up in directories."),
            ("node_xfs_directory_operation_create_total", "Entries made in directories."),
            ("node_xfs_directory_operation_remove_total", "Entries removed from directories."),
            ("node_xfs_directory_operation_getdents_total", "Reads of directories."),
        ],
    ),
    (
        "ig",
        &[
            ("node_xfs_inode_operation_attempts_total", "Lookups in the cache of inodes."),
            ("node_xfs_inode_operation_found_total", "Inodes found in the cache."),
            ("node_xfs_inode_operation_recycled_total", "Inodes found in the cache as it was dropping them."),
            ("node_xfs_inode_operation_missed_total", "Inodes not found in the cache."),
            ("node_xfs_inode_operation_duplicates_total", "Inodes that others had cached in the meantime."),
            ("node_xfs_inode_operation_reclaims_total", "Inodes dropped from the cache to make room."),
            ("node_xfs_inode_operation_attribute_changes_total", "Changes of attributes of inodes."),
        ],
    ),
    (
        "rw",
        &[
            ("node_xfs_write_calls_total", "Calls of write and its kin."),
            ("node_xfs_read_calls_total", "Calls of read and its kin."),
        ],
    ),
    (
        "vnodes",
        &[
            ("node_xfs_vnode_active_total", "Vnodes that are not on free lists."),
            ("node_xfs_vnode_allocate_total", "Vnodes allocated."),
            ("node_xfs_vnode_get_total", "Vnodes got."),
            ("node_xfs_vnode_hold_total", "Vnodes held."),
            ("node_xfs_vnode_release_total", "Vnodes released."),
            ("node_xfs_vnode_reclaim_total", "Vnodes reclaimed."),
            ("node_xfs_vnode_remove_total", "Vnodes removed."),
        ],
    ),
];

/// The most columns that a line of [`LINES`] has.
const COLUMNS: usize = 7;

/// The numbers of one file system; None for those that it does not have.
type Counts = [[Option<u64>; COLUMNS]; LINES.len()];

struct Xfs {
    folder: Folder,
    devices: Vec<Device>,
}

struct Device {
    name: Box<[u8]>,
    file: KernelFile,
    counts: Counts,
}

impl Xfs {
    fn new(settings: &Settings) -> Self {
        Self { folder: Folder::new(settings.root.sys("fs/xfs")), devices: Vec::new() }
    }
}

impl Collector for Xfs {
    fn collect(&mut self, context: &mut Context, out: &mut Exposition) -> Result<(), CollectError> {
        let listed = self.folder.list(&mut context.buffer);
        if none_if_absent(listed, self.folder.path())? {
            // Beside file systems there are the sums of all in `stats`, and `debug`.
            let device = |name: &[u8]| Device {
                name: name.into(),
                file: KernelFile::new(self.folder.entry(name).join("stats/stats")),
                counts: Counts::default(),
            };
            let devices = self.folder.names().iter().map(|name| device(name));
            self.devices = devices.filter(|device| device.file.path().exists()).collect();
        }
        let mut result = Ok(());
        for Device { file, counts, .. } in &mut self.devices {
            *counts = Counts::default();
            let Ok(text) = file.value(&mut context.buffer) else { continue };
            result = result.and(parse(text, counts).map_err(|error| error.at(file.path())));
        }
        for (line, (_, columns)) in LINES.iter().enumerate() {
            for (column, (family, help)) in columns.iter().enumerate() {
                let mut family = out.family(family, help, Kind::Counter);
                for Device { name, counts, .. } in &self.devices {
                    if let Some(Some(count)) = counts.get(line).and_then(|line| line.get(column)) {
                        family.sample(&[("device", name)], *count as f64);
                    }
                }
            }
        }
        Ok(result?)
    }
}

/// Parses lines such as `rw 15 5`. Lines and columns that are not in [`LINES`] are passed over.
fn parse(text: &[u8], counts: &mut Counts) -> Result<(), ParseError> {
    for (number, line) in lines(text) {
        let mut words = fields(line);
        let Some(name) = words.next() else { continue };
        let known = LINES.iter().zip(&mut *counts).find(|((known, _), _)| known.as_bytes() == name);
        let Some(((_, columns), slots)) = known else { continue };
        for (word, slot) in words.take(columns.len()).zip(slots) {
            let count = unsigned(word).ok_or_else(|| ParseError::new(number, "a name and counts", line));
            *slot = Some(count?);
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parsed(text: &[u8]) -> Result<Counts, ParseError> {
        let mut counts = Counts::default();
        parse(text, &mut counts).map(|()| counts)
    }

    #[test]
    fn every_column_has_room() {
        assert_eq!(LINES.iter().map(|(_, columns)| columns.len()).max(), Some(COLUMNS));
    }

    #[test]
    fn lines_of_all_kernels() {
        let counts = parsed(b"new x\n\nrw 15 5 x\nvnodes 6 0 0\nabt\n").unwrap();
        let of = |name: &str| counts[LINES.iter().position(|(line, _)| *line == name).unwrap()];
        assert_eq!(of("rw")[..3], [Some(15), Some(5), None]);
        assert_eq!(of("vnodes")[..4], [Some(6), Some(0), Some(0), None]);
        assert_eq!((of("abt"), of("dir")), ([None; COLUMNS], [None; COLUMNS]));
        for bad in ["dir 3 -1", "dir x"] {
            assert_eq!(parsed(format!("rw 1 2\n{bad}\n").as_bytes()).unwrap_err().line, 2, "{bad}");
        }
    }

    #[test]
    fn survives_a_cut_file() {
        crate::collectors::at_every_cut("sys/fs/xfs/nvme0n1p3/stats/stats", parsed);
    }
}

//! How each NFS mount does, from `/proc/self/mountstats` (kernel: `nfs_show_stats` in `fs/nfs/super.c`,
//! `net/sunrpc/stats.c`; proc_pid_mountstats(5)).

mod families;
mod parse;

use std::collections::HashSet;

use super::{CollectError, Collector, Context, Settings, Spec, read};
use crate::exposition::{Exposition, Kind};
use crate::host::KernelFile;
use parse::{Addresses, Mount, Mounts};

pub(super) const SPEC: Spec = Spec {
    name: "mountstats",
    default_on: false,
    help: "traffic, connections and operations of NFS mounts (/proc/self/mountstats)",
    flags: &[],
    build: |settings| Ok(Box::new(MountStats::new(settings))),
};

struct MountStats {
    stats: KernelFile,
    info: KernelFile,
    info_text: Vec<u8>,
}

impl MountStats {
    fn new(settings: &Settings) -> Self {
        Self {
            stats: KernelFile::new(settings.root.proc("self/mountstats")),
            info: KernelFile::new(settings.root.proc("self/mountinfo")),
            info_text: Vec::new(),
        }
    }
}

impl Collector for MountStats {
    fn collect(&mut self, context: &mut Context, out: &mut Exposition) -> Result<(), CollectError> {
        let text = read(&mut self.stats, &mut context.buffer)?;
        let (mounts, error) = parse::parse(text);
        if !mounts.mounts.is_empty() {
            let addresses = Addresses::parse(read(&mut self.info, &mut self.info_text)?);
            write(&mounts, addresses, out);
        }
        error.map_or(Ok(()), |error| Err(error.at(self.stats.path()).into()))
    }
}

/// A mount whose numbers are written, with the labels that all of its samples have.
struct Labelled<'m, 't> {
    mount: &'m Mount<'t>,
    address: &'t [u8],
    protocol: &'t [u8],
}

/// Writes all mounts. The mounts of one export from one server share their connections and numbers: the first of
/// them stands for all, and each mount point has its own info.
fn write(all: &Mounts<'_>, mut addresses: Addresses<'_>, out: &mut Exposition) {
    let (mut exports, mut mount_points) = (HashSet::new(), HashSet::new());
    let mut labelled = Vec::new();
    let mut info =
        out.family("node_mountstats_nfs_mountpoint_info", "Where an export is mounted.", Kind::Gauge);
    for mount in &all.mounts {
        // All transports of a mount are of one kind.
        let Some(transport) = all.transports_of(mount).first() else { continue };
        let (address, protocol) = (addresses.of(mount), transport.protocol);
        let export = (mount.export, address, protocol);
        if mount_points.insert((export, mount.mount_point)) {
            let labels = [
                ("export", mount.export),
                ("mountaddr", address),
                ("mountpoint", mount.mount_point),
                ("protocol", protocol),
            ];
            info.sample(&labels, 1.0);
        }
        if exports.insert(export) {
            labelled.push(Labelled { mount, address, protocol });
        }
    }
    families::write(all, &labelled, out);
}

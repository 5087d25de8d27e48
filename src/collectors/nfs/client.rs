//! What this machine has asked of NFS servers, from `/proc/net/rpc/nfs`.

use super::{Family, Procedures, Sample, VERSION_2, VERSION_3, collect};
use crate::collectors::{CollectError, Collector, Context, Spec};
use crate::exposition::{Exposition, Kind};
use crate::host::KernelFile;

pub(in crate::collectors) const SPEC: Spec = Spec {
    name: "nfs",
    default_on: true,
    help: "what the NFS client has asked of servers (/proc/net/rpc/nfs)",
    flags: &[],
    build: |settings| Ok(Box::new(Nfs { file: KernelFile::new(settings.root.proc("net/rpc/nfs")) })),
};

struct Nfs {
    file: KernelFile,
}

impl Collector for Nfs {
    fn collect(&mut self, context: &mut Context, out: &mut Exposition) -> Result<(), CollectError> {
        collect(&mut self.file, "no NFS client: no /proc/net/rpc/nfs", FAMILIES, context, out)
    }
}

pub(super) const FAMILIES: &[Family] = &[
    Family::counter(
        "node_nfs_packets_total",
        "Number of packets received, by transport.",
        &[
            Sample { line: "net", place: 3, labels: &[("protocol", "tcp")] },
            Sample { line: "net", place: 2, labels: &[("protocol", "udp")] },
        ],
    ),
    Family::counter("node_nfs_connections_total", "Number of TCP connections.", &[Sample::at("net", 4)]),
    Family::counter("node_nfs_rpcs_total", "Number of calls.", &[Sample::at("rpc", 1)]),
    Family::counter(
        "node_nfs_rpc_retransmissions_total",
        "Number of calls that were sent again for want of an answer.",
        &[Sample::at("rpc", 2)],
    ),
    Family::counter(
        "node_nfs_rpc_authentication_refreshes_total",
        "Number of times that credentials were renewed.",
        &[Sample::at("rpc", 3)],
    ),
    Family {
        name: "node_nfs_requests_total",
        help: "Number of calls by protocol version and procedure.",
        kind: Kind::Counter,
        samples: &[
            Sample { line: "proc2", place: 2, labels: &[("method", "Null"), ("proto", "2")] },
            Sample { line: "proc3", place: 2, labels: &[("method", "Null"), ("proto", "3")] },
        ],
        procedures: &[
            Procedures { line: "proc2", protocol: "2", first_place: 3, names: VERSION_2 },
            Procedures { line: "proc3", protocol: "3", first_place: 3, names: VERSION_3 },
            Procedures { line: "proc4", protocol: "4", first_place: 2, names: VERSION_4 },
        ],
    },
];

/// The client's own list, `NFSPROC4_CLNT_*` in the kernel's `include/linux/nfs4.h`; node_exporter ends at this one.
/// It has the values of LayoutGet and GetDeviceInfo the wrong way round; here they are as in nfsstat(8).
const VERSION_4: &[&str] = &[
    "Null",
    "Read",
    "Write",
    "Commit",
    "Open",
    "OpenConfirm",
    "OpenNoattr",
    "OpenDowngrade",
    "Close",
    "Setattr",
    "FsInfo",
    "Renew",
    "SetClientID",
    "SetClientIDConfirm",
    "Lock",
    "Lockt",
    "Locku",
    "Access",
    "Getattr",
    "Lookup",
    "LookupRoot",
    "Remove",
    "Rename",
    "Link",
    "Symlink",
    "Create",
    "Pathconf",
    "StatFs",
    "ReadLink",
    "ReadDir",
    "ServerCaps",
    "DelegReturn",
    "GetACL",
    "SetACL",
    "FsLocations",
    "ReleaseLockowner",
    "Secinfo",
    "FsidPresent",
    "ExchangeID",
    "CreateSession",
    "DestroySession",
    "Sequence",
    "GetLeaseTime",
    "ReclaimComplete",
    "LayoutGet",
    "GetDeviceInfo",
    "LayoutCommit",
    "LayoutReturn",
    "SecinfoNoName",
    "TestStateID",
    "FreeStateID",
    "GetDeviceList",
    "BindConnToSession",
    "DestroyClientID",
    "Seek",
    "Allocate",
    "DeAllocate",
    "LayoutStats",
    "Clone",
];

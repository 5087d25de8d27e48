//! What others have asked of this machine as an NFS server, from `/proc/net/rpc/nfsd`.

use super::{Family, Procedures, Sample, VERSION_2, VERSION_3, collect};
use crate::collectors::{CollectError, Collector, Context, Spec};
use crate::exposition::{Exposition, Kind};
use crate::host::KernelFile;

pub(in crate::collectors) const SPEC: Spec = Spec {
    name: "nfsd",
    default_on: true,
    help: "what clients have asked of the NFS server (/proc/net/rpc/nfsd)",
    flags: &[],
    build: |settings| Ok(Box::new(Nfsd { file: KernelFile::new(settings.root.proc("net/rpc/nfsd")) })),
};

struct Nfsd {
    file: KernelFile,
}

impl Collector for Nfsd {
    fn collect(&mut self, context: &mut Context, out: &mut Exposition) -> Result<(), CollectError> {
        collect(&mut self.file, "no NFS server: no /proc/net/rpc/nfsd", FAMILIES, context, out)
    }
}

pub(super) const FAMILIES: &[Family] = &[
    Family::counter(
        "node_nfsd_reply_cache_hits_total",
        "Number of calls that came again and were answered from the reply cache.",
        &[Sample::at("rc", 1)],
    ),
    Family::counter(
        "node_nfsd_reply_cache_misses_total",
        "Number of calls whose replies had to be put into the reply cache.",
        &[Sample::at("rc", 2)],
    ),
    Family::counter(
        "node_nfsd_reply_cache_nocache_total",
        "Number of calls whose replies need not be kept, since they may safely be done again.",
        &[Sample::at("rc", 3)],
    ),
    Family::counter(
        "node_nfsd_file_handles_stale_total",
        "Number of calls about files that are no longer there.",
        &[Sample::at("fh", 1)],
    ),
    Family::counter("node_nfsd_disk_bytes_read_total", "Number of bytes read.", &[Sample::at("io", 1)]),
    Family::counter("node_nfsd_disk_bytes_written_total", "Number of bytes written.", &[Sample::at("io", 2)]),
    Family {
        kind: Kind::Gauge,
        ..Family::counter("node_nfsd_server_threads", "Threads that answer calls.", &[Sample::at("th", 1)])
    },
    Family {
        kind: Kind::Gauge,
        ..Family::counter(
            "node_nfsd_read_ahead_cache_size_blocks",
            "Size of the read-ahead cache, which kernels since 5.4 do not have: 0 there.",
            &[Sample::at("ra", 1)],
        )
    },
    Family::counter(
        "node_nfsd_read_ahead_cache_not_found_total",
        "Number of reads that found nothing in the read-ahead cache.",
        &[Sample::at("ra", 12)],
    ),
    Family::counter(
        "node_nfsd_packets_total",
        "Number of packets received, by transport.",
        &[
            Sample { line: "net", place: 3, labels: &[("proto", "tcp")] },
            Sample { line: "net", place: 2, labels: &[("proto", "udp")] },
        ],
    ),
    Family::counter("node_nfsd_connections_total", "Number of TCP connections.", &[Sample::at("net", 4)]),
    Family::counter(
        "node_nfsd_rpc_errors_total",
        "Number of calls refused: not well formed, not authenticated, or from a client that is not known.",
        &[
            Sample { line: "rpc", place: 4, labels: &[("error", "auth")] },
            Sample { line: "rpc", place: 5, labels: &[("error", "cInt")] },
            Sample { line: "rpc", place: 3, labels: &[("error", "fmt")] },
        ],
    ),
    Family::counter("node_nfsd_server_rpcs_total", "Number of calls.", &[Sample::at("rpc", 1)]),
    Family {
        name: "node_nfsd_requests_total",
        help: "Number of calls by protocol version and procedure, for version 4 by operation.",
        kind: Kind::Counter,
        // Attributes asked of a client that holds a delegation to write; since kernel 6.8.
        samples: &[Sample {
            line: "wdeleg_getattr",
            place: 1,
            labels: &[("method", "WdelegGetattr"), ("proto", "4")],
        }],
        procedures: &[
            Procedures { line: "proc2", protocol: "2", first_place: 3, names: VERSION_2 },
            Procedures { line: "proc3", protocol: "3", first_place: 3, names: VERSION_3 },
            Procedures { line: "proc4ops", protocol: "4", first_place: 5, names: OPERATIONS_4 },
        ],
    },
];

/// The operations of version 4 by number, from 3 (RFC 7530, section 16). node_exporter leaves out two, and those of
/// versions 4.1 and 4.2.
const OPERATIONS_4: &[&str] = &[
    "Access",
    "Close",
    "Commit",
    "Create",
    "DelegPurge",
    "DelegReturn",
    "GetAttr",
    "GetFH",
    "Link",
    "Lock",
    "Lockt",
    "Locku",
    "Lookup",
    "LookupRoot",
    "Nverify",
    "Open",
    "OpenAttr",
    "OpenConfirm",
    "OpenDgrd",
    "PutFH",
    "", // PUTPUBFH
    "", // PUTROOTFH
    "Read",
    "ReadDir",
    "ReadLink",
    "Remove",
    "Rename",
    "Renew",
    "RestoreFH",
    "SaveFH",
    "SecInfo",
    "SetAttr",
    "SetClientID",
    "SetClientIDConfirm",
    "Verify",
    "Write",
    "RelLockOwner",
];

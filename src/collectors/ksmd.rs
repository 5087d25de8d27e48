//! The daemon that merges equal pages of memory, from `/sys/kernel/mm/ksm` (kernel:
//! `Documentation/admin-guide/mm/ksm.rst`).

use super::{Attribute, AttributeTable, CollectError, Collector, Context, Settings, Spec};
use crate::exposition::{Exposition, Kind};
use crate::host::parse::unsigned;

pub(super) const SPEC: Spec = Spec {
    name: "ksmd",
    default_on: false,
    help: "merging of equal pages of memory (/sys/kernel/mm/ksm)",
    flags: &[],
    build: |settings| Ok(Box::new(Ksmd::new(settings))),
};

const fn gauge(file: &'static str, family: &'static str, help: &'static str) -> Attribute {
    Attribute { file, family, help, kind: Kind::Gauge, value: |text| Some(unsigned(text)? as f64) }
}

const ATTRIBUTES: &[Attribute] = &[
    Attribute {
        kind: Kind::Counter,
        ..gauge(
            "full_scans",
            "node_ksmd_full_scans_total",
            "How often all mergeable areas have been scanned.",
        )
    },
    gauge(
        "merge_across_nodes",
        "node_ksmd_merge_across_nodes",
        "Whether pages of different NUMA nodes are merged.",
    ),
    gauge("pages_shared", "node_ksmd_pages_shared", "Shared pages that are in use."),
    gauge("pages_sharing", "node_ksmd_pages_sharing", "Places that share them, which is what is saved."),
    gauge("pages_to_scan", "node_ksmd_pages_to_scan", "Pages to scan before the daemon sleeps."),
    gauge("pages_unshared", "node_ksmd_pages_unshared", "Pages that are unique but checked again and again."),
    gauge("pages_volatile", "node_ksmd_pages_volatile", "Pages that change too fast to be merged."),
    gauge("run", "node_ksmd_run", "Whether the daemon stops (0), runs (1), or stops and unmerges all (2)."),
    Attribute {
        value: |text| Some(unsigned(text)? as f64 / 1000.0),
        ..gauge("sleep_millisecs", "node_ksmd_sleep_seconds", "How long the daemon sleeps between scans.")
    },
];

struct Ksmd {
    /// `None` without the directory, which the kernel has from the start or never.
    attributes: Option<AttributeTable>,
}

impl Ksmd {
    fn new(settings: &Settings) -> Self {
        let folder = settings.root.sys("kernel/mm/ksm");
        let attributes = folder.is_dir().then(|| {
            let mut attributes = AttributeTable::new(ATTRIBUTES, &[]);
            attributes.add(&folder, &[]);
            attributes
        });
        Self { attributes }
    }
}

impl Collector for Ksmd {
    fn collect(&mut self, context: &mut Context, out: &mut Exposition) -> Result<(), CollectError> {
        match &mut self.attributes {
            Some(attributes) => attributes.write(&mut context.buffer, out),
            None => Err(CollectError::NoData("the kernel was built without CONFIG_KSM")),
        }
    }
}

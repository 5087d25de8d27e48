//! What node_exporter has and ours has not, for the tests that hold one against the other. The README repeats it.
//!
//! The node_exporter that tests find is the distribution's, 1.5 in Debian 12, while ours follows 1.12.

use std::collections::BTreeSet;
use std::process::Command;

use vitals::collectors::COLLECTORS;

/// Families that ours does not have, and why. A name that ends in `*` stands for all that begin so.
pub const THEIRS_ONLY: &[(&[&str], &str)] = &[
    (&["go_*"], "metrics of the Go runtime, which is not there"),
    (
        &[
            "node_memory_Balloon_bytes",
            "node_memory_FileHugePages_bytes",
            "node_memory_FilePmdMapped_bytes",
            "node_memory_Hugetlb_bytes",
            "node_memory_KReclaimable_bytes",
            "node_memory_SecPageTables_bytes",
        ],
        "node_exporter itself gives them no more since 1.9",
    ),
    (&["promhttp_metric_handler_errors_total"], "counts failures to encode a page, and there are none"),
];

/// Labels that one side has and the other has not: family, label and why.
pub const LABELS_APART: &[(&str, &str, &str)] = &[
    ("node_disk_info", "rotational", "new since 1.6"),
    ("node_network_info", "adminstate", "new since 1.6"),
    ("node_os_info", "version", "1.5 gives it to every distribution, some later ones do not"),
];

/// Families whose labels and values say something about the exporter, not about the host.
pub const ABOUT_THE_EXPORTER: &[(&str, &str)] = &[
    ("node_exporter_build_info", "the version is in its labels"),
    ("node_scrape_collector_duration_seconds", "how long the exporter itself took"),
];

/// Whether ours need not have a family of node_exporter's.
pub fn is_theirs_only(family: &str) -> bool {
    THEIRS_ONLY.iter().flat_map(|(names, _)| *names).any(|name| match name.strip_suffix('*') {
        Some(beginning) => family.starts_with(beginning),
        None => family == *name,
    })
}

/// The collectors that ours runs by default and the node_exporter of this machine has too.
pub fn shared_collectors() -> Vec<&'static str> {
    let output = Command::new("prometheus-node-exporter").arg("--help").output();
    let output = output.unwrap_or_else(|error| panic!("node_exporter: {error}; tests/run installs it"));
    // Version 1.5 writes its help to standard error.
    let help =
        String::from_utf8_lossy(&output.stdout).into_owned() + &String::from_utf8_lossy(&output.stderr);
    let flags: BTreeSet<&str> = help.split_whitespace().collect();
    let has = |name: &str| {
        ["--", "--[no-]"].iter().any(|start| flags.contains(&*format!("{start}collector.{name}")))
    };
    let shared: Vec<_> =
        COLLECTORS.iter().filter(|spec| spec.default_on && has(spec.name)).map(|spec| spec.name).collect();
    assert!(shared.len() >= 13, "{help}");
    shared
}

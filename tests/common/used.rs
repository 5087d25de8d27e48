//! What node_exporter's own mixin and the dashboard Node Exporter Full query.

use std::collections::BTreeMap;

/// Names that node_exporter 1.12 does not fill either.
pub const FILLED_BY_NOBODY: &[(&str, &str)] = &[
    ("node_kernel_hung_tasks", "called node_kernel_hung_tasks_total since 1.11"),
    ("node_netstat_Tcp_MaxConn", "left out by the default of --collector.netstat.fields"),
];

/// A metric that is queried.
pub struct Metric {
    /// Where: `mixin`, `full` or both.
    pub dashboards: &'static str,
    /// The collector that gives it.
    pub collector: &'static str,
}

/// The metrics, by name.
pub fn used() -> BTreeMap<&'static str, Metric> {
    let lines = include_str!("../fixtures/used-metrics.tsv").lines().filter(|line| !line.starts_with('#'));
    let metric = |line: &'static str| {
        let columns: Vec<&str> = line.split('\t').collect();
        let [name, dashboards, collector] = columns[..] else { panic!("{line}") };
        (name, Metric { dashboards, collector })
    };
    lines.map(metric).collect()
}

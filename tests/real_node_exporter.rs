//! What node_exporter gives by default on this machine is all there with ours, under the same names, types and labels.
//! That the values agree is for tests/real_prometheus.rs. What may differ is in tests/common/parity.rs.
#![allow(clippy::unwrap_used)]

mod common;

use std::collections::{BTreeMap, BTreeSet};

use common::page::{Page, Series};
use common::servers::{Server, node_exporter_by_default, vitals_exporter};
use common::{http, parity};
use vitals::collectors::COLLECTORS;

/// How many collectors node_exporter 1.12 has by default on Linux.
const DEFAULT_COLLECTORS: usize = 49;

/// Where Debian's defaults are not node_exporter's own, or those changed, both get the same.
const ARGUMENTS: [&str; 4] = [
    "--collector.netdev.device-exclude=",
    "--collector.filesystem.fs-types-exclude=^(autofs|binfmt_misc|bpf|cgroup2?|configfs|debugfs|devpts|devtmpfs|erofs|\
     fusectl|hugetlbfs|iso9660|mqueue|nsfs|overlay|proc|procfs|pstore|rpc_pipefs|securityfs|selinuxfs|squashfs|sysfs|\
     tmpfs|tracefs)$",
    "--collector.filesystem.mount-points-exclude=^/(dev|proc|run|sys|var/lib/docker/.+)($|/)",
    "--collector.diskstats.device-exclude=^(z?ram|loop|fd)\\d+$",
];

#[test]
#[ignore = "needs prometheus-node-exporter (tests/run installs it)"]
fn every_series_of_node_exporter_is_there() {
    let (ours, theirs) = (vitals_exporter(&ARGUMENTS), node_exporter_by_default(&ARGUMENTS));
    // What is on their page before and after: devices come and go.
    let before = Page::read(&theirs.metrics());
    let page = Page::read(&ours.metrics());
    let after = Page::read(&theirs.metrics());

    let ours_lacks = absent_collectors(&before);
    let families = families(&theirs, &ours_lacks);
    let skipped = |family: &str| parity::is_theirs_only(family) || families.contains(family);
    println!("collectors that ours lacks: {ours_lacks:?}, with {} families", families.len());

    let mut problems = Vec::new();
    for (family, kind) in before.kinds.iter().filter(|(family, _)| !skipped(family)) {
        match page.kinds.get(family) {
            Some(ours) if ours == kind => {}
            Some(ours) => problems.push(format!("{family} is a {ours:?}, node_exporter says {kind:?}")),
            None => problems.push(format!("{family} is missing")),
        }
    }
    let known: BTreeSet<Series> =
        page.samples.keys().filter_map(|series| comparable(series, &ours_lacks)).collect();
    let wanted = before.samples.keys().filter(|series| after.samples.contains_key(series));
    let mut compared = 0;
    for series in wanted.filter(|series| !skipped(family_of(&series.name, &before.kinds))) {
        let Some(series) = comparable(series, &ours_lacks) else { continue };
        compared += 1;
        if !known.contains(&series) {
            problems.push(format!("{series} is missing"));
        }
    }
    println!("{compared} series of node_exporter's {} were looked for", before.samples.len());
    assert!(problems.is_empty(), "{} problems:\n{}", problems.len(), problems.join("\n"));
    assert!(compared > 200, "only {compared} series were compared");
}

/// node_exporter's collectors that ours does not have. None once ours has as many as node_exporter.
fn absent_collectors(theirs: &Page) -> BTreeSet<String> {
    let names =
        theirs.of("node_scrape_collector_success").map(|(series, _)| series.label("collector").to_owned());
    let absent: BTreeSet<String> =
        names.filter(|name| COLLECTORS.iter().all(|spec| spec.name != name)).collect();
    // One of ours is not node_exporter's.
    let ours = COLLECTORS.iter().filter(|spec| spec.default_on && spec.name != "vitals").count();
    assert!(ours < DEFAULT_COLLECTORS || absent.is_empty(), "{ours} collectors, but not {absent:?}");
    absent
}

/// The families that node_exporter gives for these collectors.
fn families(theirs: &Server, collectors: &BTreeSet<String>) -> BTreeSet<String> {
    let mut families = BTreeSet::new();
    for collector in collectors {
        let path = format!("/metrics?collect[]={collector}");
        let page = Page::read(&http::get_ok(theirs.address, &path));
        let own = page.kinds.into_keys().filter(|family| !family.starts_with("node_scrape_collector_"));
        families.extend(own.filter(|family| family.starts_with("node_")));
    }
    families.remove("node_exporter_build_info"); // is on every page
    families
}

/// The family of a sample: summaries and histograms have samples under longer names.
fn family_of<'n, V>(sample: &'n str, families: &BTreeMap<String, V>) -> &'n str {
    let parts = ["_sum", "_count", "_bucket"].iter().filter_map(|end| sample.strip_suffix(end));
    parts.into_iter().find(|family| families.contains_key(*family)).unwrap_or(sample)
}

/// A series as far as both should have the same; none if it is about a collector that ours lacks.
fn comparable(series: &Series, ours_lacks: &BTreeSet<String>) -> Option<Series> {
    if ours_lacks.contains(series.label("collector")) {
        return None;
    }
    if parity::ABOUT_THE_EXPORTER.iter().any(|(family, _)| *family == series.name) {
        return Some(Series::new(
            &series.name,
            [("collector".to_owned(), series.label("collector").to_owned())],
        ));
    }
    let apart = parity::LABELS_APART.iter().filter(|(family, ..)| *family == series.name);
    Some(apart.fold(series.clone(), |series, (_, label, _)| series.without(label)))
}

//! A host with hundreds of everything: each device is on the page once a family, and what is kept open leaves half of
//! the files that a process may open to others.
#![allow(clippy::unwrap_used)]

mod common;

use std::collections::{BTreeMap, BTreeSet};

use common::big_host::{Attributes, BigHost, FULL};
use common::hosts;
use common::page::Page;
use rustix::process::{Resource, Rlimit, setrlimit};
use vitals::collectors::COLLECTORS;

/// What most distributions let a process open.
const MAY_OPEN: u64 = 1024;

/// Families that have as many samples for each device as the number says.
const FAMILIES: &[(&str, &str, usize)] = &[
    ("cpu", "node_cpu_seconds_total", 8),
    ("cpu", "node_cpu_guest_seconds_total", 2),
    ("cpufreq", "node_cpu_scaling_frequency_hertz", 1),
    ("diskstats", "node_disk_reads_completed_total", 1),
    ("diskstats", "node_disk_info", 1),
    ("filesystem", "node_filesystem_size_bytes", 1),
    ("filesystem", "node_filesystem_device_error", 1),
    ("interrupts", "node_interrupts_total", 2),
    ("netclass", "node_network_up", 1),
    ("netclass", "node_network_carrier_changes_total", 1),
    ("netdev", "node_network_receive_bytes_total", 1),
    ("netdev", "node_network_transmit_carrier_total", 1),
    ("schedstat", "node_schedstat_running_seconds_total", 1),
    ("softirqs", "node_softirqs_functions_total", 2),
    ("softnet", "node_softnet_processed_total", 1),
];

#[test]
fn every_device_is_there_and_few_files_stay_open() {
    // Nothing in this program has asked for the limit yet: this is its only test.
    setrlimit(Resource::Nofile, Rlimit { current: Some(MAY_OPEN), maximum: Some(MAY_OPEN) }).unwrap();
    let folder = hosts::temporary_folder();
    let host = BigHost::build(folder.path(), FULL, Attributes::OfTheKernel);
    let mut settings = hosts::settings(&host.folder);
    hosts::read_files(&mut settings);

    let mut set = hosts::build(&settings, |name| {
        let counted = FAMILIES.iter().any(|(collector, ..)| *collector == name);
        counted || (hosts::spec(name).default_on && name != "vitals") // which shows the machine of the test
    });
    let before = open_files();
    let mut text = hosts::page(&mut set, &[]);
    for _ in 0..2 {
        text = hosts::page(&mut set, &[]);
    }
    let kept = open_files() - before;
    assert!(kept <= MAY_OPEN as usize / 2, "{kept} files are kept open");
    assert!(kept > MAY_OPEN as usize / 3, "only {kept} files are kept open: this test does not see them");

    let page = Page::read(&text);
    let added =
        [&host.disks, &host.interfaces, &host.mounts].into_iter().flatten().map(String::as_str).collect();
    let mut problems = Vec::new();
    for &(collector, family, each) in FAMILIES {
        if !COLLECTORS.iter().any(|spec| spec.name == collector) {
            continue;
        }
        let devices = devices_of(family, &host).len();
        let found = page.of(family).filter(|(series, _)| device(&series.labels, &added).is_some()).count();
        if found != devices * each {
            problems.push(format!("{found} samples of {family}, not {each} for each of {devices} devices"));
        }
    }
    problems.extend(incomplete_families(&page, &host, &added));
    assert!(problems.is_empty(), "{}", problems.join("\n"));
    println!("{} samples, {kept} files kept open", page.samples.len());
}

/// Families that have some of the added devices and not all of them.
fn incomplete_families(page: &Page, host: &BigHost, added: &BTreeSet<&str>) -> Vec<String> {
    let mut found: BTreeMap<&str, BTreeSet<&str>> = BTreeMap::new();
    for series in page.samples.keys() {
        found.entry(&series.name).or_default().extend(device(&series.labels, added));
    }
    let incomplete = found
        .into_iter()
        .filter(|(family, devices)| !devices.is_empty() && devices.len() != devices_of(family, host).len());
    incomplete.map(|(family, devices)| format!("{family} has only {} devices", devices.len())).collect()
}

/// The CPU in these labels, or the device if it is one of those that were added to the fixture host.
fn device<'l>(labels: &'l BTreeMap<String, String>, added: &BTreeSet<&str>) -> Option<&'l str> {
    let value = |name: &str| labels.get(name).map(String::as_str);
    let other = || value("mountpoint").or(value("device")).filter(|name| added.contains(name));
    value("cpu").or_else(other)
}

/// All devices of the kind that a family is about.
fn devices_of<'h>(family: &str, host: &'h BigHost) -> &'h [String] {
    match family.split('_').nth(1) {
        Some("disk") => &host.disks,
        Some("network") => &host.interfaces,
        Some("filesystem") => &host.mounts,
        _ => &host.cpus,
    }
}

fn open_files() -> usize {
    std::fs::read_dir("/proc/self/fd").unwrap().count()
}

//! The `vitals_*` gauges are held against the `node_*` families, and against what the sysinfo crate makes of the host.
#![cfg(target_os = "linux")]
#![allow(clippy::unwrap_used)]

mod common;

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use common::page::{Page, Series};
use common::servers::{Server, vitals_exporter};
use sysinfo::System;

/// How far the two may be apart where the host changes between one reading and the other, as a share of the total.
const DRIFT: f64 = 0.02;
/// The same for the CPU: neither counts finer than a hundredth of a second, and the two do not read at the same time.
const CPU_DRIFT: f64 = 0.1;

fn scrape(server: &Server) -> Page {
    Page::read(&server.metrics())
}

fn assert_near(what: &str, left: f64, right: f64, tolerance: f64) {
    assert!((left - right).abs() <= tolerance, "{what}: {left} and {right} are more than {tolerance} apart");
}

#[test]
fn memory_and_swap() {
    let server = vitals_exporter(&[""; 0]);
    let page = scrape(&server);
    let total = page.single("node_memory_MemTotal_bytes");
    assert_eq!(page.single("vitals_memory_total_bytes"), total);
    assert_near(
        "available memory",
        page.single("vitals_memory_available_bytes"),
        page.single("node_memory_MemAvailable_bytes"),
        total * DRIFT,
    );
    let swap = page.single("node_memory_SwapTotal_bytes");
    assert_eq!(page.single("vitals_swap_total_bytes"), swap);
    let used = swap - page.single("node_memory_SwapFree_bytes");
    assert_near("used swap", page.single("vitals_swap_used_bytes"), used, swap * DRIFT);
}

#[test]
fn memory_is_that_of_sysinfo() {
    let server = vitals_exporter(&[""; 0]);
    let page = scrape(&server);
    let mut system = System::new().unwrap();
    system.refresh_memory();
    assert_eq!(page.single("vitals_memory_total_bytes"), system.total_memory() as f64);
    assert_eq!(page.single("vitals_swap_total_bytes"), system.total_swap() as f64);
    let total = system.total_memory() as f64;
    let (ours, theirs) = (page.single("vitals_memory_available_bytes"), system.available_memory() as f64);
    assert_near("available memory", ours, theirs, total * DRIFT);
    assert_near("uptime", page.single("vitals_uptime_seconds"), System::uptime().unwrap() as f64, 2.0);
}

#[test]
fn disks() {
    let page = scrape(&vitals_exporter(&[""; 0]));
    // Only one of the two sees each mount of a file system that has several, so they meet at mount points.
    let by_mountpoint = |name: &str| -> BTreeMap<String, (Series, f64)> {
        let samples = page.of(name).filter(|(series, _)| !series.label("mountpoint").is_empty());
        samples
            .map(|(series, value)| (series.label("mountpoint").to_owned(), (series.clone(), value)))
            .collect()
    };
    let (ours, theirs) =
        (by_mountpoint("vitals_disk_total_bytes"), by_mountpoint("node_filesystem_size_bytes"));
    let (our_free, their_free) =
        (by_mountpoint("vitals_disk_available_bytes"), by_mountpoint("node_filesystem_avail_bytes"));
    let mut compared = 0;
    for (mountpoint, (ours, size)) in &ours {
        let Some((theirs, their_size)) = theirs.get(mountpoint) else { continue };
        assert_eq!(size, their_size, "size of {mountpoint}");
        for label in ["device", "fstype"] {
            assert_eq!(ours.label(label), theirs.label(label), "{label} of {mountpoint}");
        }
        assert_near(mountpoint, our_free[mountpoint].1, their_free[mountpoint].1, size * DRIFT);
        compared += 1;
    }
    assert!(compared > 0 || theirs.is_empty(), "nothing in common: {ours:?} and {theirs:?}");
}

#[test]
fn cpu_usage_under_load() {
    let server = vitals_exporter(&[""; 0]);
    scrape(&server); // the share of the first page reaches back to the start of the exporter
    let mut system = System::new().unwrap();
    system.refresh_cpu_usage();
    let before = scrape(&server);
    let load = std::thread::spawn(|| {
        let end = Instant::now() + Duration::from_secs(3);
        let mut turns = 0u64;
        while Instant::now() < end {
            turns = std::hint::black_box(turns.wrapping_mul(31).wrapping_add(7));
        }
        turns
    });
    load.join().unwrap();
    let after = scrape(&server);
    system.refresh_cpu_usage();
    let theirs = f64::from(system.global_cpu_usage()) / 100.0;
    let spent = |mode: &dyn Fn(&str) -> bool| -> f64 {
        let sum = |page: &Page| -> f64 {
            let samples = page.of("node_cpu_seconds_total");
            samples.filter(|(series, _)| mode(series.label("mode"))).map(|(_, value)| value).sum()
        };
        sum(&after) - sum(&before)
    };
    let idle = spent(&|mode| matches!(mode, "idle" | "iowait"));
    let busy = 1.0 - idle / spent(&|_| true);
    assert!(busy > 0.0 && busy <= 1.0, "{busy}");
    assert_near("CPU usage of sysinfo", after.single("vitals_cpu_usage_ratio"), theirs, CPU_DRIFT);
    assert_near("CPU usage", after.single("vitals_cpu_usage_ratio"), busy, CPU_DRIFT);
}

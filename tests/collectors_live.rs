//! Collectors on the machine that runs the tests, held against the kernel's own files.
#![allow(clippy::unwrap_used)]

use std::time::{Duration, Instant};

use vitals::collectors::{COLLECTORS, CollectorSet, Settings};
use vitals::exposition::{Exposition, Format, Line, Parser};

/// The page of the collectors `names` with `flags` (without `--collector.`), after `scrapes` scrapes.
fn page(names: &[&str], flags: &[(&str, &str)], scrapes: u32) -> String {
    let mut settings = Settings::default();
    for (name, value) in flags {
        let mut all = COLLECTORS.iter().flat_map(|spec| spec.flags);
        settings.set(all.find(|flag| flag.name == *name).unwrap(), value).unwrap();
    }
    let mut set = CollectorSet::build(&settings, |name| names.contains(&name)).unwrap();
    let mut out = Exposition::new();
    for scrape in 0..scrapes {
        if scrape > 0 {
            std::thread::sleep(Duration::from_millis(300));
        }
        out.clear();
        set.gather(|_| true, Instant::now() + Duration::from_secs(10), &mut out);
    }
    let mut page = Vec::new();
    out.render(Format::Text, &mut page);
    String::from_utf8(page).unwrap()
}

/// All samples as name with labels, and value.
fn samples(page: &str) -> Vec<(String, f64)> {
    let mut parser = Parser::new(page, Format::Text);
    let mut samples = Vec::new();
    while let Some(line) = parser.next() {
        if let Line::Sample(sample) = line.unwrap() {
            let labels: Vec<_> =
                sample.labels.iter().map(|label| format!("{}={}", label.name, label.value())).collect();
            samples.push((format!("{}{{{}}}", sample.name, labels.join(",")), sample.value));
        }
    }
    let mut names: Vec<_> = samples.iter().map(|(name, _)| name).collect();
    names.sort();
    let count = names.len();
    names.dedup();
    assert_eq!(names.len(), count, "a series comes twice:\n{page}");
    samples
}

fn value(samples: &[(String, f64)], name: &str) -> Option<f64> {
    samples.iter().find(|(found, _)| found == name).map(|(_, value)| *value)
}

#[test]
fn netdev_counts_the_same_both_ways() {
    let over_netlink = samples(&page(&["netdev"], &[("netdev.address-info", "true")], 1));
    let from_proc = samples(&page(&["netdev"], &[("netdev.netlink", "false")], 1));
    let packets = |name: &str| name.starts_with("node_network_receive_packets_total");
    let devices = from_proc.iter().filter(|(name, _)| packets(name)).count();
    assert!(devices > 0);
    assert_eq!(over_netlink.iter().filter(|(name, _)| packets(name)).count(), devices);
    for (name, value) in &from_proc {
        if !name.contains("collector") {
            // Packets may have come in between.
            let other = self::value(&over_netlink, name).unwrap();
            assert!((other - value).abs() <= 1e6, "{name}: {value} and {other}");
        }
    }
}

#[test]
fn netdev_labels() {
    let detailed = page(
        &["netdev"],
        &[
            ("netdev.enable-detailed-metrics", "true"),
            ("netdev.label-ifalias", "true"),
            ("netdev.device-whitelist", "^lo$"),
        ],
        1,
    );
    let packets: Vec<&str> =
        detailed.lines().filter(|line| line.starts_with("node_network_receive_errors_total{")).collect();
    assert_eq!(packets, ["node_network_receive_errors_total{device=\"lo\",ifalias=\"\"} 0"]);
}

#[test]
fn filesystem_has_the_root_once_a_family() {
    let page = page(&["filesystem"], &[], 2);
    let samples = samples(&page);
    assert_eq!(value(&samples, "node_scrape_collector_success{collector=filesystem}"), Some(1.0), "{page}");
    let of = |family: &str| {
        let start = format!("node_filesystem_{family}{{");
        let roots =
            samples.iter().filter(|(name, _)| name.starts_with(&start) && name.ends_with("mountpoint=/}"));
        roots.map(|(_, value)| *value).collect::<Vec<_>>()
    };
    let (size, free, available) = (of("size_bytes"), of("free_bytes"), of("avail_bytes"));
    if let ([size], [free], [available]) = (&size[..], &free[..], &available[..]) {
        assert!(size >= free && free >= available && *size > 0.0, "{page}");
        assert_eq!(of("device_error"), [0.0]);
        assert_eq!(of("purgeable_bytes"), [0.0]);
    } else {
        // In a container the root may be of a type that is left out by default.
        assert_eq!((size.len(), free.len(), available.len()), (0, 0, 0));
    }
}

#[test]
fn vitals_agree_with_the_kernel() {
    let first = samples(&page(&["vitals"], &[], 1));
    assert_eq!(value(&first, "vitals_cpu_usage_ratio{}"), None, "no interval yet");
    let second = samples(&page(&["vitals"], &[], 2));
    let of =
        |name: &str| value(&second, &format!("vitals_{name}{{}}")).unwrap_or_else(|| panic!("no {name}"));
    assert!((0.0..=1.0).contains(&of("cpu_usage_ratio")));
    let meminfo = std::fs::read_to_string("/proc/meminfo").unwrap();
    let kernel = |key: &str| {
        let line = meminfo.lines().find(|line| line.starts_with(key)).unwrap();
        line.split_whitespace().nth(1).unwrap().parse::<f64>().unwrap() * 1024.0
    };
    assert_eq!(of("memory_total_bytes"), kernel("MemTotal:"));
    assert_eq!(of("swap_total_bytes"), kernel("SwapTotal:"));
    assert!(of("memory_available_bytes") <= of("memory_total_bytes"));
    assert_eq!(of("memory_used_bytes"), of("memory_total_bytes") - of("memory_available_bytes"));
    let uptime = std::fs::read_to_string("/proc/uptime").unwrap();
    let uptime: f64 = uptime.split_whitespace().next().unwrap().parse().unwrap();
    assert!((of("uptime_seconds") - uptime).abs() < 60.0);
    for (name, total) in second.iter().filter(|(name, _)| name.starts_with("vitals_disk_total_bytes")) {
        let available = value(&second, &name.replace("_total_", "_available_")).unwrap();
        assert!(available <= *total && *total > 0.0, "{name}");
    }
}

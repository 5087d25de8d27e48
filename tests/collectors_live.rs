//! Collectors on the machine that runs the tests, held against the kernel's own files, and on a tree of files.
#![allow(clippy::unwrap_used)]

use std::time::{Duration, Instant};

use vitals::collectors::{COLLECTORS, CollectorSet, Settings};
use vitals::exposition::{Exposition, Format, Line, Parser};
use vitals::host::Root;

/// The page of the collectors `names` with `flags` (without `--collector.`), after `scrapes` scrapes.
fn page(names: &[&str], flags: &[(&str, &str)], scrapes: u32) -> String {
    page_of(Root::default(), names, flags, scrapes)
}

fn page_of(root: Root, names: &[&str], flags: &[(&str, &str)], scrapes: u32) -> String {
    let mut settings = Settings::new(root);
    for (name, value) in flags {
        let mut all = COLLECTORS.iter().flat_map(|spec| spec.flags);
        settings.set(all.find(|flag| flag.name == *name).unwrap(), value).unwrap();
    }
    let mut set = CollectorSet::build(COLLECTORS, &settings, |name| names.contains(&name)).unwrap();
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
    let over_netlink = || samples(&page(&["netdev"], &[("netdev.address-info", "true")], 1));
    let before = over_netlink();
    let from_proc = samples(&page(&["netdev"], &[("netdev.netlink", "false")], 1));
    let after = over_netlink();
    let packets = |name: &str| name.starts_with("node_network_receive_packets_total");
    let devices = from_proc.iter().filter(|(name, _)| packets(name)).count();
    assert!(devices > 0);
    assert_eq!(before.iter().filter(|(name, _)| packets(name)).count(), devices);
    for (name, value) in from_proc.iter().filter(|(name, _)| name.starts_with("node_network")) {
        let (before, after) = (self::value(&before, name).unwrap(), self::value(&after, name).unwrap());
        assert!(before <= *value && *value <= after, "{name}: {before}, {value}, {after}");
    }
    for (name, _) in before.iter().filter(|(name, _)| name.contains("{address=127.0.0.1,")) {
        assert_eq!(name, "node_network_address_info{address=127.0.0.1,device=lo,netmask=8,scope=link-local}");
    }
}

#[test]
fn netclass_says_the_same_over_netlink_and_from_sysfs() {
    // Another way to the same directory: with a path that was given, sysfs is read.
    let elsewhere = Root { sys: "/sys/../sys".into(), ..Root::default() };
    let from_sysfs = samples(&page_of(elsewhere, &["netclass"], &[], 2));
    let mut over_netlink = samples(&page(&["netclass"], &[], 2));
    over_netlink.retain(|(name, _)| name.starts_with("node_network"));
    assert_eq!(over_netlink.iter().filter(|(name, _)| name.starts_with("node_network_up{")).count(), {
        let links = std::fs::read_dir("/sys/class/net").unwrap();
        links.filter(|entry| entry.as_ref().unwrap().path().is_dir()).count()
    });
    for (name, value) in from_sysfs.iter().filter(|(name, _)| name.starts_with("node_network")) {
        assert_eq!(self::value(&over_netlink, name), Some(*value), "{name}");
        over_netlink.retain(|(found, _)| found != name);
    }
    assert_eq!(over_netlink, []);
}

#[test]
fn netclass_may_give_the_counters_of_netdev() {
    let flags = [("netclass.netlink", "true"), ("netclass_rtnl.with-stats", "true")];
    let both = samples(&page(&["netclass", "netdev"], &flags, 2));
    if value(&both, "node_network_up{device=lo}").is_none() {
        return; // netclass is refused netlink here and reads sysfs, which counts nothing
    }
    assert!(value(&both, "node_network_receive_dropped_total{device=lo}").is_some());
    assert!(!both.iter().any(|(name, _)| name.starts_with("node_network_receive_drop_total")));
    assert!(!both.iter().any(|(name, _)| name.contains("adminstate=")));
    let alone = samples(&page(&["netdev"], &flags, 1));
    assert!(value(&alone, "node_network_receive_drop_total{device=lo}").is_some());
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

/// Held against `/proc/net/route`, which has the routes of IPv4 in the main table.
#[test]
fn network_routes_are_those_of_the_kernel() {
    let page = page(&["network_route"], &[], 2);
    let samples = samples(&page);
    assert_eq!(
        value(&samples, "node_scrape_collector_success{collector=network_route}"),
        Some(1.0),
        "{page}"
    );
    let routes = std::fs::read_to_string("/proc/net/route").unwrap();
    for route in routes.lines().skip(1) {
        let columns: Vec<&str> = route.split_whitespace().collect();
        let address = |column: usize| {
            let number = u32::from_str_radix(columns[column], 16).unwrap();
            std::net::Ipv4Addr::from(number.to_ne_bytes())
        };
        let bits = address(7).to_bits().count_ones();
        let destination = if bits == 0 { "default".to_owned() } else { format!("{}/{bits}", address(1)) };
        let gateway = if address(2).is_unspecified() { String::new() } else { address(2).to_string() };
        let start = format!(
            "node_network_route_info{{dest={destination},device={},gw={gateway},priority={},",
            columns[0], columns[6]
        );
        assert!(samples.iter().any(|(name, _)| name.starts_with(&start)), "{start}\n{page}");
        assert!(value(&samples, &format!("node_network_routes{{device={}}}", columns[0])) >= Some(1.0));
    }
}

/// Held against `/sys/class/net`, which has the drivers of devices that hardware is behind.
#[test]
fn ethtool_has_the_drivers_of_the_kernel() {
    let page = page(&["ethtool"], &[], 2);
    let samples = samples(&page);
    assert_eq!(value(&samples, "node_scrape_collector_success{collector=ethtool}"), Some(1.0), "{page}");
    for entry in std::fs::read_dir("/sys/class/net").unwrap().map(Result::unwrap) {
        let device = entry.file_name().into_string().unwrap();
        let Ok(driver) = std::fs::read_link(entry.path().join("device/driver")) else { continue };
        let driver = driver.file_name().unwrap().to_str().unwrap();
        let info = samples.iter().filter(|(name, _)| name.starts_with("node_ethtool_info{"));
        let of_device: Vec<_> =
            info.filter(|(name, _)| name.contains(&format!(",device={device},"))).collect();
        let [(name, _)] = of_device[..] else { panic!("{of_device:?}\n{page}") };
        assert!(name.contains(&format!(",driver={driver},")), "{name}");
    }
    let none = samples_without_values(&["ethtool"], &[("ethtool.metrics-include", "^no such statistic$")]);
    assert!(
        none.iter().all(|name| !name.starts_with("node_ethtool_") || name.contains("_info{")),
        "{none:?}"
    );
    let none = samples_without_values(&["ethtool"], &[("ethtool.device-include", "^no such device$")]);
    assert_eq!(none, ["node_scrape_collector_success{collector=ethtool}"]);
}

fn samples_without_values(names: &[&str], flags: &[(&str, &str)]) -> Vec<String> {
    let samples = samples(&page(names, flags, 1)).into_iter().map(|(name, _)| name);
    samples.filter(|name| !name.starts_with("node_scrape_collector_duration")).collect()
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

#[test]
fn a_server_from_files() {
    let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/fixtures/server");
    let root = Root {
        proc: format!("{folder}/proc").into(),
        sys: format!("{folder}/sys").into(),
        // Nothing is mounted there, so that every mount point fails alike on every machine.
        rootfs: format!("{folder}/no-rootfs").into(),
        ..Root::default()
    };
    let directory = format!("{folder}/text*");
    let flags = [("netdev.netlink", "false"), ("textfile.directory", directory.as_str())];
    let page = page_of(root, &["filesystem", "netdev", "textfile"], &flags, 2);
    let error = "device_error=\"no such file or directory\"";
    for want in [
        &format!(
            "node_filesystem_device_error{{device=\"/dev/nvme0n1p2\",{error},fstype=\"ext4\",mountpoint=\"/\"}} 1"
        ),
        &format!(
            "node_filesystem_readonly{{device=\"/dev/sdb1\",{error},fstype=\"ext4\",mountpoint=\"/mnt/backup disk\"}} 1"
        ),
        &format!(
            "node_filesystem_readonly{{device=\"nas.example.org:/export\",{error},fstype=\"nfs4\",mountpoint=\"/mnt/nas\"}} 0"
        ),
        "node_network_receive_bytes_total{device=\"enp1s0\"} 1.83726450193e+11",
        "node_network_transmit_carrier_total{device=\"enp1s0\"} 8",
        "backup_last_success_timestamp_seconds{job=\"database\",target=\"\"} 1.7e+09",
        "smart_command_duration_seconds_bucket{device=\"sdb\",le=\"+Inf\"} 4",
        "# TYPE smart_power_on_hours untyped",
        "node_textfile_scrape_error 0",
        "node_scrape_collector_success{collector=\"filesystem\"} 1",
    ] {
        assert!(page.lines().any(|line| line == want), "{want}\nin\n{page}");
    }
    let mount_points =
        samples(&page).iter().filter(|(name, _)| name.starts_with("node_filesystem_readonly")).count();
    assert_eq!(mount_points, 7, "{page}");
    assert!(!page.contains("node_filesystem_size_bytes"), "{page}");
}

#[test]
fn the_clock_ticks() {
    let samples = samples(&page(&["timex"], &[], 1));
    if value(&samples, "node_scrape_collector_success{collector=timex}") == Some(0.0) {
        return; // a sandbox forbids the call
    }
    let of = |name: &str| value(&samples, &format!("node_timex_{name}{{}}")).unwrap();
    assert_eq!(samples.iter().filter(|(name, _)| name.starts_with("node_timex_")).count(), 17);
    assert!((0.009..=0.011).contains(&of("tick_seconds")));
    assert!((of("frequency_adjustment_ratio") - 1.0).abs() <= 0.0005);
    assert!(of("maxerror_seconds") >= 0.0);
    const STA_UNSYNC: i64 = 0x40;
    assert!(of("sync_status") == 0.0 || of("status") as i64 & STA_UNSYNC == 0);
}

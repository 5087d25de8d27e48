//! Every collector on the fixture host `tests/fixtures/server`, held against `tests/golden/server/<collector>.txt`.
//! `UPDATE_GOLDEN=1 cargo test --test golden` writes these files anew; the change is then in the diff to review.
#![allow(clippy::unwrap_used)]

mod common;

use common::hosts;

use std::path::Path;

use vitals::collectors::COLLECTORS;
use vitals::exposition::{Format, Line, Parser};

/// Collectors that ask the running system and not files. What can be said about their output is said below.
const NOT_FROM_FILES: &[&str] =
    &["ethtool", "logind", "network_route", "systemd", "timex", "uname", "vitals"];

/// What a collector needs here beyond its defaults.
struct Case {
    collector: &'static str,
    /// Flags, without `--collector.`, and their values.
    flags: &'static [(&'static str, &'static str)],
    /// Families that don't come from files.
    leave_out: &'static [&'static str],
}

const CASES: &[Case] = &[
    Case { collector: "bcache", flags: &[("bcache.priorityStats", "true")], leave_out: &[] },
    Case { collector: "arp", flags: &[("arp.netlink", "false")], leave_out: &[] },
    Case {
        collector: "cpu",
        flags: &[("cpu.info.flags-include", "^(aes|avx.*)$"), ("cpu.info.bugs-include", "spectre")],
        leave_out: &[],
    },
    Case {
        collector: "filesystem",
        flags: &[],
        // What statfs(2) says of the folders that stand for mount points.
        leave_out: &[
            "node_filesystem_avail_bytes",
            "node_filesystem_files",
            "node_filesystem_files_free",
            "node_filesystem_free_bytes",
            "node_filesystem_size_bytes",
        ],
    },
    Case { collector: "netdev", flags: &[("netdev.netlink", "false")], leave_out: &[] },
    Case {
        collector: "sockstat",
        flags: &[],
        // They depend on the size of a page here.
        leave_out: &["node_sockstat_TCP_mem_bytes", "node_sockstat_UDP_mem_bytes"],
    },
    Case {
        collector: "pcidevice",
        flags: &[("pcidevice.names", "true"), ("pcidevice.idsfile", "tests/fixtures/server/pci.ids")],
        leave_out: &[],
    },
    Case { collector: "stat", flags: &[("stat.softirq", "true")], leave_out: &[] },
    Case {
        collector: "sysctl",
        flags: &[
            ("sysctl.include", "kernel.pid_max"),
            ("sysctl.include", "net.ipv4.ip_local_port_range"),
            ("sysctl.include", "net.ipv4.tcp_rmem:min,default,max"),
            ("sysctl.include-info", "kernel.seccomp.actions_avail"),
            ("sysctl.include-info", "net.ipv4.tcp_congestion_control"),
        ],
        leave_out: &[],
    },
    Case {
        collector: "textfile",
        flags: &[("textfile.directory", "tests/fixtures/server/textfile")],
        leave_out: &["node_textfile_mtime_seconds"],
    },
    Case {
        collector: "time",
        flags: &[],
        leave_out: &["node_time_seconds", "node_time_zone_offset_seconds"],
    },
];

#[test]
fn every_collector_gives_its_golden_page() {
    let mut problems = Vec::new();
    for spec in COLLECTORS.iter().filter(|spec| !NOT_FROM_FILES.contains(&spec.name)) {
        let case = CASES.iter().find(|case| case.collector == spec.name);
        let (flags, leave_out) = case.map_or((&[][..], &[][..]), |case| (case.flags, case.leave_out));
        let folder = hosts::folder("fixtures/server");
        let mut settings = hosts::settings(&folder);
        hosts::set_flags(&mut settings, spec.name, flags);
        let mut set = hosts::build(&settings, |name| name == spec.name);
        let page = portable(&hosts::page(&mut set, leave_out), &folder);
        let success = format!("\nnode_scrape_collector_success{{collector=\"{}\"}} 1\n", spec.name);
        if !page.contains(&success) {
            problems.push(format!("{} fails on the fixture host", spec.name));
        }
        if page != portable(&hosts::page(&mut set, leave_out), &folder) {
            problems.push(format!("{} gives another page the second time", spec.name));
        }
        if samples(&page) < 2 {
            problems.push(format!("{} gives nothing but its own success", spec.name));
        }
        problems.extend(hosts::compare(&format!("server/{}", spec.name), &page).err());
    }
    assert!(problems.is_empty(), "{}", problems.join("\n"));
}

/// What a laptop and a virtual machine have and lack, each on one page of all collectors that run by default. Those
/// that find nothing show by their success alone.
#[test]
fn whole_hosts_give_their_golden_pages() {
    let mut problems = Vec::new();
    for host in ["laptop", "vm"] {
        let folder = hosts::folder(&format!("fixtures/{host}"));
        let mut settings = hosts::settings(&folder);
        for case in CASES {
            // Over netlink it is the running system that answers.
            let flags = case.flags.iter().filter(|(name, _)| name.ends_with(".netlink"));
            hosts::set_flags(&mut settings, case.collector, &flags.copied().collect::<Vec<_>>());
        }
        let enabled = |name: &str| hosts::spec(name).default_on && !NOT_FROM_FILES.contains(&name);
        let mut set = hosts::build(&settings, enabled);
        let leave_out: Vec<&str> = CASES.iter().flat_map(|case| case.leave_out).copied().collect();
        let page = portable(&hosts::page(&mut set, &leave_out), &folder);
        samples(&page);
        if page != portable(&hosts::page(&mut set, &leave_out), &folder) {
            problems.push(format!("{host} gives another page the second time"));
        }
        problems.extend(hosts::compare(host, &page).err());
    }
    assert!(problems.is_empty(), "{}", problems.join("\n"));
}

/// The page with paths in labels as the host at `folder` has them.
fn portable(page: &str, folder: &Path) -> String {
    page.replace(folder.to_str().unwrap(), "")
}

/// The number of samples on a page that the reader of this crate takes without complaint.
fn samples(page: &str) -> usize {
    let mut parser = Parser::new(page, Format::Text);
    let mut samples = 0;
    while let Some(line) = parser.next() {
        let line = line.unwrap_or_else(|error| panic!("{error}\n{page}"));
        samples += usize::from(matches!(line, Line::Sample(_)));
    }
    samples
}

#[test]
fn every_golden_page_belongs_to_a_collector() {
    for entry in std::fs::read_dir(hosts::folder("golden/server")).unwrap() {
        let path = entry.unwrap().path();
        let name = path.file_stem().unwrap().to_str().unwrap();
        assert!(COLLECTORS.iter().any(|spec| spec.name == name), "{} is left over", path.display());
    }
}

#[test]
fn the_table_is_sorted_and_says_what_each_collector_gives() {
    let (last, others) = COLLECTORS.split_last().unwrap();
    assert!(last.name == "textfile" && others.is_sorted_by(|a, b| a.name < b.name));
    for spec in COLLECTORS {
        assert!(!spec.help.is_empty(), "{}", spec.name);
        for (place, flag) in spec.flags.iter().enumerate() {
            // node_exporter's flag of powersupplyclass is called powersupply.*, and netclass has one of netclass_rtnl.*
            let room = flag.name.split('.').next().unwrap();
            assert!(spec.name.starts_with(room) || room.starts_with(spec.name), "{}", flag.name);
            // Given flags are taken in this order, and an old name has to see whether the new one was given.
            let mut before = spec.flags.iter().take(place);
            assert!(flag.alias_of.is_none_or(|of| before.any(|flag| flag.name == of)), "{}", flag.name);
        }
    }
}

#[test]
fn uname_names_the_running_kernel() {
    let mut set = hosts::build(&hosts::settings(&hosts::folder("fixtures/server")), |name| name == "uname");
    let page = hosts::page(&mut set, &[]);
    let release = std::fs::read_to_string("/proc/sys/kernel/osrelease").unwrap();
    let sample = page.lines().find(|line| line.starts_with("node_uname_info{domainname=\"")).unwrap();
    assert!(
        sample.contains(&format!(",release=\"{}\",sysname=\"Linux\",version=\"", release.trim())),
        "{sample}"
    );
}

#[test]
fn time_is_now() {
    let mut set = hosts::build(&hosts::settings(&hosts::folder("fixtures/server")), |name| name == "time");
    let value = |page: &str, name: &str| -> f64 {
        let line = page.lines().find(|line| line.starts_with(name)).unwrap_or_else(|| panic!("no {name}"));
        line.rsplit(' ').next().unwrap().parse().unwrap()
    };
    let clock = || std::time::UNIX_EPOCH.elapsed().unwrap().as_secs_f64();
    let before = clock();
    let page = hosts::page(&mut set, &[]);
    let seconds = value(&page, "node_time_seconds ");
    assert!((before..=clock()).contains(&seconds), "{before} {seconds}");
    let offset = value(&page, "node_time_zone_offset_seconds{time_zone=\"");
    assert!(offset.abs() <= 14.0 * 3600.0, "{offset}");
}

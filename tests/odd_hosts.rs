//! Collectors on hosts that are old, broken, or change while they are watched: `tests/fixtures/odd/<case>`.
#![allow(clippy::unwrap_used)]

mod common;

use common::hosts;

use std::path::Path;

use vitals::collectors::{CollectError, Context};
use vitals::exposition::Exposition;

fn collect(folder: &Path, collector: &str) -> Result<(), CollectError> {
    let settings = hosts::settings(folder);
    let mut built = (hosts::spec(collector).build)(&settings).unwrap();
    built.collect(&mut Context::new(&settings), &mut Exposition::new())
}

/// Kernel 2.6.32: 11 columns of disks, no columns for guests, no PSI, an `os-release` in `/usr/lib` only. Sensors are
/// in the directory of their device, and cpufreq has no policies.
#[test]
fn an_old_kernel_gives_less() {
    let names = [
        "cpu",
        "cpufreq",
        "diskstats",
        "dmi",
        "edac",
        "hwmon",
        "mdadm",
        "meminfo",
        "nvme",
        "os",
        "powersupplyclass",
        "pressure",
        "rapl",
        "stat",
        "time",
        "vmstat",
    ];
    let settings = hosts::settings(&hosts::folder("fixtures/odd/old-kernel"));
    let mut set = hosts::build(&settings, |name| names.contains(&name));
    let page = hosts::page(&mut set, &["node_time_seconds", "node_time_zone_offset_seconds"]);
    hosts::compare("odd/old-kernel", &page).unwrap_or_else(|difference| panic!("{difference}"));
}

#[test]
fn what_a_host_lacks_is_no_data() {
    let empty = tempfile::tempdir().unwrap();
    for collector in [
        "cpufreq",
        "diskstats",
        "dmi",
        "hwmon",
        "mdadm",
        "nvme",
        "os",
        "powersupplyclass",
        "pressure",
        "rapl",
    ] {
        let result = collect(empty.path(), collector);
        assert!(matches!(result, Err(CollectError::NoData(_))), "{collector}: {result:?}");
    }
    for collector in ["cpu", "loadavg", "meminfo", "stat", "vmstat"] {
        let result = collect(empty.path(), collector);
        assert!(matches!(result, Err(CollectError::Read { .. })), "{collector}: {result:?}");
    }
}

/// `errors.txt` has the collector and its whole message, with the path as seen from the case's folder.
#[test]
fn broken_files_are_named_with_line_and_reason() {
    let folder = hosts::folder("fixtures/odd/broken");
    let expected = std::fs::read_to_string(folder.join("errors.txt")).unwrap();
    for line in expected.lines() {
        let (collector, message) = line.split_once(": ").unwrap();
        let error = collect(&folder, collector).expect_err(collector).to_string();
        assert_eq!(error.replace(&format!("{}/", folder.display()), ""), message);
    }
}

/// Flags, and what they bring into a page (`+`) or take from it (`-`).
#[test]
fn flags_choose_what_is_given() {
    const EXCLUDE: &str = "diskstats.device-exclude";
    const INCLUDE: &str = "diskstats.device-include";
    for (collector, flags, marks) in [
        ("cpu", [].as_slice(), ["+node_cpu_guest_seconds_total{", "-node_cpu_info{"].as_slice()),
        ("cpu", &[("cpu.guest", "false")], &["-node_cpu_guest_seconds_total{"]),
        ("cpu", &[("cpu.info", "true")], &["+node_cpu_info{", "-node_cpu_flag_info{", "-node_cpu_bug_info{"]),
        (
            "cpu",
            &[("cpu.info.bugs-include", "^mds$")],
            &["+node_cpu_info{", "+node_cpu_bug_info{bug=\"mds\"} 1"],
        ),
        ("diskstats", &[], &["+{device=\"sda\"}", "-{device=\"sda1\"}", "-{device=\"loop0\"}"]),
        ("diskstats", &[(INCLUDE, "^sda")], &["+{device=\"sda1\"}", "-{device=\"sdb\"}"]),
        ("diskstats", &[(EXCLUDE, "")], &["+{device=\"nvme0n1p1\"}", "+{device=\"loop0\"}"]),
        ("diskstats", &[("diskstats.ignored-devices", "^s")], &["-{device=\"sda\"}", "+{device=\"loop0\"}"]),
        ("stat", &[], &["-node_softirqs_total"]),
        ("vmstat", &[("vmstat.fields", "^swap")], &["+node_vmstat_swap_ra 40", "-node_vmstat_pgfault"]),
    ] {
        let mut settings = hosts::settings(&hosts::folder("fixtures/server"));
        hosts::set_flags(&mut settings, collector, flags);
        let page = hosts::page(&mut hosts::build(&settings, |name| name == collector), &[]);
        for mark in marks {
            let (sign, text) = mark.split_at(1);
            assert_eq!(page.contains(text), sign == "+", "{collector} {flags:?} {mark}\n{page}");
        }
    }
    let mut settings = hosts::settings(&hosts::folder("fixtures/server"));
    hosts::set_flags(&mut settings, "diskstats", &[(EXCLUDE, "a"), (INCLUDE, "b")]);
    let error = (hosts::spec("diskstats").build)(&settings).err().unwrap().to_string();
    assert!(error.contains(EXCLUDE) && error.contains(INCLUDE), "{error}");
}

/// Both `/proc/cpuinfo` and cpufreq have the present frequencies.
#[test]
fn cpu_frequencies_come_from_one_collector() {
    for (names, info, want) in [
        (["cpu", "cpufreq"].as_slice(), "false", "{cpu=\"0\"} 2.100012e+09"),
        (&["cpu", "cpufreq"], "true", "{core=\"0\",cpu=\"0\",package=\"0\"} 2.1e+09"),
        (&["cpufreq"], "true", "{cpu=\"0\"} 2.100012e+09"),
        (&["cpu"], "true", ""),
    ] {
        let mut settings = hosts::settings(&hosts::folder("fixtures/server"));
        hosts::set_flags(&mut settings, "cpu", &[("cpu.info", info)]);
        let page = hosts::page(&mut hosts::build(&settings, |name| names.contains(&name)), &[]);
        let samples: Vec<_> =
            page.lines().filter_map(|line| line.strip_prefix("node_cpu_frequency_hertz")).collect();
        assert_eq!(samples.first().copied().unwrap_or_default(), want, "{names:?} {info}");
        assert_eq!(samples.len(), if want.is_empty() { 0 } else { 3 }, "{names:?} {info}");
        assert_eq!(page.contains("node_cpu_scaling_frequency_hertz{"), names.contains(&"cpufreq"));
    }
}

/// Four states of `/proc/stat`, one after another: small steps back; a CPU that was off and on again between two
/// scrapes; a CPU that is off; and on again.
#[test]
fn cpu_time_never_steps_back_unless_it_starts_anew() {
    let host = tempfile::tempdir().unwrap();
    std::fs::create_dir(host.path().join("proc")).unwrap();
    let mut set = hosts::build(&hosts::settings(host.path()), |name| name == "cpu");
    for (state, want) in [
        ("1", ["0 idle 900", "0 iowait 4", "0 user 10", "1 idle 800", "1 iowait 3", "1 user 20"].as_slice()),
        ("2", &["0 idle 900", "0 iowait 4", "0 user 10.1", "1 idle 0.6", "1 iowait 0.01", "1 user 0.3"]),
        ("3", &["0 idle 903", "0 iowait 4.01", "0 user 10.2"]),
        ("4", &["0 idle 904", "0 iowait 4.02", "0 user 10.3", "1 idle 0.5", "1 iowait 0", "1 user 0.07"]),
    ] {
        let source = hosts::folder("fixtures/odd/counters-backwards").join(state).join("proc/stat");
        std::fs::copy(source, host.path().join("proc/stat")).unwrap();
        let page = hosts::page(&mut set, &[]);
        let found: Vec<String> = page
            .lines()
            .filter_map(|line| line.strip_prefix("node_cpu_seconds_total{cpu=\""))
            .map(|line| line.replace("\",mode=\"", " ").replace("\"}", ""))
            .filter(|line| ["idle", "iowait", "user"].contains(&line.split(' ').nth(1).unwrap()))
            .collect();
        assert_eq!(found, want, "state {state}");
    }
}

/// A disk that is taken out and another one that comes under the same name.
#[test]
fn disks_come_and_go() {
    let host = tempfile::tempdir().unwrap();
    for folder in ["proc", "udev", "sys/block/sda/queue", "sys/block/sdb/queue"] {
        std::fs::create_dir_all(host.path().join(folder)).unwrap();
    }
    std::fs::write(host.path().join("udev/b8:0"), "E:ID_SERIAL=first\n").unwrap();
    std::fs::write(host.path().join("udev/b8:16"), "E:ID_SERIAL=second\n").unwrap();
    std::fs::write(host.path().join("sys/block/sdb/queue/rotational"), "1\n").unwrap();
    let mut set = hosts::build(&hosts::settings(host.path()), |name| name == "diskstats");
    let (sda, sdb) = ("8 0 sda 1 0 0 0 0 0 0 0 0 0 0\n", "8 16 sdb 2 0 0 0 0 0 0 0 0 0 0\n");
    let moved = "8 16 sda 3 0 0 0 0 0 0 0 0 0 0\n";
    for (disks, want) in [
        ([sda, sdb].as_slice(), ["sda 0 first 1", "sdb 1 second 2"].as_slice()),
        (&[sdb], &["sdb 1 second 2"]),
        (&[sdb, sda], &["sdb 1 second 2", "sda 0 first 1"]),
        (&[sda, sdb], &["sda 0 first 1", "sdb 1 second 2"]),
        (&[moved], &["sda 0 second 3"]),
        (&[], &[]),
    ] {
        std::fs::write(host.path().join("proc/diskstats"), disks.concat()).unwrap();
        let page = hosts::page(&mut set, &[]);
        let samples = |family: &str| -> Vec<&str> {
            page.lines().filter_map(|line| line.strip_prefix(&format!("{family}{{device=\""))).collect()
        };
        let found: Vec<String> = samples("node_disk_info")
            .into_iter()
            .zip(samples("node_disk_reads_completed_total"))
            .map(|(info, reads)| {
                let label =
                    |name: &str| info.split_once(&format!("{name}=\"")).unwrap().1.split('"').next().unwrap();
                let device = info.split('"').next().unwrap();
                let reads = reads.rsplit(' ').next().unwrap();
                format!("{device} {} {} {reads}", label("rotational"), label("serial"))
            })
            .collect();
        assert_eq!(found, want, "{disks:?}");
    }
}

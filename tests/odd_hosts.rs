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

/// What an empty host is to each collector: nothing to collect, or something amiss, as every host has these files,
/// or just nothing.
const NO_DATA: &str = "bcachefs bonding cgroups conntrack cpufreq diskstats dmi dmmultipath drbd entropy \
    fibrechannel hwmon infiniband ipvs kernel_hung ksmd mdadm nfs nfsd nvme nvmesubsystem os pcidevice \
    powersupplyclass pressure rapl schedstat swap tapestats udp_queues watchdog xfrm zfs";
const CANNOT_READ: &str = "buddyinfo cpu filefd interrupts loadavg meminfo mountstats netclass netstat processes \
    slabinfo softirqs softnet stat tcpstat vmstat";
const NOTHING_IS_FINE: &str = "bcache btrfs cpu_vulnerabilities drm lnstat meminfo_numa xfs";

#[test]
fn what_a_host_lacks_is_no_data() {
    let empty = tempfile::tempdir().unwrap();
    for collector in NO_DATA.split_whitespace() {
        let result = collect(empty.path(), collector);
        assert!(matches!(result, Err(CollectError::NoData(_))), "{collector}: {result:?}");
    }
    for collector in CANNOT_READ.split_whitespace() {
        let result = collect(empty.path(), collector);
        assert!(matches!(result, Err(CollectError::Read { .. })), "{collector}: {result:?}");
    }
}

/// A host without such devices is no failure to these, as it is none to node_exporter.
#[test]
fn some_collectors_succeed_where_a_host_has_nothing_for_them() {
    let empty = tempfile::tempdir().unwrap();
    for collector in NOTHING_IS_FINE.split_whitespace() {
        let result = collect(empty.path(), collector);
        assert!(result.is_ok(), "{collector}: {result:?}");
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

/// A network device that is renamed, taken out, and one whose driver refuses and whose file is broken.
#[test]
fn network_devices_come_and_go() {
    let host = tempfile::tempdir().unwrap();
    let net = host.path().join("sys/class/net");
    let device = |name: &str, mtu: &str| {
        std::fs::create_dir_all(net.join(name)).unwrap();
        for (file, text) in [("mtu", mtu), ("operstate", "up\n"), ("flags", "0x1003\n")] {
            std::fs::write(net.join(name).join(file), text).unwrap();
        }
    };
    let mut set = hosts::build(&hosts::settings(host.path()), |name| name == "netclass");
    let mut mtus = || {
        let page = hosts::page(&mut set, &[]);
        let mtus = page.lines().filter_map(|line| line.strip_prefix("node_network_mtu_bytes{device="));
        let mut found: Vec<String> = mtus.map(str::to_owned).collect();
        found.extend(page.contains("success{collector=\"netclass\"} 0").then(|| "failed".to_owned()));
        found
    };
    assert_eq!(mtus(), ["failed"]);
    device("eth0", "1500\n");
    assert_eq!(mtus(), ["\"eth0\"} 1500"]);
    device("eth1", "rubbish\n");
    device("lo", "65536\n");
    assert_eq!(mtus(), ["\"eth0\"} 1500", "\"lo\"} 65536", "failed"]);
    std::fs::remove_file(net.join("eth1/mtu")).unwrap();
    std::fs::rename(net.join("eth0"), net.join("wan")).unwrap();
    assert_eq!(mtus(), ["\"lo\"} 65536", "\"wan\"} 1500"]);
    std::fs::remove_dir_all(net.join("wan")).unwrap();
    std::fs::remove_dir_all(net.join("eth1")).unwrap();
    assert_eq!(mtus(), ["\"lo\"} 65536"]);
}

/// Flags, and what they bring into a page (`+`) or take from it (`-`).
#[test]
fn flags_choose_what_is_given() {
    const NO_NETLINK: (&str, &str) = ("arp.netlink", "false");
    const EXCLUDE: &str = "diskstats.device-exclude";
    const INCLUDE: &str = "diskstats.device-include";
    for (collector, flags, marks) in [
        (
            "bcache",
            [].as_slice(),
            ["+node_bcache_written_bytes_total", "-node_bcache_priority_stats_"].as_slice(),
        ),
        ("infiniband", &[("infiniband.device-include", "^mlx")], &["+device=\"mlx5_0\"", "-device=\"qib0\""]),
        (
            "infiniband",
            &[("infiniband.device-include", "_|qib"), ("infiniband.device-exclude", "q")],
            &["+\"mlx5_0\"", "-\"qib0\""],
        ),
        ("infiniband", &[("infiniband.device-exclude", "^mlx")], &["-device=\"mlx5_0\"", "+device=\"qib0\""]),
        ("cpu", &[], &["+node_cpu_guest_seconds_total{", "-node_cpu_info{"]),
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
        ("slabinfo", &[("slabinfo.slabs-include", "kmalloc")], &["+\"kmalloc-8k\"", "-\"dentry\""]),
        (
            "slabinfo",
            &[("slabinfo.slabs-include", "kmalloc"), ("slabinfo.slabs-exclude", "^dma")],
            &["+\"kmalloc-8k\"", "-\"dma-kmalloc-8k\""],
        ),
        (
            "arp",
            &[NO_NETLINK, ("arp.device-include", "^d")],
            &["+{device=\"docker0\"} 1", "-{device=\"enp1s0\"}"],
        ),
        (
            "arp",
            &[NO_NETLINK, ("arp.device-exclude", "^d")],
            &["-{device=\"docker0\"}", "+{device=\"enp1s0\"} 2"],
        ),
        (
            "arp",
            &[NO_NETLINK, ("arp.device-include", "^(d|enp)"), ("arp.device-exclude", "^d")],
            &["-{device=\"docker0\"}", "+{device=\"enp1s0\"} 2"],
        ),
        (
            "hwmon",
            &[("hwmon.chip-include", "core|gpu"), ("hwmon.chip-exclude", "^gpu")],
            &["+temp_celsius{chip=\"platform_coretemp_0\"", "-chip=\"gpu_board\""],
        ),
        (
            "hwmon",
            &[("hwmon.sensor-include", "core.*;temp"), ("hwmon.sensor-exclude", ";temp1$")],
            &["+temp_celsius{chip=\"platform_coretemp_0\",sensor=\"temp2\"}", "-\"temp1\"", "-\"in0\""],
        ),
        (
            "ipvs",
            &[("ipvs.backend-labels", "proto,local_port")],
            &["+_connections_active{local_port=\"443\",proto=\"TCP\"} 499\n", "-remote_port"],
        ),
        ("ipvs", &[("ipvs.backend-labels", "")], &["+node_ipvs_backend_weight 152\n"]),
        ("netclass", &[("netclass.ignored-devices", "^enp")], &["+{device=\"lo\"}", "-device=\"enp"]),
        (
            "netclass",
            &[("netclass.ignore-invalid-speed", "true")],
            &["+speed_bytes{device=\"enp1s0\"} 1.25e+08", "-speed_bytes{device=\"bond0\"}"],
        ),
        (
            "netstat",
            &[("netstat.fields", "^(Tcp_MaxConn|Icmp6_Out.*|IcmpMsg_)")],
            &["+_Tcp_MaxConn -1\n", "+_Icmp6_OutType133 7\n", "+_IcmpMsg_InType11 4\n", "-_Tcp_InSegs"],
        ),
        ("interrupts", &[], &["+,type=\"130\"} 0", "+,type=\"NMI\"} 112"]),
        ("interrupts", &[("interrupts.include-zeros", "false")], &["-} 0\n", "+,type=\"130\"} 7.340012e+06"]),
        (
            "interrupts",
            &[("interrupts.name-include", "^8;IO-APIC;8-edge rtc0$")],
            &["+type=\"8\"", "-type=\"9\""],
        ),
        ("interrupts", &[("interrupts.name-exclude", "enp1s0|;Local")], &["-enp1s0", "-LOC", "+nvme0q1"]),
        ("stat", &[], &["-node_softirqs_total"]),
        ("tapestats", &[("tapestats.ignored-devices", "^st0$")], &["-{device=\"st0\"}", "+{device=\"st1\"}"]),
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

/// A kernel without SELinux, one that has no policy yet, one with a policy, and one whose configuration is gone.
#[test]
fn selinux_is_off_without_a_policy() {
    let host = tempfile::tempdir().unwrap();
    for folder in ["proc/self/attr", "sys/fs/selinux", "etc/selinux"] {
        std::fs::create_dir_all(host.path().join(folder)).unwrap();
    }
    let write = |path: &str, text: &str| std::fs::write(host.path().join(path), text).unwrap();
    let mut set = hosts::build(&hosts::settings(host.path()), |name| name == "selinux");
    let mut modes = || -> Vec<String> {
        let page = hosts::page(&mut set, &[]);
        assert!(page.contains("success{collector=\"selinux\"} 1"), "{page}");
        page.lines().filter_map(|line| Some(line.strip_prefix("node_selinux_")?.to_owned())).collect()
    };
    assert_eq!(modes(), ["enabled 0"]);
    write("sys/fs/selinux/enforce", "0");
    write("proc/self/attr/current", "kernel\0");
    write("etc/selinux/config", "SELINUX=enforcing\n");
    assert_eq!(modes(), ["enabled 0"]);
    write("proc/self/attr/current", "system_u:system_r:kernel_t:s0\0");
    assert_eq!(modes(), ["config_mode 1", "current_mode 0", "enabled 1"]);
    std::fs::remove_file(host.path().join("etc/selinux/config")).unwrap();
    assert_eq!(modes(), ["config_mode -1", "current_mode 0", "enabled 1"]);
}

/// A controller that stops being live and goes, and a card that is not AMD's.
#[test]
fn nvme_paths_come_and_go() {
    let host = tempfile::tempdir().unwrap();
    let write = |path: &str, text: &str| {
        let path = host.path().join("sys/class").join(path);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(path, text).unwrap();
    };
    write("drm/card0/device/uevent", "DRIVER=i915\n");
    let subsystem = "nvme-subsystem/nvme-subsys0";
    for controller in ["nvme0", "nvme1"] {
        write(&format!("{subsystem}/{controller}/state"), "live\n");
        write(&format!("{subsystem}/{controller}/transport"), "tcp\n");
    }
    let settings = hosts::settings(host.path());
    let mut set = hosts::build(&settings, |name| ["drm", "nvmesubsystem"].contains(&name));
    let mut counts = || {
        let page = hosts::page(&mut set, &[]);
        assert!(!page.contains("node_drm") && page.contains("{collector=\"drm\"} 1\n"), "{page}");
        let value = |name: &str| {
            let line = page.lines().find(|line| line.starts_with(name)).unwrap_or_else(|| panic!("{page}"));
            line.rsplit(' ').next().unwrap().to_owned()
        };
        (value("node_nvmesubsystem_paths{"), value("node_nvmesubsystem_paths_live{"))
    };
    assert_eq!(counts(), ("2".to_owned(), "2".to_owned()));
    write(&format!("{subsystem}/nvme1/state"), "connecting\n");
    assert_eq!(counts(), ("2".to_owned(), "1".to_owned()));
    std::fs::remove_dir_all(host.path().join("sys/class").join(subsystem).join("nvme1")).unwrap();
    assert_eq!(counts(), ("1".to_owned(), "1".to_owned()));
    write(&format!("{subsystem}/nvme2/state"), "odd\n");
    assert_eq!(counts(), ("2".to_owned(), "1".to_owned()));
}

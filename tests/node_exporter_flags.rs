//! The flags of node_exporter 1.12, so that units written for it keep working: each is taken with its default value,
//! or refused in words that say which collector is not here.
#![allow(clippy::unwrap_used)]

use vitals::collectors::COLLECTORS;
use vitals::exporter::{Config, args};

/// Flags with a value, and their defaults; where there is none, what one might give.
const VALUES: &[(&str, &str)] = &[
    ("log.level", "info"),
    ("log.format", "logfmt"),
    ("runtime.gomaxprocs", "1"),
    ("path.procfs", "/proc"),
    ("path.sysfs", "/sys"),
    ("path.rootfs", "/"),
    ("path.udev.data", "/run/udev/data"),
    ("web.listen-address", ":9100"),
    ("web.config.file", ""),
    ("web.telemetry-path", "/metrics"),
    ("web.max-requests", "40"),
    ("collector.arp.device-include", ""),
    ("collector.arp.device-exclude", ""),
    ("collector.cpu.info.flags-include", ""),
    ("collector.cpu.info.bugs-include", ""),
    ("collector.diskstats.device-exclude", r"^(z?ram|loop|fd|(h|s|v|xv)d[a-z]|nvme\d+n\d+p)\d+$"),
    ("collector.diskstats.device-include", ""),
    ("collector.diskstats.ignored-devices", ""),
    (
        "collector.filesystem.mount-points-exclude",
        "^/(dev|proc|run/credentials/.+|sys|var/lib/docker/.+|var/lib/containers/storage/.+)($|/)",
    ),
    ("collector.filesystem.mount-points-include", ""),
    (
        "collector.filesystem.fs-types-exclude",
        "^(autofs|binfmt_misc|bpf|cgroup2?|configfs|debugfs|devpts|devtmpfs|fusectl|hugetlbfs|iso9660|mqueue|nsfs|overlay|proc|procfs|pstore|rpc_pipefs|securityfs|selinuxfs|squashfs|erofs|sysfs|tracefs)$",
    ),
    ("collector.filesystem.fs-types-include", ""),
    ("collector.filesystem.ignored-mount-points", ""),
    ("collector.filesystem.ignored-fs-types", ""),
    ("collector.filesystem.mount-timeout", "5s"),
    ("collector.filesystem.stat-workers", "4"),
    ("collector.hwmon.chip-include", ""),
    ("collector.hwmon.chip-exclude", ""),
    ("collector.hwmon.sensor-include", ""),
    ("collector.hwmon.sensor-exclude", ""),
    ("collector.infiniband.device-include", ""),
    ("collector.infiniband.device-exclude", ""),
    ("collector.ipvs.backend-labels", "local_address,local_port,remote_address,remote_port,proto,local_mark"),
    ("collector.netclass.ignored-devices", "^$"),
    ("collector.netdev.device-include", ""),
    ("collector.netdev.device-exclude", ""),
    ("collector.netdev.device-whitelist", ""),
    ("collector.netdev.device-blacklist", ""),
    (
        "collector.netstat.fields",
        "^(.*_(InErrors|InErrs)|Ip_Forwarding|Ip(6|Ext)_(InOctets|OutOctets)|Icmp6?_(InMsgs|OutMsgs)|TcpExt_(Listen.*|Syncookies.*|TCPSynRetrans|TCPTimeouts|TCPOFOQueue|TCPRcvQDrop)|Tcp_(ActiveOpens|InSegs|OutSegs|OutRsts|PassiveOpens|RetransSegs|CurrEstab)|Udp6?_(InDatagrams|OutDatagrams|NoPorts|RcvbufErrors|SndbufErrors))$",
    ),
    ("collector.powersupply.ignored-supplies", "^$"),
    ("collector.tapestats.ignored-devices", "^$"),
    ("collector.textfile.directory", ""),
    ("collector.vmstat.fields", "^(oom_kill|pgpg|pswp|pg.*fault).*"),
    ("collector.ethtool.device-include", ""),
    ("collector.ethtool.device-exclude", ""),
    ("collector.ethtool.metrics-include", ".*"),
    ("collector.interrupts.name-include", ""),
    ("collector.interrupts.name-exclude", ""),
    ("collector.ntp.server", "127.0.0.1"),
    ("collector.ntp.server-port", "123"),
    ("collector.ntp.protocol-version", "4"),
    ("collector.ntp.ip-ttl", "1"),
    ("collector.ntp.max-distance", "3.46608s"),
    ("collector.ntp.local-offset-tolerance", "1ms"),
    ("collector.pcidevice.idsfile", ""),
    ("collector.perf.cpus", ""),
    ("collector.perf.tracepoint", "sched:sched_switch"),
    ("collector.perf.hardware-profilers", "CpuCycles"),
    ("collector.perf.software-profilers", "CpuCycles"),
    ("collector.perf.cache-profilers", "CpuCycles"),
    ("collector.qdisc.device-include", ""),
    ("collector.qdisc.device-exclude", ""),
    ("collector.qdisk.device-include", ""),
    ("collector.qdisk.device-exclude", ""),
    ("collector.runit.servicedir", "/etc/service"),
    ("collector.slabinfo.slabs-include", ".*"),
    ("collector.slabinfo.slabs-exclude", ""),
    ("collector.supervisord.url", "http://localhost:9001/RPC2"),
    ("collector.sysctl.include", "net.ipv4.ip_forward"),
    ("collector.sysctl.include-info", "net.ipv4.ip_forward"),
    ("collector.systemd.unit-include", ".+"),
    ("collector.systemd.unit-exclude", r".+\.(automount|device|mount|scope|slice)"),
    ("collector.systemd.unit-whitelist", ""),
    ("collector.systemd.unit-blacklist", ""),
];

/// Flags that are true or false.
const SWITCHES: &[&str] = &[
    "web.systemd-socket",
    "web.disable-exporter-metrics",
    "collector.disable-defaults",
    "collector.arp.netlink",
    "collector.bcache.priorityStats",
    "collector.cpu.guest",
    "collector.cpu.info",
    "collector.netclass.ignore-invalid-speed",
    "collector.netclass.netlink",
    "collector.netclass_rtnl.with-stats",
    "collector.netdev.address-info",
    "collector.netdev.enable-detailed-metrics",
    "collector.netdev.netlink",
    "collector.netdev.label-ifalias",
    "collector.rapl.enable-zone-label",
    "collector.stat.softirq",
    "collector.interrupts.include-zeros",
    "collector.ntp.server-is-local",
    "collector.pcidevice.names",
    "collector.perf.disable-hardware-profilers",
    "collector.perf.disable-software-profilers",
    "collector.perf.disable-cache-profilers",
    "collector.systemd.private",
    "collector.systemd.enable-task-metrics",
    "collector.systemd.enable-restarts-metrics",
    "collector.systemd.enable-start-time-metrics",
];

fn parse(flags: &[&str]) -> Result<Config, String> {
    args::parse(["vitals-exporter"].iter().chain(flags)).map_err(|usage| {
        assert_eq!(usage.code, 64, "{flags:?}: {usage}");
        usage.to_string()
    })
}

/// Whether the flag is of no collector or of one that is here.
fn is_here(name: &str) -> bool {
    let Some(name) = name.strip_prefix("collector.").filter(|name| *name != "disable-defaults") else {
        return true;
    };
    let word = match name.split('.').next().unwrap() {
        "netclass_rtnl" => "netclass",
        "powersupply" => "powersupplyclass",
        "qdisk" => "qdisc",
        word => word,
    };
    COLLECTORS.iter().any(|spec| spec.name == word)
}

/// The flag `name`, given as `flags`, is taken if it is here and refused by its name if it is not.
fn check(name: &str, flags: &[&str]) {
    let given = flags[0].split('=').next().unwrap();
    match parse(flags) {
        Ok(_) => assert!(is_here(name), "{flags:?} is taken"),
        Err(text) => {
            let refused = text.contains(&format!("{given}: this exporter does not have"));
            assert!(!is_here(name) && refused, "{flags:?}: {text}");
        }
    }
}

#[test]
fn defaults_can_be_given() {
    for (name, value) in VALUES {
        check(name, &[&format!("--{name}={value}")]);
        if !value.is_empty() {
            check(name, &[&format!("--{name}"), value]);
        }
    }
}

#[test]
fn switches_have_both_forms() {
    for name in SWITCHES.iter().filter(|name| **name != "web.systemd-socket") {
        check(name, &[&format!("--{name}")]);
        check(name, &[&format!("--no-{name}")]);
    }
    parse(&["--no-web.systemd-socket"]).unwrap();
}

#[test]
fn absent_collectors_can_be_switched_off_and_not_on() {
    let config =
        parse(&["--no-collector.runit", "--no-collector.cpu", "--no-collector.supervisord"]).unwrap();
    assert_eq!(config.absent_collectors, ["runit", "supervisord"]);
    for flag in ["--collector.runit", "--collector.runit.servicedir=/etc/service"] {
        let text = parse(&["--no-collector.runit", flag]).unwrap_err();
        let name = flag.split('=').next().unwrap();
        assert!(
            text.contains(&format!("{name}: ")) && text.contains("collector runit: drop the flag"),
            "{text}"
        );
    }
}

#[test]
fn arguments_from_a_file() {
    let file = tempfile::NamedTempFile::new().unwrap();
    std::fs::write(file.path(), "# unit\n--collector.disable-defaults\n\n--collector.loadavg\n").unwrap();
    let config = parse(&["--collector.cpu", &format!("@{}", file.path().display())]).unwrap();
    assert_eq!(config.collectors, ["cpu", "loadavg"].into());
}

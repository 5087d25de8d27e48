//! Collectors of node_exporter that this exporter does not have. Units written for node_exporter may switch them off,
//! which changes nothing; who switches one on is told that it is not here.

use crate::collectors::COLLECTORS;

/// All collectors that node_exporter 1.12 has on Linux.
const NODE_EXPORTER: &[&str] = &[
    "arp",
    "bcache",
    "bcachefs",
    "bonding",
    "btrfs",
    "buddyinfo",
    "cgroups",
    "conntrack",
    "cpu",
    "cpu_vulnerabilities",
    "cpufreq",
    "diskstats",
    "dmi",
    "dmmultipath",
    "drbd",
    "drm",
    "edac",
    "entropy",
    "ethtool",
    "fibrechannel",
    "filefd",
    "filesystem",
    "hwmon",
    "infiniband",
    "interrupts",
    "ipvs",
    "kernel_hung",
    "ksmd",
    "lnstat",
    "loadavg",
    "logind",
    "mdadm",
    "meminfo",
    "meminfo_numa",
    "mountstats",
    "netclass",
    "netdev",
    "netstat",
    "network_route",
    "nfs",
    "nfsd",
    "ntp",
    "nvme",
    "nvmesubsystem",
    "os",
    "pcidevice",
    "perf",
    "powersupplyclass",
    "pressure",
    "processes",
    "qdisc",
    "rapl",
    "runit",
    "schedstat",
    "selinux",
    "slabinfo",
    "sockstat",
    "softirqs",
    "softnet",
    "stat",
    "supervisord",
    "swap",
    "sysctl",
    "systemd",
    "tapestats",
    "tcpstat",
    "textfile",
    "thermal_zone",
    "time",
    "timex",
    "udp_queues",
    "uname",
    "vmstat",
    "watchdog",
    "wifi",
    "xfrm",
    "xfs",
    "zfs",
    "zoneinfo",
];

/// First words of flags that differ from the name of the collector they belong to.
const OTHER_WORDS: &[(&str, &str)] =
    &[("netclass_rtnl", "netclass"), ("powersupply", "powersupplyclass"), ("qdisk", "qdisc")];

/// The names of the collectors that are not here.
pub(super) fn names() -> impl Iterator<Item = &'static str> {
    NODE_EXPORTER.iter().copied().filter(|name| COLLECTORS.iter().all(|spec| spec.name != *name))
}

/// What to say about a flag that nobody knows (`--collector.ntp.server`), if it is one of a collector that is not
/// here.
pub(super) fn refusal(flag: &str) -> Option<String> {
    let flag = flag.strip_prefix("--")?;
    let name = flag.strip_prefix("no-").unwrap_or(flag).strip_prefix("collector.")?;
    let word = name.split(['.', '=']).next().unwrap_or(name);
    let collector = OTHER_WORDS.iter().find(|(other, _)| *other == word).map_or(word, |(_, name)| name);
    names().find(|name| *name == collector).map(|name| {
        format!("--{flag}: this exporter does not have node_exporter's collector {name}: drop the flag")
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_list_is_sorted_and_has_all_of_ours_but_vitals() {
        assert!(NODE_EXPORTER.is_sorted_by(|a, b| a < b));
        assert_eq!(NODE_EXPORTER.len(), 79);
        for spec in COLLECTORS.iter().filter(|spec| spec.name != "vitals") {
            assert!(NODE_EXPORTER.contains(&spec.name), "{} is not one of node_exporter's", spec.name);
        }
    }

    #[test]
    fn flags_of_absent_collectors_are_told_from_others() {
        for flag in ["--collector.ntp", "--collector.ntp.server", "--no-collector.ntp.server-is-local"] {
            assert!(refusal(flag).unwrap().contains("collector ntp"), "{flag}");
        }
        for flag in ["--collector.cpu.nonsense", "--collector.nonsense", "--web.nonsense", "-x", "ntp"] {
            assert_eq!(refusal(flag), None, "{flag}");
        }
    }
}

//! The few numbers that a person wants to know of a host, computed from the samples of its exporter.
//!
//! An [`Observation`] is fed the samples of one page and keeps what matters; [`Vitals::between`] makes numbers
//! of two pages that follow each other. `node_*` families are preferred, the gauges of `vitals_*` stand in where
//! there are none. Whatever a page does not say stays `None`.

mod observation;

pub use observation::{Counter, Gauge, Interest, Observation};

use std::time::Duration;

use observation::{Counters, Filesystem};

/// The state of a host. Ratios are from 0 to 1.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Vitals {
    /// The share of time that the CPUs were neither idle nor waiting for I/O.
    pub cpu_usage_ratio: Option<f64>,
    /// The share of memory that is not available to new programs.
    pub memory_used_ratio: Option<f64>,
    /// The share of swap space in use; `None` also where there is no swap.
    pub swap_used_ratio: Option<f64>,
    /// The fullest writable filesystem.
    pub fullest_disk: Option<Disk>,
    /// The load average over one minute.
    pub load1: Option<f64>,
    /// Received by all network devices but the loopback.
    pub network_receive_bytes_per_second: Option<f64>,
    /// Sent by all network devices but the loopback.
    pub network_transmit_bytes_per_second: Option<f64>,
    /// Read from all physical disks.
    pub disk_read_bytes_per_second: Option<f64>,
    /// Written to all physical disks.
    pub disk_written_bytes_per_second: Option<f64>,
}

/// How full a filesystem is.
#[derive(Clone, Debug, PartialEq)]
pub struct Disk {
    /// Where it is mounted.
    pub mountpoint: String,
    /// The share of it that unprivileged programs can't use any more, as `df` counts.
    pub used_ratio: f64,
}

impl Vitals {
    /// The state at `now`. What is a rate needs the page `before` it and the time that lies between the two; a
    /// counter that went backwards has been reset and gives no rate.
    pub fn between(before: Option<&Observation>, now: &Observation, elapsed: Duration) -> Self {
        let rate = |pick: fn(&Observation) -> &Counters| {
            let growth = pick(now).growth_since(pick(before?))?;
            (!elapsed.is_zero()).then(|| growth / elapsed.as_secs_f64())
        };
        let gauges = &now.gauges;
        let vitals_swap = gauges.vitals_swap_total_bytes.zip(gauges.vitals_swap_used_bytes);
        let vitals_swap_free_bytes = vitals_swap.map(|(total, used)| total - used);
        Self {
            cpu_usage_ratio: before
                .and_then(|before| cpu_usage_ratio(before, now))
                .or(gauges.vitals_cpu_usage_ratio.filter(|ratio| (0.0..=1.0).contains(ratio))),
            memory_used_ratio: used_ratio(gauges.memory_total_bytes, gauges.memory_available_bytes).or_else(
                || used_ratio(gauges.vitals_memory_total_bytes, gauges.vitals_memory_available_bytes),
            ),
            swap_used_ratio: used_ratio(gauges.swap_total_bytes, gauges.swap_free_bytes)
                .or_else(|| used_ratio(gauges.vitals_swap_total_bytes, vitals_swap_free_bytes)),
            fullest_disk: fullest(&now.filesystems).or_else(|| fullest(&now.vitals_disks)),
            load1: gauges.load1.filter(|load| load.is_finite()),
            network_receive_bytes_per_second: rate(|page| &page.network_receive_bytes),
            network_transmit_bytes_per_second: rate(|page| &page.network_transmit_bytes),
            disk_read_bytes_per_second: rate(|page| &page.disk_read_bytes),
            disk_written_bytes_per_second: rate(|page| &page.disk_written_bytes),
        }
    }
}

fn cpu_usage_ratio(before: &Observation, now: &Observation) -> Option<f64> {
    let busy = now.cpu_busy_seconds.growth_since(&before.cpu_busy_seconds)?;
    let idle = now.cpu_idle_seconds.growth_since(&before.cpu_idle_seconds)?;
    (busy + idle > 0.0).then(|| busy / (busy + idle))
}

/// `1 - available / total`, where that is a ratio.
fn used_ratio(total: Option<f64>, available: Option<f64>) -> Option<f64> {
    let (total, available) = (total?, available?);
    let ratio = 1.0 - available / total;
    (total > 0.0 && (0.0..=1.0).contains(&ratio)).then_some(ratio)
}

fn fullest(filesystems: &[Filesystem]) -> Option<Disk> {
    filesystems
        .iter()
        .filter(|filesystem| !filesystem.ignored)
        .filter_map(|filesystem| {
            Some((used_ratio(filesystem.size_bytes, filesystem.available_bytes)?, filesystem))
        })
        // The same device may be mounted at several places: the shortest path is the one that people know.
        .max_by(|(one, at), (two, other)| {
            one.total_cmp(two).then_with(|| other.mountpoint.len().cmp(&at.mountpoint.len()))
        })
        .map(|(used_ratio, filesystem)| Disk { mountpoint: filesystem.mountpoint.clone(), used_ratio })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::exposition::{Format, Line, Parser, Sample};
    use std::hash::{Hash, Hasher};

    fn observe(page: &str) -> Observation {
        let mut observation = Observation::default();
        feed(&mut observation, page);
        observation
    }

    fn number(sample: &Sample<'_, '_>) -> u64 {
        let mut hasher = std::hash::DefaultHasher::new();
        sample.name.hash(&mut hasher);
        for label in sample.labels {
            (label.name, label.escaped_value).hash(&mut hasher);
        }
        hasher.finish()
    }

    fn feed(observation: &mut Observation, page: &str) {
        let mut parser = Parser::new(page, Format::Text);
        while let Some(line) = parser.next() {
            if let Line::Sample(sample) = line.unwrap() {
                observation.see(&sample, number(&sample));
            }
        }
        observation.finish();
    }

    const BEFORE: &str = r#"
node_cpu_seconds_total{cpu="0",mode="idle"} 100
node_cpu_seconds_total{cpu="0",mode="iowait"} 10
node_cpu_seconds_total{cpu="0",mode="user"} 50
node_cpu_seconds_total{cpu="1",mode="idle"} 100
node_cpu_seconds_total{cpu="1",mode="user"} 50
node_network_receive_bytes_total{device="eth0"} 1000
node_network_receive_bytes_total{device="lo"} 5000
node_network_transmit_bytes_total{device="eth0"} 9000
node_disk_read_bytes_total{device="sda"} 0
node_disk_written_bytes_total{device="sda"} 4096
"#;
    const NOW: &str = r#"
node_cpu_seconds_total{cpu="1",mode="user"} 54
node_cpu_seconds_total{cpu="1",mode="idle"} 106
node_cpu_seconds_total{cpu="0",mode="idle"} 108
node_cpu_seconds_total{cpu="0",mode="iowait"} 11
node_cpu_seconds_total{cpu="0",mode="user"} 51
node_memory_MemTotal_bytes 1000
node_memory_MemAvailable_bytes 250
node_memory_SwapTotal_bytes 100
node_memory_SwapFree_bytes 90
node_load1 0.42
node_network_receive_bytes_total{device="eth0"} 3000
node_network_receive_bytes_total{device="eth1"} 700000
node_network_receive_bytes_total{device="lo"} 999999
node_network_transmit_bytes_total{device="eth0"} 10
node_disk_read_bytes_total{device="dm-0"} 77777
node_disk_read_bytes_total{device="sda"} 20480
node_disk_written_bytes_total{device="sda"} 4096
node_filesystem_size_bytes{device="/dev/sda1",fstype="ext4",mountpoint="/"} 1000
node_filesystem_size_bytes{device="/dev/sda2",fstype="xfs",mountpoint="/srv"} 1000
node_filesystem_size_bytes{device="tmpfs",fstype="tmpfs",mountpoint="/run"} 1000
node_filesystem_size_bytes{device="/dev/loop0",fstype="squashfs",mountpoint="/snap/core"} 1000
node_filesystem_size_bytes{device="/dev/sr0",fstype="ext4",mountpoint="/media"} 1000
node_filesystem_size_bytes{device="nas",fstype="nfs4",mountpoint="/nas"} 1000
node_filesystem_size_bytes{device="none",fstype="ext4",mountpoint="/zero"} 0
node_filesystem_avail_bytes{device="/dev/sda1",fstype="ext4",mountpoint="/"} 600
node_filesystem_avail_bytes{device="/dev/sda2",fstype="xfs",mountpoint="/srv"} 390
node_filesystem_avail_bytes{device="tmpfs",fstype="tmpfs",mountpoint="/run"} 0
node_filesystem_avail_bytes{device="/dev/loop0",fstype="squashfs",mountpoint="/snap/core"} 0
node_filesystem_avail_bytes{device="/dev/sr0",fstype="ext4",mountpoint="/media"} 0
node_filesystem_avail_bytes{device="nas",fstype="nfs4",mountpoint="/nas"} 0
node_filesystem_avail_bytes{device="none",fstype="ext4",mountpoint="/zero"} 0
node_filesystem_readonly{device="/dev/sr0",fstype="ext4",mountpoint="/media"} 1
node_filesystem_readonly{device="/dev/sda1",fstype="ext4",mountpoint="/"} 0
node_filesystem_device_error{device="nas",fstype="nfs4",mountpoint="/nas"} 1
"#;

    fn rounded(value: Option<f64>) -> Option<f64> {
        value.map(|value| (value * 1e6).round() / 1e6)
    }

    #[test]
    fn numbers_of_a_host() {
        let vitals = Vitals::between(Some(&observe(BEFORE)), &observe(NOW), Duration::from_secs(10));
        assert_eq!(rounded(vitals.cpu_usage_ratio), Some(0.25), "5 s busy of 20");
        assert_eq!(rounded(vitals.memory_used_ratio), Some(0.75));
        assert_eq!(rounded(vitals.swap_used_ratio), Some(0.1));
        assert_eq!(vitals.load1, Some(0.42));
        let disk = vitals.fullest_disk.unwrap();
        assert_eq!((disk.mountpoint.as_str(), rounded(Some(disk.used_ratio))), ("/srv", Some(0.61)));
        assert_eq!(vitals.network_receive_bytes_per_second, Some(200.0), "neither lo nor the new eth1");
        assert_eq!(vitals.network_transmit_bytes_per_second, None, "a reset is no negative rate");
        assert_eq!(vitals.disk_read_bytes_per_second, Some(2048.0));
        assert_eq!(vitals.disk_written_bytes_per_second, Some(0.0));
    }

    #[test]
    fn the_first_page_has_no_rates() {
        let vitals = Vitals::between(None, &observe(NOW), Duration::from_secs(10));
        assert_eq!((vitals.cpu_usage_ratio, vitals.network_receive_bytes_per_second), (None, None));
        assert!(vitals.memory_used_ratio.is_some());
        let same = Vitals::between(Some(&observe(NOW)), &observe(NOW), Duration::ZERO);
        assert_eq!((same.cpu_usage_ratio, same.disk_read_bytes_per_second), (None, None));
    }

    #[test]
    fn gauges_of_vitals_stand_in() {
        let page = r#"
vitals_cpu_usage_ratio 0.125
vitals_memory_total_bytes 800
vitals_memory_available_bytes 600
vitals_swap_total_bytes 100
vitals_swap_used_bytes 25
vitals_disk_total_bytes{device="disk1",fstype="apfs",mountpoint="/"} 100
vitals_disk_available_bytes{device="disk1",fstype="apfs",mountpoint="/"} 20
"#;
        let vitals = Vitals::between(None, &observe(page), Duration::from_secs(1));
        assert_eq!(vitals.cpu_usage_ratio, Some(0.125));
        assert_eq!((vitals.memory_used_ratio, vitals.swap_used_ratio), (Some(0.25), Some(0.25)));
        assert_eq!(vitals.fullest_disk.unwrap().mountpoint, "/");
        let both = Vitals::between(
            Some(&observe(BEFORE)),
            &observe(&format!("{NOW}{page}")),
            Duration::from_secs(10),
        );
        assert_eq!(rounded(both.cpu_usage_ratio), Some(0.25), "node_* wins");
        assert_eq!(both.fullest_disk.unwrap().mountpoint, "/srv");
    }

    #[test]
    fn other_exporters_have_none_of_it() {
        let page =
            "prometheus_tsdb_head_series 5\nprocess_cpu_seconds_total 1\nnode_memory_MemTotal_bytes NaN\n";
        let vitals = Vitals::between(Some(&observe(page)), &observe(page), Duration::from_secs(1));
        assert_eq!(vitals, Vitals::default());
    }

    #[test]
    fn a_cleared_observation_has_forgotten_everything() {
        let mut observation = observe(NOW);
        observation.clear();
        feed(&mut observation, "other 1\n");
        assert_eq!(Vitals::between(None, &observation, Duration::from_secs(1)), Vitals::default());
    }

    #[test]
    fn a_page_with_more_than_any_host_has_none_of_it() {
        let page: String = (0..70_000)
            .map(|n| format!("node_disk_read_bytes_total{{device=\"{n}\"}} 1\nvitals_disk_total_bytes{{mountpoint=\"{n}\"}} 1\n"))
            .collect();
        let large = observe(&format!("{page}node_load1 1\n"));
        assert_eq!((large.disk_read_bytes.0.capacity(), large.vitals_disks.capacity()), (0, 0));
        let vitals = Vitals::between(Some(&large), &large, Duration::from_secs(1));
        assert_eq!(vitals, Vitals { load1: Some(1.0), ..Vitals::default() });
    }

    #[test]
    fn no_swap_is_no_ratio() {
        let page = "node_memory_SwapTotal_bytes 0\nnode_memory_SwapFree_bytes 0\nvitals_swap_total_bytes 0\nvitals_swap_used_bytes 0\n";
        assert_eq!(Vitals::between(None, &observe(page), Duration::ZERO).swap_used_ratio, None);
    }
}

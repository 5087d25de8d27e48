//! Pages in, numbers out.

use std::collections::HashMap;
use std::hash::{DefaultHasher, Hash, Hasher};

use super::families::{Counter, Family};
use super::*;
use crate::exposition::{Format, Line, Parser};

/// A host that is scraped, by a recorder that remembers what each series is of use for.
#[derive(Default)]
pub(super) struct Host {
    pub(super) watch: Watch,
    observation: Observation,
    interests: HashMap<u64, Interest>,
    at: i64,
}

impl Host {
    pub(super) fn scraped(mut self, page: &str) -> Self {
        self.scrape(0, page);
        self
    }

    /// Some seconds later the host says this.
    pub(super) fn scrape(&mut self, seconds: i64, page: &str) -> &Watch {
        self.at += seconds * 1000;
        let mut parser = Parser::new(page, Format::Text);
        while let Some(line) = parser.next() {
            let Line::Sample(sample) = line.unwrap() else { continue };
            let mut hasher = DefaultHasher::new();
            (sample.name, format!("{:?}", sample.labels)).hash(&mut hasher);
            let series = hasher.finish();
            let known = self.interests.get(&series);
            if known.is_none_or(|known| !self.observation.see_again(*known, series, sample.value)) {
                self.interests.insert(series, self.observation.see(&sample, series));
            }
        }
        self.observation.finish();
        self.watch.answered(self.at, &mut self.observation);
        &self.watch
    }

    pub(super) fn fail(&mut self, seconds: i64, why: &str) {
        self.at += seconds * 1000;
        self.watch.failed(self.at, why);
    }

    /// The alerts of the present problems with their severity, the worst first.
    pub(super) fn problems(&self) -> Vec<(&'static str, &'static str)> {
        let problems = self.watch.problems().iter();
        problems.map(|problem| (problem.limit.alert, problem.limit.severity.name())).collect()
    }

    pub(super) fn sentences(&self) -> Vec<&str> {
        self.watch.problems().iter().map(|problem| problem.sentence.as_str()).collect()
    }
}

fn vitals(page: &str) -> Vitals {
    Host::default().scraped(page).watch.vitals().clone()
}

const BEFORE: &str = r#"
node_cpu_seconds_total{cpu="0",mode="idle"} 100
node_cpu_seconds_total{cpu="0",mode="iowait"} 10
node_cpu_seconds_total{cpu="0",mode="user"} 50
node_cpu_seconds_total{cpu="1",mode="idle"} 100
node_cpu_seconds_total{cpu="1",mode="user"} 50
node_network_receive_bytes_total{device="eth0"} 1000
node_network_receive_bytes_total{device="lo"} 5000
node_network_receive_bytes_total{device="lo0"} 5000
node_network_receive_bytes_total{device="br0"} 5000
node_network_receive_bytes_total{device="eth0.7"} 5000
node_network_receive_bytes_total{device="veth12ab"} 5000
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
node_network_receive_bytes_total{device="lo0"} 999999
node_network_receive_bytes_total{device="br0"} 999999
node_network_receive_bytes_total{device="eth0.7"} 999999
node_network_receive_bytes_total{device="veth12ab"} 999999
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
    let mut host = Host::default().scraped(BEFORE);
    let vitals = host.scrape(10, NOW).vitals().clone();
    assert_eq!(rounded(vitals.cpu_usage_ratio), Some(0.25), "5 s busy of 20");
    assert_eq!(rounded(vitals.memory_used_ratio), Some(0.75));
    assert_eq!(rounded(vitals.swap_used_ratio), Some(0.1));
    assert_eq!(vitals.load1, Some(0.42));
    let disk = vitals.fullest_disk.unwrap();
    assert_eq!((disk.mountpoint.as_str(), rounded(Some(disk.used_ratio))), ("/srv", Some(0.61)));
    assert_eq!(vitals.network_receive_bytes_per_second, Some(200.0), "eth0's alone: eth1 is new");
    assert_eq!(vitals.network_transmit_bytes_per_second, None, "a reset is no negative rate");
    assert_eq!(vitals.disk_read_bytes_per_second, Some(2048.0));
    assert_eq!(vitals.disk_written_bytes_per_second, Some(0.0));
}

#[test]
fn the_first_page_has_no_rates() {
    let first = vitals(NOW);
    assert_eq!((first.cpu_usage_ratio, first.network_receive_bytes_per_second), (None, None));
    assert!(first.memory_used_ratio.is_some());
    let mut host = Host::default().scraped(NOW);
    let same = host.scrape(0, NOW).vitals();
    assert_eq!((same.cpu_usage_ratio, same.disk_read_bytes_per_second), (None, None));
}

#[test]
fn pressure_swap_and_uptime() {
    let page = |seconds: f64| {
        format!(
            "node_time_seconds {}\nnode_boot_time_seconds 1000\nnode_vmstat_pswpin {}\n\
             node_pressure_cpu_waiting_seconds_total {}\nnode_pressure_io_stalled_seconds_total {}\n",
            5000.0 + seconds,
            seconds * 30.0,
            seconds * 0.25,
            seconds * 1.01
        )
    };
    let mut host = Host::default().scraped(&page(0.0));
    let vitals = host.scrape(8, &page(8.0)).vitals();
    assert_eq!(vitals.uptime_seconds, Some(4008.0));
    assert_eq!((vitals.cpu_waiting_ratio, vitals.io_stalled_ratio), (Some(0.25), Some(1.0)));
    assert_eq!((vitals.swapped_in_pages_per_second, vitals.memory_stalled_ratio), (Some(30.0), None));
}

#[test]
fn the_sensor_that_is_closest_to_its_limit() {
    let page = r#"
node_hwmon_temp_celsius{chip="gpu",sensor="temp1"} 80
node_hwmon_temp_crit_celsius{chip="gpu",sensor="temp1"} 110
node_hwmon_temp_celsius{chip="cpu",sensor="temp1"} 70
node_hwmon_temp_crit_celsius{chip="cpu",sensor="temp1"} 90
node_hwmon_sensor_label{chip="cpu",label="Package id 0",sensor="temp1"} 1
node_hwmon_temp_celsius{chip="odd",sensor="temp1"} 95
node_hwmon_temp_crit_celsius{chip="odd",sensor="temp1"} 65261
vitals_temperature_celsius{sensor="other"} 99
vitals_temperature_critical_celsius{sensor="other"} 100
"#;
    let hottest = vitals(page).hottest.unwrap();
    let expected = Sensor { name: "Package id 0 (cpu)".to_owned(), celsius: 70.0, limit_celsius: Some(90.0) };
    assert_eq!(hottest, expected);
    let portable = "vitals_temperature_celsius{sensor=\"other\"} 99\n";
    assert_eq!(vitals(portable).hottest.unwrap().name, "other");
}

#[test]
fn inodes_are_looked_at_too() {
    let page = r#"
node_filesystem_files{device="a",fstype="ext4",mountpoint="/"} 1000
node_filesystem_files_free{device="a",fstype="ext4",mountpoint="/"} 250
node_filesystem_files{device="b",fstype="btrfs",mountpoint="/srv"} 0
node_filesystem_files_free{device="b",fstype="btrfs",mountpoint="/srv"} 0
"#;
    let fullest = vitals(page).fullest_inodes.unwrap();
    assert_eq!((fullest.mountpoint.as_str(), fullest.used_ratio), ("/", 0.75));
}

#[test]
fn gauges_of_vitals_stand_in() {
    let page = r#"
vitals_uptime_seconds 77
vitals_cpu_usage_ratio 0.125
vitals_memory_total_bytes 800
vitals_memory_available_bytes 600
vitals_swap_total_bytes 100
vitals_swap_used_bytes 25
vitals_disk_total_bytes{device="disk1",fstype="apfs",mountpoint="/"} 100
vitals_disk_available_bytes{device="disk1",fstype="apfs",mountpoint="/"} 20
"#;
    let alone = vitals(page);
    assert_eq!((alone.cpu_usage_ratio, alone.uptime_seconds), (Some(0.125), Some(77.0)));
    assert_eq!((alone.memory_used_ratio, alone.swap_used_ratio), (Some(0.25), Some(0.25)));
    assert_eq!(alone.fullest_disk.unwrap().mountpoint, "/");
    let mut host = Host::default().scraped(BEFORE);
    let both = host.scrape(10, &format!("{NOW}{page}")).vitals();
    assert_eq!(rounded(both.cpu_usage_ratio), Some(0.25), "node_* wins");
    assert_eq!(both.fullest_disk.as_ref().unwrap().mountpoint, "/srv");
}

#[test]
fn other_exporters_have_none_of_it() {
    let page = "prometheus_tsdb_head_series 5\nprocess_cpu_seconds_total 1\nnode_memory_MemTotal_bytes NaN\n";
    let mut host = Host::default().scraped(page);
    assert_eq!(host.scrape(1, page).vitals(), &Vitals::default());
    assert!(host.problems().is_empty());
}

#[test]
fn a_page_is_read_anew() {
    let mut host = Host::default().scraped(NOW);
    assert_eq!(host.scrape(1, "other 1\n").vitals(), &Vitals::default());
    let mut observation = Observation::default();
    observation.read(NOW, Format::Text);
    observation.clear();
    let mut watch = Watch::default();
    watch.answered(0, &mut observation);
    assert_eq!(watch.vitals(), &Vitals::default());
    observation.read(&format!("node_load1 0.5\nbroken{{\n{NOW}"), Format::Text);
    watch.answered(1, &mut observation);
    assert_eq!((watch.vitals().load1, watch.vitals().fullest_disk.is_some()), (Some(0.42), true));
}

#[test]
fn a_page_with_more_than_any_host_has_none_of_it() {
    let page: String = (0..70_000)
        .map(|n| format!("node_disk_read_bytes_total{{device=\"{n}\"}} 1\nvitals_disk_total_bytes{{mountpoint=\"{n}\"}} 1\n"))
        .collect();
    let page = format!("{page}node_load1 1\n");
    let mut observation = Observation::default();
    observation.read(&page, Format::Text);
    assert_eq!(observation.page.capacity(Counter::DiskRead), (0, 0));
    let mut host = Host::default().scraped(&page);
    assert_eq!(host.scrape(1, &page).vitals(), &Vitals { load1: Some(1.0), ..Vitals::default() });
}

#[test]
fn names_that_never_come_back_are_forgotten() {
    let mut observation = Observation::default();
    for n in 0..100 {
        let page: String = (0..100)
            .map(|mount| format!("node_filesystem_size_bytes{{mountpoint=\"/run/{n}-{mount}\"}} 1\n"))
            .collect();
        observation.read(&page, Format::Text);
        assert!(observation.things.len() < 1300, "{}", observation.things.len());
        let mut names = observation.page.readings(Family::FilesystemSize).iter();
        assert!(
            names.all(|reading| observation.things.get(reading.thing).is_some()),
            "those of this page are known"
        );
    }
}

#[test]
fn no_swap_is_no_ratio() {
    let page = "node_memory_SwapTotal_bytes 0\nnode_memory_SwapFree_bytes 0\nvitals_swap_total_bytes 0\nvitals_swap_used_bytes 0\n";
    assert_eq!(vitals(page).swap_used_ratio, None);
}

#[test]
fn names_have_an_end() {
    let long = "ü".repeat(100_000);
    let page = format!(
        "node_uname_info{{nodename=\"{long}\"}} 1\nnode_filesystem_size_bytes{{mountpoint=\"/{long}\"}} 100\n\
         node_filesystem_avail_bytes{{mountpoint=\"/{long}\"}} 1\nnode_hwmon_temp_celsius{{chip=\"a\",sensor=\"b\"}} 1\n\
         node_hwmon_sensor_label{{chip=\"a\",sensor=\"b\",label=\"{long}\"}} 1\n"
    );
    let host = Host::default().scraped(&page);
    let vitals = host.watch.vitals();
    let names = [
        host.watch.host_name().unwrap(),
        &vitals.fullest_disk.as_ref().unwrap().mountpoint,
        &vitals.hottest.as_ref().unwrap().name,
        host.watch.problems()[0].about.as_str(),
    ];
    for name in names {
        assert!(name.chars().count() == 513 && name.ends_with('…'), "{} characters", name.chars().count());
    }
}

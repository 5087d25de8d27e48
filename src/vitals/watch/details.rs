//! What the last page says beyond the few numbers.

use super::Watch;
use crate::vitals::families::{Family, Gauge};
use crate::vitals::numbers::{Disk, Sensor, filesystems, sensors};
use crate::vitals::observation::{Observation, Page};

/// The flag of a watchdog that has reset the machine: `WDIOF_CARDRESET` in the kernel's `linux/watchdog.h`.
const CARD_RESET: u64 = 32;

/// What a host tells of how its last run ended, the one before it was booted.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct LastRun {
    /// Whether with a shutdown. `None` if nobody knows.
    pub clean: Option<bool>,
    /// When it was last alive, in milliseconds since 1970 UTC, as it has noted itself.
    pub alive_milliseconds: Option<i64>,
    /// A watchdog timer has reset it.
    pub was_reset_by_watchdog: bool,
}

impl Watch {
    fn page(&self) -> Option<&Page> {
        self.before.as_ref().map(|(_, page)| page)
    }

    fn gauge(&self, gauge: Gauge) -> Option<f64> {
        self.page()?.gauge(gauge)
    }

    /// What the last page tells of the run before this one.
    pub fn last_run(&self) -> LastRun {
        let boots = self.page().map(|page| page.readings(Family::WatchdogBoot)).unwrap_or_default();
        #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "saturates")]
        let is_reset = |flags: f64| flags as u64 & CARD_RESET != 0;
        #[expect(clippy::cast_possible_truncation, reason = "saturates")]
        let milliseconds = |seconds: f64| (seconds * 1000.0) as i64;
        LastRun {
            clean: self.gauge(Gauge::LastShutdownClean).map(|clean| clean == 1.0),
            alive_milliseconds: self.gauge(Gauge::LastAlive).map(milliseconds),
            was_reset_by_watchdog: boots.iter().any(|boot| is_reset(boot.value)),
        }
    }

    /// Processes that were killed for want of memory since the boot.
    pub fn oom_kills(&self) -> Option<f64> {
        self.gauge(Gauge::OomKills)
    }

    /// Tasks that were found stuck in the kernel since the boot.
    pub fn hung_tasks(&self) -> Option<f64> {
        self.gauge(Gauge::HungTasks)
    }

    /// The filesystems that can fill up. `observation` is the one that the last page came in.
    pub fn filesystems<'a>(&'a self, observation: &'a Observation) -> impl Iterator<Item = Disk> + 'a {
        let of = |size, left| {
            let found = move |page| filesystems(page, &observation.things, size, left);
            self.page().into_iter().flat_map(found)
        };
        let page = self.page();
        let is_portable = page.is_some_and(|page| page.readings(Family::FilesystemSize).is_empty());
        let found = if is_portable {
            of(Family::DiskSize, Family::DiskAvailable)
        } else {
            of(Family::FilesystemSize, Family::FilesystemAvailable)
        };
        found.map(|(_, name, left)| Disk { mountpoint: name.to_owned(), used_ratio: 1.0 - left })
    }

    /// The temperature sensors. `observation` is the one that the last page came in.
    pub fn sensors<'a>(&'a self, observation: &'a Observation) -> impl Iterator<Item = Sensor> + 'a {
        let found = self.page().into_iter().flat_map(|page| sensors(page, &observation.things));
        found.map(|(_, name, celsius, limit_celsius)| Sensor {
            name: name.to_owned(),
            celsius,
            limit_celsius,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::exposition::Format;

    fn seen(page: &str) -> (Watch, Observation) {
        let (mut watch, mut observation) = (Watch::default(), Observation::default());
        observation.read(page, Format::Text);
        watch.answered(0, &mut observation);
        (watch, observation)
    }

    #[test]
    fn the_last_run_is_told_or_not() {
        assert_eq!(Watch::default().last_run(), LastRun::default());
        let (watch, _) = seen(
            "vitals_last_shutdown_clean 0\nvitals_last_alive_timestamp_seconds 12.5\n\
             node_watchdog_bootstatus{name=\"watchdog0\"} 0\nnode_watchdog_bootstatus{name=\"watchdog1\"} 33\n",
        );
        let expected =
            LastRun { clean: Some(false), alive_milliseconds: Some(12_500), was_reset_by_watchdog: true };
        assert_eq!(watch.last_run(), expected);
        let (watch, _) =
            seen("vitals_last_shutdown_clean 1\nnode_watchdog_bootstatus{name=\"watchdog0\"} 16\n");
        assert_eq!((watch.last_run().clean, watch.last_run().was_reset_by_watchdog), (Some(true), false));
    }

    #[test]
    fn each_filesystem_and_sensor_has_its_own_number() {
        let (watch, observation) = seen(
            "node_filesystem_size_bytes{mountpoint=\"/\",fstype=\"ext4\"} 100\n\
             node_filesystem_avail_bytes{mountpoint=\"/\",fstype=\"ext4\"} 25\n\
             node_filesystem_size_bytes{mountpoint=\"/run\",fstype=\"tmpfs\"} 100\n\
             node_filesystem_avail_bytes{mountpoint=\"/run\",fstype=\"tmpfs\"} 50\n\
             node_hwmon_temp_celsius{chip=\"a\",sensor=\"temp1\"} 50\n\
             node_hwmon_temp_crit_celsius{chip=\"a\",sensor=\"temp1\"} 90\n\
             node_hwmon_temp_celsius{chip=\"a\",sensor=\"temp2\"} 40\nnode_vmstat_oom_kill 3\n",
        );
        let disks: Vec<Disk> = watch.filesystems(&observation).collect();
        assert_eq!(disks, [Disk { mountpoint: "/".to_owned(), used_ratio: 0.75 }]);
        let mut sensors: Vec<(f64, Option<f64>)> =
            watch.sensors(&observation).map(|sensor| (sensor.celsius, sensor.limit_celsius)).collect();
        sensors.sort_by(|one, other| one.0.total_cmp(&other.0));
        assert_eq!(sensors, [(40.0, None), (50.0, Some(90.0))]);
        assert_eq!((watch.oom_kills(), watch.hung_tasks()), (Some(3.0), None));
        let (watch, observation) = seen(
            "vitals_disk_total_bytes{mountpoint=\"/\"} 4\nvitals_disk_available_bytes{mountpoint=\"/\"} 1\n",
        );
        assert_eq!(watch.filesystems(&observation).count(), 1);
    }
}

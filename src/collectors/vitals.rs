//! The few numbers a person asks for first, under the same names on every operating system.
//!
//! They come from sysinfo, which reads the host it runs on: `--path.procfs` and its like do not apply here. Disks
//! are asked for their size and sensors for their temperature, and either may hang, so that is done by a thread
//! of its own, while the other collectors work. A scrape waits for it for a second at most; while it hangs those
//! samples are absent and no scrape waits. CPU, memory and uptime come from the kernel's memory and are read at once.

use std::collections::HashMap;
use std::io;
use std::time::Instant;

use sysinfo::{Components, DiskRefreshKind, Disks, MINIMUM_CPU_UPDATE_INTERVAL, System};

use super::{CollectError, Collector, Context, NoAnswer, Reader, Spec};
use crate::exposition::{Exposition, Kind};

pub(super) const SPEC: Spec = Spec {
    name: "vitals",
    default_on: true,
    help: "cpu, memory, disks, temperatures and uptime under names that all systems share (sysinfo)",
    flags: &[],
    build: |_| Ok(Box::new(Vitals { kernel: None, devices: None, no_thread: None })),
};

struct Vitals {
    kernel: Option<KernelReader>,
    /// Started at the first scrape.
    devices: Option<Reader<(), Result<Devices, String>>>,
    no_thread: Option<io::Error>,
}

impl Collector for Vitals {
    fn prepare(&mut self) {
        if self.devices.is_none() {
            match Reader::start("vitals", device_reader()) {
                Ok(reader) => self.devices = Some(reader),
                Err(error) => self.no_thread = Some(error),
            }
        }
        if let Some(devices) = &mut self.devices {
            devices.ask(());
        }
    }

    fn collect(&mut self, context: &mut Context, out: &mut Exposition) -> Result<(), CollectError> {
        let kernel = match &mut self.kernel {
            Some(kernel) => kernel,
            none => none.insert(KernelReader::new()?),
        };
        kernel.write(out);
        let Some(devices) = &mut self.devices else {
            let why = self.no_thread.take().map_or_else(String::new, |error| error.to_string());
            return Err(CollectError::Other(format!("cannot start the thread for disks and sensors: {why}")));
        };
        match context.wait(|latest| devices.answer(latest)) {
            Ok(Ok(devices)) => {
                devices.write(out);
                Ok(())
            }
            Ok(Err(error)) => Err(CollectError::Other(error)),
            Err(NoAnswer::Late) => Err(CollectError::Other(
                "disks and sensors have not answered in time: look for a dead mount or a slow sensor".into(),
            )),
            Err(NoAnswer::Gone) => {
                self.devices = None;
                Err(CollectError::Other(
                    "the thread that reads disks and sensors has ended, starting another".into(),
                ))
            }
        }
    }
}

fn sysinfo_error(error: sysinfo::Error) -> String {
    format!("sysinfo cannot read this host: {error:?}")
}

#[derive(Debug, PartialEq)]
struct Devices {
    disks: Vec<Disk>,
    sensors: Vec<Sensor>,
}

#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Disk {
    device: String,
    mount_point: String,
    fs_type: String,
    total_bytes: u64,
    available_bytes: u64,
}

#[derive(Clone, Debug, PartialEq)]
struct Sensor {
    label: String,
    /// Tells sensors with the same label apart.
    id: String,
    celsius: Option<f64>,
    critical_celsius: Option<f64>,
}

/// What the thread does: refreshes what is needed, and no more.
fn device_reader() -> impl FnMut(()) -> Result<Devices, String> + Send {
    let mut lists = None;
    move |()| {
        let (disks, components) = match &mut lists {
            Some(lists) => lists,
            none => {
                none.insert((Disks::new().map_err(sysinfo_error)?, Components::new().map_err(sysinfo_error)?))
            }
        };
        disks.refresh_specifics(true, DiskRefreshKind::nothing().with_storage());
        components.refresh(true);
        Ok(Devices {
            disks: unique_disks(disks.iter().map(disk).collect()),
            sensors: unique_sensors(components.iter().map(sensor).collect()),
        })
    }
}

/// What the kernel answers by itself.
struct KernelReader {
    system: System,
    cpu_read: Option<Instant>,
    cpu_usage_ratio: Option<f64>,
}

impl KernelReader {
    fn new() -> Result<Self, CollectError> {
        let system = System::new().map_err(|error| CollectError::Other(sysinfo_error(error)))?;
        Ok(Self { system, cpu_read: None, cpu_usage_ratio: None })
    }

    /// Usage since the last call. Within the shortest interval that sysinfo accepts it stays as it was.
    fn cpu_usage_ratio(&mut self) -> Option<f64> {
        let since = self.cpu_read.map(|at| at.elapsed());
        if since.is_none_or(|since| since >= MINIMUM_CPU_UPDATE_INTERVAL) {
            self.system.refresh_cpu_usage();
            self.cpu_read = Some(Instant::now());
            let percent = f64::from(self.system.global_cpu_usage());
            self.cpu_usage_ratio =
                since.filter(|_| percent.is_finite()).map(|_| (percent / 100.0).clamp(0.0, 1.0));
        }
        self.cpu_usage_ratio
    }

    fn write(&mut self, out: &mut Exposition) {
        if let Some(ratio) = self.cpu_usage_ratio() {
            let help = "Share of all CPUs' time that was not idle since the previous scrape, from 0 to 1.";
            out.single("vitals_cpu_usage_ratio", help, Kind::Gauge, ratio);
        }
        let mut single = |name, help, value: u64| out.single(name, help, Kind::Gauge, value as f64);
        if let Ok(seconds) = System::uptime() {
            single("vitals_uptime_seconds", "Time since the host was started.", seconds);
        }
        self.system.refresh_memory();
        let (total, available) = (self.system.total_memory(), self.system.available_memory());
        if total == 0 {
            return; // memory could not be read
        }
        single("vitals_memory_total_bytes", "Memory of the host.", total);
        single("vitals_memory_available_bytes", "Memory that programs can have without swapping.", available);
        single("vitals_memory_used_bytes", "Memory that is not available.", total.saturating_sub(available));
        let (total, available) = (self.system.total_swap(), self.system.free_swap());
        single("vitals_swap_total_bytes", "Swap space of the host.", total);
        single("vitals_swap_available_bytes", "Swap space that is free.", available);
        single("vitals_swap_used_bytes", "Swap space in use.", total.saturating_sub(available));
    }
}

fn disk(disk: &sysinfo::Disk) -> Disk {
    Disk {
        device: disk.name().to_string_lossy().into_owned(),
        mount_point: disk.mount_point().to_string_lossy().into_owned(),
        fs_type: disk.file_system().to_string_lossy().into_owned(),
        total_bytes: disk.total_space(),
        available_bytes: disk.available_space(),
    }
}

fn sensor(component: &sysinfo::Component) -> Sensor {
    // Drivers give thousandths of a degree; as f32 they have noise behind that.
    let rounded = |celsius: f32| (f64::from(celsius) * 1000.0).round() / 1000.0;
    Sensor {
        label: component.label().to_owned(),
        id: component.id().unwrap_or_default().to_owned(),
        celsius: component.temperature().filter(|celsius| celsius.is_finite()).map(rounded),
        critical_celsius: component.critical().filter(|celsius| celsius.is_finite()).map(rounded),
    }
}

/// Disks of known size, each once at each place.
fn unique_disks(mut disks: Vec<Disk>) -> Vec<Disk> {
    disks.retain(|disk| disk.total_bytes > 0);
    disks.sort();
    disks.dedup_by(|second, first| {
        (&second.device, &second.mount_point) == (&first.device, &first.mount_point)
    });
    disks
}

/// Sensors with labels that tell them apart: one that others have too gets the sensor's id behind it.
fn unique_sensors(mut sensors: Vec<Sensor>) -> Vec<Sensor> {
    let mut count: HashMap<String, usize> = HashMap::new();
    for sensor in &sensors {
        *count.entry(sensor.label.clone()).or_default() += 1;
    }
    for sensor in &mut sensors {
        if count.get(&sensor.label).is_some_and(|&count| count > 1) {
            sensor.label = format!("{} {}", sensor.label, sensor.id);
        }
    }
    sensors.sort_by(|a, b| a.label.cmp(&b.label));
    sensors.dedup_by(|second, first| second.label == first.label);
    sensors
}

impl Devices {
    fn write(&self, out: &mut Exposition) {
        let gauge = Kind::Gauge;
        let mut disks = |name, help, value: fn(&Disk) -> u64| {
            let mut family = out.family(name, help, gauge);
            for disk in &self.disks {
                let labels = [
                    ("device", disk.device.as_bytes()),
                    ("fstype", disk.fs_type.as_bytes()),
                    ("mountpoint", disk.mount_point.as_bytes()),
                ];
                family.sample(&labels, value(disk) as f64);
            }
        };
        disks("vitals_disk_total_bytes", "Size of a disk.", |disk| disk.total_bytes);
        let help = "Space of a disk that ordinary users can still fill.";
        disks("vitals_disk_available_bytes", help, |disk| disk.available_bytes);
        let mut sensors = |name, help, value: fn(&Sensor) -> Option<f64>| {
            let mut family = out.family(name, help, gauge);
            for sensor in &self.sensors {
                if let Some(celsius) = value(sensor) {
                    family.sample(&[("sensor", sensor.label.as_bytes())], celsius);
                }
            }
        };
        sensors("vitals_temperature_celsius", "Temperature at a sensor.", |sensor| sensor.celsius);
        let help = "Temperature at which the hardware calls it critical.";
        sensors("vitals_temperature_critical_celsius", help, |sensor| sensor.critical_celsius);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn labels_are_unique() {
        let sensor = |label: &str, id: &str| Sensor {
            label: label.into(),
            id: id.into(),
            celsius: Some(1.0),
            critical_celsius: None,
        };
        let labels: Vec<String> = unique_sensors(vec![
            sensor("nvme", "hwmon1_1"),
            sensor("cpu", "hwmon2_1"),
            sensor("nvme", "hwmon0_1"),
        ])
        .into_iter()
        .map(|sensor| sensor.label)
        .collect();
        assert_eq!(labels, ["cpu", "nvme hwmon0_1", "nvme hwmon1_1"]);
        let disk = |mount_point: &str, fs_type: &str, total_bytes| Disk {
            device: "d".into(),
            mount_point: mount_point.into(),
            fs_type: fs_type.into(),
            total_bytes,
            available_bytes: 0,
        };
        let disks = unique_disks(vec![
            disk("/a", "x", 1),
            disk("/b", "x", 1),
            disk("/a", "y", 1),
            disk("/c", "x", 0),
        ]);
        assert_eq!(disks, [disk("/a", "x", 1), disk("/b", "x", 1)]);
    }
}

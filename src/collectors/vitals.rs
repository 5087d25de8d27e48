//! The few numbers a person asks for first, under names that do not depend on the system.
//!
//! CPU and memory come from files that other collectors read too, and are read once. Disks and sensors come from
//! sysinfo, which looks at the machine it runs on: `--path.*` do not apply to them. Disks are asked for their size and
//! sensors for their temperature, and either may hang, so that is done by a thread of its own, while the other
//! collectors work. A scrape waits for it for a second at most; while it hangs those samples are absent and no scrape
//! waits.

use std::collections::HashMap;
use std::io;
use std::time::{Duration, Instant};

use rustix::time::{ClockId, clock_gettime};
use sysinfo::{Components, DiskRefreshKind, Disks};

use super::{CollectError, Collector, Context, LastShutdown, NoAnswer, Reader, Spec};
use crate::exposition::{Exposition, Kind};
use crate::host::parse::{ParseError, fields, lines, unsigned};

pub(super) const SPEC: Spec = Spec {
    name: "vitals",
    default_on: true,
    help: "cpu, memory, disks, temperatures and uptime under names that all systems share (sysinfo)",
    flags: &[],
    build: |settings| {
        let last_shutdown = settings.last_shutdown;
        Ok(Box::new(Vitals { cpu: CpuUsage::default(), devices: None, no_thread: None, last_shutdown }))
    },
};

struct Vitals {
    cpu: CpuUsage,
    /// Started at the first scrape.
    devices: Option<Reader<(), Result<Devices, String>>>,
    no_thread: Option<io::Error>,
    last_shutdown: Option<LastShutdown>,
}

impl Vitals {
    fn collect_from_kernel(
        &mut self,
        context: &mut Context,
        out: &mut Exposition,
    ) -> Result<(), CollectError> {
        let uptime_seconds = clock_gettime(ClockId::Boottime).tv_sec as f64;
        let help = "Time since the host was started.";
        out.single("vitals_uptime_seconds", help, Kind::Gauge, uptime_seconds);
        let (path, text) = context.proc_meminfo()?;
        parse_memory(text).map_err(|error| error.at(path))?.write(out);
        let (path, text) = context.proc_stat()?;
        let ticks = parse_cpu(text).map_err(|error| error.at(path))?;
        if let Some(ratio) = self.cpu.ratio(Instant::now(), ticks) {
            let help = "Share of all CPUs' time that was not idle since the previous scrape, from 0 to 1.";
            out.single("vitals_cpu_usage_ratio", help, Kind::Gauge, ratio);
        }
        Ok(())
    }
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
        if let Some(last) = &self.last_shutdown {
            write_last_shutdown(last, out);
        }
        let kernel = self.collect_from_kernel(context, out);
        let Some(devices) = &mut self.devices else {
            let why = self.no_thread.take().map_or_else(String::new, |error| error.to_string());
            return Err(CollectError::Other(format!("cannot start the thread for disks and sensors: {why}")));
        };
        match context.wait(|latest| devices.answer(latest)) {
            Ok(Ok(devices)) => {
                devices.write(out);
                kernel
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

fn write_last_shutdown(last: &LastShutdown, out: &mut Exposition) {
    if let Some(clean) = last.clean {
        let help = "Whether the machine was shut down at the end of its last run, rather than just gone.";
        out.single("vitals_last_shutdown_clean", help, Kind::Gauge, f64::from(clean));
    }
    if let Some(seconds) = last.alive_seconds {
        let help = "When the machine was last known to be alive in its last run.";
        out.single("vitals_last_alive_timestamp_seconds", help, Kind::Gauge, seconds);
    }
    let help = "Runs of the machine that ended without a shutdown, since there is a state directory.";
    out.single("vitals_unclean_shutdowns_total", help, Kind::Counter, last.unclean_total as f64);
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

/// Shares of time are told over at least this long: the kernel counts in hundredths of a second.
const SHORTEST_INTERVAL: Duration = Duration::from_millis(200);

/// How busy the CPUs are.
#[derive(Default)]
struct CpuUsage {
    read: Option<(Instant, CpuTicks)>,
    ratio: Option<f64>,
}

/// The time of all CPUs since boot.
#[derive(Clone, Copy, Debug, PartialEq)]
struct CpuTicks {
    busy: u64,
    total: u64,
}

impl CpuUsage {
    /// Usage between the last call and `now`. Within [`SHORTEST_INTERVAL`] it stays as it was.
    fn ratio(&mut self, now: Instant, ticks: CpuTicks) -> Option<f64> {
        match self.read {
            Some((at, _)) if now.duration_since(at) < SHORTEST_INTERVAL => return self.ratio,
            Some((_, before)) => {
                let busy = ticks.busy.saturating_sub(before.busy) as f64;
                let total = ticks.total.saturating_sub(before.total) as f64;
                self.ratio = (total > 0.0).then(|| (busy / total).min(1.0));
            }
            None => {}
        }
        self.read = Some((now, ticks));
        self.ratio
    }
}

/// The first line of `/proc/stat`: time by mode, in ticks. Time in guests is in that of the user already.
fn parse_cpu(text: &[u8]) -> Result<CpuTicks, ParseError> {
    let error = |line| ParseError::new(1, "cpu and at least 4 counts", line);
    let (_, line) = lines(text).next().ok_or_else(|| error(text))?;
    let mut columns = fields(line);
    if columns.next() != Some(b"cpu") {
        return Err(error(line));
    }
    let [mut busy, mut total] = [0u64; 2];
    let mut given = 0;
    for (column, field) in columns.take(8).enumerate() {
        let ticks = unsigned(field).ok_or_else(|| error(line))?;
        total = total.saturating_add(ticks);
        // The fourth and fifth are idle, the latter while something waits for a disk.
        if !matches!(column, 3 | 4) {
            busy = busy.saturating_add(ticks);
        }
        given += 1;
    }
    if given < 4 { Err(error(line)) } else { Ok(CpuTicks { busy, total }) }
}

/// Memory in bytes, as far as the kernel tells.
#[derive(Debug, Default, PartialEq)]
struct Memory {
    total: Option<u64>,
    available: Option<u64>,
    swap_total: Option<u64>,
    swap_free: Option<u64>,
}

/// The lines of `/proc/meminfo` that matter here.
fn parse_memory(text: &[u8]) -> Result<Memory, ParseError> {
    let mut memory = Memory::default();
    for (number, line) in lines(text) {
        let mut columns = fields(line);
        let slot = match columns.next() {
            Some(b"MemTotal:") => &mut memory.total,
            Some(b"MemAvailable:") => &mut memory.available,
            Some(b"SwapTotal:") => &mut memory.swap_total,
            Some(b"SwapFree:") => &mut memory.swap_free,
            _ => continue,
        };
        let kibibytes = columns.next().and_then(unsigned).filter(|_| columns.next() == Some(b"kB"));
        let bytes = kibibytes.and_then(|kibibytes| kibibytes.checked_mul(1024));
        *slot = Some(bytes.ok_or_else(|| ParseError::new(number, "a number and kB", line))?);
    }
    Ok(memory)
}

impl Memory {
    fn write(&self, out: &mut Exposition) {
        let mut write = |name, help, value: Option<u64>| {
            if let Some(value) = value {
                out.single(name, help, Kind::Gauge, value as f64);
            }
        };
        let used = |total: Option<u64>, available: Option<u64>| Some(total?.saturating_sub(available?));
        let Self { total, available, swap_total, swap_free } = *self;
        write("vitals_memory_total_bytes", "Memory of the host.", total);
        let help = "Memory that programs can have without swapping.";
        write("vitals_memory_available_bytes", help, available);
        write("vitals_memory_used_bytes", "Memory that is not available.", used(total, available));
        write("vitals_swap_total_bytes", "Swap space of the host.", swap_total);
        write("vitals_swap_available_bytes", "Swap space that is free.", swap_free);
        write("vitals_swap_used_bytes", "Swap space in use.", used(swap_total, swap_free));
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
    fn cpu_usage_is_over_an_interval() {
        let ticks = |text: &str| parse_cpu(text.as_bytes()).unwrap();
        assert_eq!(ticks("cpu  10 1 4 70 10 2 2 1 9 9\ncpu0 1 2 3 4\n"), CpuTicks { busy: 20, total: 100 });
        for bad in ["", "cpu0 1 2 3 4\n", "cpu 1 2 3\n", "cpu 1 2 x 4\n"] {
            assert!(parse_cpu(bad.as_bytes()).is_err(), "{bad}");
        }
        let mut usage = CpuUsage::default();
        let start = Instant::now();
        let mut at = |milliseconds, busy, total| {
            usage.ratio(start + Duration::from_millis(milliseconds), CpuTicks { busy, total })
        };
        assert_eq!(at(0, 20, 100), None);
        assert_eq!(at(1000, 45, 200), Some(0.25));
        assert_eq!(at(1100, 145, 300), Some(0.25), "too early");
        assert_eq!(at(2000, 95, 300), Some(0.5));
        assert_eq!(at(3000, 95, 300), None, "no time has passed");
    }

    #[test]
    fn memory_is_what_the_kernel_tells() {
        let text = b"MemTotal: 8 kB\nMemFree: x\nSwapFree: 1 kB\n";
        let want = Memory { total: Some(8192), swap_free: Some(1024), ..Memory::default() };
        assert_eq!(parse_memory(text).unwrap(), want);
        for bad in ["MemTotal: 8\n", "MemTotal: x kB\n", "MemTotal: 18446744073709551615 kB\n"] {
            assert!(parse_memory(bad.as_bytes()).is_err(), "{bad}");
        }
        crate::collectors::at_every_cut("proc/meminfo", parse_memory);
        crate::collectors::at_every_cut("proc/stat", parse_cpu);
    }

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

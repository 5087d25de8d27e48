//! The few numbers a person asks for first, under the same names on every operating system.
//!
//! They come from sysinfo, which reads the host it runs on: `--path.procfs` and its like do not apply here. It
//! asks every disk for its size and every sensor for its temperature, and either may hang, so it has a thread of
//! its own. A scrape waits for it for a second at most; while it hangs the samples are absent and no scrape waits.

use std::collections::HashMap;
use std::sync::mpsc::{Receiver, RecvTimeoutError, SyncSender, TryRecvError, sync_channel};
use std::thread;
use std::time::{Duration, Instant};

use sysinfo::{Components, DiskRefreshKind, Disks, MINIMUM_CPU_UPDATE_INTERVAL, System};

use super::{CollectError, Collector, Context, Spec};
use crate::exposition::{Exposition, Kind};

pub(super) const SPEC: Spec = Spec {
    name: "vitals",
    default_on: true,
    help: "cpu, memory, disks, temperatures and uptime under names that all systems share (sysinfo)",
    flags: &[],
    build: |_| Ok(Box::new(Vitals { reader: None })),
};

const MAX_WAIT: Duration = Duration::from_secs(1);
/// What is left for the other collectors and the answer when a scrape has little time.
const MARGIN: Duration = Duration::from_millis(100);

struct Vitals {
    /// Started at the first scrape.
    reader: Option<Reader<Result<Snapshot, String>>>,
}

impl Collector for Vitals {
    fn collect(&mut self, context: &mut Context, out: &mut Exposition) -> Result<(), CollectError> {
        let reader = match &mut self.reader {
            Some(reader) => reader,
            none => none.insert(Reader::start(host_reader()).map_err(|error| {
                CollectError::Other(format!("cannot start the thread that reads the host: {error}"))
            })?),
        };
        let left = context.deadline.saturating_duration_since(Instant::now()).saturating_sub(MARGIN);
        match reader.ask(left.min(MAX_WAIT)) {
            Ok(Ok(snapshot)) => {
                snapshot.write(out);
                Ok(())
            }
            Ok(Err(error)) => Err(CollectError::Other(error)),
            Err(NoAnswer::Late) => Err(CollectError::Other(
                "reading the host does not come to an end, a disk or a sensor may hang: look for dead mounts"
                    .into(),
            )),
            Err(NoAnswer::Gone) => {
                self.reader = None;
                Err(CollectError::Other("the thread that reads the host has ended, starting another".into()))
            }
        }
    }
}

/// A thread that does one thing each time it is asked.
struct Reader<T> {
    requests: SyncSender<()>,
    answers: Receiver<T>,
    under_way: bool,
}

#[derive(Debug, PartialEq)]
enum NoAnswer {
    /// It is still busy.
    Late,
    /// The thread has panicked.
    Gone,
}

impl<T: Send + 'static> Reader<T> {
    fn start(mut read: impl FnMut() -> T + Send + 'static) -> std::io::Result<Self> {
        let (requests, inbox) = sync_channel(1);
        let (outbox, answers) = sync_channel(1);
        thread::Builder::new()
            .name("vitals".into())
            .spawn(move || while inbox.recv().is_ok() && outbox.send(read()).is_ok() {})?;
        Ok(Self { requests, answers, under_way: false })
    }

    /// Asks and waits for `limit` at most. A request that is still under way is neither waited for nor repeated,
    /// and an answer that came too late is not used.
    fn ask(&mut self, limit: Duration) -> Result<T, NoAnswer> {
        if self.under_way {
            match self.answers.try_recv() {
                Ok(_) => self.under_way = false,
                Err(TryRecvError::Empty) => return Err(NoAnswer::Late),
                Err(TryRecvError::Disconnected) => return Err(NoAnswer::Gone),
            }
        }
        self.requests.send(()).map_err(|_| NoAnswer::Gone)?;
        self.under_way = true;
        let answer = self.answers.recv_timeout(limit).map_err(|error| match error {
            RecvTimeoutError::Timeout => NoAnswer::Late,
            RecvTimeoutError::Disconnected => NoAnswer::Gone,
        })?;
        self.under_way = false;
        Ok(answer)
    }
}

#[derive(Debug, PartialEq)]
struct Snapshot {
    /// Since the snapshot before.
    cpu_usage_ratio: Option<f64>,
    memory: Option<Memory>,
    disks: Vec<Disk>,
    sensors: Vec<Sensor>,
    uptime_seconds: Option<u64>,
}

#[derive(Debug, PartialEq)]
struct Memory {
    total_bytes: u64,
    available_bytes: u64,
    swap_total_bytes: u64,
    swap_available_bytes: u64,
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
fn host_reader() -> impl FnMut() -> Result<Snapshot, String> + Send {
    let mut host = None;
    move || {
        let host = match &mut host {
            Some(host) => host,
            none => none.insert(Host::new().map_err(|error| format!("sysinfo: {error:?}"))?),
        };
        Ok(host.read())
    }
}

struct Host {
    system: System,
    disks: Disks,
    components: Components,
    cpu_read: Option<Instant>,
    cpu_usage_ratio: Option<f64>,
}

impl Host {
    fn new() -> Result<Self, sysinfo::Error> {
        Ok(Self {
            system: System::new()?,
            disks: Disks::new()?,
            components: Components::new()?,
            cpu_read: None,
            cpu_usage_ratio: None,
        })
    }

    fn read(&mut self) -> Snapshot {
        self.system.refresh_memory();
        self.disks.refresh_specifics(true, DiskRefreshKind::nothing().with_storage());
        self.components.refresh(true);
        Snapshot {
            cpu_usage_ratio: self.cpu_usage_ratio(),
            memory: self.memory(),
            disks: unique_disks(self.disks.iter().map(disk).collect()),
            sensors: unique_sensors(self.components.iter().map(sensor).collect()),
            uptime_seconds: System::uptime().ok(),
        }
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

    fn memory(&self) -> Option<Memory> {
        let total_bytes = self.system.total_memory();
        (total_bytes > 0).then(|| Memory {
            total_bytes,
            available_bytes: self.system.available_memory(),
            swap_total_bytes: self.system.total_swap(),
            swap_available_bytes: self.system.free_swap(),
        })
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

impl Snapshot {
    fn write(&self, out: &mut Exposition) {
        let gauge = Kind::Gauge;
        if let Some(ratio) = self.cpu_usage_ratio {
            let help = "Share of all CPUs' time that was not idle since the previous scrape, from 0 to 1.";
            out.single("vitals_cpu_usage_ratio", help, gauge, ratio);
        }
        if let Some(memory) = &self.memory {
            let (total, available) = (memory.total_bytes, memory.available_bytes);
            let used = total.saturating_sub(available);
            let mut bytes = |name, help, value| out.single(name, help, gauge, value as f64);
            bytes("vitals_memory_total_bytes", "Memory of the host.", total);
            bytes(
                "vitals_memory_available_bytes",
                "Memory that programs can have without swapping.",
                available,
            );
            bytes("vitals_memory_used_bytes", "Memory that is not available.", used);
            let (total, available) = (memory.swap_total_bytes, memory.swap_available_bytes);
            let used = total.saturating_sub(available);
            bytes("vitals_swap_total_bytes", "Swap space of the host.", total);
            bytes("vitals_swap_available_bytes", "Swap space that is free.", available);
            bytes("vitals_swap_used_bytes", "Swap space in use.", used);
        }
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
        if let Some(seconds) = self.uptime_seconds {
            out.single("vitals_uptime_seconds", "Time since the host was started.", gauge, seconds as f64);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_reader_that_hangs_is_waited_for_once() {
        let (release, gate) = sync_channel::<()>(8);
        let mut calls = 0;
        let mut reader = Reader::start(move || {
            gate.recv().unwrap();
            calls += 1;
            calls
        })
        .unwrap();
        let limit = Duration::from_millis(50);
        release.send(()).unwrap();
        assert_eq!(reader.ask(Duration::from_secs(10)), Ok(1));
        assert_eq!(reader.ask(limit), Err(NoAnswer::Late));
        let start = Instant::now();
        for _ in 0..100 {
            assert_eq!(reader.ask(Duration::from_secs(10)), Err(NoAnswer::Late));
        }
        assert!(start.elapsed() < Duration::from_secs(5), "a request under way was waited for");
        release.send(()).unwrap();
        release.send(()).unwrap();
        let start = Instant::now();
        // Answer 2 is the late one; no other request was queued behind it.
        let answer = loop {
            match reader.ask(Duration::from_secs(10)) {
                Err(NoAnswer::Late) if start.elapsed() < Duration::from_secs(10) => thread::yield_now(),
                answer => break answer,
            }
        };
        assert_eq!(answer, Ok(3));
        drop(release);
        assert_eq!(reader.ask(Duration::from_secs(10)), Err(NoAnswer::Gone));
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

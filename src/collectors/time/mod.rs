//! The clock, the local time zone's offset, and the kernel's clocksources from
//! `/sys/devices/system/clocksource` (kernel: `Documentation/ABI/testing/sysfs-devices-clocksource`).

mod zone;

use std::io;
use std::path::Path;
use std::time::{SystemTime, UNIX_EPOCH};

use jiff::Timestamp;

use super::{CollectError, Collector, Context, Settings, Spec};
use crate::exposition::{Exposition, Kind};
use crate::host::KernelFile;
use crate::host::parse::{fields, unsigned};
use zone::LocalZone;

pub(super) const SPEC: Spec = Spec {
    name: "time",
    default_on: true,
    help: "the clock, its time zone and clocksources",
    flags: &[],
    build: |settings| Ok(Box::new(Time::new(settings))),
};

const AVAILABLE: &str = "Available clocksources read from '/sys/devices/system/clocksource'.";
const CURRENT: &str = "Current clocksource read from '/sys/devices/system/clocksource'.";

struct Time {
    zone: LocalZone,
    /// There is one, or none, on all hardware seen so far; they don't come and go.
    devices: Vec<Device>,
}

struct Device {
    number: String,
    available: KernelFile,
    current: KernelFile,
}

impl Time {
    fn new(settings: &Settings) -> Self {
        Self {
            zone: LocalZone::new(std::env::var_os("TZ")),
            devices: devices(&settings.root.sys("devices/system/clocksource")),
        }
    }
}

impl Collector for Time {
    fn collect(&mut self, context: &mut Context, out: &mut Exposition) -> Result<(), CollectError> {
        let now = SystemTime::now();
        let since_1970 = now
            .duration_since(UNIX_EPOCH)
            .map_err(|_| CollectError::Other("the clock stands before 1970: set it".to_owned()))?;
        // Divided as node_exporter does, for the same last digit.
        let seconds = since_1970.as_nanos() as f64 / 1e9;
        out.single("node_time_seconds", "System time in seconds since epoch (1970).", Kind::Gauge, seconds);
        if let Ok(now) = Timestamp::try_from(now) {
            let info = self.zone.get().to_offset_info(now);
            out.family("node_time_zone_offset_seconds", "System time zone offset in seconds.", Kind::Gauge)
                .sample(&[("time_zone", info.abbreviation().as_bytes())], f64::from(info.offset().seconds()));
        }
        let mut family = out.family("node_time_clocksource_available_info", AVAILABLE, Kind::Gauge);
        for device in &mut self.devices {
            for name in names(read(&mut device.available, &mut context.buffer)?) {
                family.sample(&[("clocksource", name), ("device", device.number.as_bytes())], 1.0);
            }
        }
        let mut family = out.family("node_time_clocksource_current_info", CURRENT, Kind::Gauge);
        for device in &mut self.devices {
            for name in names(read(&mut device.current, &mut context.buffer)?) {
                family.sample(&[("clocksource", name), ("device", device.number.as_bytes())], 1.0);
            }
        }
        Ok(())
    }
}

/// The names in `text`, each once. The kernel has none that are not ASCII.
fn names(text: &[u8]) -> impl Iterator<Item = &[u8]> {
    let all = || fields(text).filter(|name| name.is_ascii());
    all()
        .enumerate()
        .filter(move |(place, name)| !all().take(*place).any(|other| other == *name))
        .map(|(_, name)| name)
}

/// The text of `file`, empty if there is no such file.
fn read<'b>(file: &mut KernelFile, buffer: &'b mut Vec<u8>) -> Result<&'b [u8], CollectError> {
    match file.value(buffer) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(&[]),
        result => result.map_err(|error| CollectError::read(file.path(), error)),
    }
}

/// The directories `clocksource0`, `clocksource1`, … in `folder`.
fn devices(folder: &Path) -> Vec<Device> {
    let mut numbers: Vec<String> = std::fs::read_dir(folder)
        .into_iter()
        .flatten()
        .flatten()
        .filter_map(|entry| Some(entry.file_name().to_str()?.strip_prefix("clocksource")?.to_owned()))
        .filter(|number| unsigned(number.as_bytes()).is_some())
        .collect();
    numbers.sort_unstable();
    let device = |number: String| {
        let folder = folder.join(format!("clocksource{number}"));
        Device {
            number,
            available: KernelFile::new(folder.join("available_clocksource")),
            current: KernelFile::new(folder.join("current_clocksource")),
        }
    };
    numbers.into_iter().map(device).collect()
}

//! One chip: the files of its sensors, and their readings.

use std::collections::BTreeMap;
use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};

use super::names::{Meaning, SensorFile, clean};
use crate::collectors::Filter;
use crate::exposition::{Exposition, Kind};
use crate::host::parse::float;
use crate::host::{Folder, KernelFile, read_small};

/// A chip, whose label tells it apart from all others.
#[derive(Debug)]
pub(super) struct Chip {
    pub(super) label: String,
    /// How many times in a row it has been slow to read.
    pub(super) slow_times: u32,
    /// What its driver calls it.
    name: Option<String>,
    /// Sensors that the driver has a text for.
    sensor_labels: Vec<(String, Box<[u8]>)>,
    /// By family and sensor, each pair once.
    readings: Vec<Reading>,
}

#[derive(Debug)]
struct Reading {
    meaning: Meaning,
    sensor: String,
    file: KernelFile,
    /// What was read last, unless the driver refused or gave something else than a number.
    value: Option<f64>,
}

impl Chip {
    /// Finds the sensors of the chip in `folder`.
    pub(super) fn find(folder: &Path, label: String, filter: &mut Filter, buffer: &mut Vec<u8>) -> Self {
        let mut files = BTreeMap::new();
        // Old drivers have their files with the device. Where both have one, that is node_exporter's choice too.
        for folder in [folder.to_owned(), folder.join("device")] {
            let mut folder = Folder::new(folder);
            if folder.list(buffer).is_err() {
                continue;
            }
            for name in folder.names() {
                let path = folder.entry(name);
                if let Some(file) = SensorFile::parse(name)
                    && path.is_file()
                {
                    files.insert(file, path);
                }
            }
        }
        let name = name_file(folder, buffer).map(|name| clean(&name)).filter(|name| !name.is_empty());
        let mut chip = Self { label, slow_times: 0, name, sensor_labels: Vec::new(), readings: Vec::new() };
        for (file, path) in &files {
            let sensor = file.sensor();
            if !filter.keeps(format!("{};{sensor}", chip.label).as_bytes()) {
                continue;
            }
            let beside = |element: &str| {
                files.get_key_value(&SensorFile { element: element.to_owned(), ..file.clone() })
            };
            let text = |path: &PathBuf, buffer| read_small(path, buffer).ok().map(Box::<[u8]>::from);
            if file.element == "label" {
                chip.sensor_labels.extend(text(path, buffer).map(|label| (sensor, label)));
                continue;
            }
            let sensor = match (file.kind, &*file.element) {
                // Frequencies go by what they are of.
                ("freq", "input") => match beside("label").and_then(|(_, path)| text(path, buffer)) {
                    Some(label) => clean(&String::from_utf8_lossy(&label)),
                    None => continue,
                },
                _ => sensor,
            };
            let meaning = file.meaning(beside("").is_some());
            chip.readings.push(Reading { meaning, sensor, file: KernelFile::new(path), value: None });
        }
        let order = |reading: &Reading| (reading.meaning.family.clone(), reading.sensor.clone());
        chip.sensor_labels.sort_unstable_by(|a, b| (&a.1, &a.0).cmp(&(&b.1, &b.0)));
        chip.readings.sort_by_cached_key(order);
        chip.readings.dedup_by(|second, first| order(second) == order(first));
        chip
    }

    /// Reads all sensors. This is what may take long.
    pub(super) fn read(&mut self, buffer: &mut Vec<u8>) {
        for reading in &mut self.readings {
            reading.value = reading.file.value(buffer).ok().and_then(float);
        }
    }

    /// Writes what was read.
    pub(super) fn write(&self, out: &mut Exposition) {
        let chip = self.label.as_bytes();
        if let Some(name) = &self.name {
            let help = "What the driver calls the chip.";
            let mut family = out.family("node_hwmon_chip_names", help, Kind::Gauge);
            family.sample(&[("chip", chip), ("chip_name", name.as_bytes())], 1.0);
        }
        let help = "What the sensor measures, as the driver puts it.";
        let mut family = out.family("node_hwmon_sensor_label", help, Kind::Gauge);
        for (sensor, label) in &self.sensor_labels {
            family.sample(&[("chip", chip), ("label", label), ("sensor", sensor.as_bytes())], 1.0);
        }
        for readings in self.readings.chunk_by(|a, b| a.meaning.family == b.meaning.family) {
            let Some(Reading { meaning, .. }) = readings.first() else { continue };
            let mut family = out.family(&meaning.family, &meaning.help, meaning.kind);
            for reading in readings {
                if let Some(value) = reading.value {
                    let labels = [("chip", chip), ("sensor", reading.sensor.as_bytes())];
                    family.sample(&labels, meaning.scale.apply(value));
                }
            }
        }
    }
}

/// The places of all chips, each with its label.
///
/// A label has to stay the same when drivers are loaded in another order, so it comes from the device that the chip
/// belongs to: its bus and its name. Where devices have more than one chip, what the drivers call them is added,
/// and the chip's number if even that is the same.
pub(super) fn label_all(folders: Vec<PathBuf>, buffer: &mut Vec<u8>) -> Vec<(PathBuf, String)> {
    let chips: Vec<(PathBuf, String, String)> = folders
        .into_iter()
        .filter_map(|folder| {
            let label = device_label(&folder, buffer)?;
            let name = name_file(&folder, buffer).unwrap_or_default();
            Some((folder, label, name))
        })
        .collect();
    let label = |(folder, label, name): &(PathBuf, String, String)| {
        let same_label = || chips.iter().filter(|other| other.1 == *label);
        if same_label().count() == 1 {
            return (folder.clone(), label.clone());
        }
        let is_unique = same_label().filter(|other| other.2 == *name).count() == 1;
        let suffix = Some(clean(name)).filter(|name| is_unique && !name.is_empty());
        let suffix = suffix.or_else(|| clean_name(folder)).unwrap_or_default();
        (folder.clone(), format!("{label}_{suffix}"))
    };
    chips.iter().map(label).collect()
}

/// The label that a chip would have if there were no others.
fn device_label(folder: &Path, buffer: &mut Vec<u8>) -> Option<String> {
    if let Ok(device) = folder.join("device").canonicalize()
        && let Some(name) = clean_name(&device)
    {
        return Some(match device.parent().and_then(clean_name) {
            Some(bus) => format!("{bus}_{name}"),
            None => name,
        });
    }
    let name = name_file(folder, buffer).map(|name| clean(&name)).filter(|name| !name.is_empty());
    name.or_else(|| folder.canonicalize().ok().as_deref().and_then(clean_name))
}

/// The last part of a path as part of a label.
fn clean_name(path: &Path) -> Option<String> {
    let name = path.file_name().map(OsStr::as_bytes)?;
    Some(clean(&String::from_utf8_lossy(name))).filter(|name| !name.is_empty())
}

/// What the driver calls the chip.
fn name_file(folder: &Path, buffer: &mut Vec<u8>) -> Option<String> {
    let name = read_small(&folder.join("name"), buffer).ok()?;
    Some(String::from_utf8_lossy(name).into_owned())
}

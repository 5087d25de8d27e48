//! Directories with one value in each file, as sysfs describes a device (kernel:
//! `Documentation/filesystems/sysfs.rst`).

use std::io;
use std::path::{Path, PathBuf};

use super::CollectError;
use crate::exposition::{Exposition, Kind};
use crate::host::{Folder, KernelFile, ParseError};

/// A file in the directory of each device, and the family that its values become.
#[derive(Debug)]
pub(crate) struct Attribute {
    /// The file's path below the device's directory.
    pub(crate) file: &'static str,
    pub(crate) family: &'static str,
    pub(crate) help: &'static str,
    pub(crate) kind: Kind,
    /// The value of the file's text, in the family's unit. `None` if it is not what the file is documented to have.
    pub(crate) value: fn(&[u8]) -> Option<f64>,
}

/// The attributes of any number of devices. Families come in the order of the attributes, and in each the devices
/// sorted by the values of their labels.
#[derive(Debug)]
pub(crate) struct AttributeTable {
    attributes: &'static [Attribute],
    label_names: &'static [&'static str],
    is_absent: fn(&[u8]) -> bool,
    devices: Vec<Device>,
}

#[derive(Debug)]
struct Device {
    label_values: Vec<Box<[u8]>>,
    /// One for each attribute, unless the device does not have it.
    files: Vec<Option<KernelFile>>,
}

impl AttributeTable {
    /// A table without devices. `label_names` are sorted.
    pub(crate) fn new(attributes: &'static [Attribute], label_names: &'static [&'static str]) -> Self {
        debug_assert!(label_names.is_sorted());
        Self { attributes, label_names, is_absent: |_| false, devices: Vec::new() }
    }

    /// The same table for drivers with texts that stand for no value.
    pub(crate) fn with_absent(self, is_absent: fn(&[u8]) -> bool) -> Self {
        Self { is_absent, ..self }
    }

    /// Forgets all devices.
    pub(crate) fn clear(&mut self) {
        self.devices.clear();
    }

    /// Adds the device whose attributes are in `folder`, with a value for each label. The attributes that it has now
    /// are those that it is asked for.
    pub(crate) fn add(&mut self, folder: &Path, label_values: &[&[u8]]) {
        self.add_at(|file| folder.join(file), label_values);
    }

    /// [`AttributeTable::add`] for a device whose attributes are not in a directory of its own: `path` says where
    /// [`Attribute::file`] is.
    pub(crate) fn add_at(&mut self, path: impl Fn(&str) -> PathBuf, label_values: &[&[u8]]) {
        debug_assert_eq!(label_values.len(), self.label_names.len());
        let file = |attribute: &Attribute| KernelFile::if_exists(path(attribute.file));
        let label_values: Vec<Box<[u8]>> = label_values.iter().map(|&value| value.into()).collect();
        let files = self.attributes.iter().map(file).collect();
        let place = self.devices.partition_point(|other| other.label_values <= label_values);
        self.devices.insert(place, Device { label_values, files });
    }

    /// Reads each attribute of each device and writes it. A value that the kernel refuses is absent, as are those
    /// of a device that has just gone.
    ///
    /// # Errors
    /// The first value that is not what its file should have, after all others have been written.
    pub(crate) fn write(&mut self, buffer: &mut Vec<u8>, out: &mut Exposition) -> Result<(), CollectError> {
        let mut first_error = None;
        for (index, attribute) in self.attributes.iter().enumerate() {
            let mut family = out.family(attribute.family, attribute.help, attribute.kind);
            for device in &mut self.devices {
                let Some(Some(file)) = device.files.get_mut(index) else { continue };
                let Ok(text) = file.value(buffer) else { continue };
                if (self.is_absent)(text) {
                    continue;
                }
                let Some(value) = (attribute.value)(text) else {
                    let error = || ParseError::new(1, "a value of the documented form", text).at(file.path());
                    first_error.get_or_insert_with(error);
                    continue;
                };
                let labels = self.label_names.iter().zip(&device.label_values);
                family.sample_with(labels.map(|(name, value)| (*name, &**value)), value);
            }
        }
        first_error.map_or(Ok(()), |error| Err(error.into()))
    }
}

/// A family whose samples are 1 and say in words what a device is, each word from a file of its own. A word that
/// the device does not have, or that the kernel refuses, is an empty label.
#[derive(Debug)]
pub(crate) struct Info {
    pub(crate) family: &'static str,
    pub(crate) help: &'static str,
    /// Labels, sorted by name, each with the file its value is in. Without a file it is the device's name.
    pub(crate) labels: &'static [(&'static str, Option<&'static str>)],
}

/// The words of any number of devices. They are read at each scrape: some are states.
#[derive(Debug)]
pub(crate) struct InfoTable {
    info: &'static Info,
    /// Empty labels are left out.
    sparse: bool,
    devices: Vec<Named>,
    word: fn(&[u8]) -> &[u8],
    words: Vec<u8>,
    ends: Vec<usize>,
}

#[derive(Debug)]
struct Named {
    name: Box<[u8]>,
    files: Vec<Option<KernelFile>>,
}

impl InfoTable {
    /// A table without devices.
    pub(crate) fn new(info: &'static Info) -> Self {
        Self {
            info,
            sparse: false,
            devices: Vec::new(),
            word: |text| text,
            words: Vec::new(),
            ends: Vec::new(),
        }
    }

    /// The same table with only the part of each file's text that `word` gives.
    pub(crate) fn with_word(self, word: fn(&[u8]) -> &[u8]) -> Self {
        Self { word, ..self }
    }

    /// Forgets all devices.
    pub(crate) fn clear(&mut self) {
        self.devices.clear();
    }

    /// Adds the device `name` whose attributes are in `folder`.
    pub(crate) fn add(&mut self, folder: &Path, name: &[u8]) {
        let file = |file: &Option<&str>| KernelFile::if_exists(folder.join((*file)?));
        let files = self.info.labels.iter().map(|(_, path)| file(path)).collect();
        self.devices.push(Named { name: name.into(), files });
    }

    /// Reads and writes all of them.
    pub(crate) fn write(&mut self, buffer: &mut Vec<u8>, out: &mut Exposition) {
        let Self { info, sparse, devices, word, words, ends } = self;
        let mut family = out.family(info.family, info.help, Kind::Gauge);
        for device in devices {
            words.clear();
            ends.clear();
            for ((_, path), file) in info.labels.iter().zip(&mut device.files) {
                match (path, file) {
                    (None, _) => words.extend_from_slice(&device.name),
                    (_, Some(file)) => words.extend_from_slice(word(file.value(buffer).unwrap_or_default())),
                    (_, None) => {}
                }
                ends.push(words.len());
            }
            let starts = std::iter::once(0).chain(ends.iter().copied());
            let values = starts.zip(&*ends).map(|(start, &end)| words.get(start..end).unwrap_or_default());
            let labels = info.labels.iter().map(|(label, _)| *label).zip(values);
            family.sample_with(labels.filter(|(_, value)| !(*sparse && value.is_empty())), 1.0);
        }
    }
}

/// A directory with a directory for each device, such as `/sys/class/watchdog`, and what is in these.
#[derive(Debug)]
pub(crate) struct DeviceClass {
    folder: Folder,
    attributes: AttributeTable,
    info: Option<InfoTable>,
}

impl DeviceClass {
    /// The class in `folder`. Attributes have one label, `label_name[0]`, which is the device's name.
    pub(crate) fn new(
        folder: impl Into<PathBuf>,
        label_name: &'static [&'static str; 1],
        attributes: &'static [Attribute],
    ) -> Self {
        let attributes = AttributeTable::new(attributes, label_name);
        Self { folder: Folder::new(folder), attributes, info: None }
    }

    /// The same class with a family that says in words what each device is.
    pub(crate) fn with_info(self, info: &'static Info) -> Self {
        Self { info: Some(InfoTable::new(info)), ..self }
    }

    /// [`DeviceClass::with_info`] where words that a device does not have are no labels.
    pub(crate) fn with_sparse_info(self, info: &'static Info) -> Self {
        Self { info: Some(InfoTable { sparse: true, ..InfoTable::new(info) }), ..self }
    }

    /// Lists the devices of which `keeps` says yes to the name. Says whether devices may have come or gone, see
    /// [`Folder::list`].
    ///
    /// # Errors
    /// What listing the directory gave; NotFound where the kernel has no such class.
    pub(crate) fn refresh(
        &mut self,
        buffer: &mut Vec<u8>,
        mut keeps: impl FnMut(&[u8]) -> bool,
    ) -> io::Result<bool> {
        let listed = self.folder.list(buffer);
        let changed = *listed.as_ref().unwrap_or(&true);
        if changed {
            self.attributes.clear();
            self.info.iter_mut().for_each(InfoTable::clear);
            for name in self.folder.names().iter().filter(|name| keeps(name)) {
                let folder = self.folder.entry(name);
                self.attributes.add(&folder, &[name]);
                self.info.iter_mut().for_each(|info| info.add(&folder, name));
            }
        }
        listed
    }

    /// The names of the devices when they were last listed, those that were not kept included.
    pub(crate) fn names(&self) -> &[Box<[u8]>] {
        self.folder.names()
    }

    /// The directory of the device called `name`.
    pub(crate) fn entry(&self, name: &[u8]) -> PathBuf {
        self.folder.entry(name)
    }

    /// The directory that was given.
    pub(crate) fn folder(&self) -> &Path {
        self.folder.path()
    }

    /// Reads and writes what the devices have.
    ///
    /// # Errors
    /// As [`AttributeTable::write`].
    pub(crate) fn write(&mut self, buffer: &mut Vec<u8>, out: &mut Exposition) -> Result<(), CollectError> {
        if let Some(info) = &mut self.info {
            info.write(buffer, out);
        }
        self.attributes.write(buffer, out)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::exposition::Format;
    use crate::host::parse::unsigned;

    const ATTRIBUTES: &[Attribute] = &[Attribute {
        file: "size",
        family: "size_bytes",
        help: "",
        kind: Kind::Gauge,
        value: |text| Some(unsigned(text)? as f64 * 1024.0),
    }];
    const INFO: Info =
        Info { family: "info", help: "", labels: &[("model", Some("queue/model")), ("name", None)] };

    fn samples(class: &mut DeviceClass) -> (Vec<String>, Result<(), CollectError>) {
        let mut out = Exposition::new();
        class.refresh(&mut Vec::new(), |name| name != b"left-out").unwrap();
        let result = class.write(&mut Vec::new(), &mut out);
        let mut page = Vec::new();
        out.render(Format::Text, &mut page);
        let lines = String::from_utf8(page).unwrap();
        (lines.lines().filter(|line| !line.starts_with('#')).map(str::to_owned).collect(), result)
    }

    #[test]
    fn devices_come_go_and_refuse() {
        let folder = tempfile::tempdir().unwrap();
        let path = |name: &str| folder.path().join(name);
        for (name, size) in [("b", "1\n"), ("a", " 2 "), ("left-out", "3")] {
            std::fs::create_dir_all(path(name).join("queue")).unwrap();
            std::fs::write(path(name).join("size"), size).unwrap();
        }
        std::fs::write(path("a/queue/model"), "Fast \"1\"\n").unwrap();
        let mut class = DeviceClass::new(folder.path(), &["device"], ATTRIBUTES).with_info(&INFO);
        let (lines, result) = samples(&mut class);
        assert_eq!(
            lines,
            [
                "info{model=\"Fast \\\"1\\\"\",name=\"a\"} 1",
                "info{model=\"\",name=\"b\"} 1",
                "size_bytes{device=\"a\"} 2048",
                "size_bytes{device=\"b\"} 1024",
            ]
        );
        result.unwrap();
        std::fs::write(path("a/size"), "rubbish\n").unwrap();
        let (lines, result) = samples(&mut class);
        assert_eq!(lines.last().unwrap(), "size_bytes{device=\"b\"} 1024");
        assert!(result.unwrap_err().to_string().contains("a/size: line 1"));
        std::fs::remove_file(path("a/size")).unwrap();
        samples(&mut class).1.unwrap();
        std::fs::remove_dir_all(path("a")).unwrap();
        assert_eq!(samples(&mut class).0, ["info{model=\"\",name=\"b\"} 1", "size_bytes{device=\"b\"} 1024"]);
        std::fs::remove_dir_all(folder.path()).unwrap();
        let mut out = Exposition::new();
        assert!(class.refresh(&mut Vec::new(), |_| true).is_err());
        class.write(&mut Vec::new(), &mut out).unwrap();
        assert!(!out.contains("info"));
    }
}

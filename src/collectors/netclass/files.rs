//! All properties of devices from `/sys/class/net`.

use std::path::Path;

use super::{CollectError, FLAGS, Filter, NUMBERS, Properties, number};
use crate::host::{Folder, KernelFile, ParseError};

/// The files with words, in the order of [`Properties::words`].
const WORDS: [&str; 5] = ["address", "broadcast", "duplex", "ifalias", "operstate"];

/// The directory with a directory for each device.
pub(super) struct Files {
    folder: Folder,
    devices: Vec<Device>,
}

struct Device {
    properties: Properties,
    words: [Option<KernelFile>; WORDS.len()],
    numbers: [Option<KernelFile>; NUMBERS.len()],
}

impl Device {
    fn new(name: &[u8], folder: &Path) -> Self {
        let file = |name: &str| KernelFile::if_exists(folder.join(name));
        Self {
            properties: Properties { name: name.into(), ..Properties::default() },
            words: WORDS.map(file),
            numbers: NUMBERS.each_ref().map(|number| file(number.file)),
        }
    }

    /// What the kernel refuses is absent, such as the carrier of a device that is down.
    fn read(&mut self, buffer: &mut Vec<u8>, first_error: &mut Option<CollectError>) {
        let Self { properties, words, numbers } = self;
        properties.clear();
        for (file, word) in words.iter_mut().zip(properties.words()) {
            let text = file.as_mut().and_then(|file| file.value(buffer).ok());
            word.extend_from_slice(text.unwrap_or_default());
        }
        for (file, slot) in numbers.iter_mut().zip(&mut properties.numbers) {
            let Some(file) = file else { continue };
            let Ok(text) = file.value(buffer) else { continue };
            *slot = number(text);
            if slot.is_none() {
                let error = || ParseError::new(1, "a whole number", text).at(file.path()).into();
                first_error.get_or_insert_with(error);
            }
        }
        properties.flags = properties.numbers[FLAGS].map(|flags| flags as u32);
    }
}

impl Files {
    pub(super) fn new(folder: &Path) -> Self {
        Self { folder: Folder::new(folder), devices: Vec::new() }
    }

    /// Reads all devices that `filter` keeps.
    ///
    /// # Errors
    /// When there is no such directory, or the first text that is no number, after all others have been read.
    pub(super) fn read(&mut self, buffer: &mut Vec<u8>, filter: &mut Filter) -> Result<(), CollectError> {
        let Self { folder, devices } = self;
        let listed = folder.list(buffer);
        if *listed.as_ref().unwrap_or(&true) {
            let kept = folder.names().iter().filter(|name| filter.keeps(name));
            let paths = kept.map(|name| (name, folder.entry(name)));
            // The bonding driver has a file among the directories.
            let found = paths.filter(|(_, path)| path.is_dir());
            *devices = found.map(|(name, path)| Device::new(name, &path)).collect();
        }
        listed.map_err(|error| CollectError::read(folder.path(), error))?;
        let mut first_error = None;
        for device in devices {
            device.read(buffer, &mut first_error);
        }
        first_error.map_or(Ok(()), Err)
    }

    /// What was read last, sorted by name.
    pub(super) fn properties(&self) -> impl Iterator<Item = &Properties> + Clone {
        self.devices.iter().map(|device| &device.properties)
    }
}

//! Files of sysfs with a line for each of several values: `key value` or `key: value`.

use std::path::Path;

use super::CollectError;
use crate::exposition::{Exposition, Kind};
use crate::host::parse::{ParseError, fields, lines};
use crate::host::{FileError, KernelFile};

/// A line of the file, and the family that its values become.
#[derive(Debug)]
pub(crate) struct Key {
    pub(crate) key: &'static str,
    pub(crate) family: &'static str,
    pub(crate) help: &'static str,
    pub(crate) kind: Kind,
    /// The value of the line's last word, in the family's unit. `None` if it is not what is documented.
    pub(crate) value: fn(&[u8]) -> Option<f64>,
}

/// The same file of any number of devices. Keys that are not asked for are passed over.
#[derive(Debug)]
pub(crate) struct KeyedTable {
    file: &'static str,
    keys: &'static [Key],
    label_names: &'static [&'static str],
    devices: Vec<(Vec<Box<[u8]>>, KernelFile)>,
}

impl KeyedTable {
    /// A table without devices. `label_names` are sorted.
    pub(crate) fn new(
        file: &'static str,
        keys: &'static [Key],
        label_names: &'static [&'static str],
    ) -> Self {
        debug_assert!(label_names.is_sorted());
        Self { file, keys, label_names, devices: Vec::new() }
    }

    /// Forgets all devices.
    pub(crate) fn clear(&mut self) {
        self.devices.clear();
    }

    /// Adds the device whose file is in `folder`, with a value for each label, if it has that file now.
    pub(crate) fn add(&mut self, folder: &Path, label_values: &[&[u8]]) {
        debug_assert_eq!(label_values.len(), self.label_names.len());
        let path = folder.join(self.file);
        if path.exists() {
            let label_values: Vec<Box<[u8]>> = label_values.iter().map(|&value| value.into()).collect();
            let place = self.devices.partition_point(|(other, _)| *other <= label_values);
            self.devices.insert(place, (label_values, KernelFile::new(path)));
        }
    }

    /// Reads each device's file once and writes it. What can't be read is absent.
    ///
    /// # Errors
    /// The first value that is not what it should be, after all others have been written.
    pub(crate) fn write(&mut self, buffer: &mut Vec<u8>, out: &mut Exposition) -> Result<(), CollectError> {
        let mut first_error: Option<FileError> = None;
        for (label_values, file) in &mut self.devices {
            let Ok(text) = file.value(buffer) else { continue };
            for (number, line) in lines(text) {
                let mut words = fields(line);
                let Some(word) = words.next() else { continue };
                let word = word.strip_suffix(b":").unwrap_or(word);
                let Some(key) = self.keys.iter().find(|key| key.key.as_bytes() == word) else { continue };
                let Some(value) = words.last().and_then(key.value) else {
                    let error = || ParseError::new(number, "a key and its value", line).at(file.path());
                    first_error.get_or_insert_with(error);
                    continue;
                };
                let labels = self.label_names.iter().zip(&*label_values);
                let labels = labels.map(|(name, value)| (*name, &**value));
                out.family(key.family, key.help, key.kind).sample_with(labels, value);
            }
        }
        first_error.map_or(Ok(()), |error| Err(error.into()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::exposition::Format;
    use crate::host::parse::unsigned;

    const KEYS: &[Key] = &[Key {
        key: "rate",
        family: "rate_bytes",
        help: "",
        kind: Kind::Gauge,
        value: |word| Some(unsigned(word.strip_suffix(b"/sec")?)? as f64),
    }];

    #[test]
    fn keys_of_both_forms() {
        let folder = tempfile::tempdir().unwrap();
        let path = |name: &str| folder.path().join(name);
        for (name, text) in [
            ("d", "rate\n"),
            ("c", "other: x\nrate: 1\n"),
            ("b", "\nrate 3/sec"),
            ("a", "rate:\t\t\t 2/sec\nother: 1\n"),
        ] {
            std::fs::create_dir(path(name)).unwrap();
            std::fs::write(path(name).join("debug"), text).unwrap();
        }
        let mut table = KeyedTable::new("debug", KEYS, &["device"]);
        for name in ["d", "c", "b", "a", "absent"] {
            table.add(&path(name), &[name.as_bytes()]);
        }
        let mut out = Exposition::new();
        let error = table.write(&mut Vec::new(), &mut out).unwrap_err().to_string();
        assert!(error.contains("c/debug: line 2"), "{error}");
        let mut page = Vec::new();
        out.render(Format::Text, &mut page);
        let page = String::from_utf8(page).unwrap();
        assert!(page.ends_with("rate_bytes{device=\"a\"} 2\nrate_bytes{device=\"b\"} 3\n"), "{page}");
        std::fs::remove_dir_all(path("c")).unwrap();
        std::fs::remove_dir_all(path("d")).unwrap();
        table.write(&mut Vec::new(), &mut out).unwrap();
        table.clear();
        out.clear();
        table.write(&mut Vec::new(), &mut out).unwrap();
        assert!(out.is_empty());
    }
}

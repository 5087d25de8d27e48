//! Errors of devices: `/sys/fs/btrfs/<uuid>/devinfo/<id>/error_stats`, kernel 5.14 or newer.

use std::path::Path;

use crate::exposition::{Exposition, Kind};
use crate::host::parse::{ParseError, fields, lines, unsigned};
use crate::host::{FileError, KernelFile};

/// The lines of `error_stats` and the values of the label `type`.
const ERRORS: &[(&str, &str)] = &[
    ("corruption_errs", "corruption"),
    ("flush_errs", "flush"),
    ("generation_errs", "generation"),
    ("read_errs", "read"),
    ("write_errs", "write"),
];

/// The devices of all file systems.
#[derive(Default)]
pub(super) struct Errors(Vec<Device>);

struct Device {
    named: Named,
    uuid: Box<[u8]>,
    file: KernelFile,
}

/// What is known of a device.
#[derive(PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Named {
    Name { device_uuid: Box<[u8]>, name: Box<[u8]> },
    Number(Box<[u8]>),
}

impl Errors {
    /// Forgets all devices.
    pub(super) fn clear(&mut self) {
        self.0.clear();
    }

    /// Adds the device in `folder`, which belongs to the file system `uuid`, if the kernel counts its errors.
    pub(super) fn add(&mut self, folder: &Path, named: Named, uuid: &[u8]) {
        let file = KernelFile::new(folder.join("error_stats"));
        if file.path().exists() {
            let key = (&named, uuid);
            let place = self.0.partition_point(|other| (&other.named, &*other.uuid) <= key);
            self.0.insert(place, Device { named, uuid: uuid.into(), file });
        }
    }

    /// Reads and writes all of them. What can't be read is absent.
    ///
    /// # Errors
    /// The first file that is not as documented, after all others have been written.
    pub(super) fn write(&mut self, buffer: &mut Vec<u8>, out: &mut Exposition) -> Result<(), FileError> {
        let mut result = Ok(());
        let help = "Errors that the file system counted on a device.";
        let mut family = out.family("node_btrfs_device_errors_total", help, Kind::Counter);
        for Device { named, uuid, file } in &mut self.0 {
            let Ok(text) = file.value(buffer) else { continue };
            let counts = parse(text).map_err(|error| error.at(file.path()));
            for ((_, kind), count) in ERRORS.iter().zip(counts.as_ref().copied().unwrap_or_default()) {
                let Some(count) = count else { continue };
                let (kind, uuid) = (("type", kind.as_bytes()), ("uuid", &**uuid));
                match named {
                    Named::Name { device_uuid, name } => family.sample(
                        &[("btrfs_dev_uuid", device_uuid), ("device", name), kind, uuid],
                        count as f64,
                    ),
                    Named::Number(number) => family.sample(&[("devid", &**number), kind, uuid], count as f64),
                }
            }
            result = result.and(counts.map(drop));
        }
        result
    }
}

/// The counts of [`ERRORS`]. None where the kernel says that it has none (yet) for this device.
fn parse(text: &[u8]) -> Result<[Option<u64>; ERRORS.len()], ParseError> {
    let mut counts = [None; ERRORS.len()];
    for (number, line) in lines(text).filter(|(_, line)| *line != b"invalid") {
        let mut words = fields(line);
        let key = words.next();
        let slot = ERRORS.iter().zip(&mut counts).find(|((name, _), _)| key == Some(name.as_bytes()));
        let Some((_, slot)) = slot else { continue };
        let count = words.next().and_then(unsigned);
        *slot = Some(count.ok_or_else(|| ParseError::new(number, "a kind of error and a count", line))?);
    }
    Ok(counts)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn counts_of_errors() {
        let text = b"write_errs 1\nread_errs 2\nflush_errs 3\nnew_errs x\ngeneration_errs 5\n";
        assert_eq!(parse(text).unwrap(), [None, Some(3), Some(5), Some(2), Some(1)]);
        assert_eq!(parse(b"invalid\n").unwrap(), [None; 5]);
        for bad in ["read_errs", "read_errs -1", "read_errs x"] {
            assert_eq!(parse(format!("write_errs 1\n{bad}\n").as_bytes()).unwrap_err().line, 2, "{bad}");
        }
    }

    #[test]
    fn survives_a_cut_file() {
        let file = "sys/fs/btrfs/5b1c8a0e-41f9-4d6c-9d53-7e2f80c6a911/devinfo/1/error_stats";
        crate::collectors::at_every_cut(file, parse);
    }
}

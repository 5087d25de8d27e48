//! The counts of datasets, of which a host may have thousands: all files are read before the families are written,
//! so that each family is opened once.

use std::path::Path;

use super::FamilyName;
use super::kstat::{Row, rows};
use crate::exposition::{Exposition, Kind};
use crate::host::{FileError, KernelFile, ParseError};

/// The files `objset-*` of all pools.
#[derive(Default)]
pub(super) struct Datasets {
    files: Vec<Dataset>,
    /// The names of rows that there have been, in the order in which they were first seen.
    keys: Vec<Box<str>>,
    /// Which key of which file has which value.
    values: Vec<(usize, usize, f64)>,
}

struct Dataset {
    pool: Box<[u8]>,
    file: KernelFile,
    /// It can be renamed, so this is read with the numbers.
    name: Vec<u8>,
}

impl Datasets {
    /// Forgets all files.
    pub(super) fn clear(&mut self) {
        self.files.clear();
    }

    /// Adds a file of `pool`.
    pub(super) fn add(&mut self, pool: &[u8], path: &Path) {
        self.files.push(Dataset { pool: pool.into(), file: KernelFile::new(path), name: Vec::new() });
    }

    /// Reads and writes all of them.
    ///
    /// # Errors
    /// The first file that is not as documented, after all others have been written. A dataset that was just
    /// unmounted is absent.
    pub(super) fn write(
        &mut self,
        buffer: &mut Vec<u8>,
        name: &mut FamilyName,
        out: &mut Exposition,
    ) -> Result<(), FileError> {
        let Self { files, keys, values } = self;
        let mut result = Ok(());
        values.clear();
        for (place, dataset) in files.iter_mut().enumerate() {
            let Ok(text) = dataset.file.read(buffer) else { continue };
            let mut next = 0;
            let read = read_dataset(text, &mut dataset.name, |key, value| {
                let found = place_of(keys, key, next);
                values.push((found, place, value));
                next = found + 1;
            });
            result = result.and(read.map_err(|error| error.at(dataset.file.path())));
        }
        let by_name = |place: usize| files.get(place).map(|dataset| (&dataset.name, &dataset.pool));
        values.sort_unstable_by_key(|(key, place, _)| (*key, by_name(*place)));
        for values in values.chunk_by(|a, b| a.0 == b.0) {
            let Some(key) = values.first().and_then(|(key, ..)| keys.get(*key)) else { continue };
            let Some(family) = name.of("zpool_dataset", key) else { continue };
            let help = ["Row ", key, " of the files objset of datasets in /proc/spl/kstat/zfs."];
            let mut family = out.family_parts(&[family], &help, Kind::Untyped);
            for (_, place, value) in values {
                let Some(Dataset { pool, name, .. }) = files.get(*place) else { continue };
                family.sample(&[("dataset", name), ("zpool", pool)], *value);
            }
        }
        result
    }
}

/// Gives the numbers to `take`, and the dataset's name.
fn read_dataset(text: &[u8], name: &mut Vec<u8>, mut take: impl FnMut(&str, f64)) -> Result<(), ParseError> {
    for row in rows(text)? {
        match row? {
            Row::Number(key, value) => take(key, value),
            Row::Dataset(found) => {
                name.clear();
                name.extend_from_slice(found);
            }
        }
    }
    Ok(())
}

/// Where `key` is in `keys`, to which it is added if it is new. `likely` is looked at first: the files are alike.
fn place_of(keys: &mut Vec<Box<str>>, key: &str, likely: usize) -> usize {
    if keys.get(likely).is_some_and(|known| **known == *key) {
        return likely;
    }
    keys.iter().position(|known| **known == *key).unwrap_or_else(|| {
        keys.push(key.into());
        keys.len() - 1
    })
}

//! One writer per storage path.

use std::fs::{File, OpenOptions, TryLockError};
use std::io::{self, Read, Write};
use std::path::Path;

use crate::scrape_log::Error;

/// The name of the lock file in the storage path.
const LOCK_FILE: &str = "scrape-log.lock";

/// Holds the storage path for this process until it is dropped. The file stays: removing it would let two
/// processes lock two files of that name.
#[derive(Debug)]
pub(in crate::scrape_log) struct Lock(#[expect(dead_code, reason = "held open, which is the lock")] File);

impl Lock {
    /// Takes the lock, which also shows that the path can be written to.
    pub(super) fn take(storage: &Path) -> Result<Self, Error> {
        let path = storage.join(LOCK_FILE);
        let failed = |error: io::Error| Error::Storage { path: path.clone(), error };
        let mut file = OpenOptions::new()
            .read(true)
            .write(true)
            .create(true)
            .truncate(false)
            .open(&path)
            .map_err(failed)?;
        match file.try_lock() {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => {
                let mut holder = String::new();
                // Without a readable number the message only lacks it.
                if file.read_to_string(&mut holder).is_err() {
                    holder.clear();
                }
                return Err(Error::Locked { path: storage.to_owned(), holder: holder.trim().to_owned() });
            }
            Err(TryLockError::Error(error)) => return Err(failed(error)),
        }
        file.set_len(0).map_err(failed)?;
        file.write_all(format!("{}\n", std::process::id()).as_bytes()).map_err(failed)?;
        Ok(Self(file))
    }
}

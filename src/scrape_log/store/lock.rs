//! One writer per storage path.

use std::fs::{File, OpenOptions, TryLockError};
use std::io::{self, Read, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};

use jiff::Timestamp;
use rustix::fs::OFlags;

use super::disk::DiskFile;
use crate::scrape_log::Error;

/// The name of the lock file in the storage path.
pub(in crate::scrape_log) const LOCK_FILE: &str = "scrape-log.lock";

/// Holds the storage path for this process until it is dropped. The file stays: removing it would let two
/// processes lock two files of that name.
#[derive(Debug)]
pub(super) struct Lock {
    path: PathBuf,
    held: Mutex<File>,
}

/// Whether the storage path is still this process' own.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Held {
    Yes,
    /// The lock file had been taken away, and could be made and locked again.
    Again,
    /// Another process has locked a file of that name since.
    ByAnother(String),
}

enum Attempt {
    Locked(File),
    Busy(String),
}

impl Lock {
    /// Takes the lock, which also shows that the path can be written to.
    pub(super) fn take(storage: &Path) -> Result<Self, Error> {
        let path = storage.join(LOCK_FILE);
        match attempt(&path) {
            Ok(Attempt::Locked(file)) => Ok(Self { path, held: Mutex::new(file) }),
            Ok(Attempt::Busy(holder)) => Err(Error::Locked { path: storage.to_owned(), holder }),
            Err(error) => Err(Error::Storage { path, error }),
        }
    }

    /// Looks whether the lock file is still in its place, and takes it anew if it is not. The storage path has to
    /// be there.
    ///
    /// # Errors
    /// When the file can neither be found nor made.
    pub(super) fn verify(&self) -> io::Result<Held> {
        let mut held = self.held.lock().unwrap_or_else(PoisonError::into_inner);
        if held.is_at(&self.path) {
            return Ok(Held::Yes);
        }
        match attempt(&self.path)? {
            Attempt::Locked(file) => {
                *held = file;
                Ok(Held::Again)
            }
            Attempt::Busy(holder) => Ok(Held::ByAnother(holder)),
        }
    }
}

fn attempt(path: &Path) -> io::Result<Attempt> {
    loop {
        let mut file = OpenOptions::new()
            .read(true)
            .write(true)
            .create(true)
            .truncate(false)
            .custom_flags(OFlags::NOFOLLOW.bits().cast_signed())
            .open(path)?;
        match file.try_lock() {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => {
                let mut holder = String::new();
                // Without a readable line the message only lacks it.
                if file.read_to_string(&mut holder).is_err() || holder.trim().is_empty() {
                    "unknown".clone_into(&mut holder);
                }
                return Ok(Attempt::Busy(holder.trim().to_owned()));
            }
            Err(TryLockError::Error(error)) => return Err(error),
        }
        // Someone may have removed the file between the two calls: then it is another one that counts.
        if file.is_at(path) {
            file.set_len(0)?;
            let started = Timestamp::now().strftime("%Y-%m-%dT%H:%M:%SZ");
            file.write_all(format!("{}, running since {started}\n", std::process::id()).as_bytes())?;
            return Ok(Attempt::Locked(file));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs;

    #[test]
    fn a_lock_that_is_taken_away_is_taken_again() {
        let storage = tempfile::tempdir().unwrap();
        let lock = Lock::take(storage.path()).unwrap();
        assert_eq!(lock.verify().unwrap(), Held::Yes);
        fs::remove_file(storage.path().join(LOCK_FILE)).unwrap();
        assert_eq!(lock.verify().unwrap(), Held::Again);
        assert_eq!(lock.verify().unwrap(), Held::Yes);
        assert!(Lock::take(storage.path()).is_err(), "the new file is locked");
        fs::remove_dir_all(storage.path()).unwrap();
        assert!(lock.verify().is_err(), "there is no directory");
    }

    #[test]
    fn another_process_may_have_been_faster() {
        let storage = tempfile::tempdir().unwrap();
        let first = Lock::take(storage.path()).unwrap();
        fs::remove_file(storage.path().join(LOCK_FILE)).unwrap();
        let second = Lock::take(storage.path()).unwrap();
        let Held::ByAnother(holder) = first.verify().unwrap() else { panic!("two writers") };
        assert!(holder.starts_with(&format!("{}, running since 2", std::process::id())), "{holder}");
        drop(second);
        assert_eq!(first.verify().unwrap(), Held::Again);
    }

    #[test]
    fn links_are_not_followed() {
        let (storage, outside) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
        std::os::unix::fs::symlink(outside.path().join("x"), storage.path().join(LOCK_FILE)).unwrap();
        assert!(Lock::take(storage.path()).is_err());
        assert!(!outside.path().join("x").exists());
    }
}

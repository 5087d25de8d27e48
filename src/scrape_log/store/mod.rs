//! The files: one directory per target, samples files of two hours, and a log for people beside them.
//!
//! Everything here blocks and belongs on a blocking thread. A record is written with one `write` and is on the
//! device when [`Samples::append`] returns. After an error the file ends with the last whole record, and the next
//! record finds out by itself whether the trouble is over.

mod append;
mod disk;
mod lock;
mod people;
mod recover;

pub(super) use disk::{Disk, SystemDisk};
pub(super) use lock::Lock;
pub(super) use people::{Entry, PeopleLog};
pub(super) use recover::is_whole;

use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use jiff::Timestamp;

use super::Error;
use append::{AppendError, AppendFile};

/// The last line of a samples file that was closed.
const END_OF_FILE: &[u8] = b"# EOF\n";
/// A samples file ends at each even hour UTC, as the blocks of Prometheus' database do, so that it makes one block.
const WINDOW_MILLISECONDS: i64 = 2 * 3600 * 1000;
/// Files that can't be closed yet and are tried again. What is beyond is closed at the next start.
const MAX_UNCLOSED: usize = 16;

/// Readies the storage path: makes it, locks it, and closes what an earlier process left open.
///
/// # Errors
/// [`Error::Storage`] when the path can't be made or written to, [`Error::Locked`] when another process uses it.
pub(super) fn prepare(disk: &Arc<dyn Disk>, storage: &Path) -> Result<Lock, Error> {
    let failed = |error| Error::Storage { path: storage.to_owned(), error };
    disk.create_directory(storage).map_err(failed)?;
    let lock = Lock::take(storage)?;
    recover::recover_all(disk, storage).map_err(failed)?;
    Ok(lock)
}

/// The samples files of one target.
pub(super) struct Samples {
    disk: Arc<dyn Disk>,
    directory: PathBuf,
    open: Option<Open>,
    unclosed: Vec<AppendFile>,
}

struct Open {
    file: AppendFile,
    window: i64,
}

impl Samples {
    pub(super) fn new(disk: Arc<dyn Disk>, directory: PathBuf) -> Self {
        Self { disk, directory, open: None, unclosed: Vec::new() }
    }

    /// Sees to it that the right file for `timestamp_milliseconds` is open, and says whether it is still empty.
    /// `fresh` asks for a new file in any case.
    ///
    /// # Errors
    /// When a new file is needed and can't be made.
    pub(super) fn ready(&mut self, timestamp_milliseconds: i64, fresh: bool) -> io::Result<bool> {
        let window = timestamp_milliseconds.div_euclid(WINDOW_MILLISECONDS);
        if let Some(open) = &self.open
            && open.window == window
            && !fresh
            && open.file.is_in_place()
        {
            return Ok(open.file.len() == 0);
        }
        self.close();
        self.disk.create_directory(&self.directory)?;
        let file = self.create(timestamp_milliseconds)?;
        self.open = Some(Open { file, window });
        Ok(true)
    }

    fn create(&self, timestamp_milliseconds: i64) -> io::Result<AppendFile> {
        let start = file_time(timestamp_milliseconds, "%Y%m%dT%H%M%SZ");
        let mut name = format!("samples-{start}.om");
        for number in 1..10_000 {
            match AppendFile::create(&self.disk, &self.directory, &name) {
                Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {}
                made => return made,
            }
            // The underscore sorts behind the dot, so that names sort as files were begun.
            name = format!("samples-{start}_{number:04}.om");
        }
        Err(io::ErrorKind::AlreadyExists.into())
    }

    /// Appends the record to the file that [`Samples::ready`] opened.
    ///
    /// # Errors
    /// When the record can't be written now. The same record may be tried again after another call of
    /// [`Samples::ready`], which opens a new file if this one can't be trusted any more.
    pub(super) fn append(&mut self, record: &[u8]) -> io::Result<()> {
        let Some(open) = &mut self.open else { return Err(io::ErrorKind::NotFound.into()) };
        match open.file.append(record, true) {
            Ok(()) => {
                self.close_waiting();
                Ok(())
            }
            Err(AppendError::Refused(error)) => Err(error),
            Err(AppendError::Lost(error)) => {
                self.close();
                Err(error)
            }
        }
    }

    /// Ends the open file with `# EOF`, and those that could not be ended before.
    pub(super) fn close(&mut self) {
        self.unclosed.extend(self.open.take().map(|open| open.file));
        self.close_waiting();
    }

    fn close_waiting(&mut self) {
        self.unclosed.retain_mut(|file| match file.close(END_OF_FILE) {
            Ok(()) => false,
            Err(error) => {
                tracing::debug!(path = %file.path().display(), %error, "can't close a file yet");
                true
            }
        });
        let excess = self.unclosed.len().saturating_sub(MAX_UNCLOSED);
        self.unclosed.drain(..excess);
    }

    /// How many files wait for their `# EOF`.
    pub(super) fn unclosed(&self) -> usize {
        self.unclosed.len()
    }
}

/// A time in UTC by a `strftime` pattern.
pub(super) fn file_time(milliseconds: i64, pattern: &str) -> String {
    // The clock can't be beyond what a timestamp holds, which is the year 9999.
    Timestamp::from_millisecond(milliseconds).unwrap_or_default().strftime(pattern).to_string()
}

/// The samples files in a directory, sorted by name. Files of other names are none of this program's business.
fn samples_file_names(directory: &Path) -> io::Result<Vec<String>> {
    let mut names = Vec::new();
    for entry in std::fs::read_dir(directory)? {
        let entry = entry?;
        if let Ok(name) = entry.file_name().into_string()
            && name.starts_with("samples-")
            && name.ends_with(".om")
            && entry.file_type()?.is_file()
        {
            names.push(name);
        }
    }
    names.sort_unstable();
    Ok(names)
}

#[cfg(test)]
pub(in crate::scrape_log) mod tests;

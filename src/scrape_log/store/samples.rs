//! The samples files of one target.

use std::io;
use std::sync::Arc;
use std::time::{Duration, Instant};

use super::append::AppendFile;
use super::index::FileId;
use super::names::{FileName, Form, Kind};
use super::syncs::{Record, Unsynced, timed};
use super::{END_OF_FILE, Storage, TargetDirectory};

/// How often it is looked whether the file is still where it was made.
pub(super) const PLACE_INTERVAL: Duration = Duration::from_secs(1);
/// As many files may begin in one second: a clock that goes back again and again makes them.
const MAX_FILES_PER_SECOND: u16 = 9999;
/// How often it is tried to write again what a device did not take, when there is no later.
const CLOSING_TRIES: usize = 3;
/// How often it is tried to read a record that has to be written again.
const READ_TRIES: usize = 4;
/// The header of a file is shorter.
const MAX_HEADER_BYTES: u64 = 16 << 10;
const HEADER_START: &[u8] = b"# HELP scrapelog_file ";

/// The samples files of one target, of which at most one is open.
pub(in crate::scrape_log) struct Samples {
    storage: Arc<Storage>,
    directory: Arc<TargetDirectory>,
    open: Option<Open>,
    /// A file whose device failed before it had all records. They go into the next file.
    failed: Option<Open>,
    /// The name that was used last. What it was given to may be gone.
    last_name: Option<FileName>,
    last_record_bytes: u64,
}

struct Open {
    file: AppendFile,
    id: FileId,
    window: u32,
    seen_in_place: Instant,
    unsynced: Option<Arc<Unsynced>>,
}

impl Samples {
    pub(super) fn new(storage: Arc<Storage>, directory: Arc<TargetDirectory>) -> Self {
        Self { storage, directory, open: None, failed: None, last_name: None, last_record_bytes: 0 }
    }

    /// Sees to it that the right file for `timestamp_milliseconds` is open, and says whether it is still empty.
    /// `fresh` asks for a new file in any case. A new file that is not empty has a header and no metadata.
    ///
    /// # Errors
    /// When nothing is to be stored at present, or a new file is needed and can't be made.
    pub(in crate::scrape_log) fn ready(
        &mut self,
        timestamp_milliseconds: i64,
        fresh: bool,
    ) -> io::Result<Ready> {
        self.storage.suspension.check()?;
        let window = Kind::Samples.window(timestamp_milliseconds);
        if let Some(open) = &mut self.open
            && open.window == window
            && !fresh
            && self.failed.is_none()
            && !open.unsynced.as_ref().is_some_and(|unsynced| unsynced.has_failed())
            && !is_full_up(open, self.last_record_bytes, self.storage.options.max_file_size_bytes)
            && is_in_place(open, &self.directory)
        {
            return Ok(if open.file.len() == 0 { Ready::Empty } else { Ready::Begun });
        }
        self.end();
        self.storage.ready()?;
        self.open = Some(self.create(timestamp_milliseconds, window)?);
        if self.failed.is_some() && self.rescue()? {
            return Ok(Ready::WithoutMetadata);
        }
        Ok(Ready::Empty)
    }

    fn create(&mut self, timestamp_milliseconds: i64, window: u32) -> io::Result<Open> {
        let (storage, path) = (&self.storage, &self.directory.path);
        storage.disk.create_directory(path)?;
        let first = self.last_name.map_or(0, |last| last.next_number(timestamp_milliseconds));
        // Only when there are no more does a number come again that became free.
        for number in (first..=MAX_FILES_PER_SECOND).chain(0..first) {
            let name = FileName::new(Kind::Samples, timestamp_milliseconds, number);
            let id = self.directory.file(name);
            if !storage.enter_open(id) {
                continue;
            }
            let name = name.text(Form::Plain);
            match storage.with_room(0, || AppendFile::create(storage.disk.as_ref(), path, &name)) {
                Ok(file) => {
                    self.last_name = Some(id.name);
                    let late = !storage.options.sync_interval.is_zero();
                    let unsynced = late.then(|| Unsynced::new(file.file()));
                    return Ok(Open { file, id, window, seen_in_place: Instant::now(), unsynced });
                }
                Err(error) => {
                    storage.forget(id);
                    if error.kind() != io::ErrorKind::AlreadyExists {
                        return Err(error);
                    }
                }
            }
        }
        Err(io::ErrorKind::AlreadyExists.into())
    }

    /// Appends the record to the file that [`Samples::ready`] opened. When there is no room the oldest files go.
    ///
    /// # Errors
    /// When the record can't be written now. The same record may be tried again after another call of
    /// [`Samples::ready`], which opens a new file if this one can't be trusted any more.
    pub(in crate::scrape_log) fn append(&mut self, record: &[u8]) -> io::Result<()> {
        let Some(open) = &mut self.open else { return Err(io::ErrorKind::NotFound.into()) };
        let storage = &self.storage;
        let len = record.len() as u64;
        storage.with_room(len, || open.file.append(record))?;
        storage.stats.open_bytes.add(len);
        if let Some(unsynced) = &open.unsynced {
            let delay = storage.options.sync_interval / 2;
            storage.syncs.note(unsynced, record, delay, &storage.stats);
        } else if let Err(error) = timed(&storage.stats, || open.file.file().sync()) {
            // After a failed fsync the kernel may have dropped the data and forgotten the error: asking again
            // proves nothing. The record belongs into another file.
            storage.stats.open_bytes.subtract(len);
            open.file.shorten(open.file.len() - len);
            storage.note_full(&error, len);
            self.end();
            return Err(error);
        }
        self.last_record_bytes = len;
        storage.stats.written_bytes.add(len);
        storage.stats.scrapes_stored.add(1);
        storage.suspension.wrote();
        Ok(())
    }

    /// Counts a scrape that could not be stored for good.
    pub(in crate::scrape_log) fn not_stored(&self) {
        self.storage.stats.scrapes_not_stored.add(1);
    }

    /// Ends the open file with `# EOF` and leaves it to the compressor.
    pub(in crate::scrape_log) fn close(&mut self) {
        self.end();
        for _ in 0..CLOSING_TRIES {
            let Some(failed) = &self.failed else { return };
            let (start, window) = (failed.id.name.start_milliseconds(), failed.window);
            let created = self.storage.ready().and_then(|()| self.create(start, window));
            let rescued = created.and_then(|open| {
                self.open = Some(open);
                self.rescue()
            });
            if let Err(error) = rescued {
                tracing::warn!(path = %self.directory.path.display(), %error, "scrapes could not be written again");
            }
            self.end();
        }
        self.give_up_failed();
    }

    fn end(&mut self) {
        let Some(open) = self.open.take() else { return };
        if let Some(unsynced) = &open.unsynced
            && unsynced.sync(&self.storage.stats).is_err()
        {
            // A second file that fails before the first one's records are safe: theirs are given up.
            self.give_up_failed();
            self.failed = Some(open);
        } else {
            open.end(&self.storage, &self.directory);
        }
    }

    /// Writes the records that the device lost into the new file, behind the header of the old one. Says whether
    /// there were any.
    fn rescue(&mut self) -> io::Result<bool> {
        let (Some(failed), Some(open)) = (&mut self.failed, &mut self.open) else { return Ok(false) };
        let records = failed.unsynced.as_ref().map_or_else(Vec::new, |unsynced| unsynced.records());
        let safe_bytes = failed.file.len() - records.iter().map(|record| record.len).sum::<u64>();
        let stats = &self.storage.stats;
        let rescued = copy(failed, safe_bytes, &records, &mut open.file)
            .and_then(|rescued| timed(stats, || open.file.file().sync()).map(|()| rescued));
        let rescued = rescued.inspect_err(|_| open.file.shorten(0))?;
        let lost = records.len() as u64 - rescued;
        stats.scrapes_lost.add(lost);
        stats.open_bytes.add(open.file.len());
        tracing::warn!(
            path = %self.directory.path.display(),
            rescued_scrapes = rescued,
            lost_scrapes = lost,
            remedy = "check the device in the kernel's log",
            "the device did not take scrapes that had been written, they were written again"
        );
        if let Some(mut failed) = self.failed.take() {
            stats.open_bytes.subtract(failed.file.len() - safe_bytes);
            failed.file.shorten(safe_bytes);
            failed.end(&self.storage, &self.directory);
        }
        Ok(rescued > 0)
    }

    /// Leaves a failed file as it is: what is in it may or may not be on the device.
    fn give_up_failed(&mut self) {
        let Some(failed) = self.failed.take() else { return };
        let records = failed.unsynced.as_ref().map_or(0, |unsynced| unsynced.records().len());
        self.storage.stats.scrapes_lost.add(records as u64);
        failed.end(&self.storage, &self.directory);
    }
}

#[cfg(test)]
impl Samples {
    /// The path of the open file.
    pub(super) fn present(&self) -> Option<std::path::PathBuf> {
        let open = self.open.as_ref()?;
        Some(self.directory.path.join(open.id.name.text(Form::Plain)))
    }

    /// The files that are not closed yet, and where their whole records end.
    pub(super) fn held(&self) -> Vec<(FileName, u64)> {
        self.open.iter().chain(&self.failed).map(|open| (open.id.name, open.file.len())).collect()
    }
}

impl Drop for Samples {
    /// Leaves the ends of files that were not closed to the compressor: this may be a thread that must not wait.
    fn drop(&mut self) {
        for open in self.open.take().into_iter().chain(self.failed.take()) {
            let len = open.file.len();
            self.storage.stats.open_bytes.subtract(len);
            self.storage.closed(open.id, len, true);
        }
    }
}

impl Open {
    /// Writes the end. It is not waited for the device: after a power cut the next start ends the file again.
    fn end(mut self, storage: &Storage, directory: &TargetDirectory) {
        let (len, name) = (self.file.len(), self.id.name.text(Form::Plain));
        storage.stats.open_bytes.subtract(len);
        if !self.file.file().is_at(&directory.path.join(&name)) {
            // Someone removed or moved it.
            storage.forget(self.id);
        } else if len == 0 {
            match storage.disk.remove_file(&directory.path, &name) {
                Ok(()) => storage.forget(self.id),
                Err(error) => {
                    tracing::debug!(%error, "an empty file is removed later");
                    storage.closed(self.id, len, true);
                }
            }
        } else {
            let unended = self.file.append(END_OF_FILE).is_err();
            storage.closed(self.id, self.file.len(), unended);
        }
    }
}

/// What a file needs that [`Samples::ready`] opened.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::scrape_log) enum Ready {
    /// The header and the metadata.
    Empty,
    /// The metadata: it has samples that were taken over from another file.
    WithoutMetadata,
    /// Nothing.
    Begun,
}

/// Whether the next record, if it is as long as the last, would make the file too large.
fn is_full_up(open: &Open, next_bytes: u64, max_bytes: u64) -> bool {
    max_bytes > 0 && open.file.len() > 0 && open.file.len() + next_bytes > max_bytes
}

fn is_in_place(open: &mut Open, directory: &TargetDirectory) -> bool {
    if open.seen_in_place.elapsed() < PLACE_INTERVAL {
        return true;
    }
    open.seen_in_place = Instant::now();
    open.file.file().is_at(&directory.path.join(open.id.name.text(Form::Plain)))
}

/// Appends the records of `failed` behind `safe_bytes` to another file and says how many there were.
fn copy(failed: &Open, safe_bytes: u64, records: &[Record], to: &mut AppendFile) -> io::Result<u64> {
    let from = failed.file.file().as_ref();
    let (mut data, mut offset, mut copied) = (Vec::new(), safe_bytes, 0);
    for record in records {
        data.resize(usize::try_from(record.len).unwrap_or(usize::MAX), 0);
        // What never got to the device may be gone from memory too.
        let is_read = (0..READ_TRIES).any(|_| from.read_at(&mut data, offset).is_ok());
        if is_read && record.is(&data) {
            if copied == 0 && offset > 0 {
                to.append(&header(from, offset)?)?;
            }
            to.append(&data)?;
            copied += 1;
        }
        offset += record.len;
    }
    Ok(copied)
}

/// The two lines that a file begins with, if it does.
fn header(file: &dyn super::disk::DiskFile, len: u64) -> io::Result<Vec<u8>> {
    let mut start = vec![0; usize::try_from(len.min(MAX_HEADER_BYTES)).unwrap_or(0)];
    file.read_at(&mut start, 0)?;
    let end = memchr::memchr_iter(b'\n', &start).nth(1).map_or(0, |at| at + 1);
    start.truncate(if start.starts_with(HEADER_START) { end } else { 0 });
    Ok(start)
}

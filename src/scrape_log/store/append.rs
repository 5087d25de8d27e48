//! A file that only grows by whole records.

use std::io;
use std::path::Path;
use std::sync::Arc;

use super::disk::{Disk, DiskFile};

/// An open file whose first `len` bytes are whole records.
pub(super) struct AppendFile {
    file: Arc<dyn DiskFile>,
    len: u64,
    /// A failed append left bytes behind `len` that could not be cut off yet.
    torn: bool,
}

impl AppendFile {
    /// Makes a file that does not exist yet.
    pub(super) fn create(disk: &dyn Disk, directory: &Path, name: &str) -> io::Result<Self> {
        Ok(Self { file: disk.create_file(directory, name)?.into(), len: 0, torn: false })
    }

    /// Opens a file that may exist and have a torn end, which is cut off: `whole` says how much of the last bytes (at
    /// most `tail_bytes`) is to be kept.
    pub(super) fn open(
        disk: &dyn Disk,
        (directory, name): (&Path, &str),
        tail_bytes: u64,
        whole: impl Fn(&[u8]) -> usize,
    ) -> io::Result<Self> {
        let file = match disk.open_file(directory, name) {
            Ok(file) => file,
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                return Self::create(disk, directory, name);
            }
            Err(error) => return Err(error),
        };
        let mut len = file.len()?;
        let start = len.saturating_sub(tail_bytes);
        let mut tail = vec![0; usize::try_from(len - start).unwrap_or(0)];
        file.read_at(&mut tail, start)?;
        let kept = start + whole(&tail) as u64;
        if kept < len {
            file.truncate(kept)?;
            len = kept;
        }
        Ok(Self { file: file.into(), len, torn: false })
    }

    /// The file itself, for whoever syncs or reads it.
    pub(super) fn file(&self) -> &Arc<dyn DiskFile> {
        &self.file
    }

    /// The bytes of whole records.
    pub(super) fn len(&self) -> u64 {
        self.len
    }

    /// Appends a record without waiting for the device. After an error the file ends where it ended before.
    pub(super) fn append(&mut self, record: &[u8]) -> io::Result<()> {
        if self.torn {
            self.cut()?;
        }
        if let Err(error) = write_whole(self.file.as_ref(), record) {
            self.torn = true;
            if let Err(cut) = self.cut() {
                tracing::debug!(error = %cut, "torn end stays until it can be cut");
            }
            return Err(error);
        }
        self.len += record.len() as u64;
        Ok(())
    }

    /// Takes the records from `len` on back, with the next append at the latest.
    pub(super) fn shorten(&mut self, len: u64) {
        self.len = len;
        self.torn = true;
    }

    fn cut(&mut self) -> io::Result<()> {
        self.file.truncate(self.len)?;
        self.torn = false;
        Ok(())
    }
}

/// Writes all of `rest`, with one call where the system takes it whole.
pub(super) fn write_whole(file: &dyn DiskFile, mut rest: &[u8]) -> io::Result<()> {
    while !rest.is_empty() {
        match file.write(rest) {
            Ok(0) => return Err(io::ErrorKind::WriteZero.into()),
            Ok(written) => rest = rest.get(written..).unwrap_or_default(),
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
    Ok(())
}

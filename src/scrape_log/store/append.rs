//! A file that only grows by whole records.

use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::disk::{Disk, DiskFile};

/// An open file whose first `len` bytes are whole records.
pub(super) struct AppendFile {
    disk: Arc<dyn Disk>,
    directory: PathBuf,
    name: String,
    path: PathBuf,
    file: Box<dyn DiskFile>,
    len: u64,
    /// A failed append left bytes behind `len` that could not be cut off yet.
    torn: bool,
}

/// Why a record was not appended.
#[derive(Debug)]
pub(super) enum AppendError {
    /// The file is as it was; the same record may be tried again.
    Refused(io::Error),
    /// What the device holds of this file is not known any more, or the path leads elsewhere: records belong into
    /// another file.
    Lost(io::Error),
}

impl AppendError {
    pub(super) fn into_io(self) -> io::Error {
        match self {
            Self::Refused(error) | Self::Lost(error) => error,
        }
    }
}

impl AppendFile {
    /// Makes a file that does not exist yet.
    pub(super) fn create(disk: &Arc<dyn Disk>, directory: &Path, name: &str) -> io::Result<Self> {
        let file = disk.create_file(directory, name)?;
        Ok(Self::new(disk, directory, name, file, 0))
    }

    /// Opens a file that may exist and have a torn end, which is cut off: `whole` says how much of the last bytes
    /// (at most `tail_bytes`) is to be kept.
    pub(super) fn open(
        disk: &Arc<dyn Disk>,
        directory: &Path,
        name: &str,
        tail_bytes: u64,
        whole: impl Fn(&[u8]) -> usize,
    ) -> io::Result<Self> {
        let mut file = match disk.open_file(directory, name) {
            Ok(file) => file,
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                return Self::create(disk, directory, name);
            }
            Err(error) => return Err(error),
        };
        let len = file.len()?;
        let start = len.saturating_sub(tail_bytes);
        let mut tail = vec![0; usize::try_from(len - start).unwrap_or(0)];
        file.read_at(&mut tail, start)?;
        let kept = start + whole(&tail) as u64;
        if kept < len {
            file.truncate(kept)?;
        }
        Ok(Self::new(disk, directory, name, file, kept))
    }

    fn new(disk: &Arc<dyn Disk>, directory: &Path, name: &str, file: Box<dyn DiskFile>, len: u64) -> Self {
        Self {
            disk: Arc::clone(disk),
            directory: directory.to_owned(),
            name: name.to_owned(),
            path: directory.join(name),
            file,
            len,
            torn: false,
        }
    }

    pub(super) fn path(&self) -> &Path {
        &self.path
    }

    /// The bytes of whole records.
    pub(super) fn len(&self) -> u64 {
        self.len
    }

    /// Whether the path still leads to this file. It does not if someone removed or moved the directory.
    pub(super) fn is_in_place(&self) -> bool {
        self.file.is_at(&self.path)
    }

    /// Appends a record. After an error the file ends where it ended before.
    pub(super) fn append(&mut self, record: &[u8], sync: bool) -> Result<(), AppendError> {
        if self.torn {
            self.cut().map_err(AppendError::Refused)?;
        }
        if let Err(error) = write_whole(self.file.as_mut(), record) {
            self.torn = true;
            if let Err(cut) = self.cut() {
                tracing::debug!(path = %self.path.display(), error = %cut, "torn end stays until it can be cut");
            }
            return Err(AppendError::Refused(error));
        }
        if sync && let Err(error) = self.file.sync() {
            // After a failed fsync the kernel may have dropped the data and forgotten the error: asking again
            // proves nothing.
            self.torn = true;
            return Err(AppendError::Lost(error));
        }
        self.len += record.len() as u64;
        Ok(())
    }

    fn cut(&mut self) -> io::Result<()> {
        self.file.truncate(self.len)?;
        self.torn = false;
        Ok(())
    }

    /// Ends the file with `trailer`. A file without any record is removed instead, one that is not in its place
    /// any more is let go.
    pub(super) fn close(&mut self, trailer: &[u8]) -> io::Result<()> {
        if !self.is_in_place() {
            return Ok(());
        }
        if self.len == 0 {
            return self.disk.remove_file(&self.directory, &self.name);
        }
        self.append(trailer, true).map_err(AppendError::into_io)
    }
}

/// Writes all of `rest`, with one call where the system takes it whole.
pub(super) fn write_whole(file: &mut dyn DiskFile, mut rest: &[u8]) -> io::Result<()> {
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

//! Reading files of procfs and sysfs.

use std::fs::File;
use std::io::{self, Read};
use std::os::unix::fs::{FileExt, MetadataExt};
use std::path::{Path, PathBuf};

/// How much room a first read gets. Most files of procfs fit, and those that do not double it.
const FIRST_READ_BYTES: usize = 16 * 1024;

/// A file that is read at every scrape: it is opened once and read again from its start with `pread`, which for
/// procfs and sysfs gives fresh content at about half the cost of opening it anew.
#[derive(Debug)]
pub struct KernelFile {
    path: PathBuf,
    file: Option<File>,
}

impl KernelFile {
    /// Names the file. Nothing is opened before the first read.
    pub fn new(path: impl Into<PathBuf>) -> Self {
        Self { path: path.into(), file: None }
    }

    /// The file's path, for messages.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Reads the whole file into `buffer`, which is emptied first.
    ///
    /// # Errors
    /// What opening or reading gave. The file is opened anew the next time.
    pub fn read<'b>(&mut self, buffer: &'b mut Vec<u8>) -> io::Result<&'b [u8]> {
        let file = match self.file.take() {
            Some(file) => file,
            None => File::open(&self.path)?,
        };
        read_from_start(&file, buffer)?;
        self.file = Some(file);
        Ok(buffer)
    }
}

fn read_from_start(file: &File, buffer: &mut Vec<u8>) -> io::Result<()> {
    let capacity = buffer.capacity().max(FIRST_READ_BYTES);
    buffer.resize(capacity, 0);
    let mut filled = 0;
    loop {
        if filled == buffer.len() {
            buffer.resize(buffer.len() * 2, 0);
        }
        match file.read_at(&mut buffer[filled..], filled as u64) {
            Ok(0) => break,
            Ok(count) => filled += count,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => {
                buffer.clear();
                return Err(error);
            }
        }
    }
    buffer.truncate(filled);
    Ok(())
}

/// Reads a file that holds one short value (at most 4 KiB, the most a sysfs attribute can have) with a single
/// read, and gives it without white space around it. `buffer` is emptied first.
///
/// # Errors
/// What opening or reading gave. Drivers refuse single values with EINVAL, ENODATA, EAGAIN and others: callers
/// skip that value.
pub fn read_small<'b>(path: &Path, buffer: &'b mut Vec<u8>) -> io::Result<&'b [u8]> {
    buffer.clear();
    buffer.resize(4096, 0);
    let count = File::open(path)?.read(buffer)?;
    buffer.truncate(count);
    Ok(buffer.trim_ascii())
}

/// Which state of a file was read, for files that seldom change: while the stamp stays the same, so does the
/// content. A file that is replaced by renaming another one over it gets a new stamp too.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct FileStamp {
    device: u64,
    inode: u64,
    size_bytes: u64,
    modified: (i64, i64),
}

impl FileStamp {
    /// The stamp of the file at `path` now, with symbolic links followed.
    ///
    /// # Errors
    /// What `stat` gave.
    pub fn of(path: &Path) -> io::Result<Self> {
        let metadata = std::fs::metadata(path)?;
        Ok(Self {
            device: metadata.dev(),
            inode: metadata.ino(),
            size_bytes: metadata.size(),
            modified: (metadata.mtime(), metadata.mtime_nsec()),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_replaced_file_has_another_stamp() {
        let folder = tempfile::tempdir().unwrap();
        let (path, other) = (folder.path().join("file"), folder.path().join("other"));
        std::fs::write(&path, "a").unwrap();
        let first = FileStamp::of(&path).unwrap();
        assert_eq!(FileStamp::of(&path).unwrap(), first);
        std::fs::write(&other, "b").unwrap();
        std::fs::rename(&other, &path).unwrap();
        assert_ne!(FileStamp::of(&path).unwrap(), first);
    }

    #[test]
    fn reads_files_of_every_size_again_and_again() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("file");
        let mut file = KernelFile::new(&path);
        let mut buffer = Vec::new();
        assert_eq!(file.read(&mut buffer).unwrap_err().kind(), io::ErrorKind::NotFound);
        for size in [0, 1, FIRST_READ_BYTES - 1, FIRST_READ_BYTES, FIRST_READ_BYTES + 1, 100_000, 3] {
            let content = vec![b'x'; size];
            std::fs::write(&path, &content).unwrap();
            assert_eq!(file.read(&mut buffer).unwrap(), content, "{size} bytes");
        }
    }

    #[test]
    fn proc_files_are_fresh_at_each_read() {
        let mut file = KernelFile::new("/proc/uptime");
        let (mut first, mut second) = (Vec::new(), Vec::new());
        file.read(&mut first).unwrap();
        std::thread::sleep(std::time::Duration::from_millis(30));
        file.read(&mut second).unwrap();
        assert_ne!(first, second);
    }
}

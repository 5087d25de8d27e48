//! Reading files of procfs and sysfs.

use std::fs::File;
use std::io::{self, Read};
use std::os::unix::fs::{FileExt, MetadataExt};
use std::path::{Path, PathBuf};

use rustix::fs::{FsWord, PROC_SUPER_MAGIC};

/// The type of sysfs in `struct statfs` (kernel: `include/uapi/linux/magic.h`).
const SYSFS_MAGIC: FsWord = 0x6265_6572;

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
    /// What opening or reading gave. A file that is open and can't be read any more, as when its device was
    /// unplugged and came back, is opened anew before that.
    pub fn read<'b>(&mut self, buffer: &'b mut Vec<u8>) -> io::Result<&'b [u8]> {
        if let Some(file) = self.file.take()
            && read_from_start(&file, buffer).is_ok()
        {
            self.file = Some(file);
            return Ok(buffer);
        }
        let file = File::open(&self.path)?;
        read_from_start(&file, buffer)?;
        self.file = is_made_by_kernel(&file).then_some(file);
        Ok(buffer)
    }
}

/// Whether the file is one of procfs or sysfs. Any other, such as a copy or what FUSE shows in a container, may be
/// replaced by renaming, and then an open one would show the old content for ever.
fn is_made_by_kernel(file: &File) -> bool {
    rustix::fs::fstatfs(file).is_ok_and(|found| matches!(found.f_type, PROC_SUPER_MAGIC | SYSFS_MAGIC))
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
    fn a_file_that_was_replaced_is_read_anew() {
        let folder = tempfile::tempdir().unwrap();
        let (path, other) = (folder.path().join("file"), folder.path().join("other"));
        let mut file = KernelFile::new(&path);
        let mut buffer = Vec::new();
        for content in ["old", "new"] {
            std::fs::write(&other, content).unwrap();
            std::fs::rename(&other, &path).unwrap();
            assert_eq!(file.read(&mut buffer).unwrap(), content.as_bytes());
        }
    }

    #[test]
    fn a_proc_file_that_is_gone_and_back_is_read_at_once() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("stat");
        let mut file = KernelFile::new(&path);
        let mut buffer = Vec::new();
        for _ in 0..2 {
            let mut process = std::process::Command::new("sleep").arg("60").spawn().unwrap();
            std::os::unix::fs::symlink(format!("/proc/{}/stat", process.id()), &path).unwrap();
            let id = format!("{} (", process.id());
            for _ in 0..2 {
                assert!(file.read(&mut buffer).unwrap().starts_with(id.as_bytes()));
            }
            process.kill().unwrap();
            process.wait().unwrap();
            std::fs::remove_file(&path).unwrap();
        }
        assert_eq!(file.read(&mut buffer).unwrap_err().kind(), io::ErrorKind::NotFound);
    }

    #[test]
    fn proc_files_are_kept_open_and_fresh_at_each_read() {
        let mut file = KernelFile::new("/proc/uptime");
        let (mut first, mut second) = (Vec::new(), Vec::new());
        file.read(&mut first).unwrap();
        std::thread::sleep(std::time::Duration::from_millis(30));
        assert!(file.file.is_some());
        file.read(&mut second).unwrap();
        assert_ne!(first, second);
    }
}

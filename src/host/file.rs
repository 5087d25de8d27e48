//! Reading files of procfs and sysfs.

use std::fs::File;
use std::io;
use std::os::fd::OwnedFd;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::sync::OnceLock;
use std::sync::atomic::{AtomicUsize, Ordering};

use rustix::buffer::spare_capacity;
use rustix::fs::{FsWord, PROC_SUPER_MAGIC};
use rustix::process::{Resource, getrlimit};

/// The type of sysfs in `struct statfs` (kernel: `include/uapi/linux/magic.h`).
const SYSFS_MAGIC: FsWord = 0x6265_6572;

/// How much room a first read gets. Most files of procfs fit, and those that do not double it.
pub(super) const FIRST_READ_BYTES: usize = 16 * 1024;
/// The most that one attribute of sysfs can have.
const VALUE_BYTES: usize = 4096;
/// More than the few numbers of a file in `/proc/sys` take.
const NUMBERS_BYTES: usize = 256;

/// A file that is read at every scrape: it is opened once and read again from its start with `pread`, which for
/// procfs and sysfs gives fresh content at about half the cost of opening it anew.
#[derive(Debug)]
pub struct KernelFile {
    path: PathBuf,
    open: Option<KeptOpen>,
}

impl KernelFile {
    /// Names the file. Nothing is opened before the first read.
    pub fn new(path: impl Into<PathBuf>) -> Self {
        Self { path: path.into(), open: None }
    }

    /// Names the file if there is one now.
    pub fn if_exists(path: PathBuf) -> Option<Self> {
        path.exists().then(|| Self::new(path))
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
        self.read_with(buffer, read_whole)?;
        Ok(buffer)
    }

    /// Reads a file that holds one short value, as the attributes of sysfs and `/proc/sys` do (at most 4 KiB), with
    /// a single call, and gives the value without white space around it. `buffer` is emptied first.
    ///
    /// # Errors
    /// As [`KernelFile::read`]. Drivers refuse single values with EINVAL, ENODATA, EAGAIN and others: callers skip
    /// that value.
    pub fn value<'b>(&mut self, buffer: &'b mut Vec<u8>) -> io::Result<&'b [u8]> {
        self.read_with(buffer, read_once)?;
        Ok(buffer.trim_ascii())
    }

    /// As [`KernelFile::value`], of a file in `/proc/sys` with one number or a few. There the kernel allocates and clears
    /// as much memory as it is asked to fill, which for a large buffer costs more than the reading: it is asked for 256
    /// bytes.
    ///
    /// # Errors
    /// As [`KernelFile::read`].
    pub fn numbers<'b>(&mut self, buffer: &'b mut Vec<u8>) -> io::Result<&'b [u8]> {
        self.read_with(buffer, read_numbers)?;
        Ok(buffer.trim_ascii())
    }

    fn read_with(
        &mut self,
        buffer: &mut Vec<u8>,
        read: fn(&OwnedFd, &mut Vec<u8>) -> io::Result<()>,
    ) -> io::Result<()> {
        if let Some(open) = self.open.take()
            && read(&open.0, buffer).is_ok()
        {
            self.open = Some(open);
            return Ok(());
        }
        let file = OwnedFd::from(File::open(&self.path)?);
        read(&file, buffer)?;
        self.open = KeptOpen::new(file);
        Ok(())
    }
}

/// A file or directory of procfs or sysfs that stays open. Any other, such as a copy or what FUSE shows in a
/// container, may be replaced by renaming, and then an open one would show the old content for ever.
#[derive(Debug)]
pub(super) struct KeptOpen(pub(super) OwnedFd);

/// How many [`KeptOpen`] there are.
static KEPT_OPEN: AtomicUsize = AtomicUsize::new(0);

/// How many there may be: hosts with hundreds of devices have more files than a process may open.
fn kept_open_max() -> usize {
    static MAX: OnceLock<usize> = OnceLock::new();
    *MAX.get_or_init(|| {
        let limit = getrlimit(Resource::Nofile).current.unwrap_or(u64::MAX);
        usize::try_from(limit / 2).unwrap_or(usize::MAX).min(4096)
    })
}

impl KeptOpen {
    pub(super) fn new(file: OwnedFd) -> Option<Self> {
        let by_kernel = |found: rustix::fs::StatFs| matches!(found.f_type, PROC_SUPER_MAGIC | SYSFS_MAGIC);
        if KEPT_OPEN.load(Ordering::Relaxed) >= kept_open_max()
            || !rustix::fs::fstatfs(&file).is_ok_and(by_kernel)
        {
            return None;
        }
        KEPT_OPEN.fetch_add(1, Ordering::Relaxed);
        Some(Self(file))
    }
}

impl Drop for KeptOpen {
    fn drop(&mut self) {
        KEPT_OPEN.fetch_sub(1, Ordering::Relaxed);
    }
}

fn read_whole(file: &OwnedFd, buffer: &mut Vec<u8>) -> io::Result<()> {
    buffer.clear();
    buffer.reserve(FIRST_READ_BYTES);
    while read_more(file, buffer)? > 0 {
        if buffer.len() == buffer.capacity() {
            buffer.reserve(buffer.len());
        }
    }
    Ok(())
}

pub(super) fn read_once(file: &OwnedFd, buffer: &mut Vec<u8>) -> io::Result<()> {
    buffer.clear();
    buffer.reserve(VALUE_BYTES);
    read_more(file, buffer).map(drop)
}

fn read_numbers(file: &OwnedFd, buffer: &mut Vec<u8>) -> io::Result<()> {
    buffer.clear();
    buffer.resize(NUMBERS_BYTES, 0);
    let length = rustix::io::retry_on_intr(|| rustix::io::pread(file, buffer.as_mut_slice(), 0));
    buffer.truncate(length.unwrap_or(0));
    length?;
    Ok(())
}

/// Reads on from where `buffer` ends. Gives how much it was.
fn read_more(file: &OwnedFd, buffer: &mut Vec<u8>) -> io::Result<usize> {
    let offset = buffer.len() as u64;
    Ok(rustix::io::retry_on_intr(|| rustix::io::pread(file, spare_capacity(buffer), offset))?)
}

/// [`KernelFile::value`] of a file that is not read again.
///
/// # Errors
/// What opening or reading gave.
pub fn read_small<'b>(path: &Path, buffer: &'b mut Vec<u8>) -> io::Result<&'b [u8]> {
    read_once(&File::open(path)?.into(), buffer)?;
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
        assert!(file.open.is_some());
        file.read(&mut second).unwrap();
        assert_ne!(first, second);
    }

    #[test]
    fn values_are_read_with_one_call_and_trimmed() {
        let mut buffer = Vec::new();
        let release = std::fs::read_to_string("/proc/sys/kernel/osrelease").unwrap();
        let mut file = KernelFile::new("/proc/sys/kernel/osrelease");
        for _ in 0..2 {
            assert_eq!(file.value(&mut buffer).unwrap(), release.trim().as_bytes());
            assert_eq!(file.numbers(&mut buffer).unwrap(), release.trim().as_bytes());
        }
        assert!(file.open.is_some());
        let mut absent = KernelFile::new("/proc/sys/kernel/none");
        assert_eq!(absent.numbers(&mut buffer).unwrap_err().kind(), io::ErrorKind::NotFound);
        let mut directory = KernelFile::new("/proc/sys/kernel");
        assert!(directory.numbers(&mut buffer).is_err() && buffer.is_empty());
    }
}

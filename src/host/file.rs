//! Reading files of procfs and sysfs.

use std::ffi::OsStr;
use std::fs::File;
use std::io;
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::sync::OnceLock;
use std::sync::atomic::{AtomicUsize, Ordering};

use rustix::buffer::spare_capacity;
use rustix::fs::{FsWord, PROC_SUPER_MAGIC, RawDir, SeekFrom};
use rustix::process::{Resource, getrlimit};

/// The type of sysfs in `struct statfs` (kernel: `include/uapi/linux/magic.h`).
const SYSFS_MAGIC: FsWord = 0x6265_6572;

/// How much room a first read gets. Most files of procfs fit, and those that do not double it.
const FIRST_READ_BYTES: usize = 16 * 1024;
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
struct KeptOpen(OwnedFd);

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
    fn new(file: OwnedFd) -> Option<Self> {
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

/// A directory that is listed at every scrape, such as one class of devices in sysfs.
#[derive(Debug)]
pub struct Folder {
    path: PathBuf,
    open: Option<KeptOpen>,
    /// The names as the kernel gave them, each with a NUL behind it.
    listed: Vec<u8>,
    /// The same of the time before.
    listed_before: Vec<u8>,
    /// The inode numbers of the entries, in one: a device that was replaced under its name has another.
    inodes: u64,
    names: Vec<Box<[u8]>>,
    changed: bool,
}

impl Folder {
    /// Names the directory. Nothing is opened before it is listed.
    pub fn new(path: impl Into<PathBuf>) -> Self {
        Self {
            path: path.into(),
            open: None,
            listed: Vec::new(),
            listed_before: Vec::new(),
            inodes: 0,
            names: Vec::new(),
            changed: true,
        }
    }

    /// The directory's path.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// The names in it when it was last listed, without those that begin with a dot, sorted.
    pub fn names(&self) -> &[Box<[u8]>] {
        &self.names
    }

    /// The path of the entry called `name`.
    pub fn entry(&self, name: &[u8]) -> PathBuf {
        self.path.join(OsStr::from_bytes(name))
    }

    /// Lists the directory and says whether to look at its entries anew: at the first call, when entries have come
    /// or gone or were replaced, and at the call after that, since a driver may take its time to fill a new device's
    /// directory.
    ///
    /// # Errors
    /// What opening or reading gave; there are no names then.
    pub fn list(&mut self, buffer: &mut Vec<u8>) -> io::Result<bool> {
        std::mem::swap(&mut self.listed, &mut self.listed_before);
        self.listed.clear();
        let inodes = self.inodes;
        let result = self.list_names(buffer).inspect_err(|_| self.listed.clear());
        let changed_now = result.is_err() || self.listed_before != self.listed || self.inodes != inodes;
        if changed_now {
            let names = self.listed.split(|&byte| byte == 0).filter(|name| !name.is_empty());
            self.names = names.map(Into::into).collect();
            self.names.sort_unstable();
        }
        let changed = std::mem::replace(&mut self.changed, changed_now);
        result.map(|()| changed || changed_now)
    }

    fn list_names(&mut self, buffer: &mut Vec<u8>) -> io::Result<()> {
        if let Some(open) = self.open.take()
            && rustix::fs::seek(&open.0, SeekFrom::Start(0)).is_ok()
            && let Ok(inodes) = read_names(&open.0, buffer, &mut self.listed)
            && !self.listed.is_empty()
        {
            self.inodes = inodes;
            self.open = Some(open);
            return Ok(());
        }
        let file = OwnedFd::from(File::open(&self.path)?);
        self.inodes = read_names(&file, buffer, &mut self.listed)?;
        // An empty one is not kept: of a directory that was removed and made anew, as when a module is loaded again, the
        // old one is empty too.
        if !self.listed.is_empty() {
            self.open = KeptOpen::new(file);
        }
        Ok(())
    }
}

/// Puts the names of a directory's entries into `names`, which is emptied first. Gives their inode numbers mixed into
/// one number.
fn read_names(directory: impl AsFd, buffer: &mut Vec<u8>, names: &mut Vec<u8>) -> io::Result<u64> {
    names.clear();
    buffer.clear();
    buffer.reserve(FIRST_READ_BYTES);
    let mut inodes = 0u64;
    let mut entries = RawDir::new(directory, buffer.spare_capacity_mut());
    while let Some(entry) = entries.next() {
        let entry = entry?;
        let name = entry.file_name().to_bytes_with_nul();
        if !name.starts_with(b".") {
            names.extend_from_slice(name);
            inodes = inodes.rotate_left(5).wrapping_mul(0x9E37_79B9_7F4A_7C15) ^ entry.ino();
        }
    }
    Ok(inodes)
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

    #[test]
    fn a_folder_tells_when_to_look_at_its_entries() {
        let parent = tempfile::tempdir().unwrap();
        let path = parent.path().join("class");
        let mut folder = Folder::new(&path);
        let mut buffer = Vec::new();
        assert_eq!(folder.list(&mut buffer).unwrap_err().kind(), io::ErrorKind::NotFound);
        std::fs::create_dir(&path).unwrap();
        let long = "n".repeat(255);
        let many: Vec<String> = (0..500).map(|n| format!("{long:.240}{n:03}")).collect();
        for name in many.iter().map(String::as_str).chain(["b", "a", ".hidden"]) {
            std::fs::write(path.join(name), "").unwrap();
        }
        let looks: Vec<bool> = (0..4).map(|_| folder.list(&mut buffer).unwrap()).collect();
        assert_eq!(looks, [true, true, false, false]);
        assert_eq!(folder.names().len(), 502);
        assert_eq!(folder.names().iter().take(2).map(|name| &**name).collect::<Vec<_>>(), [b"a", b"b"]);
        std::fs::remove_dir_all(&path).unwrap();
        assert!(folder.list(&mut buffer).is_err() && folder.names().is_empty());
        std::fs::create_dir(&path).unwrap();
        assert!(folder.list(&mut buffer).unwrap());
        std::fs::write(path.join("c"), "").unwrap();
        let looks: Vec<bool> = (0..3).map(|_| folder.list(&mut buffer).unwrap()).collect();
        assert_eq!((looks, folder.names().len()), (vec![true, true, false], 1));
        std::fs::write(path.join("new"), "").unwrap();
        std::fs::rename(path.join("new"), path.join("c")).unwrap();
        let looks: Vec<bool> = (0..3).map(|_| folder.list(&mut buffer).unwrap()).collect();
        assert_eq!((looks, folder.names().len()), (vec![true, true, false], 1));
    }

    #[test]
    fn a_folder_of_the_kernel_is_kept_open_and_fresh() {
        let mut folder = Folder::new(format!("/proc/{}/task", std::process::id()));
        let mut buffer = Vec::new();
        folder.list(&mut buffer).unwrap();
        assert!(folder.open.is_some());
        let (done, wait) = std::sync::mpsc::channel::<()>();
        let (tell, told) = std::sync::mpsc::channel();
        let thread = std::thread::spawn(move || {
            tell.send(std::fs::read_link("/proc/thread-self").unwrap()).unwrap();
            wait.recv().unwrap_err();
        });
        let new = told.recv().unwrap();
        let new: Box<[u8]> = new.file_name().unwrap().as_bytes().into();
        assert!(!folder.names().contains(&new));
        assert!(folder.list(&mut buffer).unwrap());
        assert!(folder.names().contains(&new));
        drop(done);
        thread.join().unwrap();
    }
}

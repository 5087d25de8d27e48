//! The few things the store asks of a filesystem, as a seam at which tests let them fail.

use std::fs::{self, File};
use std::io::{self, Write};
use std::os::unix::fs::MetadataExt;
use std::path::Path;

use rustix::fs::{Advice, AtFlags, Mode, OFlags, fadvise, open, openat, renameat, statvfs, unlinkat};

/// A filesystem. Directories of files are never symbolic links.
pub(in crate::scrape_log) trait Disk: Send + Sync {
    /// Makes a directory and those above it and sees to it that they last. That it exists is fine.
    fn create_directory(&self, path: &Path) -> io::Result<()>;

    /// Removes an empty directory.
    fn remove_directory(&self, path: &Path) -> io::Result<()>;

    /// Makes a new file and sees to it that the name lasts.
    fn create_file(&self, directory: &Path, name: &str) -> io::Result<Box<dyn DiskFile>>;

    /// Opens an existing file for reading and appending.
    fn open_file(&self, directory: &Path, name: &str) -> io::Result<Box<dyn DiskFile>>;

    /// Removes a file. After a power cut it may be there again.
    fn remove_file(&self, directory: &Path, name: &str) -> io::Result<()>;

    /// Gives a file another name, in place of what had that name.
    fn rename_file(&self, directory: &Path, from: &str, to: &str) -> io::Result<()>;

    /// Sees to it that the names in a directory last.
    fn sync_directory(&self, directory: &Path) -> io::Result<()>;

    /// How much room there is.
    fn room(&self, path: &Path) -> io::Result<Room>;
}

/// The sizes of a filesystem in bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::scrape_log) struct Room {
    /// What this user may still write.
    pub(in crate::scrape_log) free_bytes: u64,
    /// All of it.
    pub(in crate::scrape_log) total_bytes: u64,
}

/// An open file.
pub(in crate::scrape_log) trait DiskFile: Send + Sync {
    /// One `write`, at the end. May write less.
    fn write(&self, bytes: &[u8]) -> io::Result<usize>;

    /// Has the data on the device when it returns.
    fn sync(&self) -> io::Result<()>;

    /// Has the device begin to take the data from `offset` on. That is only to make the sync after it cheaper.
    fn begin_sync(&self, offset: u64);

    /// Cuts the file.
    fn truncate(&self, len: u64) -> io::Result<()>;

    /// The file's length.
    fn len(&self) -> io::Result<u64>;

    /// Fills `buffer` from `offset` on.
    fn read_at(&self, buffer: &mut [u8], offset: u64) -> io::Result<()>;

    /// Whether `path` still leads to this file.
    fn is_at(&self, path: &Path) -> bool;
}

/// The operating system's filesystem.
#[derive(Debug)]
pub(in crate::scrape_log) struct SystemDisk;

impl SystemDisk {
    /// The storage path itself may be a link, a target's directory in it may not: it could lead anywhere.
    fn directory(path: &Path) -> io::Result<File> {
        let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
        Ok(open(path, flags, Mode::empty())?.into())
    }

    fn open(directory: &File, name: &str, flags: OFlags) -> io::Result<Box<dyn DiskFile>> {
        let flags = flags | OFlags::RDWR | OFlags::APPEND | OFlags::NOFOLLOW | OFlags::CLOEXEC;
        let file = openat(directory, name, flags, Mode::from_raw_mode(0o644))?;
        Ok(Box::new(File::from(file)))
    }
}

impl Disk for SystemDisk {
    fn create_directory(&self, path: &Path) -> io::Result<()> {
        if path.is_dir() {
            return Ok(());
        }
        let parent = match path.parent() {
            Some(parent) if !parent.as_os_str().is_empty() => parent,
            _ => Path::new("."),
        };
        self.create_directory(parent)?;
        match fs::create_dir(path) {
            // Another target's thread was faster.
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists && path.is_dir() => {}
            made => made?,
        }
        File::open(parent)?.sync_all()
    }

    fn remove_directory(&self, path: &Path) -> io::Result<()> {
        fs::remove_dir(path)
    }

    fn create_file(&self, directory: &Path, name: &str) -> io::Result<Box<dyn DiskFile>> {
        let directory = Self::directory(directory)?;
        let file = Self::open(&directory, name, OFlags::CREATE | OFlags::EXCL)?;
        if let Err(error) = directory.sync_all() {
            // No power cut may take the name from under the data, so a name that may not last is given up.
            unlinkat(&directory, name, AtFlags::empty())?;
            return Err(error);
        }
        Ok(file)
    }

    fn open_file(&self, directory: &Path, name: &str) -> io::Result<Box<dyn DiskFile>> {
        Self::open(&Self::directory(directory)?, name, OFlags::empty())
    }

    fn remove_file(&self, directory: &Path, name: &str) -> io::Result<()> {
        Ok(unlinkat(Self::directory(directory)?, name, AtFlags::empty())?)
    }

    fn rename_file(&self, directory: &Path, from: &str, to: &str) -> io::Result<()> {
        let directory = Self::directory(directory)?;
        Ok(renameat(&directory, from, &directory, to)?)
    }

    fn sync_directory(&self, directory: &Path) -> io::Result<()> {
        Self::directory(directory)?.sync_all()
    }

    fn room(&self, path: &Path) -> io::Result<Room> {
        let stat = statvfs(path)?;
        Ok(Room {
            free_bytes: stat.f_bavail.saturating_mul(stat.f_frsize),
            total_bytes: stat.f_blocks.saturating_mul(stat.f_frsize),
        })
    }
}

impl DiskFile for File {
    fn write(&self, bytes: &[u8]) -> io::Result<usize> {
        let mut file = self;
        Write::write(&mut file, bytes)
    }

    fn sync(&self) -> io::Result<()> {
        self.sync_data()
    }

    fn begin_sync(&self, offset: u64) {
        // That the pages will not be needed lets the kernel begin at once; while they are being written they stay.
        if let Err(error) = fadvise(self, offset, None, Advice::DontNeed) {
            tracing::debug!(%error, "can't have the device begin early");
        }
    }

    fn truncate(&self, len: u64) -> io::Result<()> {
        self.set_len(len)
    }

    fn len(&self) -> io::Result<u64> {
        Ok(self.metadata()?.len())
    }

    fn read_at(&self, buffer: &mut [u8], offset: u64) -> io::Result<()> {
        std::os::unix::fs::FileExt::read_exact_at(self, buffer, offset)
    }

    fn is_at(&self, path: &Path) -> bool {
        match (self.metadata(), fs::symlink_metadata(path)) {
            (Ok(own), Ok(there)) => (own.dev(), own.ino()) == (there.dev(), there.ino()),
            _ => false,
        }
    }
}

//! Directories of procfs whose entries come and go too fast to keep any of them open, as those of processes.

use std::fs::File;
use std::io;
use std::os::fd::OwnedFd;
use std::path::Path;

use rustix::fs::{Mode, OFlags, RawDir};

use super::file::read_once;

/// How many entries are asked for at once: some hundred names of processes fit.
const LIST_BYTES: usize = 16 * 1024;

/// An open directory. Its entries are named relative to it, which spares the kernel the way down from the root.
#[derive(Debug)]
pub struct Directory(OwnedFd);

impl Directory {
    /// Opens the directory at `path`.
    ///
    /// # Errors
    /// What opening gave.
    pub fn open(path: &Path) -> io::Result<Self> {
        Ok(Self(File::open(path)?.into()))
    }

    /// Opens the directory at `path`, which is relative to this one.
    ///
    /// # Errors
    /// What opening gave.
    pub fn open_below(&self, path: &[u8]) -> io::Result<Self> {
        Ok(Self(open_at(&self.0, path, OFlags::DIRECTORY)?))
    }

    /// Hands each name in the directory to `each` until that fails. Each directory is listed once. `buffer` is
    /// not for `each` to use.
    ///
    /// # Errors
    /// What listing gave, or the error of `each`.
    pub fn each_name(
        &self,
        buffer: &mut Vec<u8>,
        mut each: impl FnMut(&[u8]) -> io::Result<()>,
    ) -> io::Result<()> {
        buffer.clear();
        buffer.reserve(LIST_BYTES);
        let mut entries = RawDir::new(&self.0, buffer.spare_capacity_mut());
        while let Some(entry) = entries.next() {
            each(entry?.file_name().to_bytes())?;
        }
        Ok(())
    }

    /// Reads the file at `path`, which is relative to this directory, with a single call: at most 4 KiB. `buffer`
    /// is emptied first.
    ///
    /// # Errors
    /// What opening or reading gave.
    pub fn read_small<'b>(&self, path: &[u8], buffer: &'b mut Vec<u8>) -> io::Result<&'b [u8]> {
        read_once(&open_at(&self.0, path, OFlags::empty())?, buffer)?;
        Ok(buffer)
    }
}

fn open_at(directory: &OwnedFd, path: &[u8], flags: OFlags) -> io::Result<OwnedFd> {
    let flags = flags | OFlags::RDONLY | OFlags::CLOEXEC;
    Ok(rustix::io::retry_on_intr(|| rustix::fs::openat(directory, path, flags, Mode::empty()))?)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_and_files_below_an_open_directory() {
        let folder = tempfile::tempdir().unwrap();
        for number in 0..600 {
            let path = folder.path().join(format!("{number:0200}"));
            std::fs::create_dir(&path).unwrap();
            std::fs::write(path.join("stat"), format!("{number}\n")).unwrap();
        }
        let directory = Directory::open(folder.path()).unwrap();
        let (mut list, mut buffer, mut sum) = (Vec::new(), Vec::new(), 0);
        directory
            .each_name(&mut list, |name| {
                if name.starts_with(b".") {
                    return Ok(());
                }
                let text = directory.open_below(name)?.read_small(b"stat", &mut buffer)?.to_vec();
                assert_eq!(directory.read_small(&[name, b"/stat"].concat(), &mut buffer)?, text);
                sum += std::str::from_utf8(text.trim_ascii()).unwrap().parse::<u32>().unwrap();
                Ok(())
            })
            .unwrap();
        assert_eq!(sum, (0..600).sum::<u32>());
        assert_eq!(directory.read_small(b"none", &mut buffer).unwrap_err().kind(), io::ErrorKind::NotFound);
        assert!(directory.open_below(b"none").is_err());
        let failed =
            Directory::open(folder.path()).unwrap().each_name(&mut list, |_| Err(io::Error::other("x")));
        assert_eq!(failed.unwrap_err().to_string(), "x");
    }
}

//! Directories of sysfs and procfs that are listed at every scrape.

use std::ffi::OsStr;
use std::fs::File;
use std::io;
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};

use rustix::fs::{RawDir, SeekFrom};

use super::file::{FIRST_READ_BYTES, KeptOpen};

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

#[cfg(test)]
mod tests {
    use super::*;

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

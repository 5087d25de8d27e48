//! A disk that fails when told to.

use crate::scrape_log::store::disk::{Disk, DiskFile, Room, SystemDisk};
use crate::scrape_log::store::{MinFree, Storage, StorageOptions};
use std::fs;
use std::io;
use std::path::Path;
use std::sync::{Arc, Mutex, MutexGuard};

const ENOSPC: i32 = 28;

/// What goes wrong.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::scrape_log) enum Fault {
    /// The call fails.
    Error(i32),
    /// A write takes only half of the bytes; the next call fails.
    ShortWrite(i32),
}

#[derive(Debug, Default)]
struct Plan {
    calls: u64,
    /// Calls from the first to the second (not included) have the fault.
    broken: std::ops::Range<u64>,
    fault: Option<Fault>,
    log: Vec<&'static str>,
    /// The bytes that fit.
    capacity: Option<u64>,
    used: u64,
    /// Removed files don't show as free space.
    frees_late: bool,
}

/// The system's disk without waiting for the device, with faults on plan.
#[derive(Clone, Debug, Default)]
pub(in crate::scrape_log) struct FaultyDisk(Arc<Mutex<Plan>>);

impl FaultyDisk {
    /// A storage on this disk without threads, which does not compress and may fill the disk.
    pub(in crate::scrape_log) fn storage(&self, path: &Path) -> Arc<Storage> {
        self.storage_with(StorageOptions {
            compression_level: 0,
            min_free: MinFree::Bytes(0),
            ..StorageOptions::new(path.to_owned())
        })
    }

    pub(in crate::scrape_log) fn storage_with(&self, options: StorageOptions) -> Arc<Storage> {
        Storage::open(Arc::new(self.clone()), options).unwrap()
    }

    /// Has `count` calls fail after `skip` more good ones.
    pub(in crate::scrape_log) fn break_after(&self, skip: u64, count: u64, fault: Fault) {
        let mut plan = self.plan();
        let first = plan.calls + skip;
        plan.broken = first..first.saturating_add(count);
        plan.fault = Some(fault);
    }

    pub(in crate::scrape_log) fn mend(&self) {
        self.plan().fault = None;
    }

    /// Has the disk take so many bytes.
    pub(in crate::scrape_log) fn set_capacity(&self, bytes: u64) {
        self.plan().capacity = Some(bytes);
    }

    /// The bytes in files.
    pub(in crate::scrape_log) fn used(&self) -> u64 {
        self.plan().used
    }

    /// Has removed files not show as free space.
    pub(in crate::scrape_log) fn free_late(&self) {
        self.plan().frees_late = true;
    }

    pub(in crate::scrape_log) fn calls(&self) -> u64 {
        self.plan().calls
    }

    /// The calls made since the last time this was asked.
    pub(in crate::scrape_log) fn take_log(&self) -> Vec<&'static str> {
        std::mem::take(&mut self.plan().log)
    }

    fn plan(&self) -> MutexGuard<'_, Plan> {
        self.0.lock().unwrap()
    }

    fn call(&self, name: &'static str) -> Option<Fault> {
        let mut plan = self.plan();
        let number = plan.calls;
        plan.calls += 1;
        plan.log.push(name);
        plan.fault.filter(|_| plan.broken.contains(&number))
    }

    fn check(&self, name: &'static str) -> io::Result<()> {
        match self.call(name) {
            None => Ok(()),
            Some(Fault::Error(code) | Fault::ShortWrite(code)) => Err(io::Error::from_raw_os_error(code)),
        }
    }

    fn wrap(&self, file: Box<dyn DiskFile>) -> Box<dyn DiskFile> {
        Box::new(FaultyFile { disk: self.clone(), file })
    }
}

impl Disk for FaultyDisk {
    // Looking after what is there already is not counted.
    fn create_directory(&self, path: &Path) -> io::Result<()> {
        if path.is_dir() {
            return Ok(());
        }
        self.check("create_directory")?;
        fs::create_dir_all(path)
    }

    fn remove_directory(&self, path: &Path) -> io::Result<()> {
        self.check("remove_directory")?;
        SystemDisk.remove_directory(path)
    }

    fn create_file(&self, directory: &Path, name: &str) -> io::Result<Box<dyn DiskFile>> {
        self.check("create_file")?;
        Ok(self.wrap(SystemDisk.create_file(directory, name)?))
    }

    fn open_file(&self, directory: &Path, name: &str) -> io::Result<Box<dyn DiskFile>> {
        self.check("open_file")?;
        Ok(self.wrap(SystemDisk.open_file(directory, name)?))
    }

    fn remove_file(&self, directory: &Path, name: &str) -> io::Result<()> {
        self.check("remove_file")?;
        let len = fs::symlink_metadata(directory.join(name)).map_or(0, |metadata| metadata.len());
        SystemDisk.remove_file(directory, name)?;
        let mut plan = self.plan();
        if !plan.frees_late {
            plan.used = plan.used.saturating_sub(len);
        }
        Ok(())
    }

    fn rename_file(&self, directory: &Path, from: &str, to: &str) -> io::Result<()> {
        self.check("rename_file")?;
        SystemDisk.rename_file(directory, from, to)
    }

    fn sync_directory(&self, _directory: &Path) -> io::Result<()> {
        self.check("sync_directory")
    }

    fn room(&self, path: &Path) -> io::Result<Room> {
        let plan = self.plan();
        match plan.capacity {
            Some(total_bytes) => Ok(Room { free_bytes: total_bytes.saturating_sub(plan.used), total_bytes }),
            None => SystemDisk.room(path),
        }
    }
}

struct FaultyFile {
    disk: FaultyDisk,
    file: Box<dyn DiskFile>,
}

impl DiskFile for FaultyFile {
    fn write(&self, bytes: &[u8]) -> io::Result<usize> {
        let taken = match self.disk.call("write") {
            None => bytes.len(),
            Some(Fault::Error(code)) => return Err(io::Error::from_raw_os_error(code)),
            Some(Fault::ShortWrite(code)) => {
                self.disk.plan().fault = Some(Fault::Error(code));
                bytes.len() / 2
            }
        };
        let room = {
            let plan = self.disk.plan();
            plan.capacity
                .map_or(usize::MAX, |capacity| usize::try_from(capacity.saturating_sub(plan.used)).unwrap())
        };
        if room == 0 && taken > 0 {
            return Err(io::Error::from_raw_os_error(ENOSPC));
        }
        let written = self.file.write(&bytes[..taken.min(room)])?;
        self.disk.plan().used += written as u64;
        Ok(written)
    }

    fn sync(&self) -> io::Result<()> {
        self.disk.check("sync")
    }

    fn begin_sync(&self, _: u64) {}

    fn truncate(&self, len: u64) -> io::Result<()> {
        self.disk.check("truncate")?;
        let cut = self.file.len()?.saturating_sub(len);
        self.file.truncate(len)?;
        let mut plan = self.disk.plan();
        plan.used = plan.used.saturating_sub(cut);
        Ok(())
    }

    fn len(&self) -> io::Result<u64> {
        self.disk.check("len")?;
        self.file.len()
    }

    fn read_at(&self, buffer: &mut [u8], offset: u64) -> io::Result<()> {
        self.disk.check("read_at")?;
        self.file.read_at(buffer, offset)
    }

    fn is_at(&self, path: &Path) -> bool {
        self.file.is_at(path)
    }
}

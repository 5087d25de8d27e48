//! A disk that fails when told to, and what the store makes of it.

use super::disk::DiskFile;
use super::*;
use std::fs;
use std::sync::Mutex;

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
}

/// The system's disk without waiting for the device, with faults on plan.
#[derive(Clone, Debug, Default)]
pub(in crate::scrape_log) struct FaultyDisk(Arc<Mutex<Plan>>);

impl FaultyDisk {
    pub(in crate::scrape_log) fn shared(&self) -> Arc<dyn Disk> {
        Arc::new(self.clone())
    }

    /// Has `count` calls fail after `skip` more good ones.
    pub(in crate::scrape_log) fn break_after(&self, skip: u64, count: u64, fault: Fault) {
        let mut plan = self.0.lock().unwrap();
        let first = plan.calls + skip;
        plan.broken = first..first.saturating_add(count);
        plan.fault = Some(fault);
    }

    pub(in crate::scrape_log) fn mend(&self) {
        self.0.lock().unwrap().fault = None;
    }

    pub(in crate::scrape_log) fn calls(&self) -> u64 {
        self.0.lock().unwrap().calls
    }

    /// The calls made since the last time this was asked.
    pub(in crate::scrape_log) fn take_log(&self) -> Vec<&'static str> {
        std::mem::take(&mut self.0.lock().unwrap().log)
    }

    fn call(&self, name: &'static str) -> Option<Fault> {
        let mut plan = self.0.lock().unwrap();
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
}

impl Disk for FaultyDisk {
    fn create_directory(&self, path: &Path) -> io::Result<()> {
        self.check("create_directory")?;
        fs::create_dir_all(path)
    }

    fn create_file(&self, directory: &Path, name: &str) -> io::Result<Box<dyn DiskFile>> {
        self.check("create_file")?;
        Ok(Box::new(FaultyFile { disk: self.clone(), file: SystemDisk.create_file(directory, name)? }))
    }

    fn open_file(&self, directory: &Path, name: &str) -> io::Result<Box<dyn DiskFile>> {
        self.check("open_file")?;
        Ok(Box::new(FaultyFile { disk: self.clone(), file: SystemDisk.open_file(directory, name)? }))
    }

    fn remove_file(&self, directory: &Path, name: &str) -> io::Result<()> {
        self.check("remove_file")?;
        fs::remove_file(directory.join(name))
    }
}

struct FaultyFile {
    disk: FaultyDisk,
    file: Box<dyn DiskFile>,
}

impl DiskFile for FaultyFile {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        match self.disk.call("write") {
            None => self.file.write(bytes),
            Some(Fault::Error(code)) => Err(io::Error::from_raw_os_error(code)),
            Some(Fault::ShortWrite(code)) => {
                self.disk.0.lock().unwrap().fault = Some(Fault::Error(code));
                self.file.write(&bytes[..bytes.len() / 2])
            }
        }
    }

    fn sync(&mut self) -> io::Result<()> {
        self.disk.check("sync")
    }

    fn truncate(&mut self, len: u64) -> io::Result<()> {
        self.disk.check("truncate")?;
        self.file.truncate(len)
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

const NOON: i64 = 1_795_262_400_000;

fn names(directory: &Path) -> Vec<String> {
    let mut names: Vec<_> = fs::read_dir(directory)
        .unwrap()
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .collect();
    names.sort();
    names
}

#[test]
fn files_begin_at_even_hours() {
    let storage = tempfile::tempdir().unwrap();
    let directory = storage.path().join("a_1");
    let mut samples = Samples::new(FaultyDisk::default().shared(), directory.clone());
    let hour = 3_600_000;
    for (time, new) in [
        (NOON + hour, true),
        (NOON + 2 * hour - 1, false),
        (NOON + 2 * hour, true),
        (NOON + 4 * hour - 1, false),
        (NOON + 4 * hour, true),
    ] {
        assert_eq!(samples.ready(time, false).unwrap(), new, "{time}");
        samples.append(b"x 1\n").unwrap();
    }
    samples.close();
    assert_eq!(
        names(&directory),
        ["samples-20261121T130000Z.om", "samples-20261121T140000Z.om", "samples-20261121T160000Z.om"]
    );
    for (name, lines) in names(&directory).iter().zip([2, 2, 1]) {
        let text = fs::read_to_string(directory.join(name)).unwrap();
        assert_eq!(text, format!("{}# EOF\n", "x 1\n".repeat(lines)), "{name}");
    }
}

#[test]
fn a_file_that_could_not_be_closed_is_closed_later() {
    let storage = tempfile::tempdir().unwrap();
    let disk = FaultyDisk::default();
    let mut samples = Samples::new(disk.shared(), storage.path().to_owned());
    samples.ready(NOON, false).unwrap();
    samples.append(b"x 1\n").unwrap();
    disk.break_after(0, 1, Fault::Error(28));
    samples.ready(NOON + 3 * 3_600_000, false).unwrap();
    assert_eq!(samples.unclosed(), 1);
    samples.append(b"x 2\n").unwrap();
    assert_eq!(samples.unclosed(), 0);
    let first = storage.path().join(&names(storage.path())[0]);
    assert_eq!(fs::read_to_string(first).unwrap(), "x 1\n# EOF\n");
}

#[test]
fn a_taken_name_is_never_written_to() {
    let storage = tempfile::tempdir().unwrap();
    for wanted in 1..4 {
        let mut samples = Samples::new(FaultyDisk::default().shared(), storage.path().to_owned());
        samples.ready(NOON, false).unwrap();
        samples.append(b"x 1\n").unwrap();
        samples.close();
        assert_eq!(names(storage.path()).len(), wanted);
    }
    assert_eq!(
        names(storage.path()),
        [
            "samples-20261121T120000Z.om",
            "samples-20261121T120000Z_0001.om",
            "samples-20261121T120000Z_0002.om"
        ]
    );
}

#[test]
fn a_directory_that_is_a_link_is_refused() {
    let (storage, outside) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let directory = storage.path().join("a_1");
    std::os::unix::fs::symlink(outside.path(), &directory).unwrap();
    let mut samples = Samples::new(Arc::new(SystemDisk), directory.clone());
    let error = samples.ready(NOON, false).unwrap_err();
    assert_eq!(error.kind(), io::ErrorKind::NotADirectory, "{error}");
    assert_eq!(names(outside.path()), [""; 0]);
}

#[test]
fn the_storage_path_has_one_writer() {
    let storage = tempfile::tempdir().unwrap();
    let disk: Arc<dyn Disk> = Arc::new(SystemDisk);
    let path = storage.path().join("new/below");
    let lock = prepare(&disk, &path).unwrap();
    let error = prepare(&disk, &path).unwrap_err();
    assert!(error.to_string().contains(&format!("(process {})", std::process::id())), "{error}");
    drop(lock);
    prepare(&disk, &path).unwrap();
}

#[test]
fn a_storage_path_that_can_not_be_used_is_an_error() {
    let storage = tempfile::tempdir().unwrap();
    let file = storage.path().join("file");
    fs::write(&file, "").unwrap();
    let disk: Arc<dyn Disk> = Arc::new(SystemDisk);
    for path in [file.clone(), file.join("below")] {
        let error = prepare(&disk, &path).unwrap_err().to_string();
        assert!(error.contains("--storage.path") && error.contains("file"), "{error}");
    }
}

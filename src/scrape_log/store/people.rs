//! The log for people: `vitals-YYYYMMDD.log`, one `key=value` line a scrape.

use std::io;
use std::sync::Arc;
use std::time::{Duration, Instant};

use super::append::AppendFile;
use super::names::{FileName, Form, Kind, file_time};
use super::samples::PLACE_INTERVAL;
use super::{Storage, TargetDirectory};
use crate::base::logfmt;
use crate::vitals::Vitals;

/// The longest line that is looked for when a file is opened again.
const TAIL_BYTES: u64 = 64 << 10;

/// What one line says.
#[derive(Debug)]
pub(in crate::scrape_log) struct Entry<'a> {
    pub(in crate::scrape_log) timestamp_milliseconds: i64,
    pub(in crate::scrape_log) vitals: &'a Vitals,
    /// The alerts for what is wrong.
    pub(in crate::scrape_log) problems: &'a [&'static str],
    pub(in crate::scrape_log) duration: Duration,
    pub(in crate::scrape_log) samples: usize,
    pub(in crate::scrape_log) missed: u64,
    pub(in crate::scrape_log) error: Option<&'a str>,
}

/// The logs of one target. They follow from the samples, so they are not forced to the device line by line.
pub(in crate::scrape_log) struct PeopleLog {
    storage: Arc<Storage>,
    directory: Arc<TargetDirectory>,
    present: Option<Present>,
    line: String,
}

/// The file of the present day.
struct Present {
    name: FileName,
    file: AppendFile,
    seen_in_place: Instant,
}

impl PeopleLog {
    pub(super) fn new(storage: Arc<Storage>, directory: Arc<TargetDirectory>) -> Self {
        Self { storage, directory, present: None, line: String::new() }
    }

    /// Appends one line to the file of its day. When there is no room the oldest files go.
    ///
    /// # Errors
    /// When it can't be written now. The file is as before.
    pub(in crate::scrape_log) fn append(&mut self, entry: &Entry<'_>) -> io::Result<()> {
        self.storage.suspension.check()?;
        let name = FileName::new(Kind::People, entry.timestamp_milliseconds, 0);
        let kept = self.present.take().and_then(|mut present| {
            if present.name == name && self.is_in_place(&mut present) {
                return Some(present);
            }
            self.close(&present);
            None
        });
        let mut present = match kept {
            Some(present) => present,
            None => self.open(name)?,
        };
        self.line.clear();
        write_line(&mut self.line, entry);
        let len = self.line.len() as u64;
        let written = self.storage.with_room(len, || present.file.append(self.line.as_bytes()));
        self.present = Some(present);
        written?;
        self.storage.stats.open_bytes.add(len);
        self.storage.stats.written_bytes.add(len);
        Ok(())
    }

    fn is_in_place(&self, present: &mut Present) -> bool {
        if present.seen_in_place.elapsed() < PLACE_INTERVAL {
            return true;
        }
        present.seen_in_place = Instant::now();
        present.file.file().is_at(&self.directory.path.join(present.name.text(Form::Plain)))
    }

    fn open(&self, name: FileName) -> io::Result<Present> {
        let id = self.directory.file(name);
        self.storage.reopen(id);
        let disk = self.storage.disk.as_ref();
        let path = &self.directory.path;
        let text = name.text(Form::Plain);
        let whole = |tail: &[u8]| memchr::memrchr(b'\n', tail).map_or(0, |at| at + 1);
        let opened = match AppendFile::open(disk, (path, &text), TAIL_BYTES, whole) {
            // The directory is not there yet, or any more.
            Err(error) if error.kind() == io::ErrorKind::NotFound => self
                .storage
                .ready()
                .and_then(|()| disk.create_directory(path))
                .and_then(|()| AppendFile::open(disk, (path, &text), TAIL_BYTES, whole)),
            opened => opened,
        };
        let file = opened.inspect_err(|_| self.storage.forget(id))?;
        self.storage.stats.open_bytes.add(file.len());
        Ok(Present { name, file, seen_in_place: Instant::now() })
    }

    /// Leaves a file to the retention.
    fn close(&self, present: &Present) {
        let len = present.file.len();
        self.storage.stats.open_bytes.subtract(len);
        self.storage.closed(self.directory.file(present.name), len, false);
    }
}

impl Drop for PeopleLog {
    fn drop(&mut self) {
        if let Some(present) = &self.present {
            self.close(present);
        }
    }
}

/// One line with its line feed. What is not known is left out.
fn write_line(line: &mut String, entry: &Entry<'_>) {
    let Entry { vitals, .. } = entry;
    let ratio = |value: Option<f64>| value.map(|ratio| format!("{ratio:.4}"));
    let rate = |value: Option<f64>| value.map(|rate| format!("{rate:.0}"));
    let disk = vitals.fullest_disk.as_ref();
    logfmt::pair(line, "time", file_time(entry.timestamp_milliseconds, "%Y-%m-%dT%H:%M:%S%.3fZ"));
    logfmt::pair(line, "up", u8::from(entry.error.is_none()));
    for (key, value) in [
        ("cpu_usage_ratio", ratio(vitals.cpu_usage_ratio)),
        ("memory_used_ratio", ratio(vitals.memory_used_ratio)),
        ("swap_used_ratio", ratio(vitals.swap_used_ratio)),
        ("disk_used_ratio", ratio(disk.map(|disk| disk.used_ratio))),
        ("disk_mountpoint", disk.map(|disk| disk.mountpoint.clone())),
        ("load1", vitals.load1.map(|load| load.to_string())),
        ("network_receive_bytes_per_second", rate(vitals.network_receive_bytes_per_second)),
        ("network_transmit_bytes_per_second", rate(vitals.network_transmit_bytes_per_second)),
        ("disk_read_bytes_per_second", rate(vitals.disk_read_bytes_per_second)),
        ("disk_written_bytes_per_second", rate(vitals.disk_written_bytes_per_second)),
        ("problems", (!entry.problems.is_empty()).then(|| entry.problems.join(","))),
        ("scrape_duration_seconds", Some(format!("{:.4}", entry.duration.as_secs_f64()))),
        ("scrape_samples", entry.error.is_none().then(|| entry.samples.to_string())),
        ("missed_scrapes", (entry.missed > 0).then(|| entry.missed.to_string())),
        ("error", entry.error.map(str::to_owned)),
    ] {
        if let Some(value) = value {
            logfmt::pair(line, key, value);
        }
    }
    line.push('\n');
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::vitals::Disk as FullestDisk;

    #[test]
    fn a_line_has_what_is_known() {
        let vitals = Vitals {
            cpu_usage_ratio: Some(0.034_21),
            fullest_disk: Some(FullestDisk { mountpoint: "/srv/big data".to_owned(), used_ratio: 0.61 }),
            load1: Some(0.42),
            network_receive_bytes_per_second: Some(12_345.6),
            ..Vitals::default()
        };
        let mut entry = Entry {
            timestamp_milliseconds: 1_795_226_400_016,
            vitals: &vitals,
            problems: &["NodeOOMKill", "NodeSwapStorm"],
            duration: Duration::from_micros(13_100),
            samples: 677,
            missed: 0,
            error: None,
        };
        let mut line = String::new();
        write_line(&mut line, &entry);
        assert_eq!(
            line,
            "time=2026-11-21T02:00:00.016Z up=1 cpu_usage_ratio=0.0342 disk_used_ratio=0.6100 \
             disk_mountpoint=\"/srv/big data\" load1=0.42 network_receive_bytes_per_second=12346 \
             problems=NodeOOMKill,NodeSwapStorm scrape_duration_seconds=0.0131 scrape_samples=677\n"
        );
        let nothing = Vitals::default();
        entry = Entry {
            vitals: &nothing,
            problems: &[],
            missed: 2,
            error: Some("connect: \u{1b}[31m\nrefused"),
            ..entry
        };
        line.clear();
        write_line(&mut line, &entry);
        assert_eq!(
            line,
            "time=2026-11-21T02:00:00.016Z up=0 scrape_duration_seconds=0.0131 missed_scrapes=2 \
             error=\"connect: \\u001b[31m\\u000arefused\"\n"
        );
    }
}

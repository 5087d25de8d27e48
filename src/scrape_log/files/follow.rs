//! The scrapes of one target as they are written, from one file to the next.

use std::collections::{HashSet, VecDeque};
use std::fs;
use std::io;
use std::time::SystemTime;

use super::reader::{Scrape, ScrapeReader};
use super::{SamplesFile, Target};
use crate::scrape_log::store::FileName;

/// Gives what is there from some time on, and then what comes. Waiting costs two system calls at each look.
pub(in crate::scrape_log) struct Follower {
    target: Target,
    /// When the directory changed last, at the last listing.
    listed: Option<SystemTime>,
    seen: HashSet<FileName>,
    waiting: VecDeque<SamplesFile>,
    open: Option<ScrapeReader>,
    /// The time of the last scrape, or before the first one that is wanted.
    last: i64,
}

impl Follower {
    /// Follows `target`, beginning with scrapes of `start`.
    pub(in crate::scrape_log) fn new(target: Target, start: i64) -> Self {
        Self {
            target,
            listed: None,
            seen: HashSet::new(),
            waiting: VecDeque::new(),
            open: None,
            last: start.saturating_sub(1),
        }
    }

    /// Goes to the next scrape and gives its time in milliseconds since 1970 UTC. `None` if there is none yet.
    ///
    /// # Errors
    /// When the directory can't be listed, or a file not read, which is then left.
    pub(in crate::scrape_log) fn advance(&mut self) -> io::Result<Option<i64>> {
        loop {
            // Known before the last look at the open file, so that nothing comes behind that.
            let is_over = !self.waiting.is_empty();
            if let Some(reader) = &mut self.open {
                match next(reader, self.last) {
                    Ok(Some(time)) => {
                        self.last = time;
                        return Ok(Some(time));
                    }
                    Ok(None) => reader.rest_a_while(),
                    Err(error) => {
                        self.open = None;
                        return Err(error);
                    }
                }
            }
            if !is_over {
                self.list()?;
                if self.waiting.is_empty() {
                    return Ok(None);
                }
                continue;
            }
            let Some(file) = self.waiting.pop_front() else { continue };
            // Begun while its predecessor was followed, but before its last scrape: the clock was set back.
            if self.open.is_some() && file.times().start / 1000 < self.last / 1000 {
                self.last = i64::MIN;
            }
            self.open = ScrapeReader::open_at(&file, self.last)?;
        }
    }

    /// The scrape that [`Follower::advance`] went to.
    pub(in crate::scrape_log) fn scrape(&self) -> Option<Scrape<'_>> {
        self.open.as_ref().map(ScrapeReader::scrape)
    }

    fn list(&mut self) -> io::Result<()> {
        let changed = fs::metadata(&self.target.path)?.modified()?;
        if self.listed == Some(changed) {
            return Ok(());
        }
        for file in self.target.files()? {
            if self.seen.insert(file.name()) && file.times().end > self.last {
                self.waiting.push_back(file);
            }
        }
        // A change in the same tick of the filesystem's clock would look like this one.
        let settled = changed.elapsed().is_ok_and(|age| age.as_secs() >= 2);
        self.listed = settled.then_some(changed);
        Ok(())
    }
}

/// The time of the next sound scrape behind `last`.
fn next(reader: &mut ScrapeReader, last: i64) -> io::Result<Option<i64>> {
    while reader.advance()? {
        let scrape = reader.scrape();
        if let Some(time) = scrape.timestamp().filter(|time| *time > last)
            && scrape.is_whole()
        {
            return Ok(Some(time));
        }
    }
    Ok(None)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::scrape_log::files::Storage;
    use crate::scrape_log::files::tests::{NOON, Writer, compress, put};
    use std::io::Write;
    use std::path::Path;

    const NAME: &str = "a_1/samples-20261121T120000Z.om";

    fn follower(storage: &Path, start: i64) -> Follower {
        Follower::new(Storage::open(storage).unwrap().targets.remove(0), start)
    }

    fn times(follower: &mut Follower) -> Vec<i64> {
        let mut times = Vec::new();
        while let Some(time) = follower.advance().unwrap() {
            assert_eq!(follower.scrape().unwrap().timestamp(), Some(time));
            times.push(time);
        }
        times
    }

    fn append(path: &Path, text: &str) {
        fs::OpenOptions::new().append(true).open(path).unwrap().write_all(text.as_bytes()).unwrap();
    }

    #[test]
    fn scrapes_come_as_they_are_committed_and_across_files() {
        let storage = tempfile::tempdir().unwrap();
        let mut writer = Writer::new("a:1");
        for index in 0..3 {
            writer.scrape(NOON + 15_000 * index, &["a 1"]);
        }
        let (whole, end) = (writer.text.clone(), writer.ends[1]);
        let path = put(storage.path(), NAME, whole.split_at(end + 20).0);
        let mut follower = follower(storage.path(), NOON + 1);
        assert_eq!(times(&mut follower), [NOON + 15_000], "the first is too early, the third not whole");
        append(&path, whole.split_at(end + 20).1);
        assert_eq!(times(&mut follower), [NOON + 30_000]);
        // The last scrape, the end, compression and the next file, all between two looks.
        let mut last = Writer::new("a:1");
        last.text.clear();
        last.scrape(NOON + 45_000, &["a 1"]);
        append(&path, &format!("{}# EOF\n", last.text));
        let closed = fs::read(&path).unwrap();
        put(storage.path(), &format!("{NAME}.zst"), compress(&closed));
        fs::remove_file(&path).unwrap();
        let mut next = Writer::new("a:1");
        next.scrape(NOON + 7_200_000, &["a 1"]);
        put(storage.path(), "a_1/samples-20261121T140000Z.om", &next.text);
        assert_eq!(times(&mut follower), [NOON + 45_000, NOON + 7_200_000]);
        assert!(times(&mut follower).is_empty());
    }

    #[test]
    fn a_clock_that_is_set_back_does_not_stop_it() {
        let storage = tempfile::tempdir().unwrap();
        let mut writer = Writer::new("a:1");
        put(storage.path(), NAME, &writer.scrape(NOON + 3_600_000, &["a 1"]).text);
        let mut follower = follower(storage.path(), NOON);
        assert_eq!(times(&mut follower), [NOON + 3_600_000]);
        let mut earlier = Writer::new("a:1");
        let name = "a_1/samples-20261121T120100Z.om";
        put(storage.path(), name, &earlier.scrape(NOON + 60_000, &["a 1"]).text);
        assert_eq!(times(&mut follower), [NOON + 60_000]);
    }

    #[test]
    fn of_a_long_file_only_the_end_is_read() {
        let storage = tempfile::tempdir().unwrap();
        let mut writer = Writer::new("a:1");
        let lines: Vec<String> =
            (0..300).map(|series| format!("long_name_of_a_series{{x=\"{series}\"}} 1")).collect();
        let lines: Vec<&str> = lines.iter().map(String::as_str).collect();
        for index in 0..470 {
            writer.scrape(NOON + 15_000 * index, &lines);
        }
        put(storage.path(), NAME, &writer.text);
        for wanted in [0, 1, 2, 233, 234, 468, 469] {
            let mut follower = follower(storage.path(), NOON + 15_000 * wanted);
            assert_eq!(follower.advance().unwrap(), Some(NOON + 15_000 * wanted));
            let read = follower.open.as_ref().unwrap().disk_bytes();
            assert!(read < 4 << 20, "{wanted}: {read} of {} bytes", writer.text.len());
        }
        assert!(writer.text.len() > 10 << 20);
        let mut follower = follower(storage.path(), NOON + 15_000 * 470);
        assert!(times(&mut follower).is_empty());
    }
}

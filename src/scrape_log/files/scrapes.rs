//! The scrapes of one target over a range of time, from as many files as it takes.

use std::collections::VecDeque;
use std::io;
use std::path::PathBuf;

use super::reader::{Rest, Scrape, ScrapeReader};
use super::{Metadata, SamplesFile, TimeRange, files_within};

/// Something in a file that could not be given, and why.
#[derive(Debug, thiserror::Error)]
#[error("{}: {what}", path.display())]
pub(in crate::scrape_log) struct Problem {
    path: PathBuf,
    what: What,
}

#[derive(Debug, thiserror::Error)]
enum What {
    #[error("can't be read any further: {0}")]
    Unreadable(#[from] io::Error),
    #[error("{0} scrapes are damaged and left out")]
    Damaged(u64),
    #[error("it ends in the middle of a scrape")]
    Torn,
}

/// Gives the scrapes in the order of their time, and each time once. Two files are open at once only where they
/// overlap, which they do after the clock was set back.
pub(in crate::scrape_log) struct TargetScrapes {
    waiting: VecDeque<SamplesFile>,
    open: Vec<Opened>,
    range: TimeRange,
    metadata: Metadata,
    /// Whether what is before the range is passed over unread, and with it what it says about families.
    skips: bool,
    /// Which open file the last scrape came from, and its time.
    last: Option<(usize, i64)>,
    problems: Vec<Problem>,
    disk_bytes: u64,
    #[cfg(test)]
    opened: usize,
}

struct Opened {
    file: SamplesFile,
    reader: ScrapeReader,
    timestamp: i64,
    damaged: u64,
    /// What follows is behind the range.
    past: bool,
}

impl TargetScrapes {
    /// Of `files`, which are sorted, only those are opened that may hold something of `range`.
    pub(in crate::scrape_log) fn new(files: &[SamplesFile], range: TimeRange) -> Self {
        Self {
            waiting: files_within(files, range).iter().cloned().collect(),
            open: Vec::new(),
            range,
            metadata: Metadata::default(),
            skips: false,
            last: None,
            problems: Vec::new(),
            disk_bytes: 0,
            #[cfg(test)]
            opened: 0,
        }
    }

    /// The same for those who want no metadata: plain files are read from where the range begins.
    pub(in crate::scrape_log) fn of_samples(files: &[SamplesFile], range: TimeRange) -> Self {
        Self { skips: true, ..Self::new(files, range) }
    }

    /// Goes to the next scrape and gives its time in milliseconds since 1970 UTC. `None` behind the last one.
    pub(in crate::scrape_log) fn advance(&mut self) -> Option<i64> {
        loop {
            if let Some((index, _)) = self.last {
                self.step(index);
            }
            self.open_due();
            let (index, timestamp) = self.earliest()?;
            let new = self.last.is_none_or(|(_, last)| timestamp > last);
            let last = self.last.map_or(timestamp, |(_, last)| last.max(timestamp));
            self.last = Some((index, last));
            if new {
                return Some(timestamp);
            }
        }
    }

    /// The scrape that [`TargetScrapes::advance`] went to.
    pub(in crate::scrape_log) fn scrape(&self) -> Option<Scrape<'_>> {
        let (index, _) = self.last?;
        self.open.get(index).map(|opened| opened.reader.scrape())
    }

    /// What the files have said about families so far.
    pub(in crate::scrape_log) fn metadata(&self) -> &Metadata {
        &self.metadata
    }

    /// What could not be given so far, each once.
    pub(in crate::scrape_log) fn take_problems(&mut self) -> Vec<Problem> {
        std::mem::take(&mut self.problems)
    }

    /// The bytes read from the disk so far.
    pub(in crate::scrape_log) fn disk_bytes(&self) -> u64 {
        self.disk_bytes + self.open.iter().map(|opened| opened.reader.disk_bytes()).sum::<u64>()
    }

    /// The files opened so far.
    #[cfg(test)]
    pub(super) fn opened(&self) -> usize {
        self.opened
    }

    fn earliest(&self) -> Option<(usize, i64)> {
        let times = self.open.iter().map(|opened| opened.timestamp).enumerate();
        times.min_by_key(|&(_, timestamp)| timestamp)
    }

    /// Opens the files that may begin before the earliest scrape of those that are open.
    fn open_due(&mut self) {
        while let Some(next) = self.waiting.front() {
            if self.earliest().is_some_and(|(_, timestamp)| timestamp < next.times().start) {
                return;
            }
            let Some(file) = self.waiting.pop_front() else { return };
            let skip_to = if self.skips { self.range.start } else { i64::MIN };
            match ScrapeReader::open_at(&file, skip_to) {
                // Retention may have removed it since it was listed.
                Ok(None) => {}
                Ok(Some(reader)) => {
                    #[cfg(test)]
                    {
                        self.opened += 1;
                    }
                    self.open.push(Opened { file, reader, timestamp: i64::MIN, damaged: 0, past: false });
                    self.step(self.open.len() - 1);
                }
                Err(error) => self.problems.push(Problem { path: file.path(), what: error.into() }),
            }
        }
    }

    /// Goes to the next scrape of one open file, or closes it.
    fn step(&mut self, index: usize) {
        let Some(opened) = self.open.get_mut(index) else { return };
        let what = match opened.step(self.range, &mut self.metadata) {
            Ok(true) => return,
            Ok(false) if opened.damaged > 0 => Some(What::Damaged(opened.damaged)),
            Ok(false) => opened.torn().then_some(What::Torn),
            Err(error) => Some(error.into()),
        };
        let opened = self.open.remove(index);
        self.disk_bytes += opened.reader.disk_bytes();
        self.problems.extend(what.map(|what| Problem { path: opened.file.path(), what }));
        // Its place may be another's now, which has not been given yet.
        self.last = self.last.map(|(_, timestamp)| (usize::MAX, timestamp));
    }
}

impl Opened {
    /// Goes to the next sound scrape within the range. False behind the last one.
    fn step(&mut self, range: TimeRange, metadata: &mut Metadata) -> io::Result<bool> {
        while self.reader.advance()? {
            let scrape = self.reader.scrape();
            let Some(timestamp) = scrape.timestamp().filter(|&timestamp| timestamp > self.timestamp) else {
                self.damaged += 1;
                continue;
            };
            if timestamp >= range.end {
                self.past = true;
                return Ok(false);
            }
            metadata.learn(scrape.text);
            if timestamp < range.start {
                continue;
            }
            if !scrape.is_whole() {
                self.damaged += 1;
                continue;
            }
            self.timestamp = timestamp;
            return Ok(true);
        }
        Ok(false)
    }

    /// Whether something is missing at the end. A plain file may just be growing, or wait to be mended.
    fn torn(&self) -> bool {
        self.file.is_compressed()
            && !self.past
            && matches!(self.reader.rest(), Rest::Open(rest) if !rest.is_empty())
    }
}

//! The whole scrapes of one file.

use std::io::{self, Read};

use memchr::memmem;

use super::line::{Sample, read_timestamp};
use super::source::Source;
use super::storage::SamplesFile;
use crate::scrape_log::lines::COMMIT_MARK;
use crate::scrape_log::store::is_whole;

/// What is read at first and grows only if a scrape needs more.
const BUFFER_BYTES: usize = 256 << 10;
/// Longer than any scrape that the recorder writes: 32 MiB of samples, and something about them.
const MAX_SCRAPE_BYTES: usize = 48 << 20;
/// The last line of a closed file.
const END_OF_FILE: &[u8] = b"# EOF";
/// Looking for a time in a file ends when there is no more than this to walk over.
const NEAR_BYTES: u64 = 1 << 20;

/// Walks over the scrapes of a file. Finding the next one costs a search for its commit mark and nothing else.
pub(in crate::scrape_log) struct ScrapeReader {
    source: Source,
    /// Where in the file the buffer ends.
    offset: u64,
    buffer: Vec<u8>,
    filled: usize,
    /// Where in the buffer the present scrape begins, its commit mark begins and it ends.
    start: usize,
    mark: usize,
    end: usize,
    /// Up to where there is no commit mark behind the present scrape.
    searched: usize,
    finder: memmem::Finder<'static>,
}

/// All lines from behind one commit mark to the next.
#[derive(Clone, Copy, Debug)]
pub(in crate::scrape_log) struct Scrape<'a> {
    /// The lines before the commit mark.
    lines: &'a [u8],
    /// The line of the commit mark.
    mark: &'a [u8],
    /// Both.
    pub(in crate::scrape_log) text: &'a [u8],
}

/// What is behind the last commit mark of a file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::scrape_log) enum Rest<'a> {
    /// `# EOF` and nothing else.
    Closed,
    /// A scrape that is not whole, often nothing.
    Open(&'a [u8]),
}

impl ScrapeReader {
    /// Opens a file; `None` if it is gone.
    ///
    /// # Errors
    /// When it is there but can't be opened.
    pub(in crate::scrape_log) fn open(file: &SamplesFile) -> io::Result<Option<Self>> {
        Ok(Source::open(file)?.map(|source| Self {
            source,
            offset: 0,
            buffer: vec![0; BUFFER_BYTES],
            filled: 0,
            start: 0,
            mark: 0,
            end: 0,
            searched: 0,
            finder: memmem::Finder::new(mark_start()).into_owned(),
        }))
    }

    /// Opens a file at a scrape before those of `time` and later; `None` if it is gone.
    ///
    /// # Errors
    /// As [`ScrapeReader::open`] and [`ScrapeReader::advance`].
    pub(in crate::scrape_log) fn open_at(file: &SamplesFile, time: i64) -> io::Result<Option<Self>> {
        let Some(mut reader) = Self::open(file)? else { return Ok(None) };
        if time > file.times().start {
            reader.skip_to(time)?;
        }
        Ok(Some(reader))
    }

    /// Goes to a scrape shortly before those of `time` and later, if that is faster than walking there: in a plain file.
    /// The next [`ScrapeReader::advance`] gives the scrape behind that.
    ///
    /// # Errors
    /// As [`ScrapeReader::advance`].
    fn skip_to(&mut self, time: i64) -> io::Result<()> {
        let Some(mut end) = self.source.plain_bytes()? else { return Ok(()) };
        let mut start = 0;
        while end.saturating_sub(start) > NEAR_BYTES {
            let middle = start + (end - start) / 2;
            self.go_to(middle)?;
            // What begins in the middle of a scrape ends with its mark all the same.
            let is_before =
                self.advance()? && self.scrape().timestamp().is_some_and(|timestamp| timestamp < time);
            if is_before {
                start = self.offset - (self.filled - self.end) as u64;
            } else {
                end = middle;
            }
        }
        self.go_to(start)
    }

    fn go_to(&mut self, offset: u64) -> io::Result<()> {
        self.source.seek(offset)?;
        self.offset = offset;
        (self.filled, self.start, self.mark, self.end, self.searched) = (0, 0, 0, 0, 0);
        Ok(())
    }

    /// Gives back the memory of what was read. Of use where it may be long until there is more.
    pub(in crate::scrape_log) fn rest_a_while(&mut self) {
        self.buffer.truncate(self.filled);
        self.buffer.drain(..self.end.min(self.filled));
        self.buffer.shrink_to_fit();
        self.filled = self.buffer.len();
        (self.start, self.mark, self.end, self.searched) = (0, 0, 0, 0);
    }

    /// Goes to the next scrape. False at the end of what is written yet, which may be more at the next call.
    ///
    /// # Errors
    /// When the file can't be read, is damaged in a way that compression notices, or has no commit mark for longer
    /// than a scrape can be.
    pub(in crate::scrape_log) fn advance(&mut self) -> io::Result<bool> {
        self.start = self.end;
        self.searched = self.end;
        loop {
            let unsearched = self.buffer.get(self.searched..self.filled).unwrap_or_default();
            match self.finder.find(unsearched) {
                Some(at) => {
                    let mark = self.searched + at + 1;
                    let behind = self.buffer.get(mark..self.filled).unwrap_or_default();
                    if let Some(length) = memchr::memchr(b'\n', behind) {
                        self.mark = mark;
                        self.end = mark + length + 1;
                        return Ok(true);
                    }
                    self.searched = mark - 1;
                }
                None => {
                    // The mark may have begun in the last bytes.
                    let begun = unsearched.len().saturating_sub(mark_start().len() - 1);
                    self.searched += begun;
                }
            }
            if !self.fill()? {
                return Ok(false);
            }
        }
    }

    /// Reads on. False at the end of the file.
    fn fill(&mut self) -> io::Result<bool> {
        if self.filled == self.buffer.len() {
            if self.start > 0 {
                self.buffer.copy_within(self.start..self.filled, 0);
                self.filled -= self.start;
                self.searched -= self.start;
                (self.start, self.mark, self.end) = (0, 0, 0);
            } else if self.buffer.len() < MAX_SCRAPE_BYTES {
                self.buffer.resize((self.buffer.len() * 2).max(BUFFER_BYTES), 0);
            } else {
                let problem = format!("there is no commit mark for {MAX_SCRAPE_BYTES} bytes");
                return Err(io::Error::new(io::ErrorKind::InvalidData, problem));
            }
        }
        let free = self.buffer.get_mut(self.filled..).unwrap_or_default();
        loop {
            match self.source.read(free) {
                Ok(read) => {
                    self.filled += read;
                    self.offset += read as u64;
                    return Ok(read > 0);
                }
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
        }
    }

    /// The scrape that [`ScrapeReader::advance`] went to.
    pub(in crate::scrape_log) fn scrape(&self) -> Scrape<'_> {
        let part = |range| self.buffer.get(range).unwrap_or_default();
        Scrape {
            lines: part(self.start..self.mark),
            mark: part(self.mark..self.end),
            text: part(self.start..self.end),
        }
    }

    /// What is behind the last scrape, once [`ScrapeReader::advance`] has found no other.
    pub(in crate::scrape_log) fn rest(&self) -> Rest<'_> {
        let rest = self.buffer.get(self.start..self.filled).unwrap_or_default();
        if rest.strip_suffix(b"\n").unwrap_or(rest) == END_OF_FILE { Rest::Closed } else { Rest::Open(rest) }
    }

    /// The bytes read from the disk so far.
    pub(in crate::scrape_log) fn disk_bytes(&self) -> u64 {
        self.source.disk_bytes()
    }
}

/// What a commit mark begins with, behind the line before it. No label value has a line feed in it.
fn mark_start() -> &'static [u8] {
    static START: std::sync::LazyLock<Vec<u8>> =
        std::sync::LazyLock::new(|| [b"\n", COMMIT_MARK.as_bytes(), b"{"].concat());
    &START
}

impl<'a> Scrape<'a> {
    /// When it was, in milliseconds since 1970 UTC. `None` if that can't be read.
    pub(in crate::scrape_log) fn timestamp(&self) -> Option<i64> {
        read_timestamp(self.sample()?.timestamp)
    }

    /// Whether there are as many samples as the commit mark says, and nothing is overwritten with zeros.
    pub(in crate::scrape_log) fn is_whole(&self) -> bool {
        is_whole(self.lines, self.mark)
    }

    /// The commit mark as a sample.
    pub(in crate::scrape_log) fn sample(&self) -> Option<Sample<'a>> {
        Sample::cut(self.mark.strip_suffix(b"\n")?)
    }
}

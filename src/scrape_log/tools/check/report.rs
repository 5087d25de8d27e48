//! What a check prints.

use std::io::{self, Write};
use std::path::Path;

use jiff::Timestamp;

use crate::scrape_log::tools::progress::Progress;

/// Prints problems as they are found, and a summary at the end.
pub(super) struct Report<'a> {
    out: &'a mut dyn Write,
    progress: &'a Progress,
    quiet: bool,
    problems: u64,
    pub(super) summary: Summary,
}

/// What was seen.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Summary {
    pub(super) targets: u64,
    pub(super) files: u64,
    pub(super) compressed_files: u64,
    /// Files that may still grow.
    pub(super) open_files: u64,
    pub(super) scrapes: u64,
    pub(super) samples: u64,
    pub(super) disk_bytes: u64,
    pub(super) text_bytes: u64,
    /// Times in milliseconds since 1970 UTC.
    pub(super) first: Option<i64>,
    pub(super) last: Option<i64>,
    /// Times without a scrape that are longer than two intervals.
    pub(super) gaps: u64,
    pub(super) longest_gap: Option<Gap>,
}

/// A time without a scrape.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Gap {
    pub(super) milliseconds: i64,
    pub(super) start: i64,
    pub(super) target: String,
}

impl<'a> Report<'a> {
    pub(super) fn new(out: &'a mut dyn Write, progress: &'a Progress, quiet: bool) -> Self {
        Self { out, progress, quiet, problems: 0, summary: Summary::default() }
    }

    /// Prints what is wrong with a file, what that means and what to do about it.
    pub(super) fn problem(&mut self, path: &Path, line: Option<u64>, problem: &str) -> io::Result<()> {
        self.problems += 1;
        let line = line.map_or_else(String::new, |line| format!("{line}:"));
        self.print(&format!("{}:{line} {problem}", path.display()))
    }

    /// Prints what is no problem but may be of interest.
    pub(super) fn note(&mut self, path: &Path, note: &str) -> io::Result<()> {
        if self.quiet { Ok(()) } else { self.print(&format!("note: {}: {note}", path.display())) }
    }

    /// So many bytes of the present file have been read.
    pub(super) fn read(&self, bytes: u64) {
        self.progress.set_read(self.summary.disk_bytes + bytes);
    }

    fn print(&mut self, line: &str) -> io::Result<()> {
        self.progress.suspend(|| writeln!(self.out, "{line}"))
    }

    /// Prints the summary and gives the number of problems.
    pub(super) fn conclude(self) -> io::Result<u64> {
        if !self.quiet {
            self.progress.suspend(|| write!(self.out, "{}", self.summary.text(self.problems)))?;
        }
        self.out.flush()?;
        Ok(self.problems)
    }
}

impl Summary {
    fn text(&self, problems: u64) -> String {
        let Self { targets, files, compressed_files, open_files, scrapes, samples, .. } = self;
        let Self { disk_bytes, text_bytes, gaps, .. } = self;
        let mut text = format!(
            "targets   {targets}\n\
             files     {files} ({compressed_files} compressed, {open_files} open)\n\
             scrapes   {scrapes}\n\
             samples   {samples}\n\
             bytes     {disk_bytes} on the disk, {text_bytes} as text\n"
        );
        for (name, time) in [("first", self.first), ("last", self.last)] {
            text.push_str(&format!("{name:9} {}\n", time.map_or_else(|| "none".to_owned(), rfc3339)));
        }
        text.push_str(&format!("gaps      {gaps} longer than two intervals"));
        if let Some(Gap { milliseconds, start, target }) = &self.longest_gap {
            let seconds = *milliseconds as f64 / 1000.0;
            text.push_str(&format!(", the longest {seconds} s after {} ({target})", rfc3339(*start)));
        }
        text.push_str(&format!("\nproblems  {problems}\n"));
        text
    }
}

fn rfc3339(time: i64) -> String {
    Timestamp::from_millisecond(time).unwrap_or_default().to_string()
}

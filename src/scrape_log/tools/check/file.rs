//! The check of one samples file.

use std::io;
use std::path::PathBuf;
use std::time::Duration;

use serde_json::Value;

use super::report::{Gap, Report};
use crate::exposition::{Format, Line, Parser};
use crate::scrape_log::files::{
    Rest, Sample, SamplesFile, Scrape, ScrapeReader, SeriesMap, Source, check_series, check_value,
};

/// What the first line of a file begins with.
const HEADER: &[u8] = b"# HELP scrapelog_file ";
/// A file that is wrong all over is not described line by line.
const MAX_PROBLEMS: u64 = 20;
/// What a line that importers refuse means, and what to do about it.
const REFUSED: &str = "promtool refuses the whole file for it: import what scrape-log export makes of it";

/// What is around a file.
#[derive(Clone, Copy, Debug)]
pub(super) struct Place<'a> {
    pub(super) target: &'a str,
    /// It may be the one that is written to.
    pub(super) is_newest: bool,
    /// The time of the target's last scrape before this file.
    pub(super) before: Option<i64>,
}

pub(super) struct FileCheck<'a, 'r> {
    file: &'a SamplesFile,
    path: PathBuf,
    place: Place<'a>,
    report: &'a mut Report<'r>,
    interval: Option<Duration>,
    series: SeriesMap<Series>,
    /// The number of the line that comes next, and of the scrape.
    line: u64,
    scrape: u64,
    first: Option<i64>,
    last: Option<i64>,
    problems: u64,
}

/// What is known about a series.
struct Series {
    sound: Result<(), &'static str>,
    /// The scrape that it was in last.
    scrape: u64,
}

impl<'a, 'r> FileCheck<'a, 'r> {
    /// Checks a file and gives the time of its last scrape.
    ///
    /// # Errors
    /// Those of the output.
    pub(super) fn run(
        file: &'a SamplesFile,
        place: Place<'a>,
        report: &'a mut Report<'r>,
    ) -> io::Result<Option<i64>> {
        let mut check = Self {
            file,
            path: file.path(),
            place,
            report,
            interval: None,
            series: SeriesMap::default(),
            line: 1,
            scrape: 0,
            first: None,
            last: None,
            problems: 0,
        };
        match ScrapeReader::open(file) {
            // Retention may have removed it since it was listed.
            Ok(None) => return Ok(None),
            Ok(Some(reader)) => check.read(reader)?,
            Err(error) => check.problem(None, &format!("can't be opened: {error}"))?,
        }
        if check.problems > MAX_PROBLEMS {
            let more = check.problems - MAX_PROBLEMS;
            check.report.problem(&check.path, None, &format!("and {more} more problems"))?;
        }
        Ok(check.last)
    }

    fn problem(&mut self, line: Option<u64>, problem: &str) -> io::Result<()> {
        self.problems += 1;
        if self.problems > MAX_PROBLEMS {
            return Ok(());
        }
        self.report.problem(&self.path, line, problem)
    }

    fn read(&mut self, mut reader: ScrapeReader) -> io::Result<()> {
        let ended = loop {
            match reader.advance() {
                Ok(true) => self.scrape(reader.scrape())?,
                Ok(false) => break Ok(()),
                Err(error) => break Err(error),
            }
            self.report.read(reader.disk_bytes());
        };
        let summary = &mut self.report.summary;
        summary.files += 1;
        summary.compressed_files += u64::from(self.file.is_compressed());
        summary.disk_bytes += reader.disk_bytes();
        summary.first = summary.first.into_iter().chain(self.first).min();
        summary.last = summary.last.into_iter().chain(self.last).max();
        let line = Some(self.line);
        match (ended, reader.rest()) {
            (Err(error), _) => self.problem(
                line,
                &format!(
                    "can't be read any further: {error}: what follows is lost unless there is a copy of the file; \
                     scrape-log export gives what comes before"
                ),
            )?,
            (Ok(()), Rest::Closed) => {}
            (Ok(()), Rest::Open(_)) if !self.file.is_compressed() && self.place.is_newest => {
                self.report.summary.open_files += 1;
            }
            (Ok(()), Rest::Open(rest)) => {
                let rest = if rest.is_empty() { "without" } else { "in the middle of a scrape, without" };
                self.problem(
                    line,
                    &format!(
                        "the file ends {rest} # EOF: its writer was killed, the scrapes before are whole; start \
                         scrape-log on this directory, which closes the file"
                    ),
                )?;
            }
        }
        match Source::lacks_checksum(self.file) {
            Ok(true) => self.report.note(&self.path, "has no checksum, so that damage inside may go unseen"),
            // What can't be read has been said.
            Ok(false) | Err(_) => Ok(()),
        }
    }

    fn scrape(&mut self, scrape: Scrape<'_>) -> io::Result<()> {
        if self.scrape == 0 {
            self.header(scrape.text)?;
        }
        self.scrape += 1;
        let timestamp = scrape.sample().map_or(&b""[..], |mark| mark.timestamp);
        let lines = scrape.text.split_inclusive(|&byte| byte == b'\n');
        let mut samples = 0;
        for line in lines {
            if let Err(problem) = self.check_line(line, timestamp) {
                self.problem(Some(self.line), &format!("{problem}: {REFUSED}"))?;
            }
            samples += u64::from(line.first() != Some(&b'#'));
            self.line += 1;
        }
        let mark_line = Some(self.line - 1);
        if !scrape.is_whole() {
            self.problem(
                mark_line,
                "the scrape that ends here is not what its commit mark says: lines of it are missing or damaged; \
                 scrape-log export leaves it out",
            )?;
        }
        match scrape.timestamp() {
            Some(time) => self.time(time, mark_line)?,
            None => self.problem(mark_line, "the time of the scrape can't be read: export leaves it out")?,
        }
        let summary = &mut self.report.summary;
        summary.scrapes += 1;
        summary.samples += samples;
        summary.text_bytes += scrape.text.len() as u64;
        Ok(())
    }

    /// The first line says where the file comes from.
    fn header(&mut self, text: &[u8]) -> io::Result<()> {
        let line = text.split(|&byte| byte == b'\n').next().unwrap_or_default();
        let header: Option<Value> =
            line.strip_prefix(HEADER).and_then(|json| serde_json::from_slice(json).ok());
        let Some(header) = header else {
            return self.problem(
                Some(1),
                "the header is missing that says where the file comes from: it is not from this program, or its \
                 start was cut off",
            );
        };
        let interval = header.get("interval").and_then(Value::as_f64);
        self.interval = interval.and_then(|seconds| Duration::try_from_secs_f64(seconds).ok());
        Ok(())
    }

    fn check_line(&mut self, line: &[u8], timestamp: &[u8]) -> Result<(), String> {
        let line = line.strip_suffix(b"\n").unwrap_or(line);
        if line.first() == Some(&b'#') {
            return check_comment(line).map_err(str::to_owned);
        }
        let sample = Sample::cut(line).ok_or("it is not a sample")?;
        let scrape = self.scrape;
        let known =
            self.series.get(sample.series, || Series { sound: check_series(sample.series), scrape: 0 });
        known.sound?;
        if known.scrape == scrape {
            return Err("the series comes twice in the scrape".to_owned());
        }
        known.scrape = scrape;
        if !check_value(sample.value) {
            return Err("the value is not a number".to_owned());
        }
        if sample.timestamp != timestamp {
            return Err("the time is not that of the scrape".to_owned());
        }
        Ok(())
    }

    fn time(&mut self, time: i64, line: Option<u64>) -> io::Result<()> {
        if self.last.is_some_and(|last| time <= last) {
            return self.problem(
                line,
                "the scrape is not later than the one before it: promtool drops such samples without a word; export \
                 leaves the scrape out",
            );
        }
        let times = self.file.times();
        if !times.contains(time) {
            self.problem(
                line,
                "the time of the scrape is not one that the name of the file allows: export may miss it",
            )?;
        }
        if self.last.is_none() && self.place.before.is_some_and(|before| time <= before) {
            self.problem(
                line,
                "the file begins before the one before it ends: the clock was set back; import what scrape-log \
                 export makes of both",
            )?;
        }
        self.gap(time);
        self.first.get_or_insert(time);
        self.last = Some(time);
        Ok(())
    }

    fn gap(&mut self, time: i64) {
        let (Some(before), Some(interval)) = (self.last.or(self.place.before), self.interval) else { return };
        let milliseconds = time.saturating_sub(before);
        if i128::from(milliseconds) > 2 * interval.as_millis() as i128 {
            let gap = Gap { milliseconds, start: before, target: self.place.target.to_owned() };
            let summary = &mut self.report.summary;
            summary.gaps += 1;
            summary.longest_gap = summary.longest_gap.take().into_iter().chain([gap]).max();
        }
    }
}

/// Importers take no comments but these.
fn check_comment(line: &[u8]) -> Result<(), &'static str> {
    let text = str::from_utf8(line).map_err(|_| "it is not valid UTF-8")?;
    let known = ["# HELP ", "# TYPE ", "# UNIT "].into_iter().find_map(|keyword| text.strip_prefix(keyword));
    let named = known.and_then(|rest| rest.split_once(' ')).ok_or("it is no comment that importers know")?;
    if text.chars().any(char::is_control) || named.0.is_empty() {
        return Err("it has a control character in it");
    }
    match Parser::new(text, Format::OpenMetrics).next() {
        Some(Ok(Line::Help { .. } | Line::Type { .. } | Line::Unit { .. })) => Ok(()),
        Some(Err(error)) => Err(error.problem),
        _ => Err("it is no comment that importers know"),
    }
}

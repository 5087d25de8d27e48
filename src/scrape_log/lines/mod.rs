//! From a scraped page to the lines of the samples file.
//!
//! What is written is the part of OpenMetrics 1.0 that `promtool tsdb create-blocks-from openmetrics` and
//! VictoriaMetrics' `/api/v1/import/prometheus` both take:
//!
//! - one blank between tokens, none inside labels, no trailing comma, `\n` alone at line ends, valid UTF-8;
//! - every sample carries `job`, `instance` and the scrape's own timestamp as `seconds.mmm`; no exemplars, no
//!   `_created` samples;
//! - no comments but `# HELP`, `# TYPE` and `# UNIT`; notes are `# HELP scrapelog_… {json}`;
//! - a series comes at most once in a scrape; labels are sorted and empty ones left out, so that two spellings
//!   of a series are one;
//! - the last line of a scrape is `scrape_samples_post_metric_relabeling`, whose value is the number of the
//!   page's samples that were written. With it a reader knows that the scrape is whole, see
//!   `store::recover`. Names that this program writes itself get `exported_` put before them
//!   when they come from a page.

mod labels;
mod synthetic;

pub(super) use synthetic::{COMMIT_MARK, SYNTHETIC_SAMPLES};

use std::borrow::Cow;
use std::collections::{HashMap, HashSet};
use std::hash::{BuildHasherDefault, DefaultHasher, Hash, Hasher};
use std::time::Duration;

use super::Target;
use crate::exposition::{Format, Kind, Line, Parser, Sample, write_value};
use crate::vitals::Observation;

/// The most that one scrape may add to the file. A page of 16 MiB with very short lines could come to 20 times
/// its size once every line has its labels.
const MAX_SCRAPE_BYTES: usize = 32 << 20;
/// Past this many remembered families the metadata is written anew.
const MAX_REMEMBERED_FAMILIES: usize = 65_536;
/// A buffer that grew beyond this is not kept for the next scrape.
pub(super) const KEPT_BUFFER_BYTES: usize = 1 << 20;
/// As many series as lines of a usual length fill such a buffer with.
const KEPT_SERIES: usize = 16 << 10;

/// Makes lines of pages, one scrape at a time, and keeps its buffers between them.
#[derive(Debug)]
pub(super) struct Lines {
    target: String,
    job: String,
    interval: Duration,
    /// `{job="…",instance="…"`, the start of every label set.
    labels: Vec<u8>,
    /// The scrape under construction.
    record: Vec<u8>,
    /// ` seconds.mmm\n`, the end of every sample line.
    end_of_line: Vec<u8>,
    series: HashSet<u64, BuildHasherDefault<AlreadyHashed>>,
    /// What was last written about a family in the present file: hash of its name and kind of line, hash of the text.
    metadata: HashMap<u64, u64, BuildHasherDefault<AlreadyHashed>>,
    order: Vec<usize>,
}

/// A scrape as it came in.
#[derive(Clone, Copy, Debug)]
pub(super) struct Scrape<'a> {
    /// Milliseconds since 1970 UTC.
    pub(super) timestamp_milliseconds: i64,
    /// From the start of the request to the last byte of the page.
    pub(super) duration: Duration,
    /// The page, or why there is none.
    pub(super) page: Result<(&'a [u8], Format), &'a str>,
}

/// What became of a page.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Summary {
    /// Why the scrape counts as failed.
    pub(super) error: Option<String>,
    /// The samples of the page that could be read.
    pub(super) scraped: usize,
    /// Those that were written.
    pub(super) written: usize,
    /// Those that were left out because their series had come before in the same page.
    pub(super) duplicates: usize,
    /// Lines that can't be read.
    pub(super) bad_lines: usize,
    /// The first of them: its number and what is wrong with it.
    pub(super) first_bad_line: Option<String>,
}

impl Lines {
    pub(super) fn new(target: &Target, job: &str, interval: Duration) -> Self {
        let mut labels = b"{job=\"".to_vec();
        labels::push_plain_value(&mut labels, job);
        labels.extend_from_slice(b"\",instance=\"");
        labels::push_plain_value(&mut labels, target.instance());
        labels.push(b'"');
        Self {
            target: target.endpoint().to_string(),
            job: job.to_owned(),
            interval,
            labels,
            record: Vec::new(),
            end_of_line: Vec::new(),
            series: HashSet::default(),
            metadata: HashMap::default(),
            order: Vec::new(),
        }
    }

    /// The lines of the last call of [`Lines::write`].
    pub(super) fn record(&self) -> &[u8] {
        &self.record
    }

    /// Lets go of the memory that one large page took. To be called once its record is in the file.
    pub(super) fn give_memory_back(&mut self) {
        self.record.clear();
        release(&mut self.record);
        self.series.clear();
        self.series.shrink_to(KEPT_SERIES);
        if self.metadata.len() > MAX_REMEMBERED_FAMILIES {
            self.metadata.clear();
        }
        self.metadata.shrink_to(KEPT_SERIES);
    }

    /// Has the metadata written again with the next scrape, after what was made last did not get into the file.
    pub(super) fn forget_metadata(&mut self) {
        self.metadata.clear();
    }

    /// Makes the lines of one scrape. `first_in_file` puts the file's header before them, `note` is something the
    /// file's reader should know. The page's samples are shown to `observation`.
    pub(super) fn write(
        &mut self,
        scrape: &Scrape<'_>,
        first_in_file: bool,
        note: Option<&str>,
        observation: &mut Observation,
    ) -> Summary {
        self.record.clear();
        self.set_timestamp(scrape.timestamp_milliseconds);
        observation.clear();
        if first_in_file {
            self.metadata.clear();
            self.write_header();
        }
        if let Some(note) = note {
            self.write_note(scrape.timestamp_milliseconds, note);
        }
        let start = self.record.len();
        let summary = match scrape.page {
            Ok((page, format)) => {
                let page = labels::clean_page(page);
                let mut summary = Summary::default();
                match self.write_page(&page, format, &mut summary, observation) {
                    Ok(()) => summary,
                    Err(error) => Summary { error: Some(error), written: 0, ..summary },
                }
            }
            Err(error) => Summary { error: Some(error.to_owned()), ..Summary::default() },
        };
        if summary.error.is_some() {
            self.record.truncate(start);
            release(&mut self.record);
            self.metadata.clear();
            observation.clear();
        }
        observation.finish();
        if let Some(problem) = problem(&summary) {
            self.write_note(scrape.timestamp_milliseconds, &problem);
        }
        let size_bytes = scrape.page.map_or(0, |(page, _)| page.len());
        self.write_synthetic(scrape.duration, size_bytes, &summary);
        summary
    }

    fn write_page(
        &mut self,
        page: &str,
        format: Format,
        summary: &mut Summary,
        observation: &mut Observation,
    ) -> Result<(), String> {
        self.series.clear();
        let mut parser = Parser::new(page, format);
        let mut family = "";
        let mut ended = false;
        while let Some(line) = parser.next() {
            match line {
                Ok(Line::Sample(sample)) if is_writable(&sample) => {
                    summary.scraped += 1;
                    observation.see(&sample);
                    let created = format == Format::OpenMetrics
                        && sample.name.strip_suffix("_created").is_some_and(|name| name == family);
                    if !created {
                        let new = self.write_sample(&sample);
                        summary.written += usize::from(new);
                        summary.duplicates += usize::from(!new);
                    }
                }
                Ok(Line::Sample(_)) => {
                    let line = parser.line();
                    summary.bad_line(|| {
                        format!("line {line}: the value is out of range or a label is reserved")
                    });
                }
                Ok(Line::Help { name, text }) => self.write_help(name, text),
                Ok(Line::Type { name, kind }) => {
                    family = name;
                    self.write_type(name, kind);
                }
                Ok(Line::Unit { name, unit }) => self.write_unit(name, unit),
                Ok(Line::Eof) => ended = true,
                Ok(Line::Comment(_)) => {}
                Err(error) => summary.bad_line(|| error.to_string()),
            }
            if self.record.len() > MAX_SCRAPE_BYTES {
                return Err(format!("page: its samples come to more than {MAX_SCRAPE_BYTES} bytes of lines"));
            }
        }
        if format == Format::OpenMetrics && !ended {
            return Err("page: it ends without # EOF, so a part of it is missing".to_owned());
        }
        match &summary.first_bad_line {
            Some(first) if summary.scraped == 0 => Err(format!("page: nothing in it can be read: {first}")),
            _ => Ok(()),
        }
    }

    /// Appends a sample unless its series has come before. Says whether it did.
    fn write_sample(&mut self, sample: &Sample<'_, '_>) -> bool {
        let start = self.record.len();
        self.push_name(sample.name);
        let name_end = self.record.len();
        self.record.extend_from_slice(&self.labels);
        let own_labels = self.record.len();
        labels::push_labels(&mut self.record, sample.labels, &mut self.order);
        let mut hasher = DefaultHasher::new();
        self.record.get(start..name_end).hash(&mut hasher);
        self.record.get(own_labels..).hash(&mut hasher);
        if !self.series.insert(hasher.finish()) {
            self.record.truncate(start);
            return false;
        }
        self.record.extend_from_slice(b"} ");
        if sample.value.is_finite() {
            self.record.extend_from_slice(sample.value_text.as_bytes());
        } else {
            write_value(&mut self.record, sample.value);
        }
        self.record.extend_from_slice(&self.end_of_line);
        true
    }

    /// Appends a name from the page, so that it can't pass for one of this program's own.
    fn push_name(&mut self, name: &str) {
        if synthetic::is_reserved(name) {
            self.record.extend_from_slice(b"exported_");
        }
        self.record.extend_from_slice(name.as_bytes());
    }

    fn write_help(&mut self, name: &str, text: &str) {
        if self.is_news("HELP", name, text) {
            self.push_comment("# HELP ", name);
            labels::push_escaped(&mut self.record, text);
            self.record.push(b'\n');
        }
    }

    fn write_type(&mut self, name: &str, kind: Kind) {
        let kind = kind.name(Format::OpenMetrics);
        if self.is_news("TYPE", name, kind) {
            self.push_comment("# TYPE ", name);
            self.record.extend_from_slice(kind.as_bytes());
            self.record.push(b'\n');
        }
    }

    /// A unit that the name does not end in is an error to readers, so it is left out.
    fn write_unit(&mut self, name: &str, unit: &str) {
        let matching = !unit.is_empty() && name.strip_suffix(unit).is_some_and(|rest| rest.ends_with('_'));
        if matching && self.is_news("UNIT", name, unit) {
            self.push_comment("# UNIT ", name);
            self.record.extend_from_slice(unit.as_bytes());
            self.record.push(b'\n');
        }
    }

    fn push_comment(&mut self, keyword: &str, name: &str) {
        self.record.extend_from_slice(keyword.as_bytes());
        self.push_name(name);
        self.record.push(b' ');
    }

    fn is_news(&mut self, keyword: &str, name: &str, text: &str) -> bool {
        let mut key = DefaultHasher::new();
        (keyword, name).hash(&mut key);
        let mut content = DefaultHasher::new();
        text.hash(&mut content);
        let content = content.finish();
        self.metadata.insert(key.finish(), content) != Some(content)
    }

    fn set_timestamp(&mut self, milliseconds: i64) {
        self.end_of_line.clear();
        self.end_of_line.push(b' ');
        push_seconds(&mut self.end_of_line, milliseconds);
        self.end_of_line.push(b'\n');
    }
}

impl Summary {
    fn bad_line(&mut self, text: impl FnOnce() -> String) {
        self.bad_lines += 1;
        self.first_bad_line.get_or_insert_with(text);
    }
}

/// Lets go of the memory behind a buffer's content, if it is much.
pub(super) fn release(buffer: &mut Vec<u8>) {
    buffer.shrink_to(KEPT_BUFFER_BYTES);
}

/// Whether the sample can be said in OpenMetrics. `__name__` would be a second name, and digits too large
/// for a float are refused by readers.
fn is_writable(sample: &Sample<'_, '_>) -> bool {
    let overflow = sample.value.is_infinite() && sample.value_text.bytes().any(|byte| byte.is_ascii_digit());
    !overflow && sample.labels.iter().all(|label| label.name != "__name__")
}

/// What the file's reader should know about a page, in one sentence.
fn problem(summary: &Summary) -> Option<String> {
    if let Some(error) = &summary.error {
        return Some(error.clone());
    }
    let mut parts: Vec<Cow<'_, str>> = Vec::new();
    if let Some(first) = &summary.first_bad_line {
        parts.push(format!("{} lines can't be read, the first: {first}", summary.bad_lines).into());
    }
    if summary.duplicates > 0 {
        parts.push(format!("{} samples left out whose series had come before", summary.duplicates).into());
    }
    (!parts.is_empty()).then(|| parts.join("; "))
}

/// Appends a timestamp as seconds with three decimals.
fn push_seconds(out: &mut Vec<u8>, milliseconds: i64) {
    if milliseconds < 0 {
        out.push(b'-');
    }
    let milliseconds = milliseconds.unsigned_abs();
    out.extend_from_slice(itoa::Buffer::new().format(milliseconds / 1000).as_bytes());
    let rest = milliseconds % 1000;
    let digit = |number: u64| b'0' + u8::try_from(number % 10).unwrap_or(0);
    out.extend([b'.', digit(rest / 100), digit(rest / 10), digit(rest)]);
}

/// A hasher for keys that are hashes already.
#[derive(Debug, Default)]
struct AlreadyHashed(u64);

impl Hasher for AlreadyHashed {
    fn finish(&self) -> u64 {
        self.0
    }

    fn write(&mut self, bytes: &[u8]) {
        // Only whole hashes are keys here, and they come through write_u64.
        for &byte in bytes {
            self.0 = (self.0 << 8) | u64::from(byte);
        }
    }

    fn write_u64(&mut self, hash: u64) {
        self.0 = hash;
    }
}

#[cfg(test)]
mod tests;

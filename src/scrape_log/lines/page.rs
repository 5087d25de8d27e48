//! A walk over a page: each line to the record, by the plan where the line is known.

use super::labels;
use super::plan::{Entry, Kind, Plan, Recall};
use super::series::{Fate, Speller, push_name};
use super::value::{self, Tail};
use super::{MAX_SCRAPE_BYTES, Summary, Workspace};
use crate::exposition::{Format, Line, ParseError, Parser, Sample, push_parts, write_value};
use crate::scrape_log::hashed::hash;
use crate::vitals::{Interest, Observation};

/// The last line of a page in OpenMetrics.
const END_OF_PAGE: &[u8] = b"# EOF";

/// Why a page counts for nothing.
#[derive(Debug)]
pub(super) struct Refusal {
    pub(super) problem: String,
    /// It is beyond a cap of the job.
    pub(super) is_limit: bool,
}

impl Refusal {
    fn bad(problem: String) -> Self {
        Self { problem: format!("page: {problem}"), is_limit: false }
    }

    fn limit(problem: &str) -> Self {
        Self { problem: format!("page: {problem}"), is_limit: true }
    }
}

/// One page on its way into the record.
#[derive(Debug)]
pub(super) struct Walk<'a> {
    recall: Recall<'a>,
    speller: &'a mut Speller,
    record: &'a mut Vec<u8>,
    end_of_line: &'a [u8],
    /// Comments that are known have to be written too.
    metadata_due: bool,
    format: Format,
}

impl<'a> Walk<'a> {
    pub(super) fn new(
        plan: &'a mut Plan,
        workspace: &'a mut Workspace,
        speller: &'a mut Speller,
        metadata_due: bool,
        format: Format,
    ) -> Self {
        let Workspace { record, scratch, end_of_line } = workspace;
        Self { recall: Recall::new(plan, scratch), speller, record, end_of_line, metadata_due, format }
    }

    /// Writes the page's samples and comments.
    ///
    /// # Errors
    /// Why the scrape counts as failed. The plan is as before then.
    pub(super) fn write(
        mut self,
        page: &[u8],
        summary: &mut Summary,
        observation: &mut Observation,
    ) -> Result<(), Refusal> {
        let mut rest = page;
        let mut ended = self.format == Format::Text;
        while let Some(&first) = rest.first() {
            if first == b'\n' {
                rest = rest.get(1..).unwrap_or_default();
                continue;
            }
            if first == b'#' && self.is_end(rest) {
                ended = true;
                break;
            }
            let format = self.format;
            let known = self.recall.find(rest, |rest| recognizable(rest, format));
            let length = match known.and_then(|entry| self.write_known(rest, &entry, summary, observation)) {
                Some(length) => length,
                None => {
                    if known.is_some() {
                        self.recall.pass();
                    }
                    let before = page.get(..page.len() - rest.len()).unwrap_or_default();
                    self.write_new(before, rest, summary, observation)?
                }
            };
            rest = rest.get(length..).unwrap_or_default();
            if self.record.len() > MAX_SCRAPE_BYTES {
                let problem = format!("its samples come to more than {MAX_SCRAPE_BYTES} bytes of lines");
                return Err(Refusal::limit(&problem));
            }
        }
        if !ended {
            return Err(Refusal::bad("it ends without # EOF, so a part of it is missing".to_owned()));
        }
        if let Some(limit) = self.speller.rules().limits.samples.filter(|&limit| summary.written > limit) {
            let problem = format!("it has {} samples, sample_limit is {limit}", summary.written);
            return Err(Refusal::limit(&problem));
        }
        if let Some(first) = &summary.first_bad_line
            && summary.scraped == 0
        {
            return Err(Refusal::bad(format!("nothing in it can be read: {first}")));
        }
        self.recall.finish();
        Ok(())
    }

    fn is_end(&self, rest: &[u8]) -> bool {
        self.format == Format::OpenMetrics
            && rest.strip_prefix(END_OF_PAGE).is_some_and(|behind| {
                let line = behind.split(|&byte| byte == b'\n').next().unwrap_or_default();
                line.trim_ascii().is_empty()
            })
    }

    /// Writes a line, or a run of comments, that the plan knows, and gives its length. `None` if its value has to be
    /// looked at.
    fn write_known(
        &mut self,
        rest: &[u8],
        entry: &Entry,
        summary: &mut Summary,
        observation: &mut Observation,
    ) -> Option<usize> {
        let (text, behind) = rest.split_at_checked(entry.length())?;
        if entry.kind == Kind::Comments {
            if self.metadata_due {
                write_comments(self.record, text, self.format, |_, _| {});
            }
            self.recall.keep(entry);
            return Some(text.len());
        }
        let tail = value::tail(behind, self.format)?;
        let line = rest.get(..text.len() + tail.length)?;
        if entry.kind == Kind::LeftOut {
            self.recall.keep(entry);
        } else if self.recall.is_duplicate(entry) {
            summary.duplicates += 1;
            self.recall.keep(&Entry { kind: Kind::Duplicate, ..*entry });
        } else if entry.kind == Kind::Duplicate {
            return None;
        } else {
            self.push_known(text, entry, tail);
            summary.written += 1;
            self.recall.keep(entry);
        }
        summary.scraped += 1;
        if entry.interest != Interest::Nothing {
            observe(entry, line, tail.value, self.format, observation);
        }
        Some(line.len())
    }

    fn push_known(&mut self, text: &[u8], entry: &Entry, tail: Tail<'_>) {
        if entry.kind == Kind::Canonical {
            let (name, behind) = text.split_at_checked(entry.detail as usize).unwrap_or_default();
            let (comma, labels): (&[u8], &[u8]) = match behind {
                [b'{', labels @ ..] => (b",", labels),
                _ => (b"", b"} "),
            };
            let head = self.speller.head();
            push_parts(self.record, [name, head, comma, labels, tail.value, self.end_of_line]);
        } else {
            push_parts(self.record, [self.recall.text(entry), tail.value, self.end_of_line]);
        }
    }

    /// Writes a line, or a run of comments, that is new, and gives its length. `before` is the page up to there.
    fn write_new(
        &mut self,
        before: &[u8],
        rest: &[u8],
        summary: &mut Summary,
        observation: &mut Observation,
    ) -> Result<usize, Refusal> {
        let number = |line: usize| memchr::memchr_iter(b'\n', before).count() + line;
        let bad_line = |summary: &mut Summary, line: usize, problem: &'static str| {
            summary.bad_line(|| ParseError { line: number(line), problem }.to_string());
        };
        if rest.starts_with(b"#") {
            let run = comments(rest, self.format);
            let bad_lines = summary.bad_lines;
            write_comments(self.record, run, self.format, |line, problem| bad_line(summary, line, problem));
            if summary.bad_lines == bad_lines {
                self.recall.add(Entry::new(run, Kind::Comments), b"");
            }
            return Ok(run.len());
        }
        let length = memchr::memchr(b'\n', rest).map_or(rest.len(), |end| end + 1);
        let raw = rest.get(..length).unwrap_or_default();
        let line = labels::clean(raw);
        match Parser::new(&line, self.format).next() {
            Some(Ok(Line::Sample(sample))) if is_writable(&sample) => {
                summary.scraped += 1;
                let start = self.record.len();
                let entry = if self.format == Format::OpenMetrics && is_creation_time(sample.name, before) {
                    Some(left_out(up_to_value(&line, &sample)))
                } else {
                    self.write_sample(&line, &sample, summary, |summary, problem| {
                        bad_line(summary, 1, problem)
                    })?
                };
                if let Some(entry) = entry {
                    let interest = observation.see(&sample, entry.series);
                    // A line that had to be cleaned is not what the next page has in it.
                    if line.as_bytes() == raw {
                        let text = self.record.get(start..start + entry.detail as usize).unwrap_or_default();
                        self.recall.add(Entry { interest, ..entry }, text);
                    }
                }
            }
            Some(Ok(Line::Sample(_))) => {
                bad_line(summary, 1, "the value is out of range or a label is reserved");
            }
            Some(Ok(_)) => write_comments(self.record, raw, self.format, |_, _| {}),
            Some(Err(ParseError { problem, .. })) => bad_line(summary, 1, problem),
            None => {}
        }
        Ok(length)
    }

    /// Appends a sample unless its series has come before, and gives what to remember of it. The detail is the length
    /// of what was appended up to the value, unless the spelling is [`Kind::Canonical`].
    fn write_sample(
        &mut self,
        line: &str,
        sample: &Sample<'_, '_>,
        summary: &mut Summary,
        bad_line: impl FnOnce(&mut Summary, &'static str),
    ) -> Result<Option<Entry>, Refusal> {
        let start = self.record.len();
        let text = up_to_value(line, sample);
        match self.speller.push(self.record, sample) {
            Fate::Written => {}
            Fate::Dropped => return Ok(Some(left_out(text))),
            Fate::Nameless => {
                bad_line(summary, "metric_relabel_configs leave it without a valid name");
                return Ok(None);
            }
            Fate::BeyondLimit(problem) => return Err(Refusal::limit(&problem)),
        }
        let written = self.record.get(start..).unwrap_or_default();
        let series = hash(written);
        if !self.recall.is_first(series) {
            self.record.truncate(start);
            summary.duplicates += 1;
            return Ok(Some(Entry { series, ..Entry::new(text, Kind::Duplicate) }));
        }
        let name_length = sample.name.len();
        let (kind, detail) = if is_canonical(text, name_length, written, self.speller.head()) {
            (Kind::Canonical, name_length)
        } else {
            (Kind::Respelled, written.len())
        };
        let detail = u32::try_from(detail).unwrap_or(0);
        if sample.value.is_finite() {
            self.record.extend_from_slice(sample.value_text.as_bytes());
        } else {
            write_value(self.record, sample.value);
        }
        self.record.extend_from_slice(self.end_of_line);
        summary.written += 1;
        Ok(Some(Entry { series, detail, ..Entry::new(text, kind) }))
    }
}

/// Whether `written` is the name of `text`, `head` and the rest of `text`, as a known line is put together.
fn is_canonical(text: &[u8], name_length: usize, written: &[u8], head: &[u8]) -> bool {
    let Some((name, behind)) = text.split_at_checked(name_length) else { return false };
    let written = written.strip_prefix(name).and_then(|written| written.strip_prefix(head));
    match behind {
        [b'{', labels @ ..] => written.and_then(|written| written.strip_prefix(b",")) == Some(labels),
        b" " => written == Some(b"} "),
        _ => false,
    }
}

/// The part of a line that is hashed.
fn up_to_value<'l>(line: &'l str, sample: &Sample<'_, '_>) -> &'l [u8] {
    let length = sample.value_text.as_ptr().addr() - line.as_ptr().addr();
    line.as_bytes().get(..length).unwrap_or_default()
}

/// The part of the first line, or run of comments, that would be hashed if it were known. The value is the last word,
/// as a line with a timestamp is only found in its place.
fn recognizable(rest: &[u8], format: Format) -> &[u8] {
    if rest.starts_with(b"#") {
        return comments(rest, format);
    }
    let line = memchr::memchr(b'\n', rest).map_or(rest, |end| rest.get(..end).unwrap_or_default());
    let length = memchr::memrchr(b' ', line).map_or(line.len(), |blank| blank + 1);
    line.get(..length).unwrap_or_default()
}

/// The lines at the start that begin with `#`, but for the one that ends the page.
fn comments(rest: &[u8], format: Format) -> &[u8] {
    let mut length = 0;
    while let Some(line) = rest.get(length..).filter(|line| line.starts_with(b"#")) {
        if length > 0 && format == Format::OpenMetrics && line.starts_with(END_OF_PAGE) {
            break;
        }
        length += memchr::memchr(b'\n', line).map_or(line.len(), |end| end + 1);
    }
    rest.get(..length).unwrap_or_default()
}

/// Appends the metadata among some comments. `bad_line` gets the number of each line that can't be read.
fn write_comments(
    record: &mut Vec<u8>,
    comments: &[u8],
    format: Format,
    mut bad_line: impl FnMut(usize, &'static str),
) {
    let text = labels::clean(comments);
    let mut parser = Parser::new(&text, format);
    let start = |record: &mut Vec<u8>, keyword: &[u8], name: &str| {
        record.extend_from_slice(keyword);
        push_name(record, name);
        record.push(b' ');
    };
    while let Some(line) = parser.next() {
        match line {
            Ok(Line::Help { name, text }) => {
                start(record, b"# HELP ", name);
                labels::push_escaped(record, text);
            }
            Ok(Line::Type { name, kind }) => {
                start(record, b"# TYPE ", name);
                record.extend_from_slice(kind.name(Format::OpenMetrics).as_bytes());
            }
            // A unit that the name does not end in is an error to readers, so it is left out.
            Ok(Line::Unit { name, unit }) if ends_in_unit(name, unit) => {
                start(record, b"# UNIT ", name);
                record.extend_from_slice(unit.as_bytes());
            }
            Ok(_) => continue,
            Err(ParseError { line, problem }) => {
                bad_line(line, problem);
                continue;
            }
        }
        record.push(b'\n');
    }
}

fn ends_in_unit(name: &str, unit: &str) -> bool {
    !unit.is_empty() && name.strip_suffix(unit).is_some_and(|rest| rest.ends_with('_'))
}

/// Whether a sample of OpenMetrics says when its family began, the family being the last one before it in the page.
fn is_creation_time(name: &str, before: &[u8]) -> bool {
    const TYPE: &[u8] = b"# TYPE ";
    let Some(family) = name.strip_suffix("_created") else { return false };
    let last = memchr::memmem::rfind(before, TYPE).and_then(|at| before.get(at + TYPE.len()..));
    last.and_then(|rest| rest.strip_prefix(family.as_bytes())).is_some_and(|rest| rest.starts_with(b" "))
}

/// Whether the sample can be said in OpenMetrics. `__name__` would be a second name, and digits too large
/// for a float are refused by readers.
fn is_writable(sample: &Sample<'_, '_>) -> bool {
    let overflow = sample.value.is_infinite() && sample.value_text.bytes().any(|byte| byte.is_ascii_digit());
    !overflow && sample.labels.iter().all(|label| label.name != "__name__")
}

/// What is remembered of a sample that is not written. Its series is known by its spelling.
fn left_out(text: &[u8]) -> Entry {
    let entry = Entry::new(text, Kind::LeftOut);
    Entry { series: entry.hash, ..entry }
}

/// Shows a known line's sample to `observation`.
fn observe(entry: &Entry, line: &[u8], value: &[u8], format: Format, observation: &mut Observation) {
    let Some(value) = str::from_utf8(value).ok().and_then(|value| value.parse().ok()) else { return };
    if !observation.see_again(entry.interest, entry.series, value)
        && let Ok(line) = str::from_utf8(line)
        && let Some(Ok(Line::Sample(sample))) = Parser::new(line, format).next()
    {
        observation.see(&sample, entry.series);
    }
}

//! Reading samples back, line by line and without copying.
//!
//! Follows the [Prometheus text format] and [OpenMetrics 1.0], and is as lenient as Prometheus where writers in
//! the field are sloppy: blanks between tokens, a trailing comma in the labels, unknown comments. A line that
//! can't be read is an error of its own; the lines after it are read as usual.
//!
//! [Prometheus text format]: https://prometheus.io/docs/instrumenting/exposition_formats/
//! [OpenMetrics 1.0]: https://prometheus.io/docs/specs/om/open_metrics_spec/

use std::borrow::Cow;

use super::{Format, Kind};

/// More labels than this on one sample make the line an error, so that checking them stays cheap.
const MAX_LABELS: usize = 128;

/// What one line says. Everything borrows from the page.
#[derive(Clone, Debug, PartialEq)]
pub enum Line<'a, 'p> {
    /// `# HELP name text`, the text still escaped.
    Help {
        /// The family's name.
        name: &'a str,
        /// What follows the name, still escaped; empty where there is nothing.
        text: &'a str,
    },
    /// `# TYPE name kind`.
    Type {
        /// The family's name.
        name: &'a str,
        /// The family's type.
        kind: Kind,
    },
    /// `# UNIT name unit` (OpenMetrics).
    Unit {
        /// The family's name.
        name: &'a str,
        /// The unit, for example `seconds`.
        unit: &'a str,
    },
    /// A sample.
    Sample(Sample<'a, 'p>),
    /// Any other line that starts with `#`.
    Comment(&'a str),
    /// `# EOF`, the end of an OpenMetrics page. Nothing is read behind it.
    Eof,
}

/// One sample as the page has it.
#[derive(Clone, Debug, PartialEq)]
pub struct Sample<'a, 'p> {
    /// The sample's name, which for counters in OpenMetrics and for histograms is the family's with a suffix.
    pub name: &'a str,
    /// The labels in the order of the page.
    pub labels: &'p [Label<'a>],
    /// The value.
    pub value: f64,
    /// The value as it was written.
    pub value_text: &'a str,
    /// The timestamp in milliseconds since 1970 UTC, where one is given.
    pub timestamp_milliseconds: Option<i64>,
}

impl<'a> Sample<'a, '_> {
    /// The value of the label called `name`.
    pub fn label(&self, name: &str) -> Option<Cow<'a, str>> {
        self.labels.iter().find(|label| label.name == name).map(Label::value)
    }
}

/// One label of a sample.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Label<'a> {
    /// The label's name.
    pub name: &'a str,
    /// The value between its quotes, still escaped.
    pub escaped_value: &'a str,
}

impl<'a> Label<'a> {
    /// The value without escapes. As in Prometheus a backslash before any other character stands for itself.
    pub fn value(&self) -> Cow<'a, str> {
        if !self.escaped_value.contains('\\') {
            return Cow::Borrowed(self.escaped_value);
        }
        let mut value = String::with_capacity(self.escaped_value.len());
        let mut rest = self.escaped_value.chars();
        while let Some(character) = rest.next() {
            if character != '\\' {
                value.push(character);
                continue;
            }
            match rest.next() {
                Some('n') => value.push('\n'),
                Some(escaped @ ('\\' | '"')) => value.push(escaped),
                Some(other) => value.extend(['\\', other]),
                None => value.push('\\'),
            }
        }
        Cow::Owned(value)
    }
}

/// Why a line can't be read.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("line {line}: {problem}")]
pub struct ParseError {
    /// The line's number, from 1.
    pub line: usize,
    /// What is wrong with it.
    pub problem: &'static str,
}

/// Walks over the lines of a page. It holds one small list of labels and nothing else.
#[derive(Debug)]
pub struct Parser<'a> {
    rest: &'a str,
    format: Format,
    line: usize,
    labels: Vec<Label<'a>>,
}

impl<'a> Parser<'a> {
    /// A parser at the start of `page`. The format decides what timestamps mean and whether `# EOF` ends the page.
    pub fn new(page: &'a str, format: Format) -> Self {
        Self { rest: page, format, line: 0, labels: Vec::new() }
    }

    /// The number of the line that was read last, from 1.
    pub fn line(&self) -> usize {
        self.line
    }

    /// The next line that is not blank, or `None` at the end of the page.
    #[allow(clippy::should_implement_trait)] // the line borrows from the parser, which an Iterator can't say
    pub fn next(&mut self) -> Option<Result<Line<'a, '_>, ParseError>> {
        loop {
            if self.rest.is_empty() {
                return None;
            }
            let page = self.rest;
            let (line, rest) = match memchr::memchr(b'\n', page.as_bytes()) {
                Some(end) => page.split_at(end),
                None => (page, ""),
            };
            self.rest = rest.strip_prefix('\n').unwrap_or(rest);
            self.line += 1;
            let line = line.strip_suffix('\r').unwrap_or(line).trim_start_matches([' ', '\t']);
            if line.is_empty() {
                continue;
            }
            let number = self.line;
            let parsed = match line.strip_prefix('#') {
                Some(comment) => comment_line(comment, self.format),
                None => sample_line(line, self.format, &mut self.labels),
            };
            if matches!(parsed, Ok(Line::Eof)) {
                self.rest = "";
            }
            return Some(parsed.map_err(|problem| ParseError { line: number, problem }));
        }
    }
}

fn comment_line(comment: &str, format: Format) -> Result<Line<'_, '_>, &'static str> {
    let comment = comment.trim_start_matches([' ', '\t']);
    let (keyword, rest) = split_token(comment);
    match keyword {
        "EOF" if format == Format::OpenMetrics && rest.is_empty() => return Ok(Line::Eof),
        "HELP" | "TYPE" | "UNIT" => {}
        _ => return Ok(Line::Comment(comment)),
    }
    let (name, rest) = split_token(rest);
    if !is_metric_name(name) {
        return Err("the comment names no valid metric");
    }
    match keyword {
        "HELP" => Ok(Line::Help { name, text: rest }),
        "UNIT" => Ok(Line::Unit { name, unit: rest.trim_end_matches([' ', '\t']) }),
        _ => match Kind::from_name(rest.trim_end_matches([' ', '\t'])) {
            Some(kind) => Ok(Line::Type { name, kind }),
            None => Err("unknown metric type"),
        },
    }
}

/// The text up to the first blank, and what follows the blanks.
fn split_token(text: &str) -> (&str, &str) {
    match text.find([' ', '\t']) {
        Some(end) => {
            let (token, rest) = text.split_at(end);
            (token, rest.trim_start_matches([' ', '\t']))
        }
        None => (text, ""),
    }
}

fn sample_line<'a, 'p>(
    line: &'a str,
    format: Format,
    labels: &'p mut Vec<Label<'a>>,
) -> Result<Line<'a, 'p>, &'static str> {
    let name_end =
        line.bytes().position(|byte| !is_name_byte(byte, true)).ok_or("the sample has no value")?;
    let (name, rest) = line.split_at(name_end);
    if !is_metric_name(name) {
        return Err("the line starts with no valid metric name");
    }
    labels.clear();
    let rest = rest.trim_start_matches([' ', '\t']);
    let rest = match rest.strip_prefix('{') {
        Some(inside) => read_labels(inside, labels)?.trim_start_matches([' ', '\t']),
        None if rest.len() == line.len() - name_end => return Err("unexpected character in the metric name"),
        None => rest,
    };
    let (value_text, rest) = split_token(rest);
    let value = parse_value(value_text)?;
    let rest = match (format, rest.strip_prefix('#')) {
        (Format::OpenMetrics, Some(_)) => "", // an exemplar without a timestamp before it
        _ => rest,
    };
    let (timestamp, rest) = split_token(rest);
    let timestamp_milliseconds = match (timestamp.is_empty(), format) {
        (true, _) => None,
        (false, Format::Text) => Some(timestamp.parse().map_err(|_| "the timestamp is not a whole number")?),
        (false, Format::OpenMetrics) => Some(parse_seconds(timestamp)?),
    };
    let exemplar = format == Format::OpenMetrics && rest.starts_with('#');
    if !rest.is_empty() && !exemplar {
        return Err("unexpected text after the timestamp");
    }
    Ok(Line::Sample(Sample { name, labels, value, value_text, timestamp_milliseconds }))
}

/// Reads labels up to and including the closing brace; gives what follows.
fn read_labels<'a>(text: &'a str, labels: &mut Vec<Label<'a>>) -> Result<&'a str, &'static str> {
    let mut rest = text;
    loop {
        rest = rest.trim_start_matches([' ', '\t']);
        if let Some(after) = rest.strip_prefix('}') {
            return Ok(after);
        }
        let name_end =
            rest.bytes().position(|byte| !is_name_byte(byte, false)).ok_or("the labels do not end")?;
        let (name, after) = rest.split_at(name_end);
        if !is_label_name(name) {
            return Err("not a label name");
        }
        let after = after.trim_start_matches([' ', '\t']).strip_prefix('=').ok_or("a label has no value")?;
        let after =
            after.trim_start_matches([' ', '\t']).strip_prefix('"').ok_or("a label value is not quoted")?;
        let value_end = closing_quote(after).ok_or("a label value does not end")?;
        let (escaped_value, after) = after.split_at(value_end);
        if labels.len() == MAX_LABELS {
            return Err("more than 128 labels");
        }
        if labels.iter().any(|label| label.name == name) {
            return Err("a label name comes twice");
        }
        labels.push(Label { name, escaped_value });
        let after = after.strip_prefix('"').unwrap_or(after).trim_start_matches([' ', '\t']);
        rest = match after.strip_prefix(',') {
            Some(next) => next,
            None if after.starts_with('}') => after,
            None => return Err("no comma or brace after a label value"),
        };
    }
}

/// The index of the first quote that no backslash escapes.
fn closing_quote(text: &str) -> Option<usize> {
    let bytes = text.as_bytes();
    let mut from = 0;
    loop {
        let at = from + memchr::memchr2(b'"', b'\\', bytes.get(from..)?)?;
        if bytes.get(at) == Some(&b'"') {
            return Some(at);
        }
        from = at + 2;
    }
}

fn parse_value(text: &str) -> Result<f64, &'static str> {
    if text.is_empty() {
        return Err("the sample has no value");
    }
    text.parse().map_err(|_| "the value is not a number")
}

/// OpenMetrics timestamps are seconds with an optional fraction; below a millisecond is cut off.
fn parse_seconds(text: &str) -> Result<i64, &'static str> {
    let milliseconds = text.parse::<f64>().map_err(|_| "the timestamp is not a number")? * 1000.0;
    if !milliseconds.is_finite() || milliseconds.abs() >= i64::MAX as f64 {
        return Err("the timestamp is out of range");
    }
    Ok(milliseconds.round() as i64)
}

/// Whether `name` matches `[a-zA-Z_:][a-zA-Z0-9_:]*`.
pub fn is_metric_name(name: &str) -> bool {
    is_name(name, true)
}

/// Whether `name` matches `[a-zA-Z_][a-zA-Z0-9_]*`.
pub fn is_label_name(name: &str) -> bool {
    is_name(name, false)
}

fn is_name(name: &str, colons: bool) -> bool {
    !name.is_empty()
        && !name.starts_with(|first: char| first.is_ascii_digit())
        && name.bytes().all(|byte| is_name_byte(byte, colons))
}

const fn is_name_byte(byte: u8, colons: bool) -> bool {
    byte.is_ascii_alphanumeric() || byte == b'_' || (colons && byte == b':')
}

#[cfg(test)]
mod tests;

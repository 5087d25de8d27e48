//! What one file has, family by family.

use std::collections::HashMap;

use crate::exposition::{Format, Kind, Line, Parser};

#[derive(Clone, Debug)]
pub(super) struct Sample {
    /// What its name has behind the family's.
    pub(super) suffix: &'static str,
    /// Sorted by name, none empty.
    pub(super) labels: Vec<(String, String)>,
    pub(super) value: f64,
}

/// A family as one file has it.
#[derive(Debug)]
pub(super) struct Part {
    pub(super) name: String,
    pub(super) help: Option<String>,
    pub(super) kind: Option<Kind>,
    pub(super) samples: Vec<Sample>,
}

/// Reads one file.
///
/// # Errors
/// A sentence with the line's number. A file that can't be read as a whole is not used at all, nor one whose last
/// line does not end: it may be on its way to the disk, with `12` where there will be `123`.
pub(super) fn parse(text: &str) -> Result<Vec<Part>, String> {
    if !text.is_empty() && !text.ends_with('\n') {
        return Err(format!("line {}: no line feed at its end, is the file complete?", text.lines().count()));
    }
    let mut parts = Parts::default();
    let mut parser = Parser::new(text, Format::Text);
    while let Some(line) = parser.next() {
        let line = line.map_err(|error| error.to_string())?;
        let outcome = parts.take(line);
        outcome.map_err(|problem| format!("line {}: {problem}", parser.line()))?;
    }
    Ok(parts.list)
}

#[derive(Default)]
struct Parts {
    list: Vec<Part>,
    by_name: HashMap<String, usize>,
}

impl Parts {
    fn take(&mut self, line: Line<'_, '_>) -> Result<(), &'static str> {
        match line {
            Line::Help { name, text } => {
                let part = self.part(name);
                if part.help.is_some() {
                    return Err("a second HELP line for the same metric");
                }
                part.help = Some(unescape_help(text));
            }
            Line::Type { kind: Kind::Info | Kind::StateSet | Kind::GaugeHistogram, .. } => {
                return Err("a type that the text format does not have");
            }
            Line::Type { name, kind } => {
                let part = self.part(name);
                if part.kind.is_some() {
                    return Err("a second TYPE line for the same metric");
                }
                if !part.samples.is_empty() {
                    return Err("a TYPE line behind samples of the metric");
                }
                part.kind = Some(kind);
            }
            Line::Sample(sample) => {
                if sample.timestamp_milliseconds.is_some() {
                    return Err("timestamps are not allowed here, a scrape has one of its own");
                }
                let mut labels: Vec<(String, String)> = sample
                    .labels
                    .iter()
                    .map(|label| (label.name.to_owned(), label.value().into_owned()))
                    .filter(|(_, value)| !value.is_empty())
                    .collect();
                labels.sort();
                let (index, suffix) = self.family_of(sample.name);
                self.list[index].samples.push(Sample { suffix, labels, value: sample.value });
            }
            Line::Unit { .. } | Line::Comment(_) | Line::Eof => {}
        }
        Ok(())
    }

    fn part(&mut self, name: &str) -> &mut Part {
        let index = self.index(name);
        &mut self.list[index]
    }

    fn index(&mut self, name: &str) -> usize {
        if let Some(&index) = self.by_name.get(name) {
            return index;
        }
        self.by_name.insert(name.to_owned(), self.list.len());
        self.list.push(Part { name: name.to_owned(), help: None, kind: None, samples: Vec::new() });
        self.list.len() - 1
    }

    /// The family that a sample belongs to, and what its name has behind the family's.
    fn family_of(&mut self, sample: &str) -> (usize, &'static str) {
        part_of(sample, &self.by_name, |index| self.list[index].kind)
            .unwrap_or_else(|| (self.index(sample), ""))
    }
}

/// The place of the histogram or summary that `sample` is a part of, and what its name has behind the family's.
pub(super) fn part_of(
    sample: &str,
    by_name: &HashMap<String, usize>,
    kind: impl Fn(usize) -> Option<Kind>,
) -> Option<(usize, &'static str)> {
    ["_bucket", "_sum", "_count"].into_iter().find_map(|suffix| {
        let index = *by_name.get(sample.strip_suffix(suffix)?)?;
        match kind(index)? {
            Kind::Histogram => Some((index, suffix)),
            Kind::Summary if suffix != "_bucket" => Some((index, suffix)),
            _ => None,
        }
    })
}

/// Undoes the two escapes of help texts.
fn unescape_help(text: &str) -> String {
    let mut plain = String::with_capacity(text.len());
    let mut rest = text.chars();
    while let Some(character) = rest.next() {
        match (character, rest.clone().next()) {
            ('\\', Some('\\')) => {
                plain.push('\\');
                rest.next();
            }
            ('\\', Some('n')) => {
                plain.push('\n');
                rest.next();
            }
            (other, _) => plain.push(other),
        }
    }
    plain
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_spoils_a_file() {
        for (text, want) in [
            (
                "x 1\ny 2 1700000000000\n",
                "line 2: timestamps are not allowed here, a scrape has one of its own",
            ),
            ("x 1\n# TYPE x gauge\n", "line 2: a TYPE line behind samples of the metric"),
            ("# TYPE x gauge\n# TYPE x gauge\n", "line 2: a second TYPE line for the same metric"),
            ("# TYPE x info\n", "line 1: a type that the text format does not have"),
            ("# HELP x\n# HELP x\n", "line 2: a second HELP line for the same metric"),
            ("x\n", "line 1: the sample has no value"),
            ("x 1\ny 12", "line 2: no line feed at its end, is the file complete?"),
        ] {
            assert_eq!(parse(text).unwrap_err(), want, "{text:?}");
        }
    }

    #[test]
    fn a_text_cut_anywhere_gives_an_error_or_its_beginning() {
        let text = "# HELP x A.\n# TYPE x summary\nx{quantile=\"0.5\",a=\"\\\\\"} 1\nx_sum 2e+06\n";
        for end in 0..text.len() {
            let text = text.get(..end).unwrap();
            let complete = text.is_empty() || text.ends_with('\n');
            let samples = parse(text).map(|parts| parts.iter().map(|part| part.samples.len()).sum::<usize>());
            assert_eq!(samples.ok(), complete.then(|| text.matches("} ").count()), "cut at {end}");
        }
    }
}

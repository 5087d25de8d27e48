//! A page of samples as maps, for comparing.

use std::collections::BTreeMap;
use std::fmt;

use vitals::exposition::{Format, Kind, Line, Parser};

/// A series: its name and its labels without the empty ones, which mean the same as absent ones.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Series {
    /// The sample's name.
    pub name: String,
    /// Label names and values, sorted.
    pub labels: BTreeMap<String, String>,
}

impl Series {
    /// A series of this name and these labels.
    pub fn new(name: &str, labels: impl IntoIterator<Item = (String, String)>) -> Self {
        let labels = labels.into_iter().filter(|(_, value)| !value.is_empty()).collect();
        Self { name: name.to_owned(), labels }
    }

    /// The same series without the label `name`.
    pub fn without(mut self, name: &str) -> Self {
        self.labels.remove(name);
        self
    }

    /// The value of a label, empty where there is none.
    pub fn label(&self, name: &str) -> &str {
        self.labels.get(name).map_or("", String::as_str)
    }
}

impl fmt::Display for Series {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(out, "{}{:?}", self.name, self.labels)
    }
}

/// One scraped page.
#[derive(Clone, Debug, Default)]
pub struct Page {
    /// The types as the page gives them.
    pub kinds: BTreeMap<String, Kind>,
    /// The values; a series that comes twice is an error.
    pub samples: BTreeMap<Series, f64>,
}

impl Page {
    /// Reads a page in the text format; any bad line fails.
    pub fn read(text: &str) -> Self {
        Self::try_read(text).unwrap_or_else(|problem| panic!("{problem}"))
    }

    /// The same with the first bad line as an error.
    pub fn try_read(text: &str) -> Result<Self, String> {
        let mut page = Self::default();
        let mut parser = Parser::new(text, Format::Text);
        while let Some(line) = parser.next() {
            match line.map_err(|error| error.to_string())? {
                Line::Type { name, kind } => {
                    let before = page.kinds.insert(name.to_owned(), kind);
                    before.map_or(Ok(()), |_| Err(format!("two types for {name}")))?;
                }
                Line::Sample(sample) => {
                    let series = series_of(&sample);
                    let before = page.samples.insert(series.clone(), sample.value);
                    before.map_or(Ok(()), |_| Err(format!("{series} comes twice")))?;
                }
                _ => {}
            }
        }
        Ok(page)
    }

    /// The only sample of the family `name`.
    pub fn single(&self, name: &str) -> f64 {
        let mut values = self.of(name).map(|(_, value)| value);
        let value = values.next().unwrap_or_else(|| panic!("no {name} on the page"));
        assert_eq!(values.next(), None, "{name} has more than one sample");
        value
    }

    /// All samples called `name`.
    pub fn of<'p>(&'p self, name: &'p str) -> impl Iterator<Item = (&'p Series, f64)> {
        self.samples
            .iter()
            .filter(move |(series, _)| series.name == name)
            .map(|(series, value)| (series, *value))
    }
}

/// The series that a parsed sample belongs to.
pub fn series_of(sample: &vitals::exposition::Sample<'_, '_>) -> Series {
    let labels = sample.labels.iter().map(|label| (label.name.to_owned(), label.value().into_owned()));
    Series::new(sample.name, labels)
}

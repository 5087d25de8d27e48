//! What the exported samples look like.

mod csv;
mod jsonl;
mod openmetrics;
mod wide;

use std::io::{self, Write};

use jiff::Timestamp;

use crate::scrape_log::files::{Metadata, Sample, parse_series};

pub(super) use csv::Csv;
pub(super) use jsonl::Jsonl;
pub(super) use openmetrics::OpenMetrics;
pub(super) use wide::{Columns, Wide};

/// The values of `--format`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Format {
    OpenMetrics,
    Csv,
    CsvWide,
    Jsonl,
}

impl Format {
    pub(super) const NAMES: [(&str, Self); 4] = [
        ("openmetrics", Self::OpenMetrics),
        ("csv", Self::Csv),
        ("csv-wide", Self::CsvWide),
        ("jsonl", Self::Jsonl),
    ];

    /// What names of files end in.
    pub(super) fn extension(self) -> &'static str {
        match self {
            Self::OpenMetrics => "om",
            Self::Csv | Self::CsvWide => "csv",
            Self::Jsonl => "jsonl",
        }
    }
}

/// Takes samples: those of one target after those of another, each target's in the order of their time.
pub(super) trait Sink {
    /// Takes a sample of a time in milliseconds since 1970 UTC.
    fn sample(&mut self, time: i64, sample: &Sample<'_>, metadata: &Metadata) -> io::Result<()>;

    /// What follows is of another target or another window.
    fn end_of_target(&mut self) -> io::Result<()> {
        Ok(())
    }

    /// Nothing follows.
    fn finish(&mut self) -> io::Result<()>;
}

/// The parts of a series, as tables have them. A label that is not there is empty.
#[derive(Debug, Default)]
struct Parts {
    name: String,
    job: String,
    instance: String,
    /// The other labels with their braces, escaped as in the files; empty where there is none.
    labels: String,
}

impl Parts {
    /// Takes apart a series that is known to be sound.
    fn of(series: &[u8]) -> Self {
        let parts = parse_series(series, |parsed| {
            let label = |name| parsed.label(name).unwrap_or_default().into_owned();
            let mut labels = String::new();
            for other in parsed.labels.iter().filter(|label| !matches!(label.name, "job" | "instance")) {
                labels.push(if labels.is_empty() { '{' } else { ',' });
                labels.extend([other.name, "=\"", other.escaped_value, "\""]);
            }
            if !labels.is_empty() {
                labels.push('}');
            }
            Self { name: parsed.name.to_owned(), job: label("job"), instance: label("instance"), labels }
        });
        debug_assert!(parts.is_ok(), "only sound series get here");
        parts.unwrap_or_default()
    }
}

/// A time as RFC 3339 in UTC with milliseconds.
pub(super) fn rfc3339(time: i64) -> String {
    // What a timestamp can't hold is beyond the year 9999.
    Timestamp::from_millisecond(time).unwrap_or_default().strftime("%Y-%m-%dT%H:%M:%S%.3fZ").to_string()
}

/// A table writer keeps what kind of error the output had.
fn table_error(error: ::csv::Error) -> io::Error {
    match error.into_kind() {
        ::csv::ErrorKind::Io(error) => error,
        other => io::Error::other(format!("{other:?}")),
    }
}

/// A writer of tables. Its own buffer is for records, the output's for the disk.
fn table_writer(out: &mut dyn Write) -> ::csv::Writer<&mut dyn Write> {
    ::csv::Writer::from_writer(out)
}

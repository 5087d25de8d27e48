//! `--format jsonl`: the lines that VictoriaMetrics takes at [`/api/v1/import`], a series with many samples each.
//!
//! [`/api/v1/import`]: https://docs.victoriametrics.com/victoriametrics/single-server-victoriametrics/#how-to-import-data-in-json-line-format

use std::io::{self, Write};

use super::Sink;
use crate::base::json;
use crate::exposition::write_value;
use crate::scrape_log::files::{Metadata, Sample, parse_series};
use crate::scrape_log::tools::export::table::Table;

/// How much is collected before lines are written.
const BATCH_BYTES: usize = 8 << 20;

pub(in crate::scrape_log::tools::export) struct Jsonl<'a> {
    out: &'a mut dyn Write,
    series: Table<Collected>,
    bytes: usize,
}

/// The samples of one series that are not written yet.
struct Collected {
    /// `{"metric":{…}`.
    metric: String,
    values: Vec<u8>,
    timestamps: Vec<u8>,
}

impl<'a> Jsonl<'a> {
    pub(in crate::scrape_log::tools::export) fn new(out: &'a mut dyn Write) -> Self {
        Self { out, series: Table::default(), bytes: 0 }
    }

    fn write_lines(&mut self) -> io::Result<()> {
        for (_, collected) in self.series.rows() {
            let Collected { metric, values, timestamps } = collected;
            for part in
                [metric.as_bytes(), b",\"values\":[", values, b"],\"timestamps\":[", timestamps, b"]}\n"]
            {
                self.out.write_all(part)?;
            }
        }
        self.series = Table::default();
        self.bytes = 0;
        Ok(())
    }
}

impl Sink for Jsonl<'_> {
    fn sample(&mut self, time: i64, sample: &Sample<'_>, _: &Metadata) -> io::Result<()> {
        let mut new = 0;
        let collected = self.series.entry(sample.series, || {
            let metric = metric(sample.series);
            // What the table itself takes for a series is not little.
            new = metric.len() + sample.series.len() + 200;
            Collected { metric, values: Vec::new(), timestamps: Vec::new() }
        });
        let Some(Collected { values, timestamps, .. }) = collected else { return Ok(()) };
        if !values.is_empty() {
            values.push(b',');
            timestamps.push(b',');
        }
        push_value(values, sample.value);
        timestamps.extend_from_slice(itoa::Buffer::new().format(time).as_bytes());
        self.bytes += new + sample.value.len() + 16;
        if self.bytes > BATCH_BYTES { self.write_lines() } else { Ok(()) }
    }

    fn end_of_target(&mut self) -> io::Result<()> {
        self.write_lines()
    }

    fn finish(&mut self) -> io::Result<()> {
        self.write_lines()
    }
}

fn metric(series: &[u8]) -> String {
    let mut text = String::from("{\"metric\":{\"__name__\":");
    let read = parse_series(series, |parsed| {
        json::string(&mut text, parsed.name);
        for label in parsed.labels {
            text.push(',');
            json::string(&mut text, label.name);
            text.push(':');
            json::string(&mut text, &label.value());
        }
    });
    debug_assert_eq!(read, Ok(()), "only sound series get here");
    text.push('}');
    text
}

/// A value. The words for what is no number in JSON, which are those of the files, are all that every release of
/// VictoriaMetrics reads: it refuses a line with `null` or `"Infinity"` up to 1.79 at least.
fn push_value(out: &mut Vec<u8>, value: &[u8]) {
    // Digits alone are JSON as they are, and most of what there is; `+1` and `.5` would not be.
    let digits = value.iter().all(u8::is_ascii_digit) && (value.len() == 1 || value.first() != Some(&b'0'));
    match str::from_utf8(value).ok().and_then(|text| text.parse().ok()) {
        Some(number) if !digits => write_value(out, number),
        _ => out.extend_from_slice(value),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_long_series_is_cut_into_lines() {
        let mut out = Vec::new();
        let mut sink = Jsonl::new(&mut out);
        let count = BATCH_BYTES as i64 / 10;
        for time in 0..count {
            let sample = Sample { series: b"a{x=\"1\"}", value: b"0.5", timestamp: b"" };
            sink.sample(time, &sample, &Metadata::default()).unwrap();
        }
        sink.finish().unwrap();
        let mut times = Vec::new();
        let text = String::from_utf8(out).unwrap();
        for line in text.lines() {
            let line: serde_json::Value = serde_json::from_str(line).unwrap();
            assert_eq!(line["metric"], serde_json::json!({"__name__": "a", "x": "1"}));
            let list = |key: &str| line[key].as_array().unwrap().clone();
            assert_eq!(list("values").len(), list("timestamps").len());
            times.extend(list("timestamps").iter().map(|time| time.as_i64().unwrap()));
        }
        assert_eq!(text.lines().count(), 2);
        assert!(times.into_iter().eq(0..count));
    }

    #[test]
    fn values_are_json_or_the_words_that_are_read() {
        for (value, want) in [
            ("0", "0"),
            ("007", "7"),
            ("+5", "5"),
            (".5", "0.5"),
            ("1e6", "1e+06"),
            ("-0", "-0"),
            ("NaN", "NaN"),
            ("+Inf", "+Inf"),
            ("-Inf", "-Inf"),
        ] {
            let mut out = Vec::new();
            push_value(&mut out, value.as_bytes());
            assert_eq!(String::from_utf8(out).unwrap(), want, "{value}");
        }
    }
}

//! What the program itself says in the samples file: the header, notes, and the samples about each scrape.

use std::time::Duration;

use super::{Lines, Summary, push_seconds};
use crate::base::json;
use crate::exposition::write_value;

/// The name of the last sample of a scrape.
pub(in crate::scrape_log) const COMMIT_MARK: &str = "scrape_samples_post_metric_relabeling";
/// How many samples there are about each scrape, the commit mark included.
pub(in crate::scrape_log) const SYNTHETIC_SAMPLES: usize = SAMPLES.len();

/// The names that Prometheus gives to the samples about a scrape, with their help.
const SAMPLES: [(&str, &str); 5] = [
    ("up", "1 if the scrape worked, 0 if it failed."),
    ("scrape_duration_seconds", "Time that the scrape took."),
    ("scrape_response_size_bytes", "Size of the page without compression."),
    ("scrape_samples_scraped", "Samples in the page."),
    (COMMIT_MARK, "Samples of the page that were written. The last line of each scrape."),
];

/// Whether a page's name would pass for the program's own.
pub(super) fn is_reserved(name: &str) -> bool {
    name.starts_with("scrapelog_") || SAMPLES.iter().any(|(own, _)| *own == name)
}

impl Lines {
    /// What a file begins with: where it comes from, and metadata of the samples about scrapes.
    pub(super) fn write_header(&mut self) {
        let mut json = String::from("{\"v\":1,\"tool\":");
        json::string(&mut json, concat!("scrape-log ", env!("CARGO_PKG_VERSION")));
        for (key, value) in [(",\"job\":", &self.job), (",\"target\":", &self.target)] {
            json.push_str(key);
            json::string(&mut json, value);
        }
        json.push_str(",\"interval\":");
        self.push_lines(&["# HELP scrapelog_file ", &json]);
        write_value(&mut self.record, self.interval.as_secs_f64());
        self.push_lines(&["}\n# TYPE scrapelog_file unknown\n"]);
        for (name, help) in SAMPLES {
            self.push_lines(&["# HELP ", name, " ", help, "\n# TYPE ", name, " gauge\n"]);
        }
    }

    /// A remark for the file's reader, which is no sample.
    pub(super) fn write_note(&mut self, timestamp_milliseconds: i64, text: &str) {
        self.push_lines(&["# HELP scrapelog_error {\"ts\":"]);
        push_seconds(&mut self.record, timestamp_milliseconds);
        let mut json = String::from(",\"err\":");
        json::string(&mut json, text);
        self.push_lines(&[&json, "}\n"]);
    }

    /// The samples about the scrape, the commit mark last.
    pub(super) fn write_synthetic(&mut self, duration: Duration, size_bytes: usize, summary: &Summary) {
        let up = summary.error.is_none();
        let (size_bytes, scraped) = if up { (size_bytes, summary.scraped) } else { (0, 0) };
        let seconds = duration.as_micros() as f64 / 1e6;
        let values = [f64::from(u8::from(up)), seconds];
        let counts = [size_bytes, scraped, summary.written];
        for ((name, _), value) in SAMPLES.iter().zip(values) {
            self.start_synthetic(name);
            write_value(&mut self.record, value);
            self.record.extend_from_slice(&self.end_of_line);
        }
        for ((name, _), count) in SAMPLES.iter().skip(values.len()).zip(counts) {
            self.start_synthetic(name);
            self.record.extend_from_slice(itoa::Buffer::new().format(count).as_bytes());
            self.record.extend_from_slice(&self.end_of_line);
        }
    }

    fn start_synthetic(&mut self, name: &str) {
        self.record.extend_from_slice(name.as_bytes());
        self.record.extend_from_slice(&self.labels);
        self.record.extend_from_slice(b"} ");
    }

    fn push_lines(&mut self, parts: &[&str]) {
        for part in parts {
            self.record.extend_from_slice(part.as_bytes());
        }
    }
}

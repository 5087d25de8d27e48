//! What the program itself says in the samples file: the header, notes, and the samples about each scrape.

use std::time::Duration;

use super::{Lines, Summary, Workspace, push_seconds};
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
    pub(super) fn write_header(&self, workspace: &mut Workspace) {
        let labels = &self.speller.rules().labels;
        let mut json = String::from("{\"v\":1,\"tool\":");
        json::string(&mut json, concat!("scrape-log ", env!("CARGO_PKG_VERSION")));
        for (key, value) in [(",\"job\":", labels.get("job")), (",\"target\":", &self.url)] {
            json.push_str(key);
            json::string(&mut json, value);
        }
        json.push_str(",\"labels\":{");
        for (index, (name, value)) in labels.iter().enumerate() {
            json.push_str(if index == 0 { "" } else { "," });
            json::string(&mut json, name);
            json.push(':');
            json::string(&mut json, value);
        }
        json.push_str("},\"interval\":");
        workspace.push(&["# HELP scrapelog_file ", &json]);
        write_value(&mut workspace.record, self.interval.as_secs_f64());
        workspace.push(&["}\n# TYPE scrapelog_file unknown\n"]);
        for (name, help) in SAMPLES {
            workspace.push(&["# HELP ", name, " ", help, "\n# TYPE ", name, " gauge\n"]);
        }
    }

    /// The samples about the scrape, the commit mark last.
    pub(super) fn write_synthetic(
        &self,
        workspace: &mut Workspace,
        duration: Duration,
        size_bytes: usize,
        summary: &Summary,
    ) {
        let up = summary.error.is_none();
        let (size_bytes, scraped) = if up { (size_bytes, summary.scraped) } else { (0, 0) };
        let seconds = duration.as_micros() as f64 / 1e6;
        let values = [f64::from(u8::from(up)), seconds];
        let counts = [size_bytes, scraped, summary.written];
        let Workspace { record, end_of_line, .. } = workspace;
        let start = |record: &mut Vec<u8>, name: &str| {
            record.extend_from_slice(name.as_bytes());
            match self.speller.head() {
                b"{" => record.push(b' '),
                head => {
                    record.extend_from_slice(head);
                    record.extend_from_slice(b"} ");
                }
            }
        };
        for ((name, _), value) in SAMPLES.iter().zip(values) {
            start(record, name);
            write_value(record, value);
            record.extend_from_slice(end_of_line);
        }
        for ((name, _), count) in SAMPLES.iter().skip(values.len()).zip(counts) {
            start(record, name);
            record.extend_from_slice(itoa::Buffer::new().format(count).as_bytes());
            record.extend_from_slice(end_of_line);
        }
    }
}

impl Workspace {
    /// A remark for the file's reader, which is no sample.
    pub(super) fn write_note(&mut self, timestamp_milliseconds: i64, text: &str) {
        self.push(&["# HELP scrapelog_error {\"ts\":"]);
        push_seconds(&mut self.record, timestamp_milliseconds);
        let mut json = String::from(",\"err\":");
        json::string(&mut json, text);
        self.push(&[&json, "}\n"]);
    }
}

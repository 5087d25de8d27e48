//! From a scraped page to the lines of the samples file.
//!
//! What is written is the part of OpenMetrics 1.0 that `promtool tsdb create-blocks-from openmetrics` and
//! VictoriaMetrics' `/api/v1/import/prometheus` both take:
//!
//! - one blank between tokens, none inside labels, no trailing comma, `\n` alone at line ends, valid UTF-8;
//! - every sample carries the target's labels and the scrape's own timestamp as `seconds.mmm`; no exemplars, no
//!   `_created` samples;
//! - no comments but `# HELP`, `# TYPE` and `# UNIT`; notes are `# HELP scrapelog_… {json}`;
//! - a series comes at most once in a scrape; labels are sorted and empty ones left out, so that two spellings
//!   of a series are one;
//! - the last line of a scrape is `scrape_samples_post_metric_relabeling`, whose value is the number of the
//!   page's samples that were written. With it a reader knows that the scrape is whole, see
//!   `store::recover`. Names that this program writes itself get `exported_` put before them
//!   when they come from a page.
//!
//! Nearly all lines of a page are those of the page before but for the value, and are not read again: see `plan`.

mod labels;
mod page;
mod plan;
mod series;
mod synthetic;
mod value;

pub(super) use series::Rules;
pub(super) use synthetic::{COMMIT_MARK, SYNTHETIC_SAMPLES};

use std::borrow::Cow;
use std::time::Duration;

use crate::exposition::Format;
use crate::vitals::Observation;
use page::{Refusal, Walk};
use plan::{Plan, Scratch};
use series::Speller;

/// The most that one scrape may add to the file. A page of 16 MiB with very short lines could come to 20 times
/// its size once every line has its labels.
const MAX_SCRAPE_BYTES: usize = 32 << 20;
/// A buffer that grew beyond this is not kept for the next scrape.
pub(super) const KEPT_BUFFER_BYTES: usize = 1 << 20;
/// As many series as lines of a usual length fill such a buffer with.
const KEPT_SERIES: usize = 16 << 10;

/// Makes lines of the pages of one target, one scrape at a time.
#[derive(Debug)]
pub(super) struct Lines {
    url: String,
    interval: Duration,
    speller: Speller,
    plan: Plan,
    /// The file does not have the comments of the plan's page.
    metadata_due: bool,
}

/// What it takes to make lines. One serves all targets, which take turns.
#[derive(Debug, Default)]
pub(super) struct Workspace {
    /// The scrape under construction.
    record: Vec<u8>,
    scratch: Scratch,
    /// ` seconds.mmm\n`, the end of every sample line.
    end_of_line: Vec<u8>,
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
    /// It failed for a cap of its job.
    pub(super) is_beyond_limit: bool,
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

impl Workspace {
    /// The lines of the last call of [`Lines::write`].
    pub(super) fn record(&self) -> &[u8] {
        &self.record
    }

    /// Lets go of the lines, and of the memory that one large page took.
    pub(super) fn give_memory_back(&mut self) {
        self.record.clear();
        release(&mut self.record);
        self.scratch.shrink(KEPT_SERIES);
    }

    fn set_timestamp(&mut self, milliseconds: i64) {
        self.end_of_line.clear();
        self.end_of_line.push(b' ');
        push_seconds(&mut self.end_of_line, milliseconds);
        self.end_of_line.push(b'\n');
    }

    fn push(&mut self, parts: &[&str]) {
        for part in parts {
            self.record.extend_from_slice(part.as_bytes());
        }
    }
}

impl Lines {
    /// For the target at `url`, scraped each `interval`.
    pub(super) fn new(url: String, interval: Duration, rules: Rules) -> Self {
        Self { url, interval, speller: Speller::new(rules), plan: Plan::default(), metadata_due: true }
    }

    /// Goes on by other rules.
    pub(super) fn set_rules(&mut self, rules: Rules) {
        if *self.speller.rules() != rules {
            self.speller = Speller::new(rules);
            self.plan.clear();
        }
    }

    /// Has the metadata written again with the next scrape, after what was made last did not get into the file.
    pub(super) fn forget_metadata(&mut self) {
        self.metadata_due = true;
    }

    /// Makes the lines of one scrape. `first_in_file` puts the file's header before them, `note` is something the
    /// file's reader should know. The page's samples are shown to `observation`.
    pub(super) fn write(
        &mut self,
        workspace: &mut Workspace,
        scrape: &Scrape<'_>,
        first_in_file: bool,
        note: Option<&str>,
        observation: &mut Observation,
    ) -> Summary {
        workspace.record.clear();
        workspace.set_timestamp(scrape.timestamp_milliseconds);
        observation.clear();
        if first_in_file {
            self.metadata_due = true;
            self.write_header(workspace);
        }
        if let Some(note) = note {
            workspace.write_note(scrape.timestamp_milliseconds, note);
        }
        let start = workspace.record.len();
        let mut summary = Summary::default();
        let read = match scrape.page {
            Ok((page, format)) => {
                let walk = Walk::new(&mut self.plan, workspace, &mut self.speller, self.metadata_due, format);
                walk.write(page, &mut summary, observation)
            }
            Err(error) => Err(Refusal { problem: error.to_owned(), is_limit: false }),
        };
        match read {
            Ok(()) => self.metadata_due = false,
            Err(Refusal { problem, is_limit }) => {
                summary.error = Some(problem);
                summary.is_beyond_limit = is_limit;
                summary.written = 0;
                workspace.record.truncate(start);
                release(&mut workspace.record);
                observation.clear();
            }
        }
        observation.finish();
        if let Some(problem) = problem(&summary) {
            workspace.write_note(scrape.timestamp_milliseconds, &problem);
        }
        let size_bytes = scrape.page.map_or(0, |(page, _)| page.len());
        self.write_synthetic(workspace, scrape.duration, size_bytes, &summary);
        summary
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

#[cfg(test)]
mod tests;

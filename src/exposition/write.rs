//! Writing samples: families are streamed into one buffer and indexed, pages are assembled from the index.

use std::ops::Range;

use super::{Format, Kind, write_value};

/// A page of samples under construction. Reuse one value for many pages: [`Exposition::clear`] keeps the memory.
///
/// Families may come in any order and a family may be opened more than once; the rendered page is sorted by
/// family name with each family in one piece. Where two openings of a family disagree, the first one's help
/// and type win.
#[derive(Debug, Default)]
pub struct Exposition {
    /// Names, help texts (escaped) and finished sample lines, one after another; `families` says which is which.
    text: Vec<u8>,
    families: Vec<Entry>,
}

#[derive(Clone, Debug)]
struct Entry {
    name: Range<usize>,
    help: Range<usize>,
    samples: Range<usize>,
    kind: Kind,
}

/// A place in an [`Exposition`] to go back to, see [`Exposition::rollback`].
#[derive(Clone, Copy, Debug)]
pub struct Mark {
    text: usize,
    families: usize,
}

/// One open family. Each call of [`Family::sample`] appends a line.
#[derive(Debug)]
pub struct Family<'a> {
    text: &'a mut Vec<u8>,
    samples: &'a mut Range<usize>,
    name: Range<usize>,
}

impl Exposition {
    /// An empty page.
    pub fn new() -> Self {
        Self::default()
    }

    /// Forgets all samples and keeps the memory.
    pub fn clear(&mut self) {
        self.text.clear();
        self.families.clear();
    }

    /// Opens a family. A family that gets no sample does not appear on the page.
    pub fn family(&mut self, name: &str, help: &str, kind: Kind) -> Family<'_> {
        self.family_parts(&[name], &[help], kind)
    }

    /// Opens a family whose name and help are put together here from their parts.
    pub fn family_parts(&mut self, name_parts: &[&str], help_parts: &[&str], kind: Kind) -> Family<'_> {
        let start = self.text.len();
        for part in name_parts {
            self.text.extend_from_slice(part.as_bytes());
        }
        let name = start..self.text.len();
        debug_assert!(
            std::str::from_utf8(&self.text[name.clone()]).is_ok_and(super::is_metric_name),
            "not a metric name: {name_parts:?}"
        );
        for part in help_parts {
            escape_help(&mut self.text, part);
        }
        let samples = self.text.len()..self.text.len();
        self.families.push(Entry { name: name.clone(), help: name.end..samples.start, samples, kind });
        let last = self.families.len() - 1;
        Family { text: &mut self.text, samples: &mut self.families[last].samples, name }
    }

    /// Opens a family and writes its only sample, which has no labels.
    pub fn single(&mut self, name: &str, help: &str, kind: Kind, value: f64) {
        self.family(name, help, kind).sample(&[], value);
    }

    /// The present end of the page.
    pub fn mark(&self) -> Mark {
        Mark { text: self.text.len(), families: self.families.len() }
    }

    /// Takes back everything written since `mark`, a half-written line included.
    pub fn rollback(&mut self, mark: Mark) {
        self.text.truncate(mark.text);
        self.families.truncate(mark.families);
    }

    /// The number of bytes held, a good first guess for the size of the page.
    pub fn len(&self) -> usize {
        self.text.len()
    }

    /// Whether nothing has been written.
    pub fn is_empty(&self) -> bool {
        self.families.is_empty()
    }

    /// Whether a family of this name has samples.
    pub fn contains(&self, name: &str) -> bool {
        let is = |entry: &Entry| &self.text[entry.name.clone()] == name.as_bytes();
        self.families.iter().any(|entry| !entry.samples.is_empty() && is(entry))
    }

    /// Appends the whole page to `page`: families sorted by name, and for OpenMetrics the closing `# EOF`.
    ///
    /// OpenMetrics wants the samples of a counter to end in `_total` and names the family without it. A counter
    /// whose name does not, or whose family's name another one has, is given as `unknown` there, so that its series
    /// has the same name in both formats.
    pub fn render(&self, format: Format, page: &mut Vec<u8>) {
        self.render_selected(format, page, |_| true);
    }

    /// Like [`Exposition::render`], with only the families that `keep` says yes to.
    pub fn render_selected(&self, format: Format, page: &mut Vec<u8>, keep: impl Fn(&str) -> bool) {
        page.reserve(self.text.len() + self.families.len() * 24);
        self.render_in_pieces(format, page, keep, |_| ());
    }

    /// Like [`Exposition::render_selected`], and hands the page to `take` after each family, which may take away what
    /// there is.
    pub fn render_in_pieces(
        &self,
        format: Format,
        page: &mut Vec<u8>,
        keep: impl Fn(&str) -> bool,
        mut take: impl FnMut(&mut Vec<u8>),
    ) {
        let mut order: Vec<&Entry> = self
            .families
            .iter()
            .filter(|entry| !entry.samples.is_empty())
            .filter(|entry| std::str::from_utf8(&self.text[entry.name.clone()]).is_ok_and(&keep))
            .collect();
        order.sort_by(|a, b| self.text[a.name.clone()].cmp(&self.text[b.name.clone()]));
        let is_taken =
            |name| order.binary_search_by_key(&name, |entry| &self.text[entry.name.clone()]).is_ok();
        let mut previous: &[u8] = b"";
        for entry in &order {
            let name = &self.text[entry.name.clone()];
            if name != previous {
                let clashes = format == Format::OpenMetrics
                    && entry.kind == Kind::Counter
                    && name.strip_suffix(b"_total").is_some_and(is_taken);
                let kind = if clashes { Kind::Untyped } else { entry.kind };
                header(page, name, &self.text[entry.help.clone()], kind, format);
                previous = name;
            }
            page.extend_from_slice(&self.text[entry.samples.clone()]);
            take(page);
        }
        if format == Format::OpenMetrics {
            page.extend_from_slice(b"# EOF\n");
        }
    }
}

impl Family<'_> {
    /// Appends one sample. `labels` are pairs of name and value, sorted by name; a value need not be UTF-8: what
    /// is not becomes U+FFFD.
    pub fn sample(&mut self, labels: &[(&str, &[u8])], value: f64) {
        self.sample_with(labels.iter().copied(), value);
    }

    /// [`Family::sample`] with labels that are not at hand as a slice.
    pub fn sample_with<'l>(&mut self, labels: impl IntoIterator<Item = (&'l str, &'l [u8])>, value: f64) {
        self.text.extend_from_within(self.name.clone());
        let mut previous = "";
        for (name, value) in labels {
            debug_assert!(previous < name, "labels not sorted: {previous} before {name}");
            self.text.push(if previous.is_empty() { b'{' } else { b',' });
            previous = name;
            self.text.extend_from_slice(name.as_bytes());
            self.text.extend_from_slice(b"=\"");
            escape_label_value(self.text, value);
            self.text.push(b'"');
        }
        if !previous.is_empty() {
            self.text.push(b'}');
        }
        self.text.push(b' ');
        write_value(self.text, value);
        self.text.push(b'\n');
        self.samples.end = self.text.len();
    }

    /// Appends one sample without labels whose name is the family's with `suffix`, as summaries and histograms
    /// have (`_sum`, `_count`, `_bucket`).
    pub fn sample_with_suffix(&mut self, suffix: &str, labels: &[(&str, &[u8])], value: f64) {
        let line = self.text.len();
        self.sample(labels, value);
        let at = line + self.name.len();
        self.text.splice(at..at, suffix.bytes());
        self.samples.end = self.text.len();
    }
}

fn header(out: &mut Vec<u8>, name: &[u8], escaped_help: &[u8], kind: Kind, format: Format) {
    let (family, kind) = match (kind, format) {
        (Kind::Counter, Format::OpenMetrics) => match name.strip_suffix(b"_total") {
            Some(family) if !family.is_empty() => (family, Kind::Counter),
            _ => (name, Kind::Untyped),
        },
        _ => (name, kind),
    };
    out.extend_from_slice(b"# HELP ");
    out.extend_from_slice(family);
    out.push(b' ');
    if format == Format::OpenMetrics {
        // OpenMetrics escapes the double quote in help texts too; the text format does not.
        for &byte in escaped_help {
            if byte == b'"' {
                out.push(b'\\');
            }
            out.push(byte);
        }
    } else {
        out.extend_from_slice(escaped_help);
    }
    out.extend_from_slice(b"\n# TYPE ");
    out.extend_from_slice(family);
    out.push(b' ');
    out.extend_from_slice(kind.name(format).as_bytes());
    out.push(b'\n');
}

/// Appends a help text with backslash and newline escaped.
fn escape_help(out: &mut Vec<u8>, help: &str) {
    escape(out, help.as_bytes(), b"\\\n");
}

/// Appends a label value with backslash, double quote and newline escaped and invalid UTF-8 as U+FFFD.
pub fn escape_label_value(out: &mut Vec<u8>, value: &[u8]) {
    match std::str::from_utf8(value) {
        Ok(_) => escape(out, value, b"\\\"\n"),
        Err(_) => escape(out, String::from_utf8_lossy(value).as_bytes(), b"\\\"\n"),
    }
}

fn escape(out: &mut Vec<u8>, text: &[u8], special: &[u8]) {
    if !text.iter().any(|byte| special.contains(byte)) {
        return out.extend_from_slice(text);
    }
    for &byte in text {
        if special.contains(&byte) {
            out.push(b'\\');
            out.push(if byte == b'\n' { b'n' } else { byte });
        } else {
            out.push(byte);
        }
    }
}

/// Appends slices one after another, with one look at the space for all of them. It belongs here for the sake of speed:
/// this package alone is built for it.
#[inline]
pub fn push_parts<const N: usize>(out: &mut Vec<u8>, parts: [&[u8]; N]) {
    out.reserve(parts.iter().map(|part| part.len()).sum());
    for part in parts {
        out.extend_from_slice(part);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn page(exposition: &Exposition, format: Format) -> String {
        let mut page = Vec::new();
        exposition.render(format, &mut page);
        String::from_utf8(page).unwrap()
    }

    #[test]
    fn sorts_families_and_joins_their_pieces() {
        let mut out = Exposition::new();
        out.family("b", "Second.", Kind::Gauge).sample(&[("x", b"1")], 1.0);
        out.single("a_total", "First \\ with\nbreak.", Kind::Counter, 2e6);
        out.family("b", "Other help.", Kind::Counter).sample(&[("x", b"q\"\\\n\xff")], 0.5);
        out.family("empty", "Not shown.", Kind::Gauge);
        assert!(out.contains("b") && !out.contains("empty"));
        assert_eq!(
            page(&out, Format::Text),
            "# HELP a_total First \\\\ with\\nbreak.\n# TYPE a_total counter\na_total 2e+06\n\
             # HELP b Second.\n# TYPE b gauge\nb{x=\"1\"} 1\nb{x=\"q\\\"\\\\\\n\u{fffd}\"} 0.5\n"
        );
        assert!(page(&out, Format::OpenMetrics).starts_with("# HELP a First"));
        assert!(page(&out, Format::OpenMetrics).ends_with("0.5\n# EOF\n"));
    }

    #[test]
    fn openmetrics_keeps_the_names_of_odd_counters() {
        let mut out = Exposition::new();
        out.single("requests", "Odd \"one\".", Kind::Counter, 1.0);
        out.single("_total", "", Kind::Counter, 2.0);
        assert_eq!(
            page(&out, Format::OpenMetrics),
            "# HELP _total \n# TYPE _total unknown\n_total 2\n\
             # HELP requests Odd \\\"one\\\".\n# TYPE requests unknown\nrequests 1\n# EOF\n"
        );
    }

    #[test]
    fn openmetrics_names_each_family_once() {
        let mut out = Exposition::new();
        out.single("jobs_total", "All.", Kind::Counter, 7.0);
        out.single("jobs", "Now.", Kind::Gauge, 1.0);
        assert_eq!(
            page(&out, Format::OpenMetrics),
            "# HELP jobs Now.\n# TYPE jobs gauge\njobs 1\n\
             # HELP jobs_total All.\n# TYPE jobs_total unknown\njobs_total 7\n# EOF\n"
        );
        assert!(page(&out, Format::Text).contains("# TYPE jobs_total counter\n"));
    }

    #[test]
    fn rollback_forgets_a_torn_line() {
        let mut out = Exposition::new();
        out.single("kept", "", Kind::Gauge, 1.0);
        let before = page(&out, Format::Text);
        let mark = out.mark();
        out.single("gone", "", Kind::Gauge, 1.0);
        out.text.extend_from_slice(b"gone{half");
        out.rollback(mark);
        assert_eq!(page(&out, Format::Text), before);
    }

    #[test]
    fn suffixes_of_a_summary() {
        let mut out = Exposition::new();
        let mut family = out.family("s_seconds", "", Kind::Summary);
        family.sample(&[("quantile", b"0.5")], 1.0);
        family.sample_with_suffix("_count", &[], 3.0);
        assert_eq!(
            page(&out, Format::Text),
            "# HELP s_seconds \n# TYPE s_seconds summary\ns_seconds{quantile=\"0.5\"} 1\ns_seconds_count 3\n"
        );
    }
}

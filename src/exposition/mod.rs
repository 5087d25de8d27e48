//! The Prometheus text formats: writing pages of samples and reading them back.
//!
//! [`Exposition`] is what collectors write into: one growing buffer and an index of families, which
//! [`Exposition::render`] turns into a page in either [`Format`]. [`Parser`] walks a page line by line
//! without copying it. Neither knows where the samples come from or go to.

mod number;
mod parse;
mod write;

pub use number::write_value;
pub use parse::{Label, Line, ParseError, Parser, Sample, is_label_name, is_metric_name};
pub use write::{Exposition, Family, Mark, escape_label_value, push_parts};

/// The two text formats that scrapers ask for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Format {
    /// Prometheus text exposition format, version 0.0.4.
    Text,
    /// OpenMetrics text format, version 1.0.0.
    OpenMetrics,
}

impl Format {
    /// The value of the `Content-Type` header that goes with a page in this format.
    pub const fn content_type(self) -> &'static str {
        match self {
            Format::Text => "text/plain; version=0.0.4; charset=utf-8",
            Format::OpenMetrics => "application/openmetrics-text; version=1.0.0; charset=utf-8",
        }
    }
}

/// The type of a family, as its `# TYPE` line gives it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Kind {
    /// Only ever grows, or starts again from zero.
    Counter,
    /// Goes up and down.
    Gauge,
    /// Nothing is promised: `untyped` in the text format, `unknown` in OpenMetrics.
    Untyped,
    /// Cumulative buckets with a sum and a count.
    Histogram,
    /// Quantiles with a sum and a count.
    Summary,
    /// OpenMetrics `info`: constant 1 with descriptive labels.
    Info,
    /// OpenMetrics `stateset`: one sample a state, 0 or 1.
    StateSet,
    /// OpenMetrics `gaugehistogram`: buckets that may shrink.
    GaugeHistogram,
}

impl Kind {
    /// The word for this type in `format`. Types that the text format lacks become `untyped`/`gauge` there.
    pub const fn name(self, format: Format) -> &'static str {
        match (self, format) {
            (Kind::Counter, _) => "counter",
            (Kind::Gauge, _) => "gauge",
            (Kind::Histogram, _) => "histogram",
            (Kind::Summary, _) => "summary",
            (Kind::Untyped, Format::OpenMetrics) => "unknown",
            (Kind::Untyped | Kind::GaugeHistogram, Format::Text) => "untyped",
            (Kind::Info | Kind::StateSet, Format::Text) => "gauge",
            (Kind::Info, Format::OpenMetrics) => "info",
            (Kind::StateSet, Format::OpenMetrics) => "stateset",
            (Kind::GaugeHistogram, Format::OpenMetrics) => "gaugehistogram",
        }
    }

    /// Reads the word of a `# TYPE` line of either format.
    pub fn from_name(name: &str) -> Option<Kind> {
        Some(match name {
            "counter" => Kind::Counter,
            "gauge" => Kind::Gauge,
            "untyped" | "unknown" => Kind::Untyped,
            "histogram" => Kind::Histogram,
            "summary" => Kind::Summary,
            "info" => Kind::Info,
            "stateset" => Kind::StateSet,
            "gaugehistogram" => Kind::GaugeHistogram,
            _ => return None,
        })
    }
}

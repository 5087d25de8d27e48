//! Which samples are wanted, and which can't be given because importers would refuse them.

use super::selector::Selector;
use crate::scrape_log::files::{Sample, SeriesMap, check_series, check_value, parse_series};

/// Decides once per series.
pub(super) struct Filter {
    selectors: Vec<Selector>,
    known: SeriesMap<Verdict>,
    /// Lines that are not in the form that importers take: one of them would spoil a whole file.
    pub(super) bad_lines: u64,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Verdict {
    Wanted,
    NotWanted,
    Bad,
}

impl Filter {
    /// Wants what at least one of the selectors matches; everything if there is none.
    pub(super) fn new(selectors: Vec<Selector>) -> Self {
        Self { selectors, known: SeriesMap::default(), bad_lines: 0 }
    }

    /// Whether a sample of a scrape with this timestamp is wanted.
    pub(super) fn wants(&mut self, sample: &Sample<'_>, timestamp: &[u8]) -> bool {
        let selectors = &self.selectors;
        let verdict = *self.known.get(sample.series, || judge(sample.series, selectors));
        if verdict == Verdict::NotWanted {
            return false;
        }
        let good = verdict == Verdict::Wanted && sample.timestamp == timestamp && check_value(sample.value);
        self.bad_lines += u64::from(!good);
        good
    }
}

fn judge(series: &[u8], selectors: &[Selector]) -> Verdict {
    if check_series(series).is_err() {
        return Verdict::Bad;
    }
    let matching = parse_series(series, |parsed| {
        let value = |label: &str| match label {
            "__name__" => parsed.name.into(),
            _ => parsed.label(label).unwrap_or_default(),
        };
        selectors.is_empty() || selectors.iter().any(|selector| selector.matches(value))
    });
    if matching == Ok(true) { Verdict::Wanted } else { Verdict::NotWanted }
}

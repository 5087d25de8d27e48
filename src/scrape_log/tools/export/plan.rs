//! What is read in which order, and which file it goes to.

use std::collections::BTreeSet;

use jiff::Timestamp;

use super::formats::Format;
use crate::scrape_log::files::{SamplesFile, TimeRange, WINDOW_MILLISECONDS, files_within};

/// A target and the files of its that may matter.
pub(super) struct Source {
    pub(super) name: String,
    pub(super) files: Vec<SamplesFile>,
}

/// What goes into one output.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Unit {
    /// The file's name, if there is a file for each unit.
    pub(super) name: String,
    pub(super) pieces: Vec<Piece>,
}

/// A part of a target's time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Piece {
    /// The index of the [`Source`].
    pub(super) source: usize,
    pub(super) range: TimeRange,
}

/// Orders the work. promtool goes over a file once for each two hours in it, so it gets a file for each; for other
/// formats it is a file per target.
pub(super) fn units(
    sources: &[Source],
    range: TimeRange,
    format: Format,
    step_milliseconds: Option<i64>,
) -> Vec<Unit> {
    if format != Format::OpenMetrics {
        let unit = |(index, source): (usize, &Source)| Unit {
            name: format!("{}.{}", source.name, format.extension()),
            pieces: vec![Piece { source: index, range }],
        };
        return sources.iter().enumerate().filter(|(_, source)| !source.files.is_empty()).map(unit).collect();
    }
    // A step that begins in a window belongs to it as a whole.
    let step = step_milliseconds.unwrap_or(1);
    let boundary = |window: i64| (window * WINDOW_MILLISECONDS).div_euclid(step) * step;
    let part =
        |window: i64| TimeRange { start: boundary(window), end: boundary(window + 1) }.intersection(range);
    let divides = WINDOW_MILLISECONDS % step == 0;
    let files = sources.iter().flat_map(|source| &source.files);
    let windows = files.map(|file| file.times().start.div_euclid(WINDOW_MILLISECONDS));
    // The last step of a window may be counted to the next one.
    let windows = windows.flat_map(|window| window..=window + i64::from(!divides));
    let windows: BTreeSet<i64> = windows.filter(|&window| !part(window).is_empty()).collect();
    let unit = |window| {
        let range = part(window);
        let matters = |source: &Source| !files_within(&source.files, range).is_empty();
        let pieces = sources.iter().enumerate().filter(|(_, source)| matters(source));
        let start = Timestamp::from_millisecond(window * WINDOW_MILLISECONDS).unwrap_or_default();
        Unit {
            name: format!("{}.om", start.strftime("samples-%Y%m%dT%H%M%SZ")),
            pieces: pieces.map(|(source, _)| Piece { source, range }).collect(),
        }
    };
    windows.into_iter().map(unit).collect()
}

/// All units as one.
pub(super) fn joined(units: Vec<Unit>) -> Unit {
    Unit { name: String::new(), pieces: units.into_iter().flat_map(|unit| unit.pieces).collect() }
}

//! All hosts at one moment, and where that comes from.

use std::collections::HashMap;

use crate::vitals::status::Host;

/// Which moment is shown.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum When {
    /// The present, whenever that is.
    Live,
    /// A time of the past, in milliseconds since 1970 UTC.
    At(i64),
}

/// All hosts at one moment.
#[derive(Clone, Debug, Default, PartialEq)]
pub(super) struct Picture {
    /// The moment, in milliseconds since 1970 UTC.
    pub(super) time: i64,
    /// Whether that is the present.
    pub(super) is_live: bool,
    /// In no order.
    pub(super) rows: Vec<Row>,
    /// Hosts that are known, but not of this moment.
    pub(super) absent: usize,
    /// Not all of it has been read yet.
    pub(super) is_loading: bool,
    /// Why it may be old or not whole.
    pub(super) trouble: Option<String>,
    /// It is the end of a recording that nobody writes on.
    pub(super) is_end: bool,
}

/// One host.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Row {
    /// What tells it from the others, at any time.
    pub(super) key: String,
    /// What it is called in a table: its name, and the instance where others have that name too.
    pub(super) label: String,
    /// What began at this time, in milliseconds since 1970 UTC, or before may have begun at any time before.
    pub(super) known_from: i64,
    pub(super) host: Host,
}

impl Row {
    pub(super) fn new(key: String, host: Host) -> Self {
        Self { key, label: host.name.clone(), known_from: i64::MIN, host }
    }
}

impl Picture {
    /// Sees to it that all hosts are called differently.
    pub(super) fn tell_apart(&mut self) {
        let mut count: HashMap<String, usize> = HashMap::new();
        for row in &self.rows {
            *count.entry(row.host.name.clone()).or_insert(0) += 1;
        }
        for row in &mut self.rows {
            let Host { name, instance, .. } = &row.host;
            let is_ambiguous = count.get(name).is_some_and(|count| *count > 1) && instance != name;
            row.label = if is_ambiguous { format!("{name} ({instance})") } else { name.clone() };
        }
    }
}

/// What has happened since it was asked last.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct News {
    /// Pictures may be others now.
    pub(super) changed: bool,
    /// Where an earlier [`Source::step`] leads.
    pub(super) stepped: Option<Step>,
}

/// Where a step leads.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Step {
    /// There.
    To(When),
    /// [`News::stepped`] will tell.
    Later,
    /// There is no further one.
    End,
}

/// What knows of hosts. No call blocks.
pub(super) trait Source {
    /// Where it has its knowledge from.
    fn name(&self) -> &str;

    /// Whether there is anything but the present.
    fn has_past(&self) -> bool;

    /// Takes in what has happened.
    fn news(&mut self) -> News;

    /// The hosts at a moment; the one with the key `chosen` with its last quarter of an hour.
    fn picture(&mut self, when: When, chosen: Option<&str>) -> Picture;

    /// Goes so many scrapes of the host `key` back (below zero) or on from `when`.
    fn step(&mut self, key: &str, when: When, steps: i32) -> Step;
}

/// The time now, in milliseconds since 1970 UTC.
pub(super) fn now_milliseconds() -> i64 {
    jiff::Timestamp::now().as_millisecond()
}

//! The numbers that a report follows, and what each was over time.

use super::buckets::Buckets;
use crate::vitals::words;

/// What a column is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    Cpu,
    Load,
    Memory,
    Swap,
    /// Of one filesystem.
    Disk,
    Inodes,
    Received,
    Sent,
    Read,
    Written,
    /// Of one sensor.
    Temperature,
    CpuWaiting,
    MemoryWaiting,
    MemoryStalled,
    IoWaiting,
    IoStalled,
    SwappedIn,
    SwappedOut,
    OomKills,
    HungTasks,
}

/// How a number is said.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Unit {
    Ratio,
    BytesPerSecond,
    PagesPerSecond,
    Celsius,
    /// How many there were since the scrape before.
    Events,
    Load,
}

impl Kind {
    /// Those of which a host has one each.
    pub(super) const SINGLE: [Self; 18] = [
        Self::Cpu,
        Self::Load,
        Self::Memory,
        Self::Swap,
        Self::Inodes,
        Self::Received,
        Self::Sent,
        Self::Read,
        Self::Written,
        Self::CpuWaiting,
        Self::MemoryWaiting,
        Self::MemoryStalled,
        Self::IoWaiting,
        Self::IoStalled,
        Self::SwappedIn,
        Self::SwappedOut,
        Self::OomKills,
        Self::HungTasks,
    ];

    pub(super) fn name(self) -> &'static str {
        match self {
            Self::Cpu => "CPU",
            Self::Load => "load",
            Self::Memory => "memory",
            Self::Swap => "swap",
            Self::Disk => "disk",
            Self::Inodes => "inodes",
            Self::Received => "network received",
            Self::Sent => "network sent",
            Self::Read => "disk reads",
            Self::Written => "disk writes",
            Self::Temperature => "temperature",
            Self::CpuWaiting => "waiting for a CPU",
            Self::MemoryWaiting => "waiting for memory",
            Self::MemoryStalled => "stalled for memory",
            Self::IoWaiting => "waiting for I/O",
            Self::IoStalled => "stalled for I/O",
            Self::SwappedIn => "read back from swap",
            Self::SwappedOut => "written to swap",
            Self::OomKills => "processes killed for want of memory",
            Self::HungTasks => "tasks stuck in the kernel",
        }
    }

    pub(super) fn unit(self) -> Unit {
        match self {
            Self::Load => Unit::Load,
            Self::Received | Self::Sent | Self::Read | Self::Written => Unit::BytesPerSecond,
            Self::Temperature => Unit::Celsius,
            Self::SwappedIn | Self::SwappedOut => Unit::PagesPerSecond,
            Self::OomKills | Self::HungTasks => Unit::Events,
            _ => Unit::Ratio,
        }
    }
}

impl Unit {
    /// The number in words.
    pub(super) fn say(self, value: f32) -> String {
        let value = f64::from(value);
        match self {
            Self::Ratio => words::percent(value),
            Self::BytesPerSecond => words::bytes_per_second(value),
            Self::PagesPerSecond => format!("{value:.0} pages/s"),
            Self::Celsius => format!("{value:.0} °C"),
            Self::Events => format!("{value:.0}"),
            Self::Load => format!("{value:.1}"),
        }
    }
}

/// One number over time.
#[derive(Clone, Debug)]
pub(super) struct Column {
    pub(super) kind: Kind,
    /// Which filesystem or sensor; empty where there is only one of the kind.
    pub(super) about: String,
    /// What the sensor calls critical.
    pub(super) limit: Option<f32>,
    pub(super) buckets: Buckets,
    pub(super) peak: Option<Peak>,
}

/// The highest value, and when it was there first.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Peak {
    pub(super) at: i64,
    pub(super) value: f32,
}

impl Column {
    pub(super) fn new(kind: Kind, about: &str, buckets: Buckets) -> Self {
        Self { kind, about: about.to_owned(), limit: None, buckets, peak: None }
    }

    /// What people call it.
    pub(super) fn name(&self) -> String {
        match (self.kind, self.about.as_str()) {
            (kind, "") => kind.name().to_owned(),
            (Kind::Disk, about) => about.to_owned(),
            (kind, about) => format!("{} of {about}", kind.name()),
        }
    }

    /// Takes the value of one moment.
    pub(super) fn add(&mut self, at: i64, value: f32) {
        if self.buckets.add(at, value) && self.peak.is_none_or(|peak| value > peak.value) {
            self.peak = Some(Peak { at, value });
        }
    }
}

//! From when on something is a problem: the thresholds of `deploy/prometheus/rules/`, which `tests/limits.rs` keeps equal.
//!
//! An alert also waits before it fires. Here a problem is one at once, and over at once: somebody is looking.

use std::time::Duration;

use serde::{Deserialize, Serialize};

/// How bad a problem is, the mildest first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Severity {
    /// Good to know.
    Info,
    /// For the next working day.
    Warning,
    /// For now.
    Critical,
}

impl Severity {
    /// As the rules write it.
    pub fn name(self) -> &'static str {
        match self {
            Self::Info => "info",
            Self::Warning => "warning",
            Self::Critical => "critical",
        }
    }
}

/// The threshold of an alert.
#[derive(Debug, PartialEq)]
pub struct Limit {
    /// The alert's name.
    pub alert: &'static str,
    /// How bad it is.
    pub severity: Severity,
    /// What readings are compared with: the numbers in the rule's expression, in their order.
    pub thresholds: &'static [f64],
    /// The time over which events are counted or the past is looked at: the first window in the rule's expression.
    pub window: Option<Duration>,
}

const DAY: Duration = Duration::from_secs(24 * 60 * 60);
const QUARTER: Duration = Duration::from_secs(15 * 60);
const SIX_HOURS: Duration = Duration::from_secs(6 * 60 * 60);

const fn at(alert: &'static str, severity: Severity, thresholds: &'static [f64]) -> Limit {
    Limit { alert, severity, thresholds, window: None }
}

const fn within(
    window: Duration,
    alert: &'static str,
    severity: Severity,
    thresholds: &'static [f64],
) -> Limit {
    Limit { alert, severity, thresholds, window: Some(window) }
}

use Severity::{Critical, Info, Warning};

macro_rules! limits {
    ($($name:ident = $limit:expr;)+) => {
        $(pub(super) static $name: Limit = $limit;)+
        /// All of them.
        pub static LIMITS: &[&Limit] = &[$(&$name),+];
    };
}

limits! {
    TARGET_DOWN = at("TargetDown", Critical, &[0.0]);
    REBOOTED = at("NodeRebooted", Info, &[900.0]);
    // The second number is how long it is news, in seconds.
    UNCLEAN_SHUTDOWN = at("NodeUncleanShutdown", Warning, &[0.0, 21_600.0]);
    // The second number is how far the trend is looked ahead, in seconds.
    SPACE_FILLING = within(SIX_HOURS, "NodeFilesystemSpaceFillingUp", Warning, &[0.40, 86_400.0, 0.0]);
    SPACE_FILLING_FAST = within(SIX_HOURS, "NodeFilesystemSpaceFillingUp", Critical, &[0.20, 14_400.0, 0.0]);
    SPACE_LOW = at("NodeFilesystemAlmostOutOfSpace", Warning, &[0.05]);
    SPACE_GONE = at("NodeFilesystemAlmostOutOfSpace", Critical, &[0.03]);
    FILES_FILLING = within(SIX_HOURS, "NodeFilesystemFilesFillingUp", Warning, &[0.40, 86_400.0, 0.0]);
    FILES_FILLING_FAST = within(SIX_HOURS, "NodeFilesystemFilesFillingUp", Critical, &[0.20, 14_400.0, 0.0]);
    FILES_LOW = at("NodeFilesystemAlmostOutOfFiles", Warning, &[0.05]);
    FILES_GONE = at("NodeFilesystemAlmostOutOfFiles", Critical, &[0.03]);
    READ_ONLY = within(DAY, "NodeFilesystemReadOnly", Critical, &[1.0, 0.0]);
    DEVICE_ERROR = at("NodeFilesystemDeviceError", Critical, &[1.0]);
    MOUNT_ERROR = at("NodeFilesystemDeviceError", Warning, &[1.0]);
    MEMORY_LOW = at("NodeMemoryHighUtilization", Warning, &[0.10]);
    MEMORY_GONE = at("NodeMemoryHighUtilization", Critical, &[0.03]);
    MEMORY_WAITING = at("NodeMemoryPressure", Warning, &[0.10]);
    MEMORY_STALLED = at("NodeMemoryPressure", Critical, &[0.20]);
    SWAP_STORM = at("NodeSwapStorm", Warning, &[500.0, 500.0]);
    OPEN_FILES_HIGH = at("NodeFileDescriptorLimit", Warning, &[0.70]);
    OPEN_FILES_GONE = at("NodeFileDescriptorLimit", Critical, &[0.90]);
    CONNECTIONS_HIGH = at("NodeHighNumberConntrackEntriesUsed", Warning, &[0.75]);
    CONNECTIONS_GONE = at("NodeHighNumberConntrackEntriesUsed", Critical, &[0.95]);
    TEMPERATURE_HIGH = at("NodeTemperatureHigh", Warning, &[5.0]);
    TEMPERATURE_CRITICAL = at("NodeTemperatureHigh", Critical, &[0.0]);
    FAN_STOPPED = at("NodeFanStopped", Warning, &[0.0]);
    THROTTLED = within(QUARTER, "NodeCPUThrottled", Warning, &[0.1]);
    MEMORY_ERRORS = within(DAY, "NodeMemoryErrorsCorrectable", Warning, &[10.0]);
    MEMORY_ERRORS_LOST = within(SIX_HOURS, "NodeMemoryErrorsUncorrectable", Critical, &[0.0]);
    MEMORY_CORRUPTED = at("NodeMemoryHardwareCorrupted", Warning, &[0.0]);
    RAID_DEGRADED = at("NodeRAIDDegraded", Critical, &[0.0]);
    OOM_KILL = within(QUARTER, "NodeOOMKill", Warning, &[0.0]);
    HUNG_TASKS = within(QUARTER, "NodeHungTasks", Warning, &[0.0]);
    CLOCK_SKEW = at("NodeClockSkewDetected", Warning, &[0.05]);
    CLOCK_UNSYNCHRONISED = at("NodeClockNotSynchronising", Warning, &[16.0, 0.0]);
    CLOCK_DIFFERS = at("NodeClockDiffersFromPrometheus", Warning, &[5.0]);
}

impl Limit {
    /// The first threshold.
    pub(super) fn threshold(&self) -> f64 {
        self.thresholds.first().copied().unwrap_or(f64::NAN)
    }

    /// The window in milliseconds.
    pub(super) fn window_milliseconds(&self) -> i64 {
        self.window.map_or(0, |window| i64::try_from(window.as_millis()).unwrap_or(i64::MAX))
    }
}

//! What every room needs and none owns: durations, times, patterns of paths, the log, stopping, wrong command lines.

pub mod duration;
pub mod glob;
pub mod json;
pub mod log;
pub mod logfmt;
pub mod shutdown;
pub mod usage;
pub mod when;

//! What every room needs and none owns: durations, times, sizes, patterns of paths, the log, stopping, wrong command lines.

pub mod duration;
pub mod glob;
pub mod json;
pub mod log;
pub mod logfmt;
pub mod shutdown;
pub mod size;
pub mod usage;
pub mod when;

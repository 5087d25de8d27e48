//! What every room needs and none owns: durations, sizes, patterns of paths, queries, the log, stopping, wrong command lines.

pub mod duration;
pub mod glob;
pub mod json;
pub mod log;
pub mod logfmt;
pub mod query;
pub mod shutdown;
pub mod size;
pub mod usage;

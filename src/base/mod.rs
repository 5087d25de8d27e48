//! What every room needs and none owns: durations, the log, stopping.

pub mod duration;
pub mod log;
pub mod logfmt;
pub mod shutdown;

//! What every room needs and none owns: durations, times, sizes, patterns of paths, files that
//! change, the log, stopping, the service manager, wrong command lines, names that are nearly right.

pub mod duration;
pub mod glob;
pub mod json;
pub mod log;
pub mod logfmt;
pub mod near;
pub mod service_manager;
pub mod shutdown;
pub mod size;
pub mod usage;
pub mod watched;
pub mod when;

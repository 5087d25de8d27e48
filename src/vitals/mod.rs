//! The few numbers that a person wants to know of a host, and what is wrong with it, computed from the samples of its
//! exporter.
//!
//! ```text
//!  samples ─► Observation ─► Page, and the one before it ─► Vitals ─┐
//!             (families: which samples, what for)                   ├─► Watch ─► problems, recent points
//!                                    limits: thresholds of alerts ──┘
//! ```
//!
//! A [`Watch`] follows one host. `node_*` families are preferred, the gauges of `vitals_*` stand in where there are
//! none. Whatever a page does not say stays `None`.

mod families;
mod limits;
mod line;
mod numbers;
mod observation;
pub mod status;
mod watch;
pub mod words;

pub use families::{Counter, Gauge, Interest};
pub use limits::{LIMITS, Limit, Severity};
pub use line::Line;
pub use numbers::{Disk, Sensor, Vitals};
pub use observation::Observation;
pub use watch::{LastRun, Point, Problem, Recent, Watch};

#[cfg(test)]
mod tests;

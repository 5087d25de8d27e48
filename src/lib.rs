//! The library behind `vitals-exporter` and `scrape-log`.
//!
//! Each module is a room with one owner's worth of work; imports point down this list only, and
//! `tests/layering.rs` holds the source to it.
//!
//! | room | owns | may use |
//! |---|---|---|
//! | `bin/*` | arguments in, composition, exit codes | everything |
//! | [`exporter`] | the HTTP service of one host | collectors, telemetry, vitals, web, host, exposition, base |
//! | [`scrape_log`] | targets, schedule, fetch, files | telemetry, vitals, web, exposition, base |
//! | [`collectors`] | one file per subsystem: read, parse, write families | host, exposition, base |
//! | [`telemetry`] | what a program says about itself: its counters and its process | host, exposition, base |
//! | [`vitals`] | the few numbers a person wants, from two sets of samples | exposition, base |
//! | [`web`] | HTTP server and client with limits and deadlines, and the answers that all services give | exposition, base |
//! | [`host`] | where `/proc` and `/sys` are, reading kernel files | base |
//! | [`exposition`] | writing and parsing the Prometheus text formats | nothing |
//! | [`base`] | durations, times, sizes, patterns of paths, files that change, the log, stopping, the service manager, wrong command lines, near names | nothing |
//!
//! [`exposition`] is a package of its own, so that it can be built for speed where the rest is built for size, and so are
//! the two system calls that have no safe interface elsewhere, `host/kernel-calls`: the only unsafe code.

pub mod base;
pub mod collectors;
pub mod exporter;
pub mod host;
pub mod scrape_log;
pub mod telemetry;
pub mod vitals;
pub mod web;

pub use vitals_exposition as exposition;

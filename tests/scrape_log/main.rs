//! The client and the recorder against peers on the loopback that behave well, badly and not at all.
#![allow(clippy::unwrap_used)]

mod bench;
mod client;
mod discovery;
mod peer;
mod pools;
#[allow(dead_code, reason = "shared with tests of other programs")]
#[path = "../common/process.rs"]
mod process;
mod recorder;

//! The client and the recorder against peers on the loopback that behave well, badly and not at all.
#![allow(clippy::unwrap_used)]

mod check_config;
mod client;
mod peer;
mod recorder;

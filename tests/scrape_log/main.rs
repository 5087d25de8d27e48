//! The client, the recorder and its own pages against peers on the loopback that behave well, badly and not at all.
#![allow(clippy::unwrap_used)]

mod client;
#[path = "../common/mod.rs"]
mod common;
mod pages;
mod peer;
mod recorder;

//! The client and the recorder against peers on the loopback that behave well, badly and not at all.
#![allow(clippy::unwrap_used)]

mod client;
mod peer;
mod pools;
mod recorder;

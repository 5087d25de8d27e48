//! The client and the recorder against peers on the loopback that behave well, badly and not at all.
#![allow(clippy::unwrap_used)]

mod asking;
mod client;
mod credentials;
mod memory;
mod peer;
mod recorder;
mod redirects;
mod tls;

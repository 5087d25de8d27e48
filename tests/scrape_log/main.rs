//! The client, the recorder and its own pages against peers on the loopback that behave well, badly and not at all.
#![allow(clippy::unwrap_used)]

mod asking;
mod bench;
mod check_config;
mod client;
#[path = "../common/mod.rs"]
mod common;
mod configured;
mod credentials;
mod discovery;
mod first_start;
mod limits;
mod memory;
mod pages;
mod peer;
mod pools;
mod recorder;
mod redirects;
mod reloads;
mod tls;

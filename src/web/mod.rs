//! HTTP with limits: a server that no peer can hold up, and a client that no peer can flood.

pub mod client;
pub mod server;

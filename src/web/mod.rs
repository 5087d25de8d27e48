//! HTTP with limits: a server that no peer can hold up, and a client that no peer can flood.

pub mod answer;
pub mod client;
pub mod gzip;
pub mod html;
pub mod live;
pub mod negotiate;
pub mod query;
pub mod server;

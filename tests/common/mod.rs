//! What the tests against real programs share: starting and stopping them, HTTP, and pages as maps.
//!
//! Every program listens on a free loopback port, keeps its files in a temporary directory and is stopped by its
//! own process id when its handle goes out of scope. Waits have an end; what a program logged is part of the
//! message when one of them fails.
#![allow(dead_code, reason = "each test file is a program of its own and uses a part of this")]

pub mod big_host;
pub mod bus;
pub mod emitted;
pub mod harm;
pub mod hosts;
pub mod http;
pub mod page;
pub mod parity;
pub mod policy;
pub mod process;
pub mod promql;
pub mod readers;
pub mod rules;
pub mod servers;
pub mod small_disk;
pub mod used;

use std::time::{Duration, Instant};

/// Calls `probe` until it gives a value; fails with `what` after `limit`.
pub fn wait_until<T>(what: &str, limit: Duration, mut probe: impl FnMut() -> Option<T>) -> T {
    let end = Instant::now() + limit;
    loop {
        if let Some(value) = probe() {
            return value;
        }
        assert!(Instant::now() < end, "waited {limit:?} in vain for {what}");
        std::thread::sleep(Duration::from_millis(20));
    }
}

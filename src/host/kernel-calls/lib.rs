//! The calls of the Linux kernel that no crate offers without `unsafe`, as safe functions that only read.
//!
//! They are kept apart from the rest of the project, whose code is safe without exception.

#![cfg(target_os = "linux")]

pub mod adjtimex;
pub mod ethtool;

//! `scrape-log report` on recordings of machines that never were.
#![allow(clippy::unwrap_used)]

mod hostile;
#[allow(dead_code, reason = "the bench uses more of it")]
mod machine;
mod ranges;
mod stories;
#[allow(dead_code, reason = "the bench records all of them")]
mod story;

use std::path::Path;
use std::process::{Command, Output};

/// Runs the program; times are of UTC.
fn run(storage: &Path, flags: &[&str]) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_scrape-log"));
    command.arg("report").arg(storage).args(flags).env("TZ", "UTC").output().unwrap()
}

/// What the program writes, which must go well.
fn report(storage: &Path, flags: &[&str]) -> String {
    let output = run(storage, flags);
    let errors = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success() && errors.is_empty(), "{errors}");
    String::from_utf8(output.stdout).unwrap()
}

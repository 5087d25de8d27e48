//! The recorder as it runs in the field: it is killed, its disk gets full, its files are removed, another one is
//! started beside it, and targets try to bring it down. The real program, with peers that count what they served.
#![allow(clippy::unwrap_used)]

#[path = "../common/mod.rs"]
mod common;
mod crashes;
mod disk;
mod hostile;
mod large;
mod numbered;
#[allow(dead_code, reason = "the tests of the client use more of it")]
#[path = "../scrape_log/peer.rs"]
mod peer;

use common::process::Running;
use common::servers::wrapped;
use numbered::Numbered;
use std::path::Path;
use std::process::Command;
use std::time::Duration;

/// How long anything may take on a busy machine.
const LONG: Duration = Duration::from_secs(30);

/// The recorder with the files below `storage`: a scrape each 20 ms of each peer. `wrapper` is a command line that is
/// to start it, or nothing.
fn recorder(wrapper: &[String], storage: &Path, peers: &[&Numbered], flags: &[&str]) -> Running {
    let mut command = program(wrapper);
    command
        .args(["--web.listen-address=127.0.0.1:0", "--scrape.interval=20ms", "--storage.min-free=0"])
        .arg(format!("--storage.path={}", storage.display()))
        .args(peers.iter().map(|peer| format!("--target={}", peer.url())))
        .args(flags);
    Running::start(command)
}

fn program(wrapper: &[String]) -> Command {
    wrapped(wrapper, env!("CARGO_BIN_EXE_scrape-log"))
}

/// Has the program look at its files, which must be fine.
fn assert_no_problems(wrapper: &[String], storage: &Path) {
    let output = program(wrapper).args(["check", "--quiet"]).arg(storage).output().unwrap();
    let (said, errors) = (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    assert!(output.status.success() && said.is_empty(), "{said}{errors}");
}

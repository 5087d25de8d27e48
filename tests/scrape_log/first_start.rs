//! What somebody sees who starts the program for the first time.

use std::net::SocketAddr;
use std::process::Command;
use std::time::Duration;

use serde_json::Value;

use crate::common::process::Running;
use crate::common::{http, wait_until};

const LIMIT: Duration = Duration::from_secs(30);

#[test]
fn without_a_target_it_records_this_machine() {
    let folder = tempfile::tempdir().unwrap();
    let mut command = Command::new(env!("CARGO_BIN_EXE_scrape-log"));
    command.args(["--exporter.listen-address=127.0.0.1:0", "--web.listen-address=127.0.0.1:0"]);
    // The one that systemd gives to the recorder is not the exporter's inside it.
    command.env("STATE_DIRECTORY", folder.path().join("absent"));
    command.current_dir(folder.path());
    let mut process = Running::start(command);
    let shown = |log: &str, what: &str, path: &str| -> Option<SocketAddr> {
        let line = log.lines().find_map(|line| line.trim().strip_prefix(what))?;
        line.trim().strip_prefix("http://")?.strip_suffix(path)?.parse().ok()
    };
    let (live, metrics) = process.wait_for("its addresses", LIMIT, |log| {
        Some((shown(log, "live", "/")?, shown(log, "metrics", "/metrics")?))
    });
    assert!(http::get_ok(metrics, "/metrics").contains("\nnode_load1 "));
    assert!(http::get_ok(live, "/").contains("<html"));
    wait_until("this machine on the page", LIMIT, || {
        let status: Value = serde_json::from_str(&http::get_ok(live, "/api/v1/vitals")).unwrap();
        (status["hosts"][0]["state"] == "up").then_some(())
    });
    let (status, log) = process.terminate(LIMIT);
    assert!(status.success() && folder.path().join("data").is_dir(), "{log}");
}

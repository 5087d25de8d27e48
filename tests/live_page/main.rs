//! The page at `/` of both programs: as it is served, and in a real browser in front of real programs and a fleet of
//! hosts made from a fixture.
#![allow(clippy::unwrap_used)]

mod browser;
#[path = "../common/mod.rs"]
mod common;
mod fleet;
mod hostile;
mod served;
mod troubles;
mod views;

use std::path::Path;

use serde_json::Value;

use browser::Browser;
use common::http;
use common::servers::{Server, scrape_log_with};
use fleet::Fleet;

/// A recorder of a fleet, and a browser that looks at its page and knows all hosts.
struct Scene {
    fleet: Fleet,
    server: Server,
    browser: Browser,
    _directory: tempfile::TempDir,
}

impl Scene {
    fn new(hosts: usize) -> Self {
        Self::with(Fleet::start(hosts), hosts)
    }

    fn with(fleet: Fleet, hosts: usize) -> Self {
        let directory = tempfile::tempdir().unwrap();
        let config = directory.path().join("prometheus.yml");
        fleet.write_config(&config);
        let server = scrape_log_with(&config, &directory.path().join("storage"), &[] as &[&Path]);
        let mut browser = Browser::start();
        browser.open(&format!("http://{}/", server.address));
        browser.wait_for("all hosts to be scraped twice", &format!("[...rows.values()].filter((row) => row.host.vitals.cpu_usage_ratio != null).length === {hosts}"));
        Self { fleet, server, browser, _directory: directory }
    }
}

/// The text in the cell `name` of the row of a host.
fn cell(browser: &mut Browser, host: &str, name: &str) -> String {
    browser.text(&format!(
        "[...rows.values()].find((row) => row.host.name === {}).text.{name}.textContent",
        Value::from(host)
    ))
}

fn vitals(server: &Server) -> Value {
    serde_json::from_str(&http::get_ok(server.address, "/api/v1/vitals")).unwrap()
}

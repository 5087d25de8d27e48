//! Many targets with large pages beside one with a small page.

use super::common::process::Running;
use super::common::wait_until;
use super::numbered::Numbered;
use super::peer::Peer;
use super::{LONG, program};
use std::fmt::Write as _;
use std::fs;

const LARGE: usize = 16;
const PAGE_BYTES: usize = 5 << 18;

#[test]
fn large_pages_take_turns_with_small_ones() {
    let directory = tempfile::tempdir().unwrap();
    let config = directory.path().join("prometheus.yml");
    let mut page = String::new();
    for number in 1_000_000.. {
        writeln!(page, "a{number} 1").unwrap();
        if page.len() > PAGE_BYTES {
            break;
        }
    }
    let (large, small) = (Peer::exporter(&page), Numbered::new());
    let mut jobs = format!(
        "global: {{scrape_interval: 1s, scrape_timeout: 1s}}\nscrape_configs:\n  - job_name: small\n    scrape_interval: 50ms\n    scrape_timeout: 50ms\n    static_configs: [{{targets: ['{}']}}]\n  - job_name: large\n    static_configs:\n",
        small.address()
    );
    for copy in 0..LARGE {
        writeln!(jobs, "      - {{targets: ['{}'], labels: {{copy: '{copy}'}}}}", large.address).unwrap();
    }
    fs::write(&config, jobs).unwrap();
    let mut command = program(&[]);
    command
        .args(["--web.listen-address=127.0.0.1:0", "--storage.min-free=0"])
        .arg(format!("--config.file={}", config.display()))
        .arg(format!("--storage.path={}", directory.path().join("data").display()));
    let recorder = Running::start(command);
    let served = || (large.requests().len(), usize::try_from(small.served()).unwrap());
    wait_until("the first pages", 2 * LONG, || (served().0 >= LARGE).then_some(()));
    let before = served();
    wait_until("more large pages", 2 * LONG, || (served().0 >= before.0 + LARGE).then_some(()));
    let after = served();
    let (large, small) = (after.0 - before.0, after.1 - before.1);
    // One waits for one: were all of them in the queue before it, it would get one turn or two.
    assert!(small >= large / 2, "{small} small pages beside {large} large ones");
    let (status, log) = recorder.terminate(LONG);
    assert!(status.success(), "{log}");
}

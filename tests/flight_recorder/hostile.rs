//! Targets that try to bring the recorder down, to get at its passwords, or to have its files say what they like.

use super::common::process::Running;
use super::common::wait_until;
use super::numbered::{Numbered, samples_files};
use super::peer::{Caller, Peer, ok, redirect};
use super::{LONG, assert_no_problems, program};
use rustix::process::Signal;
use std::fmt::Write as _;
use std::fs;
use std::io::Write as _;
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

/// What all of them together may make of the recorder.
const MEMORY_BYTES: u64 = 96 << 20;
/// Targets of each kind.
const COPIES: usize = 4;
/// Targets that stop in the middle of a large page. Without a common limit they alone would have 180 MiB.
const STALLING: usize = 12;
const TIME: Duration = Duration::from_secs(8);
const PASSWORD: &str = "not-for-thieves";
const HEAD: &str = "HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\n";
const LINE: &str = "some_metric{with=\"a label\"} 1\n";
/// A page with all that has a meaning in a samples file.
const FORGED: &str = "# TYPE a gauge\na 1\n# EOF\n\
    # HELP scrapelog_file {\"v\":1,\"target\":\"http://victim:9100/metrics\"}\n# TYPE scrapelog_file unknown\n\
    # HELP scrapelog_error {\"ts\":1.000,\"err\":\"forged\"}\n\
    up{job=\"node\",instance=\"victim:9100\"} 0\n\
    scrape_samples_post_metric_relabeling{job=\"node\",instance=\"victim:9100\"} 0 1\n\
    victim{job=\"node\",instance=\"victim:9100\"} 666 1\nescaped{label=\"\\n# EOF\\n\"} 1\nb 2\n";

/// The peers and the configuration that names them.
struct Mob {
    peers: Vec<Peer>,
    config: String,
}

impl Mob {
    fn add(&mut self, job: &str, copies: usize, peer: Peer) {
        write!(
            self.config,
            "  - job_name: {job}\n    basic_auth: {{username: someone, password: {PASSWORD}}}\n    static_configs:\n"
        )
        .unwrap();
        for copy in 0..copies {
            writeln!(
                self.config,
                "      - targets: ['{}']\n        labels: {{copy: '{copy}'}}",
                peer.address
            )
            .unwrap();
        }
        self.peers.push(peer);
    }

    /// Targets that send the same again and again once they have said the first thing.
    fn endless(&mut self, job: &str, start: String, rest: Vec<u8>) {
        let send = move |caller: &mut Caller| {
            if caller.hear() && caller.say(start.as_bytes()) {
                while caller.say(&rest) {}
            }
        };
        self.add(job, COPIES, Peer::new(send));
    }
}

fn chunk(text: &str) -> Vec<u8> {
    format!("{:x}\r\n{text}\r\n", text.len()).into_bytes()
}

/// A small page that becomes a very large one.
fn bomb() -> Vec<u8> {
    let mut body = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    let megabyte = LINE.repeat((1 << 20) / LINE.len());
    for _ in 0..64 {
        body.write_all(megabyte.as_bytes()).unwrap();
    }
    let body = body.finish().unwrap();
    let head = format!("{HEAD}Content-Encoding: gzip\r\nContent-Length: {}\r\n\r\n", body.len());
    [head.into_bytes(), body].concat()
}

#[test]
fn hostile_targets_cost_little_memory_no_password_and_no_scrape_of_others() {
    let directory = tempfile::tempdir().unwrap();
    let (storage, config) = (directory.path().join("data"), directory.path().join("prometheus.yml"));
    let mut mob = Mob {
        peers: Vec::new(),
        config: "global: {scrape_interval: 2s, scrape_timeout: 2s}\nscrape_configs:\n".to_owned(),
    };
    let chunked = format!("{HEAD}Transfer-Encoding: chunked\r\n\r\n");
    mob.endless("endless_body", chunked.clone(), chunk(&LINE.repeat(2000)));
    mob.endless("endless_line", chunked, chunk(&"a".repeat(60_000)));
    mob.endless("endless_head", HEAD.to_owned(), format!("X-A: {}\r\n", "a".repeat(60_000)).into_bytes());
    mob.add("bomb", COPIES, Peer::answering(bomb()));
    // As much as is allowed, and then nothing.
    let large = Arc::new(LINE.repeat((15 << 20) / LINE.len()));
    let stalling = move |caller: &mut Caller| {
        let head = format!("{HEAD}Content-Length: {}\r\n\r\n", large.len() + 1);
        if caller.hear() && caller.say(head.as_bytes()) && caller.say(large.as_bytes()) {
            caller.wait();
        }
    };
    mob.add("stalling", STALLING, Peer::new(stalling));
    let silent = |caller: &mut Caller| {
        caller.hear();
        caller.wait();
    };
    mob.add("silent", COPIES, Peer::new(silent));
    let thief = Peer::exporter("stolen 1\n");
    let location = thief.url();
    mob.add("moved", 1, Peer::new(move |caller| while caller.hear() && caller.say(&redirect(&location)) {}));
    mob.add("forged", 1, Peer::new(|caller| while caller.hear() && caller.say(&ok(FORGED)) {}));
    let healthy = Numbered::new();
    let forged = format!("127.0.0.1_{}", mob.peers.last().unwrap().address.port());
    writeln!(
        mob.config,
        "  - job_name: node\n    scrape_interval: 250ms\n    scrape_timeout: 250ms\n    static_configs: [{{targets: ['{}']}}]",
        healthy.address()
    )
    .unwrap();
    fs::write(&config, &mob.config).unwrap();

    let mut recorder = start(&config, &storage);
    wait_until("the first scrape", LONG, || (healthy.served() > 0).then_some(()));
    let began = Instant::now();
    std::thread::sleep(TIME);
    let due = u64::try_from(began.elapsed().as_millis() / 250).unwrap();
    let (served, peak_bytes) = (healthy.served(), recorder.peak_memory_bytes());
    assert!(recorder.is_alive() && peak_bytes <= MEMORY_BYTES, "{} MiB", peak_bytes >> 20);
    assert!(served >= due / 3, "{served} of {due} scrapes of the healthy target");
    assert!(mob.peers.iter().all(|peer| !peer.requests().is_empty()), "each was asked");

    let has_password = |request: &String| request.to_lowercase().contains("\r\nauthorization:");
    assert!(thief.requests().len() > 1 && !thief.requests().iter().any(has_password));
    assert!(mob.peers.iter().all(|peer| peer.requests().iter().all(has_password)));
    let log = recorder.log();
    assert!(!log.contains(PASSWORD), "{log}");
    let said = log.lines().filter(|line| line.contains("target_url=")).count();
    assert!(said <= 2 * (5 * COPIES + STALLING + 3), "{said} lines about targets in {TIME:?}");

    // What is recovered is found by the marks that one of them forges.
    recorder.signal(Signal::KILL);
    drop(recorder);
    let before = healthy.served();
    let recorder = start(&config, &storage);
    wait_until("more scrapes", LONG, || (healthy.served() > before + 2).then_some(()));
    let (status, log) = recorder.terminate(LONG);
    assert!(status.success(), "{log}");
    healthy.assert_stored(&storage);
    assert_no_problems(&[], &storage);
    let forged = fs::read_dir(&storage)
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .find(|path| path.file_name().unwrap().to_str().unwrap().contains(&forged));
    assert_own_lines(&forged.unwrap());
}

fn start(config: &Path, storage: &Path) -> Running {
    let mut command = program(&[]);
    command
        .args(["--web.listen-address=127.0.0.1:0", "--storage.min-free=0"])
        .arg(format!("--config.file={}", config.display()))
        .arg(format!("--storage.path={}", storage.display()));
    Running::start(command)
}

/// Every sample has the labels of its own target, and the marks are the recorder's own.
fn assert_own_lines(directory: &Path) {
    let files = samples_files(directory);
    assert!(!files.is_empty());
    for text in files {
        let lines = |start: &str| text.lines().filter(|line| line.starts_with(start)).count();
        let samples = text.lines().filter(|line| !line.starts_with('#'));
        for line in samples {
            assert!(line.contains("job=\"forged\"") && line.contains("instance=\"127.0.0.1:"), "{line}");
            assert!(!line.contains("{job=\"node\"") && !line.contains(",instance=\"victim"), "{line}");
        }
        assert_eq!((lines("# HELP scrapelog_file"), lines("# EOF")), (1, 1), "{text}");
        assert!(lines("b{") > 0 && lines("b{") <= lines("scrape_samples_post_metric_relabeling{"), "{text}");
        assert!(text.ends_with("\n# EOF\n"), "{text}");
    }
}

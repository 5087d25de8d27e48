//! The exporter's HTTP face, over real sockets and with the real binary where its exit matters.

#![allow(clippy::unwrap_used)]

mod common;

use std::io::Read;
use std::net::SocketAddr;
use std::process::{Command, Output};
use std::time::Duration;

use common::http::{self, Response};
use vitals::base::shutdown::{Shutdown, Trigger};
use vitals::exporter::{Exporter, args};
use vitals::exposition::{Format, Line, Parser};

struct Running {
    addresses: Vec<SocketAddr>,
    _stop_on_drop: Trigger,
}

fn start(flags: &[&str]) -> Running {
    let mut all = vec!["vitals-exporter"];
    if !flags.iter().any(|flag| flag.starts_with("--web.listen-address")) {
        all.push("--web.listen-address=127.0.0.1:0");
    }
    all.extend(flags);
    let config = args::parse(all).unwrap_or_else(|exit| panic!("{exit}"));
    let (trigger, shutdown) = Shutdown::new();
    let (send, receive) = std::sync::mpsc::channel();
    std::thread::spawn(move || {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        runtime.block_on(async {
            let exporter = Exporter::start(&config).unwrap();
            send.send(exporter.addresses().to_vec()).unwrap();
            exporter.run(shutdown).await;
        });
    });
    Running { addresses: receive.recv_timeout(Duration::from_secs(10)).unwrap(), _stop_on_drop: trigger }
}

fn request(address: SocketAddr, method: &str, path: &str, headers: &str) -> Response {
    http::request(address, method, path, headers, b"").unwrap()
}

fn get(running: &Running, path: &str) -> Response {
    request(running.addresses[0], "GET", path, "")
}

/// The names of all samples, after checking that every line can be read.
fn sample_names(page: &str, format: Format) -> Vec<String> {
    let mut parser = Parser::new(page, format);
    let mut names = Vec::new();
    while let Some(line) = parser.next() {
        if let Line::Sample(sample) = line.unwrap() {
            names.push(sample.name.to_owned());
        }
    }
    names
}

#[test]
fn routes_and_methods() {
    let running = start(&[]);
    for (method, path, status) in [
        ("GET", "/metrics", 200),
        ("HEAD", "/metrics", 200),
        ("GET", "/", 200),
        ("HEAD", "/", 200),
        ("GET", "/-/healthy", 200),
        ("GET", "/-/ready", 200),
        ("GET", "/nothing", 404),
        ("GET", "/metrics/", 404),
        ("GET", "/debug/pprof/cmdline", 404),
        ("POST", "/metrics", 405),
        ("DELETE", "/", 405),
        ("BREW", "/nothing", 405),
        ("GET", "/metrics?collect[]=nonsense", 400),
        ("GET", "/metrics?collect[]=loadavg&exclude[]=cpu", 400),
    ] {
        let answer = request(running.addresses[0], method, path, "");
        assert_eq!(answer.status, status, "{method} {path}: {}", answer.head);
        assert_eq!(answer.body.is_empty(), method == "HEAD", "{method} {path}");
    }
    assert_eq!(request(running.addresses[0], "POST", "/", "").header("allow"), Some("GET, HEAD"));
    let page = get(&running, "/metrics");
    let want = "vitals_exporter_http_requests_total{code=\"405\",path=\"other\"} 1\n";
    assert!(page.text().contains(want), "{}", page.text());
    assert!(page.text().contains("promhttp_metric_handler_requests_total{code=\"400\"} 2\n"));
    assert!(get(&running, "/").text().contains("href=\"./metrics\""));
}

#[test]
fn formats_and_encodings() {
    let running = start(&[]);
    let text = get(&running, "/metrics");
    assert_eq!(text.header("content-type"), Some("text/plain; version=0.0.4; charset=utf-8"));
    assert!(sample_names(text.text(), Format::Text).contains(&"node_load1".to_owned()));
    let accept = "Accept: application/openmetrics-text;version=1.0.0,text/plain;q=0.5\r\n";
    let openmetrics = request(running.addresses[0], "GET", "/metrics", accept);
    assert_eq!(
        openmetrics.header("content-type"),
        Some("application/openmetrics-text; version=1.0.0; charset=utf-8")
    );
    assert!(openmetrics.text().ends_with("\n# EOF\n"));
    let same = |names: Vec<String>| -> Vec<String> {
        names.into_iter().filter(|name| name.starts_with("node_") && !name.contains("scrape")).collect()
    };
    assert_eq!(
        same(sample_names(text.text(), Format::Text)).len(),
        same(sample_names(openmetrics.text(), Format::OpenMetrics)).len()
    );
    let packed = request(running.addresses[0], "GET", "/metrics", "Accept-Encoding: gzip\r\n");
    assert_eq!(packed.header("content-encoding"), Some("gzip"));
    let mut page = String::new();
    flate2::read::GzDecoder::new(&packed.body[..]).read_to_string(&mut page).unwrap();
    assert!(sample_names(&page, Format::Text).contains(&"node_load1".to_owned()));
    assert!(packed.body.len() * 2 < page.len());
}

#[test]
fn queries_select_collectors_and_keep_the_exporters_own() {
    let running = start(&[]);
    let names = |path: &str| sample_names(get(&running, path).text(), Format::Text);
    let only = names("/metrics?collect[]=loadavg");
    assert_eq!(only.iter().filter(|name| *name == "node_scrape_collector_success").count(), 1);
    assert!(only.contains(&"node_load1".into()) && only.contains(&"process_open_fds".into()));
    assert!(!names("/metrics?exclude[]=loadavg").contains(&"node_load1".into()));
}

#[test]
fn flags_change_the_page() {
    let running =
        start(&["--web.telemetry-path=/", "--web.disable-exporter-metrics", "--no-collector.loadavg"]);
    let page = get(&running, "/");
    assert_eq!(page.header("content-type"), Some("text/plain; version=0.0.4; charset=utf-8"));
    let names = sample_names(page.text(), Format::Text);
    assert!(names.contains(&"node_exporter_build_info".into()));
    for gone in ["node_load1", "process_open_fds", "promhttp_metric_handler_requests_total"] {
        assert!(!names.contains(&gone.into()), "{gone}");
    }
    assert_eq!(get(&running, "/metrics").status, 404);
}

/// Another host's `/proc` may have another time of boot, or none.
#[test]
fn the_exporter_knows_its_own_start_whatever_host_it_watches() {
    let proc = tempfile::tempdir().unwrap();
    std::fs::write(proc.path().join("stat"), "btime 1000000000\n").unwrap();
    let before = std::time::UNIX_EPOCH.elapsed().unwrap().as_secs_f64();
    let running = start(&[&format!("--path.procfs={}", proc.path().display())]);
    let page = get(&running, "/metrics");
    let line = page.text().lines().find(|line| line.starts_with("process_start_time_seconds ")).unwrap();
    let started: f64 = line.split(' ').nth(1).unwrap().parse().unwrap();
    assert!((started - before).abs() < 3600.0, "{line}");
}

#[test]
fn listens_on_every_address_given() {
    let running = start(&["--web.listen-address=127.0.0.1:0", "--web.listen-address=127.0.0.2:0"]);
    assert_eq!(running.addresses.len(), 2);
    for address in &running.addresses {
        assert_eq!(request(*address, "GET", "/-/ready", "").status, 200);
    }
}

#[test]
fn concurrent_scrapes_are_all_answered() {
    let running = start(&[]);
    let address = running.addresses[0];
    let scrapers: Vec<_> = (0..32)
        .map(|_| {
            std::thread::spawn(move || (0..10).all(|_| request(address, "GET", "/metrics", "").status == 200))
        })
        .collect();
    assert!(scrapers.into_iter().all(|scraper| scraper.join().unwrap()));
}

/// A host whose load averages are a pipe: it blocks whoever opens it, as a driver in trouble does, until it is
/// released, which lets go of one reader.
fn host_with_a_pipe() -> (tempfile::TempDir, std::path::PathBuf) {
    let proc = tempfile::tempdir().unwrap();
    let pipe = proc.path().join("loadavg");
    assert!(Command::new("mkfifo").arg(&pipe).status().unwrap().success());
    (proc, pipe)
}

fn release(pipe: &std::path::Path) {
    std::fs::OpenOptions::new().write(true).open(pipe).unwrap();
}

#[test]
fn scrapes_at_the_same_time_share_one_gather() {
    let (proc, pipe) = host_with_a_pipe();
    let root = format!("--path.procfs={}", proc.path().display());
    let running = start(&[&root, "--collector.disable-defaults", "--collector.loadavg"]);
    let address = running.addresses[0];
    let scrape = move || request(address, "GET", "/metrics", "");
    let scrapers: Vec<_> = (0..20).map(|_| std::thread::spawn(scrape)).collect();
    std::thread::sleep(Duration::from_millis(500));
    release(&pipe);
    let pages: Vec<Response> = scrapers.into_iter().map(|scraper| scraper.join().unwrap()).collect();
    // Each page says how long its own gather took.
    assert!(pages[0].text().contains("node_scrape_collector_duration_seconds{collector=\"loadavg\"} 0."));
    assert!(pages.iter().all(|page| page.status == 200 && page.body == pages[0].body));
}

#[test]
fn max_requests_turns_away_what_is_above_it() {
    let (proc, pipe) = host_with_a_pipe();
    let root = format!("--path.procfs={}", proc.path().display());
    let running =
        start(&[&root, "--web.max-requests=1", "--collector.disable-defaults", "--collector.loadavg"]);
    let address = running.addresses[0];
    let first = std::thread::spawn(move || request(address, "GET", "/metrics", "").status);
    std::thread::sleep(Duration::from_millis(300));
    let second = get(&running, "/metrics");
    assert!(second.status == 503 && second.text().contains("(1)"), "{}", second.text());
    assert_eq!(get(&running, "/").status, 200);
    release(&pipe);
    assert_eq!(first.join().unwrap(), 200);
}

#[test]
fn a_collector_that_hangs_is_named_in_time_and_recovers() {
    let (proc, pipe) = host_with_a_pipe();
    let root = format!("--path.procfs={}", proc.path().display());
    let running = start(&[&root, "--collector.disable-defaults", "--collector.loadavg"]);
    let address = running.addresses[0];
    let start = std::time::Instant::now();
    let answer = request(address, "GET", "/metrics", "X-Prometheus-Scrape-Timeout-Seconds: 1\r\n");
    assert!(start.elapsed() < Duration::from_secs(3), "{:?}", start.elapsed());
    assert_eq!(answer.status, 503);
    assert!(answer.text().contains("collector loadavg"), "{}", answer.text());
    assert_eq!(get(&running, "/-/healthy").status, 200);
    release(&pipe);
    std::fs::remove_file(&pipe).unwrap();
    assert_eq!(get(&running, "/metrics").status, 200);
    let page = get(&running, "/metrics");
    assert!(page.text().contains("promhttp_metric_handler_errors_total{cause=\"gathering\"} 1\n"));
}

fn run(flags: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_vitals-exporter")).args(flags).output().unwrap()
}

#[test]
fn wrong_flags_exit_with_64_and_a_port_in_use_with_1() {
    for (flags, want) in [
        (&["--web.listen-address=nowhere"][..], "--web.listen-address"),
        (&["--collector.nonsense"], "--collector.nonsense"),
        (&["--path.procfs=/nonexistent"], "--path.procfs"),
    ] {
        let output = run(flags);
        let text = String::from_utf8(output.stderr).unwrap();
        assert!(output.status.code() == Some(64) && text.contains(want), "{flags:?}: {text}");
    }
    let taken = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let output = run(&[&format!("--web.listen-address={}", taken.local_addr().unwrap())]);
    let text = String::from_utf8(output.stderr).unwrap();
    assert!(output.status.code() == Some(1) && text.contains("another exporter"), "{text}");
}

#[test]
fn how_the_host_is_comes_as_json() {
    let running = start(&[]);
    let response = get(&running, "/api/v1/vitals?recent");
    assert_eq!((response.status, response.header("content-type")), (200, Some("application/json")));
    let status: serde_json::Value = serde_json::from_slice(&response.body).unwrap();
    let host = &status["hosts"][0];
    assert_eq!(
        (&host["state"], host["recent"]["at_milliseconds"].as_array().unwrap().len()),
        (&"up".into(), 1)
    );
    let response = get(&running, "/metrics");
    let page = response.text();
    let total = page.lines().find_map(|line| line.strip_prefix("node_memory_MemTotal_bytes ")).unwrap();
    assert_eq!(host["vitals"]["memory_total_bytes"].as_f64(), total.parse().ok());
    assert!(page.contains(&format!("nodename={}", host["name"])), "{host}");
    assert_eq!(get(&running, "/api/v1/vitals?recent=%zz").status, 400);
}

//! The recorder's own service, over real sockets.

use std::io::Read;
use std::net::{SocketAddr, TcpListener};
use std::process::{Command, Stdio};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use serde_json::Value;
use tokio::sync::mpsc;
use vitals::base::shutdown::{Shutdown, Trigger};
use vitals::exposition::{Format, Line, Parser};
use vitals::scrape_log::labels::Labels;
use vitals::scrape_log::metrics::{Files, Metrics, ScrapeFigures, ScrapeResult, StorageFigures};
use vitals::scrape_log::registry::{Dropped, Entry, Registry, Snapshot};
use vitals::scrape_log::service::{Addresses, Readiness, ReloadRequest, Service, Shared};

use super::common::http::{self, Response};
use super::common::policy;
use super::common::servers::{Server, prometheus, promtool};
use super::common::wait_until;
use super::peer::Peer;

struct Running {
    address: SocketAddr,
    readiness: Readiness,
    metrics: Arc<Metrics>,
    _stop_on_drop: Trigger,
}

/// What a recorder with these targets has in common with its service.
fn shared(snapshot: Snapshot) -> Shared {
    let registry = Registry::default();
    registry.replace(snapshot);
    Shared {
        registry: Arc::new(registry),
        metrics: Arc::default(),
        storage: Box::new(|| StorageFigures {
            active: Files { count: 20, bytes: 31_000_000 },
            compressed: Files { count: 1680, bytes: 912_000_000 },
            free_bytes: Some(70 << 30),
            ..StorageFigures::default()
        }),
        reload: None,
        readiness: Readiness::default(),
    }
}

fn start(shared: Shared) -> Running {
    let (readiness, metrics) = (shared.readiness.clone(), Arc::clone(&shared.metrics));
    let (trigger, shutdown) = Shutdown::new();
    let (send, receive) = std::sync::mpsc::channel();
    std::thread::spawn(move || {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        runtime.block_on(async {
            let service = Service::start(&Addresses::Chosen(vec!["127.0.0.1:0".into()]), shared).unwrap();
            send.send(service.addresses()[0]).unwrap();
            service.run(shutdown).await;
        });
        runtime.shutdown_background();
    });
    let address = receive.recv_timeout(Duration::from_secs(10)).unwrap();
    Running { address, readiness, metrics, _stop_on_drop: trigger }
}

fn request(running: &Running, method: &str, path: &str, headers: &str) -> Response {
    http::request(running.address, method, path, headers, b"").unwrap()
}

fn get(running: &Running, path: &str) -> Response {
    request(running, "GET", path, "")
}

/// A few racks of hosts, some of which are in trouble.
fn targets(count: usize) -> Snapshot {
    let now = std::time::UNIX_EPOCH.elapsed().unwrap().as_millis() as i64;
    let active = (0..count).map(|number| {
        let job = ["database", "node", "switches"][number * 3 / count];
        let address = format!("{job}{number:02}.example.net:9100");
        let url = format!("http://{address}/metrics");
        let rack = format!("r{}", number % 4);
        let labels = [("job", job), ("instance", &address), ("datacenter", "fra1"), ("rack", &rack)];
        let discovered = [("__address__", address.as_str()), ("__scheme__", "http"), ("job", job)];
        let times = (Duration::from_secs(15), Duration::from_secs(10));
        let entry = Entry::new(
            job.into(),
            url,
            labels.into_iter().collect(),
            discovered.into_iter().collect(),
            times,
        );
        {
            let mut state = entry.state();
            state.up = (number % 19 != 18).then_some(number % 7 != 3);
            if state.up.is_some() {
                state.last_scrape_milliseconds = Some(now - number as i64 * 733);
                state.last_scrape_duration = Duration::from_micros(1800 + number as u64 * 2317);
                state.samples = 650 + number * 7;
            }
            if state.up == Some(false) {
                state.samples = 0;
                state.last_error = "connect to 10.0.3.17:9100: connection refused".into();
            }
        }
        Arc::new(entry)
    });
    let label = |address| [("__address__", address)].into_iter().collect::<Labels>();
    let dropped = ["old01:9100", "old02:9100"]
        .map(|address| Dropped { job: "node".into(), discovered_labels: label(address) });
    Snapshot { active: active.collect(), dropped: dropped.into() }
}

#[test]
fn routes_and_methods() {
    let running = start(shared(targets(20)));
    for (method, path, status) in [
        ("GET", "/", 200),
        ("HEAD", "/", 200),
        ("GET", "/targets", 200),
        ("HEAD", "/targets", 200),
        ("GET", "/api/v1/targets", 200),
        ("GET", "/api/v1/targets?state=up", 400),
        ("GET", "/metrics", 200),
        ("HEAD", "/metrics", 200),
        ("GET", "/-/healthy", 200),
        ("GET", "/-/ready", 503),
        ("GET", "/-/reload", 405),
        ("POST", "/-/reload", 403),
        ("GET", "/-/quit", 404),
        ("GET", "/targets/", 404),
        ("POST", "/targets", 405),
    ] {
        let answer = request(&running, method, path, "");
        assert_eq!(answer.status, status, "{method} {path}: {}", answer.head);
        assert_eq!(answer.body.is_empty(), method == "HEAD", "{method} {path}");
        assert_eq!(answer.header("x-content-type-options"), Some("nosniff"), "{method} {path}");
    }
    assert!(get(&running, "/").text().contains("href=\"targets\""));
    assert!(get(&running, "/targets").text().contains("href=\"./\""));
    assert_eq!(get(&running, "/-/reload").header("allow"), Some("POST, PUT"));
    assert_eq!(request(&running, "POST", "/targets", "").header("allow"), Some("GET, HEAD"));
    running.readiness.begin();
    assert_eq!(get(&running, "/-/ready").status, 200);
    let page = get(&running, "/metrics");
    let want = "scrape_log_http_requests_total{code=\"404\",path=\"other\"} 2\n";
    assert!(page.text().contains(want), "{}", page.text());
}

#[test]
fn a_reload_answers_with_its_outcome() {
    let disabled = start(shared(Snapshot::default()));
    assert!(request(&disabled, "PUT", "/-/reload", "").text().contains("--web.enable-lifecycle"));

    let (sender, mut requests) = mpsc::channel::<ReloadRequest>(1);
    let reloader = std::thread::spawn(move || {
        for outcome in [Ok(()), Err("prometheus.yml:3:5: unknown key".to_owned())] {
            requests.blocking_recv().unwrap().send(outcome).unwrap();
        }
    });
    let running = start(Shared { reload: Some(sender), ..shared(Snapshot::default()) });
    assert_eq!(request(&running, "POST", "/-/reload", "").status, 200);
    let failed = request(&running, "PUT", "/-/reload", "Content-Length: 0\r\n");
    assert!(failed.status == 500 && failed.text().contains("prometheus.yml:3:5"), "{}", failed.text());
    reloader.join().unwrap();
    let stopping = request(&running, "POST", "/-/reload", "");
    assert!(stopping.status == 500 && stopping.text().contains("stopping"), "{}", stopping.text());
}

#[test]
fn metrics_come_in_both_formats_and_compressed() {
    let running = start(shared(targets(20)));
    running.metrics.note_scrape(&ScrapeFigures {
        result: ScrapeResult::Timeout,
        duration: Duration::from_secs(10),
        lateness: Duration::from_millis(1),
        missed: 0,
        page_bytes: 0,
        scraped_samples: 0,
        stored_samples: Some(5),
    });
    let count = |page: &str, format| {
        let (mut parser, mut samples) = (Parser::new(page, format), 0);
        while let Some(line) = parser.next() {
            samples += usize::from(matches!(line.unwrap(), Line::Sample(_)));
        }
        samples
    };
    let text = get(&running, "/metrics");
    assert_eq!(text.header("content-type"), Some("text/plain; version=0.0.4; charset=utf-8"));
    for want in [
        "scrape_log_build_info{",
        "scrape_log_stored_scrapes_total 1\n",
        "scrape_log_scrapes_total{result=\"timeout\"} 1\n",
        "scrape_log_targets{health=\"down\",job=\"node\"} 1\n",
        "scrape_log_storage_files{state=\"compressed\"} 1680\n",
        "process_resident_memory_bytes ",
    ] {
        assert!(text.text().contains(want), "{want}{}", text.text());
    }
    let accept = "Accept: application/openmetrics-text\r\nAccept-Encoding: gzip\r\n";
    let packed = request(&running, "GET", "/metrics", accept);
    assert_eq!(packed.header("content-encoding"), Some("gzip"));
    assert_eq!(packed.header("vary"), Some("Accept, Accept-Encoding"));
    let mut page = String::new();
    flate2::read::GzDecoder::new(&packed.body[..]).read_to_string(&mut page).unwrap();
    assert!(page.ends_with("\n# EOF\n"));
    // The first request is on the second page.
    assert_eq!(count(text.text(), Format::Text) + 1, count(&page, Format::OpenMetrics));
}

#[test]
fn the_number_of_series_does_not_grow_with_the_targets() {
    let lines = |count| get(&start(shared(targets(count))), "/metrics").text().lines().count();
    assert_eq!(lines(20), lines(2000));
}

#[test]
fn the_targets_as_json() {
    let running = start(shared(targets(20)));
    let body = get(&running, "/api/v1/targets?state=active&scrapePool=node");
    assert_eq!(body.header("content-type"), Some("application/json"));
    let read: Value = serde_json::from_slice(&body.body).unwrap();
    let active = read["data"]["activeTargets"].as_array().unwrap();
    assert!(active.len() == 7 && active.iter().all(|target| target["scrapePool"] == "node"), "{read}");
    assert_eq!(read["data"]["droppedTargetCounts"]["node"], 2);
}

#[test]
fn a_large_page_has_every_target() {
    let running = start(shared(targets(500)));
    let page = get(&running, "/targets");
    assert_eq!(page.header("content-type"), Some("text/html; charset=utf-8"));
    assert_eq!(page.text().matches("<tbody class=\"target").count(), 500);
    assert!(page.body.len() < 800_000, "{}", page.body.len());
    let packed = request(&running, "GET", "/targets", "Accept-Encoding: gzip\r\n");
    assert!(packed.body.len() * 5 < page.body.len(), "{}", packed.body.len());
}

/// A browser runs and applies only what the policy has the hash of.
#[test]
fn the_policy_is_that_of_the_page() {
    policy::assert_holds_for(&get(&start(shared(targets(1))), "/targets"), "page.rs");
}

#[test]
fn a_port_that_nobody_chose_may_be_another_one() {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let _context = runtime.enter();
    let taken = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let first = Service::start(&Addresses::Default(taken), shared(targets(1))).unwrap();
    let second = Service::start(&Addresses::Default(taken), shared(targets(1))).unwrap();
    assert_eq!(first.addresses(), [taken]);
    let moved = second.addresses()[0].port();
    assert!(moved > taken.port() && moved < taken.port() + 10, "{moved}");
    let error =
        Service::start(&Addresses::Chosen(vec![taken.to_string()]), shared(targets(1))).err().unwrap();
    assert!(error.to_string().contains("--web.listen-address"), "{error}");
}

#[test]
fn a_disk_that_hangs_costs_one_thread_and_an_answer_in_time() {
    let (release, wait) = std::sync::mpsc::channel::<()>();
    let (wait, asked) = (Mutex::new(wait), Arc::new(AtomicUsize::new(0)));
    let counter = Arc::clone(&asked);
    let storage = Box::new(move || {
        counter.fetch_add(1, Ordering::SeqCst);
        assert!(wait.lock().unwrap().recv().is_err(), "it waits until the other end is dropped");
        StorageFigures::default()
    });
    let running = start(Shared { storage, ..shared(targets(1)) });
    let soon = "X-Prometheus-Scrape-Timeout-Seconds: 0.5\r\n";
    for _ in 0..3 {
        let answer = request(&running, "GET", "/metrics", soon);
        assert!(answer.status == 503 && answer.text().contains("--storage.path"), "{}", answer.text());
    }
    assert_eq!((asked.load(Ordering::SeqCst), get(&running, "/-/healthy").status), (1, 200));
    drop(release);
    assert_eq!(get(&running, "/metrics").status, 200);
}

#[test]
#[ignore = "needs promtool (tests/run installs it)"]
fn promtool_finds_nothing_amiss() {
    let page = get(&start(shared(targets(20))), "/metrics");
    let output = promtool(&["check", "metrics"], page.text());
    let text = [output.stdout, output.stderr].concat();
    assert!(output.status.success() && text.is_empty(), "{}", String::from_utf8_lossy(&text));
}

#[test]
#[ignore = "needs chromium (tests/run installs it)"]
fn a_browser_shows_the_page_without_complaint() {
    let running = start(shared(targets(20)));
    let profile = tempfile::tempdir().unwrap();
    let load = |fragment: &str| {
        let output = Command::new("chromium")
            .args(["--headless", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage"])
            .args(["--enable-logging=stderr", "--virtual-time-budget=5000", "--dump-dom"])
            .arg(format!("--user-data-dir={}", profile.path().display()))
            .arg(format!("http://{}/targets{fragment}", running.address))
            .stdin(Stdio::null())
            .output()
            .unwrap();
        let log = String::from_utf8_lossy(&output.stderr).into_owned();
        assert!(output.status.success() && !log.contains("CONSOLE"), "{log}");
        String::from_utf8(output.stdout).unwrap()
    };
    let shown = |page: &str| {
        let all = page.matches("<tbody class=\"target ").count();
        let hidden = page.split("<tbody class=\"target ").skip(1);
        all - hidden.filter(|target| target.split('>').next().unwrap().contains("hidden")).count()
    };
    let page = load("");
    assert!(page.contains("<form id=\"filter\">"), "the script shows the filter: {page}");
    assert_eq!(shown(&page), 20);
    assert_eq!(shown(&load("#unhealthy=1")), 4);
    assert_eq!(shown(&load("#text=REFUSED+node")), 1);
}

/// The names and types of all fields below `value`, elements of a list as one.
fn shape(path: &str, value: &Value, shapes: &mut std::collections::BTreeSet<String>) {
    match value {
        // What is in these depends on the configuration.
        Value::Object(_) if path.ends_with("abels") => drop(shapes.insert(format!("{path}: labels"))),
        Value::Object(fields) => {
            fields.iter().for_each(|(name, value)| shape(&format!("{path}.{name}"), value, shapes));
        }
        Value::Array(items) => items.iter().for_each(|item| shape(&format!("{path}[]"), item, shapes)),
        Value::String(_) => drop(shapes.insert(format!("{path}: string"))),
        Value::Number(_) => drop(shapes.insert(format!("{path}: number"))),
        Value::Bool(_) => drop(shapes.insert(format!("{path}: bool"))),
        Value::Null => drop(shapes.insert(format!("{path}: null"))),
    }
}

#[test]
#[ignore = "needs prometheus (tests/run installs it)"]
fn the_json_is_like_that_of_prometheus() {
    let peer = Peer::exporter("a 1\n");
    let directory = tempfile::tempdir().unwrap();
    let config = format!(
        "global: {{scrape_interval: 1s, scrape_timeout: 1s}}\nscrape_configs:\n- job_name: node\n  \
         static_configs: [{{targets: ['{}', 'dropped:1']}}]\n  relabel_configs:\n  \
         - {{action: drop, source_labels: [__address__], regex: 'dropped:1'}}\n",
        peer.address
    );
    let prometheus: Server = prometheus(&config, directory.path());
    let ours = start(shared(targets(20)));
    let read = |address, query: &str| -> (u16, Value) {
        let answer = http::get(address, &format!("/api/v1/targets{query}")).unwrap();
        (answer.status, serde_json::from_slice(&answer.body).unwrap())
    };
    let theirs = wait_until("a scrape by Prometheus", Duration::from_secs(30), || {
        let (_, body) = read(prometheus.address, "");
        (body["data"]["activeTargets"][0]["health"] == "up").then_some(body)
    });
    let shapes = |value: &Value| {
        let mut shapes = std::collections::BTreeSet::new();
        shape("", value, &mut shapes);
        shapes
    };
    let (ours_all, theirs) = (shapes(&read(ours.address, "").1), shapes(&theirs));
    let more: Vec<_> = ours_all.difference(&theirs).map(String::as_str).collect();
    let less: Vec<_> = theirs.difference(&ours_all).collect();
    assert_eq!(less, [] as [&String; 0]);
    // What newer versions have.
    let newer = [".data.droppedTargetCounts.node: number", ".data.droppedTargets[].scrapePool: string"];
    assert!(more.iter().all(|field| newer.contains(field)), "{more:?}");
    // An answer that says what is wrong.
    let (ours, theirs) = (read(ours.address, "?state=x").1, {
        let answer = http::get(prometheus.address, "/api/v1/query").unwrap();
        serde_json::from_slice::<Value>(&answer.body).unwrap()
    });
    assert_eq!(shapes(&ours), shapes(&theirs));
    assert_eq!(ours["errorType"], theirs["errorType"]);
}

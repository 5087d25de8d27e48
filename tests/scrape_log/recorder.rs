use super::peer::Peer;
use std::fs;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};
use vitals::base::shutdown::Shutdown;
use vitals::scrape_log::{Error, Options, ScrapeLog, args};

const PAGE: &str = "# HELP node_load1 1m load average.\n# TYPE node_load1 gauge\nnode_load1 0.5\n";
const INTERVAL: &str = "--scrape.interval=100ms";

fn config(storage: &Path, flags: &[&str]) -> Options {
    let storage = format!("--storage.path={}", storage.display());
    let own = "--web.listen-address=127.0.0.1:0";
    let args::Command::Record(options) =
        args::parse(["scrape-log", own, &storage].iter().chain(flags)).unwrap()
    else {
        panic!("{flags:?} do not record");
    };
    *options
}

/// Records until `enough` says so, and gives how long stopping took.
fn record(options: Options, enough: impl AsyncFn()) -> (Result<(), Error>, Duration) {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let result = runtime.block_on(async {
        let (trigger, shutdown) = Shutdown::new();
        let running = tokio::spawn(async { ScrapeLog::start(options)?.run(shutdown).await });
        tokio::time::timeout(Duration::from_secs(20), enough()).await.expect("enough in time");
        trigger.now();
        let start = Instant::now();
        (running.await.unwrap(), start.elapsed())
    });
    runtime.shutdown_background();
    result
}

async fn until(condition: impl Fn() -> bool) {
    while !condition() {
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
}

fn files(directory: &Path, start: &str) -> Vec<PathBuf> {
    let Ok(entries) = fs::read_dir(directory) else { return Vec::new() };
    let mut paths: Vec<_> = entries
        .map(|entry| entry.unwrap().path())
        .filter(|path| path.file_name().unwrap().to_str().unwrap().starts_with(start))
        .collect();
    paths.sort();
    paths
}

/// What a file says, compressed or not.
fn read(path: &Path) -> Vec<u8> {
    let bytes = fs::read(path).unwrap();
    if path.extension().unwrap() == "zst" { zstd::decode_all(bytes.as_slice()).unwrap() } else { bytes }
}

fn text(path: &Path) -> String {
    String::from_utf8(read(path)).unwrap()
}

fn directory(storage: &Path, peer: &Peer) -> PathBuf {
    storage.join(format!("127.0.0.1_{}", peer.address.port()))
}

fn lines_with<'a>(text: &'a str, start: &str) -> Vec<&'a str> {
    text.lines().filter(|line| line.starts_with(start)).collect()
}

#[test]
fn targets_that_are_down_cost_the_others_nothing() {
    let storage = tempfile::tempdir().unwrap();
    let (good, other) = (Peer::exporter(PAGE), Peer::exporter(PAGE));
    let silent = Peer::new(|caller| {
        caller.hear();
        caller.wait();
    });
    let closed = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let targets: Vec<String> = [good.address, other.address, silent.address, closed]
        .iter()
        .map(|at| format!("--target={at}"))
        .collect();
    let mut flags: Vec<&str> = targets.iter().map(String::as_str).collect();
    flags.push(INTERVAL);
    let start = Instant::now();
    let (result, stopping) =
        record(config(storage.path(), &flags), async || until(|| good.requests().len() >= 12).await);
    result.unwrap();
    assert!(start.elapsed() < Duration::from_secs(10), "a scrape each 100 ms: {:?}", start.elapsed());
    assert!(stopping < Duration::from_secs(1), "{stopping:?}");
    assert!(other.requests().len() >= 6 && good.connections() == 1);

    for (peer, up) in [(&good, " 1 "), (&other, " 1 "), (&silent, " 0 ")] {
        let directory = directory(storage.path(), peer);
        for path in files(&directory, "samples-") {
            let text = text(&path);
            assert!(
                text.starts_with("# HELP scrapelog_file {\"v\":1,") && text.ends_with("\n# EOF\n"),
                "{text}"
            );
            let ups = lines_with(&text, "up{");
            assert!(!ups.is_empty() && ups.iter().all(|line| line.contains(up)), "{text}");
            let marks = lines_with(&text, "scrape_samples_post_metric_relabeling{");
            assert_eq!(marks.len(), ups.len());
            let loads = lines_with(&text, "node_load1{");
            assert_eq!(loads.len(), if up == " 1 " { ups.len() } else { 0 });
            assert_eq!(lines_with(&text, "# TYPE node_load1 ").len(), loads.len().min(1));
            let times: Vec<f64> =
                ups.iter().map(|line| line.rsplit(' ').next().unwrap().parse().unwrap()).collect();
            assert!(times.is_sorted_by(|one, two| one < two), "{times:?}");
        }
        let log = fs::read_to_string(&files(&directory, "vitals-")[0]).unwrap();
        assert!(log.lines().all(|line| line.starts_with("time=")), "{log}");
        assert!(log.contains(if up == " 1 " { " up=1 load1=0.5 " } else { " up=0 " }), "{log}");
    }
    let silent = text(&files(&directory(storage.path(), &silent), "samples-")[0]);
    assert!(
        silent.contains("\"err\":\"deadline of 100ms passed while waiting for the response\"}"),
        "{silent}"
    );
    let refused = storage.path().join(format!("127.0.0.1_{}", closed.port()));
    let refused = text(&files(&refused, "samples-")[0]);
    assert!(refused.contains(": connection refused\"}"), "{refused}");
}

#[test]
fn a_scrape_under_way_does_not_hold_up_the_stop() {
    let storage = tempfile::tempdir().unwrap();
    let silent = Peer::new(|caller| {
        caller.hear();
        caller.wait();
    });
    let target = format!("--target={}", silent.address);
    let flags = [target.as_str(), "--scrape.interval=2s", "--scrape.timeout=2s"];
    let (result, stopping) =
        record(config(storage.path(), &flags), async || until(|| silent.requests().len() == 1).await);
    result.unwrap();
    assert!(stopping < Duration::from_secs(1), "{stopping:?}");
    assert_eq!(files(&directory(storage.path(), &silent), "samples-").len(), 0, "no scrape, no file");
}

#[test]
fn a_file_left_open_is_mended_and_never_continued() {
    let storage = tempfile::tempdir().unwrap();
    let peer = Peer::exporter(PAGE);
    let target = format!("--target={}", peer.address);
    let run_once = |requests| {
        record(config(storage.path(), &[&target, INTERVAL]), async || {
            until(|| peer.requests().len() >= requests).await;
        })
    };
    run_once(4).0.unwrap();
    let directory = directory(storage.path(), &peer);
    let first = files(&directory, "samples-").remove(0);
    let whole = read(&first);
    fs::remove_file(&first).unwrap();
    let plain = first.to_str().unwrap().trim_end_matches(".zst");
    // As if the power had gone in the middle of the next scrape.
    let mut torn = whole.strip_suffix(b"# EOF\n").unwrap().to_vec();
    torn.extend_from_slice(b"node_load1{job=\"node\",instance=\"127.0.0.1:9\"} 0.5 17952");
    torn.resize(torn.len() + 512, 0);
    fs::write(plain, torn).unwrap();
    run_once(8).0.unwrap();
    let files = files(&directory, "samples-");
    assert_eq!(read(&files[0]), whole);
    assert_eq!(files.len(), 2);
}

#[test]
fn a_start_that_can_not_work_fails() {
    let storage = tempfile::tempdir().unwrap();
    let file = storage.path().join("file");
    fs::write(&file, "").unwrap();
    let start = |config| record(config, async || tokio::time::sleep(Duration::from_millis(50)).await).0;
    let error = start(config(&file, &["--target=127.0.0.1:9"])).unwrap_err();
    assert!(
        matches!(error, Error::Storage { .. }) && error.to_string().contains("--storage.path"),
        "{error}"
    );
    let error = start(config(storage.path(), &[])).unwrap_err();
    assert!(matches!(error, Error::NoTarget), "{error}");
}

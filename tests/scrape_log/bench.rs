//! A recording whose configuration a test sets and changes, and what it leaves in files.

use super::peer::Peer;
use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};
use std::time::Duration;
use tokio::sync::{mpsc, oneshot};
use vitals::base::service_manager::ServiceManager;
use vitals::base::shutdown::Shutdown;
use vitals::scrape_log::config::{Config, Discovery, Job, TargetGroup};
use vitals::scrape_log::metrics::Figures;
use vitals::scrape_log::registry::{Entry, Registry};
use vitals::scrape_log::service::Readiness;
use vitals::scrape_log::{Recording, ReloadRequest, StorageOptions, args, record};

pub const PAGE: &str = "# TYPE a gauge\na 1\n";
pub const LONG: Duration = Duration::from_secs(30);

/// A recording whose configuration the test sets.
pub struct Bench {
    pub storage: PathBuf,
    pub registry: Arc<Registry>,
    next: Arc<Mutex<Result<Config, String>>>,
    requests: mpsc::Sender<ReloadRequest>,
}

impl Bench {
    /// Records `config` while `script` runs, and then stops.
    pub fn run(storage: &Path, config: Config, script: impl AsyncFnOnce(&Bench)) {
        let (requests, reload_requests) = mpsc::channel(8);
        let bench = Bench {
            storage: storage.to_owned(),
            registry: Arc::default(),
            next: Arc::new(Mutex::new(Ok(config.clone()))),
            requests,
        };
        let next = Arc::clone(&bench.next);
        let recording = Recording {
            storage: storage_options(storage),
            config,
            load: Arc::new(move || next.lock().unwrap().clone()),
            reload_requests,
            registry: Arc::clone(&bench.registry),
            metrics: Arc::default(),
            figures: Figures::default(),
            readiness: Readiness::default(),
            service_manager: ServiceManager::default(),
        };
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        runtime.block_on(async {
            let (trigger, shutdown) = Shutdown::new();
            let running = tokio::spawn(record(recording, shutdown));
            tokio::time::timeout(4 * LONG, script(&bench)).await.expect("the script ends in time");
            assert!(!running.is_finished());
            trigger.now();
            running.await.unwrap().unwrap();
        });
        runtime.shutdown_background();
    }

    pub async fn reload(&self, config: Result<Config, String>) -> Result<(), String> {
        *self.next.lock().unwrap() = config;
        let (reply, answer) = oneshot::channel();
        self.requests.send(reply).await.unwrap();
        answer.await.unwrap()
    }

    pub fn targets(&self) -> Vec<Arc<Entry>> {
        self.registry.snapshot().active
    }

    pub fn urls(&self) -> Vec<String> {
        self.targets().iter().map(|entry| entry.url.clone()).collect()
    }
}

/// The defaults but for the path.
fn storage_options(path: &Path) -> StorageOptions {
    let flag = format!("--storage.path={}", path.display());
    let args::Command::Record(options) = args::parse(["scrape-log", &flag]).unwrap() else { unreachable!() };
    options.storage
}

pub async fn until(what: &str, condition: impl Fn() -> bool) {
    let waited = async {
        while !condition() {
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    };
    tokio::time::timeout(LONG, waited).await.unwrap_or_else(|_| panic!("waited in vain for {what}"));
}

pub fn job(name: &str, interval: Duration, discoveries: Vec<Discovery>) -> Job {
    Job { discoveries, ..Job::new(name.to_owned(), interval, interval) }
}

/// One target, told from others of the same peer by its path.
pub fn group(peer: &Peer, path: &str) -> TargetGroup {
    TargetGroup {
        targets: vec![peer.address.to_string()],
        labels: [("__metrics_path__", path), ("path", path)].into_iter().collect(),
    }
}

pub fn fixed(name: &str, interval: Duration, groups: Vec<TargetGroup>) -> Config {
    Config { jobs: vec![job(name, interval, vec![Discovery::Static(groups)])] }
}

/// The samples files below the storage path, compressed or not, by directory, in the order of their names.
pub fn files(storage: &Path) -> BTreeMap<String, Vec<String>> {
    let mut found = BTreeMap::new();
    for directory in fs::read_dir(storage).unwrap().map(|entry| entry.unwrap().path()) {
        if !directory.is_dir() {
            continue;
        }
        let name = |entry: std::io::Result<fs::DirEntry>| entry.unwrap().file_name().into_string().unwrap();
        let names = fs::read_dir(&directory).unwrap().map(name).filter(|name| !name.ends_with(".tmp"));
        let names: BTreeSet<String> = names
            .filter(|name| name.starts_with("samples-"))
            .map(|name| name.trim_end_matches(".zst").to_owned())
            .collect();
        let texts = names.iter().map(|name| read(&directory.join(name))).collect();
        found.insert(directory.file_name().unwrap().to_str().unwrap().to_owned(), texts);
    }
    found
}

/// A samples file, which may be compressed at this very moment.
fn read(plain: &Path) -> String {
    fs::read_to_string(plain).unwrap_or_else(|_| {
        let compressed = fs::read(plain.with_extension("om.zst")).unwrap();
        String::from_utf8(zstd::decode_all(compressed.as_slice()).unwrap()).unwrap()
    })
}

/// The times of all scrapes in files of one target, in milliseconds.
pub fn times(files: &[String]) -> Vec<i64> {
    let ups = files.iter().flat_map(|text| text.lines()).filter(|line| line.starts_with("up{"));
    let time =
        |line: &str| (line.rsplit(' ').next().unwrap().parse::<f64>().unwrap() * 1000.0).round() as i64;
    ups.map(time).collect()
}

/// Scrapes that are missing between others, which may be late by most of an interval.
pub fn gaps(times: &[i64], interval: Duration) -> u64 {
    let interval = interval.as_millis() as i64;
    times.windows(2).map(|pair| ((pair[1] - pair[0] + interval / 4) / interval - 1).max(0) as u64).sum()
}

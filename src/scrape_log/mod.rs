//! The recorder: scrapes exporters and writes what they say into plain text files.
//!
//! ```text
//!  args ─► config ─► discovery ─► relabel ─► targets ─► pools (starts and stops the tasks)
//!
//!             every interval             recording: one thread for all of them
//!  schedule ─────────────────► web::client ───────────┬─► lines ──► store: samples-…Z.om
//!     └────────── scraper (a task a target) ──────────┴─► vitals ─► store: vitals-….log
//!
//!  registry, metrics ─► service: /, /targets, /metrics    store ─► files ─► tools: check, export, report, top
//! ```
//!
//! `pools` holds the tasks to what the configuration and the discoveries say. Each target has a task of its own
//! (`scraper`), a directory of its own and a phase of its own in the interval; one that is down or slow costs the others
//! nothing. `lines` says what the samples file looks like, `store` how it gets to the disk and what happens when it
//! can't, and `store::recover` how a file is mended whose writer died. At a crash at most the scrape under way is lost,
//! and at a power cut what `--storage.sync-interval` allows. `files` reads what was written, `replay` plays it into the
//! numbers and problems of then, and `tools` are the subcommands that need them. `health` and `budget` decide what the
//! log says about targets, `ask` makes the client's settings of a job's.

pub mod args;
mod ask;
mod budget;
pub mod check_config;
pub mod config;
mod descriptors;
mod discovery;
mod files;
mod hashed;
mod health;
pub mod labels;
mod lines;
pub mod metrics;
mod pages;
mod pools;
mod recorder;
mod recording;
pub mod registry;
pub mod relabel;
mod replay;
mod schedule;
mod scraper;
pub mod service;
mod store;
mod targets;
pub mod tools;

pub use args::Options;
pub use pools::Load;
pub use service::ReloadRequest;

use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::mpsc;
use tokio::task::spawn_blocking;

use crate::base::service_manager::ServiceManager;
use crate::base::shutdown::Shutdown;
use metrics::{Figures, Metrics};
use pages::Pages;
use pools::{Pools, Reloads};
use registry::Registry;
use scraper::Shared;
use service::{Readiness, Service};
pub use store::{MinFree, StorageOptions};

/// Requests for a reload that may wait.
const RELOAD_REQUESTS: usize = 16;
/// How long closing the files may take. A disk that hangs would hold up the stop for good. The threads of the storage
/// take up to 0.3 s more.
const CLOSING_TIME: Duration = Duration::from_millis(600);

/// Why recording can't start or had to end.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// There is nothing to record.
    #[error("there is no target to scrape: give --target HOST:PORT, or --config.file with scrape_configs")]
    NoTarget,
    /// The configuration has mistakes.
    #[error(transparent)]
    Config(#[from] config::Error),
    /// A file that the configuration names can't be used.
    #[error("{0}")]
    Setup(String),
    /// The own pages can't be served.
    #[error(transparent)]
    Start(#[from] service::StartError),
    /// The storage path can't be used.
    #[error("can't write to {}: {error}: give --storage.path a directory that this user can write to", path.display())]
    Storage {
        /// The path that failed.
        path: PathBuf,
        /// Why.
        error: io::Error,
    },
    /// Another process records into the storage path.
    #[error("{} is in use by another scrape-log (process {holder}): stop it or give another --storage.path", path.display())]
    Locked {
        /// The storage path.
        path: PathBuf,
        /// What the lock file says about its holder.
        holder: String,
    },
    /// A task died.
    #[error("a task ended unexpectedly, please report this: {0}")]
    Task(#[from] tokio::task::JoinError),
}

/// What to record, and where.
pub struct Recording {
    /// Where files go, and how long they stay.
    pub storage: StorageOptions,
    /// The jobs to begin with.
    pub config: config::Config,
    /// Reads the configuration again, at SIGHUP and for each of `reload_requests`.
    pub load: Arc<Load>,
    /// Those who want the configuration to be read again.
    pub reload_requests: mpsc::Receiver<ReloadRequest>,
    /// What is kept up to date about the targets.
    pub registry: Arc<Registry>,
    /// What is counted.
    pub metrics: Arc<Metrics>,
    /// Told whom to ask for the figures of the storage.
    pub figures: Figures,
    /// Told when recording begins.
    pub readiness: Readiness,
    /// Told when recording begins, how many targets there are, and of reloads.
    pub service_manager: ServiceManager,
}

/// The recorder with its own pages, ready to run.
pub struct ScrapeLog {
    recording: Recording,
    service: Service,
}

impl ScrapeLog {
    /// Reads the configuration and binds the sockets. Call it inside a runtime.
    ///
    /// # Errors
    /// See [`Error`]; nothing is written or bound then.
    pub fn start(options: Options) -> Result<Self, Error> {
        let (config, warnings) = options.load()?;
        for warning in warnings {
            tracing::warn!("{warning}");
        }
        let (requests, reload_requests) = mpsc::channel(RELOAD_REQUESTS);
        let (registry, metrics) = (Arc::default(), Arc::new(Metrics::new()));
        let (figures, readiness) = (Figures::default(), Readiness::default());
        let shown_figures = figures.clone();
        let shown = service::Shared {
            registry: Arc::clone(&registry),
            metrics: Arc::clone(&metrics),
            storage: Box::new(move || shown_figures.get()),
            reload: options.enable_lifecycle.then_some(requests),
            readiness: readiness.clone(),
        };
        let service = Service::start(&options.addresses, shown)?;
        let storage = options.storage.clone();
        let load = move || {
            let (config, _) = options.load().map_err(|error| error.to_string())?;
            // A file of which only the beginning is written yet must not end all that is recorded.
            if config.scrapes_nothing() { Err(Error::NoTarget.to_string()) } else { Ok(config) }
        };
        let load = Arc::new(load);
        let recording = Recording {
            storage,
            config,
            load,
            reload_requests,
            registry,
            metrics,
            figures,
            readiness,
            service_manager: ServiceManager::default(),
        };
        Ok(Self { recording, service })
    }

    /// Has the service manager told how recording goes.
    #[must_use]
    pub fn managed_by(mut self, service_manager: ServiceManager) -> Self {
        self.recording.service_manager = service_manager;
        self
    }

    /// Where its own pages are.
    pub fn addresses(&self) -> &[SocketAddr] {
        self.service.addresses()
    }

    /// Records and serves until `shutdown`, see [`record`].
    ///
    /// # Errors
    /// As [`record`].
    pub async fn run(self, shutdown: Shutdown) -> Result<(), Error> {
        let serving = tokio::spawn(self.service.run(shutdown.clone()));
        record(self.recording, shutdown).await?;
        Ok(serving.await?)
    }
}

/// Records until `shutdown`. Files that an earlier process left open are closed first. After a request to stop the
/// scrapes under way are abandoned and the files are closed, within a second.
///
/// A lookup of a name or a write on a hanging disk may still hold a thread when this returns: the runtime has to
/// be left with `shutdown_background`, not by dropping it.
///
/// # Errors
/// See [`Error`]. A target that is down and a disk that is full are no errors.
pub async fn record(recording: Recording, mut shutdown: Shutdown) -> Result<(), Error> {
    let Recording {
        storage,
        config,
        load,
        reload_requests,
        registry,
        metrics,
        figures,
        readiness,
        service_manager,
    } = recording;
    if config.scrapes_nothing() {
        return Err(Error::NoTarget);
    }
    let config = spawn_blocking(move || ask::ready(config)).await?.map_err(Error::Setup)?;
    // Before the files are mended, which may take its time: a SIGHUP that nobody waits for ends the process.
    let reloads = Reloads::new(load, Arc::clone(&metrics), reload_requests, service_manager.clone());
    let (storage, background) = spawn_blocking(move || store::prepare(storage)).await??;
    let source = Arc::clone(&storage);
    figures.set(move || source.statistics().into());
    tracing::info!(path = %storage.path().display(), jobs = config.len(), "recording");
    readiness.begin();
    service_manager.ready();
    let (trigger, stop) = Shutdown::new();
    let (queue, thread) = recording::Recording::start();
    let (budget, pages) = (Arc::default(), Pages::default());
    let shared = Shared { storage, registry, metrics, budget, pages, recording: queue };
    let mut pools = Pools::new(shared, config, reloads, service_manager, stop);
    let outcome = tokio::select! {
        () = shutdown.requested() => Ok(()),
        died = pools.run() => died,
        // It does not end while there are targets, unless it panics.
        ended = thread => ended,
    };
    trigger.now();
    let closed = tokio::time::timeout(CLOSING_TIME, pools.closed()).await.unwrap_or_else(|_| {
        tracing::warn!("the disk is too slow to close all files in time, the next start closes them");
        Ok(())
    });
    let stopped = spawn_blocking(move || drop(background)).await;
    Ok(outcome.and(closed).and(stopped)?)
}

/// What `scrape-log` without a target tells the person who started it: the address of the exporter inside it, and of its
/// own pages.
pub fn banner(storage: &Path, exporter: SocketAddr, own: SocketAddr) -> String {
    let files = storage.display();
    format!(
        "scrape-log records this machine. Ctrl-C stops it.\n\
         \u{20} files    {files}  (tail -F {files}/*/vitals-*.log)\n\
         \u{20} live     http://{own}/\n\
         \u{20} metrics  http://{exporter}/metrics\n\
         \u{20} others   run vitals-exporter on each host, then: scrape-log --target HOST:9100 --target ...",
    )
}

/// The address under which this machine reaches a socket that listens on `address`, which may be unspecified.
pub fn reachable(address: SocketAddr) -> SocketAddr {
    match address.ip() {
        IpAddr::V4(ip) if ip.is_unspecified() => SocketAddr::new(Ipv4Addr::LOCALHOST.into(), address.port()),
        IpAddr::V6(ip) if ip.is_unspecified() => SocketAddr::new(Ipv6Addr::LOCALHOST.into(), address.port()),
        _ => address,
    }
}

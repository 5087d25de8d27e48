//! The recorder: scrapes exporters and writes what they say into plain text files.
//!
//! ```text
//!             every interval                one blocking thread a scrape
//!  schedule ───────────────► web::client ─────────────► lines ──► store: samples-…Z.om
//!     └──────────── scraper (a task a target) ────────► vitals ─► store: vitals-….log
//! ```
//!
//! Each target has a task of its own (`scraper`), a directory of its own and a phase of its own in the interval;
//! one that is down or slow costs the others nothing. `lines` says what the samples file looks like, `store` how it
//! gets to the disk and what happens when it can't, and `store::recover` how a file is mended whose writer died. At
//! a crash or a power cut at most the scrape under way is lost.

pub mod args;
pub mod config;
mod health;
pub mod labels;
mod lines;
mod recorder;
pub mod registry;
pub mod relabel;
mod schedule;
mod scraper;
mod store;
mod target;

pub use args::Config;
pub use target::Target;

use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use tokio::task::{JoinSet, spawn_blocking};

use crate::base::shutdown::Shutdown;
use store::{Disk, Options};

/// How long closing the files may take. A disk that hangs would hold up the stop for good. The threads of the storage
/// take up to 0.3 s more.
const CLOSING_TIME: Duration = Duration::from_millis(600);

/// Why recording can't start or had to end.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// There is nothing to record.
    #[error("there is no target to scrape: give --target HOST:PORT")]
    NoTarget,
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

/// Records the targets of `config` until `shutdown`. Files that an earlier process left open are closed first.
/// After a request to stop the scrapes under way are abandoned and the files are closed, within a second.
///
/// A lookup of a name or a write on a hanging disk may still hold a thread when this returns: the runtime has to
/// be left with `shutdown_background`, not by dropping it.
///
/// # Errors
/// See [`Error`]. A target that is down and a disk that is full are no errors.
pub async fn run(config: Config, mut shutdown: Shutdown) -> Result<(), Error> {
    if config.targets.is_empty() {
        return Err(Error::NoTarget);
    }
    let options = Options::new(config.storage_path.clone());
    let (storage, background) = spawn_blocking(move || store::prepare(options)).await??;
    let disk: Arc<dyn Disk> = storage;
    tracing::info!(
        path = %config.storage_path.display(),
        targets = config.targets.len(),
        interval = ?config.interval,
        "recording"
    );
    let config = Arc::new(config);
    let (trigger, stop) = Shutdown::new();
    let mut tasks = JoinSet::new();
    for target in &config.targets {
        tasks.spawn(scraper::run(target.clone(), Arc::clone(&config), Arc::clone(&disk), stop.clone()));
    }
    let mut outcome = Ok(());
    tokio::select! {
        () = shutdown.requested() => {}
        ended = tasks.join_next() => outcome = check(ended),
    }
    trigger.now();
    let closing = async {
        while let Some(ended) = tasks.join_next().await {
            let ended = check(Some(ended));
            if outcome.is_ok() {
                outcome = ended;
            }
        }
    };
    if tokio::time::timeout(CLOSING_TIME, closing).await.is_err() {
        tracing::warn!("the disk is too slow to close all files in time, the next start closes them");
    }
    if let Err(error) = spawn_blocking(move || drop(background)).await
        && outcome.is_ok()
    {
        outcome = Err(Error::Task(error));
    }
    outcome
}

/// What `scrape-log` without a target tells the person who started it, `own` being the exporter inside it.
pub fn banner(config: &Config, own: &Target) -> String {
    let files = config.storage_path.join(own.directory());
    let (instance, files) = (own.instance(), files.display());
    format!(
        "scrape-log records this machine every {:?}. Ctrl-C stops it.\n\
         \u{20} metrics  http://{instance}/metrics\n\
         \u{20} page     http://{instance}/\n\
         \u{20} files    {files}  (tail -F {files}/vitals-*.log)\n\
         \u{20} others   run vitals-exporter on each host, then: scrape-log --target HOST:9100 --target ...",
        config.interval,
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

fn check(
    ended: Option<Result<Result<(), tokio::task::JoinError>, tokio::task::JoinError>>,
) -> Result<(), Error> {
    match ended {
        Some(Ok(Err(error)) | Err(error)) => Err(Error::Task(error)),
        Some(Ok(Ok(()))) | None => Ok(()),
    }
}

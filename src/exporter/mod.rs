//! `vitals-exporter`: the HTTP service of one host.
//!
//! [`Exporter::start`] makes the collectors and binds the sockets, so that everything that can be wrong with the
//! flags or the host is said before anything runs; [`Exporter::run`] serves until told to stop.

mod absent;
pub mod args;
mod args_file;
mod gather;
mod live;
mod pages;
mod query;
mod routes;
mod self_metrics;
mod shutdowns;

use std::collections::BTreeSet;
use std::io;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;

use tokio::net::TcpListener;

use crate::base::shutdown::Shutdown;
use crate::collectors::{BuildError, COLLECTORS, CollectorSet, Settings};
use crate::host::Root;
use crate::web::server::{self, Limits, ListenError};
use gather::Gatherer;
use routes::Routes;
use self_metrics::SelfMetrics;
use shutdowns::Shutdowns;

/// What to serve, and where. [`args::parse`] makes it from the command line.
#[derive(Clone, Debug)]
pub struct Config {
    /// Addresses to listen on, as [`server::parse_address`] reads them.
    pub listen_addresses: Vec<String>,
    /// The path of the page of metrics.
    pub telemetry_path: String,
    /// Scrapes at once beyond which 503 is the answer; 0 is no limit.
    pub max_requests: usize,
    /// Where the exporter keeps a note of whether the machine is shut down or just goes. Without it nobody knows.
    pub state_directory: Option<PathBuf>,
    /// Leave out `process_*` and `promhttp_*`.
    pub disable_exporter_metrics: bool,
    /// The names of the collectors to run.
    pub collectors: BTreeSet<&'static str>,
    /// Collectors of node_exporter that were switched off and are not here anyway.
    pub absent_collectors: Vec<&'static str>,
    /// The host and the collectors' flags.
    pub settings: Settings,
    /// `--log.level`.
    pub log_level: String,
    /// `--log.format`.
    pub log_format: String,
}

/// Why the exporter can't start.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// Flags that are wrong together; a matter of usage.
    #[error(transparent)]
    Flags(#[from] BuildError),
    /// An address that can't be listened on.
    #[error(transparent)]
    Listen(#[from] ListenError),
    /// The directory for the state can't be used.
    #[error("{0}")]
    State(String),
    /// The system refused something else.
    #[error("cannot start: {0}")]
    System(#[from] io::Error),
}

/// An exporter whose sockets are bound.
pub struct Exporter {
    listeners: Vec<TcpListener>,
    addresses: Vec<SocketAddr>,
    routes: Routes,
    shutdowns: Option<Shutdowns>,
}

impl Exporter {
    /// Makes the collectors, then binds all addresses. Call it inside a runtime.
    ///
    /// # Errors
    /// [`StartError`]; nothing stays bound.
    pub fn start(config: &Config) -> Result<Self, StartError> {
        let shutdowns = shutdowns(config)?;
        let mut settings = config.settings.clone();
        settings.last_shutdown = shutdowns.as_ref().map(Shutdowns::last);
        let collectors = CollectorSet::build(COLLECTORS, &settings, |name| config.collectors.contains(name))?;
        for name in &config.absent_collectors {
            tracing::debug!(collector = name, "switched off, but not here anyway");
        }
        let udev = &config.settings.root.udev;
        if *udev != Root::default().udev && !udev.is_dir() {
            tracing::warn!(
                directory = %udev.display(),
                "no such directory (--path.udev.data): disks go without what udev knows of them"
            );
        }
        server::raise_open_files_limit();
        let listeners: Vec<TcpListener> =
            config.listen_addresses.iter().map(|address| server::bind(address)).collect::<Result<_, _>>()?;
        let addresses = listeners.iter().map(TcpListener::local_addr).collect::<io::Result<_>>()?;
        let metrics = Arc::new(SelfMetrics::new(!config.disable_exporter_metrics));
        let gatherer = Gatherer::start(collectors, metrics.clone())?;
        Ok(Self { listeners, addresses, routes: Routes::new(config, gatherer, metrics), shutdowns })
    }

    /// Where it listens, with the ports that the system chose where 0 was asked for.
    pub fn addresses(&self) -> &[SocketAddr] {
        &self.addresses
    }

    /// Serves until `shutdown`.
    pub async fn run(self, shutdown: Shutdown) {
        for address in &self.addresses {
            tracing::info!(%address, "listening");
        }
        let serving = server::serve(self.listeners, self.routes, Limits::default(), shutdown);
        let Some(shutdowns) = self.shutdowns else { return serving.await };
        tokio::select! {
            () = serving => {}
            () = shutdowns.keep() => {}
        }
        shutdowns.stopped().await;
    }
}

/// What is known of shutdowns, where there is a directory for it and the kernel names its runs.
fn shutdowns(config: &Config) -> Result<Option<Shutdowns>, StartError> {
    let Some(directory) = &config.state_directory else { return Ok(None) };
    let path = config.settings.root.proc.join("sys/kernel/random/boot_id");
    match std::fs::read_to_string(&path) {
        Ok(boot_id) => Shutdowns::open(directory, boot_id.trim()).map_err(StartError::State),
        Err(error) => {
            let file = path.display();
            tracing::warn!(%file, %error, "whether the machine is shut down cleanly can't be watched");
            Ok(None)
        }
    }
}

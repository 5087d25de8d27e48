//! The recorder's own HTTP service: its targets, its metrics and its health.
//!
//! [`Service::start`] binds the sockets, so that an address that can't be had is said before recording begins;
//! [`Service::run`] serves until told to stop. What it shows is read from [`Shared`], which the recorder fills.

mod api;
mod page;
mod routes;
mod vitals;

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use tokio::net::TcpListener;
use tokio::sync::{mpsc, oneshot};

use super::metrics::{Metrics, StorageFigures};
use super::registry::Registry;
use crate::base::shutdown::Shutdown;
use crate::web::server::{self, Limits, ListenError};
use routes::Routes;

/// Ports that are tried when nobody has chosen one.
const PORTS: u16 = 10;

/// Where to listen.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Addresses {
    /// Nobody has chosen: where the port is taken one of the next few does as well.
    Default(SocketAddr),
    /// What `--web.listen-address` says, as [`server::parse_address`] reads it: these or none.
    Chosen(Vec<String>),
}

/// Asks for the configuration to be loaded again. The answer is a sentence that says why it could not be.
pub type ReloadRequest = oneshot::Sender<Result<(), String>>;

/// What the recorder and its service have in common.
pub struct Shared {
    /// The targets.
    pub registry: Arc<Registry>,
    /// The counters.
    pub metrics: Arc<Metrics>,
    /// Asks the storage for its figures. It is called on a blocking thread.
    pub storage: Box<dyn Fn() -> StorageFigures + Send + Sync>,
    /// Whom to ask for a reload; `None` without `--web.enable-lifecycle`.
    pub reload: Option<mpsc::Sender<ReloadRequest>>,
    /// Set once recording has begun.
    pub readiness: Readiness,
}

/// Whether recording has begun. Clones are one.
#[derive(Clone, Debug, Default)]
pub struct Readiness(Arc<AtomicBool>);

impl Readiness {
    /// It has.
    pub fn begin(&self) {
        self.0.store(true, Ordering::Relaxed);
    }

    fn has_begun(&self) -> bool {
        self.0.load(Ordering::Relaxed)
    }
}

/// Why the service can't start.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// An address that can't be listened on.
    #[error(transparent)]
    Listen(#[from] ListenError),
    /// The system refused something else.
    #[error("cannot start: {0}")]
    System(#[from] io::Error),
}

/// A service whose sockets are bound.
pub struct Service {
    listeners: Vec<TcpListener>,
    addresses: Vec<SocketAddr>,
    routes: Routes,
}

impl Service {
    /// Binds all addresses. Call it inside a runtime.
    ///
    /// # Errors
    /// [`StartError`]; nothing stays bound.
    pub fn start(addresses: &Addresses, shared: Shared) -> Result<Self, StartError> {
        server::raise_open_files_limit();
        let listeners = match addresses {
            Addresses::Default(address) => vec![bind_near(*address)?],
            Addresses::Chosen(addresses) => {
                addresses.iter().map(|address| server::bind(address)).collect::<Result<_, _>>()?
            }
        };
        let addresses = listeners.iter().map(TcpListener::local_addr).collect::<io::Result<_>>()?;
        Ok(Self { listeners, addresses, routes: Routes::new(shared) })
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
        server::serve(self.listeners, self.routes, Limits::default(), shutdown).await;
    }
}

/// Binds `address`, or the first free one of the ports that follow.
fn bind_near(address: SocketAddr) -> Result<TcpListener, ListenError> {
    let mut result = server::bind(&address.to_string());
    for port in (1..PORTS).filter_map(|step| address.port().checked_add(step)) {
        match &result {
            Err(error) if error.is_in_use() => {
                tracing::debug!(%error, "trying the next port");
                result = server::bind(&SocketAddr::new(address.ip(), port).to_string());
            }
            _ => break,
        }
    }
    result
}

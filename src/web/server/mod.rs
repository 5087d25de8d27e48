//! The HTTP server: listeners, connection limits, deadlines, draining.
//!
//! One task accepts, one task serves each connection. What a peer can hold is bounded in time by [`Limits`]:
//! a deadline for the head of a request, for an idle connection and for reading an answer, all armed by
//! `Connection`'s phase rather than by hyper, which has no write deadline and only arms its header deadline
//! when it is given a timer. It is bounded in number by the connection limit: when connections or file
//! descriptors run out, the connection that has been quiet for longest is closed to let the next one in.

mod connection;
mod listen;
mod registry;

use std::convert::Infallible;
use std::future::Future;
use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::task::Poll;
use std::time::Duration;

use bytes::Bytes;
use http_body_util::Full;
use hyper::body::Incoming;
use hyper::header::{CONNECTION, HOST, HeaderValue, TRANSFER_ENCODING};
use hyper::http::request::Parts;
use hyper::service::service_fn;
use hyper::{Request, Response, StatusCode, Version};
use tokio::net::{TcpListener, TcpStream};
use tokio::time::{Instant, sleep};

use crate::base::shutdown::Shutdown;
use crate::web::answer::{harden, plain};
use connection::{Connection, Watched};
pub use listen::{ListenError, bind, parse_address, raise_open_files_limit};
use registry::Registry;

/// What a peer may take.
#[derive(Clone, Copy, Debug)]
pub struct Limits {
    /// Connections at once; the oldest quiet one makes room for the next. The limit on open files lowers it.
    pub max_connections: usize,
    /// From the connection, or from the first byte of a later request, to the end of the request's head.
    pub head_timeout: Duration,
    /// From an answer to the first byte of the next request.
    pub idle_timeout: Duration,
    /// From an answer's first byte to its last.
    pub write_timeout: Duration,
    /// How long answers under way may take once the server is told to stop.
    pub drain_timeout: Duration,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            max_connections: 4096,
            head_timeout: Duration::from_secs(10),
            idle_timeout: Duration::from_secs(30),
            write_timeout: Duration::from_secs(20),
            drain_timeout: Duration::from_millis(800),
        }
    }
}

/// A request's head may have this many bytes; longer ones get 431.
const MAX_HEAD_BYTES: usize = 16 * 1024;
/// A request may have this many header lines; more get 431.
const MAX_HEADERS: usize = 100;
/// How long accepting pauses when the system has no room for another connection and none can be closed.
const ACCEPT_PAUSE: Duration = Duration::from_millis(50);

/// What answers requests. Bodies of requests are never read.
pub trait Handler: Clone + Send + Sync + 'static {
    /// Answers one request.
    fn handle(&self, request: Parts, peer: SocketAddr) -> impl Future<Output = Response<Bytes>> + Send;
}

/// Serves until `shutdown`, then closes idle connections, lets answers under way finish within
/// [`Limits::drain_timeout`] and returns.
pub async fn serve(listeners: Vec<TcpListener>, handler: impl Handler, limits: Limits, shutdown: Shutdown) {
    let registry = Arc::new(Registry::new(limits.max_connections));
    let mut accepting = tokio::task::JoinSet::new();
    for listener in listeners {
        accepting.spawn(accept(listener, handler.clone(), limits, registry.clone(), shutdown.clone()));
    }
    while accepting.join_next().await.is_some() {}
    if tokio::time::timeout(limits.drain_timeout, registry.emptied()).await.is_err() {
        tracing::warn!(connections = registry.len(), "stopped with answers still under way");
    }
}

async fn accept(
    listener: TcpListener,
    handler: impl Handler,
    limits: Limits,
    registry: Arc<Registry>,
    mut shutdown: Shutdown,
) {
    let mut last_complaint: Option<Instant> = None;
    loop {
        let accepted = tokio::select! {
            accepted = listener.accept() => accepted,
            () = shutdown.requested() => return,
        };
        match accepted {
            Ok((stream, peer)) => {
                tokio::select! {
                    () = registry.make_room() => {}
                    () = shutdown.requested() => return,
                }
                let connection = registry.add();
                tokio::spawn(serve_connection(
                    stream,
                    peer,
                    handler.clone(),
                    limits,
                    registry.clone(),
                    connection,
                    shutdown.clone(),
                ));
            }
            Err(error) if is_peers_fault(&error) => {}
            Err(error) => {
                // Out of file descriptors or memory: the listener stays readable, so a bare retry would spin.
                if last_complaint.is_none_or(|last| last.elapsed() > Duration::from_secs(10)) {
                    tracing::warn!(%error, "cannot accept connections, closing the quietest ones");
                    last_complaint = Some(Instant::now());
                }
                if registry.evict_oldest() {
                    tokio::task::yield_now().await;
                } else {
                    sleep(ACCEPT_PAUSE).await;
                }
            }
        }
    }
}

/// Whether accepting failed because the peer went away again.
fn is_peers_fault(error: &io::Error) -> bool {
    use io::ErrorKind::{ConnectionAborted, ConnectionReset, Interrupted};
    matches!(error.kind(), ConnectionAborted | ConnectionReset | Interrupted)
}

async fn serve_connection(
    stream: TcpStream,
    peer: SocketAddr,
    handler: impl Handler,
    limits: Limits,
    registry: Arc<Registry>,
    connection: Arc<Connection>,
    mut shutdown: Shutdown,
) {
    let _leave = registry.leave_on_drop(&connection);
    if stream.set_nodelay(true).is_err() {
        return; // the peer is gone
    }
    // A connection that has not spoken yet costs no more than this wait: no buffer, no HTTP.
    let mut first_byte = [0];
    tokio::select! {
        spoken = stream.peek(&mut first_byte) => if spoken.is_err() { return },
        () = sleep(limits.head_timeout) => return,
        () = connection.evicted() => return,
        () = shutdown.requested() => return,
    }
    Box::pin(serve_http(stream, peer, handler, limits, &connection, shutdown)).await;
}

async fn serve_http(
    stream: TcpStream,
    peer: SocketAddr,
    handler: impl Handler,
    limits: Limits,
    connection: &Arc<Connection>,
    mut shutdown: Shutdown,
) {
    let service = service_fn(|request: Request<Incoming>| answer(request, peer, &handler, connection));
    let mut serving = std::pin::pin!(
        hyper::server::conn::http1::Builder::new()
            .header_read_timeout(None) // the phase's deadline covers the head
            .max_buf_size(MAX_HEAD_BYTES)
            .max_headers(MAX_HEADERS)
            .serve_connection(Watched::new(stream, connection), service)
    );
    let mut timer = std::pin::pin!(sleep(limits.head_timeout));
    let mut evicted = std::pin::pin!(connection.evicted());
    let mut stop = std::pin::pin!(shutdown.requested());
    let mut stopping = false;
    std::future::poll_fn(|context| {
        if !stopping && stop.as_mut().poll(context).is_ready() {
            stopping = true;
            serving.as_mut().graceful_shutdown();
        }
        if serving.as_mut().poll(context).is_ready() || evicted.as_mut().poll(context).is_ready() {
            return Poll::Ready(());
        }
        if stopping && connection.quiet_since().is_some() {
            return Poll::Ready(());
        }
        // The phase changes only while `serving` is polled, so this is the place to follow it.
        let Some(deadline) = connection.deadline(&limits) else {
            return Poll::Pending;
        };
        if timer.deadline() != deadline {
            timer.as_mut().reset(deadline);
        }
        timer.as_mut().poll(context)
    })
    .await;
}

async fn answer(
    request: Request<Incoming>,
    peer: SocketAddr,
    handler: &impl Handler,
    connection: &Connection,
) -> Result<Response<Full<Bytes>>, Infallible> {
    // A peer that pipelines requests without reading answers must not pile up answers here.
    connection.flushed().await;
    connection.answering();
    let (parts, _unread) = request.into_parts();
    // Nothing here takes a body, and one in chunks is how requests are smuggled: hyper drops a Content-Length beside
    // it before this code could see the contradiction.
    let mut response = if parts.headers.contains_key(TRANSFER_ENCODING) {
        plain(StatusCode::BAD_REQUEST, "Requests with a Transfer-Encoding are not taken.\n")
    } else if parts.version == Version::HTTP_11 && !parts.headers.contains_key(HOST) {
        plain(StatusCode::BAD_REQUEST, "A request of HTTP/1.1 needs a Host (RFC 9112, section 3.2).\n")
    } else {
        handler.handle(parts, peer).await
    };
    if response.status().is_client_error() {
        // Whoever asks amiss has no use for the connection, and others may have.
        response.headers_mut().insert(CONNECTION, HeaderValue::from_static("close"));
    }
    harden(&mut response);
    connection.writing();
    Ok(response.map(Full::new))
}

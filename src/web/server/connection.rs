//! One connection: what it is doing, and until when it may.

use std::io::{self, IoSlice};
use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll};

use hyper::rt::{Read, ReadBufCursor, Write};
use hyper_util::rt::TokioIo;
use tokio::net::TcpStream;
use tokio::sync::Notify;
use tokio::time::Instant;

use super::Limits;

/// The state of a connection that its own task, the registry and the wrapped socket share.
#[derive(Debug)]
pub(super) struct Connection {
    pub(super) id: u64,
    state: Mutex<State>,
    evicted: Notify,
    flushed: Notify,
}

#[derive(Clone, Copy, Debug)]
struct State {
    phase: Phase,
    since: Instant,
    /// Whether a request has been answered, after which the peer may take its time with the next.
    served: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Phase {
    /// No byte of a request is here.
    Quiet,
    /// Part of a request's head is here.
    Head,
    /// The handler is at work; it keeps its own deadline.
    Answering,
    /// The answer is being written.
    Writing,
}

impl Connection {
    pub(super) fn new(id: u64) -> Self {
        let state = State { phase: Phase::Quiet, since: Instant::now(), served: false };
        Self { id, state: Mutex::new(state), evicted: Notify::new(), flushed: Notify::new() }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// When the present phase has lasted too long.
    pub(super) fn deadline(&self, limits: &Limits) -> Option<Instant> {
        let state = *self.state();
        let timeout = match state.phase {
            Phase::Quiet if state.served => limits.idle_timeout,
            Phase::Quiet | Phase::Head => limits.head_timeout,
            Phase::Writing => limits.write_timeout,
            Phase::Answering => return None,
        };
        Some(state.since + timeout)
    }

    /// Since when the peer has been waited for, if it is the peer's turn.
    pub(super) fn quiet_since(&self) -> Option<Instant> {
        let state = self.state();
        matches!(state.phase, Phase::Quiet | Phase::Head).then_some(state.since)
    }

    /// Tells the connection's task to close it.
    pub(super) fn evict(&self) {
        self.evicted.notify_one();
    }

    /// Ready once the connection is to be closed.
    pub(super) async fn evicted(&self) {
        self.evicted.notified().await;
    }

    /// Ready once the answer before has left.
    pub(super) async fn flushed(&self) {
        while self.state().phase == Phase::Writing {
            self.flushed.notified().await;
        }
    }

    /// A request's head is complete.
    pub(super) fn answering(&self) {
        self.state().phase = Phase::Answering;
    }

    /// An answer is ready to be written.
    pub(super) fn writing(&self) {
        let mut state = self.state();
        if state.phase != Phase::Writing {
            *state = State { phase: Phase::Writing, since: Instant::now(), ..*state };
        }
    }

    fn has_read(&self) {
        let mut state = self.state();
        if state.phase == Phase::Quiet {
            // The first request's head counts from the connection on, so that a peer gains nothing by one byte.
            let since = if state.served { Instant::now() } else { state.since };
            *state = State { phase: Phase::Head, since, ..*state };
        }
    }

    fn has_flushed(&self) {
        let mut state = self.state();
        if state.phase == Phase::Writing {
            *state = State { phase: Phase::Quiet, since: Instant::now(), served: true };
            drop(state);
            self.flushed.notify_one();
        }
    }
}

/// A socket that tells its [`Connection`] what passes through it.
pub(super) struct Watched {
    stream: TokioIo<TcpStream>,
    connection: Arc<Connection>,
}

impl Watched {
    pub(super) fn new(stream: TcpStream, connection: &Arc<Connection>) -> Self {
        Self { stream: TokioIo::new(stream), connection: connection.clone() }
    }
}

impl Drop for Watched {
    /// A connection that is given up in the middle of an answer is reset, so that the kernel does not go on to hold
    /// what the peer will not read.
    fn drop(&mut self) {
        if self.connection.state().phase == Phase::Writing && self.stream.inner().set_zero_linger().is_err() {
            tracing::debug!("the connection was closed by its peer");
        }
    }
}

impl Read for Watched {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: ReadBufCursor<'_>,
    ) -> Poll<io::Result<()>> {
        let polled = Pin::new(&mut self.stream).poll_read(context, buffer);
        if matches!(polled, Poll::Ready(Ok(()))) {
            self.connection.has_read();
        }
        polled
    }
}

impl Write for Watched {
    fn poll_write(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        self.connection.writing();
        Pin::new(&mut self.stream).poll_write(context, bytes)
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        let polled = Pin::new(&mut self.stream).poll_flush(context);
        if matches!(polled, Poll::Ready(Ok(()))) {
            self.connection.has_flushed();
        }
        polled
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(context)
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        slices: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        self.connection.writing();
        Pin::new(&mut self.stream).poll_write_vectored(context, slices)
    }
}

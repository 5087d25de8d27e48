//! From a host's name to a stream of bytes: name lookup, TCP, TLS.

use std::future::poll_fn;
use std::io;
use std::net::{IpAddr, SocketAddr, ToSocketAddrs};
use std::pin::{Pin, pin};
use std::task::{Context, Poll};
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::TcpStream;
use tokio::sync::{Semaphore, SemaphorePermit};
use tokio::task::JoinHandle;
use tokio::time::{Instant, timeout_at};
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;

use super::endpoint::Scheme;
use super::tls::{self, Tls};
use super::{Endpoint, FetchError, Phase};

/// Name lookups can't be cancelled and hold a thread each. More than this many never run at once, so that a dead
/// name server leaves threads for other work.
static LOOKUPS: Semaphore = Semaphore::const_new(32);

/// After this time the name behind a kept connection is looked up again, in case it has moved to another address.
const LOOKUP_AGE: Duration = Duration::from_secs(60);

/// A connection's bytes. Dropping it closes the socket.
#[derive(Debug)]
pub(super) enum Stream {
    Plain(TcpStream),
    Tls(Box<TlsStream<TcpStream>>),
}

impl Stream {
    fn peer(&self) -> io::Result<SocketAddr> {
        match self {
            Stream::Plain(stream) => stream.peer_addr(),
            Stream::Tls(stream) => stream.get_ref().0.peer_addr(),
        }
    }

    /// Whether nothing came since the last answer: neither bytes nor the end.
    pub(super) async fn is_quiet(&mut self) -> bool {
        let mut byte = [0];
        let mut buffer = ReadBuf::new(&mut byte);
        poll_fn(|context| Poll::Ready(Pin::new(&mut *self).poll_read(context, &mut buffer).is_pending()))
            .await
    }
}

impl AsyncRead for Stream {
    fn poll_read(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        match self.get_mut() {
            Stream::Plain(stream) => Pin::new(stream).poll_read(context, buffer),
            Stream::Tls(stream) => Pin::new(stream).poll_read(context, buffer),
        }
    }
}

impl AsyncWrite for Stream {
    fn poll_write(self: Pin<&mut Self>, context: &mut Context<'_>, data: &[u8]) -> Poll<io::Result<usize>> {
        match self.get_mut() {
            Stream::Plain(stream) => Pin::new(stream).poll_write(context, data),
            Stream::Tls(stream) => Pin::new(stream).poll_write(context, data),
        }
    }

    fn poll_flush(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        match self.get_mut() {
            Stream::Plain(stream) => Pin::new(stream).poll_flush(context),
            Stream::Tls(stream) => Pin::new(stream).poll_flush(context),
        }
    }

    fn poll_shutdown(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        match self.get_mut() {
            Stream::Plain(stream) => Pin::new(stream).poll_shutdown(context),
            Stream::Tls(stream) => Pin::new(stream).poll_shutdown(context),
        }
    }
}

/// Name lookups, one at a time, so that a client never holds more than one thread. One that outlives its deadline is
/// waited for by the next.
#[derive(Debug, Default)]
pub(super) struct Lookup {
    running: Option<Running>,
    /// When the last one for the endpoint began, if it has a name.
    begun: Option<Instant>,
}

#[derive(Debug)]
struct Running {
    host: String,
    port: u16,
    task: JoinHandle<io::Result<Vec<SocketAddr>>>,
}

impl Running {
    fn new(host: &str, port: u16, permit: SemaphorePermit<'static>) -> Self {
        let name = host.to_owned();
        let task = tokio::task::spawn_blocking(move || {
            let _permit = permit;
            (name.as_str(), port).to_socket_addrs().map(Iterator::collect)
        });
        Self { host: host.to_owned(), port, task }
    }

    fn is_of(&self, host: &str, port: u16) -> bool {
        (self.host.as_str(), self.port) == (host, port)
    }
}

impl Lookup {
    /// Looks the host up, at each new connection.
    async fn addresses(&mut self, host: &str, port: u16) -> Result<Vec<SocketAddr>, FetchError> {
        if let Ok(address) = host.parse::<IpAddr>() {
            return Ok(vec![SocketAddr::new(address, port)]);
        }
        let wrong = |problem: String| FetchError::Resolve { host: host.to_owned(), problem };
        if let Some(other) = self.running.as_mut().filter(|other| !other.is_of(host, port)) {
            // Of no use here, whatever it found.
            (&mut other.task).await.map_err(|error| wrong(error.to_string()))?.ok();
            self.running = None;
        }
        let running = match &mut self.running {
            Some(running) => running,
            none => {
                let permit = LOOKUPS.acquire().await.map_err(|error| wrong(error.to_string()))?;
                none.insert(Running::new(host, port, permit))
            }
        };
        let found = (&mut running.task).await;
        self.running = None;
        match found {
            Ok(Ok(addresses)) => Ok(addresses),
            Ok(Err(error)) => Err(wrong(error.to_string())),
            Err(error) => Err(wrong(error.to_string())),
        }
    }

    /// Whether the server of `place` still has the address of a kept `stream`. The name is looked up from time to time
    /// beside the fetches: without an answer a connection that works goes on.
    pub(super) async fn confirms(&mut self, place: &Endpoint, stream: &Stream) -> bool {
        let (host, port) = (place.host(), place.port());
        if let Some(running) = self.running.take_if(|running| running.task.is_finished())
            && running.is_of(host, port)
        {
            return match (running.task.await, stream.peer()) {
                (Ok(Ok(addresses)), Ok(peer)) => {
                    addresses.is_empty() || addresses.iter().any(|address| address.ip() == peer.ip())
                }
                _ => true,
            };
        }
        let due = self.begun.is_some_and(|begun| begun.elapsed() >= LOOKUP_AGE);
        if due && self.running.is_none() {
            let permit = LOOKUPS.try_acquire();
            self.running = permit.ok().map(|permit| Running::new(host, port, permit));
            self.begun = Some(Instant::now());
        }
        true
    }
}

/// Connects to the server of `place`. Only if it is `trusted` it is shown the client's certificate.
pub(super) async fn connect(
    place: &Endpoint,
    trusted: bool,
    tls: &Tls,
    lookup: &mut Lookup,
    until: Instant,
    phase: &mut Phase,
) -> Result<Stream, FetchError> {
    // Wrong files are found before the peer is bothered.
    let prepared = match place.scheme() {
        Scheme::Http => None,
        Scheme::Https => {
            *phase = Phase::Settings;
            Some(tls.prepare(place.host(), trusted).await?)
        }
    };
    *phase = Phase::Resolve;
    if trusted && place.host().parse::<IpAddr>().is_err() {
        lookup.begun = Some(Instant::now());
    }
    let addresses = lookup.addresses(place.host(), place.port()).await?;
    *phase = Phase::Connect;
    let stream = connect_to(place, addresses, until).await?;
    // A request is one small packet; without Nagle's algorithm it leaves at once. Failing is harmless.
    stream.set_nodelay(true).ok();
    let Some((config, name)) = prepared else { return Ok(Stream::Plain(stream)) };
    *phase = Phase::Tls;
    let handshake = pin!(TlsConnector::from(config).connect(name, stream));
    let stream = handshake.await.map_err(|error| tls::explain(&error))?;
    Ok(Stream::Tls(Box::new(stream)))
}

/// Tries the addresses one after another, each with its share of the time that is left.
async fn connect_to(
    place: &Endpoint,
    addresses: Vec<SocketAddr>,
    until: Instant,
) -> Result<TcpStream, FetchError> {
    let mut failure =
        FetchError::Resolve { host: place.host().to_owned(), problem: "the name has no address".to_owned() };
    let count = addresses.len();
    for (index, address) in addresses.into_iter().enumerate() {
        let now = Instant::now();
        let share = until.saturating_duration_since(now) / u32::try_from(count - index).unwrap_or(1);
        // The last address has all the time that is left: the deadline itself ends it.
        let give_up = if index + 1 < count { now + share } else { until + share };
        let problem = match timeout_at(give_up, TcpStream::connect(address)).await {
            Ok(Ok(stream)) => return Ok(stream),
            Ok(Err(error)) => error.kind().to_string(),
            Err(_) => "no answer".to_owned(),
        };
        failure = FetchError::Connect { address, problem };
    }
    Err(failure)
}

#[cfg(test)]
mod tests {
    use super::*;
    use tokio::net::TcpListener;

    #[test]
    fn a_name_that_moved_is_noticed_without_waiting_for_it() {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        runtime.block_on(async {
            let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
            let address = listener.local_addr().unwrap();
            let stream = Stream::Plain(TcpStream::connect(address).await.unwrap());
            for (host, confirmed) in [
                ("localhost", true),
                ("127.0.0.2", false),
                // Nothing is known, and the connection works.
                ("nowhere.invalid", true),
            ] {
                let place = Endpoint::parse(&format!("http://{host}:{}/", address.port())).unwrap();
                let mut lookup = Lookup { running: None, begun: Some(Instant::now()) };
                assert!(lookup.confirms(&place, &stream).await && lookup.running.is_none(), "not due yet");
                lookup.begun = Instant::now().checked_sub(LOOKUP_AGE);
                assert!(lookup.confirms(&place, &stream).await, "no answer yet");
                while !lookup.running.as_ref().unwrap().task.is_finished() {
                    tokio::time::sleep(Duration::from_millis(1)).await;
                }
                assert_eq!(lookup.confirms(&place, &stream).await, confirmed, "{host}");
                assert!(lookup.running.is_none());
            }
        });
    }
}

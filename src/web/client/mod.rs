//! The HTTP client: one deadline, and caps on all that a peer may send.
//!
//! A [`Client`] belongs to one [`Endpoint`] and keeps one connection to it. A fetch either gives a whole page or
//! an error; at an error, a passed deadline or a reached cap the connection is closed, and what the peer would
//! still send is not read. Redirects are not followed, bodies of other answers than 200 are not read.
//!
//! Only plain HTTP/1.1 is spoken so far. TLS belongs into `Client::connect`, which is the one place that makes
//! byte streams, and credentials into `Client::request`.

mod body;
mod endpoint;
mod error;
mod settings;

pub use endpoint::Endpoint;
pub use error::{FetchError, Phase};
pub use settings::{Credentials, HttpSettings, Secret, TlsSettings};

use std::io;
use std::net::{IpAddr, SocketAddr, ToSocketAddrs};
use std::time::Duration;

use http_body_util::{BodyExt, Empty};
use hyper::body::{Body, Bytes, Incoming};
use hyper::client::conn::http1::{self, SendRequest};
use hyper::header::{self, HeaderMap, HeaderName, HeaderValue};
use hyper::{Request, Response, StatusCode};
use hyper_util::rt::TokioIo;
use tokio::net::TcpStream;
use tokio::sync::Semaphore;
use tokio::task::{AbortHandle, JoinHandle};
use tokio::time::{Instant, timeout_at};

use body::Decoder;

/// Name lookups can't be cancelled and hold a thread each. More than this many never run at once, so that a dead
/// name server leaves threads for other work.
static LOOKUPS: Semaphore = Semaphore::const_new(32);

/// The most that is taken from a peer in one answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// Bytes of status line and headers.
    pub head_bytes: usize,
    /// Bytes of the body after decompression.
    pub body_bytes: usize,
    /// Bytes of one line of the body.
    pub line_bytes: usize,
}

impl Limits {
    /// Ample for every exporter, and little enough to hold in memory.
    pub const DEFAULT: Limits = Limits { head_bytes: 64 << 10, body_bytes: 16 << 20, line_bytes: 1 << 20 };
}

/// What is the same in all requests of a client.
#[derive(Clone, Copy, Debug)]
pub struct Settings {
    /// The `Accept` header.
    pub accept: &'static str,
    /// The `User-Agent` header.
    pub user_agent: &'static str,
    /// The caps on each answer.
    pub limits: Limits,
}

/// Fetches pages from one endpoint, one at a time.
#[derive(Debug)]
pub struct Client {
    endpoint: Endpoint,
    settings: Settings,
    more_headers: HeaderMap,
    kept: Option<Connection>,
    lookup: Option<JoinHandle<io::Result<Vec<SocketAddr>>>>,
}

/// A connection and the task that drives it. Dropping it closes the socket at once.
#[derive(Debug)]
struct Connection {
    sender: SendRequest<Empty<Bytes>>,
    driver: AbortHandle,
}

impl Drop for Connection {
    fn drop(&mut self) {
        self.driver.abort();
    }
}

/// How far a fetch has come, for the error when its deadline passes.
#[derive(Debug, Default)]
struct Progress {
    phase: Phase,
    body_bytes: usize,
}

impl Client {
    /// A client without a connection yet.
    pub fn new(endpoint: Endpoint, settings: Settings) -> Self {
        Self { endpoint, settings, more_headers: HeaderMap::new(), kept: None, lookup: None }
    }

    /// Sends one more header with each request.
    #[must_use]
    pub fn with_header(mut self, name: HeaderName, value: HeaderValue) -> Self {
        self.more_headers.insert(name, value);
        self
    }

    /// Where the pages come from.
    pub fn endpoint(&self) -> &Endpoint {
        &self.endpoint
    }

    /// Fetches the page into `page`, which is emptied first and holds the decoded body afterwards. All of name
    /// lookup, connecting, head and body has to happen within `deadline`. The value of `Content-Type` goes to
    /// `judge`, which gives what it makes of the page or says what is wrong with that type.
    ///
    /// # Errors
    /// See [`FetchError`]. What is in `page` then is of no use.
    pub async fn fetch<T>(
        &mut self,
        deadline: Duration,
        page: &mut Vec<u8>,
        judge: impl Fn(Option<&str>) -> Result<T, String>,
    ) -> Result<T, FetchError> {
        page.clear();
        let mut progress = Progress::default();
        let until = Instant::now() + deadline;
        let fetched = timeout_at(until, self.attempt(deadline, until, page, judge, &mut progress)).await;
        let Progress { phase, body_bytes } = progress;
        fetched.unwrap_or(Err(FetchError::Deadline { deadline, phase, body_bytes }))
    }

    async fn attempt<T>(
        &mut self,
        deadline: Duration,
        until: Instant,
        page: &mut Vec<u8>,
        judge: impl Fn(Option<&str>) -> Result<T, String>,
        progress: &mut Progress,
    ) -> Result<T, FetchError> {
        let (connection, response) = match self.ask_again(deadline, progress).await {
            Some(answer) => answer?,
            None => {
                let mut connection = self.connect(until, progress).await?;
                progress.phase = Phase::Head;
                let sent = connection.sender.send_request(self.request(deadline)?).await;
                (connection, sent.map_err(|error| FetchError::head(&error, self.settings.limits))?)
            }
        };
        let content = accept_head(&response, judge)?;
        progress.phase = Phase::Body;
        self.read_body(response, page, progress).await?;
        self.kept = Some(connection);
        Ok(content)
    }

    /// Asks over the connection of the last fetch. `None` if there is none or the peer closed it in between,
    /// which a new connection mends.
    async fn ask_again(
        &mut self,
        deadline: Duration,
        progress: &mut Progress,
    ) -> Option<Result<(Connection, Response<Incoming>), FetchError>> {
        let mut connection = self.kept.take()?;
        progress.phase = Phase::Head;
        connection.sender.ready().await.ok()?;
        let request = match self.request(deadline) {
            Ok(request) => request,
            Err(error) => return Some(Err(error)),
        };
        match connection.sender.send_request(request).await {
            Ok(response) => Some(Ok((connection, response))),
            Err(error) if error.is_parse() => Some(Err(FetchError::head(&error, self.settings.limits))),
            Err(_) => None,
        }
    }

    fn request(&self, deadline: Duration) -> Result<Request<Empty<Bytes>>, FetchError> {
        const SCRAPE_TIMEOUT: HeaderName = HeaderName::from_static("x-prometheus-scrape-timeout-seconds");
        let mut request = Request::get(self.endpoint.path_and_query())
            .header(header::HOST, self.endpoint.authority())
            .header(header::ACCEPT, self.settings.accept)
            .header(header::ACCEPT_ENCODING, "gzip")
            .header(header::USER_AGENT, self.settings.user_agent)
            .header(SCRAPE_TIMEOUT, deadline.as_secs_f64().to_string())
            .body(Empty::new())
            .map_err(|error| FetchError::Protocol(error.to_string()))?;
        request.headers_mut().extend(self.more_headers.clone());
        Ok(request)
    }

    /// Tries the addresses one after another, each with its share of the time that is left.
    async fn connect(&mut self, until: Instant, progress: &mut Progress) -> Result<Connection, FetchError> {
        progress.phase = Phase::Resolve;
        let addresses = self.addresses().await?;
        progress.phase = Phase::Connect;
        let mut failure = FetchError::Resolve {
            host: self.endpoint.host().to_owned(),
            problem: "the name has no address".to_owned(),
        };
        let count = addresses.len();
        for (index, address) in addresses.into_iter().enumerate() {
            let now = Instant::now();
            let share = until.saturating_duration_since(now) / u32::try_from(count - index).unwrap_or(1);
            // The last address has all the time that is left: the deadline itself ends it.
            let give_up = if index + 1 < count { now + share } else { until + share };
            let stream = match timeout_at(give_up, TcpStream::connect(address)).await {
                Ok(Ok(stream)) => stream,
                Ok(Err(error)) => {
                    failure = FetchError::Connect { address, problem: error.kind().to_string() };
                    continue;
                }
                Err(_) => {
                    failure = FetchError::Connect { address, problem: "no answer".to_owned() };
                    continue;
                }
            };
            // A request is one small packet; without Nagle's algorithm it leaves at once. Failing is harmless.
            stream.set_nodelay(true).ok();
            let Limits { head_bytes, .. } = self.settings.limits;
            let (sender, driver) = http1::Builder::new()
                .max_header_size(head_bytes)
                .max_buf_size(head_bytes.max(16 << 10))
                .handshake(TokioIo::new(stream))
                .await
                .map_err(|error| FetchError::head(&error, self.settings.limits))?;
            // The requests get the driver's errors too, so they are not lost here.
            let driver = tokio::spawn(async move { if driver.await.is_err() {} }).abort_handle();
            return Ok(Connection { sender, driver });
        }
        Err(failure)
    }

    /// Looks the host up, at each new connection. A lookup that outlives its deadline is waited for by the next
    /// fetch, so that a client never holds more than one thread.
    async fn addresses(&mut self) -> Result<Vec<SocketAddr>, FetchError> {
        let (host, port) = (self.endpoint.host(), self.endpoint.port());
        if let Ok(address) = host.parse::<IpAddr>() {
            return Ok(vec![SocketAddr::new(address, port)]);
        }
        let wrong = |problem: String| FetchError::Resolve { host: host.to_owned(), problem };
        let lookup = match &mut self.lookup {
            Some(running) => running,
            none => {
                let permit = LOOKUPS.acquire().await.map_err(|error| wrong(error.to_string()))?;
                let host = host.to_owned();
                none.insert(tokio::task::spawn_blocking(move || {
                    let _permit = permit;
                    (host.as_str(), port).to_socket_addrs().map(Iterator::collect)
                }))
            }
        };
        let found = lookup.await;
        self.lookup = None;
        match found {
            Ok(Ok(addresses)) => Ok(addresses),
            Ok(Err(error)) => Err(wrong(error.to_string())),
            Err(error) => Err(wrong(error.to_string())),
        }
    }

    async fn read_body(
        &self,
        response: Response<Incoming>,
        page: &mut Vec<u8>,
        progress: &mut Progress,
    ) -> Result<(), FetchError> {
        let (head, mut body) = response.into_parts();
        let framed =
            body.size_hint().exact().is_some() || head.headers.contains_key(header::TRANSFER_ENCODING);
        let mut decoder = Decoder::new(content_encoding(&head.headers)?, page, self.settings.limits);
        while let Some(frame) = body.frame().await {
            let received_bytes = progress.body_bytes;
            let frame = frame.map_err(|error| FetchError::body(&error, received_bytes))?;
            if let Ok(data) = frame.into_data() {
                progress.body_bytes += data.len();
                decoder.push(&data)?;
            }
        }
        decoder.finish()?;
        // Where only the end of the connection ends a page, a cut shows in the last line alone.
        if !framed && page.last().is_some_and(|&last| last != b'\n') {
            return Err(FetchError::Short { received_bytes: progress.body_bytes });
        }
        Ok(())
    }
}

fn accept_head<T>(
    response: &Response<Incoming>,
    judge: impl Fn(Option<&str>) -> Result<T, String>,
) -> Result<T, FetchError> {
    let headers = response.headers();
    match response.status() {
        StatusCode::OK => {}
        status if status.is_redirection() => {
            let location = headers.get(header::LOCATION).map_or_else(String::new, |location| {
                String::from_utf8_lossy(location.as_bytes()).chars().take(200).collect()
            });
            return Err(FetchError::Redirect { status: status.as_u16(), location });
        }
        status => return Err(FetchError::Status { status }),
    }
    let content_type = match headers.get(header::CONTENT_TYPE).map(|value| value.to_str()) {
        None => None,
        Some(Ok(text)) => Some(text),
        Some(Err(_)) => return Err(FetchError::ContentType("the Content-Type is not ASCII".to_owned())),
    };
    judge(content_type).map_err(FetchError::ContentType)
}

/// Whether the body is compressed with gzip.
fn content_encoding(headers: &HeaderMap) -> Result<bool, FetchError> {
    let mut codings = headers.get_all(header::CONTENT_ENCODING).iter();
    let coding = match (codings.next(), codings.next()) {
        (None, _) => return Ok(false),
        (Some(coding), None) => coding.as_bytes(),
        (Some(_), Some(_)) => b"more than one coding",
    };
    match coding.to_ascii_lowercase().as_slice() {
        b"gzip" | b"x-gzip" => Ok(true),
        b"identity" | b"" => Ok(false),
        other => Err(FetchError::Encoding(format!(
            "Content-Encoding is {}, where only gzip was offered",
            String::from_utf8_lossy(other)
        ))),
    }
}

//! The HTTP client: one deadline, and caps on all that a peer may send.
//!
//! A [`Client`] belongs to one [`Endpoint`] and keeps one connection to it. A fetch either gives a whole page or
//! an error; at an error, a passed deadline or a reached cap the connection is closed, and what the peer would
//! still send is not read. Large pages wait for each other to be used (see [`Page`]). HTTP/1.1 is spoken, over TLS with https. Bodies of other answers than 200 are not read.
//!
//! ```text
//!  Settings ──► Prepared: what the clients of a job share, read from its files and checked
//!                   │
//!  Endpoint ──► Client ──► connect: name, TCP, TLS ──► exchange: request, head, body ──► page
//!                   ▲                                      │
//!                   └──────── redirect ◄───────────────────┘
//! ```
//!
//! Credentials and the client's certificate are shown to the endpoint's own scheme, host and port only. A fetch that a
//! redirect led elsewhere goes on without them, even if it is led back (RFC 9110, 15.4).

mod authorization;
mod body;
mod connect;
mod endpoint;
mod error;
mod exchange;
mod input;
mod page;
mod prepared;
mod redirect;
mod settings;
mod tls;

pub use endpoint::{Endpoint, Scheme};
pub use error::{FetchError, Phase, SetupError};
pub use page::Page;
pub use prepared::Prepared;
pub use settings::{Credentials, HttpSettings, Limits, Secret, Settings, TlsSettings};

use std::sync::Arc;
use std::time::Duration;

use hyper::body::Incoming;
use hyper::header;
use hyper::{Response, StatusCode};
use tokio::time::{Instant, timeout_at};

use connect::{Lookup, Stream, connect};
use exchange::Exchange;
use prepared::Told;

/// The most requests of one fetch. Go's client, and with it Prometheus, gives up at the tenth redirect too.
const MAX_REQUESTS: usize = 10;

/// Fetches pages from one endpoint, one at a time.
#[derive(Debug)]
pub struct Client {
    endpoint: Endpoint,
    prepared: Arc<Prepared>,
    told: Option<Told>,
    /// The connection of the last fetch. That the peer closed it is seen at the next fetch.
    kept: Option<Stream>,
    lookup: Lookup,
}

/// How far a fetch has come, for the error when its deadline passes.
#[derive(Debug, Default)]
struct Progress {
    phase: Phase,
    body_bytes: usize,
}

/// A page to ask for.
struct Hop {
    /// `None` for the endpoint's own.
    elsewhere: Option<Endpoint>,
    /// Whether all of the fetch was at the endpoint's origin so far.
    trusted: bool,
}

impl Client {
    /// A client without a connection yet.
    pub fn new(endpoint: Endpoint, prepared: Arc<Prepared>) -> Self {
        Self { endpoint, prepared, told: None, kept: None, lookup: Lookup::default() }
    }

    /// Where the pages come from.
    pub fn endpoint(&self) -> &Endpoint {
        &self.endpoint
    }

    /// Fetches the page into `page`, which is emptied first and holds the decoded body afterwards. All of name
    /// lookup, connecting, head and body has to happen within `deadline`, redirects included. The value of
    /// `Content-Type` goes to `judge`, which gives what it makes of the page or says what is wrong with that type.
    ///
    /// # Errors
    /// See [`FetchError`]. What is in `page` then is of no use.
    pub async fn fetch<T>(
        &mut self,
        deadline: Duration,
        page: &mut Page,
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
        page: &mut Page,
        judge: impl Fn(Option<&str>) -> Result<T, String>,
        progress: &mut Progress,
    ) -> Result<T, FetchError> {
        let mut hop = Hop { elsewhere: None, trusted: true };
        let mut requests = 0;
        loop {
            let (mut exchange, response) = self.ask(&hop, deadline, until, progress).await?;
            requests += 1;
            let location = location(&response);
            let Some(location) = location.filter(|_| self.prepared.follow_redirects) else {
                let content = accept_head(&response, judge)?;
                progress.phase = Phase::Body;
                let limits = self.prepared.limits;
                exchange.read_body(response, page, limits, &mut progress.body_bytes).await?;
                if hop.trusted {
                    self.kept = exchange.into_stream().await;
                }
                return Ok(content);
            };
            if requests == MAX_REQUESTS {
                return Err(FetchError::too_many_redirects(requests, &location));
            }
            let next = redirect::resolve(hop.elsewhere.as_ref().unwrap_or(&self.endpoint), &location)
                .map_err(|problem| FetchError::RedirectRefused { problem })?;
            if hop.trusted && exchange.skip_body(response).await {
                self.kept = exchange.into_stream().await;
            }
            let trusted = hop.trusted && next.same_origin(&self.endpoint);
            hop = Hop { elsewhere: Some(next), trusted };
        }
    }

    /// Sends the request, over the kept connection if there is one and the peer has not closed it.
    async fn ask(
        &mut self,
        hop: &Hop,
        deadline: Duration,
        until: Instant,
        progress: &mut Progress,
    ) -> Result<(Exchange, Response<Incoming>), FetchError> {
        let place = hop.elsewhere.as_ref().unwrap_or(&self.endpoint);
        let told = match (&hop.elsewhere, self.told.take()) {
            (None, Some(told)) if told.deadline == deadline => told,
            _ => Told::new(place, deadline)?,
        };
        let prepared = &*self.prepared;
        let limits = prepared.limits;
        let mut kept = self.kept.take_if(|_| hop.trusted);
        progress.phase = Phase::Settings;
        let authorization = if hop.trusted { prepared.authorization().await? } else { None };
        let answer = loop {
            let mut used = kept.take();
            if let Some(stream) = &mut used
                && !(stream.is_quiet().await && self.lookup.confirms(place, stream).await)
            {
                used = None;
            }
            let again = used.is_some();
            let stream = match used {
                Some(stream) => stream,
                None => {
                    // Large, and seldom needed.
                    let connecting = connect(
                        place,
                        hop.trusted,
                        &prepared.tls,
                        &mut self.lookup,
                        until,
                        &mut progress.phase,
                    );
                    Box::pin(connecting).await?
                }
            };
            progress.phase = Phase::Head;
            let failed = |error: &hyper::Error| FetchError::head(error, limits);
            let mut exchange = Exchange::new(stream, limits).await.map_err(|error| failed(&error))?;
            match exchange.ask(prepared.request(place, authorization.as_ref(), &told)).await {
                Ok(response) => break (exchange, response),
                // The peer may have closed a kept connection just now, which a new one mends.
                Err(error) if again && !error.is_parse() => {}
                Err(error) => return Err(failed(&error)),
            }
        };
        if hop.elsewhere.is_none() {
            self.told = Some(told);
        }
        Ok(answer)
    }
}

/// Where a redirect points.
fn location(response: &Response<Incoming>) -> Option<String> {
    let location = response.headers().get(header::LOCATION)?;
    redirect::asks_elsewhere(response.status())
        .then(|| String::from_utf8_lossy(location.as_bytes()).into_owned())
}

fn accept_head<T>(
    response: &Response<Incoming>,
    judge: impl Fn(Option<&str>) -> Result<T, String>,
) -> Result<T, FetchError> {
    let headers = response.headers();
    match (response.status(), location(response)) {
        (StatusCode::OK, _) => {}
        (status, Some(location)) => return Err(FetchError::redirect(status, &location)),
        (status, None) => return Err(FetchError::Status { status }),
    }
    let content_type = match headers.get(header::CONTENT_TYPE).map(|value| value.to_str()) {
        None => None,
        Some(Ok(text)) => Some(text),
        Some(Err(_)) => return Err(FetchError::ContentType("the Content-Type is not ASCII".to_owned())),
    };
    judge(content_type).map_err(FetchError::ContentType)
}

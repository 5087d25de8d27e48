//! Why a fetch failed.

use std::fmt;
use std::net::SocketAddr;
use std::time::Duration;

use hyper::StatusCode;

use super::Limits;
use super::tls::explain_broken;

/// What a fetch was doing.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Phase {
    /// Reading the files of credentials and certificates.
    #[default]
    Settings,
    /// Looking up the host's name.
    Resolve,
    /// Connecting.
    Connect,
    /// Agreeing on keys and checking certificates.
    Tls,
    /// Waiting for the status and the headers.
    Head,
    /// Reading the body.
    Body,
}

impl fmt::Display for Phase {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str(match self {
            Phase::Settings => "reading the files of its settings",
            Phase::Resolve => "looking up the name",
            Phase::Connect => "connecting",
            Phase::Tls => "in the TLS handshake",
            Phase::Head => "waiting for the response",
            Phase::Body => "reading the body",
        })
    }
}

/// What is wrong with the settings of a client. The text names the key and the file, and says what to do.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct SetupError(pub(super) String);

/// Why a fetch failed. The text begins with the phase; [`FetchError::remedy`] says what to do.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum FetchError {
    /// The host's name gave no address.
    #[error("resolve {host}: {problem}")]
    Resolve {
        /// The name.
        host: String,
        /// What the resolver said.
        problem: String,
    },
    /// A file of the settings has changed, and is of no use now.
    #[error("settings: {0}")]
    Setup(#[from] SetupError),
    /// None of the addresses took the connection; this is the last one's answer.
    #[error("connect to {address}: {problem}")]
    Connect {
        /// The address that was tried last.
        address: SocketAddr,
        /// What the system said.
        problem: String,
    },
    /// There is no trust in the peer, or it has none in this client.
    #[error("TLS: {problem}")]
    Tls {
        /// What is wrong.
        problem: String,
        /// What the reader can do about it.
        remedy: &'static str,
    },
    /// The deadline over all phases passed.
    #[error("deadline of {deadline:?} passed while {phase}{}", after(*.phase, *.body_bytes))]
    Deadline {
        /// The time that the fetch was given.
        deadline: Duration,
        /// What it was doing at the end.
        phase: Phase,
        /// The bytes of body received by then, as they came over the wire.
        body_bytes: usize,
    },
    /// The peer closed the connection without an answer.
    #[error("response: the connection was closed before the response")]
    Closed,
    /// The peer does not speak HTTP/1 correctly.
    #[error("response: {0}")]
    Protocol(String),
    /// Status line and headers are larger than the limit.
    #[error("response: the headers are larger than {limit_bytes} bytes")]
    HeadTooLarge {
        /// [`Limits::head_bytes`].
        limit_bytes: usize,
    },
    /// An answer that points elsewhere, when redirects are not followed.
    #[error("response: status {status} redirects to {location:?}")]
    Redirect {
        /// The status code.
        status: u16,
        /// The `Location` header.
        location: String,
    },
    /// Redirects without an end.
    #[error("response: redirected again after {requests} requests, to {location:?}")]
    TooManyRedirects {
        /// How many requests were made.
        requests: usize,
        /// The last `Location` header.
        location: String,
    },
    /// A redirect that leads where the client does not go.
    #[error("response: a redirect is not followed: {problem}")]
    RedirectRefused {
        /// Why not.
        problem: String,
    },
    /// Any other answer than 200.
    #[error("response: status {status}")]
    Status {
        /// The status.
        status: StatusCode,
    },
    /// The page is of a type that the caller has no use for.
    #[error("response: {0}")]
    ContentType(String),
    /// The body is encoded in another way than gzip, or is broken gzip.
    #[error("body: {0}")]
    Encoding(String),
    /// The decoded body is larger than the limit.
    #[error("body: larger than {limit_bytes} bytes")]
    BodyTooLarge {
        /// [`Limits::body_bytes`].
        limit_bytes: usize,
    },
    /// A line of the body is longer than the limit.
    #[error("body: a line is longer than {limit_bytes} bytes")]
    LineTooLong {
        /// [`Limits::line_bytes`].
        limit_bytes: usize,
    },
    /// The body ended before it was whole.
    #[error("body: cut off after {received_bytes} bytes")]
    Short {
        /// The bytes received, as they came over the wire.
        received_bytes: usize,
    },
}

fn after(phase: Phase, body_bytes: usize) -> String {
    if phase == Phase::Body { format!(" after {body_bytes} bytes") } else { String::new() }
}

fn shortened(location: &str) -> String {
    location.chars().take(200).collect()
}

impl FetchError {
    /// What the reader of the message can do about it.
    pub fn remedy(&self) -> &'static str {
        match self {
            FetchError::Resolve { .. } => "check the spelling of the host and the resolver of this machine",
            FetchError::Connect { .. } | FetchError::Deadline { phase: Phase::Connect, .. } => {
                "check that the exporter runs, listens on this address and is let through the firewall"
            }
            FetchError::Deadline { phase: Phase::Resolve, .. } => "check the resolver of this machine",
            FetchError::Deadline { phase: Phase::Settings, .. } => {
                "see whether the filesystem of its credentials and certificates answers"
            }
            FetchError::Deadline { .. } => "give the target a longer timeout, or see why it is slow",
            FetchError::Setup(_) => "mend what the error names: it is read again at the next scrape",
            FetchError::Tls { remedy, .. } => remedy,
            FetchError::Closed | FetchError::Protocol(_) | FetchError::HeadTooLarge { .. } => {
                "check that this port speaks plain HTTP, and if it speaks TLS, set scheme: https or give an https:// URL"
            }
            FetchError::Redirect { .. } => "give the final URL as the target, or set follow_redirects: true",
            FetchError::TooManyRedirects { .. } | FetchError::RedirectRefused { .. } => {
                "give the final URL as the target"
            }
            FetchError::Status { status } if matches!(status.as_u16(), 401 | 403 | 407) => {
                "check basic_auth or authorization of the job: a user and password or a token that the exporter takes"
            }
            // What Go's servers and nginx answer to plain HTTP where they speak TLS.
            FetchError::Status { status } if *status == StatusCode::BAD_REQUEST => {
                "see the exporter's log; if this port speaks TLS, set scheme: https or give an https:// URL"
            }
            FetchError::Status { status } if status.is_server_error() => "see the exporter's log",
            FetchError::Status { .. } | FetchError::ContentType(_) => {
                "check the path of the target: it has to be the exporter's page of metrics"
            }
            FetchError::Encoding(_) | FetchError::Short { .. } => {
                "see the exporter's log, and any proxy's between here and there"
            }
            FetchError::BodyTooLarge { .. } | FetchError::LineTooLong { .. } => {
                "let the exporter give fewer or shorter series, or raise body_size_limit if the job has one"
            }
        }
    }

    /// Whether `other` has the same cause, even where the counts in its text differ.
    pub fn same_cause(&self, other: &FetchError) -> bool {
        match (self, other) {
            (FetchError::Short { .. }, FetchError::Short { .. }) => true,
            (FetchError::Deadline { phase: one, .. }, FetchError::Deadline { phase: two, .. }) => one == two,
            (one, two) => one == two,
        }
    }

    pub(super) fn redirect(status: StatusCode, location: &str) -> Self {
        FetchError::Redirect { status: status.as_u16(), location: shortened(location) }
    }

    pub(super) fn too_many_redirects(requests: usize, location: &str) -> Self {
        FetchError::TooManyRedirects { requests, location: shortened(location) }
    }

    pub(super) fn head(error: &hyper::Error, limits: Limits) -> Self {
        if let Some(error) = explain_broken(error) {
            return error;
        }
        if error.is_parse_too_large() {
            return FetchError::HeadTooLarge { limit_bytes: limits.head_bytes };
        }
        if error.is_parse() {
            return FetchError::Protocol(format!("not HTTP/1: {error}"));
        }
        FetchError::Closed
    }

    pub(super) fn body(error: &hyper::Error, received_bytes: usize) -> Self {
        if let Some(error) = explain_broken(error) {
            return error;
        }
        if error.is_parse() || error.is_parse_too_large() {
            return FetchError::Protocol(format!("not HTTP/1: {error}"));
        }
        FetchError::Short { received_bytes }
    }
}

//! What is configurable about a client: credentials, TLS, redirects, compression.

use std::fmt;
use std::path::PathBuf;

/// The most that is taken from a peer in one answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// Bytes of status line and headers.
    pub head_bytes: usize,
    /// Bytes of the body after decompression.
    pub body_bytes: usize,
    /// Bytes of one line of the body. `None` where the body is no text of lines, which would all have an end.
    pub line_bytes: Option<usize>,
}

impl Limits {
    /// Ample for every exporter, and little enough to hold in memory.
    pub const DEFAULT: Limits =
        Limits { head_bytes: 64 << 10, body_bytes: 16 << 20, line_bytes: Some(1 << 20) };
}

/// What is the same in all requests of the clients of a job.
#[derive(Clone, Debug)]
pub struct Settings {
    /// The `Accept` header.
    pub accept: &'static str,
    /// The `User-Agent` header.
    pub user_agent: &'static str,
    /// The header that tells the peer the deadline in seconds, in lower case.
    pub deadline_header: Option<&'static str>,
    /// More headers that are the same each time: names in lower case, with their values.
    pub more_headers: Vec<(&'static str, String)>,
    /// The caps on each answer.
    pub limits: Limits,
    /// Credentials, TLS, redirects and compression.
    pub http: HttpSettings,
}

/// How a client deals with a server. The keys are those of Prometheus' HTTP settings.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HttpSettings {
    /// `basic_auth` or `authorization`.
    pub credentials: Option<Credentials>,
    /// `tls_config`.
    pub tls: TlsSettings,
    /// `follow_redirects`. Credentials are never sent to another host.
    pub follow_redirects: bool,
    /// `enable_compression`: whether gzip is offered.
    pub compression: bool,
}

impl Default for HttpSettings {
    fn default() -> Self {
        Self { credentials: None, tls: TlsSettings::default(), follow_redirects: true, compression: true }
    }
}

/// Who the client says it is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Credentials {
    /// `basic_auth`.
    Basic {
        /// `username` or `username_file`.
        username: Secret,
        /// `password` or `password_file`.
        password: Secret,
    },
    /// `authorization`: the type, such as `Bearer`, and what comes behind it.
    Authorization {
        /// `type`.
        kind: String,
        /// `credentials` or `credentials_file`.
        credentials: Secret,
    },
}

/// A text that must not get into messages. A file is read again when it has changed, so that a new password counts at
/// once.
#[derive(Clone, PartialEq, Eq)]
pub enum Secret {
    /// The text itself.
    Text(String),
    /// A file that holds it; blanks and line ends around it do not count.
    File(PathBuf),
}

impl fmt::Debug for Secret {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Text(_) => out.write_str("<secret>"),
            Self::File(path) => write!(out, "<secret in {}>", path.display()),
        }
    }
}

/// Whom a client trusts, and how it shows who it is. Files are in PEM.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct TlsSettings {
    /// `ca` or `ca_file`: the authorities to trust instead of the system's.
    pub ca: Option<Secret>,
    /// `cert` or `cert_file`: the client's certificate.
    pub certificate: Option<Secret>,
    /// `key` or `key_file`: the key of that certificate.
    pub key: Option<Secret>,
    /// `server_name`: the name that the server's certificate has to be for, if it is not the host's.
    pub server_name: Option<String>,
    /// `insecure_skip_verify`: whether any certificate will do.
    pub insecure_skip_verify: bool,
}

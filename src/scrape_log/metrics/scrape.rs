//! The figures of one scrape.

use std::time::Duration;

use crate::web::client::FetchError;

/// How a scrape ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ScrapeResult {
    /// There is a page, and it was read.
    Success,
    /// The host's name has no address.
    ResolveError,
    /// No connection, or one that broke.
    ConnectionError,
    /// There is no trust between the two.
    TlsError,
    /// `scrape_timeout` passed.
    Timeout,
    /// No page, but another answer, or one that is not HTTP.
    HttpError,
    /// What came is no page of metrics.
    BadPage,
    /// The page is beyond one of the limits of its job.
    LimitExceeded,
    /// The configuration does not let it be tried, as when a file of a password is gone.
    ConfigError,
}

impl ScrapeResult {
    pub(super) const ALL: [Self; 9] = [
        Self::Success,
        Self::ResolveError,
        Self::ConnectionError,
        Self::TlsError,
        Self::Timeout,
        Self::HttpError,
        Self::BadPage,
        Self::LimitExceeded,
        Self::ConfigError,
    ];

    /// The value of the label `result`.
    pub fn label(self) -> &'static str {
        match self {
            Self::Success => "success",
            Self::ResolveError => "resolve_error",
            Self::ConnectionError => "connection_error",
            Self::TlsError => "tls_error",
            Self::Timeout => "timeout",
            Self::HttpError => "http_error",
            Self::BadPage => "bad_page",
            Self::LimitExceeded => "limit_exceeded",
            Self::ConfigError => "config_error",
        }
    }
}

impl From<&FetchError> for ScrapeResult {
    fn from(error: &FetchError) -> Self {
        match error {
            FetchError::Resolve { .. } => Self::ResolveError,
            FetchError::Connect { .. } | FetchError::Closed | FetchError::Short { .. } => {
                Self::ConnectionError
            }
            FetchError::Tls { .. } => Self::TlsError,
            FetchError::Deadline { .. } => Self::Timeout,
            FetchError::Protocol(_)
            | FetchError::Redirect { .. }
            | FetchError::TooManyRedirects { .. }
            | FetchError::RedirectRefused { .. }
            | FetchError::Status { .. } => Self::HttpError,
            FetchError::Setup(_) => Self::ConfigError,
            FetchError::ContentType(_) | FetchError::Encoding(_) => Self::BadPage,
            FetchError::HeadTooLarge { .. }
            | FetchError::BodyTooLarge { .. }
            | FetchError::LineTooLong { .. } => Self::LimitExceeded,
        }
    }
}

/// One scrape, for [`Metrics::note_scrape`].
#[derive(Clone, Copy, Debug)]
pub struct ScrapeFigures {
    /// How it ended.
    pub result: ScrapeResult,
    /// What the fetch took.
    pub duration: Duration,
    /// How much later it began than planned.
    pub lateness: Duration,
    /// Planned scrapes of the target before it that were left out.
    pub missed: u64,
    /// The size of the page without compression; 0 if there is none.
    pub page_bytes: usize,
    /// Samples on the page.
    pub scraped_samples: usize,
    /// Samples that are in the file now, those about the scrape itself included; `None` if the scrape is not stored.
    pub stored_samples: Option<usize>,
}

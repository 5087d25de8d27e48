//! What the clients of a job have in common, read and checked once.

use std::fmt;
use std::time::Duration;

use http_body_util::Empty;
use hyper::body::Bytes;
use hyper::header::{self, HeaderMap, HeaderName, HeaderValue};
use hyper::{Method, Request};

use super::authorization::Authorization;
use super::tls::Tls;
use super::{Endpoint, FetchError, Limits, Settings, SetupError};

/// Settings that were checked, with what was read from their files. Any number of clients share one.
pub struct Prepared {
    accept: HeaderValue,
    user_agent: HeaderValue,
    deadline_header: Option<HeaderName>,
    more_headers: Vec<(HeaderName, HeaderValue)>,
    compression: bool,
    authorization: Option<Authorization>,
    pub(super) follow_redirects: bool,
    pub(super) limits: Limits,
    pub(super) tls: Tls,
}

impl fmt::Debug for Prepared {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.debug_struct("Prepared").field("limits", &self.limits).finish_non_exhaustive()
    }
}

impl Prepared {
    /// Reads and checks all that the settings name, which blocks: authorities, certificate, key, credentials. Whatever stands in a file
    /// is read again after the file has changed: certificates at the next new connection, credentials at the next
    /// request.
    ///
    /// # Errors
    /// Something can't be read or used. The text names the key and the file, and says what to do.
    pub fn new(settings: &Settings) -> Result<Self, SetupError> {
        let Settings { accept, user_agent, deadline_header, more_headers, limits, http } = settings;
        let authorization = http.credentials.as_ref().map(Authorization::new).transpose()?;
        let wrong = |what: &str| SetupError(format!("{what} can't be sent in a header"));
        Ok(Self {
            accept: HeaderValue::from_str(accept).map_err(|_| wrong(accept))?,
            user_agent: HeaderValue::from_str(user_agent).map_err(|_| wrong(user_agent))?,
            deadline_header: deadline_header.map(HeaderName::from_static),
            more_headers: more_headers
                .iter()
                .map(|(name, value)| {
                    let value = HeaderValue::from_str(value).map_err(|_| wrong(value))?;
                    Ok((HeaderName::from_static(name), value))
                })
                .collect::<Result<_, SetupError>>()?,
            compression: http.compression,
            authorization,
            follow_redirects: http.follow_redirects,
            limits: *limits,
            tls: Tls::new(&http.tls)?,
        })
    }

    /// The header with the credentials as they are now, if there are any.
    ///
    /// # Errors
    /// A file of theirs can't be read or used.
    pub(super) async fn authorization(&self) -> Result<Option<HeaderValue>, SetupError> {
        match &self.authorization {
            Some(authorization) => authorization.header().await.map(Some),
            None => Ok(None),
        }
    }

    /// The request for the page of `place`.
    pub(super) fn request(
        &self,
        place: &Endpoint,
        authorization: Option<&HeaderValue>,
        told: &Told,
    ) -> Request<Empty<Bytes>> {
        let mut headers = HeaderMap::with_capacity(7);
        headers.insert(header::HOST, told.host.clone());
        headers.insert(header::ACCEPT, self.accept.clone());
        if self.compression {
            headers.insert(header::ACCEPT_ENCODING, HeaderValue::from_static("gzip"));
        }
        headers.insert(header::USER_AGENT, self.user_agent.clone());
        if let Some(name) = &self.deadline_header {
            headers.insert(name, told.deadline_seconds.clone());
        }
        for (name, value) in &self.more_headers {
            headers.insert(name, value.clone());
        }
        if let Some(authorization) = authorization {
            headers.insert(header::AUTHORIZATION, authorization.clone());
        }
        let mut request = Request::new(Empty::new());
        *request.method_mut() = Method::GET;
        *request.uri_mut() = place.target().clone();
        *request.headers_mut() = headers;
        request
    }
}

/// Values of headers that are the same in each request for a page.
#[derive(Clone, Debug)]
pub(super) struct Told {
    pub(super) deadline: Duration,
    host: HeaderValue,
    deadline_seconds: HeaderValue,
}

impl Told {
    pub(super) fn new(place: &Endpoint, deadline: Duration) -> Result<Self, FetchError> {
        let value = |text: String| {
            HeaderValue::try_from(text).map_err(|error| FetchError::Protocol(error.to_string()))
        };
        Ok(Self {
            deadline,
            host: value(place.host_header())?,
            deadline_seconds: value(deadline.as_secs_f64().to_string())?,
        })
    }
}

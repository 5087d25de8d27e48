//! Answers of the kinds that all programs here give.

use bytes::Bytes;
use hyper::header::{
    ALLOW, CONTENT_ENCODING, CONTENT_SECURITY_POLICY, CONTENT_TYPE, HeaderName, HeaderValue, VARY,
    X_CONTENT_TYPE_OPTIONS,
};
use hyper::{HeaderMap, Response, StatusCode};

use super::{gzip, negotiate};
use crate::exposition::Format;

/// A short text.
pub fn plain(status: StatusCode, text: impl Into<Bytes>) -> Response<Bytes> {
    typed(status, "text/plain; charset=utf-8", text)
}

/// JSON.
pub fn json(status: StatusCode, text: impl Into<Bytes>) -> Response<Bytes> {
    typed(status, "application/json", text)
}

/// A page for a browser, which may do and load what `policy` (a Content-Security-Policy) says and no more.
pub fn html(page: impl Into<Bytes>, policy: &'static str) -> Response<Bytes> {
    let mut response = typed(StatusCode::OK, "text/html; charset=utf-8", page);
    set(&mut response, CONTENT_SECURITY_POLICY, policy);
    response
}

/// A page of metrics, which is not compressed unless [`mark_gzip`] says so.
pub fn metrics(format: Format, page: impl Into<Bytes>) -> Response<Bytes> {
    let mut response = typed(StatusCode::OK, format.content_type(), page);
    set(&mut response, VARY, "Accept, Accept-Encoding");
    response
}

/// 405, with the methods that `allowed` names (`GET, HEAD`).
pub fn not_allowed(allowed: &'static str) -> Response<Bytes> {
    let text = format!("Only {} are served here.\n", allowed.replace(", ", " and "));
    let mut response = plain(StatusCode::METHOD_NOT_ALLOWED, text);
    set(&mut response, ALLOW, allowed);
    response
}

/// Compresses the body if the request's `headers` allow it.
pub fn compressed(response: Response<Bytes>, headers: &HeaderMap) -> Response<Bytes> {
    let accepted = negotiate::accepts_gzip(headers);
    let mut response = response.map(|body| if accepted { gzip::compress(&body).into() } else { body });
    response.headers_mut().entry(VARY).or_insert(HeaderValue::from_static("Accept-Encoding"));
    if accepted {
        mark_gzip(&mut response);
    }
    response
}

/// Says that the body is compressed.
pub fn mark_gzip(response: &mut Response<Bytes>) {
    set(response, CONTENT_ENCODING, "gzip");
}

/// What goes with every answer: that a browser takes its type as given (WHATWG Fetch, section 3.5).
pub(super) fn harden(response: &mut Response<Bytes>) {
    set(response, X_CONTENT_TYPE_OPTIONS, "nosniff");
}

fn typed(status: StatusCode, content_type: &'static str, body: impl Into<Bytes>) -> Response<Bytes> {
    let mut response = Response::new(body.into());
    *response.status_mut() = status;
    set(&mut response, CONTENT_TYPE, content_type);
    response
}

fn set(response: &mut Response<Bytes>, name: HeaderName, value: &'static str) {
    response.headers_mut().insert(name, HeaderValue::from_static(value));
}

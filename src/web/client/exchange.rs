//! One request and its answer over a stream.
//!
//! hyper speaks the protocol, here only while there is an answer to wait for. Between two fetches nothing is kept but the
//! stream: no task, and no read buffer, which grows to the size of what was read.

use std::future::poll_fn;
use std::pin::pin;
use std::task::{Context, Poll};

use http_body_util::{BodyExt, Empty};
use hyper::body::{Body, Bytes, Incoming};
use hyper::client::conn::http1::{self, Connection, SendRequest};
use hyper::header::{self, HeaderMap};
use hyper::{Request, Response};
use hyper_util::rt::TokioIo;

use super::body::Decoder;
use super::connect::Stream;
use super::page::Page;
use super::{FetchError, Limits};

/// A reserve for a page of the length that the peer gives, which it may never send.
const MAX_RESERVE_BYTES: usize = 1 << 20;
/// The largest read. A read buffer begins small and grows up to this while there is much to read.
const MAX_READ_BYTES: usize = 64 << 10;
/// What is decoded at once: it may become a thousand times as much.
const MAX_GZIP_PIECE_BYTES: usize = 1 << 10;
/// Bodies of redirects are some words for people. Longer ones cost more than a new connection.
const MAX_SKIPPED_BYTES: usize = 4 << 10;

/// A connection in use. Dropping it closes the socket at once.
pub(super) struct Exchange {
    sender: SendRequest<Empty<Bytes>>,
    /// `None` when the connection has ended.
    driver: Option<Box<Connection<TokioIo<Stream>, Empty<Bytes>>>>,
}

impl Exchange {
    pub(super) async fn new(stream: Stream, limits: Limits) -> hyper::Result<Self> {
        let (sender, driver) = http1::Builder::new()
            .max_header_size(limits.head_bytes)
            .max_buf_size(limits.head_bytes.max(MAX_READ_BYTES))
            .handshake(TokioIo::new(stream))
            .await?;
        Ok(Self { sender, driver: Some(Box::new(driver)) })
    }

    /// Sends the request and waits for the head of the answer.
    pub(super) async fn ask(&mut self, request: Request<Empty<Bytes>>) -> hyper::Result<Response<Incoming>> {
        let answer = self.sender.send_request(request);
        drive(&mut self.driver, answer).await
    }

    /// Reads the body into `page`, and counts the bytes as they come over the wire.
    pub(super) async fn read_body(
        &mut self,
        response: Response<Incoming>,
        page: &mut Page,
        limits: Limits,
        received_bytes: &mut usize,
    ) -> Result<(), FetchError> {
        let framed = is_framed(&response);
        let (head, mut body) = response.into_parts();
        let length = body.size_hint().exact();
        let gzip = is_gzip(&head.headers)?;
        if let Some(length) = length.filter(|_| !gzip) {
            let length = usize::try_from(length).unwrap_or(usize::MAX);
            if length > limits.body_bytes {
                return Err(FetchError::BodyTooLarge { limit_bytes: limits.body_bytes });
            }
            page.bytes.reserve(length.min(MAX_RESERVE_BYTES));
        }
        let Page { bytes, room } = page;
        let mut decoder = Decoder::new(gzip, bytes, limits);
        let piece_bytes = if gzip { MAX_GZIP_PIECE_BYTES } else { usize::MAX };
        while let Some(frame) = drive(&mut self.driver, body.frame()).await {
            let frame = frame.map_err(|error| FetchError::body(&error, *received_bytes))?;
            if let Ok(data) = frame.into_data() {
                *received_bytes += data.len();
                for piece in data.chunks(piece_bytes) {
                    decoder.push(piece)?;
                    room.hold(decoder.len()).await;
                }
            }
        }
        decoder.finish()?;
        // Where only the end of the connection ends a page, a cut shows in the last line alone.
        if !framed && limits.line_bytes.is_some() && page.last().is_some_and(|&last| last != b'\n') {
            return Err(FetchError::Short { received_bytes: *received_bytes });
        }
        Ok(())
    }

    /// Reads a body that nobody wants, so that the connection can be kept. False if it is too long or broken.
    pub(super) async fn skip_body(&mut self, response: Response<Incoming>) -> bool {
        let mut rest = MAX_SKIPPED_BYTES;
        if !is_framed(&response) || response.body().size_hint().lower() > rest as u64 {
            return false;
        }
        let mut body = response.into_body();
        while let Some(frame) = drive(&mut self.driver, body.frame()).await {
            let Ok(frame) = frame else { return false };
            match rest.checked_sub(frame.data_ref().map_or(0, Bytes::len)) {
                Some(left) => rest = left,
                None => return false,
            }
        }
        true
    }

    /// The stream, if another request can go over it.
    pub(super) async fn into_stream(mut self) -> Option<Stream> {
        poll_fn(|context| {
            poll_driver(&mut self.driver, context);
            Poll::Ready(())
        })
        .await;
        if !self.sender.is_ready() {
            return None;
        }
        let parts = self.driver?.into_parts();
        parts.read_buf.is_empty().then(|| parts.io.into_inner())
    }
}

/// Waits for `future`, which waits for the connection to be driven.
async fn drive<F: Future>(
    driver: &mut Option<Box<Connection<TokioIo<Stream>, Empty<Bytes>>>>,
    future: F,
) -> F::Output {
    let mut future = pin!(future);
    poll_fn(|context| {
        if let Poll::Ready(output) = future.as_mut().poll(context) {
            return Poll::Ready(output);
        }
        poll_driver(driver, context);
        future.as_mut().poll(context)
    })
    .await
}

fn poll_driver(
    driver: &mut Option<Box<Connection<TokioIo<Stream>, Empty<Bytes>>>>,
    context: &mut Context<'_>,
) {
    // The answer gets the connection's errors too, so they are not lost here.
    if driver.as_mut().is_some_and(|driver| driver.poll_without_shutdown(context).is_ready()) {
        *driver = None;
    }
}

/// Whether the end of the body shows in another way than the end of the connection.
fn is_framed(response: &Response<Incoming>) -> bool {
    response.body().size_hint().exact().is_some()
        || response.headers().contains_key(header::TRANSFER_ENCODING)
}

/// Whether the body is compressed with gzip.
fn is_gzip(headers: &HeaderMap) -> Result<bool, FetchError> {
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
            "Content-Encoding is {}, where at most gzip was offered",
            String::from_utf8_lossy(other.get(..other.len().min(40)).unwrap_or_default())
        ))),
    }
}

//! How long the client waits and how much it takes, whatever the peer does.

use super::asking::{LONG, SHORT, block_on, client, fetch, fetch_once};
use super::peer::Peer;
use std::io::Write;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread::sleep;
use std::time::{Duration, Instant};
use vitals::web::client::{FetchError, Phase};

/// What came of it, and that it came when the deadline passed.
fn times_out(peer: &Peer) -> FetchError {
    let start = Instant::now();
    let error = fetch_once(peer, SHORT).unwrap_err();
    let taken = start.elapsed();
    assert!(taken >= SHORT && taken < LONG / 4, "{taken:?}: {error}");
    error
}

fn gzip(data: &[u8]) -> Vec<u8> {
    let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::best());
    encoder.write_all(data).unwrap();
    encoder.finish().unwrap()
}

fn encoded(body: &[u8], encoding: &str) -> Vec<u8> {
    let head =
        format!("HTTP/1.1 200 OK\r\nContent-Encoding: {encoding}\r\nContent-Length: {}\r\n\r\n", body.len());
    [head.as_bytes(), body].concat()
}

#[test]
fn one_deadline_over_all_phases() {
    let silent = Peer::new(|caller| {
        caller.hear();
        caller.wait();
    });
    assert_eq!(
        times_out(&silent),
        FetchError::Deadline { deadline: SHORT, phase: Phase::Head, body_bytes: 0 }
    );
    let dripping_head = Peer::new(|caller| {
        caller.hear();
        let head = b"HTTP/1.1 200 OK\r\nX-Long: xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx".iter();
        for byte in head.cycle() {
            if !caller.say(&[*byte]) {
                break;
            }
            sleep(Duration::from_millis(100));
        }
    });
    assert_eq!(
        times_out(&dripping_head).to_string(),
        "deadline of 300ms passed while waiting for the response"
    );
    let dripping_body = Peer::new(|caller| {
        caller.hear();
        caller.say(b"HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\n");
        while caller.say(b"a") {
            sleep(Duration::from_millis(100));
        }
    });
    let error = times_out(&dripping_body);
    assert!(error.to_string().contains("while reading the body after "), "{error}");
    assert!(error.same_cause(&FetchError::Deadline { deadline: SHORT, phase: Phase::Body, body_bytes: 0 }));
}

#[test]
fn a_deadline_that_passed_closes_the_connection() {
    let closed = Arc::new(AtomicUsize::new(0));
    let counter = Arc::clone(&closed);
    let peer = Peer::new(move |caller| {
        caller.hear();
        caller.wait();
        counter.fetch_add(1, Ordering::SeqCst);
    });
    block_on(async {
        let mut client = client(&peer);
        fetch(&mut client, SHORT).await.unwrap_err();
        tokio::time::sleep(SHORT).await;
        assert_eq!(closed.load(Ordering::SeqCst), 1);
    });
}

#[test]
fn an_endless_body_is_left_at_the_cap() {
    for chunked in [false, true] {
        let sent = Arc::new(AtomicUsize::new(0));
        let counter = Arc::clone(&sent);
        let peer = Peer::new(move |caller| {
            caller.hear();
            let line = "some_metric{label=\"value\"} 1\n".repeat(1000);
            caller.say(match chunked {
                true => b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n",
                false => b"HTTP/1.1 200 OK\r\n\r\n",
            });
            let piece = if chunked { format!("{:x}\r\n{line}\r\n", line.len()) } else { line };
            while caller.say(piece.as_bytes()) {
                counter.fetch_add(piece.len(), Ordering::SeqCst);
            }
        });
        assert_eq!(fetch_once(&peer, LONG).unwrap_err(), FetchError::BodyTooLarge { limit_bytes: 16 << 20 });
        sleep(Duration::from_millis(200));
        let sent = sent.load(Ordering::SeqCst);
        // What lies in the sockets' buffers was sent, but is not taken.
        assert!(sent < 32 << 20, "{sent} bytes were taken from the peer");
    }
}

#[test]
fn a_line_without_end_and_headers_without_end_are_left_at_their_caps() {
    let line = Peer::new(|caller| {
        caller.hear();
        caller.say(b"HTTP/1.1 200 OK\r\n\r\n");
        while caller.say(&[b'x'; 10_000]) {}
    });
    assert_eq!(fetch_once(&line, LONG).unwrap_err(), FetchError::LineTooLong { limit_bytes: 1 << 20 });
    let header = Peer::new(|caller| {
        caller.hear();
        caller.say(b"HTTP/1.1 200 OK\r\nX-Long: ");
        while caller.say(&[b'x'; 10_000]) {}
    });
    assert_eq!(fetch_once(&header, LONG).unwrap_err(), FetchError::HeadTooLarge { limit_bytes: 64 << 10 });
    let headers = Peer::new(|caller| {
        caller.hear();
        caller.say(b"HTTP/1.1 200 OK\r\n");
        while caller.say(b"X-Many: 1\r\n") {}
    });
    let error = fetch_once(&headers, LONG).unwrap_err();
    assert!(matches!(error, FetchError::HeadTooLarge { .. } | FetchError::Protocol(_)), "{error}");
}

#[test]
fn gzip_is_decoded_and_a_bomb_is_not() {
    let page = "some_metric 1\n".repeat(10_000);
    assert_eq!(fetch_once(&Peer::answering(encoded(&gzip(page.as_bytes()), "gzip")), LONG).unwrap(), page);
    let bomb = gzip(&vec![b'\n'; 256 << 20]);
    assert!(bomb.len() < 1 << 20);
    assert_eq!(
        fetch_once(&Peer::answering(encoded(&bomb, "gzip")), LONG).unwrap_err(),
        FetchError::BodyTooLarge { limit_bytes: 16 << 20 }
    );
    let mut torn = gzip(page.as_bytes());
    torn.truncate(torn.len() - 4);
    let error = fetch_once(&Peer::answering(encoded(&torn, "gzip")), LONG).unwrap_err();
    assert!(error.to_string().starts_with("body: not whole gzip"), "{error}");
    let error = fetch_once(&Peer::answering(encoded(b"x", "br")), LONG).unwrap_err();
    assert!(error.to_string().contains("Content-Encoding is br"), "{error}");
}

#[test]
fn a_page_that_is_announced_larger_than_the_cap_is_not_read() {
    let peer = Peer::new(|caller| {
        caller.hear();
        caller.say(b"HTTP/1.1 200 OK\r\nContent-Length: 16777217\r\n\r\n");
        caller.wait();
    });
    assert_eq!(fetch_once(&peer, LONG).unwrap_err(), FetchError::BodyTooLarge { limit_bytes: 16 << 20 });
}

#[test]
fn the_body_of_an_error_is_not_read() {
    let sent = Arc::new(AtomicUsize::new(0));
    let counter = Arc::clone(&sent);
    let peer = Peer::new(move |caller| {
        caller.hear();
        caller.say(b"HTTP/1.1 500 Internal Server Error\r\nContent-Length: 500000000\r\n\r\n");
        while caller.say(&[b'x'; 100_000]) {
            counter.fetch_add(100_000, Ordering::SeqCst);
        }
    });
    let start = Instant::now();
    let error = fetch_once(&peer, LONG).unwrap_err();
    assert_eq!(error.to_string(), "response: status 500 Internal Server Error");
    assert!(start.elapsed() < LONG / 4);
    sleep(Duration::from_millis(200));
    assert!(sent.load(Ordering::SeqCst) < 16 << 20);
}

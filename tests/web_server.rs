//! The server under peers that misbehave: every limit is short here and has to hold.

#![allow(clippy::unwrap_used)]

use std::io::{ErrorKind, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::time::{Duration, Instant};

use bytes::Bytes;
use hyper::Response;
use hyper::http::request::Parts;
use vitals::base::shutdown::{Shutdown, Trigger};
use vitals::web::server::{Handler, Limits, bind, serve};

/// Answers with as many bytes as the path says, after as many milliseconds as the query says.
#[derive(Clone)]
struct Sized;

impl Handler for Sized {
    async fn handle(&self, request: Parts, _: SocketAddr) -> Response<Bytes> {
        let bytes = request.uri.path().trim_start_matches('/').parse().unwrap_or(2);
        let delay = request.uri.query().and_then(|query| query.parse().ok()).unwrap_or(0);
        tokio::time::sleep(Duration::from_millis(delay)).await;
        Response::new(vec![b'x'; bytes].into())
    }
}

struct Server {
    address: SocketAddr,
    trigger: Trigger,
    thread: std::thread::JoinHandle<()>,
}

impl Server {
    fn start(limits: Limits) -> Self {
        let (trigger, shutdown) = Shutdown::new();
        let (send, receive) = std::sync::mpsc::channel();
        let thread = std::thread::spawn(move || {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
            runtime.block_on(async {
                let listener = bind("127.0.0.1:0").unwrap();
                send.send(listener.local_addr().unwrap()).unwrap();
                serve(vec![listener], Sized, limits, shutdown).await;
            });
        });
        Self { address: receive.recv().unwrap(), trigger, thread }
    }

    fn connect(&self) -> TcpStream {
        let stream = TcpStream::connect(self.address).unwrap();
        stream.set_read_timeout(Some(Duration::from_secs(10))).unwrap();
        stream
    }

    fn ask(&self, path: &str) -> String {
        let mut stream = self.connect();
        ask_on(&mut stream, path)
    }
}

fn ask_on(stream: &mut TcpStream, path: &str) -> String {
    write!(stream, "GET {path} HTTP/1.1\r\nHost: a\r\n\r\n").unwrap();
    let mut answer = [0; 512];
    let count = stream.read(&mut answer).unwrap_or(0);
    String::from_utf8_lossy(&answer[..count]).lines().next().unwrap_or("").to_owned()
}

/// How long until the peer closes, draining what it sends. A reset is a close too; silence is not.
fn closed_after(stream: &mut TcpStream) -> Duration {
    let start = Instant::now();
    let mut buffer = [0; 65536];
    loop {
        match stream.read(&mut buffer) {
            Ok(0) => return start.elapsed(),
            Ok(_) => {}
            Err(error) if error.kind() == ErrorKind::ConnectionReset => return start.elapsed(),
            Err(error) => panic!("still open after {:?}: {error}", start.elapsed()),
        }
    }
}

fn short() -> Limits {
    Limits {
        max_connections: 64,
        head_timeout: Duration::from_millis(400),
        idle_timeout: Duration::from_millis(900),
        write_timeout: Duration::from_millis(600),
        drain_timeout: Duration::from_millis(800),
    }
}

/// Timers fire late on a busy machine, never early.
fn within(took: Duration, milliseconds: u64) {
    let least = Duration::from_millis(milliseconds - 60);
    assert!(took >= least && took < least + Duration::from_secs(4), "closed after {took:?}");
}

#[test]
fn a_silent_connection_and_a_dripping_head_are_closed_in_time() {
    let server = Server::start(short());
    let mut silent = server.connect();
    let mut dripping = server.connect();
    let start = Instant::now();
    for byte in b"GET /2 HTTP/1.1\r\nX-Long: aaaaaaaaaaaaaaaaaaaaaaaaaaa".iter() {
        if dripping.write_all(&[*byte]).is_err() {
            break;
        }
        std::thread::sleep(Duration::from_millis(25));
    }
    within(start.elapsed().min(Duration::from_millis(400)), 400);
    closed_after(&mut dripping);
    assert!(start.elapsed() < Duration::from_secs(3), "{:?}", start.elapsed());
    closed_after(&mut silent);
    assert_eq!(server.ask("/2"), "HTTP/1.1 200 OK");
}

#[test]
fn a_dripping_head_is_closed_in_time_on_a_kept_connection_too() {
    let server = Server::start(Limits { idle_timeout: Duration::from_secs(60), ..short() });
    let mut stream = server.connect();
    assert_eq!(ask_on(&mut stream, "/2"), "HTTP/1.1 200 OK");
    std::thread::sleep(Duration::from_millis(500)); // idle for longer than a head may take
    stream.write_all(b"GET").unwrap();
    within(closed_after(&mut stream), 400);
}

#[test]
fn an_idle_connection_lives_longer_than_a_head() {
    let server = Server::start(short());
    let mut stream = server.connect();
    assert_eq!(ask_on(&mut stream, "/2"), "HTTP/1.1 200 OK");
    std::thread::sleep(Duration::from_millis(600));
    assert_eq!(ask_on(&mut stream, "/2"), "HTTP/1.1 200 OK");
    within(closed_after(&mut stream), 900);
}

#[test]
fn a_reader_that_takes_nothing_is_closed() {
    let server = Server::start(short());
    let mut stream = server.connect();
    stream.write_all(b"GET /30000000 HTTP/1.1\r\nHost: a\r\n\r\n".repeat(20).as_slice()).unwrap();
    std::thread::sleep(Duration::from_millis(1500));
    // What is in the socket's buffers can still be read, but the answers are not complete.
    let mut taken = 0;
    let mut buffer = [0; 65536];
    while let Ok(count @ 1..) = stream.read(&mut buffer) {
        taken += count;
    }
    assert!(taken < 30_000_000, "{taken} bytes");
}

#[test]
fn a_slow_answer_is_not_a_slow_peer() {
    let server = Server::start(short());
    assert_eq!(server.ask("/2?1500"), "HTTP/1.1 200 OK");
}

#[test]
fn the_quietest_connection_makes_room() {
    let server = Server::start(Limits {
        max_connections: 16,
        head_timeout: Duration::from_secs(60),
        idle_timeout: Duration::from_secs(60),
        ..short()
    });
    let mut oldest: Vec<TcpStream> = (0..16).map(|_| server.connect()).collect();
    std::thread::sleep(Duration::from_millis(100));
    let newer: Vec<TcpStream> = (0..8).map(|_| server.connect()).collect();
    assert_eq!(server.ask("/2"), "HTTP/1.1 200 OK");
    let start = Instant::now();
    for stream in &mut oldest[..8] {
        closed_after(stream);
    }
    assert!(start.elapsed() < Duration::from_secs(5), "the oldest are still open");
    for stream in &newer {
        stream.set_nonblocking(true).unwrap();
        let error = (&*stream).read(&mut [0]).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::WouldBlock, "a newer one was closed");
    }
}

#[test]
fn bad_requests_get_their_code() {
    let server = Server::start(short());
    for (request, want) in [
        ("GET /2\r\n\r\n".to_owned(), "400"),
        ("GET /2 HTTP/1.1\r\n\r\n".into(), "400"),
        ("GET /2 HTTP/1.1\r\nHost: a\r\n\r\n".into(), "200"),
        (format!("GET /2 HTTP/1.1\r\nX: {}\r\n\r\n", "a".repeat(20_000)), "431"),
        (format!("GET /2 HTTP/1.1\r\n{}\r\n", "X: a\r\n".repeat(200)), "431"),
        (
            "POST /2 HTTP/1.1\r\nHost: a\r\nContent-Length: 4\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n"
                .into(),
            "400",
        ),
        (
            "POST /2 HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\nFFFFFFFFFFFFFFFFF\r\nx".into(),
            "400",
        ),
        ("GET /2 HTTP/1.1\r\nHost: a\r\nX: a\0b\r\n\r\n".into(), "400"),
        ("\x16\x03\x01\x02\r\n\r\n".into(), "400"),
    ] {
        let mut stream = server.connect();
        stream.write_all(request.as_bytes()).unwrap();
        let mut answer = [0; 64];
        let count = stream.read(&mut answer).unwrap_or(0);
        let line = String::from_utf8_lossy(&answer[..count]).into_owned();
        assert!(line.starts_with(&format!("HTTP/1.1 {want}")), "{:.40} -> {line}", request.escape_debug());
    }
}

#[test]
fn stopping_closes_idle_connections_and_finishes_answers() {
    let server = Server::start(Limits { idle_timeout: Duration::from_secs(60), ..short() });
    let mut idle = server.connect();
    assert_eq!(ask_on(&mut idle, "/2"), "HTTP/1.1 200 OK");
    let mut fresh = server.connect();
    let mut busy = server.connect();
    write!(busy, "GET /100000?300 HTTP/1.1\r\nHost: a\r\n\r\n").unwrap();
    std::thread::sleep(Duration::from_millis(100));
    let start = Instant::now();
    server.trigger.now();
    closed_after(&mut idle);
    closed_after(&mut fresh);
    let mut answer = Vec::new();
    busy.read_to_end(&mut answer).unwrap();
    assert!(answer.len() > 100_000, "the answer was cut at {} bytes", answer.len());
    server.thread.join().unwrap();
    assert!(start.elapsed() < Duration::from_secs(1), "stopping took {:?}", start.elapsed());
}

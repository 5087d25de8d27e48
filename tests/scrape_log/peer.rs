//! A scripted HTTP peer: what it does with a connection is up to the test.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::thread;

/// Runs a script on each connection, each in a thread of its own, until the test's process ends.
pub struct Peer {
    pub address: SocketAddr,
    connections: Arc<AtomicUsize>,
    requests: Arc<Mutex<Vec<String>>>,
}

/// One accepted connection.
pub struct Caller {
    stream: TcpStream,
    requests: Arc<Mutex<Vec<String>>>,
    /// The number of the connection, from 0.
    pub number: usize,
}

impl Peer {
    pub fn new(script: impl Fn(&mut Caller) + Send + Sync + 'static) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let connections = Arc::new(AtomicUsize::new(0));
        let requests = Arc::new(Mutex::new(Vec::new()));
        let (counter, heard, script) = (Arc::clone(&connections), Arc::clone(&requests), Arc::new(script));
        thread::spawn(move || {
            for stream in listener.incoming() {
                let number = counter.fetch_add(1, Ordering::SeqCst);
                let mut caller = Caller { stream: stream.unwrap(), requests: Arc::clone(&heard), number };
                let script = Arc::clone(&script);
                thread::spawn(move || script(&mut caller));
            }
        });
        Self { address, connections, requests }
    }

    /// Answers each request of each connection with the same bytes.
    pub fn answering(response: impl Into<Vec<u8>>) -> Self {
        let response = response.into();
        Self::new(move |caller| while caller.hear() && caller.say(&response) {})
    }

    /// Answers with a page of metrics.
    pub fn exporter(page: &str) -> Self {
        Self::answering(ok(page))
    }

    pub fn url(&self) -> String {
        format!("http://{}/metrics", self.address)
    }

    pub fn connections(&self) -> usize {
        self.connections.load(Ordering::SeqCst)
    }

    pub fn requests(&self) -> Vec<String> {
        self.requests.lock().unwrap().clone()
    }
}

impl Caller {
    /// Reads one request. False when the connection is closed.
    pub fn hear(&mut self) -> bool {
        let mut request = Vec::new();
        let mut byte = [0];
        while !request.ends_with(b"\r\n\r\n") {
            match self.stream.read(&mut byte) {
                Ok(1) => request.push(byte[0]),
                _ => return false,
            }
        }
        self.requests.lock().unwrap().push(String::from_utf8(request).unwrap());
        true
    }

    /// Sends bytes. False when the other end does not take them any more.
    pub fn say(&mut self, bytes: &[u8]) -> bool {
        self.stream.write_all(bytes).is_ok()
    }

    /// Waits until the other end closes.
    pub fn wait(&mut self) {
        let mut rest = Vec::new();
        self.stream.read_to_end(&mut rest).ok();
    }
}

/// A whole response.
pub fn ok(page: &str) -> Vec<u8> {
    let head = "HTTP/1.1 200 OK\r\nContent-Type: text/plain; version=0.0.4";
    format!("{head}\r\nContent-Length: {}\r\n\r\n{page}", page.len()).into_bytes()
}

//! A scripted HTTP peer: what it does with a connection is up to the test.

use rustls::{ServerConfig, ServerConnection, StreamOwned};
use std::io::{Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::thread;

/// Runs a script on each connection, each in a thread of its own, until the test's process ends.
pub struct Peer {
    pub address: SocketAddr,
    scheme: &'static str,
    connections: Arc<AtomicUsize>,
    requests: Arc<Mutex<Vec<String>>>,
}

trait Stream: Read + Write + Send {}

impl<T: Read + Write + Send> Stream for T {}

/// One accepted connection.
pub struct Caller {
    stream: Box<dyn Stream>,
    requests: Arc<Mutex<Vec<String>>>,
    /// The number of the connection, from 0.
    pub number: usize,
}

impl Peer {
    pub fn new(script: impl Fn(&mut Caller) + Send + Sync + 'static) -> Self {
        Self::over("http", |stream| Box::new(stream), script)
    }

    /// A peer that speaks TLS.
    pub fn tls(config: ServerConfig, script: impl Fn(&mut Caller) + Send + Sync + 'static) -> Self {
        let config = Arc::new(config);
        let wrap = move |stream| -> Box<dyn Stream> {
            Box::new(StreamOwned::new(ServerConnection::new(Arc::clone(&config)).unwrap(), stream))
        };
        Self::over("https", wrap, script)
    }

    fn over(
        scheme: &'static str,
        wrap: impl Fn(TcpStream) -> Box<dyn Stream> + Send + 'static,
        script: impl Fn(&mut Caller) + Send + Sync + 'static,
    ) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let connections = Arc::new(AtomicUsize::new(0));
        let requests = Arc::new(Mutex::new(Vec::new()));
        let (counter, heard, script) = (Arc::clone(&connections), Arc::clone(&requests), Arc::new(script));
        thread::spawn(move || {
            for stream in listener.incoming() {
                let number = counter.fetch_add(1, Ordering::SeqCst);
                let stream = wrap(stream.unwrap());
                let mut caller = Caller { stream, requests: Arc::clone(&heard), number };
                let script = Arc::clone(&script);
                thread::spawn(move || script(&mut caller));
            }
        });
        Self { address, scheme, connections, requests }
    }

    /// Answers each request of each connection with the same bytes.
    pub fn answering(response: impl Into<Vec<u8>>) -> Self {
        let response = response.into();
        Self::new(move |caller| while caller.hear() && caller.say(&response) {})
    }

    /// Answers each request with a redirect.
    pub fn redirecting(location: &str) -> Self {
        Self::answering(redirect(location))
    }

    /// Answers with a page of metrics.
    pub fn exporter(page: &str) -> Self {
        Self::answering(ok(page))
    }

    pub fn url(&self) -> String {
        format!("{}://{}/metrics", self.scheme, self.address)
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
        self.listen().is_some()
    }

    /// Reads one request. `None` when the connection is closed.
    pub fn listen(&mut self) -> Option<String> {
        let mut request = Vec::new();
        let mut byte = [0];
        while !request.ends_with(b"\r\n\r\n") {
            match self.stream.read(&mut byte) {
                Ok(1) => request.push(byte[0]),
                _ => return None,
            }
        }
        let request = String::from_utf8(request).unwrap();
        self.requests.lock().unwrap().push(request.clone());
        Some(request)
    }

    /// Sends bytes. False when the other end does not take them any more.
    pub fn say(&mut self, bytes: &[u8]) -> bool {
        self.stream.write_all(bytes).and_then(|()| self.stream.flush()).is_ok()
    }

    /// Waits until the other end closes.
    pub fn wait(&mut self) {
        let mut rest = Vec::new();
        self.stream.read_to_end(&mut rest).ok();
    }
}

/// A whole redirect.
pub fn redirect(location: &str) -> Vec<u8> {
    format!("HTTP/1.1 302 Found\r\nLocation: {location}\r\nContent-Length: 6\r\n\r\nFound\n").into_bytes()
}

/// A whole response.
pub fn ok(page: &str) -> Vec<u8> {
    let head = "HTTP/1.1 200 OK\r\nContent-Type: text/plain; version=0.0.4";
    format!("{head}\r\nContent-Length: {}\r\n\r\n{page}", page.len()).into_bytes()
}

//! The least HTTP that tests need. A body ends with its connection.

use std::fmt::Write as _;
use std::io::{Error, ErrorKind, Read, Result, Write};
use std::net::{SocketAddr, TcpStream};
use std::time::Duration;

/// How long a server may take for one read or write.
const PATIENCE: Duration = Duration::from_secs(30);

/// An answer.
#[derive(Clone, Debug)]
pub struct Response {
    /// The status code.
    pub status: u16,
    /// The header lines as they came, without the status line.
    pub head: String,
    /// The body as it came.
    pub body: Vec<u8>,
}

impl Response {
    /// The value of the header `name`, in lower case.
    pub fn header(&self, name: &str) -> Option<&str> {
        self.head.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(": "))
    }

    /// The body, which has to be UTF-8.
    pub fn text(&self) -> &str {
        std::str::from_utf8(&self.body).unwrap()
    }
}

/// Fetches `path` (with its query, already encoded).
pub fn get(server: SocketAddr, path: &str) -> Result<Response> {
    request(server, "GET", path, "", b"")
}

/// Fetches `path` and fails on any status but 200. Gives the body.
pub fn get_ok(server: SocketAddr, path: &str) -> String {
    let response = get(server, path).unwrap_or_else(|error| panic!("GET {server}{path}: {error}"));
    assert_eq!(response.status, 200, "GET {server}{path}: {}", response.text());
    response.text().to_owned()
}

/// Sends `body` to `path`.
pub fn post(server: SocketAddr, path: &str, body: &[u8]) -> Result<Response> {
    request(server, "POST", path, &format!("Content-Length: {}\r\n", body.len()), body)
}

/// Sends any request; `headers` are lines that end in CR and LF. In HTTP/1.0, so that no body comes in chunks.
pub fn request(server: SocketAddr, method: &str, path: &str, headers: &str, body: &[u8]) -> Result<Response> {
    let mut stream = TcpStream::connect_timeout(&server, PATIENCE)?;
    stream.set_read_timeout(Some(PATIENCE))?;
    stream.set_write_timeout(Some(PATIENCE))?;
    write!(stream, "{method} {path} HTTP/1.0\r\nHost: {server}\r\n{headers}\r\n")?;
    stream.write_all(body)?;
    let mut answer = Vec::new();
    stream.read_to_end(&mut answer)?;
    read_response(&answer).ok_or_else(|| Error::new(ErrorKind::InvalidData, "not an HTTP answer"))
}

fn read_response(answer: &[u8]) -> Option<Response> {
    let split = answer.windows(4).position(|window| window == b"\r\n\r\n")?;
    let head = std::str::from_utf8(answer.get(..split)?).ok()?;
    let (status_line, head) = head.split_once("\r\n").unwrap_or((head, ""));
    let status = status_line.strip_prefix("HTTP/1.")?.split(' ').nth(1)?.parse().ok()?;
    Some(Response { status, head: head.to_owned(), body: answer.get(split + 4..)?.to_vec() })
}

/// Encodes a query's value: all but letters, digits and `-_.` as `%XX`.
pub fn encode(value: &str) -> String {
    value.bytes().fold(String::new(), |mut out, byte| {
        match byte {
            b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'-' | b'_' | b'.' => out.push(char::from(byte)),
            other => write!(out, "%{other:02X}").unwrap(),
        }
        out
    })
}

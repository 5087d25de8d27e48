//! The least HTTP that tests need. Requests are HTTP/1.0, so that a body ends with its connection.

use std::fmt::Write as _;
use std::io::{Read, Write};
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
    /// The body, which has to be UTF-8.
    pub body: String,
}

/// Fetches `path` (with its query, already encoded).
pub fn get(server: SocketAddr, path: &str) -> std::io::Result<Response> {
    request(server, &format!("GET {path} HTTP/1.0\r\nHost: {server}\r\n\r\n"), &[])
}

/// Fetches `path` and fails on any status but 200. Gives the body.
pub fn get_ok(server: SocketAddr, path: &str) -> String {
    let response = get(server, path).unwrap_or_else(|error| panic!("GET {server}{path}: {error}"));
    assert_eq!(response.status, 200, "GET {server}{path}: {}", response.body);
    response.body
}

/// Sends `body` to `path`.
pub fn post(server: SocketAddr, path: &str, body: &[u8]) -> std::io::Result<Response> {
    let length = body.len();
    let head = format!("POST {path} HTTP/1.0\r\nHost: {server}\r\nContent-Length: {length}\r\n\r\n");
    request(server, &head, body)
}

fn request(server: SocketAddr, head: &str, body: &[u8]) -> std::io::Result<Response> {
    let mut stream = TcpStream::connect_timeout(&server, PATIENCE)?;
    stream.set_read_timeout(Some(PATIENCE))?;
    stream.set_write_timeout(Some(PATIENCE))?;
    stream.write_all(head.as_bytes())?;
    stream.write_all(body)?;
    let mut answer = Vec::new();
    stream.read_to_end(&mut answer)?;
    read_response(answer)
        .ok_or_else(|| std::io::Error::new(std::io::ErrorKind::InvalidData, "not an HTTP answer"))
}

fn read_response(answer: Vec<u8>) -> Option<Response> {
    let answer = String::from_utf8(answer).ok()?;
    let (head, body) = answer.split_once("\r\n\r\n")?;
    let (status_line, head) = head.split_once("\r\n").unwrap_or((head, ""));
    let status = status_line.strip_prefix("HTTP/1.")?.split(' ').nth(1)?.parse().ok()?;
    Some(Response { status, head: head.to_owned(), body: body.to_owned() })
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

//! Who is notified: a web server and a mail server that take everything and keep it.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::{Arc, Mutex};
use std::thread;

use serde_json::Value;

/// What came, oldest first.
type Kept<T> = Arc<Mutex<Vec<T>>>;

/// What was posted to the web server.
#[derive(Clone, Debug)]
pub struct Post {
    /// The path of the request.
    pub path: String,
    /// Its body.
    pub body: Value,
}

/// A mail with a text and the same as HTML.
#[derive(Clone, Debug)]
pub struct Mail {
    pub to: String,
    pub subject: String,
    pub text: String,
    pub html: String,
}

/// Runs until the test's process ends.
pub struct Receiver<T> {
    pub address: SocketAddr,
    kept: Kept<T>,
}

impl<T: Clone + Send + 'static> Receiver<T> {
    fn start(serve: fn(TcpStream, &Kept<T>) -> std::io::Result<()>) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let kept = Kept::default();
        let keep = Arc::clone(&kept);
        thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                let keep = Arc::clone(&keep);
                // A client that goes away in between tries again.
                thread::spawn(move || serve(stream, &keep).ok());
            }
        });
        Self { address, kept }
    }

    /// Everything so far.
    pub fn all(&self) -> Vec<T> {
        self.kept.lock().unwrap().clone()
    }
}

impl Receiver<Post> {
    /// Takes JSON at any path.
    pub fn web() -> Self {
        Self::start(|stream, kept| {
            let mut reader = BufReader::new(stream);
            loop {
                let mut head = String::new();
                while !head.ends_with("\r\n\r\n") {
                    if reader.read_line(&mut head)? == 0 {
                        return Ok(());
                    }
                }
                let path = head.split(' ').nth(1).unwrap().to_owned();
                let length = head.lines().find_map(|line| line.strip_prefix("Content-Length: ")).unwrap();
                let mut body = vec![0; length.parse().unwrap()];
                reader.read_exact(&mut body)?;
                kept.lock().unwrap().push(Post { path, body: serde_json::from_slice(&body).unwrap() });
                reader.get_mut().write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok")?;
            }
        })
    }
}

impl Receiver<Mail> {
    /// Takes mail for everybody.
    pub fn mail() -> Self {
        Self::start(|stream, kept| {
            let mut reader = BufReader::new(stream);
            reader.get_mut().write_all(b"220 localhost ESMTP\r\n")?;
            let mut line = String::new();
            while reader.read_line(&mut line)? > 0 {
                let verb = line.split_whitespace().next().unwrap_or_default().to_ascii_uppercase();
                line.clear();
                let answer = match verb.as_str() {
                    "DATA" => {
                        reader.get_mut().write_all(b"354 go on\r\n")?;
                        let mut message = String::new();
                        while !message.ends_with("\r\n.\r\n") {
                            if reader.read_line(&mut message)? == 0 {
                                return Ok(());
                            }
                        }
                        kept.lock().unwrap().push(Mail::read(&message.replace("\r\n..", "\r\n.")));
                        "250 taken"
                    }
                    "QUIT" => "221 bye",
                    _ => "250 ok",
                };
                reader.get_mut().write_all(format!("{answer}\r\n").as_bytes())?;
            }
            Ok(())
        })
    }
}

impl Mail {
    fn read(message: &str) -> Self {
        let (head, body) = message.split_once("\r\n\r\n").unwrap();
        let header = |name: &str| {
            let value = head.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(": "));
            value.unwrap_or_else(|| panic!("no {name} in {head}")).to_owned()
        };
        let content_type = header("Content-Type");
        let boundary = format!("--{}", content_type.split_once("boundary=").unwrap().1);
        let part = |kind: &str| {
            let parts = body.split(&boundary);
            let mut parts = parts.filter_map(|part| part.split_once("\r\n\r\n"));
            let found = parts.find(|(head, _)| head.contains(kind));
            quoted_printable(found.unwrap_or_else(|| panic!("no {kind} in {body}")).1)
        };
        let (text, html) = (part("text/plain"), part("text/html"));
        Self { to: header("To"), subject: header("Subject"), text, html }
    }
}

/// Decodes what RFC 2045 calls quoted-printable.
fn quoted_printable(text: &str) -> String {
    let mut pieces = text.replace("=\r\n", "").replace("\r\n", "\n").into_bytes().into_iter();
    let mut decoded = Vec::new();
    while let Some(byte) = pieces.next() {
        decoded.push(match byte {
            b'=' => {
                let digits = [pieces.next().unwrap(), pieces.next().unwrap()];
                u8::from_str_radix(std::str::from_utf8(&digits).unwrap(), 16).unwrap()
            }
            plain => plain,
        });
    }
    String::from_utf8(decoded).unwrap()
}

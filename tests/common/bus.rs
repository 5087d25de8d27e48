//! A private message bus, and services on it that answer as they are told. The services have their own few lines of
//! D-Bus, so that the client under test is not held against itself.

use std::io::{Read, Write};
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::process::Command;
use std::thread::JoinHandle;
use std::time::Duration;

use tempfile::TempDir;

use super::process::Running;

const METHOD_CALL: u8 = 1;
const METHOD_RETURN: u8 = 2;
const ERROR: u8 = 3;

/// A real `dbus-daemon` that lets everybody do everything.
pub struct Daemon {
    folder: TempDir,
    _process: Running,
}

impl Daemon {
    /// Starts it on a socket of its own.
    pub fn start() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let configuration = format!(
            "<!DOCTYPE busconfig PUBLIC \"-//freedesktop//DTD D-Bus Bus Configuration 1.0//EN\" \
             \"http://www.freedesktop.org/standards/dbus/1.0/busconfig.dtd\">\n\
             <busconfig><listen>unix:path={}</listen><auth>EXTERNAL</auth>\
             <policy context=\"default\"><allow send_destination=\"*\"/><allow receive_sender=\"*\"/>\
             <allow own=\"*\"/></policy>\
             </busconfig>\n",
            folder.path().join("bus").display()
        );
        let file = folder.path().join("bus.conf");
        std::fs::write(&file, configuration).unwrap();
        let mut command = Command::new("dbus-daemon");
        command.args(["--nofork", "--nopidfile", "--nosyslog", "--print-address"]);
        command.arg(format!("--config-file={}", file.display()));
        let mut process = Running::start(command);
        process
            .wait_for("an address", Duration::from_secs(30), |log| log.contains("unix:path=").then_some(()));
        Self { folder, _process: process }
    }

    /// The address as clients take it.
    pub fn address(&self) -> String {
        format!("unix:path={}", self.socket().display())
    }

    fn socket(&self) -> std::path::PathBuf {
        self.folder.path().join("bus")
    }
}

/// A call as a service sees it.
#[derive(Debug)]
pub struct Request {
    /// The object.
    pub path: String,
    /// The method's name.
    pub method: String,
    /// The strings that came along: interface and name for `Get`.
    pub arguments: Vec<String>,
}

/// What a service says to a call.
pub enum Reply {
    /// A body and its signature.
    Body(&'static str, Body),
    /// An error.
    Refusal(&'static str),
    /// Nothing at all.
    Silence,
}

impl From<Option<Variant>> for Reply {
    fn from(value: Option<Variant>) -> Self {
        match value {
            Some(value) => Reply::Body("v", Body::default().variant(value)),
            None => Reply::Refusal("org.freedesktop.DBus.Error.UnknownProperty"),
        }
    }
}

/// The value of a property.
#[derive(Clone, Copy, Debug)]
pub enum Variant {
    Text(&'static str),
    U32(u32),
    U64(u64),
    Bool(bool),
}

/// Values one after another.
#[derive(Default)]
pub struct Body(Vec<u8>);

impl Body {
    fn align(mut self, to: usize) -> Self {
        self.0.resize(self.0.len().next_multiple_of(to), 0);
        self
    }

    /// Four bytes.
    pub fn number(self, number: u32) -> Self {
        let mut body = self.align(4);
        body.0.extend(number.to_le_bytes());
        body
    }

    /// A string or an object path.
    pub fn text(self, text: &str) -> Self {
        let mut body = self.number(text.len() as u32);
        body.0.extend(text.as_bytes());
        body.0.push(0);
        body
    }

    /// A signature.
    fn signature(mut self, types: &str) -> Self {
        self.0.push(types.len() as u8);
        self.0.extend(types.as_bytes());
        self.0.push(0);
        self
    }

    fn variant(self, value: Variant) -> Self {
        match value {
            Variant::Text(text) => self.signature("s").text(text),
            Variant::U32(number) => self.signature("u").number(number),
            Variant::Bool(value) => self.signature("b").number(value.into()),
            Variant::U64(number) => {
                let mut body = self.signature("t").align(8);
                body.0.extend(number.to_le_bytes());
                body
            }
        }
    }

    /// An array of structs: `each` writes one of `rows`.
    pub fn array<T>(self, rows: impl IntoIterator<Item = T>, each: impl Fn(Self, T) -> Self) -> Self {
        let place = self.0.len().next_multiple_of(4);
        let mut body = self.number(0).align(8);
        let start = body.0.len();
        for row in rows {
            body = each(body.align(8), row);
        }
        let length = (body.0.len() - start) as u32;
        body.0[place..place + 4].copy_from_slice(&length.to_le_bytes());
        body
    }
}

/// A thread that owns a name on the bus, until it is dropped.
pub struct Service {
    stream: UnixStream,
    thread: Option<JoinHandle<()>>,
}

impl Service {
    /// Takes `name` and answers each call with what `reply` gives.
    pub fn start(daemon: &Daemon, name: &str, reply: impl Fn(&Request) -> Reply + Send + 'static) -> Self {
        let mut stream = enter(&daemon.socket());
        for (method, signature, body) in
            [("Hello", "", Body::default()), ("RequestName", "su", Body::default().text(name).number(0))]
        {
            let fields = Body::default()
                .field(1, "o", "/org/freedesktop/DBus")
                .field(2, "s", "org.freedesktop.DBus")
                .field(3, "s", method)
                .field(6, "s", "org.freedesktop.DBus");
            stream.write_all(&message(METHOD_CALL, 1, fields, signature, &body)).unwrap();
            let is_reply = |kind| matches!(kind, METHOD_RETURN | ERROR);
            let replies = std::iter::from_fn(|| read_message(&mut stream));
            let reply = replies.map(|message| message.kind).find(|kind| is_reply(*kind));
            assert_eq!(reply, Some(METHOD_RETURN), "{method}");
        }
        stream.set_read_timeout(None).unwrap();
        let mut connection = stream.try_clone().unwrap();
        let thread = std::thread::spawn(move || {
            while let Some(call) = read_message(&mut connection) {
                if call.kind == METHOD_CALL {
                    let bytes = answer(&call, reply(&call.request));
                    connection.write_all(&bytes).unwrap();
                }
            }
        });
        Self { stream, thread: Some(thread) }
    }
}

impl Drop for Service {
    fn drop(&mut self) {
        self.stream.shutdown(std::net::Shutdown::Both).ok();
        if let Some(thread) = self.thread.take() {
            let result = thread.join();
            assert!(std::thread::panicking() || result.is_ok(), "a service has panicked");
        }
    }
}

fn enter(socket: &Path) -> UnixStream {
    let mut stream = UnixStream::connect(socket).unwrap();
    stream.set_read_timeout(Some(Duration::from_secs(30))).unwrap();
    let user: String =
        rustix::process::geteuid().as_raw().to_string().bytes().map(|byte| format!("{byte:02x}")).collect();
    write!(stream, "\0AUTH EXTERNAL {user}\r\n").unwrap();
    let mut line = Vec::new();
    while !line.ends_with(b"\r\n") {
        let mut byte = [0];
        stream.read_exact(&mut byte).unwrap();
        line.extend(byte);
    }
    assert!(line.starts_with(b"OK "), "{}", String::from_utf8_lossy(&line));
    stream.write_all(b"BEGIN\r\n").unwrap();
    stream
}

impl Body {
    fn field(self, code: u8, kind: &str, value: &str) -> Self {
        let mut body = self.align(8);
        body.0.push(code);
        let body = body.signature(kind);
        if kind == "g" { body.signature(value) } else { body.text(value) }
    }
}

fn message(kind: u8, serial: u32, fields: Body, signature: &str, body: &Body) -> Vec<u8> {
    let fields = if signature.is_empty() { fields } else { fields.field(8, "g", signature) };
    let mut head = Body(vec![b'l', kind, 0, 1]);
    head = head.number(body.0.len() as u32).number(serial).number(fields.0.len() as u32);
    head.0.extend(fields.0);
    let mut bytes = head.align(8).0;
    bytes.extend(&body.0);
    bytes
}

struct Incoming {
    kind: u8,
    serial: u32,
    sender: String,
    request: Request,
}

fn answer(call: &Incoming, reply: Reply) -> Vec<u8> {
    let (kind, signature, body, name) = match reply {
        Reply::Body(signature, body) => (METHOD_RETURN, signature, body, None),
        Reply::Refusal(name) => (ERROR, "s", Body::default().text("no such thing"), Some(name)),
        Reply::Silence => return Vec::new(),
    };
    let mut fields = Body::default().field(6, "s", &call.sender);
    if let Some(name) = name {
        fields = fields.field(4, "s", name);
    }
    let mut fields = fields.align(8);
    fields.0.push(5);
    let fields = fields.signature("u").number(call.serial);
    message(kind, call.serial, fields, signature, &body)
}

/// The next message, in little endian as clients on this machine write it; `None` when the connection has ended.
fn read_message(stream: &mut UnixStream) -> Option<Incoming> {
    let mut bytes = vec![0; 16];
    stream.read_exact(&mut bytes).ok()?;
    assert_eq!(bytes[0], b'l', "not little endian");
    let fields_end = 16 + number(&bytes, 12);
    let body = fields_end.next_multiple_of(8);
    bytes.resize(body + number(&bytes, 4), 0);
    stream.read_exact(&mut bytes[16..]).ok()?;
    let (mut sender, mut path, mut method) = (String::new(), String::new(), String::new());
    let mut at: usize = 16;
    while at < fields_end {
        at = at.next_multiple_of(8);
        let (code, kind) = (bytes[at], bytes[at + 2]);
        at += 4;
        match kind {
            b'g' => at += usize::from(bytes[at]) + 2,
            b'u' => at += 4,
            _ => {
                let value = text(&bytes, &mut at);
                match code {
                    1 => path = value,
                    3 => method = value,
                    7 => sender = value,
                    _ => {}
                }
            }
        }
    }
    let mut arguments = Vec::new();
    if method == "Get" {
        let mut at = body;
        arguments = vec![text(&bytes, &mut at), text(&bytes, &mut at)];
    }
    let request = Request { path, method, arguments };
    Some(Incoming { kind: bytes[1], serial: number(&bytes, 8) as u32, sender, request })
}

fn number(bytes: &[u8], at: usize) -> usize {
    u32::from_le_bytes(bytes[at..at + 4].try_into().unwrap()) as usize
}

fn text(bytes: &[u8], at: &mut usize) -> String {
    let start = at.next_multiple_of(4) + 4;
    let end = start + number(bytes, start - 4);
    *at = end + 1;
    String::from_utf8(bytes[start..end].to_vec()).unwrap()
}

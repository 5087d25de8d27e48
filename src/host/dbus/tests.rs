//! The client against sockets that behave badly. Against a real bus it is tested in `tests/dbus.rs`.

use std::io::{Read, Write};
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::Path;
use std::thread::JoinHandle;

use super::*;

const SOON: Duration = Duration::from_millis(200);
const LATE: Duration = Duration::from_secs(20);

fn address(path: &Path) -> String {
    format!("unix:path={}", path.display())
}

/// What a connection says to a peer that behaves as `script`.
fn with_peer<T>(
    patience: Duration,
    script: impl FnOnce(UnixStream) + Send + 'static,
    ask: impl FnOnce(Result<Bus, BusError>) -> T,
) -> T {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("socket");
    let listener = UnixListener::bind(&path).unwrap();
    let peer: JoinHandle<()> = std::thread::spawn(move || script(listener.accept().unwrap().0));
    let result = ask(Bus::open_direct(&address(&path), Instant::now() + patience));
    peer.join().unwrap();
    result
}

const HANDSHAKE: &[u8; 29] = b"\0AUTH EXTERNAL\r\nDATA\r\nBEGIN\r\n";

/// Lets the client in.
fn welcome(stream: &mut UnixStream) {
    let mut handshake = [0; HANDSHAKE.len()];
    stream.read_exact(&mut handshake).unwrap();
    assert_eq!(&handshake, HANDSHAKE);
    stream.write_all(b"DATA\r\nOK 0123456789abcdef\r\n").unwrap();
}

/// Reads a call and gives its serial number; `None` when the client has gone.
fn next_call(stream: &mut UnixStream) -> Option<u32> {
    let mut message = vec![0; FIXED_BYTES];
    stream.read_exact(&mut message).ok()?;
    let length = message_length(message.first_chunk().unwrap()).unwrap();
    message.resize(length, 0);
    stream.read_exact(&mut message[FIXED_BYTES..]).unwrap();
    Some(u32::from_le_bytes(*message[8..].first_chunk().unwrap()))
}

/// A message about call `serial` that carries a string.
fn answer(kind: u8, serial: u32, text: &str) -> Vec<u8> {
    let mut bytes = vec![b'l', kind, 0, 1];
    bytes.extend((text.len() as u32 + 5).to_le_bytes());
    bytes.extend(1u32.to_le_bytes());
    let mut fields = [b"\x05\x01u\0", &serial.to_le_bytes()[..]].concat();
    if kind == wire::ERROR {
        fields.extend(b"\x04\x01s\0\x09\0\0\0org.x.Bad\0\0\0\0\0\0\0");
    }
    fields.extend(b"\x08\x01g\0\x01s\0");
    bytes.extend((fields.len() as u32).to_le_bytes());
    bytes.extend(fields);
    bytes.resize(bytes.len().next_multiple_of(8), 0);
    bytes.extend((text.len() as u32).to_le_bytes());
    bytes.extend(text.as_bytes());
    bytes.push(0);
    bytes
}

fn some_call(bus: &mut Bus) -> Result<Answer, BusError> {
    bus.call(Call::method("org.x", b"/", "org.x", "Ask"))
}

#[test]
fn nobody_waits_longer_than_the_deadline() {
    let until_gone = |mut stream: UnixStream| drop(stream.read_to_end(&mut Vec::new()));
    let drip = |mut stream: UnixStream| {
        while stream.write_all(b"D").is_ok() {
            std::thread::sleep(SOON / 10);
        }
    };
    let start = Instant::now();
    with_peer(SOON, until_gone, |bus| assert!(matches!(bus, Err(BusError::Late)), "{bus:?}"));
    with_peer(SOON, drip, |bus| assert!(matches!(bus, Err(BusError::Late)), "{bus:?}"));
    let silent = |mut stream: UnixStream| {
        welcome(&mut stream);
        while next_call(&mut stream).is_some() {}
    };
    with_peer(SOON, silent, |bus| {
        let answer = some_call(&mut bus.unwrap());
        assert!(matches!(answer, Err(BusError::Late)), "{answer:?}");
    });
    assert!(start.elapsed() < SOON * 10, "{:?}", start.elapsed());
}

#[test]
fn a_bus_that_takes_no_connections_is_late() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("socket");
    let socket = rustix::net::socket(AddressFamily::UNIX, SocketType::STREAM, None).unwrap();
    rustix::net::bind(&socket, &SocketAddrUnix::new(&path).unwrap()).unwrap();
    rustix::net::listen(&socket, 0).unwrap();
    let _in_the_queue = UnixStream::connect(&path).unwrap();
    let start = Instant::now();
    let bus = Bus::open_direct(&address(&path), start + SOON);
    assert!(matches!(bus, Err(BusError::Late)), "{bus:?}");
    assert!((SOON..SOON * 5).contains(&start.elapsed()), "{:?}", start.elapsed());
}

#[test]
fn what_is_no_bus_is_said() {
    for (says, want) in [
        (&b"REJECTED EXTERNAL\r\n"[..], "does not let this user in: REJECTED EXTERNAL"),
        (b"DATA\r\nERROR\r\n", "does not let this user in: ERROR"),
        (b"DATA\r\n", "the connection was closed"),
        (&[b'x'; LINE_BYTES + 1], "a line of the handshake does not end"),
    ] {
        let script = move |mut stream: UnixStream| {
            stream.read_exact(&mut [0; HANDSHAKE.len()]).unwrap();
            stream.write_all(says).unwrap();
        };
        let error = with_peer(LATE, script, |bus| bus.unwrap_err().to_string());
        assert!(error.contains(want), "{error}");
    }
    let whole = answer(wire::METHOD_RETURN, 1, "text");
    let mut endless = whole.clone();
    endless[4..8].copy_from_slice(&u32::MAX.to_le_bytes());
    for (says, want) in [
        (whole[..20].to_vec(), "the connection was closed"),
        (endless, "longer than 16 MiB"),
        (b"HTTP/1.1 400 Bad Request\r\n\r\n".to_vec(), "no byte order"),
        (answer(1, 1, "text"), "neither a result nor an error"),
    ] {
        let script = move |mut stream: UnixStream| {
            welcome(&mut stream);
            next_call(&mut stream);
            stream.write_all(&says).unwrap();
        };
        let error = with_peer(LATE, script, |bus| some_call(&mut bus.unwrap()).unwrap_err().to_string());
        assert!(error.contains(want), "{error}");
    }
}

/// The peer answers calls in pairs, the second one first, and puts in what nobody asked for. It never sees more calls
/// than a bus allows.
#[test]
fn answers_find_their_calls_in_any_order() {
    const CALLS: u32 = 300;
    let script = |mut stream: UnixStream| {
        welcome(&mut stream);
        stream.set_read_timeout(Some(SOON)).unwrap();
        let mut waiting = Vec::new();
        for _ in 0..=MOST_IN_FLIGHT {
            waiting.extend(next_call(&mut stream));
        }
        assert_eq!(waiting.len(), MOST_IN_FLIGHT);
        stream.set_read_timeout(None).unwrap();
        let mut seen = waiting.len() as u32;
        while let Some(first) = waiting.pop() {
            let kind = if first % 10 == 0 { wire::ERROR } else { wire::METHOD_RETURN };
            stream.write_all(&answer(4, 0, "a signal")).unwrap();
            stream.write_all(&answer(kind, first, &first.to_string())).unwrap();
            stream.write_all(&answer(kind, first, "once more")).unwrap();
            while waiting.len() <= MOST_IN_FLIGHT / 2 && seen < CALLS {
                waiting.push(next_call(&mut stream).unwrap());
                seen += 1;
            }
        }
    };
    with_peer(LATE, script, |bus| {
        let mut bus = bus.unwrap();
        let mut answers = vec![None; CALLS as usize];
        let calls = answers
            .iter_mut()
            .zip(1u32..)
            .map(|(place, serial)| ((place, serial), Call::method("org.x", b"/", "org.x", "Ask")));
        bus.call_each(calls, |(place, serial), answer| {
            let text = answer.map(|body| text(body.text().unwrap()));
            match text {
                Ok(text) => assert!(text == serial.to_string() && serial % 10 != 0, "{text}"),
                Err(BusError::Refused { name, text }) => {
                    assert_eq!((name.as_str(), text), ("org.x.Bad", serial.to_string()));
                    assert_eq!(serial % 10, 0);
                }
                Err(error) => panic!("{error}"),
            }
            assert_eq!(place.replace(()), None);
        })
        .unwrap();
        assert!(answers.iter().all(Option::is_some));
    });
}

#[test]
fn addresses() {
    for (address, want) in [
        ("unix:path=/run/bus", Some("/run/bus")),
        ("unix:guid=12,path=/run/a%20b%3b,x=y", Some("/run/a b;")),
        ("unix:path=/run/%2", None),
        ("unix:path=/run/%zz", None),
        ("unix:tmpdir=/tmp", None),
        ("tcp:host=localhost,port=1", None),
        ("/run/bus", None),
    ] {
        let path = socket_address(address).map(|found| text(found.path_bytes().unwrap()));
        assert_eq!(path.as_deref(), want, "{address}");
    }
    let found = socket_address("unix:abstract=/tmp/dbus-1%2a").unwrap();
    assert_eq!(found.abstract_name(), Some(&b"/tmp/dbus-1*"[..]));
    let soon = Instant::now() + SOON;
    for (addresses, want) in [
        (
            "unix:path=/nonexistent/a;unix:path=/nonexistent/b;",
            "cannot connect to unix:path=/nonexistent/b: No such file",
        ),
        ("autolaunch:", "\"autolaunch:\" is not an address"),
        ("", "\"\" is not an address"),
    ] {
        let error = Bus::open(addresses, soon).unwrap_err().to_string();
        assert!(error.starts_with(want), "{error}");
    }
}

//! Sessions of users, from the login manager over D-Bus (systemd: `org.freedesktop.login1(5)`).

use std::time::Instant;

use super::{CollectError, Collector, Context, Spec};
use crate::exposition::{Exposition, Kind};
use crate::host::dbus::{Bus, Call, Value, system_bus_address};

pub(super) const SPEC: Spec = Spec {
    name: "logind",
    default_on: false,
    help: "sessions by seat, type and class, from systemd-logind (D-Bus)",
    flags: &[],
    build: |_| Ok(Box::new(Logind::new())),
};

const NAME: &str = "org.freedesktop.login1";
const PATH: &[u8] = b"/org/freedesktop/login1";
const MANAGER: &str = "org.freedesktop.login1.Manager";
const SESSION: &str = "org.freedesktop.login1.Session";

/// What the labels can be. Whatever logind has beside these is `other`.
const CLASSES: [&str; 5] = ["background", "greeter", "lock-screen", OTHER, "user"];
const TYPES: [&str; 7] = ["mir", OTHER, "tty", "unspecified", "wayland", "web", "x11"];
const OTHER: &str = "other";

struct Logind {
    address: String,
}

/// A session; what is `None` was not told, because it has just ended.
struct Session<'r> {
    seat: &'r [u8],
    path: &'r [u8],
    is_remote: Option<bool>,
    kind: Option<&'static str>,
    class: Option<&'static str>,
}

impl Logind {
    fn new() -> Self {
        Self { address: system_bus_address() }
    }

    fn ask(&self, deadline: Instant, out: &mut Exposition) -> Result<(), CollectError> {
        let mut bus = Bus::open(&self.address, deadline)?;
        let listed = bus.call(Call::method(NAME, PATH, MANAGER, "ListSeats"))?;
        let mut seats: Vec<&[u8]> = vec![b""]; // that of remote sessions
        for row in listed.body().rows(b"so")? {
            if let [Value::Text(seat), _] = row? {
                seats.push(seat);
            }
        }
        seats.sort_unstable();
        let listed = bus.call(Call::method(NAME, PATH, MANAGER, "ListSessions"))?;
        let mut sessions = Vec::new();
        for row in listed.body().rows(b"susso")? {
            if let [.., Value::Text(seat), Value::Text(path)] = row? {
                sessions.push(Session { seat, path, is_remote: None, kind: None, class: None });
            }
        }
        ask_for_properties(&mut sessions, &mut bus)?;
        write(&seats, &sessions, out);
        Ok(())
    }
}

impl Collector for Logind {
    fn collect(&mut self, context: &mut Context, out: &mut Exposition) -> Result<(), CollectError> {
        context.wait(|latest| self.ask(latest, out))
    }
}

fn ask_for_properties(sessions: &mut [Session<'_>], bus: &mut Bus) -> Result<(), CollectError> {
    let paths: Vec<&[u8]> = sessions.iter().map(|session| session.path).collect();
    let calls = paths.iter().enumerate().flat_map(|(index, path)| {
        ["Remote", "Type", "Class"].map(|name| ((index, name), Call::property(NAME, path, SESSION, name)))
    });
    bus.call_each(calls, |(index, name), answer| {
        let Some(session) = sessions.get_mut(index) else { return };
        match (name, answer.and_then(|body| body.property())) {
            ("Type", Ok(Value::Text(text))) => session.kind = Some(known(text, &TYPES)),
            ("Class", Ok(Value::Text(text))) => session.class = Some(known(text, &CLASSES)),
            (_, Ok(Value::Bool(is_remote))) => session.is_remote = Some(is_remote),
            _ => {}
        }
    })?;
    Ok(())
}

fn known(text: &[u8], all: &[&'static str]) -> &'static str {
    all.iter().copied().find(|known| known.as_bytes() == text).unwrap_or(OTHER)
}

/// Writes every combination, so that a graph has its zeros.
fn write(seats: &[&[u8]], sessions: &[Session<'_>], out: &mut Exposition) {
    let mut family = out.family("node_logind_sessions", "How many sessions logind knows.", Kind::Gauge);
    for class in CLASSES {
        for (is_remote, remote) in [(false, "false"), (true, "true")] {
            for &seat in seats {
                for kind in TYPES {
                    let is_one = |session: &&Session<'_>| {
                        session.seat == seat
                            && (session.is_remote, session.kind, session.class)
                                == (Some(is_remote), Some(kind), Some(class))
                    };
                    let count = sessions.iter().filter(is_one).count();
                    let labels = [
                        ("class", class.as_bytes()),
                        ("remote", remote.as_bytes()),
                        ("seat", seat),
                        ("type", kind.as_bytes()),
                    ];
                    family.sample(&labels, count as f64);
                }
            }
        }
    }
}

//! Telling the service manager how the program is, by the protocol of `sd_notify(3)`.
//!
//! systemd and managers like it name a socket in `NOTIFY_SOCKET`. Without that, all of this does nothing.

use std::env;
use std::ffi::OsStr;
use std::io;
use std::os::linux::net::SocketAddrExt;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::net::{SocketAddr, UnixDatagram};
use std::sync::Arc;
use std::time::Duration;

use rustix::time::{ClockId, clock_gettime};

use super::shutdown::Shutdown;

/// How long a message may wait for a manager that has much to do. The whole program waits with it.
const PATIENCE: Duration = Duration::from_secs(1);

/// The service manager that started this program, if one did that wants to be told. Clones tell the same one.
#[derive(Clone, Debug, Default)]
pub struct ServiceManager(Option<Arc<Manager>>);

#[derive(Debug)]
struct Manager {
    socket: UnixDatagram,
    address: SocketAddr,
    /// Without a sign of life for so long the program counts as hung.
    watchdog: Option<Duration>,
}

impl ServiceManager {
    /// The one that the environment names.
    pub fn from_environment() -> Self {
        let Some(name) = env::var_os("NOTIFY_SOCKET").filter(|name| !name.is_empty()) else {
            return Self::default();
        };
        let variable = |name| env::var(name).ok();
        let watchdog = watchdog(variable("WATCHDOG_USEC"), variable("WATCHDOG_PID"), std::process::id());
        match Manager::new(&name, watchdog) {
            Ok(manager) => Self(Some(Arc::new(manager))),
            Err(error) => {
                tracing::warn!(socket = %name.display(), %error, "can't reach the service manager (NOTIFY_SOCKET)");
                Self::default()
            }
        }
    }

    /// The program has started, or reloaded, and does what it is for.
    pub fn ready(&self) {
        self.tell("READY=1");
    }

    /// What it does now, in a few words without line feeds, for `systemctl status`.
    pub fn status(&self, status: &str) {
        self.tell(&format!("STATUS={status}"));
    }

    /// It reads its configuration again; [`ServiceManager::ready`] has to follow.
    pub fn reloading(&self) {
        let now = clock_gettime(ClockId::Monotonic);
        self.tell(&format!("RELOADING=1\nMONOTONIC_USEC={}{:06}", now.tv_sec, now.tv_nsec / 1000));
    }

    /// Gives signs of life as often as the manager wants them, until `shutdown`, and then says that the program
    /// stops. They say that the runtime it is spawned on still has its turns, and nothing about disks: a restart mends
    /// no disk.
    pub async fn attend(self, mut shutdown: Shutdown) {
        let Some(manager) = &self.0 else { return };
        tokio::select! {
            () = shutdown.requested() => {}
            () = self.give_signs_of_life(manager.watchdog) => {}
        }
        self.tell("STOPPING=1");
    }

    async fn give_signs_of_life(&self, watchdog: Option<Duration>) {
        let Some(limit) = watchdog else { return std::future::pending().await };
        let mut ticks = tokio::time::interval((limit / 2).max(Duration::from_millis(1)));
        ticks.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
        loop {
            ticks.tick().await;
            self.tell("WATCHDOG=1");
        }
    }

    fn tell(&self, message: &str) {
        if let Some(manager) = &self.0
            && let Err(error) = manager.socket.send_to_addr(message.as_bytes(), &manager.address)
        {
            tracing::debug!(%error, message, "the service manager does not listen");
        }
    }
}

impl Manager {
    fn new(name: &OsStr, watchdog: Option<Duration>) -> io::Result<Self> {
        let socket = UnixDatagram::unbound()?;
        socket.set_write_timeout(Some(PATIENCE))?;
        Ok(Self { socket, address: address(name)?, watchdog })
    }
}

/// The address of a socket in the file system, or of one that has only a name, which is written with an `@` before it.
fn address(name: &OsStr) -> io::Result<SocketAddr> {
    match name.as_bytes() {
        [b'@', name @ ..] => SocketAddr::from_abstract_name(name),
        [b'/', ..] => SocketAddr::from_pathname(name),
        _ => Err(io::Error::new(
            io::ErrorKind::InvalidInput,
            "expected a path that begins with / or a name with @",
        )),
    }
}

/// What `WATCHDOG_USEC` says, if it is for this process. A parent's is for the parent.
fn watchdog(microseconds: Option<String>, process: Option<String>, own: u32) -> Option<Duration> {
    if process.is_some_and(|process| process != own.to_string()) {
        return None;
    }
    let microseconds = microseconds?.parse().ok().filter(|microseconds| *microseconds > 0)?;
    Some(Duration::from_micros(microseconds))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn whose_watchdog_it_is() {
        let text = |text: &str| Some(text.to_owned());
        assert_eq!(watchdog(text("30000000"), text("7"), 7), Some(Duration::from_secs(30)));
        assert_eq!(watchdog(text("30000000"), None, 7), Some(Duration::from_secs(30)));
        for (microseconds, process) in
            [(text("30000000"), text("8")), (None, text("7")), (text("0"), None), (text("soon"), None)]
        {
            assert_eq!(watchdog(microseconds, process, 7), None);
        }
    }

    #[test]
    fn sockets_have_a_path_or_a_name() {
        assert_eq!(address(OsStr::new("/run/notify")).unwrap().as_pathname().unwrap(), "/run/notify");
        assert_eq!(address(OsStr::new("@name")).unwrap().as_abstract_name().unwrap(), b"name");
        for wrong in ["run/notify", "vsock:2:1", &format!("/{}", "x".repeat(200))] {
            assert!(address(OsStr::new(wrong)).is_err(), "{wrong}");
        }
    }

    #[tokio::test]
    async fn nobody_is_told_when_nobody_wants_it() {
        let manager = ServiceManager::default();
        manager.ready();
        manager.reloading();
        let (_never, shutdown) = Shutdown::new();
        manager.attend(shutdown).await;
    }
}

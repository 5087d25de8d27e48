//! All connections of a server, and which of them goes when there are too many.

use std::collections::HashMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::sync::Notify;

use super::connection::Connection;
use super::listen::open_files_limit;

/// File descriptors that connections leave for the files and sockets the program itself needs.
const RESERVED_FILES: usize = 48;
/// Below this many connections the limit on open files is not looked up.
const ALWAYS_ALLOWED: usize = 16;

pub(super) struct Registry {
    max_connections: usize,
    next_id: AtomicU64,
    members: Mutex<HashMap<u64, Arc<Connection>>>,
    /// Told whenever a connection ends.
    left: Notify,
}

impl Registry {
    pub(super) fn new(max_connections: usize) -> Self {
        let members = Mutex::new(HashMap::new());
        Self { max_connections, next_id: AtomicU64::new(0), members, left: Notify::new() }
    }

    fn members(&self) -> MutexGuard<'_, HashMap<u64, Arc<Connection>>> {
        self.members.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn len(&self) -> usize {
        self.members().len()
    }

    /// Waits until one more connection is within the limit, closing the quietest ones to get there.
    pub(super) async fn make_room(&self) {
        loop {
            let left = self.left.notified();
            let connections = self.len();
            if connections < ALWAYS_ALLOWED || connections < self.limit() {
                return;
            }
            // An evicted connection ends by itself, at its task's next turn: no need to wait for that. When all
            // are being answered, the first to end makes room.
            if self.evict_oldest() {
                return;
            }
            left.await;
        }
    }

    /// The limit on open files can be lowered while the program runs, so it is asked for each time.
    fn limit(&self) -> usize {
        self.max_connections.min(open_files_limit().saturating_sub(RESERVED_FILES)).max(ALWAYS_ALLOWED)
    }

    pub(super) fn add(&self) -> Arc<Connection> {
        let connection = Arc::new(Connection::new(self.next_id.fetch_add(1, Ordering::Relaxed)));
        self.members().insert(connection.id, connection.clone());
        connection
    }

    /// Takes the connection out of the registry when the guard is dropped.
    pub(super) fn leave_on_drop(self: &Arc<Self>, connection: &Arc<Connection>) -> impl Drop + use<> {
        Leave { registry: self.clone(), id: connection.id }
    }

    /// Closes the connection whose peer has been waited for longest. `false` if no peer is being waited for.
    pub(super) fn evict_oldest(&self) -> bool {
        let mut members = self.members();
        let oldest = members
            .values()
            .filter_map(|connection| Some((connection.quiet_since()?, connection.id)))
            .min()
            .and_then(|(_, id)| members.remove(&id));
        match oldest {
            Some(connection) => {
                connection.evict();
                true
            }
            None => false,
        }
    }

    /// Ready once there is no connection.
    pub(super) async fn emptied(&self) {
        loop {
            let left = self.left.notified();
            if self.len() == 0 {
                return;
            }
            left.await;
        }
    }
}

struct Leave {
    registry: Arc<Registry>,
    id: u64,
}

impl Drop for Leave {
    fn drop(&mut self) {
        self.registry.members().remove(&self.id);
        self.registry.left.notify_waiters();
    }
}

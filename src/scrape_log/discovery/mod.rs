//! Where targets come from: the configuration itself, files, and web servers.
//!
//! Each source that can change is a task, which sends all that it knows whenever that changes. A source that can't be
//! read keeps what it knew last, and the log says why.

mod files;
mod http;

use tokio::sync::mpsc;
use tokio::task::AbortHandle;

use super::config::{Discovery, TargetGroup};
use files::Files;

/// What a source knows now.
#[derive(Debug)]
pub(super) struct Found {
    /// The number that [`start`] was given.
    pub(super) source: u64,
    pub(super) groups: Vec<TargetGroup>,
}

/// The task of a source, which ends when this is dropped.
#[derive(Debug)]
pub(super) struct Running(AbortHandle);

impl Drop for Running {
    fn drop(&mut self) {
        self.0.abort();
    }
}

/// Starts the task of a source that can change, `None` for one that can't. It sends what it finds to `found`, for the
/// first time as soon as it has read the source. `known` is what sources found whose place it takes.
pub(super) fn start(
    discovery: &Discovery,
    source: u64,
    known: &[TargetGroup],
    found: &mpsc::Sender<Found>,
) -> Option<Running> {
    let found = found.clone();
    let task = match discovery {
        Discovery::Static(_) => return None,
        Discovery::Files { patterns } => tokio::spawn(files::run(Files::new(patterns, known), source, found)),
        Discovery::Http { url, refresh_interval, http } => {
            tokio::spawn(http::run(url.clone(), *refresh_interval, (**http).clone(), source, found))
        }
    };
    Some(Running(task.abort_handle()))
}

//! The thread that records: pages come to it in a queue, each with what to do about it.
//!
//! Making lines and writing them would hold up the scrapes, were it done beside them. One thread does it for all
//! targets, in the order in which their pages came: so the scrapes of a target stay in order without anybody waiting for
//! another, and a thread that is awake already takes what comes next at no cost. A disk that hangs fills the queue; then
//! the scrapes wait, which is seen as missed ones.

use tokio::sync::mpsc;
use tokio::task::{JoinHandle, spawn_blocking};

use super::lines::Workspace;

/// Pages that may wait. Each is a scrape's worth of memory.
const WAITING: usize = 32;

type Job = Box<dyn FnOnce(&mut Workspace) + Send>;

/// The way to the thread. It ends when the last clone is gone.
#[derive(Clone, Debug)]
pub(super) struct Recording(mpsc::Sender<Job>);

impl Recording {
    /// Starts the thread. The handle says if it panicked, which is a mistake in this program.
    pub(super) fn start() -> (Self, JoinHandle<()>) {
        let (sender, mut receiver) = mpsc::channel::<Job>(WAITING);
        let thread = spawn_blocking(move || {
            let mut workspace = Workspace::default();
            let mut jobs = Vec::with_capacity(WAITING);
            while receiver.blocking_recv_many(&mut jobs, WAITING) > 0 {
                for job in jobs.drain(..) {
                    job(&mut workspace);
                }
            }
        });
        (Self(sender), thread)
    }

    /// Has `job` done after all that were given before. Says whether there is still a thread to do it.
    pub(super) async fn give(&self, job: impl FnOnce(&mut Workspace) + Send + 'static) -> bool {
        self.0.send(Box::new(job)).await.is_ok()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::Arc;
    use std::sync::Mutex;

    #[tokio::test]
    async fn jobs_are_done_in_order_and_a_panic_is_told() {
        let (recording, thread) = Recording::start();
        let done = Arc::new(Mutex::new(Vec::new()));
        for number in 0..100 {
            let done = Arc::clone(&done);
            assert!(recording.give(move |_| done.lock().unwrap().push(number)).await);
        }
        drop(recording);
        thread.await.unwrap();
        assert_eq!(*done.lock().unwrap(), (0..100).collect::<Vec<_>>());
        let (recording, thread) = Recording::start();
        assert!(recording.give(|_| panic!("a mistake")).await);
        assert!(thread.await.unwrap_err().is_panic());
        assert!(!recording.give(|_| ()).await);
    }
}

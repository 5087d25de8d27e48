//! A thread that reads what may hang, so that a scrape need not.

use std::sync::mpsc::{Receiver, RecvTimeoutError, SyncSender, TryRecvError, sync_channel};
use std::thread;
use std::time::Instant;

/// A thread that makes one answer of each request.
pub(crate) struct Reader<Q, A> {
    requests: SyncSender<Q>,
    answers: Receiver<A>,
    state: State,
}

/// Where the last request is.
#[derive(Clone, Copy, Debug, PartialEq)]
enum State {
    /// Answered.
    Idle,
    /// To be answered to this scrape.
    Asked,
    /// The scrape that asked could not wait.
    Late,
    /// Never to be answered: the thread has ended.
    Gone,
}

/// Why a [`Reader`] gives no answer.
#[derive(Debug, PartialEq)]
pub(crate) enum NoAnswer {
    /// It is still busy.
    Late,
    /// The thread has panicked.
    Gone,
}

impl<Q: Send + 'static, A: Send + 'static> Reader<Q, A> {
    /// Starts the thread, called `name`. It ends when the reader is dropped and its last request is done.
    ///
    /// # Errors
    /// When the system allows no thread.
    pub(crate) fn start(name: &str, mut read: impl FnMut(Q) -> A + Send + 'static) -> std::io::Result<Self> {
        let (requests, inbox) = sync_channel(1);
        let (outbox, answers) = sync_channel(1);
        thread::Builder::new().name(name.into()).spawn(move || {
            while let Ok(request) = inbox.recv()
                && outbox.send(read(request)).is_ok()
            {}
        })?;
        Ok(Self { requests, answers, state: State::Idle })
    }

    /// Asks, unless a request is still under way. An answer that came too late is not used.
    pub(crate) fn ask(&mut self, request: Q) {
        if self.state != State::Idle {
            match self.answers.try_recv() {
                Ok(_) => {}
                Err(TryRecvError::Empty) => return self.state = State::Late,
                Err(TryRecvError::Disconnected) => return self.state = State::Gone,
            }
        }
        self.state = if self.requests.send(request).is_ok() { State::Asked } else { State::Gone };
    }

    /// Waits for the answer until `latest` at most, and not at all for one that an earlier scrape has waited for.
    ///
    /// # Errors
    /// See [`NoAnswer`].
    pub(crate) fn answer(&mut self, latest: Instant) -> Result<A, NoAnswer> {
        match self.state {
            State::Asked => {}
            State::Idle | State::Late => return Err(NoAnswer::Late),
            State::Gone => return Err(NoAnswer::Gone),
        }
        let left = latest.saturating_duration_since(Instant::now());
        let answer = self.answers.recv_timeout(left).map_err(|error| match error {
            RecvTimeoutError::Timeout => NoAnswer::Late,
            RecvTimeoutError::Disconnected => NoAnswer::Gone,
        })?;
        self.state = State::Idle;
        Ok(answer)
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[test]
    fn a_reader_that_hangs_is_waited_for_once() {
        let (release, gate) = sync_channel::<()>(8);
        let mut calls = 0;
        let mut reader = Reader::start("test", move |()| {
            gate.recv().unwrap();
            calls += 1;
            calls
        })
        .unwrap();
        let mut ask = |milliseconds| {
            reader.ask(());
            reader.answer(Instant::now() + Duration::from_millis(milliseconds))
        };
        release.send(()).unwrap();
        assert_eq!(ask(10_000), Ok(1));
        assert_eq!(ask(50), Err(NoAnswer::Late));
        let start = Instant::now();
        for _ in 0..100 {
            assert_eq!(ask(10_000), Err(NoAnswer::Late));
        }
        assert!(start.elapsed() < Duration::from_secs(5), "a request under way was waited for");
        release.send(()).unwrap();
        release.send(()).unwrap();
        let start = Instant::now();
        // Answer 2 is the late one; no other request was queued behind it.
        let answer = loop {
            match ask(10_000) {
                Err(NoAnswer::Late) if start.elapsed() < Duration::from_secs(10) => thread::yield_now(),
                answer => break answer,
            }
        };
        assert_eq!(answer, Ok(3));
        drop(release);
        assert_eq!(ask(10_000), Err(NoAnswer::Gone));
    }
}

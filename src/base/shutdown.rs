//! Being told to stop.

use std::future::Future;
use std::io;

use tokio::sync::watch;

/// A handle that many tasks hold and that becomes ready once, when the program is to stop.
#[derive(Clone, Debug)]
pub struct Shutdown(watch::Receiver<bool>);

/// Tells all holders of the [`Shutdown`] to stop, also when it is dropped.
#[derive(Debug)]
pub struct Trigger(watch::Sender<bool>);

impl Shutdown {
    /// A handle and what triggers it.
    pub fn new() -> (Trigger, Shutdown) {
        let (sender, receiver) = watch::channel(false);
        (Trigger(sender), Shutdown(receiver))
    }

    /// A handle that SIGTERM and SIGINT trigger. Call it inside a runtime.
    ///
    /// # Errors
    /// When the signal handlers can't be installed.
    pub fn on_signals() -> io::Result<Shutdown> {
        let signalled = signals()?;
        let (trigger, shutdown) = Shutdown::new();
        tokio::spawn(async move {
            signalled.await;
            tracing::info!("stopping");
            trigger.now();
        });
        Ok(shutdown)
    }

    /// Ready once the program is to stop.
    pub async fn requested(&mut self) {
        // An error means that the trigger is gone, which is a request too.
        if self.0.wait_for(|stop| *stop).await.is_err() {}
    }
}

impl Trigger {
    /// Asks all holders to stop.
    pub fn now(&self) {
        self.0.send_replace(true);
    }
}

#[cfg(unix)]
fn signals() -> io::Result<impl Future<Output = ()> + Send> {
    use tokio::signal::unix::{SignalKind, signal};
    let (mut terminate, mut interrupt) = (signal(SignalKind::terminate())?, signal(SignalKind::interrupt())?);
    Ok(async move {
        tokio::select! { _ = terminate.recv() => {}, _ = interrupt.recv() => {} }
    })
}

#[cfg(not(unix))]
fn signals() -> io::Result<impl Future<Output = ()> + Send> {
    Ok(async { if tokio::signal::ctrl_c().await.is_err() {} })
}

//! Reading the configuration again, when SIGHUP or a web page asks for it.

use std::sync::Arc;

use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio::sync::{mpsc, oneshot};
use tokio::task::{JoinHandle, spawn_blocking};

use super::finished;
use crate::base::service_manager::ServiceManager;
use crate::scrape_log::ask::{self, ReadyJob};
use crate::scrape_log::config::Config;
use crate::scrape_log::metrics::Metrics;
use crate::scrape_log::service::ReloadRequest;

/// Reads and checks the configuration, or says what is wrong with it. Called on a blocking thread.
pub type Load = dyn Fn() -> Result<Config, String> + Send + Sync;

/// Reloads under way, and who waits for which part of them.
pub(in crate::scrape_log) struct Reloads {
    load: Arc<Load>,
    metrics: Arc<Metrics>,
    service_manager: ServiceManager,
    hangup: Option<Signal>,
    requests: Option<mpsc::Receiver<ReloadRequest>>,
    /// Somebody asked since the last load began.
    asked: bool,
    loading: Option<JoinHandle<Result<Vec<ReadyJob>, String>>>,
    for_next_load: Vec<ReloadRequest>,
    for_this_load: Vec<ReloadRequest>,
    for_next_plan: Vec<ReloadRequest>,
    for_this_plan: Vec<ReloadRequest>,
}

impl Reloads {
    /// Waits for SIGHUP from now on.
    pub(in crate::scrape_log) fn new(
        load: Arc<Load>,
        metrics: Arc<Metrics>,
        requests: mpsc::Receiver<ReloadRequest>,
        service_manager: ServiceManager,
    ) -> Self {
        let hangup = signal(SignalKind::hangup());
        if let Err(error) = &hangup {
            tracing::warn!(%error, "SIGHUP does not reload the configuration");
        }
        Self {
            load,
            metrics,
            service_manager,
            hangup: hangup.ok(),
            requests: Some(requests),
            asked: false,
            loading: None,
            for_next_load: Vec::new(),
            for_this_load: Vec::new(),
            for_next_plan: Vec::new(),
            for_this_plan: Vec::new(),
        }
    }

    /// The next configuration that was asked for and can be used. What is wrong with others goes to the log and to
    /// those who asked. Nothing is lost when the future is dropped.
    pub(super) async fn next(&mut self) -> Vec<ReadyJob> {
        loop {
            if self.asked && self.loading.is_none() {
                self.asked = false;
                self.for_this_load = std::mem::take(&mut self.for_next_load);
                self.for_this_load.push(tell(self.service_manager.clone()));
                let load = Arc::clone(&self.load);
                self.loading = Some(spawn_blocking(move || load().and_then(ask::ready)));
            }
            tokio::select! {
                () = hung_up(&mut self.hangup) => self.asked = true,
                reply = requested(&mut self.requests) => {
                    self.asked = true;
                    self.for_next_load.push(reply);
                }
                loaded = finished(&mut self.loading) => {
                    let loaded = loaded.unwrap_or_else(|error| Err(format!("please report this: {error}")));
                    if let Some(config) = self.judge(loaded) {
                        return config;
                    }
                }
            }
        }
    }

    fn judge(&mut self, loaded: Result<Vec<ReadyJob>, String>) -> Option<Vec<ReadyJob>> {
        self.metrics.note_reload(loaded.is_ok());
        let askers = std::mem::take(&mut self.for_this_load);
        match loaded {
            Ok(config) => {
                tracing::info!(jobs = config.len(), "the configuration was read again");
                self.for_next_plan.extend(askers);
                Some(config)
            }
            Err(error) => {
                let remedy = "correct it and reload again; until then the configuration from before holds";
                tracing::error!(error, remedy, "the configuration can't be used");
                answer(askers, &Err(error));
                None
            }
        }
    }

    /// To be called when a plan begins, which is for all configurations that were given so far.
    pub(super) fn planning(&mut self) {
        self.for_this_plan.append(&mut self.for_next_plan);
    }

    /// To be called when the plan that was begun last is carried out.
    pub(super) fn applied(&mut self) {
        answer(std::mem::take(&mut self.for_this_plan), &Ok(()));
    }
}

/// Tells the service manager that a reload begins and, when the answer comes, that it is over. One that failed is over
/// too: the configuration from before holds.
fn tell(service_manager: ServiceManager) -> ReloadRequest {
    service_manager.reloading();
    let (asker, outcome) = oneshot::channel();
    tokio::spawn(async move {
        if let Ok(Err(_)) = outcome.await {
            service_manager
                .status("recording by the configuration from before: the new one can't be used, see the log");
        }
        service_manager.ready();
    });
    asker
}

/// Who does not wait any more needs no answer.
fn answer(askers: Vec<ReloadRequest>, outcome: &Result<(), String>) {
    for asker in askers {
        asker.send(outcome.clone()).ok();
    }
}

async fn hung_up(signal: &mut Option<Signal>) {
    if let Some(signal) = signal
        && signal.recv().await.is_some()
    {
        return;
    }
    std::future::pending().await
}

async fn requested(requests: &mut Option<mpsc::Receiver<ReloadRequest>>) -> ReloadRequest {
    if let Some(receiver) = requests {
        if let Some(request) = receiver.recv().await {
            return request;
        }
        *requests = None;
    }
    std::future::pending().await
}

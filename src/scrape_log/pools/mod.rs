//! The targets that are scraped: a task for each, started and stopped as the configuration and the discoveries say.
//!
//! ```text
//!  config ──► sources ──► plan (on a blocking thread) ──► apply: a task per target
//!                ▲ what discoveries found
//! ```
//!
//! A target is known by its directory, which its labels and its URL decide. While that stays, its task stays, with
//! its connection, its files and its schedule; other settings reach it through a channel. A directory whose task is
//! still closing its files gets a new task only after that.

mod plan;
mod reload;
mod slots;
mod sources;

pub use reload::Load;
pub(super) use reload::Reloads;

use std::collections::HashSet;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::mpsc;
use tokio::task::{JoinError, JoinHandle, spawn_blocking};

use super::ask::ReadyJob;
use super::config::TargetGroup;
use super::descriptors;
use super::discovery::Found;
use super::registry::Snapshot;
use super::scraper::Shared;
use crate::base::service_manager::ServiceManager;
use crate::base::shutdown::Shutdown;
use crate::web::server;
use plan::{Input, Plan, plan};
use slots::Slots;
use sources::Sources;

/// What discoveries may find before the last of it is taken up.
const WAITING_FOUND: usize = 64;
/// How many targets are started or changed before other tasks get their turn.
const SLICE: usize = 64;
/// Problems with single targets that are said one by one.
const SAID_PROBLEMS: usize = 20;
const SUM_UP: Duration = Duration::from_secs(1);

/// What is wrong with the targets of some jobs, as far as it can be told without scraping: a sentence each.
pub(super) fn problems(jobs: Vec<(ReadyJob, Vec<TargetGroup>)>) -> Vec<String> {
    let input = |(ReadyJob { job, client }, groups)| Input {
        job: Arc::new(job),
        client,
        groups: vec![Arc::new(groups)],
    };
    plan(&jobs.into_iter().map(input).collect::<Vec<_>>()).problems
}

/// All targets of a configuration.
pub(super) struct Pools {
    shared: Arc<Shared>,
    sources: Sources,
    found: mpsc::Receiver<Found>,
    reloads: Reloads,
    service_manager: ServiceManager,
    slots: Slots,
    /// What the sources say is not planned yet.
    stale: bool,
    planning: Option<JoinHandle<Plan>>,
    said_problems: HashSet<String>,
    descriptors: Option<u64>,
    said_descriptors: bool,
}

impl Pools {
    /// Looks for the targets of `config`, which [`Pools::run`] then scrapes. `reloads` are for what comes later.
    pub(super) fn new(
        shared: Shared,
        config: Vec<ReadyJob>,
        reloads: Reloads,
        service_manager: ServiceManager,
        stop: Shutdown,
    ) -> Self {
        let (sender, found) = mpsc::channel(WAITING_FOUND);
        let mut sources = Sources::new(sender);
        sources.apply(config);
        let shared = Arc::new(shared);
        Self {
            slots: Slots::new(Arc::clone(&shared), stop),
            shared,
            sources,
            found,
            reloads,
            service_manager,
            stale: true,
            planning: None,
            said_problems: HashSet::new(),
            descriptors: server::raise_open_files_limit(),
            said_descriptors: false,
        }
    }

    /// Scrapes until the task of a target dies, or for good.
    ///
    /// # Errors
    /// When a task panicked, which is a mistake in this program.
    pub(super) async fn run(&mut self) -> Result<(), JoinError> {
        let mut sum_up = tokio::time::interval(SUM_UP);
        sum_up.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
        loop {
            if self.stale && self.planning.is_none() {
                self.stale = false;
                self.reloads.planning();
                let input = self.sources.input();
                self.planning = Some(spawn_blocking(move || plan(&input)));
            }
            tokio::select! {
                ended = self.slots.ended() => ended?,
                Some(found) = self.found.recv() => {
                    self.sources.take(found);
                    self.stale = true;
                }
                planned = finished(&mut self.planning) => {
                    self.apply(planned?).await;
                    self.reloads.applied();
                }
                config = self.reloads.next() => {
                    self.sources.apply(config);
                    self.stale = true;
                }
                _ = sum_up.tick() => self.shared.budget.sum_up(),
            }
        }
    }

    /// Waits until all tasks have closed their files. They have to be told to stop before.
    ///
    /// # Errors
    /// As [`Pools::run`].
    pub(super) async fn closed(&mut self) -> Result<(), JoinError> {
        self.slots.all_ended().await
    }

    async fn apply(&mut self, plan: Plan) {
        self.say_problems(plan.problems);
        let alone = plan.wanted.len() == 1;
        let mut snapshot = Snapshot { active: Vec::with_capacity(plan.wanted.len()), dropped: plan.dropped };
        let mut directories = HashSet::with_capacity(plan.wanted.len());
        let mut changes = slots::Changes::default();
        for (index, wanted) in plan.wanted.into_iter().enumerate() {
            if index % SLICE == SLICE - 1 {
                tokio::task::yield_now().await;
            }
            directories.insert(wanted.target.directory().to_owned());
            snapshot.active.push(self.slots.want(wanted, alone, &mut changes));
        }
        for (index, directory) in self.slots.besides(&directories).iter().enumerate() {
            if index % SLICE == SLICE - 1 {
                tokio::task::yield_now().await;
            }
            self.slots.retire(directory, &mut changes);
        }
        let targets = snapshot.active.len();
        self.shared.registry.replace(snapshot);
        if changes != slots::Changes::default() {
            let slots::Changes { started, changed, retired } = changes;
            tracing::info!(targets, started, changed, retired, "targets");
        }
        let plural = if targets == 1 { "" } else { "s" };
        self.service_manager.status(&format!("recording {targets} target{plural}"));
        self.check_descriptors(targets);
    }

    /// Says what was not said when the plan was made the last time.
    fn say_problems(&mut self, problems: Vec<String>) {
        let before = std::mem::take(&mut self.said_problems);
        let fresh: Vec<_> = problems.iter().filter(|problem| !before.contains(*problem)).collect();
        for problem in fresh.iter().take(SAID_PROBLEMS) {
            tracing::error!(error = problem.as_str(), "a target can't be scraped");
        }
        if let Some(more @ 1..) = fresh.len().checked_sub(SAID_PROBLEMS) {
            tracing::error!(more, "more targets can't be scraped");
        }
        self.said_problems = problems.into_iter().collect();
    }

    fn check_descriptors(&mut self, targets: usize) {
        let needed = descriptors::needed(targets);
        let few = self.descriptors.is_some_and(|limit| limit < needed);
        if few && !self.said_descriptors {
            let remedy =
                format!("raise it: ulimit -n {needed}, or LimitNOFILE={needed} in the unit of systemd");
            tracing::warn!(
                targets,
                limit = self.descriptors,
                needed,
                remedy,
                "the limit of open files is too low"
            );
        }
        self.said_descriptors = few;
    }
}

/// The result of the task in `slot`, which is empty afterwards. Never ready while it is empty.
async fn finished<T>(slot: &mut Option<JoinHandle<T>>) -> Result<T, JoinError> {
    let Some(task) = slot else { return std::future::pending().await };
    let result = task.await;
    *slot = None;
    result
}

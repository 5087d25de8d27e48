//! The tasks, by the directories that they write into.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;

use tokio::sync::watch;
use tokio::task::{JoinError, JoinSet};

use super::plan::Wanted;
use crate::base::shutdown::Shutdown;
use crate::scrape_log::registry::Entry;
use crate::scrape_log::scraper::{self, Assignment, Shared};

/// The directories that are in use.
pub(super) struct Slots {
    shared: Arc<Shared>,
    stop: Shutdown,
    slots: HashMap<String, Slot>,
    tasks: JoinSet<String>,
}

enum Slot {
    Running(watch::Sender<Arc<Assignment>>),
    /// The task closes its files. What comes after it has to wait.
    Closing {
        next: Option<Arc<Assignment>>,
    },
}

/// What a plan has changed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Changes {
    pub(super) started: usize,
    pub(super) changed: usize,
    pub(super) retired: usize,
}

impl Slots {
    /// No tasks yet. Those to come end at `stop`.
    pub(super) fn new(shared: Arc<Shared>, stop: Shutdown) -> Self {
        Self { shared, stop, slots: HashMap::new(), tasks: JoinSet::new() }
    }

    /// Sees to it that the target is scraped as it is wanted.
    pub(super) fn want(&mut self, wanted: Wanted, alone: bool, changes: &mut Changes) -> Arc<Entry> {
        let directory = wanted.target.directory();
        if let Some(Slot::Running(sender)) = self.slots.get(directory) {
            let present = Arc::clone(&sender.borrow());
            if is_as_wanted(&present, &wanted) {
                return Arc::clone(&present.entry);
            }
            changes.changed += 1;
            let entry = Arc::new(entry(&wanted).continuing(&present.entry));
            sender.send_replace(Arc::new(assignment(wanted, Arc::clone(&entry), alone)));
            return entry;
        }
        changes.started += 1;
        let directory = directory.to_owned();
        let entry = Arc::new(entry(&wanted));
        let assignment = Arc::new(assignment(wanted, Arc::clone(&entry), alone));
        match self.slots.get_mut(&directory) {
            Some(Slot::Closing { next }) => *next = Some(assignment),
            _ => self.start(directory, assignment),
        }
        entry
    }

    fn start(&mut self, directory: String, assignment: Arc<Assignment>) {
        let (sender, receiver) = watch::channel(assignment);
        let running = scraper::run(receiver, Arc::clone(&self.shared), self.stop.clone());
        let name = directory.clone();
        self.tasks.spawn(async move {
            running.await;
            name
        });
        self.slots.insert(directory, Slot::Running(sender));
    }

    /// The directories besides `wanted` whose targets are scraped or wait to be.
    pub(super) fn besides(&self, wanted: &HashSet<String>) -> Vec<String> {
        let slots = self.slots.iter().filter(|(directory, slot)| {
            !wanted.contains(*directory) && !matches!(slot, Slot::Closing { next: None })
        });
        slots.map(|(directory, _)| directory.clone()).collect()
    }

    /// Has the task of a directory record the scrape under way, close its files and end.
    pub(super) fn retire(&mut self, directory: &str, changes: &mut Changes) {
        match self.slots.get_mut(directory) {
            // Dropping the sender tells the task.
            Some(slot @ Slot::Running(_)) => {
                *slot = Slot::Closing { next: None };
                changes.retired += 1;
            }
            Some(Slot::Closing { next }) => *next = None,
            None => {}
        }
    }

    /// Waits until a task has ended, and starts the one that waited for its directory.
    ///
    /// # Errors
    /// When the task panicked.
    pub(super) async fn ended(&mut self) -> Result<(), JoinError> {
        let Some(ended) = self.tasks.join_next().await else { return std::future::pending().await };
        let directory = ended?;
        if let Some(Slot::Closing { next: Some(next) }) = self.slots.remove(&directory) {
            self.start(directory, next);
        }
        Ok(())
    }

    /// Waits until all tasks have ended.
    ///
    /// # Errors
    /// When one of them panicked; the others have ended too.
    pub(super) async fn all_ended(&mut self) -> Result<(), JoinError> {
        let mut outcome = Ok(());
        while let Some(ended) = self.tasks.join_next().await {
            outcome = outcome.and(ended.map(|_| ()));
        }
        outcome
    }
}

fn is_as_wanted(present: &Assignment, wanted: &Wanted) -> bool {
    Arc::ptr_eq(&present.job, &wanted.job)
        && present.target == wanted.target
        && present.refused == wanted.refused
        && present.entry.discovered_labels == wanted.discovered
}

fn entry(wanted: &Wanted) -> Entry {
    let Wanted { target, discovered, job, .. } = wanted;
    let times = (target.interval(), target.timeout());
    Entry::new(job.name.clone(), target.url().to_owned(), target.labels().clone(), discovered.clone(), times)
}

fn assignment(wanted: Wanted, entry: Arc<Entry>, alone: bool) -> Assignment {
    let Wanted { target, job, client, refused, .. } = wanted;
    Assignment { target, job, client, entry, refused, alone }
}

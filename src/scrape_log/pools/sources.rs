//! The discoveries of all jobs and what they found, kept over reloads.

use std::collections::{HashMap, VecDeque};
use std::sync::Arc;

use tokio::sync::mpsc;

use super::plan::Input;
use crate::scrape_log::ask::{self, ReadyJob};
use crate::scrape_log::config::{Discovery, Job, TargetGroup};
use crate::scrape_log::discovery::{self, Found};
use crate::web::client::Prepared;

/// What the jobs of the present configuration find their targets by.
#[derive(Debug)]
pub(super) struct Sources {
    jobs: Vec<Scraped>,
    found: mpsc::Sender<Found>,
    next_number: u64,
}

/// A job without its discoveries, and what these have become.
#[derive(Debug)]
struct Scraped {
    job: Arc<Job>,
    client: Arc<Prepared>,
    sources: Vec<Source>,
}

#[derive(Debug)]
struct Source {
    number: u64,
    /// `None` for one whose groups are in the configuration.
    changing: Option<(Discovery, discovery::Running)>,
    groups: Arc<Vec<TargetGroup>>,
}

impl Sources {
    /// No sources yet. Those to come send what they find to `found`.
    pub(super) fn new(found: mpsc::Sender<Found>) -> Self {
        Self { jobs: Vec::new(), found, next_number: 0 }
    }

    /// Goes over to another configuration. A discovery that is in both goes on. One that takes the place of another
    /// has the other's targets until it has found its own, so that they lose no scrape in between.
    pub(super) fn apply(&mut self, config: Vec<ReadyJob>) {
        let old = std::mem::take(&mut self.jobs).into_iter();
        let mut old: HashMap<String, Scraped> =
            old.map(|scraped| (scraped.job.name.clone(), scraped)).collect();
        for ReadyJob { mut job, client } in config {
            let discoveries = std::mem::take(&mut job.discoveries);
            let (before, mut leftover) = match old.remove(&job.name) {
                Some(Scraped { job, client, sources }) => (Some((job, client)), sources.into()),
                None => (None, VecDeque::new()),
            };
            let mut sources: Vec<Option<Source>> =
                discoveries.iter().map(|discovery| take_equal(&mut leftover, discovery)).collect();
            leftover.retain(|source| source.changing.is_some());
            let known: Vec<TargetGroup> =
                leftover.iter().flat_map(|source| source.groups.iter()).cloned().collect();
            for (source, discovery) in sources.iter_mut().zip(discoveries) {
                if source.is_none() {
                    *source = Some(self.start(discovery, &known, &mut leftover));
                }
            }
            let sources = sources.into_iter().flatten().collect();
            // What has not changed stays as it is, and with it the connections of the targets.
            let (job, client) = match before {
                Some((before, client)) if *before == job => (before, client),
                Some((before, client)) if ask::is_alike(&before, &job) => (Arc::new(job), client),
                _ => (Arc::new(job), client),
            };
            self.jobs.push(Scraped { job, client, sources });
        }
    }

    fn start(
        &mut self,
        discovery: Discovery,
        known: &[TargetGroup],
        leftover: &mut VecDeque<Source>,
    ) -> Source {
        let number = self.next_number;
        self.next_number += 1;
        match discovery::start(&discovery, number, known, &self.found) {
            Some(running) => {
                let groups = leftover.pop_front().map(|source| source.groups).unwrap_or_default();
                Source { number, changing: Some((discovery, running)), groups }
            }
            None => {
                let groups = match discovery {
                    Discovery::Static(groups) => groups,
                    Discovery::Files { .. } | Discovery::Http { .. } => Vec::new(),
                };
                Source { number, changing: None, groups: Arc::new(groups) }
            }
        }
    }

    /// Takes what a source found. What one found that is gone counts for nothing.
    pub(super) fn take(&mut self, found: Found) {
        let mut sources = self.jobs.iter_mut().flat_map(|scraped| &mut scraped.sources);
        if let Some(source) = sources.find(|source| source.number == found.source) {
            source.groups = Arc::new(found.groups);
        }
    }

    /// What there is to find targets from.
    pub(super) fn input(&self) -> Vec<Input> {
        let groups = |sources: &[Source]| sources.iter().map(|source| Arc::clone(&source.groups)).collect();
        self.jobs
            .iter()
            .map(|Scraped { job, client, sources }| Input {
                job: Arc::clone(job),
                client: Arc::clone(client),
                groups: groups(sources),
            })
            .collect()
    }
}

fn take_equal(sources: &mut VecDeque<Source>, wanted: &Discovery) -> Option<Source> {
    let same = |source: &Source| source.changing.as_ref().is_some_and(|(discovery, _)| discovery == wanted);
    sources.iter().position(same).and_then(|at| sources.remove(at))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::scrape_log::config::Config;
    use std::path::PathBuf;
    use std::time::Duration;

    fn job(name: &str, discoveries: Vec<Discovery>) -> Job {
        Job { discoveries, ..Job::new(name.to_owned(), Duration::from_secs(15), Duration::from_secs(10)) }
    }

    fn files(pattern: &str) -> Discovery {
        Discovery::Files { patterns: vec![PathBuf::from(pattern)] }
    }

    fn groups(target: &str) -> Vec<TargetGroup> {
        vec![TargetGroup { targets: vec![target.to_owned()], ..TargetGroup::default() }]
    }

    fn targets(sources: &Sources) -> Vec<String> {
        let input = sources.input();
        let groups = input.iter().flat_map(|input| &input.groups).flat_map(|groups| groups.iter());
        groups.flat_map(|group| group.targets.clone()).collect()
    }

    #[tokio::test]
    async fn discoveries_go_on_over_reloads() {
        let (found, _receiver) = mpsc::channel(8);
        let mut sources = Sources::new(found);
        let apply =
            |sources: &mut Sources, jobs: Vec<Job>| sources.apply(ask::ready(Config { jobs }).unwrap());
        apply(
            &mut sources,
            vec![job("a", vec![files("/a"), files("/b")]), job("s", vec![Discovery::Static(groups("s:1"))])],
        );
        assert_eq!(targets(&sources), ["s:1"]);
        sources.take(Found { source: 0, groups: groups("a:1") });
        sources.take(Found { source: 1, groups: groups("b:1") });
        assert_eq!(targets(&sources), ["a:1", "b:1", "s:1"]);
        let before = sources.input();

        apply(
            &mut sources,
            vec![job("s", vec![Discovery::Static(groups("s:2"))]), job("a", vec![files("/b"), files("/c")])],
        );
        assert_eq!(targets(&sources), ["s:2", "b:1", "a:1"], "c has not found anything yet");
        assert!(Arc::ptr_eq(&before[0].job, &sources.input()[1].job), "nothing but its discoveries changed");
        sources.take(Found { source: 0, groups: groups("late:1") });
        assert_eq!(targets(&sources), ["s:2", "b:1", "a:1"], "that source is gone");
        let newest = sources.next_number - 1;
        sources.take(Found { source: newest, groups: groups("c:1") });
        assert_eq!(targets(&sources), ["s:2", "b:1", "c:1"]);

        apply(&mut sources, vec![job("a", vec![Discovery::Static(groups("x:1"))])]);
        assert_eq!(targets(&sources), ["x:1"]);
    }
}

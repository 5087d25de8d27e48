//! The discoveries of all jobs and what they found, kept over reloads.

use std::collections::{HashMap, VecDeque};
use std::sync::Arc;

use tokio::sync::mpsc;

use super::plan::Input;
use crate::scrape_log::config::{Config, Discovery, Job, TargetGroup};
use crate::scrape_log::discovery::{self, Found};

/// What the jobs of the present configuration find their targets by.
#[derive(Debug)]
pub(super) struct Sources {
    jobs: Vec<(Arc<Job>, Vec<Source>)>,
    found: mpsc::Sender<Found>,
    next_number: u64,
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
    pub(super) fn apply(&mut self, config: Config) {
        let mut old: HashMap<String, (Arc<Job>, Vec<Source>)> = HashMap::new();
        for (job, sources) in std::mem::take(&mut self.jobs) {
            old.entry(job.name.clone()).or_insert_with(|| (job, Vec::new())).1.extend(sources);
        }
        for mut job in config.jobs {
            let discoveries = std::mem::take(&mut job.discoveries);
            let (before, mut leftover) = match old.remove(&job.name) {
                Some((before, sources)) => (Some(before), sources.into()),
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
            let same = before.filter(|before| **before == job);
            self.jobs.push((same.unwrap_or_else(|| Arc::new(job)), sources.into_iter().flatten().collect()));
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
        let mut sources = self.jobs.iter_mut().flat_map(|(_, sources)| sources);
        if let Some(source) = sources.find(|source| source.number == found.source) {
            source.groups = Arc::new(found.groups);
        }
    }

    /// What there is to find targets from.
    pub(super) fn input(&self) -> Vec<Input> {
        let groups = |sources: &[Source]| sources.iter().map(|source| Arc::clone(&source.groups)).collect();
        self.jobs
            .iter()
            .map(|(job, sources)| Input { job: Arc::clone(job), groups: groups(sources) })
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
    use crate::web::client::Endpoint;
    use std::path::PathBuf;
    use std::time::Duration;

    fn job(name: &str, discoveries: Vec<Discovery>) -> Job {
        let endpoint = Endpoint::parse("http://x:1/metrics").unwrap();
        let times = (Duration::from_secs(15), Duration::from_secs(10));
        Job { discoveries, ..crate::scrape_log::target::job(&endpoint, name, times) }
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
        let apply = |sources: &mut Sources, jobs: Vec<Job>| sources.apply(Config { jobs });
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

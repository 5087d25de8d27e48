//! Which targets there are to be, by what the jobs say and what their discoveries found. No time, no tasks.

use std::collections::HashMap;
use std::collections::hash_map::Entry as Slot;
use std::sync::Arc;

use crate::scrape_log::config::{Job, TargetGroup};
use crate::scrape_log::labels::Labels;
use crate::scrape_log::registry::Dropped;
use crate::scrape_log::relabel;
use crate::scrape_log::targets::Target;
use crate::web::client::Prepared;

/// A job with what its discoveries found.
#[derive(Clone, Debug)]
pub(super) struct Input {
    /// Without its discoveries.
    pub(super) job: Arc<Job>,
    pub(super) client: Arc<Prepared>,
    pub(super) groups: Vec<Arc<Vec<TargetGroup>>>,
}

/// The targets that there are to be.
#[derive(Debug, Default)]
pub(super) struct Plan {
    /// In the order of the configuration. No two have the same directory.
    pub(super) wanted: Vec<Wanted>,
    pub(super) dropped: Vec<Dropped>,
    /// What is wrong, a sentence each.
    pub(super) problems: Vec<String>,
}

/// A target to scrape.
#[derive(Debug)]
pub(super) struct Wanted {
    pub(super) target: Target,
    pub(super) discovered: Labels,
    pub(super) job: Arc<Job>,
    pub(super) client: Arc<Prepared>,
    /// Why each scrape is to fail.
    pub(super) refused: Option<Arc<str>>,
}

/// Finds the targets. Takes some ten microseconds for each.
pub(super) fn plan(jobs: &[Input]) -> Plan {
    let mut plan = Plan::default();
    let mut taken = HashMap::new();
    for input in jobs {
        plan.add_job(input, &mut taken);
    }
    plan
}

impl Plan {
    /// `taken` has each directory with the identity and the job's name of its target.
    fn add_job<'a>(&mut self, input: &'a Input, taken: &mut HashMap<String, (u64, &'a str)>) {
        let job = &input.job;
        let first = self.wanted.len();
        for group in input.groups.iter().flat_map(|groups| groups.iter()) {
            for address in &group.targets {
                let mut labels = group.labels.clone();
                labels.set("__address__", address.as_str());
                self.add_target(input, labels, taken);
            }
        }
        let count = self.wanted.len() - first;
        if let Some(limit) = job.limits.targets
            && count > limit
        {
            let reason: Arc<str> = format!("target_limit exceeded: {count} targets, limit {limit}").into();
            self.problems.push(format!(
                "job {:?}: {reason}: none of its targets is scraped until there are fewer or the limit is raised",
                job.name
            ));
            for wanted in self.wanted.iter_mut().skip(first) {
                wanted.refused = Some(Arc::clone(&reason));
            }
        }
    }

    fn add_target<'a>(
        &mut self,
        Input { job, client, .. }: &'a Input,
        labels: Labels,
        taken: &mut HashMap<String, (u64, &'a str)>,
    ) {
        let discovered = Target::before_relabelling(job, labels);
        let target = match relabel::apply(&job.relabel, discovered.clone()) {
            None => {
                return self.dropped.push(Dropped { job: job.name.clone(), discovered_labels: discovered });
            }
            Some(labels) => match Target::relabelled(job, labels) {
                Ok(target) => target,
                Err(problem) => return self.problems.push(format!("job {:?}: {problem}", job.name)),
            },
        };
        match taken.entry(target.directory().to_owned()) {
            Slot::Vacant(free) => {
                free.insert((target.identity(), &job.name));
                let (job, client) = (Arc::clone(job), Arc::clone(client));
                self.wanted.push(Wanted { target, discovered, job, client, refused: None });
            }
            // The same target twice in a job is one target.
            Slot::Occupied(slot) if *slot.get() == (target.identity(), job.name.as_str()) => {}
            Slot::Occupied(slot) => {
                let (_, other) = slot.get();
                self.problems.push(format!(
                    "job {:?}: the target {} has the labels and the URL of one in job {other:?}, and is left out here: \
                     expected a label that tells them apart",
                    job.name,
                    target.url()
                ));
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::scrape_log::ask;
    use std::time::Duration;

    fn input(name: &str, targets: &[&str]) -> Input {
        let job = Job::new(name.to_owned(), Duration::from_secs(15), Duration::from_secs(10));
        let client = Arc::new(ask::prepare(&job).unwrap());
        let targets = targets.iter().map(|target| (*target).to_owned()).collect();
        let group = TargetGroup { targets, labels: Labels::default() };
        Input { job: Arc::new(job), client, groups: vec![Arc::new(vec![group])] }
    }

    fn instances(plan: &Plan) -> Vec<&str> {
        plan.wanted.iter().map(|wanted| wanted.target.instance()).collect()
    }

    #[test]
    fn the_same_target_twice_in_a_job_is_one() {
        let made = plan(&[input("a", &["h:1", "h:2", "h:1"]), input("b", &["h:1"])]);
        assert_eq!(instances(&made), ["h:1", "h:2", "h:1"]);
        assert_eq!(made.problems, [""; 0]);
    }

    #[test]
    fn one_that_two_jobs_have_is_scraped_once_and_said() {
        let mut other = input("b", &["h:1"]);
        let mut group = other.groups[0][0].clone();
        group.labels.set("job", "a");
        other.groups = vec![Arc::new(vec![group])];
        let made = plan(&[input("a", &["h:1"]), other]);
        assert_eq!(instances(&made), ["h:1"]);
        assert!(made.problems[0].contains("one in job \"a\""), "{:?}", made.problems);
    }

    #[test]
    fn a_bad_target_costs_the_others_nothing() {
        let made = plan(&[input("a", &["h:1", "", "h/metrics", "h:2"])]);
        assert_eq!(instances(&made), ["h:1", "h:2"]);
        assert_eq!(made.problems.len(), 2);
        assert!(made.problems.iter().all(|problem| problem.starts_with("job \"a\": __address__ is ")));
    }

    #[test]
    fn beyond_the_limit_all_targets_of_the_job_fail() {
        let mut few = input("few", &["h:1", "h:2"]);
        Arc::get_mut(&mut few.job).unwrap().limits.targets = Some(2);
        let mut many = input("many", &["h:1", "h:2", "h:1", "h:3"]);
        Arc::get_mut(&mut many.job).unwrap().limits.targets = Some(2);
        let made = plan(&[few, many]);
        let refused: Vec<_> = made.wanted.iter().map(|wanted| wanted.refused.is_some()).collect();
        assert_eq!(refused, [false, false, true, true, true]);
        assert!(made.problems[0].contains("3 targets, limit 2"), "{:?}", made.problems);
    }
}

//! `--target`: an address or a URL, as a target of a job.

use std::fmt;

use crate::base::usage::Usage;
use crate::scrape_log::Target;
use crate::scrape_log::config::{Discovery, Job, TargetGroup};
use crate::scrape_log::labels::Labels;
use crate::web::query;

/// A target that was given by itself.
pub(super) struct FlagTarget {
    target: Target,
    group: TargetGroup,
    /// The parameters of its URL, if labels can't tell them.
    params: Vec<(String, Vec<String>)>,
}

impl FlagTarget {
    /// Reads a target here rather than in `clap`, whose message would repeat a password.
    pub(super) fn parse(text: &str) -> Result<Self, Usage> {
        let wrong = |problem: String| {
            let shown = match text.rsplit_once('@') {
                Some((_, host)) => format!("...@{host}"),
                None => text.to_owned(),
            };
            Usage::wrong(format!("invalid value '{shown}' for --target: {problem}"))
        };
        let target = Target::parse(text).map_err(wrong)?;
        let endpoint = target.endpoint();
        let address = endpoint.authority();
        let (path, query) =
            endpoint.path_and_query().split_once('?').unwrap_or((endpoint.path_and_query(), ""));
        let mut labels: Labels = [("__metrics_path__", path)].into_iter().collect();
        let scheme = text.split_once("://").map_or("http", |(scheme, _)| scheme);
        labels.set("__scheme__", scheme.to_ascii_lowercase());
        if target.instance() != address {
            labels.set("instance", target.instance());
        }
        let mut params = read_params(query).map_err(wrong)?;
        if params.iter().all(|(_, values)| matches!(values.as_slice(), [value] if !value.is_empty())) {
            for (name, values) in std::mem::take(&mut params) {
                labels.set(format!("__param_{name}"), values.concat());
            }
        }
        Ok(Self { group: TargetGroup { targets: vec![address], labels }, params, target })
    }

    pub(super) fn instance(&self) -> &str {
        self.target.instance()
    }

    /// Adds the target to the first of the jobs. A label can tell one value of a parameter; a target with more is the
    /// only one of a job that has them, and is told to belong to the first job by its label.
    pub(super) fn add_to(mut self, jobs: &mut Vec<Job>) {
        let Some(first) = jobs.first_mut() else {
            return;
        };
        if self.params.is_empty() {
            return first.add_group(self.group);
        }
        self.group.labels.set("job", first.name.as_str());
        let name = format!("{} {}", first.name, self.target.endpoint());
        let mut job = Job { params: self.params, ..Job::new(name, first.interval, first.timeout) };
        job.add_group(self.group);
        jobs.push(job);
    }
}

/// The URL.
impl fmt::Display for FlagTarget {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.target.endpoint().fmt(out)
    }
}

/// The labels `instance` of the static targets of a job.
pub(super) fn instances(job: &Job) -> impl Iterator<Item = &str> {
    let groups = job.discoveries.iter().filter_map(|discovery| match discovery {
        Discovery::Static(groups) => Some(groups),
        Discovery::Files { .. } | Discovery::Http { .. } => None,
    });
    groups.flatten().flat_map(|group| {
        group.targets.iter().map(|address| match group.labels.get("instance") {
            "" => address.as_str(),
            instance => instance,
        })
    })
}

/// The parameters of a query, sorted by name, the values of each in their order.
fn read_params(query: &str) -> Result<Vec<(String, Vec<String>)>, String> {
    let mut params: Vec<(String, Vec<String>)> = Vec::new();
    for pair in query::pairs(query) {
        let (name, value) = pair?;
        match params.iter_mut().find(|(known, _)| *known == name) {
            Some((_, values)) => values.push(value),
            None => params.push((name, vec![value])),
        }
    }
    params.sort();
    Ok(params)
}

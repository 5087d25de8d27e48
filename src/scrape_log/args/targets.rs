//! `--target`: an address or a URL, as a target of a job.

use std::collections::BTreeMap;
use std::fmt;
use std::net::Ipv6Addr;

use crate::base::usage::Usage;
use crate::scrape_log::config::{DEFAULT_PATH, Discovery, Job, TargetGroup};
use crate::scrape_log::labels::Labels;
use crate::scrape_log::targets::without_credentials;
use crate::web::client::{Endpoint, Scheme};
use crate::web::query;

/// A target that was given by itself.
#[derive(Debug)]
pub(super) struct FlagTarget {
    endpoint: Endpoint,
    labels: Labels,
    /// The parameters of its URL, if labels can't tell them.
    params: Vec<(String, Vec<String>)>,
}

impl FlagTarget {
    /// Reads a target here rather than in `clap`, whose message would repeat a password.
    pub(super) fn parse(text: &str) -> Result<Self, Usage> {
        Self::read(text).map_err(|problem| {
            let shown = without_credentials(text);
            Usage::wrong(format!("invalid value '{shown}' for --target: {problem}"))
        })
    }

    fn read(text: &str) -> Result<Self, String> {
        let endpoint = endpoint(text)?;
        let path_and_query = endpoint.path_and_query();
        let (path, query) = path_and_query.split_once('?').unwrap_or((path_and_query, ""));
        let mut labels = Labels::default();
        if path_and_query != DEFAULT_PATH {
            // Two pages of one exporter have to differ in a label, or their series would be the same.
            labels.set("instance", format!("{}{path_and_query}", endpoint.authority()));
            labels.set("__metrics_path__", query::path(path)?);
        }
        if endpoint.scheme() == Scheme::Https {
            labels.set("__scheme__", "https");
        }
        let mut params = read_params(query)?;
        if params.iter().all(|(_, values)| matches!(values.as_slice(), [value] if !value.is_empty())) {
            for (name, values) in std::mem::take(&mut params) {
                labels.set(format!("__param_{name}"), values.concat());
            }
        }
        Ok(Self { endpoint, labels, params })
    }

    /// The value that its label `instance` will have.
    pub(super) fn instance(&self) -> String {
        match self.labels.get("instance") {
            "" => self.endpoint.authority(),
            instance => instance.to_owned(),
        }
    }

    /// Adds the target to the first of the jobs. A label can tell one value of a parameter; a target with more is the
    /// only one of a job that has them, and is told to belong to the first job by its label.
    pub(super) fn add_to(mut self, jobs: &mut Vec<Job>) {
        let Some(first) = jobs.first_mut() else {
            return;
        };
        let targets = vec![self.endpoint.authority()];
        if self.params.is_empty() {
            return first.add_group(TargetGroup { targets, labels: self.labels });
        }
        self.labels.set("job", first.name.as_str());
        let name = format!("{} {}", first.name, self.endpoint);
        let mut job = Job { params: self.params, ..Job::new(name, first.interval, first.timeout) };
        job.add_group(TargetGroup { targets, labels: self.labels });
        jobs.push(job);
    }
}

/// The URL.
impl fmt::Display for FlagTarget {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.endpoint.fmt(out)
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

fn endpoint(text: &str) -> Result<Endpoint, String> {
    if text.contains("://") {
        return Endpoint::parse(text);
    }
    let bare_ipv6 = text.parse::<Ipv6Addr>().is_ok();
    let host_has_port = match text.rsplit_once(']') {
        Some((_, after)) => after.starts_with(':'),
        None => text.contains(':') && !bare_ipv6,
    };
    if bare_ipv6 {
        return Err(format!("an IPv6 address needs brackets and a port, for example [{text}]:9100"));
    }
    if text.contains('/') {
        return Err("a target with a path has to be a URL, for example http://db01:9100/metrics".to_owned());
    }
    if !host_has_port {
        return Err(format!("it has no port, expected HOST:PORT such as {text}:9100, or a URL"));
    }
    Endpoint::parse(&format!("http://{text}{DEFAULT_PATH}"))
        .map_err(|problem| format!("{problem} (expected HOST:PORT or http://HOST:PORT/PATH)"))
}

/// The parameters of a query, sorted by name, the values of each in their order.
fn read_params(query: &str) -> Result<Vec<(String, Vec<String>)>, String> {
    let mut params: BTreeMap<String, Vec<String>> = BTreeMap::new();
    for pair in query::pairs(query) {
        let (name, value) = pair?;
        params.entry(name).or_default().push(value);
    }
    Ok(params.into_iter().collect())
}

#[cfg(test)]
mod tests {
    use super::FlagTarget;
    use crate::scrape_log::config::{Discovery, Job};
    use crate::scrape_log::targets::Target;
    use std::time::Duration;

    /// The target that is made of what was given.
    fn target(text: &str) -> Target {
        let mut jobs = vec![Job::new("node".to_owned(), Duration::from_secs(15), Duration::from_secs(10))];
        FlagTarget::parse(text).unwrap().add_to(&mut jobs);
        let job = jobs.last().unwrap();
        let Discovery::Static(groups) = &job.discoveries[0] else { panic!("{job:?}") };
        let mut labels = groups[0].labels.clone();
        labels.set("__address__", groups[0].targets[0].as_str());
        Target::discovered(job, labels).unwrap().unwrap()
    }

    #[test]
    fn what_was_given_is_what_is_asked_for() {
        for (text, path_and_query, instance, directory) in [
            ("10.0.0.1:9100", "/metrics", "10.0.0.1:9100", "10.0.0.1_9100"),
            ("[::1]:9100", "/metrics", "[::1]:9100", "1-_9100~"),
            (
                "http://h:9115/probe?target=x",
                "/probe?target=x",
                "h:9115/probe?target=x",
                "h_9115-probe-target-x~",
            ),
            ("http://h:1?debug&x=1", "/?debug=&x=1", "h:1/?debug&x=1", "h_1"),
            ("https://h:1/metrics", "/metrics", "h:1", "h_1~"),
            (
                "http://h:1/a%20b?collect[]=cpu&collect[]=disk&x=a+b",
                "/a%20b?collect%5B%5D=cpu&collect%5B%5D=disk&x=a+b",
                "h:1/a%20b?collect[]=cpu&collect[]=disk&x=a+b",
                "h_1-a",
            ),
        ] {
            let target = target(text);
            assert_eq!(target.endpoint().path_and_query(), path_and_query, "{text}");
            assert_eq!((target.instance(), target.job()), (instance, "node"), "{text}");
            assert!(target.directory().starts_with(directory), "{}", target.directory());
        }
    }

    #[test]
    fn short_and_long_forms() {
        for (text, url, instance) in [
            ("db01:9100", "http://db01:9100/metrics", "db01:9100"),
            ("http://DB01:9100/metrics", "http://db01:9100/metrics", "db01:9100"),
            ("[::1]:9100", "http://[::1]:9100/metrics", "[::1]:9100"),
            ("https://h/metrics", "https://h:443/metrics", "h:443"),
            ("http://h:9115/probe?target=x", "http://h:9115/probe?target=x", "h:9115/probe?target=x"),
        ] {
            let target = FlagTarget::parse(text).unwrap();
            assert_eq!((target.to_string().as_str(), target.instance().as_str()), (url, instance), "{text}");
        }
    }

    #[test]
    fn says_what_is_missing() {
        for (text, want) in [
            ("db01", "such as db01:9100"),
            ("::1", "[::1]:9100"),
            ("[::1]", "such as [::1]:9100"),
            ("db01:9100/metrics", "has to be a URL"),
            ("db01:", "expected HOST:PORT"),
            ("db01:x", "expected HOST:PORT"),
            ("user:secret@db01:9100", "before the @"),
            ("http://h:1/?a=%zz", "two hexadecimal digits"),
            ("http://h:1/%ff", "not UTF-8"),
            ("", "no port"),
        ] {
            let error = FlagTarget::parse(text).unwrap_err().to_string();
            assert!(error.contains(want), "{text}: {error}");
        }
    }
}

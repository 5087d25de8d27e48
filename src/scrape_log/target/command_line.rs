//! Targets as `--target` takes them, made into the jobs that a configuration file would have for them.

use std::net::Ipv6Addr;
use std::time::Duration;

use super::{ADDRESS, DEFAULT_PATH, url};
use crate::scrape_log::config::{Discovery, Job, Limits, TargetGroup};
use crate::scrape_log::labels::Labels;
use crate::web::client::{Endpoint, HttpSettings};

/// Reads `host:port` or a URL.
///
/// # Errors
/// A sentence that says what is wrong and what is expected.
pub(super) fn endpoint(text: &str) -> Result<Endpoint, String> {
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

/// The job of one target of the command line.
pub fn job(endpoint: &Endpoint, name: &str, (interval, timeout): (Duration, Duration)) -> Job {
    let (path, query) = split(endpoint);
    let mut params: Vec<(String, Vec<String>)> = Vec::new();
    let pairs = query.split('&').filter(|pair| !pair.is_empty());
    for (name, value) in pairs.map(|pair| pair.split_once('=').unwrap_or((pair, ""))) {
        let [name, value] = [name, value].map(|part| url::unescape(&part.replace('+', " ")));
        match params.iter_mut().find(|(known, _)| *known == name) {
            Some((_, values)) => values.push(value),
            None => params.push((name, vec![value])),
        }
    }
    params.sort();
    let mut labels = labels(endpoint);
    labels.remove(ADDRESS);
    Job {
        name: name.to_owned(),
        interval,
        timeout,
        path: url::unescape(path),
        scheme: "http".to_owned(),
        params,
        honor_labels: false,
        http: HttpSettings::default(),
        discoveries: vec![Discovery::Static(vec![TargetGroup {
            targets: vec![endpoint.authority()],
            labels,
        }])],
        relabel: Vec::new(),
        metric_relabel: Vec::new(),
        limits: Limits::default(),
    }
}

/// What the job's discovery finds. Two pages of one exporter have to differ in a label, or their series would be
/// the same: `instance` has the path too where that is not `/metrics`.
pub(super) fn labels(endpoint: &Endpoint) -> Labels {
    let authority = endpoint.authority();
    let instance = match endpoint.path_and_query() {
        DEFAULT_PATH => authority.clone(),
        path => format!("{authority}{path}"),
    };
    [(ADDRESS, authority), ("instance", instance)].into_iter().collect()
}

fn split(endpoint: &Endpoint) -> (&str, &str) {
    endpoint.path_and_query().split_once('?').unwrap_or((endpoint.path_and_query(), ""))
}

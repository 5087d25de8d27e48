//! Targets as `--target` takes them, made into the jobs that a configuration file would have for them.

use std::collections::BTreeMap;
use std::net::Ipv6Addr;
use std::time::Duration;

use super::{ADDRESS, DEFAULT_PATH, METRICS_PATH, PARAM_PREFIX, url};
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

/// The job of one target of the command line. What can be said in labels of the target is, so that targets of
/// different pages have jobs that differ in nothing but that.
pub fn job(endpoint: &Endpoint, name: &str, (interval, timeout): (Duration, Duration)) -> Job {
    let mut labels = labels(endpoint);
    labels.remove(ADDRESS);
    let mut params = query(endpoint);
    // A label has one value, and an empty one is none.
    params.retain(|(_, values)| values.len() > 1 || values.iter().any(String::is_empty));
    Job {
        name: name.to_owned(),
        interval,
        timeout,
        path: DEFAULT_PATH.to_owned(),
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
    let mut labels = Labels::default();
    match endpoint.path_and_query() {
        DEFAULT_PATH => labels.set("instance", authority.as_str()),
        path => {
            labels.set("instance", format!("{authority}{path}"));
            labels.set(METRICS_PATH, url::unescape(path.split('?').next().unwrap_or(path)));
        }
    }
    labels.set(ADDRESS, authority);
    for (name, values) in query(endpoint) {
        labels.set(format!("{PARAM_PREFIX}{name}"), values.into_iter().next().unwrap_or_default());
    }
    labels
}

/// The names in the query with their values, in the order of the names.
fn query(endpoint: &Endpoint) -> Vec<(String, Vec<String>)> {
    let query = endpoint.path_and_query().split_once('?').map_or("", |(_, query)| query);
    let mut params: BTreeMap<String, Vec<String>> = BTreeMap::new();
    for pair in query.split('&').filter(|pair| !pair.is_empty()) {
        let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
        let [name, value] = [name, value].map(|part| url::unescape(&part.replace('+', " ")));
        params.entry(name).or_default().push(value);
    }
    params.into_iter().collect()
}

//! `/api/v1/vitals`: how all hosts are, as `vitals::status` describes it. `recent=INSTANCE` adds the last quarter of an hour
//! of a host, and may come more than once.

use std::collections::HashSet;
use std::sync::PoisonError;

use bytes::Bytes;
use hyper::{Response, StatusCode};

use super::api;
use crate::scrape_log::registry::{Entry, Snapshot};
use crate::vitals::status::{Host, Status};
use crate::web::query;

/// The answer to a request with this `query`.
pub(super) fn answer(snapshot: &Snapshot, query: &str, now_milliseconds: i64) -> Response<Bytes> {
    let mut recent = HashSet::new();
    for pair in query::pairs(query) {
        match pair {
            Ok((name, value)) if name == "recent" => {
                recent.insert(value);
            }
            Ok(_) => {}
            Err(problem) => return api::bad_data(problem),
        }
    }
    let hosts = snapshot.active.iter().map(|target| host(target, &recent)).collect();
    api::answer(StatusCode::OK, &Status { time_milliseconds: now_milliseconds, hosts })
}

fn host(target: &Entry, recent: &HashSet<String>) -> Host {
    let instance = match target.labels.get("instance") {
        "" => target.url.as_str(),
        instance => instance,
    };
    let watch = target.watch().lock().unwrap_or_else(PoisonError::into_inner);
    let host = Host::new(&target.job, instance, Some(target.interval.as_secs_f64()), &watch);
    if recent.contains(instance) { host.with_recent(&watch) } else { host }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::exposition::Format;
    use crate::scrape_log::labels::Labels;
    use crate::vitals::Observation;
    use std::sync::Arc;
    use std::time::Duration;

    fn snapshot() -> Snapshot {
        let entry = |instance: &str| {
            let labels: Labels = [("instance", instance)].into_iter().collect();
            let times = (Duration::from_secs(15), Duration::from_secs(10));
            Arc::new(Entry::new("node".into(), "http://h/metrics".into(), labels.clone(), labels, times))
        };
        let (first, second) = (entry("a:9100"), entry("b & c"));
        let mut observation = Observation::default();
        observation.read("node_uname_info{nodename=\"<b>\"} 1\nnode_load1 0.5\n", Format::Text);
        first.watch().lock().unwrap().answered(1_000, &mut observation);
        Snapshot { active: vec![first, second], dropped: Vec::new() }
    }

    fn read(query: &str) -> Status {
        serde_json::from_slice(answer(&snapshot(), query, 5_000).body()).unwrap()
    }

    #[test]
    fn hosts_are_told_with_what_is_asked_for() {
        let status = read("");
        assert_eq!((status.time_milliseconds, status.hosts.len()), (5_000, 2));
        let [first, second] = &status.hosts[..] else { panic!("{status:?}") };
        assert_eq!((first.name.as_str(), first.vitals.load1), ("<b>", Some(0.5)));
        assert_eq!((second.name.as_str(), second.seen_milliseconds), ("b & c", None));
        assert!(first.recent.is_none() && first.interval_seconds == Some(15.0));
        let asked = read("recent=a:9100&other=1");
        let length = |host: &Host| host.recent.as_ref().map(|recent| recent.at_milliseconds.len());
        assert_eq!(asked.hosts.iter().map(length).collect::<Vec<_>>(), [Some(1), None]);
        assert_eq!(length(&read("recent=b+%26+c").hosts[1]), Some(0));
        assert_eq!(answer(&snapshot(), "recent=%zz", 0).status(), 400);
    }
}

//! `/api/v1/targets`: the targets as Prometheus' HTTP API gives them
//! (<https://prometheus.io/docs/prometheus/latest/querying/api/#targets>).

use std::collections::BTreeMap;

use hyper::{Response, StatusCode};
use jiff::Timestamp;
use serde::{Serialize, Serializer};

use crate::base::duration;
use crate::scrape_log::labels::Labels;
use crate::scrape_log::registry::{Dropped, Entry, Snapshot};
use crate::web::{answer, query};

/// What Go programs write for a time that is not there.
const NEVER: &str = "0001-01-01T00:00:00Z";

#[derive(Serialize)]
#[serde(tag = "status", rename_all = "lowercase")]
enum Answer<'a> {
    Success {
        data: Targets<'a>,
    },
    Error {
        #[serde(rename = "errorType")]
        error_type: &'static str,
        error: &'a str,
    },
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Targets<'a> {
    active_targets: Vec<ActiveTarget<'a>>,
    dropped_targets: Vec<DroppedTarget<'a>>,
    dropped_target_counts: BTreeMap<&'a str, usize>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct ActiveTarget<'a> {
    #[serde(serialize_with = "labels")]
    discovered_labels: &'a Labels,
    #[serde(serialize_with = "labels")]
    labels: &'a Labels,
    scrape_pool: &'a str,
    scrape_url: &'a str,
    global_url: String,
    last_error: String,
    /// RFC 3339.
    last_scrape: String,
    /// In seconds.
    last_scrape_duration: f64,
    health: &'static str,
    scrape_interval: String,
    scrape_timeout: String,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct DroppedTarget<'a> {
    #[serde(serialize_with = "labels")]
    discovered_labels: &'a Labels,
    scrape_pool: &'a str,
}

/// What a request asks for.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Selection {
    active: bool,
    dropped: bool,
    /// The name of a job; all of them if there is none.
    scrape_pool: Option<String>,
}

impl Selection {
    /// Reads `state` and `scrapePool`, the first of each; other parameters mean nothing. Prometheus gives no targets for
    /// a `state` that it does not know, which looks as if there were none.
    ///
    /// # Errors
    /// A sentence that says what is expected.
    pub(super) fn parse(query: &str) -> Result<Self, String> {
        let (mut state, mut scrape_pool) = (None, None);
        for pair in query::pairs(query) {
            match pair? {
                (name, value) if name == "state" => state = state.or(Some(value)),
                (name, value) if name == "scrapePool" => scrape_pool = scrape_pool.or(Some(value)),
                _ => {}
            }
        }
        let (active, dropped) = match state.unwrap_or_default().to_ascii_lowercase().as_str() {
            "" | "any" => (true, true),
            "active" => (true, false),
            "dropped" => (false, true),
            other => return Err(format!("unknown state {other:?}, expected active, dropped or any")),
        };
        Ok(Self { active, dropped, scrape_pool: scrape_pool.filter(|name| !name.is_empty()) })
    }

    fn has(&self, job: &str) -> bool {
        self.scrape_pool.as_ref().is_none_or(|name| name == job)
    }
}

/// The targets of `snapshot` that are asked for. `host` is the name of this machine.
pub(super) fn targets(snapshot: &Snapshot, selection: &Selection, host: &str) -> Response<bytes::Bytes> {
    let active = snapshot.active.iter().filter(|target| selection.active && selection.has(&target.job));
    let dropped = || snapshot.dropped.iter().filter(|target| selection.has(&target.job));
    let mut dropped_target_counts = BTreeMap::new();
    for target in dropped() {
        *dropped_target_counts.entry(target.job.as_str()).or_default() += 1;
    }
    let data = Targets {
        active_targets: active.map(|target| active_target(target, host)).collect(),
        dropped_targets: dropped().filter(|_| selection.dropped).map(dropped_target).collect(),
        dropped_target_counts,
    };
    answer(StatusCode::OK, &Answer::Success { data })
}

/// What is wrong with the parameters of a request.
pub(super) fn bad_data(error: &str) -> Response<bytes::Bytes> {
    answer(StatusCode::BAD_REQUEST, &Answer::Error { error_type: "bad_data", error })
}

/// `value` as JSON.
pub(super) fn answer(status: StatusCode, value: &impl Serialize) -> Response<bytes::Bytes> {
    let text = serde_json::to_vec(value).unwrap_or_else(|error| unreachable!("keys are text: {error}"));
    answer::json(status, text)
}

fn active_target<'a>(target: &'a Entry, host: &str) -> ActiveTarget<'a> {
    let state = target.state().clone();
    let last_scrape = state.last_scrape_milliseconds.and_then(|time| Timestamp::from_millisecond(time).ok());
    ActiveTarget {
        discovered_labels: &target.discovered_labels,
        labels: &target.labels,
        scrape_pool: &target.job,
        scrape_url: &target.url,
        global_url: global_url(&target.url, host),
        health: state.health(),
        last_error: state.last_error,
        last_scrape: last_scrape.map_or_else(|| NEVER.to_owned(), |time| time.to_string()),
        last_scrape_duration: state.last_scrape_duration.as_secs_f64(),
        scrape_interval: duration::format(target.interval),
        scrape_timeout: duration::format(target.timeout),
    }
}

fn dropped_target(target: &Dropped) -> DroppedTarget<'_> {
    DroppedTarget { discovered_labels: &target.discovered_labels, scrape_pool: &target.job }
}

/// A URL that other machines can use: an address of the loopback is replaced by this machine's name.
fn global_url(url: &str, host: &str) -> String {
    for loopback in ["localhost", "127.0.0.1", "[::1]"] {
        if let Some((scheme, rest)) = url.split_once("://")
            && let Some(rest) = rest.strip_prefix(loopback)
            && (rest.is_empty() || rest.starts_with([':', '/', '?']))
        {
            return format!("{scheme}://{host}{rest}");
        }
    }
    url.to_owned()
}

fn labels<S: Serializer>(labels: &Labels, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.collect_map(labels.iter())
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::{Value, json};
    use std::sync::Arc;
    use std::time::Duration;

    fn entry(job: &str, url: &str) -> Arc<Entry> {
        let labels = [("job", job), ("instance", "db\"01")].into_iter().collect();
        let discovered = [("__address__", "db01:9100")].into_iter().collect();
        let times = (Duration::from_secs(15), Duration::from_millis(1500));
        Arc::new(Entry::new(job.into(), url.into(), labels, discovered, times))
    }

    fn read(snapshot: &Snapshot, query: &str) -> Value {
        let response = targets(snapshot, &Selection::parse(query).unwrap(), "site1");
        serde_json::from_slice(response.body()).unwrap()
    }

    #[test]
    fn the_shape_is_prometheus() {
        let new = entry("new", "http://localhost:9100/metrics?a=b");
        let old = entry("old", "http://localhost.example:1/");
        {
            let mut state = old.state();
            state.up = Some(false);
            state.last_error = "connect to 10.0.0.1:1: connection refused".into();
            state.last_scrape_milliseconds = Some(1_795_226_400_123);
            state.last_scrape_duration = Duration::from_millis(250);
        }
        let dropped = Dropped { job: "old".into(), discovered_labels: Labels::default() };
        let snapshot = Snapshot { active: vec![new, old], dropped: vec![dropped] };
        let want = json!({"status": "success", "data": {
            "activeTargets": [{
                "discoveredLabels": {"__address__": "db01:9100"},
                "labels": {"instance": "db\"01", "job": "new"},
                "scrapePool": "new",
                "scrapeUrl": "http://localhost:9100/metrics?a=b",
                "globalUrl": "http://site1:9100/metrics?a=b",
                "lastError": "",
                "lastScrape": "0001-01-01T00:00:00Z",
                "lastScrapeDuration": 0.0,
                "health": "unknown",
                "scrapeInterval": "15s",
                "scrapeTimeout": "1s500ms",
            }, {
                "discoveredLabels": {"__address__": "db01:9100"},
                "labels": {"instance": "db\"01", "job": "old"},
                "scrapePool": "old",
                "scrapeUrl": "http://localhost.example:1/",
                "globalUrl": "http://localhost.example:1/",
                "lastError": "connect to 10.0.0.1:1: connection refused",
                "lastScrape": "2026-11-21T02:00:00.123Z",
                "lastScrapeDuration": 0.25,
                "health": "down",
                "scrapeInterval": "15s",
                "scrapeTimeout": "1s500ms",
            }],
            "droppedTargets": [{"discoveredLabels": {}, "scrapePool": "old"}],
            "droppedTargetCounts": {"old": 1},
        }});
        assert_eq!(read(&snapshot, ""), want);
        for (query, active, dropped) in [
            ("state=any", 2, 1),
            ("state=Active", 2, 0),
            ("state=dropped", 0, 1),
            ("scrapePool=old", 1, 1),
            ("scrapePool=new&state=active&x", 1, 0),
            ("scrapePool=ne", 0, 0),
        ] {
            let data = &read(&snapshot, query)["data"];
            let count = |name: &str| data[name].as_array().unwrap().len();
            assert_eq!((count("activeTargets"), count("droppedTargets")), (active, dropped), "{query}");
        }
    }

    #[test]
    fn wrong_parameters_are_named() {
        let problem = Selection::parse("state=up").unwrap_err();
        let response = bad_data(&problem);
        assert_eq!(response.status(), 400);
        let read: Value = serde_json::from_slice(response.body()).unwrap();
        assert_eq!((&read["status"], &read["errorType"]), (&json!("error"), &json!("bad_data")));
        assert!(read["error"].as_str().unwrap().contains("active, dropped or any"), "{read}");
        assert!(Selection::parse("state=%zz").is_err());
    }

    #[test]
    fn the_loopback_is_of_no_use_to_others() {
        for (url, want) in [
            ("http://127.0.0.1:9100/metrics", "http://site1:9100/metrics"),
            ("https://[::1]/metrics", "https://site1/metrics"),
            ("http://127.0.0.11:1/", "http://127.0.0.11:1/"),
            ("http://db01:9100/metrics", "http://db01:9100/metrics"),
        ] {
            assert_eq!(global_url(url, "site1"), want);
        }
    }
}

//! `/api/v1/vitals`: how this host is, as `vitals::status` describes it.
//!
//! The pages that it takes are gathered when somebody asks, so that it costs nothing when nobody does. The past is what
//! was asked for: rates are between two requests, and trends take as long as somebody watches.

use std::sync::{Mutex, PoisonError};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use crate::exposition::Format;
use crate::vitals::status::{Host, Status};
use crate::vitals::{Observation, Watch};

/// The collectors whose families `vitals` looks at.
pub(super) const COLLECTORS: [&str; 20] = [
    "conntrack",
    "cpu",
    "diskstats",
    "edac",
    "filefd",
    "filesystem",
    "hwmon",
    "kernel_hung",
    "loadavg",
    "mdadm",
    "meminfo",
    "netdev",
    "pressure",
    "stat",
    "time",
    "timex",
    "uname",
    "vitals",
    "vmstat",
    "watchdog",
];

/// Requests that come closer together are told the same.
const SHORTEST_INTERVAL: Duration = Duration::from_millis(900);

/// What is known of this host.
#[derive(Default)]
pub(super) struct Live(Mutex<State>);

#[derive(Default)]
struct State {
    observation: Observation,
    watch: Watch,
}

impl Live {
    /// Whether the last page is so young that it does for another request.
    pub(super) fn is_fresh(&self) -> bool {
        let state = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        state.watch.up() == Some(true)
            && state.watch.seen_milliseconds().is_some_and(|seen| {
                u128::try_from(now_milliseconds() - seen).is_ok_and(|age| age < SHORTEST_INTERVAL.as_millis())
            })
    }

    /// Takes a page in the text format, or why there is none.
    pub(super) fn take(&self, page: Result<&[u8], &str>) {
        let mut state = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let State { observation, watch } = &mut *state;
        match page {
            Ok(page) => {
                observation.read(&String::from_utf8_lossy(page), Format::Text);
                watch.answered(now_milliseconds(), observation);
            }
            Err(why) => watch.failed(now_milliseconds(), why),
        }
    }

    /// What is known now, and the last quarter of an hour too if that is asked for.
    pub(super) fn status(&self, with_recent: bool) -> Status {
        let state = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let watch = &state.watch;
        let host = Host::new("", watch.host_name().unwrap_or("localhost"), None, watch);
        let host = if with_recent { host.with_recent(watch) } else { host };
        Status { time_milliseconds: now_milliseconds(), hosts: vec![host] }
    }
}

fn now_milliseconds() -> i64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    i64::try_from(since.as_millis()).unwrap_or(i64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::collectors;
    use crate::exposition::{Line, Parser};
    use crate::vitals::Interest;

    #[test]
    fn all_collectors_that_matter_are_asked() {
        let known: Vec<&str> = collectors::COLLECTORS.iter().map(|spec| spec.name).collect();
        assert!(COLLECTORS.iter().all(|name| known.contains(name)));
        let golden = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/golden/server");
        let mut matter = Vec::new();
        for file in std::fs::read_dir(golden).unwrap() {
            let path = file.unwrap().path();
            let page = std::fs::read_to_string(&path).unwrap();
            let (mut parser, mut observation) = (Parser::new(&page, Format::Text), Observation::default());
            while let Some(line) = parser.next() {
                if let Line::Sample(sample) = line.unwrap()
                    && observation.see(&sample, 0) != Interest::Nothing
                {
                    matter.push(path.file_stem().unwrap().to_str().unwrap().to_owned());
                }
            }
        }
        matter.dedup();
        assert!(matter.len() > 10, "{matter:?}");
        for name in matter {
            assert!(COLLECTORS.contains(&name.as_str()), "{name} is not asked");
        }
    }

    #[test]
    fn a_request_right_after_another_costs_nothing() {
        let live = Live::default();
        assert!(!live.is_fresh());
        live.take(Ok(b"node_load1 0.5\n"));
        assert!(live.is_fresh());
        let status = live.status(true);
        assert_eq!(status.hosts[0].vitals.load1, Some(0.5));
        assert_eq!(status.hosts[0].recent.as_ref().unwrap().at_milliseconds.len(), 1);
        live.take(Err("a collector hangs"));
        assert!(!live.is_fresh() && live.status(false).hosts[0].problems[0].sentence.contains("hangs"));
    }
}

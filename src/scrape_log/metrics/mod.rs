//! What the recorder counts about itself: `scrape_log_*`.
//!
//! Nothing here has a label for a target: the samples files have `up` and its like for each, and a page that grows with
//! the number of targets would cost the most where there are the most of them. What the storage counts is asked for
//! when somebody looks, see [`StorageFigures`].

mod scrape;
mod storage;

pub use scrape::{ScrapeFigures, ScrapeResult};
pub use storage::{Figures, Files, RemovedFiles, StorageFigures};

use std::collections::BTreeMap;
use std::sync::{Mutex, PoisonError};
use std::time::{SystemTime, UNIX_EPOCH};

use prometheus::{
    Gauge, Histogram, HistogramOpts, IntCounter, IntCounterVec, IntGauge, Registry as Counters,
};

use super::registry::{Snapshot, State};
use crate::exposition::{Exposition, Kind};
use crate::telemetry::{self, Process};

const DURATION_BUCKETS: [f64; 12] = [0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0];
const LATENESS_BUCKETS: [f64; 12] = [0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 10.0];

/// The counters. All methods are cheap and may be called from any thread.
pub struct Metrics {
    counters: Counters,
    scrapes: [IntCounter; ScrapeResult::ALL.len()],
    stored_scrapes: IntCounter,
    unstored_scrapes: IntCounter,
    missed_scrapes: IntCounter,
    scraped_samples: IntCounter,
    stored_samples: IntCounter,
    page_bytes: IntCounter,
    durations: Histogram,
    lateness: Histogram,
    reload_successful: IntGauge,
    reload_time: Gauge,
    requests: IntCounterVec,
    process: Mutex<Process>,
}

impl Default for Metrics {
    fn default() -> Self {
        Self::new()
    }
}

impl Metrics {
    /// All at 0. The configuration that the program starts with counts as loaded now.
    pub fn new() -> Self {
        let counters = Counters::new();
        let by_result = telemetry::counters(
            &counters,
            "scrape_log_scrapes_total",
            "Scrapes that were begun and not abandoned for a stop, by how they ended.",
            &["result"],
        );
        let counter = |name, help| telemetry::registered(&counters, IntCounter::new(name, help));
        let histogram = |name, help, buckets: &[f64]| {
            let opts = HistogramOpts::new(name, help).buckets(buckets.to_vec());
            telemetry::registered(&counters, Histogram::with_opts(opts))
        };
        let metrics = Self {
            scrapes: ScrapeResult::ALL.map(|result| by_result.with_label_values(&[result.label()])),
            stored_scrapes: counter(
                "scrape_log_stored_scrapes_total",
                "Scrapes that are in the samples files, those of targets that are down included.",
            ),
            unstored_scrapes: counter(
                "scrape_log_unstored_scrapes_total",
                "Scrapes that could not be written into the samples files and are lost.",
            ),
            missed_scrapes: counter(
                "scrape_log_missed_scrapes_total",
                "Planned scrapes that were left out because the one before took too long.",
            ),
            scraped_samples: counter(
                "scrape_log_scraped_samples_total",
                "Samples on the pages of targets, before metric_relabel_configs.",
            ),
            stored_samples: counter(
                "scrape_log_stored_samples_total",
                "Samples written into the samples files, those about the scrapes themselves (up) included.",
            ),
            page_bytes: counter(
                "scrape_log_scraped_bytes_total",
                "Bytes of the pages of targets, without compression.",
            ),
            durations: histogram(
                "scrape_log_scrape_duration_seconds",
                "Time from the start of a scrape to the end of its page or its failure.",
                &DURATION_BUCKETS,
            ),
            lateness: histogram(
                "scrape_log_scrape_lateness_seconds",
                "Time from the planned start of a scrape to its start.",
                &LATENESS_BUCKETS,
            ),
            reload_successful: telemetry::registered(
                &counters,
                IntGauge::new(
                    "scrape_log_config_last_reload_successful",
                    "Whether the last attempt to load the configuration worked.",
                ),
            ),
            reload_time: telemetry::registered(
                &counters,
                Gauge::new(
                    "scrape_log_config_last_reload_success_timestamp_seconds",
                    "When the present configuration was loaded, in seconds since 1970.",
                ),
            ),
            requests: telemetry::counters(
                &counters,
                "scrape_log_http_requests_total",
                "HTTP requests answered, by status code and path; paths that do not exist count as other.",
                &["code", "path"],
            ),
            process: Mutex::new(Process::default()),
            counters,
        };
        metrics.note_reload(true);
        metrics
    }

    /// Counts a scrape, once it is stored or lost.
    pub fn note_scrape(&self, scrape: &ScrapeFigures) {
        let counter = ScrapeResult::ALL.iter().position(|result| *result == scrape.result);
        if let Some(counter) = counter.and_then(|index| self.scrapes.get(index)) {
            counter.inc();
        }
        match scrape.stored_samples {
            Some(samples) => {
                self.stored_scrapes.inc();
                self.stored_samples.inc_by(samples as u64);
            }
            None => self.unstored_scrapes.inc(),
        }
        self.missed_scrapes.inc_by(scrape.missed);
        self.scraped_samples.inc_by(scrape.scraped_samples as u64);
        self.page_bytes.inc_by(scrape.page_bytes as u64);
        self.durations.observe(scrape.duration.as_secs_f64());
        self.lateness.observe(scrape.lateness.as_secs_f64());
    }

    /// Notes that loading the configuration worked or failed just now.
    pub fn note_reload(&self, successful: bool) {
        self.reload_successful.set(successful.into());
        if successful {
            let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
            self.reload_time.set(now.as_secs_f64());
        }
    }

    pub(super) fn note_request(&self, code: &str, path: &str) {
        self.requests.with_label_values(&[code, path]).inc();
    }

    /// Appends all families. Reads files in `/proc`.
    pub(super) fn write(&self, targets: &Snapshot, storage: &StorageFigures, out: &mut Exposition) {
        let help = "A metric with a constant '1' value labeled by the version of scrape-log and what it was built for.";
        out.family("scrape_log_build_info", help, Kind::Gauge).sample(
            &[
                ("arch", std::env::consts::ARCH.as_bytes()),
                ("os", std::env::consts::OS.as_bytes()),
                ("version", env!("CARGO_PKG_VERSION").as_bytes()),
            ],
            1.0,
        );
        telemetry::write(&self.counters, out);
        write_targets(targets, out);
        storage::write(storage, out);
        self.process.lock().unwrap_or_else(PoisonError::into_inner).write(out);
    }
}

fn write_targets(targets: &Snapshot, out: &mut Exposition) {
    let mut by_job: BTreeMap<&str, BTreeMap<&str, u64>> = BTreeMap::new();
    for target in &targets.active {
        let zeroes = || State::HEALTH.map(|health| (health, 0)).into();
        *by_job.entry(&target.job).or_insert_with(zeroes).entry(target.state().health()).or_default() += 1;
    }
    let mut family =
        out.family("scrape_log_targets", "Targets by job and by how their last scrape went.", Kind::Gauge);
    for (job, counts) in by_job {
        for (health, count) in counts {
            let labels = [("health", health.as_bytes()), ("job", job.as_bytes())];
            family.sample(&labels, count as f64);
        }
    }
    let mut dropped: BTreeMap<&str, u64> = BTreeMap::new();
    for target in &targets.dropped {
        *dropped.entry(&target.job).or_default() += 1;
    }
    let help = "Targets that relabel_configs drop, by job.";
    let mut family = out.family("scrape_log_dropped_targets", help, Kind::Gauge);
    for (job, count) in dropped {
        family.sample(&[("job", job.as_bytes())], count as f64);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::exposition::Format;
    use crate::scrape_log::labels::Labels;
    use crate::scrape_log::registry::{Dropped, Entry};
    use crate::web::client::FetchError;
    use std::sync::Arc;
    use std::time::Duration;

    fn page(metrics: &Metrics, targets: &Snapshot, storage: &StorageFigures) -> String {
        let mut out = Exposition::new();
        metrics.write(targets, storage, &mut out);
        let mut page = Vec::new();
        out.render(Format::Text, &mut page);
        String::from_utf8(page).unwrap()
    }

    #[test]
    fn scrapes_are_counted() {
        let metrics = Metrics::new();
        let good = ScrapeFigures {
            result: ScrapeResult::Success,
            duration: Duration::from_millis(20),
            lateness: Duration::from_micros(400),
            missed: 0,
            page_bytes: 1000,
            scraped_samples: 10,
            stored_samples: Some(15),
        };
        metrics.note_scrape(&good);
        let error = FetchError::Short { received_bytes: 7 };
        metrics.note_scrape(&ScrapeFigures {
            result: (&error).into(),
            missed: 3,
            page_bytes: 0,
            scraped_samples: 0,
            stored_samples: None,
            ..good
        });
        let page = page(&metrics, &Snapshot::default(), &StorageFigures::default());
        for want in [
            "scrape_log_scrapes_total{result=\"success\"} 1\n",
            "scrape_log_scrapes_total{result=\"connection_error\"} 1\n",
            "scrape_log_scrapes_total{result=\"timeout\"} 0\n",
            "scrape_log_stored_scrapes_total 1\n",
            "scrape_log_unstored_scrapes_total 1\n",
            "scrape_log_missed_scrapes_total 3\n",
            "scrape_log_scraped_samples_total 10\n",
            "scrape_log_stored_samples_total 15\n",
            "scrape_log_scraped_bytes_total 1000\n",
            "scrape_log_scrape_duration_seconds_bucket{le=\"0.01\"} 0\n",
            "scrape_log_scrape_duration_seconds_bucket{le=\"0.025\"} 2\n",
            "scrape_log_scrape_duration_seconds_sum 0.04\n",
            "scrape_log_scrape_lateness_seconds_bucket{le=\"0.001\"} 2\n",
        ] {
            assert!(page.contains(want), "{want}{page}");
        }
    }

    #[test]
    fn a_failed_reload_keeps_the_time_of_the_last_good_one() {
        let metrics = Metrics::new();
        let read = |name: &str| {
            let page = page(&metrics, &Snapshot::default(), &StorageFigures::default());
            let line = page.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(' ')).unwrap();
            line.parse::<f64>().unwrap()
        };
        let time = read("scrape_log_config_last_reload_success_timestamp_seconds");
        assert_eq!(read("scrape_log_config_last_reload_successful"), 1.0);
        metrics.note_reload(false);
        assert_eq!(read("scrape_log_config_last_reload_successful"), 0.0);
        assert_eq!(read("scrape_log_config_last_reload_success_timestamp_seconds"), time);
        assert!(time > 1.7e9, "{time}");
    }

    #[test]
    fn targets_and_storage_are_as_they_are_at_the_moment() {
        let entry = |job: &str, up| {
            let times = (Duration::from_secs(15), Duration::from_secs(10));
            let entry =
                Entry::new(job.into(), "http://a:1/".into(), Labels::default(), Labels::default(), times);
            entry.state().up = up;
            Arc::new(entry)
        };
        let targets = Snapshot {
            active: vec![entry("a", Some(true)), entry("b", None), entry("a", Some(false)), entry("a", None)],
            dropped: vec![Dropped { job: "c".into(), discovered_labels: Labels::default() }],
        };
        let storage = StorageFigures {
            plain: Files { count: 3, bytes: 300 },
            free_bytes: Some(1 << 40),
            removed: RemovedFiles { retention_size: 2, ..RemovedFiles::default() },
            suspended: Some("min_free"),
            ..StorageFigures::default()
        };
        let with = page(&Metrics::new(), &targets, &storage);
        for want in [
            "scrape_log_targets{health=\"down\",job=\"a\"} 1\n",
            "scrape_log_targets{health=\"unknown\",job=\"a\"} 1\n",
            "scrape_log_targets{health=\"up\",job=\"a\"} 1\n",
            "scrape_log_targets{health=\"up\",job=\"b\"} 0\n",
            "scrape_log_dropped_targets{job=\"c\"} 1\n",
            "scrape_log_storage_bytes{state=\"plain\"} 300\n",
            "scrape_log_storage_removed_files_total{reason=\"retention_size\"} 2\n",
            "scrape_log_storage_suspended{reason=\"full\"} 0\n",
            "scrape_log_storage_suspended{reason=\"min_free\"} 1\n",
            "scrape_log_storage_free_bytes 1.099511627776e+12\n",
        ] {
            assert!(with.contains(want), "{want}{with}");
        }
        let without = page(&Metrics::new(), &targets, &StorageFigures::default());
        assert!(!without.contains("scrape_log_storage_free_bytes"), "not known is not 0");
    }
}

//! What the exporter counts about itself, held in a `prometheus` registry and written beside the host's families.

use std::sync::{Mutex, PoisonError};

use prometheus::proto::{MetricFamily, MetricType};
use prometheus::{IntCounterVec, IntGauge, Opts, Registry};

use super::process::Process;
use crate::exposition::{Exposition, Kind};

/// Counters and gauges of this process.
pub(super) struct SelfMetrics {
    registry: Registry,
    /// Answered scrapes by HTTP code.
    pub scrapes: IntCounterVec,
    /// Scrapes being answered.
    pub scrapes_in_flight: IntGauge,
    /// Scrapes that got no page, by cause.
    pub errors: IntCounterVec,
    /// All answered requests by code and path.
    pub requests: IntCounterVec,
    process: Option<Mutex<Process>>,
}

impl SelfMetrics {
    /// `with_process` is off under `--web.disable-exporter-metrics`.
    pub(super) fn new(with_process: bool) -> Self {
        let registry = Registry::new();
        let scrapes = counter(
            "promhttp_metric_handler_requests_total",
            "Total number of scrapes by HTTP status code.",
            &["code"],
        );
        let errors = counter(
            "promhttp_metric_handler_errors_total",
            "Total number of internal errors encountered by the promhttp metric handler.",
            &["cause"],
        );
        let requests = counter(
            "vitals_exporter_http_requests_total",
            "HTTP requests answered, by status code and path; paths that do not exist count as other.",
            &["code", "path"],
        );
        let opts = Opts::new(
            "promhttp_metric_handler_requests_in_flight",
            "Current number of scrapes being served.",
        );
        let scrapes_in_flight =
            IntGauge::with_opts(opts).unwrap_or_else(|error| unreachable!("constant: {error}"));
        for code in ["200", "500", "503"] {
            scrapes.with_label_values(&[code]);
        }
        for cause in ["encoding", "gathering"] {
            errors.with_label_values(&[cause]);
        }
        let members: [Box<dyn prometheus::core::Collector>; 4] = [
            Box::new(scrapes.clone()),
            Box::new(scrapes_in_flight.clone()),
            Box::new(errors.clone()),
            Box::new(requests.clone()),
        ];
        if with_process {
            for member in members {
                registry.register(member).unwrap_or_else(|error| unreachable!("names differ: {error}"));
            }
        }
        let process = with_process.then(|| Mutex::new(Process::new()));
        Self { registry, scrapes, scrapes_in_flight, errors, requests, process }
    }

    /// Appends all families.
    pub(super) fn write(&self, out: &mut Exposition) {
        out.family(
            "node_exporter_build_info",
            "A metric with a constant '1' value labeled by version, revision, branch and what the exporter was built \
             with and for.",
            Kind::Gauge,
        )
        .sample(
            &[
                ("branch", b""),
                ("goarch", std::env::consts::ARCH.as_bytes()),
                ("goos", std::env::consts::OS.as_bytes()),
                ("goversion", b""),
                ("revision", b""),
                ("tags", b"vitals-exporter"),
                ("version", env!("CARGO_PKG_VERSION").as_bytes()),
            ],
            1.0,
        );
        for family in self.registry.gather() {
            write_family(out, &family);
        }
        if let Some(process) = &self.process {
            process.lock().unwrap_or_else(PoisonError::into_inner).write(out);
        }
    }
}

fn counter(name: &str, help: &str, labels: &[&str]) -> IntCounterVec {
    IntCounterVec::new(Opts::new(name, help), labels)
        .unwrap_or_else(|error| unreachable!("constant: {error}"))
}

/// Counters and gauges only: the registry above holds nothing else.
fn write_family(out: &mut Exposition, family: &MetricFamily) {
    let kind = match family.get_field_type() {
        MetricType::COUNTER => Kind::Counter,
        MetricType::GAUGE => Kind::Gauge,
        _ => return,
    };
    let mut open = out.family(family.name(), family.help(), kind);
    for metric in family.get_metric() {
        let labels: Vec<(&str, &[u8])> =
            metric.get_label().iter().map(|label| (label.name(), label.value().as_bytes())).collect();
        let value = match kind {
            Kind::Counter => metric.get_counter().get_value(),
            _ => metric.get_gauge().get_value(),
        };
        open.sample(&labels, value);
    }
}

//! What the exporter counts about itself, held in a `prometheus` registry and written beside the host's families.

use std::sync::{Mutex, PoisonError};

use prometheus::{IntCounterVec, IntGauge, Opts, Registry};

use crate::exposition::{Exposition, Kind};
use crate::telemetry::{self, Process};

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
        let scrapes = telemetry::counters(
            &registry,
            "promhttp_metric_handler_requests_total",
            "Total number of scrapes by HTTP status code.",
            &["code"],
        );
        let errors = telemetry::counters(
            &registry,
            "promhttp_metric_handler_errors_total",
            "Total number of internal errors encountered by the promhttp metric handler.",
            &["cause"],
        );
        let requests = telemetry::counters(
            &registry,
            "vitals_exporter_http_requests_total",
            "HTTP requests answered, by status code and path; paths that do not exist count as other.",
            &["code", "path"],
        );
        let opts = Opts::new(
            "promhttp_metric_handler_requests_in_flight",
            "Current number of scrapes being served.",
        );
        let scrapes_in_flight = telemetry::registered(&registry, IntGauge::with_opts(opts));
        for code in ["200", "500", "503"] {
            scrapes.with_label_values(&[code]);
        }
        for cause in ["encoding", "gathering"] {
            errors.with_label_values(&[cause]);
        }
        let process = with_process.then(|| Mutex::new(Process::default()));
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
        if let Some(process) = &self.process {
            telemetry::write(&self.registry, out);
            process.lock().unwrap_or_else(PoisonError::into_inner).write(out);
        }
    }
}

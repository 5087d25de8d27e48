//! An entry of `scrape_configs`.

use std::time::Duration;

use super::fields::Fields;
use super::yaml::{At, Node, Position, Value};
use super::{DEFAULT_PATH, Job, Limits, discovery, http, rules};

/// What jobs have that do not say otherwise: the section `global`.
#[derive(Clone, Copy, Debug)]
pub(super) struct Defaults {
    pub(super) interval: Duration,
    pub(super) timeout: Duration,
    pub(super) limits: Limits,
}

/// Keys about how a page is read that make no difference here, in `global` and in a job.
pub(super) const PASSED_OVER: [&str; 14] = [
    "scrape_protocols",
    "fallback_scrape_protocol",
    "scrape_native_histograms",
    "scrape_classic_histograms",
    "always_scrape_classic_histograms",
    "convert_classic_histograms_to_nhcb",
    "native_histogram_bucket_limit",
    "native_histogram_min_bucket_factor",
    "metric_name_validation_scheme",
    "metric_name_escaping_scheme",
    "scrape_failure_log_file",
    "keep_dropped_targets",
    "extra_scrape_metrics",
    "track_timestamps_staleness",
];

/// A job and where its name stands. `None` if it has none; that is reported.
pub(super) fn read(mut fields: Fields<'_>, defaults: &Defaults) -> Option<(At<String>, Job)> {
    let name = fields.text("job_name").filter(|name| !name.value.is_empty());
    if name.is_none() {
        fields.problem(fields.at, "a scrape configuration needs a job_name");
    }
    let interval = fields.duration("scrape_interval");
    let timeout = fields.duration("scrape_timeout");
    let (interval, timeout) = times(&fields, interval, timeout, defaults);
    let path = fields.text("metrics_path").map(|path| path.value).filter(|path| !path.is_empty());
    let scheme = scheme(&mut fields);
    let params = params(&mut fields);
    let honor_labels = fields.flag("honor_labels").is_some_and(|flag| flag.value);
    if let Some(At { at, value: true }) = fields.flag("honor_timestamps") {
        let message =
            "honor_timestamps: every sample gets the time of its scrape, timestamps in pages do not count";
        fields.report().warning(Some(at), message);
    }
    fields.pass_over(&PASSED_OVER);
    let mut http = http::read(&mut fields);
    if let Some(compression) = fields.flag("enable_compression") {
        http.compression = compression.value;
    }
    let limits = limits(&mut fields, &defaults.limits);
    let relabel_is_given = fields.has_entries("relabel_configs");
    let relabel = rules::read(&mut fields, "relabel_configs");
    let metric_relabel = rules::read(&mut fields, "metric_relabel_configs");
    let discoveries = discovery::read(&mut fields, !relabel_is_given);
    fields.finish();
    let name = name?;
    let job = Job {
        name: name.value.clone(),
        interval,
        timeout,
        path: path.unwrap_or_else(|| DEFAULT_PATH.to_owned()),
        scheme,
        params,
        honor_labels,
        http,
        discoveries,
        relabel,
        metric_relabel,
        limits,
    };
    Some((name, job))
}

/// The interval and the timeout. A timeout that is not the job's own is shortened to the interval.
pub(super) fn times(
    fields: &Fields<'_>,
    interval: Option<At<Duration>>,
    timeout: Option<At<Duration>>,
    defaults: &Defaults,
) -> (Duration, Duration) {
    let interval = interval.map_or(defaults.interval, |interval| interval.value);
    let Some(timeout) = timeout else {
        return (interval, defaults.timeout.min(interval));
    };
    if timeout.value > interval {
        let message = format!(
            "scrape_timeout {:?} is longer than the scrape_interval {interval:?}, so that scrapes would overlap: \
             expected a timeout of at most the interval",
            timeout.value
        );
        fields.problem(timeout.at, message);
    }
    (interval, timeout.value)
}

/// Takes the limits out of `fields`.
pub(super) fn limits(fields: &mut Fields<'_>, defaults: &Limits) -> Limits {
    Limits {
        body_size_bytes: fields.size_limit("body_size_limit").or(defaults.body_size_bytes),
        samples: fields.limit("sample_limit").or(defaults.samples),
        labels: fields.limit("label_limit").or(defaults.labels),
        label_name_length: fields.limit("label_name_length_limit").or(defaults.label_name_length),
        label_value_length: fields.limit("label_value_length_limit").or(defaults.label_value_length),
        targets: fields.limit("target_limit").or(defaults.targets),
    }
}

fn scheme(fields: &mut Fields<'_>) -> String {
    let scheme = fields.text("scheme").filter(|scheme| !scheme.value.is_empty());
    let Some(At { at, value }) = scheme else {
        return "http".to_owned();
    };
    if value != "http" && value != "https" {
        fields.problem(at, format!("the scheme {value:?} is not known, expected http or https"));
    }
    value
}

fn params(fields: &mut Fields<'_>) -> Vec<(String, Vec<String>)> {
    let mut params: Vec<(String, Vec<String>)> = Vec::new();
    for (name, Node { at, value }) in fields.map("params") {
        let list = match value {
            Value::List(list) => list,
            Value::Null => Vec::new(),
            other => {
                not_a_list(fields, at, &name.value, &other);
                continue;
            }
        };
        let values = list.into_iter().filter_map(|node| fields.entry_text("params", node));
        params.push((name.value, values.map(|value| value.value).collect()));
    }
    params.sort();
    params
}

fn not_a_list(fields: &Fields<'_>, at: Position, name: &str, value: &Value) {
    let message = format!("the values of the parameter {name:?} have to be a list, found {}", value.name());
    fields.problem(at, message);
}

//! What a program here says about itself: the counters of its `prometheus` registry and its process.

mod process;

use prometheus::core::Collector;
use prometheus::proto::{Metric, MetricFamily, MetricType};
use prometheus::{IntCounterVec, Opts, Registry};

pub use process::Process;

use crate::exposition::{Exposition, Kind};

/// Registers a collector of constant names that no other one has, and gives it back.
///
/// # Panics
/// When it does not hold.
pub fn registered<C: Collector + Clone + 'static>(
    registry: &Registry,
    collector: prometheus::Result<C>,
) -> C {
    let register = |collector: C| registry.register(Box::new(collector.clone())).map(|()| collector);
    collector.and_then(register).unwrap_or_else(|error| unreachable!("names are constants: {error}"))
}

/// A family of counters, registered.
///
/// # Panics
/// As [`registered`].
pub fn counters(registry: &Registry, name: &str, help: &str, labels: &[&str]) -> IntCounterVec {
    registered(registry, IntCounterVec::new(Opts::new(name, help), labels))
}

/// Appends what is registered. Summaries are left out: nothing here has any.
pub fn write(registry: &Registry, out: &mut Exposition) {
    for family in registry.gather() {
        match family.get_field_type() {
            MetricType::COUNTER => {
                write_plain(out, &family, Kind::Counter, |metric| metric.get_counter().get_value());
            }
            MetricType::GAUGE => {
                write_plain(out, &family, Kind::Gauge, |metric| metric.get_gauge().get_value());
            }
            MetricType::HISTOGRAM => write_histogram(out, &family),
            _ => {}
        }
    }
}

fn write_plain(out: &mut Exposition, family: &MetricFamily, kind: Kind, value: impl Fn(&Metric) -> f64) {
    let mut open = out.family(family.name(), family.help(), kind);
    for metric in family.get_metric() {
        open.sample(&labels(metric), value(metric));
    }
}

fn write_histogram(out: &mut Exposition, family: &MetricFamily) {
    let mut open = out.family(family.name(), family.help(), Kind::Histogram);
    for metric in family.get_metric() {
        let (labels, histogram) = (labels(metric), metric.get_histogram());
        let buckets = histogram.get_bucket().iter().filter(|bucket| bucket.upper_bound().is_finite());
        let counts = buckets.map(|bucket| (bucket.upper_bound().to_string(), bucket.cumulative_count()));
        for (bound, count) in counts.chain([("+Inf".to_owned(), histogram.get_sample_count())]) {
            let mut labels = labels.clone();
            let at = labels.partition_point(|(name, _)| *name < "le");
            labels.insert(at, ("le", bound.as_bytes()));
            open.sample_with_suffix("_bucket", &labels, count as f64);
        }
        open.sample_with_suffix("_sum", &labels, histogram.get_sample_sum());
        open.sample_with_suffix("_count", &labels, histogram.get_sample_count() as f64);
    }
}

fn labels(metric: &Metric) -> Vec<(&str, &[u8])> {
    metric.get_label().iter().map(|label| (label.name(), label.value().as_bytes())).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::exposition::Format;
    use prometheus::{HistogramOpts, HistogramVec};

    #[test]
    fn histograms_are_written_as_the_format_asks() {
        let registry = Registry::new();
        let opts = HistogramOpts::new("wait_seconds", "Waiting.").buckets(vec![0.5, 2.0]);
        let waits = registered(&registry, HistogramVec::new(opts, &["zone"]));
        let zone = waits.with_label_values(&["a"]);
        for seconds in [0.25, 1.0, 4.0] {
            zone.observe(seconds);
        }
        counters(&registry, "calls_total", "Calls.", &[]).with_label_values::<&str>(&[]).inc();
        let mut out = Exposition::new();
        write(&registry, &mut out);
        let mut page = Vec::new();
        out.render(Format::Text, &mut page);
        let want = "# HELP calls_total Calls.\n# TYPE calls_total counter\ncalls_total 1\n\
                    # HELP wait_seconds Waiting.\n# TYPE wait_seconds histogram\n\
                    wait_seconds_bucket{le=\"0.5\",zone=\"a\"} 1\n\
                    wait_seconds_bucket{le=\"2\",zone=\"a\"} 2\n\
                    wait_seconds_bucket{le=\"+Inf\",zone=\"a\"} 3\n\
                    wait_seconds_sum{zone=\"a\"} 5.25\n\
                    wait_seconds_count{zone=\"a\"} 3\n";
        assert_eq!(String::from_utf8(page).unwrap(), want);
    }
}

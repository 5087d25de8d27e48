//! All collectors that are switched on, run one after another.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use super::{BuildError, CollectError, Collector, Context, Settings, Spec};
use crate::exposition::{Exposition, Kind};

/// The collectors of one exporter.
pub struct CollectorSet {
    members: Vec<Member>,
    context: Context,
    running: Running,
}

/// Tells other threads which collector is at work, so that one that hangs can be named.
#[derive(Clone, Debug, Default)]
pub struct Running(Arc<Mutex<Option<&'static str>>>);

impl Running {
    /// The name of the collector at work.
    pub fn name(&self) -> Option<&'static str> {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn set(&self, name: Option<&'static str>) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = name;
    }
}

struct Member {
    name: &'static str,
    collector: Box<dyn Collector>,
    /// The last error, so that the log tells changes only.
    complaint: Option<String>,
}

struct Outcome {
    member: usize,
    duration: Duration,
    success: bool,
}

impl CollectorSet {
    /// Makes those of `specs` that `enabled` says yes to; they run in that order.
    ///
    /// # Errors
    /// The first collector that refuses its flags.
    pub fn build(
        specs: &[&Spec],
        settings: &Settings,
        enabled: impl Fn(&str) -> bool,
    ) -> Result<Self, BuildError> {
        let specs: Vec<_> = specs.iter().filter(|spec| enabled(spec.name)).collect();
        let settings = settings.for_set(specs.iter().map(|spec| spec.name));
        let members = specs
            .iter()
            .map(|spec| Ok(Member { name: spec.name, collector: (spec.build)(&settings)?, complaint: None }))
            .collect::<Result<_, BuildError>>()?;
        Ok(Self { members, context: Context::new(&settings), running: Running::default() })
    }

    /// The names of the collectors, in the order of the table.
    pub fn names(&self) -> impl Iterator<Item = &'static str> {
        self.members.iter().map(|member| member.name)
    }

    /// Which collector is at work, for other threads.
    pub fn running(&self) -> Running {
        self.running.clone()
    }

    /// Runs the collectors that `selected` says yes to and writes how long each took and whether it succeeded.
    /// A collector that panics is a failed one; what it wrote is taken back.
    pub fn gather(&mut self, selected: impl Fn(&str) -> bool, deadline: Instant, out: &mut Exposition) {
        self.context.begin(deadline);
        let mut outcomes = Vec::with_capacity(self.members.len());
        let chosen = |member: &Member| selected(member.name);
        for member in self.members.iter_mut().filter(|member| chosen(member)) {
            // A collector that panics here does so again below, or has nothing to show for it.
            drop(catch_unwind(AssertUnwindSafe(|| member.collector.prepare())));
        }
        for (index, member) in self.members.iter_mut().enumerate().filter(|(_, member)| chosen(member)) {
            self.running.set(Some(member.name));
            let (start, mark) = (Instant::now(), out.mark());
            let context = &mut self.context;
            let result = catch_unwind(AssertUnwindSafe(|| member.collector.collect(context, out)))
                .unwrap_or_else(|_| {
                    out.rollback(mark);
                    Err(CollectError::Other("the collector panicked, please report this".into()))
                });
            outcomes.push(Outcome { member: index, duration: start.elapsed(), success: result.is_ok() });
            member.report(result.err());
        }
        self.running.set(None);
        let labels = |outcome: &Outcome| [("collector", self.members[outcome.member].name.as_bytes())];
        let mut family = out.family(
            "node_scrape_collector_duration_seconds",
            "Duration of a collector scrape.",
            Kind::Gauge,
        );
        for outcome in &outcomes {
            family.sample(&labels(outcome), outcome.duration.as_secs_f64());
        }
        let mut family =
            out.family("node_scrape_collector_success", "Whether a collector succeeded.", Kind::Gauge);
        for outcome in &outcomes {
            family.sample(&labels(outcome), f64::from(outcome.success));
        }
    }
}

impl Member {
    /// Logs an error when it is new, and its end.
    fn report(&mut self, error: Option<CollectError>) {
        let complaint = error.as_ref().map(ToString::to_string);
        if complaint == self.complaint {
            return;
        }
        match (&error, &complaint) {
            (Some(CollectError::NoData(_)), Some(text)) => {
                tracing::debug!(collector = self.name, reason = text, "collector has no data");
            }
            (_, Some(text)) => tracing::warn!(collector = self.name, error = text, "collector failed"),
            (_, None) => tracing::info!(collector = self.name, "collector works again"),
        }
        self.complaint = complaint;
    }
}

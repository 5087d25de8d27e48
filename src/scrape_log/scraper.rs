//! The task of one target: wait, fetch, hand over to the recording thread, again.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use tokio::sync::{Semaphore, oneshot, watch};

use super::budget::Budget;
use super::config::Job;
use super::health::{Failure, Health};
use super::lines::{SYNTHETIC_SAMPLES, Scrape, Summary, Workspace};
use super::metrics::{Metrics, ScrapeFigures, ScrapeResult};
use super::pages::Pages;
use super::recorder::{Moment, Recorded, Recorder};
use super::recording::Recording;
use super::registry::{Entry, Registry};
use super::schedule::{Schedule, Stamp, Stamps, Tick, wall_milliseconds};
use super::store::Storage;
use super::targets::Target;
use crate::base::shutdown::Shutdown;
use crate::exposition::Format;
use crate::web::client::{Client, Page, Prepared};

/// One large page at a time is in the queue to the recording thread; the others wait outside. So a usual page waits for
/// one large page at most, however many targets have any.
static LARGE_PAGES: Semaphore = Semaphore::const_new(1);
const LARGE_PAGE_BYTES: usize = 1 << 20;

/// What all tasks share.
pub(super) struct Shared {
    pub(super) storage: Arc<Storage>,
    pub(super) registry: Arc<Registry>,
    pub(super) metrics: Arc<Metrics>,
    pub(super) budget: Arc<Budget>,
    pub(super) pages: Pages,
    pub(super) recording: Recording,
}

/// What a task has to do. All but the target's labels and URL may change while it runs.
#[derive(Debug)]
pub(super) struct Assignment {
    pub(super) target: Target,
    /// The settings of its job, without discoveries.
    pub(super) job: Arc<Job>,
    pub(super) client: Arc<Prepared>,
    pub(super) entry: Arc<Entry>,
    /// Why each scrape fails without being tried.
    pub(super) refused: Option<Arc<str>>,
    /// No other target shares the machine.
    pub(super) alone: bool,
}

/// Why a task stopped waiting for its next scrape.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Waited {
    Due,
    NewInterval,
    Stop,
}

/// What is written about one target: its files, and its lines in the log. Only the recording thread uses it.
struct Ledger {
    recorder: Recorder,
    health: Health,
}

/// A scrape on its way to the recording thread.
struct Fetched {
    page: Page,
    format: Format,
    failure: Option<Failure>,
    stamp: Stamp,
    tick: Tick,
    started: Instant,
    duration: Duration,
}

/// Scrapes a target, one scrape at a time, then closes its files. It goes by what `assigned` says at the start of each
/// scrape. When its sender is dropped the scrape under way is still recorded; at `shutdown` it is abandoned.
pub(super) async fn run(
    mut assigned: watch::Receiver<Arc<Assignment>>,
    shared: Arc<Shared>,
    mut shutdown: Shutdown,
) {
    let mut present = Arc::clone(&assigned.borrow_and_update());
    let target = &present.target;
    let mut schedule = Schedule::new(target.identity(), target.interval(), present.alone);
    let mut stamps = Stamps::default();
    let ledger = Arc::new(Mutex::new(Ledger {
        recorder: Recorder::new(target, &present.job, &shared.storage),
        health: Health::new(target.url().to_owned(), target.interval(), Arc::clone(&shared.budget)),
    }));
    let under_way = Arc::new(Semaphore::new(1));
    let mut client = client(&present);
    loop {
        let tick = schedule.next(Instant::now(), wall_milliseconds());
        let waited = wait(&tick, &mut assigned, present.target.interval(), &mut shutdown).await;
        if waited == Waited::Stop {
            break;
        }
        let next = Arc::clone(&assigned.borrow_and_update());
        if !Arc::ptr_eq(&present.client, &next.client) {
            client = self::client(&next);
        }
        if present.target.interval() != next.target.interval() {
            let unused = (waited == Waited::NewInterval).then_some(tick);
            schedule.set_interval(next.target.interval(), unused);
        }
        if !change(&shared, &ledger, &present, &next).await {
            return;
        }
        present = next;
        if waited == Waited::NewInterval {
            continue;
        }

        // At most one scrape of a target is on its way, so that no more can be lost.
        let last_is_recorded = tokio::select! {
            () = shutdown.requested() => break,
            permit = Arc::clone(&under_way).acquire_owned() => permit,
        };
        let started = Instant::now();
        let stamp = stamps.next(started, wall_milliseconds(), tick.planned_milliseconds);
        let mut page = shared.pages.take();
        let fetched = match &present.refused {
            Some(reason) => Err(Failure::Refused(reason.to_string())),
            None => tokio::select! {
                () = shutdown.requested() => break,
                fetched = client.fetch(present.target.timeout(), &mut page, page_format) => fetched.map_err(Failure::Fetch),
            },
        };
        let duration = started.elapsed();
        let (format, failure) = match fetched {
            Ok(format) => (format, None),
            Err(failure) => {
                page = Page::default();
                (Format::Text, Some(failure))
            }
        };
        let fetched = Fetched { page, format, failure, stamp, tick, started, duration };
        let given = async {
            let turn =
                if fetched.page.len() > LARGE_PAGE_BYTES { LARGE_PAGES.acquire().await.ok() } else { None };
            let (ledger, entry, on_thread) =
                (Arc::clone(&ledger), Arc::clone(&present.entry), Arc::clone(&shared));
            let job = move |workspace: &mut Workspace| {
                lock(&ledger).record(workspace, fetched, &entry, &on_thread);
                drop((turn, last_is_recorded));
            };
            shared.recording.give(job).await
        };
        tokio::select! {
            () = shutdown.requested() => break,
            given = given => if !given { return },
        }
    }
    let (done, closed) = oneshot::channel::<()>();
    let job = move |_: &mut Workspace| {
        lock(&ledger).recorder.close();
        drop(done);
    };
    if shared.recording.give(job).await {
        // Nothing is sent: it is over when the sender is gone.
        closed.await.ok();
    }
}

/// Has the recording go on by what is new. Says whether there is still a thread to do it.
async fn change(
    shared: &Shared,
    ledger: &Arc<Mutex<Ledger>>,
    old: &Assignment,
    new: &Arc<Assignment>,
) -> bool {
    if Arc::ptr_eq(&old.job, &new.job) && old.target.interval() == new.target.interval() {
        return true;
    }
    let is_new_interval = old.target.interval() != new.target.interval();
    let (ledger, new, storage) = (Arc::clone(ledger), Arc::clone(new), Arc::clone(&shared.storage));
    let job = move |_: &mut Workspace| {
        let mut ledger = lock(&ledger);
        let Assignment { target, job, .. } = &*new;
        if is_new_interval {
            // The head of a samples file says the interval.
            ledger.health.set_interval(target.interval());
            ledger.recorder.close();
            ledger.recorder = Recorder::new(target, job, &storage);
        } else {
            ledger.recorder.set_job(target, job);
        }
    };
    shared.recording.give(job).await
}

/// A panic under the lock has ended the thread that uses it, and with it the program.
fn lock(ledger: &Mutex<Ledger>) -> MutexGuard<'_, Ledger> {
    ledger.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Ledger {
    fn record(&mut self, workspace: &mut Workspace, fetched: Fetched, entry: &Entry, shared: &Shared) {
        let Fetched { page, format, failure, stamp, tick, started, duration } = fetched;
        let error = failure.as_ref().map(ToString::to_string);
        let scrape = Scrape {
            timestamp_milliseconds: stamp.milliseconds,
            duration,
            page: match &error {
                None => Ok((&page, format)),
                Some(error) => Err(error),
            },
        };
        let moment = Moment { clock_went_back: stamp.clock_went_back, missed: tick.missed };
        let Recorded { summary, stored } = self.recorder.record(workspace, &scrape, moment, entry.watch());
        shared.metrics.note_scrape(&ScrapeFigures {
            result: result(failure.as_ref(), &summary),
            duration,
            lateness: started.saturating_duration_since(tick.due),
            missed: tick.missed,
            page_bytes: page.len(),
            scraped_samples: summary.scraped,
            stored_samples: stored.then_some(summary.written + SYNTHETIC_SAMPLES),
        });
        shared.pages.give_back(page);
        note(entry, &summary, &tick, (stamp.milliseconds, duration));
        self.health.note(started, failure, &summary, tick.missed);
    }
}

/// Waits until the tick is due.
async fn wait(
    tick: &Tick,
    assigned: &mut watch::Receiver<Arc<Assignment>>,
    interval: Duration,
    shutdown: &mut Shutdown,
) -> Waited {
    let sleep = tokio::time::sleep(tick.delay);
    tokio::pin!(sleep);
    loop {
        tokio::select! {
            biased;
            () = shutdown.requested() => return Waited::Stop,
            changed = assigned.changed() => match changed {
                Err(_) => return Waited::Stop,
                Ok(()) if assigned.borrow().target.interval() != interval => return Waited::NewInterval,
                // The rest of what is new is for the scrape that is waited for.
                Ok(()) => {}
            },
            () = &mut sleep => return Waited::Due,
        }
    }
}

fn note(entry: &Entry, summary: &Summary, tick: &Tick, (milliseconds, duration): (i64, Duration)) {
    let mut state = entry.state();
    state.up = Some(summary.error.is_none());
    state.last_error = summary.error.clone().unwrap_or_default();
    state.last_scrape_milliseconds = Some(milliseconds);
    state.last_scrape_duration = duration;
    state.samples = summary.scraped;
    state.missed_scrapes += tick.missed;
}

/// How a scrape ended, for the metrics.
fn result(failure: Option<&Failure>, summary: &Summary) -> ScrapeResult {
    match (failure, &summary.error) {
        (Some(Failure::Fetch(error)), _) => error.into(),
        (Some(Failure::Refused(_)), _) => ScrapeResult::LimitExceeded,
        (None, Some(_)) if summary.is_beyond_limit => ScrapeResult::LimitExceeded,
        (None, Some(_)) => ScrapeResult::BadPage,
        (None, None) => ScrapeResult::Success,
    }
}

fn client(assignment: &Assignment) -> Client {
    Client::new(assignment.target.endpoint().clone(), Arc::clone(&assignment.client))
}

/// The format of a page by its `Content-Type`. A page without one is taken for the text format.
fn page_format(content_type: Option<&str>) -> Result<Format, String> {
    let Some(content_type) = content_type else { return Ok(Format::Text) };
    let mut parts = content_type.split(';').map(str::trim);
    let media_type = parts.next().unwrap_or_default().to_ascii_lowercase();
    match media_type.as_str() {
        "text/plain" | "" => Ok(Format::Text),
        "application/openmetrics-text" => Ok(Format::OpenMetrics),
        other => {
            let shown: String = other.chars().take(100).collect();
            Err(format!("the page is {shown:?}, expected metrics as text/plain"))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::scrape_log::ask;

    fn assignment(job: Job) -> Arc<Assignment> {
        let times = (job.interval, job.timeout);
        let discovered = [("__address__", "db01:9100")].into_iter().collect();
        let target = Target::discovered(&job, discovered).unwrap().unwrap();
        let client = Arc::new(ask::prepare(&job).unwrap());
        let labels = target.labels().clone();
        let entry = Entry::new(job.name.clone(), target.url().to_owned(), labels.clone(), labels, times);
        Arc::new(Assignment {
            target,
            job: Arc::new(job),
            client,
            entry: Arc::new(entry),
            refused: None,
            alone: false,
        })
    }

    #[tokio::test(start_paused = true)]
    async fn only_another_interval_or_the_end_cut_a_wait_short() {
        const SECOND: Duration = Duration::from_secs(1);
        let job = |interval, timeout| Job::new("node".to_owned(), interval, timeout);
        let present = job(15 * SECOND, 10 * SECOND);
        let tick = Tick { delay: 9 * SECOND, planned_milliseconds: 0, due: Instant::now(), missed: 0 };
        let mut limited = present.clone();
        limited.limits.samples = Some(1);
        for (next, want, after) in [
            (Some(present.clone()), Waited::Due, 9),
            (Some(limited), Waited::Due, 9),
            (Some(job(15 * SECOND, 5 * SECOND)), Waited::Due, 9),
            (Some(job(20 * SECOND, 10 * SECOND)), Waited::NewInterval, 4),
            (None, Waited::Stop, 4),
        ] {
            let (sender, mut assigned) = watch::channel(assignment(present.clone()));
            let (_trigger, mut shutdown) = Shutdown::new();
            let start = tokio::time::Instant::now();
            let change = async move {
                tokio::time::sleep(4 * SECOND).await;
                let Some(next) = next else { return drop(sender) };
                sender.send_replace(assignment(next));
                tokio::time::sleep(60 * SECOND).await;
            };
            let waited = tokio::select! {
                waited = wait(&tick, &mut assigned, 15 * SECOND, &mut shutdown) => waited,
                () = async { change.await; std::future::pending().await } => unreachable!(),
            };
            assert_eq!((waited, start.elapsed().as_secs()), (want, after));
        }
    }

    #[test]
    fn formats_by_content_type() {
        for (header, want) in [
            (None, Ok(Format::Text)),
            (Some("text/plain"), Ok(Format::Text)),
            (Some("Text/Plain; version=0.0.4; charset=utf-8"), Ok(Format::Text)),
            (Some("application/openmetrics-text; version=1.0.0"), Ok(Format::OpenMetrics)),
        ] {
            assert_eq!(page_format(header), want, "{header:?}");
        }
        for header in ["text/html", "application/json", "application/vnd.google.protobuf"] {
            assert!(page_format(Some(header)).unwrap_err().contains(header));
        }
    }
}

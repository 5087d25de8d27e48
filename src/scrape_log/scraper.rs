//! The task of one target: wait, fetch, hand over to a blocking thread, again.

use std::sync::Arc;
use std::time::{Duration, Instant};

use tokio::sync::{Semaphore, watch};
use tokio::task::{JoinError, spawn_blocking};

use super::budget::Budget;
use super::config::Job;
use super::health::{Failure, Health};
use super::lines::{SYNTHETIC_SAMPLES, Scrape, Summary};
use super::metrics::{Metrics, ScrapeFigures, ScrapeResult};
use super::pages::Pages;
use super::recorder::{Moment, Recorded, Recorder};
use super::registry::{Entry, Registry};
use super::schedule::{Schedule, Stamps, Tick, wall_milliseconds};
use super::store::Storage;
use super::target::Target;
use crate::base::shutdown::Shutdown;
use crate::exposition::Format;
use crate::web::client::{Client, Page, Prepared};

/// Large pages are recorded one after another: their lines take several times the memory of the page, and hostile
/// targets may be many. How long each holds the others up is for this machine to say, not for a peer.
static LARGE_PAGES: Semaphore = Semaphore::const_new(1);
const LARGE_PAGE_BYTES: usize = 1 << 20;
/// Scrapes that are recorded at the same time. Each has a thread, and most of them wait for the disk; past a stall of
/// the machine thousands would be due at once.
static RECORDINGS: Semaphore = Semaphore::const_new(16);
/// Targets whose files are closed at the same time. At the end there is little time for all of them.
static CLOSINGS: Semaphore = Semaphore::const_new(64);

/// What all tasks share.
pub(super) struct Shared {
    pub(super) storage: Arc<Storage>,
    pub(super) registry: Arc<Registry>,
    pub(super) metrics: Arc<Metrics>,
    pub(super) budget: Arc<Budget>,
    pub(super) pages: Pages,
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

/// Scrapes a target, one scrape at a time, then closes its files. It goes by what `assigned` says at the start of each
/// scrape. When its sender is dropped the scrape under way is still recorded; at `shutdown` it is abandoned.
///
/// # Errors
/// When the thread that writes panicked, which is a mistake in this program.
pub(super) async fn run(
    mut assigned: watch::Receiver<Arc<Assignment>>,
    shared: Arc<Shared>,
    mut shutdown: Shutdown,
) -> Result<(), JoinError> {
    let mut present = Arc::clone(&assigned.borrow_and_update());
    let target = &present.target;
    let mut schedule = Schedule::new(target.identity(), target.interval(), present.alone);
    let mut stamps = Stamps::default();
    let mut health = Health::new(target.url().to_owned(), target.interval(), Arc::clone(&shared.budget));
    let mut recorder = Recorder::new(target, &present.job, &shared.storage);
    let mut client = client(&present);
    loop {
        let tick = schedule.next(Instant::now(), wall_milliseconds());
        let due = match wait(&tick, &mut assigned, present.target.interval(), &mut shutdown).await {
            Waited::Due => true,
            Waited::NewInterval => false,
            Waited::Stop => break,
        };
        let next = Arc::clone(&assigned.borrow_and_update());
        if !Arc::ptr_eq(&present.client, &next.client) {
            client = self::client(&next);
        }
        if present.target.interval() != next.target.interval() {
            schedule.set_interval(next.target.interval(), (!due).then_some(tick));
            // The head of a samples file says the interval.
            health.set_interval(next.target.interval());
            close(recorder).await?;
            recorder = Recorder::new(&next.target, &next.job, &shared.storage);
        } else if !Arc::ptr_eq(&present.job, &next.job) {
            recorder.set_job(&next.target, &next.job);
        }
        present = next;
        if !due {
            continue;
        }

        let started = Instant::now();
        let stamp = stamps.next(started, wall_milliseconds(), tick.planned_milliseconds);
        let moment = Moment { started, clock_went_back: stamp.clock_went_back, missed: tick.missed };
        let mut page = shared.pages.take();
        let fetched = match &present.refused {
            Some(reason) => Err(Failure::Refused(reason.to_string())),
            None => tokio::select! {
                () = shutdown.requested() => break,
                fetched = client.fetch(present.target.timeout(), &mut page, page_format) => fetched.map_err(Failure::Fetch),
            },
        };
        let duration = started.elapsed();
        let error = fetched.as_ref().err().map(ToString::to_string);
        let (format, failure) = match fetched {
            Ok(format) => (format, None),
            Err(failure) => {
                page = Page::default();
                (Format::Text, Some(failure))
            }
        };
        let turns = async {
            let large = if page.len() > LARGE_PAGE_BYTES { LARGE_PAGES.acquire().await.ok() } else { None };
            (large, RECORDINGS.acquire().await.ok())
        };
        let turns = tokio::select! {
            () = shutdown.requested() => break,
            turns = turns => turns,
        };
        // Reading the page and writing its lines would hold up the other targets, were it done here.
        let recorded;
        (recorder, page, recorded) = spawn_blocking(move || {
            let scrape = Scrape {
                timestamp_milliseconds: stamp.milliseconds,
                duration,
                page: match &error {
                    None => Ok((&page, format)),
                    Some(error) => Err(error),
                },
            };
            let recorded = recorder.record(&scrape, moment);
            drop(turns);
            (recorder, page, recorded)
        })
        .await?;
        let Recorded { summary, stored } = recorded;
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
        note(&present.entry, &summary, &tick, (stamp.milliseconds, duration));
        health.note(started, failure, &summary, tick.missed);
    }
    close(recorder).await
}

async fn close(mut recorder: Recorder) -> Result<(), JoinError> {
    let turn = CLOSINGS.acquire().await.ok();
    spawn_blocking(move || {
        recorder.close();
        drop(turn);
    })
    .await
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

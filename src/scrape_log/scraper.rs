//! The task of one target: wait, fetch, hand over to a blocking thread, again.

use std::sync::Arc;
use std::time::Instant;

use tokio::sync::Semaphore;
use tokio::task::{JoinError, spawn_blocking};

use super::health::Health;
use super::lines::{KEPT_BUFFER_BYTES, Scrape, release};
use super::recorder::{Moment, Recorder};
use super::schedule::{Schedule, Stamps, wall_milliseconds};
use super::store::Disk;
use super::{Config, Target};
use crate::base::shutdown::Shutdown;
use crate::exposition::Format;
use crate::web::client::{Client, HttpSettings, Limits, Settings};

/// How exporters are asked. OpenMetrics is not asked for: it changes the names of series, and with them what the files
/// hold.
pub(super) fn settings() -> Settings {
    Settings {
        accept: "text/plain;version=0.0.4;q=1,*/*;q=0.1",
        user_agent: concat!("scrape-log/", env!("CARGO_PKG_VERSION")),
        deadline_header: Some("x-prometheus-scrape-timeout-seconds"),
        limits: Limits::DEFAULT,
        http: HttpSettings::default(),
    }
}

/// Large pages are recorded one after another: their lines take several times the memory of the page, and hostile
/// targets may be many. How long each holds the others up is for this machine to say, not for a peer.
static LARGE_PAGES: Semaphore = Semaphore::const_new(1);

/// Scrapes `target` until `shutdown`, one scrape at a time, then closes its files.
///
/// # Errors
/// When the thread that writes panicked, which is a mistake in this program.
pub(super) async fn run(
    target: Target,
    mut client: Client,
    config: Arc<Config>,
    disk: Arc<dyn Disk>,
    mut shutdown: Shutdown,
) -> Result<(), JoinError> {
    let url = target.endpoint().to_string();
    let mut schedule = Schedule::new(&url, config.interval, config.targets.len() == 1);
    let mut stamps = Stamps::default();
    let mut health = Health::new(url, config.interval);
    let mut recorder = Recorder::new(&target, &config, &disk);
    let mut page = Vec::new();
    loop {
        let tick = schedule.next(Instant::now(), wall_milliseconds());
        tokio::select! {
            () = shutdown.requested() => break,
            () = tokio::time::sleep(tick.delay) => {}
        }
        let started = Instant::now();
        let stamp = stamps.next(started, wall_milliseconds(), tick.planned_milliseconds);
        let moment = Moment { started, clock_went_back: stamp.clock_went_back, missed: tick.missed };
        let fetched = tokio::select! {
            () = shutdown.requested() => break,
            fetched = client.fetch(config.timeout, &mut page, page_format) => fetched,
        };
        let duration = started.elapsed();
        let error = fetched.as_ref().err().map(ToString::to_string);
        let (format, fetch_error) = match fetched {
            Ok(format) => (format, None),
            Err(error) => {
                page.clear();
                release(&mut page);
                (Format::Text, Some(error))
            }
        };
        let turn = if page.len() > KEPT_BUFFER_BYTES {
            tokio::select! {
                () = shutdown.requested() => break,
                turn = LARGE_PAGES.acquire() => turn.ok(),
            }
        } else {
            None
        };
        // Reading the page and writing its lines would hold up the other targets, were it done here.
        let summary;
        (recorder, page, summary) = spawn_blocking(move || {
            let scrape = Scrape {
                timestamp_milliseconds: stamp.milliseconds,
                duration,
                page: match &error {
                    None => Ok((&page, format)),
                    Some(error) => Err(error),
                },
            };
            let summary = recorder.record(&scrape, moment);
            page.clear();
            release(&mut page);
            drop(turn);
            (recorder, page, summary)
        })
        .await?;
        health.note(started, fetch_error, &summary, tick.missed);
    }
    spawn_blocking(move || recorder.close()).await
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

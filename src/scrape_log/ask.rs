//! How the targets of a job are asked: the client's settings, read and checked when the configuration is.

use std::sync::Arc;
use std::time::Duration;

use super::config::{Config, Discovery, Job, MAX_LIST_BYTES};
use crate::web::client::{HttpSettings, Limits, Prepared, Settings, SetupError};

const USER_AGENT: &str = concat!("scrape-log/", env!("CARGO_PKG_VERSION"));

/// A job whose client is ready.
#[derive(Debug)]
pub(super) struct ReadyJob {
    pub(super) job: Job,
    pub(super) client: Arc<Prepared>,
}

/// Readies all jobs. Reads the files that their settings name.
///
/// # Errors
/// A sentence that names the job, the key, and what is wrong with the file.
pub(super) fn ready(config: Config) -> Result<Vec<ReadyJob>, String> {
    config.jobs.into_iter().map(ReadyJob::new).collect()
}

impl ReadyJob {
    /// Reads the files that the settings of the job name.
    ///
    /// # Errors
    /// As [`ready`].
    pub(super) fn new(job: Job) -> Result<Self, String> {
        let wrong = |error: SetupError| format!("job {:?}: {error}", job.name);
        let client = Arc::new(prepare(&job).map_err(wrong)?);
        for discovery in &job.discoveries {
            if let Discovery::Http { http, refresh_interval, .. } = discovery {
                Prepared::new(&list_settings(http, *refresh_interval)).map_err(wrong)?;
            }
        }
        Ok(Self { job, client })
    }
}

/// What the clients of a job's targets share.
///
/// # Errors
/// When a file of its settings can't be used.
pub(super) fn prepare(job: &Job) -> Result<Prepared, SetupError> {
    let body_bytes = job.limits.body_size_bytes.unwrap_or(Limits::DEFAULT.body_bytes);
    Prepared::new(&Settings {
        // OpenMetrics is not asked for: it changes the names of series, and with them what the files hold.
        accept: "text/plain;version=0.0.4;q=1,*/*;q=0.1",
        user_agent: USER_AGENT,
        deadline_header: Some("x-prometheus-scrape-timeout-seconds"),
        more_headers: Vec::new(),
        limits: Limits { body_bytes, ..Limits::DEFAULT },
        http: job.http.clone(),
    })
}

/// Whether targets of both jobs are asked in the same way.
pub(super) fn is_alike(one: &Job, other: &Job) -> bool {
    one.http == other.http && one.limits.body_size_bytes == other.limits.body_size_bytes
}

/// How the state of hosts is asked for.
pub(super) fn status_settings(http: &HttpSettings) -> Settings {
    Settings {
        accept: "application/json",
        user_agent: USER_AGENT,
        deadline_header: None,
        more_headers: Vec::new(),
        // It is one long line.
        limits: Limits { body_bytes: MAX_LIST_BYTES, line_bytes: None, ..Limits::DEFAULT },
        http: http.clone(),
    }
}

/// Refuses an answer that is not JSON.
pub(super) fn expect_json(content_type: Option<&str>) -> Result<(), String> {
    let media_type = content_type.unwrap_or_default().split(';').next().unwrap_or_default();
    if media_type.trim().eq_ignore_ascii_case("application/json") {
        return Ok(());
    }
    let shown: String = content_type.unwrap_or("without Content-Type").chars().take(100).collect();
    Err(format!("the answer is {shown}, expected application/json"))
}

/// How a list of targets is asked for.
pub(super) fn list_settings(http: &HttpSettings, refresh_interval: Duration) -> Settings {
    Settings {
        accept: "application/json",
        user_agent: USER_AGENT,
        deadline_header: None,
        more_headers: vec![(
            "x-prometheus-refresh-interval-seconds",
            refresh_interval.as_secs_f64().to_string(),
        )],
        // A list is often one long line.
        limits: Limits { body_bytes: MAX_LIST_BYTES, line_bytes: None, ..Limits::DEFAULT },
        http: http.clone(),
    }
}

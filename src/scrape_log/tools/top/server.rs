//! The hosts as a running program tells them.

use std::sync::mpsc::{Receiver, channel};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

use super::picture::{News, Picture, Row, Source, Step, When, now_milliseconds};
use crate::scrape_log::ask;
use crate::vitals::status::Status;
use crate::web::client::{Client, Endpoint, HttpSettings, Page, Prepared};
use crate::web::query;

const PATH: &str = "/api/v1/vitals";
/// What an answer may take.
const DEADLINE: Duration = Duration::from_secs(10);

/// Asks a server again and again.
pub(super) struct Server {
    name: String,
    told: Receiver<Result<Status, String>>,
    /// Whose last quarter of an hour is wanted.
    wanted: Arc<Mutex<Option<String>>>,
    /// The last answer, and when it came.
    last: Option<(Instant, Status)>,
    trouble: Option<String>,
}

impl Server {
    /// Begins to ask, at each `interval`.
    ///
    /// # Errors
    /// A sentence that says what is wrong with the URL.
    pub(super) fn start(endpoint: Endpoint, interval: Duration) -> Result<Self, String> {
        let name = match endpoint.path_and_query() {
            "/" | PATH => format!("{}://{}", endpoint.scheme().as_str(), endpoint.authority()),
            path => {
                return Err(format!("--url has the path {path:?}: leave it out, {PATH} is asked for"));
            }
        };
        let settings = ask::status_settings(&HttpSettings::default());
        let prepared = Arc::new(Prepared::new(&settings).map_err(|error| error.to_string())?);
        let wanted: Arc<Mutex<Option<String>>> = Arc::default();
        let (tell, told) = channel();
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
        let runtime = runtime.map_err(|error| error.to_string())?;
        let (base, recent) = (name.clone(), Arc::clone(&wanted));
        thread::spawn(move || {
            runtime.block_on(async {
                let mut asking: Option<(String, Client)> = None;
                loop {
                    let url = url(&base, recent.lock().unwrap_or_else(PoisonError::into_inner).as_deref());
                    // The connection stays as long as the same is asked for.
                    if asking.as_ref().is_none_or(|(known, _)| *known != url) {
                        let client =
                            Endpoint::parse(&url).map(|place| Client::new(place, Arc::clone(&prepared)));
                        asking = client.ok().map(|client| (url, client));
                    }
                    let answer = match &mut asking {
                        Some((_, client)) => fetch(client).await,
                        None => Err("the address can't be asked".to_owned()),
                    };
                    if tell.send(answer).is_err() {
                        return;
                    }
                    tokio::time::sleep(interval).await;
                }
            });
        });
        Ok(Self { name, told, wanted, last: None, trouble: None })
    }
}

fn url(base: &str, recent: Option<&str>) -> String {
    recent.map_or_else(
        || format!("{base}{PATH}"),
        |instance| format!("{base}{PATH}?recent={}", query::encode(instance)),
    )
}

async fn fetch(client: &mut Client) -> Result<Status, String> {
    let mut page = Page::default();
    let fetched = client.fetch(DEADLINE, &mut page, ask::expect_json).await;
    fetched.map_err(|error| error.to_string())?;
    serde_json::from_slice(&page).map_err(|error| format!("the answer is not that of {PATH}: {error}"))
}

impl Source for Server {
    fn name(&self) -> &str {
        &self.name
    }

    fn has_past(&self) -> bool {
        false
    }

    fn news(&mut self) -> News {
        let mut changed = false;
        while let Ok(answer) = self.told.try_recv() {
            changed = true;
            match answer {
                Ok(status) => {
                    self.last = Some((Instant::now(), status));
                    self.trouble = None;
                }
                Err(trouble) => self.trouble = Some(trouble),
            }
        }
        News { changed, stepped: None }
    }

    fn picture(&mut self, _: When, chosen: Option<&str>) -> Picture {
        let Some((came, status)) = &self.last else {
            let trouble = self.trouble.clone();
            return Picture {
                time: now_milliseconds(),
                is_live: true,
                is_loading: true,
                trouble,
                ..Picture::default()
            };
        };
        // By its clock, which need not be ours. Without further answers all gets old.
        let age = i64::try_from(came.elapsed().as_millis()).unwrap_or(i64::MAX);
        let rows: Vec<Row> = status
            .hosts
            .iter()
            .map(|host| Row::new(format!("{}\n{}", host.job, host.instance), host.clone()))
            .collect();
        let wanted = rows.iter().find(|row| Some(row.key.as_str()) == chosen);
        let wanted = wanted.map(|row| row.host.instance.clone());
        *self.wanted.lock().unwrap_or_else(PoisonError::into_inner) = wanted;
        Picture {
            time: status.time_milliseconds.saturating_add(age),
            is_live: true,
            rows,
            absent: 0,
            is_loading: false,
            trouble: self.trouble.clone(),
            is_end: false,
        }
    }

    fn step(&mut self, _: &str, _: When, _: i32) -> Step {
        Step::End
    }
}

//! What is served:
//!
//! | path | methods | answer |
//! |---|---|---|
//! | `/` | GET, HEAD | [`live`]: how the hosts are, for people |
//! | `/targets` | GET, HEAD | the targets, for people |
//! | `/api/v1/targets` | GET, HEAD | the targets, as Prometheus gives them; `state`, `scrapePool` |
//! | `/api/v1/vitals` | GET, HEAD | how the hosts are, as [`crate::vitals::status`] describes it; `recent` |
//! | `/metrics` | GET, HEAD | what the recorder counts about itself |
//! | `/-/healthy` | GET, HEAD | 200 while the program runs |
//! | `/-/ready` | GET, HEAD | 200 once recording has begun, 503 before |
//! | `/-/reload` | POST, PUT | loads the configuration again; 403 without `--web.enable-lifecycle` |
//!
//! Any other path is 404, any other method 405. A link or an image on a page elsewhere makes a browser send GET, which
//! changes nothing here.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::{Duration, Instant};

use bytes::Bytes;
use hyper::http::request::Parts;
use hyper::{Method, Response, StatusCode};
use tokio::sync::{Semaphore, oneshot};
use tokio::task::spawn_blocking;
use tokio::time::timeout;

use super::api::{self, Selection};
use super::{Shared, page, vitals};
use crate::exposition::Exposition;
use crate::scrape_log::schedule::wall_milliseconds;
use crate::web::answer::{self, plain};
use crate::web::live::{self, Page};
use crate::web::negotiate;
use crate::web::server::Handler;

const PATHS: [&str; 8] =
    ["/", "/targets", "/api/v1/targets", "/api/v1/vitals", "/metrics", "/-/healthy", "/-/ready", "/-/reload"];
/// How long a reload may take, which reads files and compares targets.
const RELOAD_TIME: Duration = Duration::from_secs(60);

/// The handler of all requests.
#[derive(Clone)]
pub(super) struct Routes(Arc<Inner>);

struct Inner {
    shared: Shared,
    /// The name of this machine.
    host: String,
    live_page: Bytes,
    /// Pages are made one after another: the threads they are made on are those that write scrapes, and a disk that
    /// hangs while it is asked for its free space must not take them all.
    page_turn: Arc<Semaphore>,
}

impl Routes {
    pub(super) fn new(shared: Shared) -> Self {
        let host = rustix::system::uname().nodename().to_string_lossy().into_owned();
        let links = [("Targets", "targets"), ("Metrics", "metrics"), ("JSON", "api/v1/vitals")];
        let live_page = Page { program: "scrape-log", host: &host, links: &links, foot: "" }.render().into();
        Self(Arc::new(Inner { shared, host, live_page, page_turn: Arc::new(Semaphore::new(1)) }))
    }
}

impl Handler for Routes {
    async fn handle(&self, request: Parts, peer: SocketAddr) -> Response<Bytes> {
        let start = Instant::now();
        // One name for all that do not exist, so that peers can't make up labels.
        let path = PATHS.into_iter().find(|path| *path == request.uri.path()).unwrap_or("other");
        let (method, uri) = (request.method.clone(), request.uri.clone());
        let response = match (path, &method) {
            ("/-/reload", &Method::POST | &Method::PUT) => self.0.reload().await,
            ("/-/reload", _) => answer::not_allowed("POST, PUT"),
            (_, &Method::GET | &Method::HEAD) => self.get(path, request).await,
            _ => answer::not_allowed("GET, HEAD"),
        };
        let status = response.status();
        self.0.shared.metrics.note_request(status.as_str(), path);
        tracing::debug!(
            %peer,
            %method,
            path = uri.path(),
            query = uri.query().unwrap_or(""),
            status = status.as_u16(),
            bytes = response.body().len(),
            duration_seconds = start.elapsed().as_secs_f64(),
            "request"
        );
        response
    }
}

impl Routes {
    async fn get(&self, path: &str, request: Parts) -> Response<Bytes> {
        match path {
            "/" => answer::compressed(answer::html(self.0.live_page.clone(), live::POLICY), &request.headers),
            "/targets" => self.page(request, |inner, _| inner.targets_page()).await,
            "/api/v1/targets" => self.page(request, Inner::targets_api).await,
            "/api/v1/vitals" => self.page(request, Inner::vitals_api).await,
            "/metrics" => self.page(request, Inner::metrics).await,
            "/-/healthy" => plain(StatusCode::OK, "scrape-log is healthy.\n"),
            "/-/ready" if self.0.shared.readiness.has_begun() => {
                plain(StatusCode::OK, "scrape-log is ready.\n")
            }
            "/-/ready" => {
                plain(StatusCode::SERVICE_UNAVAILABLE, "scrape-log is not ready: recording has not begun.\n")
            }
            _ => plain(StatusCode::NOT_FOUND, "404 page not found\n"),
        }
    }

    /// Makes a page on another thread: it takes a while where there are many targets.
    async fn page(
        &self,
        request: Parts,
        make: impl FnOnce(&Inner, &Parts) -> Response<Bytes> + Send + 'static,
    ) -> Response<Bytes> {
        let inner = Arc::clone(&self.0);
        let limit = negotiate::time_to_answer(&request.headers);
        let making = async {
            let turn = Arc::clone(&inner.page_turn).acquire_owned().await;
            spawn_blocking(move || {
                let page = answer::compressed(make(&inner, &request), &request.headers);
                drop(turn);
                page
            })
            .await
        };
        match timeout(limit, making).await {
            Ok(Ok(page)) => page,
            Ok(Err(error)) => {
                tracing::error!(%error, "a page can't be made, please report this");
                plain(StatusCode::INTERNAL_SERVER_ERROR, "The page can't be made, see the log.\n")
            }
            Err(_) => plain(
                StatusCode::SERVICE_UNAVAILABLE,
                format!("The page was not made within {limit:?}: the disk of --storage.path may hang.\n"),
            ),
        }
    }
}

impl Inner {
    fn targets_page(&self) -> Response<Bytes> {
        let (targets, storage) = (self.shared.registry.snapshot(), (self.shared.storage)());
        answer::html(page::targets(&targets, &storage, &self.host, wall_milliseconds()), page::POLICY)
    }

    fn targets_api(&self, request: &Parts) -> Response<Bytes> {
        match Selection::parse(request.uri.query().unwrap_or("")) {
            Ok(selection) => api::targets(&self.shared.registry.snapshot(), &selection, &self.host),
            Err(problem) => api::bad_data(&problem),
        }
    }

    fn vitals_api(&self, request: &Parts) -> Response<Bytes> {
        let query = request.uri.query().unwrap_or("");
        vitals::answer(&self.shared.registry.snapshot(), query, wall_milliseconds())
    }

    fn metrics(&self, request: &Parts) -> Response<Bytes> {
        let (mut out, mut page) = (Exposition::new(), Vec::new());
        self.shared.metrics.write(&self.shared.registry.snapshot(), &(self.shared.storage)(), &mut out);
        let format = negotiate::format(&request.headers);
        out.render(format, &mut page);
        answer::metrics(format, page)
    }

    async fn reload(&self) -> Response<Bytes> {
        let Some(reload) = &self.shared.reload else {
            let text = "Lifecycle API is not enabled: start scrape-log with --web.enable-lifecycle.\n";
            return plain(StatusCode::FORBIDDEN, text);
        };
        let (done, outcome) = oneshot::channel();
        let asked = async {
            reload.send(done).await.ok()?;
            outcome.await.ok()
        };
        let failed = |problem: &str| {
            let text = format!("The configuration was not reloaded: {problem}\n");
            plain(StatusCode::INTERNAL_SERVER_ERROR, text)
        };
        match timeout(RELOAD_TIME, asked).await {
            Ok(Some(Ok(()))) => plain(StatusCode::OK, "The configuration was reloaded.\n"),
            Ok(Some(Err(problem))) => failed(&problem),
            Ok(None) => failed("scrape-log is stopping"),
            Err(_) => failed(&format!("not done after {RELOAD_TIME:?}, see the log for its end")),
        }
    }
}

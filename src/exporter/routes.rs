//! What is served:
//!
//! | path | methods | answer |
//! |---|---|---|
//! | `/metrics` (`--web.telemetry-path`) | GET, HEAD | the page of metrics; `collect[]`, `exclude[]` |
//! | `/` | GET, HEAD | [`web::live`]: how the host is, for people, unless the metrics are there |
//! | `/api/v1/vitals` | GET, HEAD | how the host is, as [`crate::vitals::status`] describes it; `recent` |
//! | `/-/healthy` | GET, HEAD | 200 while the program runs |
//! | `/-/ready` | GET, HEAD | 200 once scrapes are answered, which is from the first moment on |
//!
//! Any other path is 404, any other method 405.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Instant;

use bytes::Bytes;
use hyper::http::request::Parts;
use hyper::{Method, Response, StatusCode};

use super::gather::{Gatherer, PageKey};
use super::live::{self, Live};
use super::self_metrics::SelfMetrics;
use super::{Config, pages, query};
use crate::exposition::Format;
use crate::web::answer::{self, plain};
use crate::web::server::Handler;
use crate::web::{self, negotiate};

/// The path of how the host is.
const VITALS: &str = "/api/v1/vitals";

/// The handler of all requests.
#[derive(Clone)]
pub(super) struct Routes(Arc<Inner>);

struct Inner {
    telemetry_path: String,
    max_requests: usize,
    landing_page: Bytes,
    gatherer: Gatherer,
    live: Live,
    metrics: Arc<SelfMetrics>,
}

impl Routes {
    pub(super) fn new(config: &Config, gatherer: Gatherer, metrics: Arc<SelfMetrics>) -> Self {
        let landing_page = pages::landing(&config.telemetry_path, gatherer.names()).into();
        Self(Arc::new(Inner {
            telemetry_path: config.telemetry_path.clone(),
            max_requests: config.max_requests,
            landing_page,
            gatherer,
            live: Live::default(),
            metrics,
        }))
    }
}

impl Handler for Routes {
    async fn handle(&self, request: Parts, peer: SocketAddr) -> Response<Bytes> {
        let start = Instant::now();
        let inner = &*self.0;
        let route = inner.route(request.uri.path());
        let response = match request.method {
            Method::GET | Method::HEAD => inner.answer(route, &request).await,
            _ => answer::not_allowed("GET, HEAD"),
        };
        let status = response.status();
        inner.metrics.requests.with_label_values(&[status.as_str(), route]).inc();
        tracing::debug!(
            %peer,
            method = %request.method,
            path = request.uri.path(),
            query = request.uri.query().unwrap_or(""),
            status = status.as_u16(),
            bytes = response.body().len(),
            duration_seconds = start.elapsed().as_secs_f64(),
            "request"
        );
        response
    }
}

impl Inner {
    /// The path if it is one of those above, `other` if not, so that peers can't make up labels.
    fn route<'a>(&'a self, path: &str) -> &'a str {
        let routes = [&self.telemetry_path, "/", VITALS, "/-/healthy", "/-/ready"];
        routes.into_iter().find(|route| *route == path).unwrap_or("other")
    }

    async fn answer(&self, route: &str, request: &Parts) -> Response<Bytes> {
        if route == self.telemetry_path {
            return self.scrape(request).await;
        }
        match route {
            "/" => {
                let page = answer::html(self.landing_page.clone(), web::live::POLICY);
                answer::compressed(page, &request.headers)
            }
            VITALS => answer::compressed(self.vitals(request).await, &request.headers),
            "/-/healthy" => plain(StatusCode::OK, "vitals-exporter is healthy.\n"),
            "/-/ready" => plain(StatusCode::OK, "vitals-exporter is ready.\n"),
            _ => plain(StatusCode::NOT_FOUND, "404 page not found\n"),
        }
    }

    async fn scrape(&self, request: &Parts) -> Response<Bytes> {
        let in_flight = InFlight::enter(&self.metrics);
        let response = match self.max_requests {
            limit if limit > 0 && in_flight.count() > limit => plain(
                StatusCode::SERVICE_UNAVAILABLE,
                format!("Limit of concurrent requests reached ({limit}), try again later.\n"),
            ),
            _ => self.page(request).await,
        };
        self.metrics.scrapes.with_label_values(&[response.status().as_str()]).inc();
        response
    }

    async fn vitals(&self, request: &Parts) -> Response<Bytes> {
        let wanted: Result<Vec<_>, _> = web::query::pairs(request.uri.query().unwrap_or("")).collect();
        let with_recent = match wanted {
            Ok(pairs) => pairs.iter().any(|(name, _)| name == "recent"),
            Err(problem) => return plain(StatusCode::BAD_REQUEST, format!("{problem}\n")),
        };
        if !self.live.is_fresh() {
            let names = self.gatherer.names().iter().copied().filter(|name| live::COLLECTORS.contains(name));
            let key = PageKey { collectors: Some(names.collect()), format: Format::Text, gzip: false };
            match self.gatherer.page(key, negotiate::time_to_answer(&request.headers)).await {
                Ok(page) => self.live.take(Ok(&page)),
                Err(error) => self.live.take(Err(&error.to_string())),
            }
        }
        let status = serde_json::to_vec(&self.live.status(with_recent));
        answer::json(StatusCode::OK, status.unwrap_or_else(|error| unreachable!("keys are text: {error}")))
    }

    async fn page(&self, request: &Parts) -> Response<Bytes> {
        let collectors = match query::select(request.uri.query().unwrap_or(""), self.gatherer.names()) {
            Ok(collectors) => collectors,
            Err(problem) => return plain(StatusCode::BAD_REQUEST, problem),
        };
        let key = PageKey {
            collectors,
            format: negotiate::format(&request.headers),
            gzip: negotiate::accepts_gzip(&request.headers),
        };
        let (format, gzip) = (key.format, key.gzip);
        match self.gatherer.page(key, negotiate::time_to_answer(&request.headers)).await {
            Ok(page) => {
                let mut response = answer::metrics(format, page);
                if gzip {
                    answer::mark_gzip(&mut response);
                }
                response
            }
            Err(error) => {
                self.metrics.errors.with_label_values(&["gathering"]).inc();
                plain(StatusCode::SERVICE_UNAVAILABLE, format!("{error}\n"))
            }
        }
    }
}

/// Counts one scrape in flight for as long as it lives.
struct InFlight<'a>(&'a SelfMetrics);

impl<'a> InFlight<'a> {
    fn enter(metrics: &'a SelfMetrics) -> Self {
        metrics.scrapes_in_flight.inc();
        Self(metrics)
    }

    fn count(&self) -> usize {
        usize::try_from(self.0.scrapes_in_flight.get()).unwrap_or(0)
    }
}

impl Drop for InFlight<'_> {
    fn drop(&mut self) {
        self.0.scrapes_in_flight.dec();
    }
}

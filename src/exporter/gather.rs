//! One gather at a time, shared by all scrapes that ask for the same page.
//!
//! Collectors run on one thread of their own, one after another: parallel reads of sysfs have hung kernels. A
//! scrape that comes while its page is being made, or waits to be made, joins in. The page is rendered to bytes
//! on that thread too, so that a slow reader holds nothing but bytes.

use std::collections::{BTreeSet, HashMap};
use std::io;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, mpsc};
use std::time::{Duration, Instant};

use bytes::Bytes;
use tokio::sync::watch;

use super::self_metrics::SelfMetrics;
use crate::collectors::{CollectorSet, Running};
use crate::exposition::{Exposition, Format};
use crate::web::gzip::Gzip;

/// What distinguishes one page from another.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(super) struct PageKey {
    /// The collectors to run; `None` for all that are switched on.
    pub collectors: Option<BTreeSet<&'static str>>,
    pub format: Format,
    pub gzip: bool,
}

/// Why there is no page.
#[derive(Debug, thiserror::Error)]
pub(super) enum GatherError {
    /// A collector is still at work at the scrape's deadline.
    #[error(
        "The metrics were not gathered within {}s: the collector {collector} waits for the kernel. \
         --no-collector.{collector} would leave it out.",
        timeout.as_secs_f64()
    )]
    Deadline { timeout: Duration, collector: &'static str },
    /// The gathering thread has ended, which it does only by a fault of this program.
    #[error("The gathering thread is gone; restart the exporter and please report this.")]
    Gone,
}

/// Makes pages on its own thread.
pub(super) struct Gatherer {
    jobs: mpsc::Sender<Job>,
    pages: Arc<Pages>,
    names: Vec<&'static str>,
    running: Running,
}

struct Job {
    key: PageKey,
    deadline: Instant,
    done: watch::Sender<Option<Bytes>>,
}

/// The pages that are being made or wait to be.
#[derive(Default)]
struct Pages(Mutex<HashMap<PageKey, watch::Receiver<Option<Bytes>>>>);

impl Pages {
    fn lock(&self) -> MutexGuard<'_, HashMap<PageKey, watch::Receiver<Option<Bytes>>>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Gatherer {
    /// Starts the thread. It ends when the gatherer is dropped.
    pub(super) fn start(collectors: CollectorSet, metrics: Arc<SelfMetrics>) -> io::Result<Self> {
        let (jobs, queue) = mpsc::channel::<Job>();
        let pages = Arc::new(Pages::default());
        let (names, running) = (collectors.names().collect(), collectors.running());
        let mut worker = Worker {
            collectors,
            metrics,
            pages: pages.clone(),
            out: Exposition::new(),
            gzip: Gzip::default(),
            piece: Vec::new(),
            size_before: 0,
        };
        std::thread::Builder::new().name("gather".into()).spawn(move || {
            while let Ok(job) = queue.recv() {
                worker.run(job);
            }
        })?;
        Ok(Self { jobs, pages, names, running })
    }

    /// The names of the collectors that are switched on.
    pub(super) fn names(&self) -> &[&'static str] {
        &self.names
    }

    /// The page for `key`, at most `timeout` from now.
    pub(super) async fn page(&self, key: PageKey, timeout: Duration) -> Result<Bytes, GatherError> {
        let deadline = Instant::now() + timeout;
        let mut page = {
            let mut pages = self.pages.lock();
            match pages.get(&key) {
                Some(page) => page.clone(),
                None => {
                    let (done, page) = watch::channel(None);
                    self.jobs
                        .send(Job { key: key.clone(), deadline, done })
                        .map_err(|_| GatherError::Gone)?;
                    pages.insert(key, page.clone());
                    page
                }
            }
        };
        match tokio::time::timeout(timeout, page.wait_for(Option::is_some)).await {
            Ok(Ok(page)) => page.clone().ok_or(GatherError::Gone),
            Ok(Err(_)) => Err(GatherError::Gone),
            Err(_) => {
                Err(GatherError::Deadline { timeout, collector: self.running.name().unwrap_or("NAME") })
            }
        }
    }
}

struct Worker {
    collectors: CollectorSet,
    metrics: Arc<SelfMetrics>,
    pages: Arc<Pages>,
    out: Exposition,
    gzip: Gzip,
    /// A part of the page on its way into the compressor.
    piece: Vec<u8>,
    /// Of the last compressed page, a good guess for the next.
    size_before: usize,
}

/// How much of a page is compressed at once. The whole page in plain text need not be in memory.
const PIECE_BYTES: usize = 16 * 1024;

impl Worker {
    fn run(&mut self, job: Job) {
        self.out.clear();
        let selected =
            |name: &str| job.key.collectors.as_ref().is_none_or(|collectors| collectors.contains(name));
        // First, so that no file for the textfile collector takes a name of these.
        self.metrics.write(&mut self.out);
        self.collectors.gather(selected, job.deadline, &mut self.out);
        let mut page = Vec::new();
        if job.key.gzip {
            self.gzip.begin(self.size_before);
            self.out.render_in_pieces(
                job.key.format,
                &mut self.piece,
                |_| true,
                |piece| {
                    if piece.len() >= PIECE_BYTES {
                        self.gzip.add(piece);
                        piece.clear();
                    }
                },
            );
            page = self.gzip.finish(&self.piece);
            self.piece.clear();
            self.size_before = page.len();
        } else {
            self.out.render(job.key.format, &mut page);
        }
        // From here on a new scrape gets a new page.
        self.pages.lock().remove(&job.key);
        job.done.send_replace(Some(page.into()));
    }
}

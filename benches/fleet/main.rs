//! A fleet of exporters that isn't there: one process that answers on an address of its own for each of thousands of
//! hosts, with pages of a server's node_exporter whose values move from scrape to scrape. For measuring scrapers.
//!
//!   cargo bench --bench fleet -- --targets 500 --write-config fleet.yml
//!
//! Target n is `127.0.X.Y:PORT`, from 127.0.1.1 on. One listener takes all of 127.0.0.0/8, so that the fleet needs one
//! descriptor for each connection and no more; what comes to any other address of this machine is hung up on.
//! `/fleet/stats` says for each scraper, told by its `User-Agent`, what has arrived, `/fleet/targets` the same for each
//! target, and `/fleet/reset` begins the counts anew.
//!
//! It measures nothing by itself: `scale.sh`, `size.sh` and `export.sh` do.
#![allow(clippy::unwrap_used, missing_docs)]

mod arrivals;
mod page;

use std::cell::RefCell;
use std::convert::Infallible;
use std::error::Error;
use std::fmt::Write;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::path::PathBuf;
use std::process::ExitCode;
use std::rc::Rc;
use std::time::{Duration, Instant};

use bytes::Bytes;
use clap::{Arg, ArgAction, Command, value_parser};
use http_body_util::Full;
use hyper::body::Incoming;
use hyper::header::{ACCEPT_ENCODING, CONTENT_ENCODING, CONTENT_TYPE, USER_AGENT};
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper::{Request, Response, StatusCode};
use hyper_util::rt::TokioIo;
use tokio::net::{TcpListener, TcpSocket, TcpStream};
use vitals::base::duration;
use vitals::web::server::raise_open_files_limit;

use arrivals::Arrivals;
use page::Pages;

/// Hosts in a third octet of the addresses.
const HOSTS_IN_BLOCK: u32 = 250;
const MOST_TARGETS: u32 = 250 * HOSTS_IN_BLOCK;
/// More than the targets that a scraper without a phase of its own for each may come to at once.
const BACKLOG: u32 = 4096;

struct Args {
    targets: u32,
    samples: usize,
    port: u16,
    interval: Duration,
    speed: f64,
    gzip: bool,
    page: Option<PathBuf>,
    write_config: Option<PathBuf>,
}

struct Fleet {
    args: Args,
    pages: RefCell<Pages>,
    arrivals: RefCell<Arrivals>,
    started: Instant,
}

fn main() -> ExitCode {
    match run(read_args()) {
        Ok(never) => match never {},
        Err(error) => {
            eprintln!("fleet: {error}");
            ExitCode::FAILURE
        }
    }
}

fn run(args: Args) -> Result<Infallible, Box<dyn Error>> {
    raise_open_files_limit();
    let tick = args.interval.mul_f64(args.speed);
    let pages = Pages::new(args.page.as_deref(), args.samples, tick)?;
    if let Some(path) = &args.write_config {
        std::fs::write(path, config(&args)).map_err(|error| format!("{}: {error}", path.display()))?;
    }
    let fleet = Rc::new(Fleet {
        arrivals: RefCell::new(Arrivals::new(args.interval)),
        pages: RefCell::new(pages),
        started: Instant::now(),
        args,
    });
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    tokio::task::LocalSet::new().block_on(&runtime, async {
        let listener = listen(fleet.args.port)?;
        let port = listener.local_addr()?.port();
        eprintln!("fleet: listening targets={} first=127.0.1.1:{port}", fleet.args.targets);
        loop {
            let Ok((stream, _)) = listener.accept().await else {
                tokio::time::sleep(Duration::from_millis(10)).await; // out of descriptors
                continue;
            };
            if let Ok(address) = stream.local_addr()
                && address.ip().is_loopback()
            {
                tokio::task::spawn_local(serve(Rc::clone(&fleet), stream, address));
            }
        }
    })
}

fn listen(port: u16) -> std::io::Result<TcpListener> {
    let socket = TcpSocket::new_v4()?;
    socket.set_reuseaddr(true)?;
    socket.bind(SocketAddr::from((Ipv4Addr::UNSPECIFIED, port)))?;
    socket.listen(BACKLOG)
}

async fn serve(fleet: Rc<Fleet>, stream: TcpStream, address: SocketAddr) {
    let service = service_fn(|request: Request<Incoming>| {
        let response = fleet.answer(&request, address);
        async move { Ok::<_, Infallible>(response) }
    });
    // A scraper that hangs up is no trouble of the fleet's.
    drop(http1::Builder::new().serve_connection(TokioIo::new(stream), service).await);
}

impl Fleet {
    fn answer(&self, request: &Request<Incoming>, address: SocketAddr) -> Response<Full<Bytes>> {
        match request.uri().path() {
            "/metrics" => self.metrics(request, address),
            "/fleet/stats" => plain(StatusCode::OK, self.arrivals.borrow().by_scraper()),
            "/fleet/targets" => plain(StatusCode::OK, self.arrivals.borrow().by_target()),
            "/fleet/reset" => {
                self.arrivals.borrow_mut().reset();
                plain(StatusCode::OK, String::new())
            }
            _ => plain(StatusCode::NOT_FOUND, String::from("see /metrics and /fleet/stats\n")),
        }
    }

    fn metrics(&self, request: &Request<Incoming>, address: SocketAddr) -> Response<Full<Bytes>> {
        let Some(target) = number(address.ip()).filter(|target| *target < self.args.targets) else {
            return plain(StatusCode::NOT_FOUND, String::from("there is no such target\n"));
        };
        let header = |name| request.headers().get(name).and_then(|value| value.to_str().ok()).unwrap_or("");
        let now = Instant::now();
        self.arrivals.borrow_mut().note(header(USER_AGENT), target, now);
        let tick = (now - self.started).as_nanos() / self.args.interval.as_nanos();
        let tick = u64::try_from(tick).unwrap_or(u64::MAX);
        let response = Response::builder().header(CONTENT_TYPE, "text/plain; version=0.0.4; charset=utf-8");
        let mut pages = self.pages.borrow_mut();
        if self.args.gzip && header(ACCEPT_ENCODING).contains("gzip") {
            let body = Full::new(pages.compressed(target, tick));
            return response.header(CONTENT_ENCODING, "gzip").body(body).unwrap();
        }
        response.body(Full::new(pages.plain(target, tick))).unwrap()
    }
}

fn plain(status: StatusCode, text: String) -> Response<Full<Bytes>> {
    Response::builder().status(status).body(Full::new(Bytes::from(text))).unwrap()
}

fn address(target: u32) -> Ipv4Addr {
    let block = 1 + target / HOSTS_IN_BLOCK;
    Ipv4Addr::from_bits(Ipv4Addr::new(127, 0, 0, 1).to_bits() + (block << 8) + target % HOSTS_IN_BLOCK)
}

/// The target that an address belongs to.
fn number(ip: IpAddr) -> Option<u32> {
    let IpAddr::V4(ip) = ip else { return None };
    let [127, 0, block, host] = ip.octets() else { return None };
    let host = u32::from(host).checked_sub(1).filter(|host| *host < HOSTS_IN_BLOCK)?;
    Some(u32::from(block).checked_sub(1)? * HOSTS_IN_BLOCK + host)
}

/// A `prometheus.yml` for all targets.
fn config(args: &Args) -> String {
    let interval = args.interval.as_millis();
    let mut yaml = format!(
        "global:\n  scrape_interval: {interval}ms\n  scrape_timeout: {interval}ms\n\
         scrape_configs:\n  - job_name: fleet\n    static_configs:\n      - targets:\n"
    );
    for target in 0..args.targets {
        writeln!(yaml, "          - {}:{}", address(target), args.port).unwrap();
    }
    yaml
}

fn read_args() -> Args {
    let arg = |name: &'static str, value: &'static str| Arg::new(name).long(name).value_name(value);
    let mut matches = Command::new("fleet")
        .about("Answers scrapes for a fleet of exporters on loopback addresses")
        .arg(
            arg("targets", "NUMBER")
                .help("Exporters")
                .default_value("500")
                .value_parser(value_parser!(u32).range(1..=i64::from(MOST_TARGETS))),
        )
        .arg(
            arg("samples", "NUMBER")
                .help("Samples in each page")
                .default_value("677")
                .value_parser(value_parser!(usize)),
        )
        .arg(arg("port", "PORT").help("Port of all").default_value("19100").value_parser(value_parser!(u16).range(1..)))
        .arg(
            arg("interval", "DURATION")
                .help("How often values move, and how often the scrapers are to come")
                .default_value("5s")
                .value_parser(positive),
        )
        .arg(
            arg("speed", "FACTOR")
                .help("How fast the fleet's time goes: at 15 a second moves the values as far as 15 seconds do")
                .default_value("1")
                .value_parser(value_parser!(f64)),
        )
        .arg(
            arg("gzip", "")
                .help(
                    "Compresses for those who ask. Pages are compressed once for all hosts of a kind, so that their \
                     values are the same",
                )
                .action(ArgAction::SetTrue),
        )
        .arg(
            arg("page", "FILE")
                .help("A page to play instead of the one from tests/golden/server")
                .value_parser(value_parser!(PathBuf)),
        )
        .arg(
            arg("write-config", "FILE")
                .help("Writes a prometheus.yml with all targets")
                .value_parser(value_parser!(PathBuf)),
        )
        // Cargo gives it to every program that it runs as a bench.
        .arg(Arg::new("bench").long("bench").hide(true).action(ArgAction::SetTrue))
        .get_matches();
    Args {
        targets: matches.remove_one("targets").unwrap(),
        samples: matches.remove_one("samples").unwrap(),
        port: matches.remove_one("port").unwrap(),
        interval: matches.remove_one("interval").unwrap(),
        speed: matches.remove_one("speed").unwrap(),
        gzip: matches.get_flag("gzip"),
        page: matches.remove_one("page"),
        write_config: matches.remove_one("write-config"),
    }
}

fn positive(text: &str) -> Result<Duration, String> {
    let duration = duration::parse(text)?;
    if duration.is_zero() { Err(String::from("expected more than 0")) } else { Ok(duration) }
}

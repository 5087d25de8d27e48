//! Exporters that aren't there: one server with a page for each of many hosts, made from the fixture of a whole host.
//! What a test is about is set from outside, and moves.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::io::{Read, Write};
use std::net::{Shutdown, SocketAddr, TcpListener, TcpStream};
use std::path::Path;
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::{Instant, SystemTime, UNIX_EPOCH};

/// A whole page of a laptop.
const PAGE: &str = include_str!("../golden/laptop.txt");
/// What the fixture says of these is replaced: they are what a test sets, or have to move.
const REPLACED: [&str; 15] = [
    "node_boot_time_seconds",
    "node_cpu_seconds_total",
    "node_disk_read_bytes_total",
    "node_filesystem_avail_bytes",
    "node_filesystem_size_bytes",
    "node_hwmon_temp_celsius",
    "node_memory_MemAvailable_bytes",
    "node_memory_MemTotal_bytes",
    "node_network_receive_bytes_total",
    "node_pressure_io_waiting_seconds_total",
    "node_time_seconds",
    "node_timex_maxerror_seconds",
    "node_timex_sync_status",
    "node_uname_info",
    "vitals_",
];

/// One of the hosts.
#[derive(Clone, Debug)]
pub struct Host {
    /// Its own name, as in a label.
    pub name: String,
    /// The share of its CPU time in use.
    pub cpu: f64,
    /// The share of its memory that is available.
    pub memory_available: f64,
    /// Its sensor; 100 is critical.
    pub celsius: f64,
    /// Whether it answers.
    pub answers: bool,
    /// More lines.
    pub more: String,
}

/// Many of them.
#[derive(Clone)]
pub struct Fleet {
    /// Where they all listen.
    pub address: SocketAddr,
    hosts: Arc<Mutex<Vec<Host>>>,
}

impl Fleet {
    /// Starts so many healthy hosts, which are there until the test's process ends.
    pub fn start(count: usize) -> Self {
        let hosts = (0..count).map(|number| Host {
            name: format!("host{number:03}"),
            cpu: 0.05 + 0.7 * (number * 37 % 100) as f64 / 100.0,
            // No halves of a percent, which are rounded one way or the other.
            memory_available: 0.301 + 0.5 * (number * 53 % 100) as f64 / 100.0,
            celsius: 40.0 + (number * 7 % 40) as f64,
            answers: true,
            more: String::new(),
        });
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let fleet =
            Self { address: listener.local_addr().unwrap(), hosts: Arc::new(Mutex::new(hosts.collect())) };
        let (served, start) = (fleet.clone(), Instant::now());
        let quiet: String = PAGE
            .lines()
            .filter(|line| {
                let name = line.trim_start_matches("# HELP ").trim_start_matches("# TYPE ");
                !REPLACED.iter().any(|replaced| name.starts_with(replaced))
            })
            .fold(String::new(), |page, line| page + line + "\n");
        let quiet = Arc::new(quiet);
        thread::spawn(move || {
            for stream in listener.incoming() {
                let (served, quiet) = (served.clone(), Arc::clone(&quiet));
                thread::spawn(move || served.serve(stream.unwrap(), &quiet, start));
            }
        });
        fleet
    }

    /// Changes one of the hosts.
    pub fn change(&self, number: usize, change: impl FnOnce(&mut Host)) {
        change(&mut self.hosts.lock().unwrap()[number]);
    }

    /// Writes a prometheus.yml for all of them: a scrape a second.
    pub fn write_config(&self, path: &Path) {
        let mut yaml = String::from(
            "global: {scrape_interval: 1s, scrape_timeout: 1s}\nscrape_configs:\n- job_name: node\n  \
             static_configs:\n",
        );
        for number in 0..self.hosts.lock().unwrap().len() {
            let instance = format!("10.0.{}.{}:9100", number / 200, number % 200);
            writeln!(
                yaml,
                "  - {{targets: ['{}'], labels: {{instance: '{instance}', __metrics_path__: '/{number}'}}}}",
                self.address
            )
            .unwrap();
        }
        std::fs::write(path, yaml).unwrap();
    }

    fn serve(&self, mut stream: TcpStream, quiet: &str, start: Instant) {
        let (mut request, mut byte) = (Vec::new(), [0]);
        while matches!(stream.read(&mut byte), Ok(1)) {
            request.push(byte[0]);
            if !request.ends_with(b"\r\n\r\n") {
                continue;
            }
            let head = String::from_utf8(std::mem::take(&mut request)).unwrap();
            let number: usize = head.split(['/', ' ']).nth(2).unwrap().parse().unwrap();
            let host = self.hosts.lock().unwrap()[number].clone();
            if !host.answers {
                stream.shutdown(Shutdown::Both).ok();
                return;
            }
            let body = format!("{quiet}{}", host.page(start.elapsed().as_secs_f64()));
            let answer = format!(
                "HTTP/1.1 200 OK\r\nContent-Type: text/plain; version=0.0.4\r\nContent-Length: {}\r\n\r\n{body}",
                body.len()
            );
            if stream.write_all(answer.as_bytes()).is_err() {
                return;
            }
        }
    }
}

impl Host {
    fn page(&self, seconds: f64) -> String {
        let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_secs_f64();
        let name: String = self.name.chars().fold(String::new(), |name, character| match character {
            '\\' => name + "\\\\",
            '"' => name + "\\\"",
            '\n' => name + "\\n",
            other => name + other.encode_utf8(&mut [0; 4]),
        });
        let disk = "{device=\"/dev/nvme0n1p2\",fstype=\"ext4\",mountpoint=\"/\"}";
        let busy = 1000.0 + self.cpu * seconds - (seconds / 9.0).cos();
        let samples = BTreeMap::from([
            ("node_boot_time_seconds".to_owned(), now - 86_400.0 * 3.0),
            ("node_cpu_seconds_total{cpu=\"0\",mode=\"user\"}".to_owned(), busy),
            ("node_cpu_seconds_total{cpu=\"0\",mode=\"idle\"}".to_owned(), 2.0 * (1000.0 + seconds) - busy),
            ("node_disk_read_bytes_total{device=\"nvme0n1\"}".to_owned(), 1e6 * seconds),
            (format!("node_filesystem_size_bytes{disk}"), 1e12),
            (format!("node_filesystem_avail_bytes{disk}"), 4e11),
            (
                "node_hwmon_temp_celsius{chip=\"platform_coretemp_0\",sensor=\"temp1\"}".to_owned(),
                self.celsius,
            ),
            ("node_memory_MemTotal_bytes".to_owned(), 64e9),
            ("node_memory_MemAvailable_bytes".to_owned(), 64e9 * self.memory_available),
            ("node_network_receive_bytes_total{device=\"wlp2s0\"}".to_owned(), 2e6 * seconds),
            ("node_pressure_io_waiting_seconds_total".to_owned(), 0.03 * seconds),
            ("node_time_seconds".to_owned(), now),
            (format!("node_uname_info{{nodename=\"{name}\"}}"), 1.0),
        ]);
        let page =
            samples.iter().fold(String::new(), |page, (series, value)| format!("{page}{series} {value}\n"));
        page + &self.more
    }
}

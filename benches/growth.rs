//! How the cost of a scrape grows with the host: hosts made of plain files, up to hundreds of CPUs and disks and
//! thousands of interfaces and mounts, as Markdown tables; node_exporter's too where it is installed. Plain files are
//! cheaper to read than the kernel's and are opened anew each time: only the growth says something.
//!
//!   cargo bench --bench growth
//!
//! Guards against anything that costs more for each device the more devices there are.
#![allow(clippy::unwrap_used, missing_docs)]

#[path = "../tests/common/mod.rs"]
mod common;

use std::process::Command;
use std::time::{Duration, Instant};

use common::big_host::{Attributes, BigHost, FULL};
use common::servers::{Server, node_exporter_by_default, vitals_exporter};
use common::{hosts, http};
use vitals::collectors::COLLECTORS;
use vitals::exposition::{Exposition, Format};

/// Every host is gathered for about this long.
const MEASURED_FOR: Duration = Duration::from_secs(1);
/// Scrapes over HTTP of each program and host.
const SCRAPES: u32 = 10;

const READ_FILES: [&str; 2] = ["--no-collector.arp.netlink", "--no-collector.netdev.netlink"];

fn main() {
    let by_default = COLLECTORS.iter().filter(|spec| spec.default_on).count();
    let theirs = Command::new("prometheus-node-exporter").arg("--version").output().is_ok();
    println!("{by_default} collectors, those that are on by default.\n");
    println!(
        "| CPUs, disks, interfaces, mounts | samples | gather and render, ms | µs a sample | CPU of a scrape, ms \
         | node_exporter: samples | CPU of a scrape, ms | µs a sample |"
    );
    println!("|---|---:|---:|---:|---:|---:|---:|---:|");
    for divisor in [8, 4, 2, 1] {
        let size = FULL.part(divisor);
        let folder = hosts::temporary_folder();
        let host = BigHost::build(folder.path(), size, Attributes::Plain);
        let (samples, gather) = gather(&host);
        let ours = scrape(&vitals_exporter(&arguments(&host, true)));
        print!(
            "| {}, {}, {}, {} | {samples} | {:.2} | {:.3} | {:.2} ",
            size.cpus,
            size.disks,
            size.interfaces,
            size.mounts,
            milliseconds(gather),
            milliseconds(gather) * 1000.0 / samples as f64,
            milliseconds(ours.cpu),
        );
        if theirs {
            let theirs = scrape(&node_exporter_by_default(&arguments(&host, false)));
            let cpu = milliseconds(theirs.cpu);
            println!("| {} | {cpu:.2} | {:.3} |", theirs.samples, cpu * 1000.0 / theirs.samples as f64);
        } else {
            println!("| – | – | – |");
        }
    }
}

/// The number of samples of one gather with the default collectors, and the median time of a gather and its page.
fn gather(host: &BigHost) -> (usize, Duration) {
    let mut settings = hosts::settings(&host.folder);
    hosts::read_files(&mut settings);
    let mut set = hosts::build(&settings, |name| hosts::spec(name).default_on);
    let (mut out, mut page, mut times) = (Exposition::new(), Vec::new(), Vec::new());
    let start = Instant::now();
    while start.elapsed() < MEASURED_FOR || times.len() < 5 {
        let begin = Instant::now();
        out.clear();
        page.clear();
        set.gather(|_| true, begin + Duration::from_secs(60), &mut out);
        out.render(Format::Text, &mut page);
        times.push(begin.elapsed());
    }
    times.sort_unstable();
    (samples(std::str::from_utf8(&page).unwrap()), times[times.len() / 2])
}

struct Scraped {
    samples: usize,
    cpu: Duration,
}

/// Scrapes after one that warms up.
fn scrape(server: &Server) -> Scraped {
    let samples = samples(&server.metrics());
    let before = server.process.cpu_nanoseconds();
    for _ in 0..SCRAPES {
        http::get_ok(server.address, "/metrics");
    }
    let spent = server.process.cpu_nanoseconds() - before;
    Scraped { samples, cpu: Duration::from_nanos(spent) / SCRAPES }
}

fn arguments(host: &BigHost, netlink_everywhere: bool) -> Vec<String> {
    let path = |name: &str| host.folder.join(name).display().to_string();
    let mut arguments = vec![
        format!("--path.procfs={}", path("proc")),
        format!("--path.sysfs={}", path("sys")),
        format!("--path.rootfs={}", host.folder.display()),
        format!("--path.udev.data={}", path("udev")),
        "--collector.netdev.device-exclude=".to_owned(),
    ];
    let known = |flag: &&str| {
        let name = flag.trim_start_matches("--no-collector.");
        let ours = COLLECTORS.iter().flat_map(|spec| spec.flags).any(|flag| flag.name == name);
        // node_exporter 1.5 has the one for arp not yet.
        if netlink_everywhere { ours } else { name == "netdev.netlink" }
    };
    arguments.extend(READ_FILES.into_iter().filter(known).map(str::to_owned));
    arguments
}

fn samples(page: &str) -> usize {
    page.lines().filter(|line| !line.starts_with('#')).count()
}

fn milliseconds(time: Duration) -> f64 {
    time.as_secs_f64() * 1000.0
}

//! This process, under the names that Prometheus client libraries use (`process_*`). Times and
//! sizes come from `/proc/self` (`proc_pid_stat(5)`), limits from getrlimit(2).

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use rustix::process::{Resource, getrlimit};
use rustix::time::{ClockId, clock_gettime};

use crate::exposition::{Exposition, Kind};
use crate::host::parse::{fields, lines, unsigned};
use crate::host::{KernelFile, TICKS_PER_SECOND};

/// Reads this process's figures. What can't be read is left out.
pub struct Process {
    stat: KernelFile,
    net_dev: KernelFile,
    /// When the machine booted, in seconds since 1970.
    boot_time_seconds: Option<f64>,
    buffer: Vec<u8>,
}

/// The columns of `/proc/self/stat` that are of interest.
#[derive(Debug, PartialEq)]
struct Stat {
    cpu_ticks: u64,
    start_ticks: u64,
    virtual_bytes: u64,
    resident_pages: u64,
}

impl Default for Process {
    /// The process is looked up in the real `/proc`, whatever host is under watch.
    fn default() -> Self {
        let mut buffer = Vec::new();
        let boot_time_seconds =
            KernelFile::new("/proc/stat").read(&mut buffer).ok().and_then(parse_boot_time).or_else(boot_time);
        Self {
            stat: KernelFile::new("/proc/self/stat"),
            net_dev: KernelFile::new("/proc/self/net/dev"),
            boot_time_seconds,
            buffer,
        }
    }
}

impl Process {
    /// Appends what can be read.
    pub fn write(&mut self, out: &mut Exposition) {
        use Kind::{Counter, Gauge};
        if let Some(stat) = self.stat.read(&mut self.buffer).ok().and_then(parse_stat) {
            let cpu_seconds = stat.cpu_ticks as f64 / TICKS_PER_SECOND as f64;
            out.single(
                "process_cpu_seconds_total",
                "Total user and system CPU time spent in seconds.",
                Counter,
                cpu_seconds,
            );
            let resident_bytes = stat.resident_pages * rustix::param::page_size() as u64;
            out.single(
                "process_resident_memory_bytes",
                "Resident memory size in bytes.",
                Gauge,
                resident_bytes as f64,
            );
            out.single(
                "process_virtual_memory_bytes",
                "Virtual memory size in bytes.",
                Gauge,
                stat.virtual_bytes as f64,
            );
            if let Some(boot) = self.boot_time_seconds {
                let start = boot + stat.start_ticks as f64 / TICKS_PER_SECOND as f64;
                out.single(
                    "process_start_time_seconds",
                    "Start time of the process since unix epoch in seconds.",
                    Gauge,
                    start,
                );
            }
        }
        if let Some(count) = open_files() {
            out.single("process_open_fds", "Number of open file descriptors.", Gauge, count as f64);
        }
        let limit = soft_limit(Resource::Nofile);
        out.single("process_max_fds", "Maximum number of open file descriptors.", Gauge, limit);
        let help = "Maximum amount of virtual memory available in bytes.";
        out.single("process_virtual_memory_max_bytes", help, Gauge, soft_limit(Resource::As));
        if let Ok(text) = self.net_dev.read(&mut self.buffer) {
            let [received, sent] = parse_net_dev(text);
            let help = "Number of bytes received by the process over the network.";
            out.single("process_network_receive_bytes_total", help, Counter, received as f64);
            let help = "Number of bytes sent by the process over the network.";
            out.single("process_network_transmit_bytes_total", help, Counter, sent as f64);
        }
    }
}

/// By the clocks, for a service that may see processes alone in `/proc` (`ProcSubset=pid`).
fn boot_time() -> Option<f64> {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).ok()?;
    let since_boot = Duration::try_from(clock_gettime(ClockId::Boottime)).ok()?;
    Some(now.checked_sub(since_boot)?.as_secs_f64().round())
}

fn parse_boot_time(stat: &[u8]) -> Option<f64> {
    let (_, line) = lines(stat).find(|(_, line)| line.starts_with(b"btime "))?;
    unsigned(fields(line).nth(1)?).map(|seconds| seconds as f64)
}

/// The second column, the program's name, may hold anything; the rest is counted from its closing parenthesis.
fn parse_stat(text: &[u8]) -> Option<Stat> {
    let name_end = text.iter().rposition(|&byte| byte == b')')?;
    // Column 3 of proc_pid_stat(5), the state, comes first here.
    let mut columns = fields(text.get(name_end + 1..)?);
    let user_ticks = unsigned(columns.nth(14 - 3)?)?;
    let system_ticks = unsigned(columns.next()?)?;
    let start_ticks = unsigned(columns.nth(22 - 16)?)?;
    let virtual_bytes = unsigned(columns.next()?)?;
    let resident_pages = unsigned(columns.next()?)?;
    Some(Stat { cpu_ticks: user_ticks + system_ticks, start_ticks, virtual_bytes, resident_pages })
}

/// Since Linux 6.2 the size of the directory is the number of its entries; before that it is 0 and they are counted.
fn open_files() -> Option<u64> {
    const FILES: &str = "/proc/self/fd";
    match std::fs::metadata(FILES).ok()?.len() {
        // The listing itself has one open.
        0 => Some(std::fs::read_dir(FILES).ok()?.count().saturating_sub(1) as u64),
        count => Some(count),
    }
}

/// Unlimited is the largest number, as client libraries say it.
fn soft_limit(resource: Resource) -> f64 {
    getrlimit(resource).current.unwrap_or(u64::MAX) as f64
}

/// Received and sent bytes over all interfaces of the process's network namespace, loopback included, as the client
/// libraries count them.
fn parse_net_dev(text: &[u8]) -> [u64; 2] {
    let mut sums = [0u64; 2];
    for (_, line) in lines(text) {
        let Some(colon) = line.iter().position(|&byte| byte == b':') else { continue };
        let mut columns = fields(line.get(colon + 1..).unwrap_or_default());
        sums[0] += columns.next().and_then(unsigned).unwrap_or(0);
        sums[1] += columns.nth(7).and_then(unsigned).unwrap_or(0);
    }
    sums
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn stat_columns_are_counted_behind_the_name() {
        let text = b"77 (a) b (c) S 1 77 77 0 -1 4194560 1 2 3 4 150 50 7 8 20 0 3 0 12345 1000000 250 18446744073709551615\n";
        let want = Stat { cpu_ticks: 200, start_ticks: 12345, virtual_bytes: 1_000_000, resident_pages: 250 };
        assert_eq!(parse_stat(text), Some(want));
        for end in 0..text.len() - 25 {
            assert_eq!(parse_stat(&text[..end]).is_some(), end >= 90, "{end}");
        }
    }

    #[test]
    fn the_clocks_know_when_the_machine_booted() {
        let stat = std::fs::read("/proc/stat").unwrap();
        assert!((boot_time().unwrap() - parse_boot_time(&stat).unwrap()).abs() <= 2.0);
    }

    #[test]
    fn open_files_are_counted() {
        let before = open_files().unwrap();
        let more: Vec<_> = (0..50).map(|_| std::fs::File::open("/dev/null").unwrap()).collect();
        let with = open_files().unwrap();
        assert!((before + 30..before + 70).contains(&with), "{before} {with}"); // other tests open files meanwhile
        drop(more);
        assert!(soft_limit(Resource::Nofile) >= with as f64);
    }

    #[test]
    fn net_dev_sums() {
        let text = b"Inter-|   Receive  |  Transmit\n face |bytes packets\n    lo: 10 1 0 0 0 0 0 0 20 1 0 0 0 0 0 0\n  eth0:5 1 0 0 0 0 0 0 7 1 0 0 0 0 0 0\n";
        assert_eq!(parse_net_dev(text), [15, 27]);
    }
}

//! The pages: what a server's exporter says, of which about a quarter of the samples move between two scrapes.
//!
//! A page depends on nothing but the target and the tick of the fleet's clock, so that scrapers side by side see the
//! same and a run can be repeated. Hosts come in a few kinds; the text of a kind is made once, all but the values that
//! move.

use std::error::Error;
use std::fs;
use std::hash::{BuildHasher, Hash};
use std::io::Write;
use std::path::Path;
use std::time::Duration;

use bytes::Bytes;
use flate2::Compression;
use flate2::write::GzEncoder;

use vitals::exposition::{Format, Kind as Type, Line, Parser, write_value};

/// Pages of the collectors that are on by default, the common ones first.
const COLLECTORS: [&str; 40] = [
    "cpu",
    "diskstats",
    "filesystem",
    "loadavg",
    "meminfo",
    "netclass",
    "netdev",
    "netstat",
    "stat",
    "vmstat",
    "sockstat",
    "softnet",
    "schedstat",
    "pressure",
    "time",
    "filefd",
    "entropy",
    "arp",
    "conntrack",
    "os",
    "dmi",
    "edac",
    "hwmon",
    "nvme",
    "rapl",
    "thermal_zone",
    "udp_queues",
    "cpufreq",
    "selinux",
    "watchdog",
    "bonding",
    "interrupts",
    "softirqs",
    "xfs",
    "btrfs",
    "mdadm",
    "nfs",
    "nfsd",
    "infiniband",
    "zfs",
];
const KINDS: u32 = 16;
/// Of the samples: those that move at each tick, and those that move at every other. Half of these differ from the
/// scrape before; together a quarter, as on real hosts scraped every 15 s.
const MOVING: f64 = 0.235;
const MOVING_AT_TIMES: f64 = 0.06;
/// Counters stand where a host is after this long.
const UPTIME_SECONDS: f64 = 86_400.0;
/// Ticks over which gauges wander from one level to the next.
const WANDERING_TICKS: u64 = 40;

pub(crate) struct Pages {
    kinds: Vec<Kind>,
    tick_seconds: f64,
    /// The last compressed page of each kind, and its tick.
    compressed: Vec<Option<(u64, Bytes)>>,
}

struct Kind {
    /// Text that stays, with the value that moves behind each.
    parts: Vec<(Vec<u8>, Moving)>,
    end: Vec<u8>,
    bytes: usize,
}

#[derive(Clone, Copy)]
struct Moving {
    /// Tells this series from others.
    seed: u64,
    base: f64,
    /// Of a counter.
    per_second: Option<f64>,
    /// Steps in the value 1.
    resolution: f64,
    ticks: u64,
}

struct Series<'a> {
    /// Its line up to the value.
    text: &'a str,
    value: f64,
    value_text: &'a str,
    kind: Option<Type>,
    seed: u64,
}

enum Piece<'a> {
    Metadata(&'a str),
    Series(Series<'a>),
}

impl Pages {
    /// Pages of `samples` samples each, from the file `page` or from those of `tests/golden/server`. A tick of the
    /// fleet's clock is `tick` of the hosts' time.
    pub(crate) fn new(page: Option<&Path>, samples: usize, tick: Duration) -> Result<Self, Box<dyn Error>> {
        let text = match page {
            Some(path) => fs::read_to_string(path).map_err(|error| format!("{}: {error}", path.display()))?,
            None => server()?,
        };
        let pieces = take_apart(&text, samples)?;
        let kinds: Vec<Kind> = (0..KINDS).map(|kind| Kind::new(&pieces, kind, tick.as_secs_f64())).collect();
        Ok(Self { compressed: vec![None; kinds.len()], kinds, tick_seconds: tick.as_secs_f64() })
    }

    pub(crate) fn plain(&self, target: u32, tick: u64) -> Bytes {
        Bytes::from(self.render(target % KINDS, u64::from(target), tick))
    }

    /// The page of the target's kind with gzip.
    pub(crate) fn compressed(&mut self, target: u32, tick: u64) -> Bytes {
        let kind = target % KINDS;
        if let Some(Some((of, page))) = self.compressed.get(kind as usize)
            && *of == tick
        {
            return page.clone();
        }
        let mut encoder = GzEncoder::new(Vec::new(), Compression::fast());
        encoder.write_all(&self.render(kind, u64::from(kind), tick)).unwrap();
        let page = Bytes::from(encoder.finish().unwrap());
        self.compressed[kind as usize] = Some((tick, page.clone()));
        page
    }

    fn render(&self, kind: u32, host: u64, tick: u64) -> Vec<u8> {
        let kind = &self.kinds[kind as usize];
        let mut page = Vec::with_capacity(kind.bytes);
        for (text, moving) in &kind.parts {
            page.extend_from_slice(text);
            write_value(&mut page, moving.at(host, tick, self.tick_seconds));
        }
        page.extend_from_slice(&kind.end);
        page
    }
}

/// The pages of the collectors, one behind the other.
fn server() -> Result<String, Box<dyn Error>> {
    let directory = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/golden/server");
    let mut text = String::new();
    for collector in COLLECTORS {
        let path = directory.join(collector).with_extension("txt");
        let page = fs::read_to_string(&path).map_err(|error| format!("{}: {error}", path.display()))?;
        // What each of them says about its own scrape would be there forty times.
        for line in page.lines().filter(|line| !line.contains("node_scrape_collector_")) {
            text += line;
            text.push('\n');
        }
    }
    Ok(text)
}

fn take_apart(page: &str, samples: usize) -> Result<Vec<Piece<'_>>, Box<dyn Error>> {
    let (mut pieces, mut found, mut kind) = (Vec::new(), 0, None);
    for line in page.lines().filter(|line| !line.is_empty()) {
        if found == samples {
            break;
        }
        let mut parser = Parser::new(line, Format::Text);
        match parser.next() {
            Some(Ok(Line::Sample(sample))) => {
                let (text, value_text) = line.rsplit_once(' ').ok_or("a sample without a value")?;
                let seed = hash(text);
                pieces.push(Piece::Series(Series { text, value: sample.value, value_text, kind, seed }));
                found += 1;
            }
            Some(Ok(line_read)) => {
                if let Line::Type { kind: declared, .. } = line_read {
                    kind = Some(declared);
                }
                pieces.push(Piece::Metadata(line));
            }
            Some(Err(error)) => return Err(format!("{line}: {error}").into()),
            None => {}
        }
    }
    if found < samples {
        return Err(format!("the page has {found} samples, expected --samples of at most that").into());
    }
    Ok(pieces)
}

impl Kind {
    fn new(pieces: &[Piece<'_>], number: u32, tick_seconds: f64) -> Self {
        let samples: Vec<&Series<'_>> = pieces
            .iter()
            .filter_map(|piece| if let Piece::Series(series) = piece { Some(series) } else { None })
            .collect();
        let mut candidates: Vec<&Series<'_>> = samples
            .iter()
            .copied()
            .filter(|series| matches!(series.kind, Some(Type::Counter | Type::Gauge)))
            .collect();
        // Zeros and ones are what a host has none of, or says about itself.
        candidates.sort_by_key(|series| (series.value == 0.0 || series.value == 1.0, series.seed));
        let always = (samples.len() as f64 * MOVING).round() as usize;
        let at_times = (samples.len() as f64 * MOVING_AT_TIMES).round() as usize;
        let ticks = |seed| match candidates.iter().position(|series| series.seed == seed) {
            Some(rank) if rank < always => Some(1),
            Some(rank) if rank < always + at_times => Some(2),
            _ => None,
        };
        let (mut parts, mut text, mut bytes) = (Vec::new(), Vec::new(), 0);
        for piece in pieces {
            match piece {
                Piece::Metadata(line) => text.extend_from_slice(line.as_bytes()),
                Piece::Series(series) => {
                    text.extend_from_slice(series.text.as_bytes());
                    text.push(b' ');
                    if let Some(ticks) = ticks(series.seed) {
                        bytes += text.len() + 24;
                        parts.push((std::mem::take(&mut text), Moving::new(series, ticks, tick_seconds)));
                    } else if series.value.abs() > 1.0 && series.value.is_finite() {
                        let scaled = series.value * (1.0 + f64::from(number) / f64::from(KINDS));
                        let whole = series.value.fract() == 0.0;
                        write_value(
                            &mut text,
                            if whole { scaled.round() } else { (scaled * 100.0).round() / 100.0 },
                        );
                    } else {
                        text.extend_from_slice(series.value_text.as_bytes());
                    }
                }
            }
            text.push(b'\n');
        }
        bytes += text.len();
        Self { parts, end: text, bytes }
    }
}

impl Moving {
    fn new(series: &Series<'_>, ticks: u64, tick_seconds: f64) -> Self {
        let resolution = if series.value.fract() == 0.0 { 1.0 } else { 100.0 };
        let per_second = (series.kind == Some(Type::Counter)).then(|| {
            // At least a few steps in each tick, many for some.
            let steps = 2.0 * 100_f64.powf(unit(&(series.seed, "rate")));
            (series.value / UPTIME_SECONDS).max(steps / resolution / tick_seconds)
        });
        let base = match per_second {
            Some(rate) => series.value.max(rate * UPTIME_SECONDS),
            None => series.value.max(40.0 / resolution),
        };
        Self { seed: series.seed, base, per_second, resolution, ticks }
    }

    /// The value at a tick of the fleet's clock. Counters never go down.
    fn at(self, host: u64, tick: u64, tick_seconds: f64) -> f64 {
        let host = hash((self.seed, host));
        let base = self.base * (0.5 + unit(&(host, "base")));
        let step = (tick + host % self.ticks) / self.ticks;
        let value = match self.per_second {
            Some(rate) => {
                base + rate * tick_seconds * self.ticks as f64 * (step as f64 + unit(&(host, step)))
            }
            None => {
                let level = |at: u64| unit(&(host, at, "level"));
                let (from, way) =
                    (step / WANDERING_TICKS, (step % WANDERING_TICKS) as f64 / WANDERING_TICKS as f64);
                let level = level(from) * (1.0 - way) + level(from + 1) * way;
                base * (0.7 + 0.5 * level + 0.1 * unit(&(host, step)))
            }
        };
        (value * self.resolution).round() / self.resolution
    }
}

/// The same for the same value in every run.
fn hash(value: impl Hash) -> u64 {
    foldhash::fast::FixedState::with_seed(1).hash_one(value)
}

/// A number from 0 to 1 that looks drawn by lot.
fn unit(value: &impl Hash) -> f64 {
    (hash(value) >> 11) as f64 / (1_u64 << 53) as f64
}

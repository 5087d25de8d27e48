//! What has arrived, for each scraper and target.

use std::collections::{BTreeMap, VecDeque};
use std::fmt::Write;
use std::time::{Duration, Instant};

use rustix::time::{ClockId, clock_gettime};

/// A scrape is late that comes more than this after its time.
const LATE: Duration = Duration::from_millis(100);
/// In which the most arrivals are counted.
const WINDOW: Duration = Duration::from_millis(100);

pub(crate) struct Arrivals {
    interval: Duration,
    scrapers: BTreeMap<String, Scraper>,
    cpu: Duration,
}

#[derive(Default)]
struct Scraper {
    targets: BTreeMap<u32, Seen>,
    recent: VecDeque<Instant>,
    most_in_window: usize,
}

#[derive(Clone, Copy, Default)]
struct Seen {
    last: Option<Instant>,
    pages: u64,
    missed: u64,
    late: u64,
    longest_gap: Duration,
}

impl Arrivals {
    pub(crate) fn new(interval: Duration) -> Self {
        Self { interval, scrapers: BTreeMap::new(), cpu: cpu() }
    }

    /// Counts a scrape of `target` by the program with this `User-Agent`.
    pub(crate) fn note(&mut self, user_agent: &str, target: u32, now: Instant) {
        let name = user_agent.split(['/', ' ']).next().unwrap_or_default();
        if !self.scrapers.contains_key(name) {
            self.scrapers.insert(name.to_owned(), Scraper::default());
        }
        let Some(scraper) = self.scrapers.get_mut(name) else { return };
        scraper.targets.entry(target).or_default().note(now, self.interval);
        scraper.recent.push_back(now);
        while scraper.recent.front().is_some_and(|first| now - *first > WINDOW) {
            scraper.recent.pop_front();
        }
        scraper.most_in_window = scraper.most_in_window.max(scraper.recent.len());
    }

    /// Begins the counts anew. The gap that is open at present is counted when it ends.
    pub(crate) fn reset(&mut self) {
        for scraper in self.scrapers.values_mut() {
            scraper.most_in_window = 0;
            for seen in scraper.targets.values_mut() {
                *seen = Seen { last: seen.last, ..Seen::default() };
            }
        }
        self.cpu = cpu();
    }

    /// A line for each scraper, behind one about the fleet's own CPU.
    pub(crate) fn by_scraper(&self) -> String {
        let mut lines = String::new();
        let mut all_pages = 0;
        for (name, scraper) in &self.scrapers {
            let mut sum = Seen::default();
            for seen in scraper.targets.values() {
                sum.pages += seen.pages;
                sum.missed += seen.missed;
                sum.late += seen.late;
                sum.longest_gap = sum.longest_gap.max(seen.longest_gap);
            }
            all_pages += sum.pages;
            let targets = scraper.targets.len();
            write!(lines, "scraper={name} targets={targets} ").unwrap();
            sum.write(&mut lines);
            writeln!(lines, " most_in_100ms={}", scraper.most_in_window).unwrap();
        }
        let cpu = (cpu() - self.cpu).as_secs_f64();
        let each = cpu * 1e6 / (all_pages.max(1) as f64);
        format!("fleet pages={all_pages} cpu_seconds={cpu:.3} cpu_microseconds_per_page={each:.1}\n{lines}")
    }

    pub(crate) fn by_target(&self) -> String {
        let mut lines = String::new();
        for (name, scraper) in &self.scrapers {
            for (target, seen) in &scraper.targets {
                write!(lines, "scraper={name} target={} ", super::address(*target)).unwrap();
                seen.write(&mut lines);
                lines.push('\n');
            }
        }
        lines
    }
}

impl Seen {
    fn note(&mut self, now: Instant, interval: Duration) {
        self.pages += 1;
        if let Some(last) = self.last.replace(now) {
            let gap = now - last;
            self.longest_gap = self.longest_gap.max(gap);
            self.late += u64::from(gap > interval + LATE);
            let intervals = (gap.as_secs_f64() / interval.as_secs_f64()).round();
            self.missed += (intervals as u64).saturating_sub(1);
        }
    }

    fn write(&self, out: &mut String) {
        let Self { pages, missed, late, longest_gap, .. } = self;
        let longest_gap = longest_gap.as_secs_f64();
        write!(out, "pages={pages} missed={missed} late={late} longest_gap_seconds={longest_gap:.3}")
            .unwrap();
    }
}

/// The CPU time of this process.
fn cpu() -> Duration {
    Duration::try_from(clock_gettime(ClockId::ProcessCPUTime)).unwrap_or_default()
}

//! What pages of samples say about the host's state.

use std::collections::{HashMap, HashSet};
use std::hash::{BuildHasher, Hash, Hasher};
use std::sync::LazyLock;

use foldhash::fast::RandomState;

use super::families::{self, Counter, Family, Gauge, Interest, Thing};
use crate::exposition::{Format, Line, Parser, Sample};

/// The most series of one family, or readings, that are looked at. The largest hosts have a few ten thousand.
const MAX_SERIES: usize = 1 << 16;

/// Names of things that are gone are forgotten when they are this many more than those that are there.
const FORGOTTEN_THINGS: usize = 1 << 10;

/// The seed differs from one process to the next: a page can't aim at equal numbers.
static NUMBERS: LazyLock<RandomState> = LazyLock::new(RandomState::default);

/// The page that is being read, and what is known of the things that it names.
#[derive(Clone, Debug, Default)]
pub struct Observation {
    pub(super) page: Page,
    pub(super) things: Things,
}

/// The samples of one page that matter here.
#[derive(Clone, Debug, Default)]
pub(super) struct Page {
    gauges: [Option<f64>; Gauge::COUNT],
    counters: [Counters; Counter::COUNT],
    readings: Vec<Reading>,
}

/// One value of one thing.
#[derive(Clone, Copy, Debug)]
pub(super) struct Reading {
    family: Family,
    pub(super) thing: u64,
    pub(super) value: f64,
}

/// What is remembered from page to page, so that labels are read once.
#[derive(Clone, Debug, Default)]
pub(super) struct Things {
    by_series: HashMap<u64, (Family, u64), RandomState>,
    by_key: HashMap<u64, Thing, RandomState>,
    host_name: Option<String>,
}

impl Observation {
    /// Forgets all samples and keeps the memory.
    pub fn clear(&mut self) {
        self.page.clear();
    }

    /// Takes a whole page. Lines that are no samples are passed over.
    pub fn read(&mut self, page: &str, format: Format) {
        self.clear();
        let mut parser = Parser::new(page, format);
        while let Some(line) = parser.next() {
            if let Ok(Line::Sample(sample)) = line {
                self.see(&sample, number(&sample));
            }
        }
        self.finish();
    }

    /// Takes one sample of the page, in any order. `series` is a number that its name and labels alone decide. Gives
    /// what is to be made of the next sample of this series.
    pub fn see(&mut self, sample: &Sample<'_, '_>, series: u64) -> Interest {
        let (interest, family) = families::interest(sample);
        if let Some(family) = family {
            if self.things.by_series.len() > MAX_SERIES || is_refused(family, sample) {
                return Interest::Nothing;
            }
            self.things.learn(family, sample, series);
        }
        self.see_again(interest, series, sample.value);
        interest
    }

    /// Takes another sample of a series. False if all of it has to be seen.
    pub fn see_again(&mut self, interest: Interest, series: u64, value: f64) -> bool {
        let page = &mut self.page;
        match interest {
            Interest::Nothing => {}
            Interest::Gauge(gauge) => page.set(gauge, value),
            Interest::Counter(counter) => {
                if let Some(counters) = page.counters.get_mut(counter as usize) {
                    counters.0.push((series, value));
                }
            }
            Interest::Reading => {
                let Some(&(family, thing)) = self.things.by_series.get(&series) else { return false };
                page.readings.push(Reading { family, thing, value });
            }
        }
        true
    }

    /// Has to be called after the page's last sample. A family that is larger than any host's counts as absent, and
    /// its memory is given back.
    pub fn finish(&mut self) {
        for counters in &mut self.page.counters {
            drop_if_too_many(&mut counters.0);
            counters.0.sort_unstable_by_key(|&(series, _)| series);
        }
        if self.things.by_series.len() > MAX_SERIES {
            self.page.readings = Vec::new();
        }
        drop_if_too_many(&mut self.page.readings);
        self.page.readings.sort_by_key(|reading| (reading.family, reading.thing));
        self.page.readings.dedup_by_key(|reading| (reading.family, reading.thing));
        if self.things.by_series.len() > self.page.readings.len() + FORGOTTEN_THINGS {
            self.things.forget_all_but(&self.page.readings);
        }
    }

    /// Gives the page, and begins another one in the memory of an older one.
    pub(super) fn exchange(&mut self, older: Page) -> Page {
        let page = std::mem::replace(&mut self.page, older);
        self.page.clear();
        page
    }
}

impl Things {
    fn learn(&mut self, family: Family, sample: &Sample<'_, '_>, series: u64) {
        let key = families::key(family, sample);
        self.by_series.insert(series, (family, key));
        match family {
            Family::HostName => {
                self.host_name = sample.label("nodename").map(|name| families::bounded(name.into_owned()));
            }
            Family::SensorLabel => {
                let label = |name| sample.label(name).unwrap_or_default();
                let name = families::bounded(format!("{} ({})", label("label"), label("chip")));
                self.by_key.insert(key, Thing { name, ..Thing::new(family, sample) });
            }
            _ => {
                self.by_key.entry(key).or_insert_with(|| Thing::new(family, sample));
            }
        }
    }

    /// Forgets what `readings`, which are sorted, are not about.
    fn forget_all_but(&mut self, readings: &[Reading]) {
        let is_there = |family, thing| {
            let found =
                readings.binary_search_by_key(&(family, thing), |reading| (reading.family, reading.thing));
            found.is_ok()
        };
        self.by_series.retain(|_, (family, thing)| is_there(*family, *thing));
        let things: HashSet<u64, RandomState> = readings.iter().map(|reading| reading.thing).collect();
        self.by_key.retain(|thing, _| things.contains(thing));
        self.by_series.shrink_to_fit();
        self.by_key.shrink_to_fit();
    }

    pub(super) fn get(&self, key: u64) -> Option<&Thing> {
        self.by_key.get(&key)
    }

    #[cfg(test)]
    pub(super) fn len(&self) -> usize {
        self.by_series.len()
    }

    pub(super) fn host_name(&self) -> Option<&str> {
        self.host_name.as_deref()
    }
}

impl Page {
    fn clear(&mut self) {
        self.gauges = [None; Gauge::COUNT];
        for counters in &mut self.counters {
            counters.0.clear();
        }
        self.readings.clear();
    }

    fn set(&mut self, gauge: Gauge, value: f64) {
        if let Some(place) = self.gauges.get_mut(gauge as usize) {
            *place = value.is_finite().then_some(value);
        }
    }

    /// The value of a gauge, if it is a number.
    pub(super) fn gauge(&self, gauge: Gauge) -> Option<f64> {
        self.gauges.get(gauge as usize).copied().flatten()
    }

    /// What a sum of counters grew by since `before`. `None` if one of them shrank or there is none.
    pub(super) fn growth_since(&self, before: &Page, counter: Counter) -> Option<f64> {
        let [now, before] = [self, before].map(|page| page.counters.get(counter as usize));
        now?.growth_since(before?)
    }

    /// The readings of a family, by thing.
    pub(super) fn readings(&self, family: Family) -> &[Reading] {
        let start = self.readings.partition_point(|reading| reading.family < family);
        let rest = self.readings.get(start..).unwrap_or_default();
        let length = rest.partition_point(|reading| reading.family == family);
        rest.get(..length).unwrap_or_default()
    }

    /// The reading of one thing, if it is a number.
    pub(super) fn reading(&self, family: Family, thing: u64) -> Option<f64> {
        let readings = self.readings(family);
        let found = readings.binary_search_by_key(&thing, |reading| reading.thing).ok()?;
        readings.get(found).map(|reading| reading.value).filter(|value| value.is_finite())
    }

    #[cfg(test)]
    pub(super) fn capacity(&self, counter: Counter) -> (usize, usize) {
        (self.counters[counter as usize].0.capacity(), self.readings.capacity())
    }
}

/// A mount that the exporter's user may not look at is no error.
fn is_refused(family: Family, sample: &Sample<'_, '_>) -> bool {
    family == Family::FilesystemError
        && sample
            .label("device_error")
            .is_some_and(|error| error.to_ascii_lowercase().contains("permission denied"))
}

/// A number that the name and the labels decide.
fn number(sample: &Sample<'_, '_>) -> u64 {
    let mut hasher = NUMBERS.build_hasher();
    sample.name.hash(&mut hasher);
    for label in sample.labels {
        (label.name, label.escaped_value).hash(&mut hasher);
    }
    hasher.finish()
}

fn drop_if_too_many<T>(list: &mut Vec<T>) {
    if list.len() > MAX_SERIES {
        *list = Vec::new();
    }
}

/// The counters of one family: number of the series and value, sorted by number once the page is over.
#[derive(Clone, Debug, Default)]
struct Counters(Vec<(u64, f64)>);

impl Counters {
    /// The sum of what the series that are in both pages grew by. `None` if one of them shrank or there is none.
    fn growth_since(&self, before: &Counters) -> Option<f64> {
        let mut earlier = before.0.iter().peekable();
        let mut growth = None;
        for &(series, value) in &self.0 {
            while earlier.next_if(|&&(other, _)| other < series).is_some() {}
            let Some(&&(other, start)) = earlier.peek() else { break };
            if other != series {
                continue;
            }
            let grown = value - start;
            if !grown.is_finite() || grown < 0.0 {
                return None;
            }
            *growth.get_or_insert(0.0) += grown;
        }
        growth
    }
}

//! What was recorded of one target, played back into a [`Watch`]: after each scrape it knows what the live page knew then.

use super::files::{
    Problem, SamplesFile, Scrape, SeriesMap, TargetScrapes, TimeRange, parse_series, samples,
};
use crate::exposition::{Format, Line, Parser};
use crate::vitals::{Interest, Observation, Watch};

/// How a note about a scrape begins and ends.
const NOTE: &str = "# HELP scrapelog_error ";

/// The scrapes of one target over a range of time.
pub(super) struct Replay {
    scrapes: TargetScrapes,
    player: Player,
}

/// Makes of scrapes what a [`Watch`] wants to know.
#[derive(Default)]
pub(super) struct Player {
    /// A number for each series, and what it is of use for; `None` before it is seen.
    series: SeriesMap<Series>,
    numbered: u64,
    observation: Observation,
    watch: Watch,
    target: Identity,
}

/// What is known of a series.
struct Series {
    number: u64,
    /// `None` before its first sample.
    interest: Option<Interest>,
    /// Whether it tells that the scrape worked.
    is_up: bool,
}

/// Which target it is, by the labels of its samples.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Identity {
    pub(super) job: String,
    pub(super) instance: String,
}

impl Replay {
    /// Of `files`, which are sorted, only those are opened that may hold something of `range`.
    pub(super) fn new(files: &[SamplesFile], range: TimeRange) -> Self {
        Self { scrapes: TargetScrapes::of_samples(files, range), player: Player::default() }
    }

    /// Plays the next scrape, and gives its time in milliseconds since 1970 UTC. `None` behind the last one.
    pub(super) fn advance(&mut self) -> Option<i64> {
        let at = self.scrapes.advance()?;
        self.player.play(at, self.scrapes.scrape()?);
        Some(at)
    }

    /// What is known after the last scrape.
    pub(super) fn watch(&self) -> &Watch {
        &self.player.watch
    }

    /// What its last page came in; with the watch it tells of single filesystems and sensors.
    pub(super) fn observation(&self) -> &Observation {
        &self.player.observation
    }

    /// Which target it is, once a scrape was played.
    pub(super) fn target(&self) -> &Identity {
        &self.player.target
    }

    /// What could not be read so far, each once.
    pub(super) fn take_problems(&mut self) -> Vec<Problem> {
        self.scrapes.take_problems()
    }

    /// The bytes read from the disk so far.
    pub(super) fn disk_bytes(&self) -> u64 {
        self.scrapes.disk_bytes()
    }
}

impl Player {
    /// Plays one scrape of the target, which was `at` milliseconds since 1970 UTC.
    pub(super) fn play(&mut self, at: i64, scrape: Scrape<'_>) {
        self.observation.clear();
        let mut failed = false;
        for sample in samples(scrape.text).flatten() {
            let numbered = &mut self.numbered;
            let series = self.series.get(sample.series, || {
                *numbered += 1;
                Series { number: *numbered, interest: None, is_up: sample.name() == b"up" }
            });
            if series.interest == Some(Interest::Nothing) && !series.is_up {
                continue;
            }
            let Some(value) = str::from_utf8(sample.value).ok().and_then(|text| text.parse::<f64>().ok())
            else {
                continue;
            };
            if series.is_up {
                failed = value == 0.0;
            }
            let known = series.interest;
            if known.is_some_and(|interest| self.observation.see_again(interest, series.number, value)) {
                continue;
            }
            let Ok(text) = str::from_utf8(sample.series) else { continue };
            let line = format!("{text} {value}");
            if let Some(Ok(Line::Sample(parsed))) = Parser::new(&line, Format::OpenMetrics).next() {
                series.interest = Some(self.observation.see(&parsed, series.number));
            }
        }
        self.observation.finish();
        if let Some(sample) = scrape.sample()
            && self.target == Identity::default()
            && let Ok(target) = parse_series(sample.series, |parsed| {
                let label = |name| parsed.label(name).unwrap_or_default().into_owned();
                Identity { job: label("job"), instance: label("instance") }
            })
        {
            self.target = target;
        }
        if failed {
            self.watch.failed(at, &note(scrape.text).unwrap_or_else(|| "the scrape failed".to_owned()));
        } else {
            self.watch.answered(at, &mut self.observation);
        }
    }

    /// What is known after the last scrape.
    pub(super) fn watch(&self) -> &Watch {
        &self.watch
    }

    /// Which target it is, once a scrape was played.
    pub(super) fn target(&self) -> &Identity {
        &self.target
    }
}

/// What the recorder noted about a scrape, as [`super::lines`] writes it.
fn note(text: &[u8]) -> Option<String> {
    #[derive(serde::Deserialize)]
    struct Note {
        err: String,
    }
    let lines = text.split(|byte| *byte == b'\n').filter_map(|line| str::from_utf8(line).ok());
    let note = lines.filter_map(|line| line.strip_prefix(NOTE)).next_back()?;
    serde_json::from_str::<Note>(note).ok().map(|note| note.err)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::scrape_log::files::tests::{Writer, put};
    use crate::scrape_log::files::{Storage, Target};
    use crate::scrape_log::lines::{Lines, Rules, Scrape, Workspace};
    use std::time::Duration;

    const NOON: i64 = 1_795_262_400_000;

    fn recorded(pages: &[Result<&str, &str>]) -> (tempfile::TempDir, Target) {
        let labels = [("job", "node"), ("instance", "db01:9100")].into_iter().collect();
        let rules = Rules { labels, ..Rules::default() };
        let mut lines = Lines::new("http://db01:9100/metrics".to_owned(), Duration::from_secs(10), rules);
        let (mut workspace, mut data) = (Workspace::default(), Vec::new());
        for (index, page) in (0..).zip(pages) {
            let scrape = Scrape {
                timestamp_milliseconds: NOON + 10_000 * index,
                duration: Duration::from_millis(7),
                page: page.map(|page| (page.as_bytes(), Format::Text)),
            };
            lines.write(&mut workspace, &scrape, index == 0, None, &mut Observation::default());
            data.extend_from_slice(workspace.record());
        }
        let storage = tempfile::tempdir().unwrap();
        put(storage.path(), "db01_9100/samples-20261121T120000Z.om", &data);
        let target = Storage::open(storage.path()).unwrap().targets.remove(0);
        (storage, target)
    }

    #[test]
    fn the_watch_knows_what_was_known_then() {
        let page = |read: u32, used: u32| {
            format!(
                "node_disk_read_bytes_total{{device=\"sda\"}} {read}\nnode_uname_info{{nodename=\"db01\"}} 1\n\
                 node_filefd_allocated {used}\nnode_filefd_maximum 100\n"
            )
        };
        let (first, second) = (page(0, 10), page(5_000, 95));
        let (_storage, target) =
            recorded(&[Ok(&first), Ok(&second), Err("connect: refused"), Ok(&page(10_000, 10))]);
        let mut replay = Replay::new(&target.files().unwrap(), TimeRange::ALL);
        assert_eq!(replay.advance(), Some(NOON));
        assert_eq!((replay.target().job.as_str(), replay.target().instance.as_str()), ("node", "db01:9100"));
        assert_eq!((replay.watch().host_name(), replay.watch().problems().len()), (Some("db01"), 0));
        assert_eq!(replay.advance(), Some(NOON + 10_000));
        assert_eq!(replay.watch().vitals().disk_read_bytes_per_second, Some(500.0));
        assert_eq!(replay.watch().problems()[0].limit.alert, "NodeFileDescriptorLimit");
        replay.advance();
        assert_eq!(replay.watch().problems()[0].sentence, "does not answer: connect: refused");
        replay.advance();
        assert_eq!(replay.watch().vitals().disk_read_bytes_per_second, Some(250.0), "since the last page");
        assert!(replay.watch().problems().is_empty() && replay.advance().is_none());
        assert!(replay.take_problems().is_empty() && replay.disk_bytes() > 100);
    }

    #[test]
    fn files_of_others_are_played_too() {
        let storage = tempfile::tempdir().unwrap();
        let mut writer = Writer::new("a");
        writer.scrape(NOON, &["node_load1 0.5", "odd{x=\"\\\"} 1\"} NaN"]);
        put(storage.path(), "a_1/samples-20261121T120000Z.om", writer.closed());
        let target = Storage::open(storage.path()).unwrap().targets.remove(0);
        let mut replay = Replay::new(&target.files().unwrap(), TimeRange::ALL);
        assert_eq!(replay.advance(), Some(NOON));
        assert_eq!(replay.watch().vitals().load1, Some(0.5));
    }
}

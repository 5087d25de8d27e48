//! Any order of writing, rotating, compressing, failing, dying and removing keeps every scrape that was stored, once
//! and in order.

use super::*;
use crate::exposition::Format;
use crate::scrape_log::lines::{Lines, Rules, Scrape, Workspace};
use crate::vitals::Observation;
use proptest::prelude::*;

const DIRECTORY: &str = "a_1";
/// A third or so of a file.
const MAX_FILE_SIZE_BYTES: u64 = 3000;

#[derive(Clone, Debug)]
enum Step {
    /// So many scrapes, 15 seconds apart.
    Scrape(u8),
    /// Time goes by, in minutes.
    Pass(u16),
    /// The clock goes back by so many seconds.
    GoBack(u16),
    /// The threads do all there is to do.
    Settle,
    /// The process dies. So many bytes of a scrape are in the file.
    Kill { torn_bytes: u16 },
    /// A target is taken out and put back.
    Close,
    /// After so many calls of the disk so many fail.
    Break { skip: u8, count: u8, fault: Fault },
    /// The threads begin to do all there is to do, and the process dies after so many calls.
    DieWhileSettling { after: u8 },
    /// Files before the last so many hours are removed.
    Retain { hours: u8 },
}

fn step() -> impl Strategy<Value = Step> {
    // Not that there is no space, which costs the oldest files.
    let fault = prop_oneof![Just(Fault::Error(5)), Just(Fault::ShortWrite(5)), Just(Fault::Error(12))];
    prop_oneof![
        6 => (1..6_u8).prop_map(Step::Scrape),
        3 => (1..300_u16).prop_map(Step::Pass),
        1 => (1..10_000_u16).prop_map(Step::GoBack),
        3 => Just(Step::Settle),
        2 => (0..600_u16).prop_map(|torn_bytes| Step::Kill { torn_bytes }),
        1 => Just(Step::Close),
        2 => (0..12_u8, 1..4_u8, fault).prop_map(|(skip, count, fault)| Step::Break { skip, count, fault }),
        2 => (0..12_u8).prop_map(|after| Step::DieWhileSettling { after }),
        1 => (4..24_u8).prop_map(|hours| Step::Retain { hours }),
    ]
}

struct World {
    storage: tempfile::TempDir,
    disk: FaultyDisk,
    running: Option<(Arc<Storage>, Samples)>,
    lines: Lines,
    workspace: Workspace,
    milliseconds: i64,
    latest_milliseconds: i64,
    went_back: bool,
    number: u32,
    /// The scrapes that are stored: their number and time.
    stored: Vec<(u32, i64)>,
    sync_interval: Duration,
    /// Those that were too old and went. After a failure they may have been written again into a later file, and stay.
    retired: Vec<u32>,
    has_failed: bool,
    /// A sync and the cut after it failed, and then the process died: that scrape may be there twice.
    may_double: bool,
}

impl World {
    fn new(sync_interval: Duration) -> Self {
        let labels = [("job", "node"), ("instance", "a:1")].into_iter().collect();
        let rules = Rules { labels, ..Rules::default() };
        let mut world = Self {
            storage: tempfile::tempdir().unwrap(),
            disk: FaultyDisk::default(),
            running: None,
            lines: Lines::new("http://a:1/metrics".to_owned(), Duration::from_secs(15), rules),
            workspace: Workspace::default(),
            milliseconds: NOON,
            latest_milliseconds: NOON,
            went_back: false,
            number: 0,
            stored: Vec::new(),
            retired: Vec::new(),
            has_failed: false,
            sync_interval,
            may_double: false,
        };
        world.start();
        world
    }

    fn start(&mut self) {
        let files = self.disk.storage_with(StorageOptions {
            max_file_size_bytes: MAX_FILE_SIZE_BYTES,
            min_free: MinFree::Bytes(0),
            sync_interval: self.sync_interval,
            ..StorageOptions::new(self.storage.path().to_owned())
        });
        let (samples, _) = files.target(DIRECTORY);
        self.running = Some((files, samples));
    }

    fn run(&mut self, step: &Step) {
        let (files, samples) = self.running.as_mut().unwrap();
        match *step {
            Step::Scrape(count) => {
                for _ in 0..count {
                    self.scrape();
                }
            }
            Step::Pass(minutes) => self.milliseconds += i64::from(minutes) * 60_000,
            Step::GoBack(seconds) => {
                self.milliseconds -= i64::from(seconds) * 1000;
                self.went_back = true;
            }
            Step::Settle => files.settle(),
            Step::Close => samples.close(),
            Step::Break { skip, count, fault } => {
                self.has_failed = true;
                self.disk.break_after(u64::from(skip), u64::from(count), fault);
            }
            Step::Kill { torn_bytes } => self.die(torn_bytes),
            Step::DieWhileSettling { after } => {
                self.has_failed = true;
                self.disk.break_after(u64::from(after), u64::MAX, Fault::ShortWrite(5));
                files.settle();
                self.die(0);
            }
            Step::Retain { hours } => {
                self.disk.mend();
                let limit = self.latest_milliseconds - i64::from(hours) * HOUR;
                let limit_seconds = u64::try_from(limit / 1000).unwrap();
                files.remove_while(&files.stats.removed_for_time, |id, _| {
                    u64::from(id.name.end_seconds()) <= limit_seconds
                });
                // Windows that ended, but for what is in the file that is written to.
                let ended = |milliseconds: i64| {
                    (milliseconds.div_euclid(2 * HOUR) + 1) * 2 * HOUR <= limit / 1000 * 1000
                };
                let open = samples.present().and_then(|path| fs::read_to_string(path).ok());
                let in_open_file = |number: u32| {
                    let start = format!("}} {number} ");
                    let mut lines = open.iter().flat_map(|text| text.lines());
                    lines.any(|line| line.starts_with("a{") && line.contains(&start))
                };
                let (kept, retired): (Vec<_>, Vec<_>) =
                    self.stored.iter().partition(|&&(number, at)| !ended(at) || in_open_file(number));
                self.stored = kept;
                self.retired.extend(retired.iter().map(|&(number, _)| number));
            }
        }
    }

    /// As the recorder does it: a call that failed is tried again.
    fn scrape(&mut self) {
        self.number += 1;
        self.milliseconds += 15_000;
        self.latest_milliseconds = self.latest_milliseconds.max(self.milliseconds);
        let (_, samples) = self.running.as_mut().unwrap();
        let page = format!("# TYPE a gauge\na {0}\nb {0}\n", self.number);
        let scrape = Scrape {
            timestamp_milliseconds: self.milliseconds,
            duration: Duration::from_millis(7),
            page: Ok((page.as_bytes(), Format::Text)),
        };
        let mut fresh = std::mem::take(&mut self.went_back);
        for _ in 0..3 {
            let ready = samples.ready(self.milliseconds, fresh);
            let empty = ready.as_ref().is_ok_and(|ready| *ready == Ready::Empty);
            fresh = false;
            self.lines.write(&mut self.workspace, &scrape, empty, None, &mut Observation::default());
            if ready.and_then(|_| samples.append(self.workspace.record())).is_ok() {
                self.stored.push((self.number, self.milliseconds));
                return;
            }
        }
    }

    fn die(&mut self, torn_bytes: u16) {
        let files = &self.running.as_ref().unwrap().0;
        self.may_double |= files.jobs.take().iter().any(|job| matches!(job, Job::End { .. }));
        let was_open = self.running.as_ref().unwrap().1.present();
        self.running = None;
        self.disk.mend();
        if let Some(path) = was_open.filter(|path| path.exists()) {
            let torn = self.workspace.record();
            let torn = &torn[..torn.len().min(usize::from(torn_bytes)).saturating_sub(1)];
            let mut file = fs::OpenOptions::new().append(true).open(path).unwrap();
            io::Write::write_all(&mut file, torn).unwrap();
        }
        self.start();
    }

    /// Ends all and compares what is in the files with what was stored.
    fn check(&mut self) {
        self.disk.mend();
        let (files, samples) = self.running.as_mut().unwrap();
        samples.close();
        files.settle();
        files.settle();
        assert_eq!(files.jobs.len(), 0);
        let mut found = Vec::new();
        for (name, text) in texts(self.storage.path()) {
            assert!(name.ends_with(".om.zst"), "{name}");
            assert!(text.ends_with("\n# EOF\n") && text.matches("# EOF").count() == 1, "{name}: {text}");
            assert!(text.starts_with("# HELP scrapelog_file {"), "{name}: {text}");
            let mut pending = None;
            for line in text.lines().filter(|line| !line.starts_with('#')) {
                let value = || line.rsplit(' ').nth(1).unwrap().parse::<u32>().unwrap();
                match line.split('{').next().unwrap() {
                    "a" => assert_eq!(pending.replace(value()), None, "{name}: torn"),
                    "scrape_samples_post_metric_relabeling" => found.push(pending.take().unwrap()),
                    _ => {}
                }
            }
            assert_eq!(pending, None, "{name}: torn");
        }
        found.sort_unstable();
        if self.may_double {
            found.dedup();
        }
        if self.has_failed {
            found.retain(|number| !self.retired.contains(number));
        }
        let want: Vec<u32> = self.stored.iter().map(|&(number, _)| number).collect();
        assert_eq!(found, want);
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 300, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn every_stored_scrape_is_in_the_files_once(steps in prop::collection::vec(step(), 1..30), synced: bool) {
        // A death is no power cut: what was written is in the files, synced or not.
        let sync_interval = if synced { Duration::ZERO } else { Duration::from_secs(60) };
        let mut world = World::new(sync_interval);
        for step in &steps {
            world.run(step);
        }
        world.check();
    }
}

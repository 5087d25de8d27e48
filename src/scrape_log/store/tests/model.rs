//! Any order of writing, rotating, compressing, failing, dying and removing keeps every scrape that was stored, once
//! and in order.

use super::*;
use crate::exposition::Format;
use crate::scrape_log::lines::{Lines, Rules, Scrape, Workspace};
use crate::vitals::Observation;
use proptest::prelude::*;
use std::collections::BTreeSet;

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
    /// The numbers of the scrapes that are stored.
    stored: BTreeSet<u32>,
    sync_interval: Duration,
    /// Scrapes that are there twice: they were written again, could not be cut off where they had been, and then the
    /// process died.
    doubled: BTreeSet<u32>,
}

/// What a file on the disk holds.
#[derive(Debug, Default)]
struct Content {
    /// The numbers of the scrapes that it is known to have.
    kept: Vec<u32>,
    /// Those behind its end, which are about to be cut off.
    behind: Vec<u32>,
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
            stored: BTreeSet::new(),
            sync_interval,
            doubled: BTreeSet::new(),
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
                self.disk.break_after(u64::from(skip), u64::from(count), fault);
            }
            Step::Kill { torn_bytes } => self.die(torn_bytes),
            Step::DieWhileSettling { after } => {
                self.disk.break_after(u64::from(after), u64::MAX, Fault::ShortWrite(5));
                files.settle();
                self.die(0);
            }
            Step::Retain { hours } => self.retain(hours),
        }
    }

    /// Removes old files. Those go of which the name says so, but for those that are written to; and with them goes
    /// what is in no other file.
    fn retain(&mut self, hours: u8) {
        self.disk.mend();
        let before = self.contents();
        let (files, samples) = self.running.as_ref().unwrap();
        let limit_seconds =
            u64::try_from(self.latest_milliseconds / 1000 - i64::from(hours) * HOUR / 1000).unwrap();
        let is_old = |name: FileName| u64::from(name.end_seconds()) <= limit_seconds;
        files.remove_while(&files.stats.removed_for_time, |id, _| is_old(id.name));
        let held = samples.held();
        let stays = |name: FileName| !is_old(name) || held.iter().any(|&(held, _)| held == name);
        let after = self.contents();
        let want = before.keys().copied().filter(|&name| stays(name));
        assert!(after.keys().copied().eq(want), "limit {limit_seconds}: {before:?} became {after:?}");
        let there: BTreeSet<u32> = before.values().flat_map(|content| &content.kept).copied().collect();
        assert!(self.stored.is_subset(&there), "{:?} are not in {before:?}", self.stored);
        let left: BTreeSet<u32> = after.values().flat_map(|content| &content.kept).copied().collect();
        self.stored = &self.stored & &left;
    }

    /// What is in the files, without regard to how they are stored.
    fn contents(&self) -> BTreeMap<FileName, Content> {
        let (files, samples) = self.running.as_ref().unwrap();
        let mut ends: BTreeMap<FileName, u64> = samples.held().into_iter().collect();
        for job in files.jobs.take() {
            if let Job::End { id, len } = job {
                ends.insert(id.name, len);
            }
            files.jobs.push(job);
        }
        let directory = self.storage.path().join(DIRECTORY);
        let mut contents = BTreeMap::new();
        for text_name in if directory.is_dir() { names(&directory) } else { Vec::new() } {
            let (name, form) = FileName::parse(&text_name).unwrap();
            let bytes = fs::read(directory.join(&text_name)).unwrap();
            let bytes = match form {
                Form::Plain => bytes,
                Form::Compressed => zstd::decode_all(bytes.as_slice()).unwrap(),
                Form::Unfinished => continue,
            };
            let end = ends.get(&name).map_or(bytes.len(), |&len| usize::try_from(len).unwrap());
            let (kept, behind) = bytes.split_at(end.min(bytes.len()));
            let [kept, behind] = [kept, behind].map(|part| scrapes(&String::from_utf8_lossy(part)).0);
            contents.insert(name, Content { kept, behind });
        }
        contents
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
                self.stored.insert(self.number);
                return;
            }
        }
    }

    fn die(&mut self, torn_bytes: u16) {
        // Nobody knows any more what was to be cut off: what is whole there stays.
        let contents = self.contents();
        let kept: BTreeSet<u32> = contents.values().flat_map(|content| &content.kept).copied().collect();
        for &number in contents.values().flat_map(|content| &content.behind) {
            if kept.contains(&number) || !self.stored.insert(number) {
                self.doubled.insert(number);
            }
        }
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
            let (numbers, is_torn) = scrapes(&text);
            assert!(!is_torn, "{name}: {text}");
            found.extend(numbers);
        }
        found.sort_unstable();
        found.dedup_by(|later, earlier| later == earlier && self.doubled.contains(later));
        assert!(found.iter().eq(&self.stored), "{found:?} are there, not {:?}", self.stored);
    }
}

/// The numbers of the whole scrapes in a text, and whether there is a part of one besides.
fn scrapes(text: &str) -> (Vec<u32>, bool) {
    let (mut numbers, mut pending, mut is_torn) = (Vec::new(), None, false);
    for line in text.split_inclusive('\n').filter(|line| !line.starts_with('#')) {
        let Some(line) = line.strip_suffix('\n') else {
            is_torn = true;
            break;
        };
        match line.split('{').next().unwrap() {
            "a" => {
                let number: u32 = line.rsplit(' ').nth(1).unwrap().parse().unwrap();
                is_torn |= pending.replace(number).is_some();
            }
            "scrape_samples_post_metric_relabeling" => match pending.take() {
                Some(number) => numbers.push(number),
                None => is_torn = true,
            },
            _ => {}
        }
    }
    (numbers, is_torn || pending.is_some())
}

proptest! {
    #![proptest_config(ProptestConfig {
        // PROPTEST_CASES asks for more.
        cases: ProptestConfig::default().cases.max(300),
        failure_persistence: None,
        ..ProptestConfig::default()
    })]

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

//! Files that go because they are old, or because there is no room.

use super::*;

const NOON_SECONDS: u64 = 1_795_262_400;
const LINE: &[u8] = b"x 123456789\n";

/// A storage of one or two targets with a line in each of so many windows.
struct Bench {
    storage: tempfile::TempDir,
    disk: FaultyDisk,
    files: Arc<Storage>,
    samples: Vec<Samples>,
    start: Instant,
}

impl Bench {
    fn new(targets: usize, windows: i64, change: impl FnOnce(&mut StorageOptions)) -> Self {
        let storage = tempfile::tempdir().unwrap();
        let disk = FaultyDisk::default();
        disk.set_capacity(1 << 40);
        let mut options = StorageOptions {
            compression_level: 0,
            min_free: MinFree::Bytes(0),
            ..StorageOptions::new(storage.path().to_owned())
        };
        change(&mut options);
        let files = disk.storage_with(options);
        let samples = (0..targets).map(|number| files.target(&format!("a_{number}")).0).collect();
        let mut bench = Self { storage, disk, files, samples, start: Instant::now() };
        for window in 0..windows {
            for target in 0..targets {
                bench.write(target, window).unwrap();
            }
        }
        bench
    }

    fn write(&mut self, target: usize, window: i64) -> io::Result<()> {
        self.samples[target].ready(NOON + 2 * HOUR * window, false)?;
        self.samples[target].append(LINE)
    }

    fn tick(&self, after: Duration, wall_seconds: u64) {
        self.files.tick(self.start + after, wall_seconds);
    }

    /// The hours of the files.
    fn hours(&self, target: usize) -> Vec<String> {
        let names = names(&self.storage.path().join(format!("a_{target}")));
        names.iter().map(|name| name.chars().skip("samples-20261121T".len()).take(2).collect()).collect()
    }
}

#[test]
fn files_go_when_all_in_them_is_too_old() {
    let four_hours = Some(Duration::from_secs(4 * 3600));
    let bench = Bench::new(2, 4, |options| options.retention_time = four_hours);
    bench.tick(Duration::ZERO, NOON_SECONDS + 8 * 3600 - 2 * 3600 - 1);
    assert_eq!(bench.hours(0), ["12", "14", "16", "18"], "the first ended at 14:00");
    bench.tick(Duration::from_secs(61), NOON_SECONDS + 6 * 3600);
    assert_eq!(bench.hours(0), ["14", "16", "18"]);
    assert_eq!(bench.hours(1), ["14", "16", "18"]);
    assert_eq!(bench.files.statistics().removed_for_time, 2);
}

#[test]
fn what_compressing_left_goes_with_its_file() {
    let mut bench = Bench::new(1, 1, |options| {
        options.retention_time = Some(Duration::from_secs(1));
        options.compression_level = 1;
    });
    bench.samples[0].close();
    bench.samples.clear();
    // The text can't be read, and what was begun can't be removed.
    bench.disk.break_after(7, 2, Fault::Error(5));
    bench.files.settle();
    assert_eq!(
        names(&bench.storage.path().join("a_0")),
        ["samples-20261121T120000Z.om", "samples-20261121T120000Z.om.zst.tmp"]
    );
    bench.tick(Duration::ZERO, NOON_SECONDS + 7201);
    assert_eq!(names(bench.storage.path()), ["scrape-log.lock"], "nor is the directory left");
}

#[test]
fn a_clock_that_leaps_ahead_removes_nothing_for_an_hour() {
    let time = Some(Duration::from_secs(3 * 3600));
    let bench = Bench::new(1, 2, |options| options.retention_time = time);
    let year = 365 * 86_400;
    bench.tick(Duration::from_secs(1), NOON_SECONDS + year);
    bench.tick(Duration::from_secs(3000), NOON_SECONDS + year + 3000);
    assert_eq!(bench.hours(0), ["12", "14"]);
    bench.tick(Duration::from_secs(3100), NOON_SECONDS + 3100);
    bench.tick(Duration::from_secs(3700), NOON_SECONDS + year);
    assert_eq!(bench.hours(0), ["12", "14"], "it was right in between");
    bench.tick(Duration::from_secs(7400), NOON_SECONDS + year + 3700);
    assert_eq!(bench.hours(0), ["14"], "the open one stays");
}

#[test]
fn the_oldest_files_of_all_targets_go_when_there_is_too_much() {
    let closed = LINE.len() as u64 + END_OF_FILE.len() as u64;
    let size = Some(3 * closed + 2 * LINE.len() as u64);
    let bench = Bench::new(2, 4, |options| options.retention_size_bytes = size);
    bench.tick(Duration::ZERO, NOON_SECONDS);
    let statistics = bench.files.statistics();
    assert_eq!((statistics.open.files, statistics.plain.files, statistics.removed_for_size), (2, 3, 3));
    assert_eq!(bench.hours(0).len() + bench.hours(1).len(), 5);
    assert!(!bench.hours(0).contains(&"12".to_owned()) && !bench.hours(1).contains(&"12".to_owned()));
}

#[test]
fn a_full_disk_costs_the_oldest_files_then_the_scrape() {
    let mut bench = Bench::new(2, 3, |_| {});
    let used = bench.disk.used();
    bench.disk.set_capacity(used + 5);
    let before = bench.files.statistics();
    assert!(bench.write(0, 2).is_ok());
    let after = bench.files.statistics();
    assert_eq!((bench.hours(0).len() + bench.hours(1).len(), after.removed_for_space), (5, 1));
    assert_eq!(after.scrapes_stored, before.scrapes_stored + 1);
    assert_eq!(after.suspended, None);
    // Now nothing is left but the open files.
    let error = (0..20).find_map(|_| bench.write(1, 2).err()).unwrap();
    assert_eq!(error.kind(), io::ErrorKind::StorageFull);
    assert_eq!((bench.hours(0), bench.hours(1)), (vec!["16".to_owned()], vec!["16".to_owned()]));
    assert_eq!(bench.files.statistics().suspended, Some(Suspended::Full));
    assert_eq!(bench.files.statistics().suspended.unwrap().reason(), "full");
    for text in texts(bench.storage.path()).values() {
        assert_eq!(text.len() % LINE.len(), 0, "rolled back to whole records: {text}");
    }
    bench.disk.set_capacity(1 << 30);
    bench.write(1, 2).unwrap();
    bench.tick(Duration::from_secs(1), NOON_SECONDS);
    assert_eq!(bench.files.statistics().suspended, Some(Suspended::Full), "it may be full again soon");
    bench.tick(Duration::from_secs(6), NOON_SECONDS);
    assert_eq!(bench.files.statistics().suspended, None);
}

#[test]
fn some_space_stays_free() {
    let mut bench = Bench::new(1, 5, |options| options.min_free = MinFree::Bytes(1000));
    let used = bench.disk.used();
    bench.disk.set_capacity(used + 1000 - 20);
    bench.tick(Duration::ZERO, NOON_SECONDS);
    assert_eq!(bench.hours(0), ["16", "18", "20"], "two files of 18 bytes went");
    bench.disk.set_capacity(bench.disk.used() + 900);
    bench.tick(Duration::from_secs(1), NOON_SECONDS);
    assert_eq!(bench.hours(0), ["20"]);
    assert_eq!(bench.files.statistics().suspended, Some(Suspended::MinFree { min_free_bytes: 1000 }));
    assert_eq!(bench.write(0, 4).unwrap_err().kind(), io::ErrorKind::StorageFull);
    bench.disk.set_capacity(bench.disk.used() + 1020);
    bench.tick(Duration::from_secs(2), NOON_SECONDS);
    assert!(bench.write(0, 4).is_err(), "a little more than the limit is not enough");
    bench.disk.set_capacity(bench.disk.used() + 1050);
    bench.tick(Duration::from_secs(3), NOON_SECONDS);
    bench.write(0, 4).unwrap();
    let statistics = bench.files.statistics();
    assert_eq!((statistics.min_free_bytes, statistics.free_bytes, statistics.suspended), (1000, 1050, None));
}

#[test]
fn a_filesystem_that_frees_late_does_not_cost_everything() {
    let mut bench = Bench::new(1, 20, |options| options.min_free = MinFree::Bytes(1000));
    bench.disk.free_late();
    bench.disk.set_capacity(bench.disk.used() + 1000 - 30);
    for second in 0..5 {
        bench.tick(Duration::from_secs(second), NOON_SECONDS);
    }
    assert_eq!(bench.hours(0).len(), 18, "two files of 18 bytes went, and it is waited for the space");
    bench.write(0, 19).unwrap();
}

#[test]
fn the_default_limit_is_a_tenth_and_at_most_a_gigabyte() {
    let room = |total_bytes| Room { free_bytes: 0, total_bytes };
    assert_eq!(MinFree::Tenth.bytes(room(500)), 50);
    assert_eq!(MinFree::Tenth.bytes(room(1 << 40)), 1_000_000_000);
}

#[test]
fn directories_of_vanished_targets_go_with_their_last_file() {
    let mut bench = Bench::new(3, 1, |options| options.retention_time = Some(Duration::from_secs(1)));
    fs::write(bench.storage.path().join("a_1/notes.txt"), "mine").unwrap();
    let kept = bench.samples.remove(2);
    for samples in &mut bench.samples {
        samples.close();
    }
    bench.samples.clear();
    bench.write_people("a_0");
    bench.tick(Duration::ZERO, NOON_SECONDS + 7201);
    assert!(bench.storage.path().join("a_0").exists(), "the day of the people's file is not over");
    bench.tick(Duration::from_secs(120), NOON_SECONDS + 43_201);
    bench.tick(Duration::from_secs(120 + 3700), NOON_SECONDS + 43_201 + 3700);
    assert!(!bench.storage.path().join("a_0").exists());
    assert_eq!(names(&bench.storage.path().join("a_1")), ["notes.txt"]);
    assert_eq!(names(&bench.storage.path().join("a_2")).len(), 1, "it is open");
    drop(kept);
}

impl Bench {
    fn write_people(&self, directory: &str) {
        let (_, mut people) = self.files.target(directory);
        let vitals = crate::vitals::Vitals::default();
        let entry = Entry {
            timestamp_milliseconds: NOON,
            vitals: &vitals,
            problems: &[],
            duration: Duration::ZERO,
            samples: 1,
            missed: 0,
            error: None,
        };
        people.append(&entry).unwrap();
        people.append(&entry).unwrap();
    }
}

#[test]
fn a_file_that_could_not_be_made_for_lack_of_room_is_made_at_the_second_try() {
    let mut bench = Bench::new(1, 3, |_| {});
    bench.disk.set_capacity(bench.disk.used() + 100);
    bench.disk.break_after(1, 1, Fault::Error(28));
    bench.write(0, 3).unwrap();
    assert_eq!(bench.hours(0), ["14", "16", "18"], "the oldest went");
    // A device may say so only when it syncs.
    bench.disk.break_after(1, 1, Fault::Error(28));
    assert_eq!(bench.write(0, 3).unwrap_err().kind(), io::ErrorKind::StorageFull);
    bench.write(0, 3).unwrap();
    assert_eq!(bench.hours(0).len(), 3, "one more went for a new file");
}

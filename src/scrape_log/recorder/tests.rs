use super::*;
use crate::exposition::Format;
use crate::scrape_log::schedule::Stamp;
use crate::scrape_log::store::Storage;
use crate::scrape_log::store::tests::{Fault, FaultyDisk};
use std::collections::BTreeMap;
use std::fs;
use std::path::PathBuf;
use std::time::Duration;

const NOON: i64 = 1_795_262_400_000;
const ENOSPC: i32 = 28;
const EIO: i32 = 5;

fn job() -> Job {
    Job::new("node".to_owned(), Duration::from_secs(15), Duration::from_secs(10))
}

fn target() -> Target {
    let discovered = [("__address__", "db01:9100")].into_iter().collect();
    Target::discovered(&job(), discovered).unwrap().unwrap()
}

struct Bench {
    storage: tempfile::TempDir,
    disk: FaultyDisk,
    files: Arc<Storage>,
    recorder: Recorder,
    watch: Mutex<Watch>,
    workspace: Workspace,
    number: i64,
}

impl Bench {
    fn new() -> Self {
        let storage = tempfile::tempdir().unwrap();
        let disk = FaultyDisk::default();
        let files = disk.storage(storage.path());
        let recorder = Recorder::new(&target(), &job(), &files);
        let (workspace, watch) = (Workspace::default(), Mutex::default());
        Self { storage, disk, files, recorder, watch, workspace, number: 0 }
    }

    fn directory(&self) -> PathBuf {
        self.storage.path().join("db01_9100")
    }

    /// Records one page whose value is the scrape's number.
    fn scrape(&mut self) -> Summary {
        self.number += 1;
        let milliseconds = NOON + self.number * 15_000;
        self.scrape_at(Stamp { milliseconds, clock_went_back: false })
    }

    fn scrape_at(&mut self, stamp: Stamp) -> Summary {
        let page = format!("# HELP a Some help.\n# TYPE a gauge\na {0}\nb{{x=\"1\"}} {0}\n", self.number);
        let scrape = Scrape {
            timestamp_milliseconds: stamp.milliseconds,
            duration: Duration::from_millis(5),
            page: Ok((page.as_bytes(), Format::Text)),
        };
        let moment = Moment { clock_went_back: stamp.clock_went_back, missed: 0 };
        self.recorder.record(&mut self.workspace, &scrape, moment, &self.watch).summary
    }

    /// Closes the files, and has done what is left to the threads.
    fn close(&mut self) {
        self.recorder.close();
        self.files.settle();
    }

    fn samples_files(&self) -> BTreeMap<String, String> {
        let Ok(entries) = fs::read_dir(self.directory()) else { return BTreeMap::new() };
        entries
            .map(|entry| entry.unwrap())
            .filter(|entry| entry.file_name().to_str().unwrap().starts_with("samples-"))
            .map(|entry| {
                (entry.file_name().into_string().unwrap(), fs::read_to_string(entry.path()).unwrap())
            })
            .collect()
    }

    /// The numbers of the scrapes that are whole in the files, in the order of the files.
    fn recorded(&self) -> Vec<i64> {
        let mut numbers = Vec::new();
        for (name, text) in self.samples_files() {
            let mut pending = None;
            for line in text.lines() {
                let value = || line.rsplit(' ').nth(1).unwrap().parse::<f64>().unwrap() as i64;
                match line.split('{').next().unwrap() {
                    "a" => assert_eq!(pending.replace(value()), None, "{name}: a scrape without its mark"),
                    "scrape_samples_post_metric_relabeling" => {
                        assert_eq!(value(), 2);
                        numbers.push(pending.take().unwrap());
                    }
                    _ => {}
                }
            }
            assert_eq!(pending, None, "{name}: torn");
            assert!(text.ends_with('\n'), "{name}: torn");
        }
        numbers
    }
}

#[test]
fn one_write_and_one_sync_a_scrape() {
    let mut bench = Bench::new();
    bench.scrape();
    bench.disk.take_log();
    bench.scrape();
    assert_eq!(bench.disk.take_log(), ["write", "sync", "write"]);
}

#[test]
fn a_full_disk_costs_the_scrapes_of_that_time_only() {
    for fault in [Fault::Error(ENOSPC), Fault::ShortWrite(ENOSPC)] {
        let mut bench = Bench::new();
        bench.scrape();
        bench.scrape();
        bench.disk.break_after(0, u64::MAX, fault);
        for _ in 0..3 {
            assert_eq!(bench.scrape().error, None, "the target is up all the same");
        }
        bench.disk.mend();
        bench.scrape();
        bench.scrape();
        bench.close();
        assert_eq!(bench.recorded(), [1, 2, 6, 7]);
        let files = bench.samples_files();
        assert_eq!(files.len(), 1);
        let text = files.values().next().unwrap();
        assert!(
            text.contains("\"err\":\"3 scrapes before this one could not be written: No space left"),
            "{text}"
        );
        assert_eq!(text.matches("# HELP a Some help.").count(), 2, "once more after the gap");
        assert!(text.ends_with("# EOF\n"));
    }
}

#[test]
fn a_disk_that_is_full_from_the_start() {
    let mut bench = Bench::new();
    bench.disk.break_after(2, u64::MAX, Fault::ShortWrite(ENOSPC));
    bench.scrape();
    bench.disk.mend();
    bench.scrape();
    assert_eq!(bench.recorded(), [2]);
    let files = bench.samples_files();
    assert_eq!(files.len(), 1);
    assert!(files.values().next().unwrap().starts_with("# HELP scrapelog_file {"), "the header comes first");
}

#[test]
fn data_that_may_not_be_on_the_device_goes_into_a_new_file() {
    let mut bench = Bench::new();
    bench.scrape();
    bench.disk.break_after(1, 1, Fault::Error(EIO));
    bench.disk.take_log();
    bench.scrape();
    assert_eq!(bench.disk.take_log()[..2], ["write", "sync"]);
    bench.scrape();
    assert_eq!(bench.recorded(), [1, 2, 3]);
    let files: Vec<_> = bench.samples_files().into_values().collect();
    assert_eq!(files.len(), 2);
    assert!(files[0].ends_with("} 2 1795262415.000\n# EOF\n"), "{}", files[0]);
    assert!(files[1].starts_with("# HELP scrapelog_file {"));
}

#[test]
fn any_call_may_fail_and_nothing_is_torn_doubled_or_lost_for_long() {
    let mut calls = 0;
    {
        let mut bench = Bench::new();
        for _ in 0..4 {
            bench.scrape();
        }
        bench.close();
        calls += bench.disk.calls();
    }
    for fault in [Fault::Error(ENOSPC), Fault::ShortWrite(ENOSPC), Fault::Error(EIO)] {
        for first in 0..calls {
            for count in 1..6 {
                let mut bench = Bench::new();
                bench.disk.break_after(first, count, fault);
                for _ in 0..10 {
                    bench.scrape();
                }
                bench.disk.mend();
                bench.scrape();
                bench.close();
                let recorded = bench.recorded();
                let context = format!("{fault:?} in calls {first} to {}: {recorded:?}", first + count);
                assert!(recorded.is_sorted_by(|one, two| one < two), "{context}");
                assert_eq!(recorded.last(), Some(&11), "{context}");
                assert!(recorded.len() >= 11 - count as usize, "{context}");
                assert!(count > 2 || recorded.len() == 11, "two failures cost nothing: {context}");
                for (name, text) in bench.samples_files() {
                    assert!(text.ends_with("# EOF\n"), "{name}, {context}");
                    assert_eq!(text.matches("# EOF").count(), 1, "{name}, {context}");
                    assert_eq!(text.matches("scrapelog_file {").count(), 1, "{name}, {context}");
                }
            }
        }
    }
}

#[test]
fn a_directory_that_is_taken_away_is_made_again() {
    let mut bench = Bench::new();
    bench.scrape();
    fs::remove_dir_all(bench.directory()).unwrap();
    std::thread::sleep(Duration::from_millis(1100));
    bench.scrape();
    assert_eq!(bench.recorded(), [2]);
    fs::rename(bench.directory(), bench.storage.path().join("moved")).unwrap();
    std::thread::sleep(Duration::from_millis(1100));
    bench.scrape();
    assert_eq!(bench.recorded(), [3]);
    assert!(fs::read_dir(bench.directory()).unwrap().count() == 2, "samples and the log for people");
}

#[test]
fn a_clock_that_went_far_back_starts_a_new_file() {
    let mut bench = Bench::new();
    bench.scrape();
    bench.number = 100;
    bench.scrape_at(Stamp { milliseconds: NOON + 1000, clock_went_back: true });
    bench.number = 101;
    bench.scrape_at(Stamp { milliseconds: NOON + 16_000, clock_went_back: false });
    let names: Vec<_> = bench.samples_files().into_keys().collect();
    assert_eq!(names, ["samples-20261121T120001Z.om", "samples-20261121T120015Z.om"]);
    assert_eq!(bench.recorded(), [100, 101, 1]);
}

#[test]
fn the_log_for_people_goes_on_behind_its_last_whole_line() {
    let mut bench = Bench::new();
    bench.scrape();
    let path = bench.directory().join("vitals-20261121.log");
    let whole = fs::read_to_string(&path).unwrap();
    assert!(whole.starts_with("time=2026-11-21T12:00:15.000Z up=1 "), "{whole}");
    fs::write(&path, format!("{whole}time=2026-11-21T12:0")).unwrap();
    bench.recorder = Recorder::new(&target(), &job(), &bench.files);
    bench.scrape();
    let text = fs::read_to_string(&path).unwrap();
    assert_eq!(text.lines().count(), 2, "{text}");
    assert!(text.starts_with(&whole) && text.ends_with('\n'), "{text}");
}

#[test]
fn rates_are_between_pages_that_were_read() {
    let mut bench = Bench::new();
    let mut record = |seconds: i64, page: Result<&str, &str>| {
        let scrape = Scrape {
            timestamp_milliseconds: NOON + 1000 * seconds,
            duration: Duration::from_millis(5),
            page: page.map(|page| (page.as_bytes(), Format::Text)),
        };
        let moment = Moment { clock_went_back: false, missed: 0 };
        bench.recorder.record(&mut bench.workspace, &scrape, moment, &bench.watch);
    };
    record(0, Ok("node_disk_read_bytes_total{device=\"sda\"} 1000\n"));
    record(10, Err("connect: refused"));
    record(20, Ok("node_disk_read_bytes_total{device=\"sda\"} 5000\n"));
    record(30, Ok("node_disk_read_bytes_total{device=\"sda\"} 5500\n"));
    let log = fs::read_to_string(bench.directory().join("vitals-20261121.log")).unwrap();
    let rates: Vec<_> = log
        .lines()
        .map(|line| line.split_once("disk_read_bytes_per_second=").map(|(_, rest)| rest))
        .collect();
    assert!(rates[0].is_none() && rates[1].is_none(), "{log}");
    assert!(rates[2].unwrap().starts_with("200 ") && rates[3].unwrap().starts_with("50 "), "{log}");
}

//! What the store makes of disks that fail, get full or are taken away.

mod faulty;
mod model;
mod room;
mod threads;

pub(in crate::scrape_log) use faulty::{Fault, FaultyDisk};

use super::compress::Compressor;
use super::stats::FileTotal;
use super::*;
use std::collections::BTreeMap;
use std::fs;
use std::time::Instant;

const HOUR: i64 = 3_600_000;

impl Storage {
    /// Does what the threads would do.
    pub(in crate::scrape_log) fn settle(&self) {
        let mut compressor = Compressor::new(self.options.compression_level).unwrap();
        for job in self.jobs.take() {
            compressor.run(self, job);
        }
        self.syncs.run(&self.stats);
    }
}

/// The files below a directory with their text, decompressed.
fn texts(storage: &Path) -> BTreeMap<String, String> {
    let mut texts = BTreeMap::new();
    for directory in fs::read_dir(storage).unwrap().map(|entry| entry.unwrap().path()) {
        for name in if directory.is_dir() { names(&directory) } else { Vec::new() } {
            let bytes = fs::read(directory.join(&name)).unwrap();
            let bytes =
                if name.ends_with(".zst") { zstd::decode_all(bytes.as_slice()).unwrap() } else { bytes };
            texts.insert(name, String::from_utf8(bytes).unwrap());
        }
    }
    texts
}

const NOON: i64 = 1_795_262_400_000;

fn names(directory: &Path) -> Vec<String> {
    let mut names: Vec<_> = fs::read_dir(directory)
        .unwrap()
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .collect();
    names.sort();
    names
}

#[test]
fn files_begin_at_even_hours() {
    let storage = tempfile::tempdir().unwrap();
    let directory = storage.path().join("a_1");
    let files = FaultyDisk::default().storage(storage.path());
    let (mut samples, _) = files.target("a_1");
    for (time, new) in [
        (NOON + HOUR, true),
        (NOON + 2 * HOUR - 1, false),
        (NOON + 2 * HOUR, true),
        (NOON + 4 * HOUR - 1, false),
        (NOON + 4 * HOUR, true),
    ] {
        let want = if new { Ready::Empty } else { Ready::Begun };
        assert_eq!(samples.ready(time, false).unwrap(), want, "{time}");
        samples.append(b"x 1\n").unwrap();
    }
    samples.close();
    assert_eq!(
        names(&directory),
        ["samples-20261121T130000Z.om", "samples-20261121T140000Z.om", "samples-20261121T160000Z.om"]
    );
    for (name, lines) in names(&directory).iter().zip([2, 2, 1]) {
        let text = fs::read_to_string(directory.join(name)).unwrap();
        assert_eq!(text, format!("{}# EOF\n", "x 1\n".repeat(lines)), "{name}");
    }
}

#[test]
fn a_file_that_could_not_be_closed_is_closed_later() {
    let storage = tempfile::tempdir().unwrap();
    let disk = FaultyDisk::default();
    let files = disk.storage(storage.path());
    let (mut samples, _) = files.target("a_1");
    samples.ready(NOON, false).unwrap();
    samples.append(b"x 1\n").unwrap();
    disk.break_after(0, 1, Fault::Error(28));
    samples.ready(NOON + 3 * HOUR, false).unwrap();
    samples.append(b"x 2\n").unwrap();
    let first = storage.path().join("a_1").join(&names(&storage.path().join("a_1"))[0]);
    assert_eq!(fs::read_to_string(&first).unwrap(), "x 1\n");
    files.settle();
    assert_eq!(fs::read_to_string(first).unwrap(), "x 1\n# EOF\n");
}

#[test]
fn a_taken_name_is_never_written_to() {
    let storage = tempfile::tempdir().unwrap();
    let directory = storage.path().join("a_1");
    for wanted in 1..4 {
        let files = FaultyDisk::default().storage(storage.path());
        let (mut samples, _) = files.target("a_1");
        samples.ready(NOON, false).unwrap();
        samples.append(b"x 1\n").unwrap();
        samples.close();
        assert_eq!(names(&directory).len(), wanted);
    }
    assert_eq!(
        names(&directory),
        [
            "samples-20261121T120000Z.om",
            "samples-20261121T120000Z_0001.om",
            "samples-20261121T120000Z_0002.om"
        ]
    );
}

#[test]
fn files_of_one_second_sort_as_they_were_begun() {
    let storage = tempfile::tempdir().unwrap();
    let directory = storage.path().join("a_1");
    let files = FaultyDisk::default().storage(storage.path());
    let (mut samples, _) = files.target("a_1");
    for number in 0..5 {
        samples.ready(NOON, true).unwrap();
        samples.append(format!("x {number}\n").as_bytes()).unwrap();
        if number == 2 {
            // The oldest go for want of room.
            assert!(files.make_room(u64::MAX / 2, 1));
        }
    }
    samples.close();
    let texts: Vec<String> = texts(storage.path()).into_values().collect();
    assert_eq!(texts, [1, 2, 3, 4].map(|number| format!("x {number}\n# EOF\n")), "{:?}", names(&directory));
}

#[test]
fn a_directory_that_is_a_link_is_refused() {
    let (storage, outside) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let directory = storage.path().join("a_1");
    std::os::unix::fs::symlink(outside.path(), &directory).unwrap();
    let files = Storage::open(Arc::new(SystemDisk), StorageOptions::new(storage.path().to_owned())).unwrap();
    let (mut samples, _) = files.target("a_1");
    let error = samples.ready(NOON, false).unwrap_err();
    assert_eq!(error.kind(), io::ErrorKind::NotADirectory, "{error}");
    assert_eq!(names(outside.path()), [""; 0]);
}

#[test]
fn the_storage_path_has_one_writer() {
    let storage = tempfile::tempdir().unwrap();
    let options = StorageOptions::new(storage.path().join("new/below"));
    let (files, background) = prepare(options.clone()).unwrap();
    let error = prepare(options.clone()).err().unwrap();
    assert!(
        error.to_string().contains(&format!("(process {}, running since 2", std::process::id())),
        "{error}"
    );
    drop((files, background));
    prepare(options).unwrap();
}

#[test]
fn a_storage_path_that_can_not_be_used_is_an_error() {
    let storage = tempfile::tempdir().unwrap();
    let file = storage.path().join("file");
    fs::write(&file, "").unwrap();
    for path in [file.clone(), file.join("below")] {
        let error = prepare(StorageOptions::new(path)).err().unwrap().to_string();
        assert!(error.contains("--storage.path") && error.contains("file"), "{error}");
    }
}

#[test]
fn a_file_ends_before_it_gets_too_large() {
    let storage = tempfile::tempdir().unwrap();
    let files = FaultyDisk::default().storage_with(StorageOptions {
        max_file_size_bytes: 10,
        compression_level: 3,
        ..StorageOptions::new(storage.path().to_owned())
    });
    let (mut samples, _) = files.target("a_1");
    for number in 0..5 {
        samples.ready(NOON + 1000 * number, false).unwrap();
        samples.append(format!("x {number}\n").as_bytes()).unwrap();
    }
    files.settle();
    let texts = texts(storage.path());
    let want = [
        ("samples-20261121T120000Z.om.zst", "x 0\nx 1\n# EOF\n"),
        ("samples-20261121T120002Z.om.zst", "x 2\nx 3\n# EOF\n"),
        ("samples-20261121T120004Z.om", "x 4\n"),
    ];
    assert_eq!(texts, want.map(|(name, text)| (name.to_owned(), text.to_owned())).into());
    let statistics = files.statistics();
    assert_eq!(statistics.open, FileTotal { files: 1, bytes: 4 });
    assert_eq!((statistics.plain.files, statistics.compressed.files), (0, 2));
    assert_eq!((statistics.scrapes_stored, statistics.written_bytes, statistics.syncs), (5, 20, 5));
    assert_eq!(statistics.compression_read_bytes, 28);
    assert_eq!(statistics.compressed.bytes, statistics.compression_written_bytes);
    assert_eq!(statistics.compression_queue_length, 0);
}

#[test]
fn records_may_wait_for_the_device() {
    let storage = tempfile::tempdir().unwrap();
    let disk = FaultyDisk::default();
    let options = StorageOptions {
        compression_level: 0,
        sync_interval: Duration::from_secs(60),
        ..StorageOptions::new(storage.path().to_owned())
    };
    let files = disk.storage_with(options);
    let (mut samples, _) = files.target("a_1");
    samples.ready(NOON, false).unwrap();
    disk.take_log();
    for _ in 0..3 {
        samples.ready(NOON, false).unwrap();
        samples.append(b"x 1\n").unwrap();
    }
    assert_eq!(disk.take_log(), ["write"; 3]);
    files.syncs.run(&files.stats);
    assert_eq!(disk.take_log(), ["sync"]);
    files.syncs.run(&files.stats);
    assert_eq!(disk.take_log(), [""; 0], "there is nothing more to sync");
    samples.append(b"x 2\n").unwrap();
    samples.close();
    assert_eq!(disk.take_log(), ["write", "sync", "write"], "before the file is closed");
}

#[test]
fn what_the_device_did_not_take_is_written_again() {
    let storage = tempfile::tempdir().unwrap();
    let disk = FaultyDisk::default();
    let options = StorageOptions {
        compression_level: 0,
        sync_interval: Duration::from_secs(60),
        ..StorageOptions::new(storage.path().to_owned())
    };
    let files = disk.storage_with(options);
    let (mut samples, _) = files.target("a_1");
    let header = "# HELP scrapelog_file {}\n# TYPE scrapelog_file unknown\n";
    samples.ready(NOON, false).unwrap();
    samples.append(format!("{header}x 1\n").as_bytes()).unwrap();
    files.settle();
    for number in 2..4 {
        samples.ready(NOON + 1000, false).unwrap();
        samples.append(format!("x {number}\n").as_bytes()).unwrap();
    }
    disk.break_after(0, 1, Fault::Error(5));
    files.settle();
    assert_eq!(samples.ready(NOON + 2000, false).unwrap(), Ready::WithoutMetadata);
    samples.append(b"x 4\n").unwrap();
    samples.close();
    let texts: Vec<String> = texts(storage.path()).into_values().collect();
    assert_eq!(texts, [format!("{header}x 1\n# EOF\n"), format!("{header}x 2\nx 3\nx 4\n# EOF\n")]);
    let statistics = files.statistics();
    assert_eq!((statistics.failed_syncs, statistics.scrapes_lost, statistics.open.bytes), (1, 0, 0));
}

#[test]
fn any_call_may_fail_while_records_wait_for_the_device() {
    for sync_every in [1, 2, 5] {
        for first in 0..60 {
            // Not that there is no space, which costs the oldest files.
            for fault in [Fault::Error(5), Fault::ShortWrite(5)] {
                let storage = tempfile::tempdir().unwrap();
                let disk = FaultyDisk::default();
                let files = disk.storage_with(StorageOptions {
                    compression_level: 1,
                    min_free: MinFree::Bytes(0),
                    sync_interval: Duration::from_secs(60),
                    max_file_size_bytes: 30,
                    ..StorageOptions::new(storage.path().to_owned())
                });
                let (mut samples, _) = files.target("a_1");
                disk.break_after(first, 2, fault);
                for number in 0..20 {
                    for _ in 0..4 {
                        let ready = samples.ready(NOON + 1000 * number, false);
                        if ready.and_then(|_| samples.append(format!("x {number:02}\n").as_bytes())).is_ok() {
                            break;
                        }
                    }
                    if number % sync_every == 0 {
                        files.settle();
                    }
                }
                samples.close();
                files.settle();
                files.settle();
                let texts = texts(storage.path());
                let all: Vec<&str> = texts.values().flat_map(|text| text.lines()).collect();
                let numbers: Vec<&str> = all.into_iter().filter(|line| *line != "# EOF").collect();
                let want: Vec<String> = (0..20).map(|number| format!("x {number:02}")).collect();
                let context = format!("{fault:?} at {first}, sync every {sync_every}");
                assert_eq!(numbers, want, "{context}: {texts:?}");
                assert!(texts.values().all(|text| text.ends_with("\n# EOF\n")), "{context}: {texts:?}");
                assert_eq!(files.statistics().scrapes_lost, 0, "{context}");
            }
        }
    }
}

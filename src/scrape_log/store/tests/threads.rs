//! The storage with its threads, and what an earlier process left.

use super::*;

const TEXT: &str = "# HELP a Some help.\na{job=\"node\"} 1 1795262400.000\n# EOF\n";
const NAME: &str = "samples-20261121T120000Z.om";

/// Waits until something is so, for a time that is long enough on any machine.
fn wait_until(what: &str, is_so: impl Fn() -> bool) {
    let start = Instant::now();
    while !is_so() {
        assert!(start.elapsed() < Duration::from_secs(20), "{what}");
        std::thread::sleep(Duration::from_millis(5));
    }
}

/// A storage path with the files of one target.
fn prepared(files: &[(&str, &[u8])]) -> (tempfile::TempDir, PathBuf) {
    let storage = tempfile::tempdir().unwrap();
    let directory = storage.path().join("a_1");
    fs::create_dir(&directory).unwrap();
    for (name, bytes) in files {
        fs::write(directory.join(name), bytes).unwrap();
    }
    (storage, directory)
}

#[test]
fn a_file_is_compressed_once_it_is_closed() {
    let storage = tempfile::tempdir().unwrap();
    let (files, background) = prepare(StorageOptions::new(storage.path().to_owned())).unwrap();
    let (mut samples, _) = files.target("a_1");
    let mut want = String::new();
    samples.ready(NOON, false).unwrap();
    for number in 0..20_000 {
        let line = format!("x{{n=\"{number}\"}} {}\n", number * 7919);
        want.push_str(&line);
    }
    samples.append(want.as_bytes()).unwrap();
    want.push_str("# EOF\n");
    samples.close();
    let directory = storage.path().join("a_1");
    let compressed = format!("{NAME}.zst");
    wait_until("compressed", || names(&directory) == [compressed.as_str()]);
    let data = fs::read(directory.join(&compressed)).unwrap();
    assert!(zstd::decode_all(data.as_slice()).unwrap() == want.as_bytes());
    // The frame says how long the text is, and has a checksum.
    assert_eq!(data[4] & 0b100, 0b100, "{:#b}", data[4]);
    assert_eq!(zstd::zstd_safe::get_frame_content_size(&data).unwrap(), Some(want.len() as u64));
    let start = Instant::now();
    drop(background);
    assert!(start.elapsed() < Duration::from_secs(5));
    assert_eq!(files.statistics().compressed, FileTotal { files: 1, bytes: data.len() as u64 });
}

#[test]
fn records_are_synced_though_no_other_comes() {
    let storage = tempfile::tempdir().unwrap();
    let options = StorageOptions {
        sync_interval: Duration::from_millis(50),
        ..StorageOptions::new(storage.path().to_owned())
    };
    let (files, _background) = prepare(options).unwrap();
    let (mut samples, _) = files.target("a_1");
    samples.ready(NOON, false).unwrap();
    samples.append(b"x 1\n").unwrap();
    wait_until("synced", || files.statistics().syncs == 1);
}

#[test]
fn compression_that_was_cut_short_is_done_again() {
    let whole = zstd::encode_all(TEXT.as_bytes(), 1).unwrap();
    let other = zstd::encode_all(TEXT.replace(" 1 ", " 2 ").as_bytes(), 1).unwrap();
    let longer = [whole.as_slice(), whole.as_slice()].concat();
    let (plain, compressed, unfinished) = (NAME, format!("{NAME}.zst"), format!("{NAME}.zst.tmp"));
    let mut cases: Vec<Vec<(&str, &[u8])>> = vec![
        vec![(plain, TEXT.as_bytes())],
        vec![(plain, TEXT.as_bytes()), (&unfinished, &whole)],
        vec![(plain, TEXT.as_bytes()), (&compressed, &whole)],
        vec![(plain, TEXT.as_bytes()), (&compressed, &other)],
        vec![(plain, TEXT.as_bytes()), (&compressed, &longer)],
        vec![(&compressed, &whole)],
        vec![(&compressed, &whole), (&unfinished, &whole)],
    ];
    for cut in 0..whole.len() {
        cases.push(vec![(plain, TEXT.as_bytes()), (&compressed, &whole[..cut])]);
    }
    for case in cases {
        let (storage, directory) = prepared(&case);
        let files = FaultyDisk::default().storage_with(StorageOptions::new(storage.path().to_owned()));
        files.settle();
        assert_eq!(names(&directory), [compressed.as_str()], "{case:?}");
        assert_eq!(texts(storage.path())[&compressed], TEXT, "{case:?}");
        assert_eq!(files.statistics().compressed.files, 1);
    }
}

#[test]
fn any_call_may_fail_while_a_file_is_compressed() {
    for first in 0..20 {
        for fault in [Fault::Error(5), Fault::ShortWrite(28)] {
            let (storage, directory) = prepared(&[(NAME, TEXT.as_bytes())]);
            let disk = FaultyDisk::default();
            let files = disk.storage_with(StorageOptions::new(storage.path().to_owned()));
            disk.break_after(first, u64::MAX, fault);
            files.settle();
            for (name, bytes) in names(&directory).iter().map(|name| (name, fs::read(directory.join(name)))) {
                let bytes = bytes.unwrap();
                match name.as_str() {
                    NAME => assert_eq!(bytes, TEXT.as_bytes(), "{first}"),
                    name if name.ends_with(".zst") => {
                        assert_eq!(zstd::decode_all(bytes.as_slice()).unwrap(), TEXT.as_bytes(), "{first}");
                    }
                    _ => {}
                }
            }
            disk.mend();
            files.settle();
            assert_eq!(names(&directory), [format!("{NAME}.zst")], "{first}");
        }
    }
}

#[test]
fn a_file_that_is_removed_while_it_is_compressed_stays_removed() {
    let (storage, directory) = prepared(&[(NAME, TEXT.as_bytes())]);
    let options = StorageOptions {
        retention_time: Some(Duration::from_secs(1)),
        ..StorageOptions::new(storage.path().to_owned())
    };
    let files = FaultyDisk::default().storage_with(options);
    let start = Instant::now();
    files.run_retention(4_000_000_000, start);
    files.run_retention(4_000_000_000, start + Duration::from_secs(4000));
    assert!(!directory.exists());
    files.settle();
    assert!(!directory.exists());
    assert_eq!(files.statistics().compression_queue_length, 0);
}

#[test]
fn the_storage_path_may_be_taken_away() {
    let storage = tempfile::tempdir().unwrap();
    let path = storage.path().join("data");
    let files = FaultyDisk::default().storage(&path);
    let (mut samples, _) = files.target("a_1");
    samples.ready(NOON, false).unwrap();
    samples.append(b"x 1\n").unwrap();
    fs::remove_dir_all(&path).unwrap();
    std::thread::sleep(Duration::from_millis(1050));
    samples.ready(NOON, false).unwrap();
    samples.append(b"x 2\n").unwrap();
    let directory = path.join("a_1");
    // The file that was taken away keeps its name for itself.
    let name = "samples-20261121T120000Z_0001.om";
    assert_eq!(names(&directory), [name]);
    assert_eq!(fs::read_to_string(directory.join(name)).unwrap(), "x 2\n");
    assert!(Lock::take(&path).is_err(), "it is locked again");
    assert_eq!(files.statistics().open, FileTotal { files: 1, bytes: 4 });
}

#[test]
fn two_processes_never_write_into_one_path() {
    let storage = tempfile::tempdir().unwrap();
    let path = storage.path().join("data");
    let files = FaultyDisk::default().storage(&path);
    let (mut samples, mut people) = files.target("a_1");
    samples.ready(NOON, false).unwrap();
    samples.append(b"x 1\n").unwrap();
    fs::remove_dir_all(&path).unwrap();
    let other = FaultyDisk::default().storage(&path);
    std::thread::sleep(Duration::from_millis(1050));
    let error = samples.ready(NOON, false).unwrap_err();
    assert_eq!(error.kind(), io::ErrorKind::ResourceBusy, "{error}");
    assert!(error.to_string().contains(&std::process::id().to_string()), "{error}");
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
    assert_eq!(people.append(&entry).unwrap_err().kind(), io::ErrorKind::ResourceBusy);
    let directory = path.join("a_1");
    fs::create_dir(&directory).unwrap();
    fs::write(directory.join("samples-20261119T120000Z.om"), "x 1\n# EOF\n").unwrap();
    files.tick(Instant::now(), 4_000_000_000);
    assert!(!files.make_room(1, 1));
    files.settle();
    assert_eq!(names(&directory), ["samples-20261119T120000Z.om"], "the files of the other are left alone");
    fs::remove_dir_all(&directory).unwrap();
    assert_eq!(names(&path), ["scrape-log.lock"], "nothing of the first one");
    assert_eq!(files.statistics().suspended.unwrap().reason(), "locked");
    drop(other);
    files.tick(Instant::now(), 0);
    samples.ready(NOON, false).unwrap();
    samples.append(b"x 2\n").unwrap();
}

#[test]
fn files_brought_back_or_removed_by_hand_are_noticed() {
    let (storage, directory) = prepared(&[(NAME, TEXT.as_bytes())]);
    let files = FaultyDisk::default().storage(storage.path());
    fs::remove_file(directory.join(NAME)).unwrap();
    fs::write(directory.join("samples-20261120T120000Z.om.zst"), "123").unwrap();
    walk::again(&files);
    let statistics = files.statistics();
    assert_eq!(statistics.plain, FileTotal::default());
    assert_eq!(statistics.compressed, FileTotal { files: 1, bytes: 3 });
}

//! The process ends in the middle of whatever it does.

use super::common::wait_until;
use super::numbered::Numbered;
use super::{LONG, assert_no_problems, recorder};
use rustix::process::Signal;
use std::collections::hash_map::RandomState;
use std::fs;
use std::hash::BuildHasher;
use std::path::Path;
use std::time::Duration;

const KILLS: u64 = 30;
/// A file for about two scrapes, and a compression that takes its time, so that both are hit.
const BUSY: [&str; 2] = ["--storage.max-file-size=8KiB", "--storage.compression-level=19"];

#[test]
fn a_kill_costs_at_most_the_scrape_under_way() {
    let storage = tempfile::tempdir().unwrap();
    let peers = [Numbered::new(), Numbered::new(), Numbered::new(), Numbered::new()];
    let peers: Vec<&Numbered> = peers.iter().collect();
    let moments = RandomState::new();
    let mut unfinished = 0;
    for kill in 0..KILLS {
        let recorder = recorder(&[], storage.path(), &peers, &BUSY);
        peers[0].serve(3);
        std::thread::sleep(Duration::from_micros(moments.hash_one(kill) % 300_000));
        recorder.signal(Signal::KILL);
        drop(recorder);
        unfinished += files_that_end_with(".zst.tmp", storage.path(), &peers);
        if kill % 10 == 0 {
            assert_no_problems(&[], storage.path());
        }
    }
    assert!(unfinished > 0, "no kill hit the compression");
    // One more start mends the last tail and finishes what waits.
    let last = recorder(&[], storage.path(), &peers, &[]);
    peers[0].serve(3);
    wait_until("the compressor", LONG, || {
        (files_that_end_with(".om", storage.path(), &peers) == peers.len()).then_some(())
    });
    let (status, log) = last.terminate(LONG);
    assert!(status.success(), "{log}");
    assert_eq!(files_that_end_with(".tmp", storage.path(), &peers), 0);
    for peer in &peers {
        assert!(peer.served() > 3 * KILLS, "{} pages", peer.served());
        peer.assert_stored(storage.path());
    }
    assert_no_problems(&[], storage.path());
}

fn files_that_end_with(end: &str, storage: &Path, peers: &[&Numbered]) -> usize {
    let files = peers.iter().flat_map(|peer| fs::read_dir(storage.join(peer.directory())).unwrap());
    files.filter(|file| file.as_ref().unwrap().file_name().to_str().unwrap().ends_with(end)).count()
}

#[test]
fn a_second_recorder_is_refused_and_the_first_does_not_notice() {
    let storage = tempfile::tempdir().unwrap();
    let peer = Numbered::new();
    let first = recorder(&[], storage.path(), &[&peer], &[]);
    peer.serve(10);
    let before = peer.served();
    let mut second = recorder(&[], storage.path(), &[&peer], &[]);
    let refused = second.try_wait_for(LONG, |_| None::<()>).unwrap_err();
    assert!(refused.contains("exit status: 1"), "{refused}");
    let said = second.log();
    assert!(said.contains("running since") && said.contains(&storage.path().display().to_string()), "{said}");
    peer.serve(10);
    assert!(peer.served() >= before + 10);
    let (status, log) = first.terminate(LONG);
    assert!(status.success() && !log.contains("lock file") && !log.contains("level=ERROR"), "{log}");
    peer.assert_stored(storage.path());
    assert_no_problems(&[], storage.path());
}

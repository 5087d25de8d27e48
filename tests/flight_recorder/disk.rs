//! The disk is full, and files go from under the recorder.

use super::common::process::Running;
use super::common::small_disk::SmallDisk;
use super::common::{http, wait_until};
use super::numbered::Numbered;
use super::{LONG, assert_no_problems, recorder};
use std::fs;
use std::net::SocketAddr;
use std::path::Path;

const DISK_BYTES: u64 = 4 << 20;

/// What the recorder says about itself.
fn metrics(recorder: &mut Running) -> String {
    let address: SocketAddr = recorder.wait_for("listening address", LONG, |log| {
        let line = log.lines().find(|line| line.contains("msg=listening"))?;
        line.split_once("address=")?.1.parse().ok()
    });
    http::get_ok(address, "/metrics")
}

fn small_disk() -> Option<SmallDisk> {
    let disk = SmallDisk::mount(DISK_BYTES);
    if disk.is_none() {
        eprintln!("left out: this user may not mount a filesystem");
    }
    disk
}

fn wait_for_page_after(peer: &Numbered, number: u64, storage: &Path) {
    let stored = || (peer.last_stored(storage) > number).then_some(());
    wait_until("a scrape that is stored", LONG, stored);
}

#[test]
fn nothing_is_torn_on_a_full_disk_and_recording_goes_on_when_it_has_room() {
    let Some(disk) = small_disk() else { return };
    let (wrapper, storage) = (disk.wrapper(), disk.seen_from_here());
    let peer = Numbered::new();
    let mut recorder = recorder(&wrapper, disk.path(), &[&peer], &[]);
    peer.serve(20);
    let full_from = peer.served();
    disk.fill();
    recorder.wait_for("line about the disk", LONG, |log| {
        log.contains("scrapes are not stored: no space is left").then_some(())
    });
    peer.serve(20);
    let page = metrics(&mut recorder);
    assert!(page.contains("\nscrape_log_storage_suspended{reason=\"full\"} 1\n"), "{page}");
    let (name, rest) = page.split_once("\nscrape_log_unstored_scrapes_total").unwrap();
    assert!(!rest.starts_with(" 0\n"), "{name}");
    disk.free();
    let full_to = peer.served();
    wait_for_page_after(&peer, full_to, &storage);
    recorder.wait_for("good news", LONG, |log| log.contains("scrapes are stored again").then_some(()));
    let (status, log) = recorder.terminate(LONG);
    assert!(status.success(), "{log}");
    let bad_news = log.matches("scrapes are not stored").count();
    assert_eq!((bad_news, log.matches("scrapes are stored again").count()), (1, 1), "{log}");
    // Where an even hour began meanwhile there was an old file that could go.
    let went = log.contains("the oldest files are removed");
    peer.assert_stored_but(&storage, |number| (full_from..=full_to).contains(&number) || went);
    assert_no_problems(&wrapper, disk.path());
}

#[test]
fn the_oldest_files_make_room_for_the_newest_scrapes() {
    let Some(disk) = small_disk() else { return };
    let (wrapper, storage) = (disk.wrapper(), disk.seen_from_here());
    let peer = Numbered::new();
    let flags = ["--storage.max-file-size=16KiB", "--storage.compression-level=0"];
    let mut recorder = recorder(&wrapper, disk.path(), &[&peer], &flags);
    peer.serve(60);
    let full_from = peer.served();
    disk.fill();
    recorder.wait_for("line about the disk", LONG, |log| {
        log.contains("the oldest files are removed").then_some(())
    });
    wait_for_page_after(&peer, full_from + 20, &storage);
    let (status, log) = recorder.terminate(LONG);
    assert!(status.success() && !log.contains("scrapes are not stored"), "{log}");
    let first = peer.first_stored(&storage);
    assert!(first > 1 && first <= full_from, "{first}");
    peer.assert_stored_but(&storage, |number| number < first);
    assert_no_problems(&wrapper, disk.path());
}

#[test]
fn files_that_are_removed_are_begun_anew_and_links_lead_nowhere() {
    let (parent, outside) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let storage = parent.path().join("data");
    let peer = Numbered::new();
    let target = storage.join(peer.directory());
    let recorder = recorder(&[], &storage, &[&peer], &[]);
    peer.serve(5);
    // Twice the directory of the target, by a name and by removing it, then all there is.
    fs::rename(&target, parent.path().join("moved")).unwrap();
    wait_for_page_after(&peer, peer.served(), &storage);
    fs::remove_dir_all(&target).unwrap();
    wait_for_page_after(&peer, peer.served(), &storage);
    fs::remove_dir_all(&storage).unwrap();
    wait_for_page_after(&peer, peer.served(), &storage);
    // Someone puts a link in its place.
    fs::rename(&target, parent.path().join("moved again")).unwrap();
    let made = std::os::unix::fs::symlink(outside.path(), &target);
    if made.is_ok() {
        std::thread::sleep(std::time::Duration::from_millis(1500));
        assert_eq!(fs::read_dir(outside.path()).unwrap().count(), 0, "written through a link");
        fs::remove_file(&target).unwrap();
    }
    wait_for_page_after(&peer, peer.served(), &storage);
    let again_from = peer.last_stored(&storage);
    peer.serve(20);
    let (status, log) = recorder.terminate(LONG);
    assert!(status.success(), "{log}");
    assert!(log.lines().count() < 30, "{log}");
    peer.assert_stored_but(&storage, |number| number < again_from);
    assert_no_problems(&[], &storage);
}

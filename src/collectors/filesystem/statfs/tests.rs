//! Dead mounts in all numbers, by a `statfs` that blocks on demand.

use super::*;
use crate::collectors::Filter;
use crate::collectors::filesystem::mountinfo::{Selection, parse};

/// A `statfs` under which mounts below `/dead` wait until they are released.
#[derive(Default)]
struct Gate {
    open: Mutex<bool>,
    opened: Condvar,
}

impl Gate {
    fn set(&self, open: bool) {
        *self.open.lock().unwrap() = open;
        self.opened.notify_all();
    }

    fn statfs(&self, path: &CStr) -> Result<Usage, Errno> {
        if path.to_bytes().starts_with(b"/dead") {
            drop(self.opened.wait_while(self.open.lock().unwrap(), |open| !*open).unwrap());
        }
        if path.to_bytes().starts_with(b"/slow") {
            std::thread::sleep(Duration::from_millis(100));
        }
        if path.to_bytes().starts_with(b"/denied") {
            return Err(Errno::ACCESS);
        }
        Ok(Usage { size_bytes: 4, free_bytes: 3, available_bytes: 2, files: 1, files_free: 0 })
    }
}

struct Bench {
    gate: Arc<Gate>,
    workers: Workers,
    mounts: Arc<Vec<Mount>>,
    answers: Vec<Answer>,
}

impl Bench {
    /// Dead network mounts before and after healthy ones.
    fn new(dead: usize) -> Self {
        let mut table = String::new();
        for n in 0..dead {
            table += &format!("1 0 0:{n} / /dead/{n} rw - nfs4 server:/{n} rw\n");
        }
        for n in 0..30 {
            table += &format!("1 0 8:{n} / /disk/{n} rw - ext4 /dev/sd{n} rw\n");
        }
        table += "1 0 0:99 / /denied rw - tmpfs tmpfs rw\n1 0 0:98 / /alive rw - nfs4 other:/ rw\n";
        let gate = Arc::new(Gate::default());
        let shared = Arc::clone(&gate);
        Self {
            workers: Workers::new(4, move |path| shared.statfs(path)),
            gate,
            mounts: Arc::new(parse(table.as_bytes(), &mut everything()).0),
            answers: Vec::new(),
        }
    }

    /// One scrape: how long it took, and how many mounts timed out.
    fn scrape(&mut self, limit: Duration) -> (Duration, usize) {
        let start = Instant::now();
        self.workers.start(&self.mounts, &self.answers).unwrap();
        self.workers.finish(&mut self.answers, start + limit);
        let took = start.elapsed();
        for (mount, answer) in self.mounts.iter().zip(&self.answers) {
            match mount.mount_point.as_str() {
                "/denied" => assert_eq!(*answer, Answer::Failed(Errno::ACCESS)),
                dead if dead.starts_with("/dead") => {}
                healthy => assert!(matches!(answer, Answer::Usage(_)), "{healthy}: {answer:?}"),
            }
        }
        (took, self.answers.iter().filter(|answer| **answer == Answer::Timeout).count())
    }
}

fn everything() -> Selection {
    Selection { mount_points: Filter::default(), fs_types: Filter::default(), rootfs: "/".into() }
}

const LIMIT: Duration = Duration::from_millis(800);

#[test]
fn healthy_mounts_need_one_thread() {
    let threads = || {
        let mut bench = Bench::new(0);
        for _ in 0..3 {
            assert_eq!(bench.scrape(Duration::from_secs(10)).1, 0);
        }
        bench.workers.threads()
    };
    // A busy machine may let the thread pause for so long that it gets help.
    assert!((0..20).any(|_| threads() == 1));
}

/// Of a disk and a disk below a network mount, the first is asked by the scrape once it has answered.
#[test]
fn only_mounts_that_cannot_hang_are_asked_without_a_thread() {
    let table = b"1 0 8:1 / /disk rw - ext4 a rw\n2 0 0:9 / /dead rw - nfs4 b:/ rw\n\
        3 2 8:2 / /dead/disk rw - ext4 c rw\n4 1 8:1 / /disk/bind rw - xfs d rw\n";
    let mut bench = Bench::new(0);
    bench.mounts = Arc::new(parse(table, &mut everything()).0);
    bench.gate.set(true);
    for direct in [&[][..], &[0, 3]] {
        assert_eq!(bench.scrape(Duration::from_secs(10)).1, 0);
        assert_eq!(bench.workers.direct, direct);
    }
    bench.gate.set(false);
    assert_eq!(bench.scrape(LIMIT).1, 2);
    bench.gate.set(true);
}

#[test]
fn three_dead_mounts_cost_one_wait_and_come_back() {
    let mut bench = Bench::new(3);
    let (took, timeouts) = bench.scrape(LIMIT);
    assert!(took >= LIMIT && took < LIMIT * 3, "{took:?}");
    assert_eq!(timeouts, 3);
    for _ in 0..5 {
        let (took, timeouts) = bench.scrape(Duration::from_secs(10));
        assert!(took < Duration::from_secs(5), "a known dead mount was waited for: {took:?}");
        assert_eq!(timeouts, 3);
    }
    bench.gate.set(true);
    wait_for(|| bench.workers.shared.lock().calls.is_empty());
    assert_eq!(bench.scrape(Duration::from_secs(10)).1, 0);
    assert!(bench.workers.threads() <= 4 + HELD);
}

#[test]
fn fifty_mounts_dead_from_the_start_hold_a_bounded_number_of_threads() {
    fifty_dead_mounts(false);
}

#[test]
fn fifty_mounts_that_die_hold_a_bounded_number_of_threads() {
    fifty_dead_mounts(true);
}

fn fifty_dead_mounts(answered_before: bool) {
    let mut bench = Bench::new(50);
    if answered_before {
        bench.gate.set(true);
        assert_eq!(bench.scrape(Duration::from_secs(10)).1, 0);
        bench.gate.set(false);
    }
    let (took, timeouts) = bench.scrape(LIMIT);
    assert!(took < LIMIT * 3, "{took:?}");
    assert_eq!(timeouts, 50);
    for _ in 0..5 {
        let (took, timeouts) = bench.scrape(Duration::from_secs(10));
        assert!(took < Duration::from_secs(5), "a known dead mount was waited for: {took:?}");
        assert_eq!(timeouts, 50);
        assert!(bench.workers.threads() <= 4 + HELD, "{} threads", bench.workers.threads());
    }
    bench.gate.set(true);
    wait_for(|| bench.workers.shared.lock().calls.is_empty());
    assert_eq!(bench.scrape(Duration::from_secs(10)).1, 0);
    wait_for(|| bench.workers.threads() <= 4);
}

#[test]
fn slow_mounts_of_one_server_are_all_measured() {
    let mut bench = Bench::new(0);
    let table: String =
        (0..20).map(|n| format!("1 0 0:{n} / /slow/{n} rw - nfs4 server:/{n} rw\n")).collect();
    bench.mounts = Arc::new(parse(table.as_bytes(), &mut everything()).0);
    let (took, timeouts) = bench.scrape(Duration::from_secs(10));
    assert_eq!(timeouts, 0);
    assert!(took < Duration::from_millis(100 * 20), "one after another: {took:?}");
}

#[test]
fn no_time_left_is_no_wait() {
    let mut bench = Bench::new(1);
    let start = Instant::now();
    bench.workers.start(&bench.mounts, &bench.answers).unwrap();
    bench.workers.finish(&mut bench.answers, start);
    assert!(start.elapsed() < Duration::from_secs(2));
    bench.gate.set(true);
}

#[test]
fn the_root_has_a_size() {
    let usage = statfs(c"/").unwrap();
    assert!(usage.size_bytes >= usage.free_bytes && usage.free_bytes >= usage.available_bytes);
    assert!(usage.size_bytes > 0);
    assert_eq!(statfs(c"/does/not/exist"), Err(Errno::NOENT));
}

fn wait_for(condition: impl Fn() -> bool) {
    let start = Instant::now();
    while !condition() {
        assert!(start.elapsed() < Duration::from_secs(10), "did not happen");
        std::thread::sleep(Duration::from_millis(2));
    }
}

//! Targets that come, go and change while others are scraped.

use super::bench::{Bench, LONG, PAGE, files, fixed, gaps, group, job, times, until};
use super::common::process::Running;
use super::peer::{Peer, ok};
use rustix::process::Signal;
use std::collections::BTreeMap;
use std::fs;
use std::process::Command;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;
use vitals::scrape_log::config::{Config, Discovery, TargetGroup};
use vitals::scrape_log::labels::Labels;

#[test]
fn fifty_reloads_lose_no_scrape_of_what_stays() {
    const INTERVAL: Duration = Duration::from_millis(400);
    let storage = tempfile::tempdir().unwrap();
    let sources = tempfile::tempdir().unwrap();
    let file = |name: &str| sources.path().join(name);
    let peer = Peer::exporter(PAGE);
    let other = Peer::exporter(PAGE);
    let paths: Vec<String> = (0..20).map(|number| format!("/m{number}")).collect();
    let groups: Vec<_> = paths.iter().map(|path| group(&peer, path)).collect();
    let from_file = format!(
        "[{{\"targets\": [\"{}\"], \"labels\": {{\"__metrics_path__\": \"/from-file\"}}}}]",
        peer.address
    );
    fs::write(file("kept.json"), &from_file).unwrap();
    let config = |round: usize| {
        let mut patterns = vec![file("kept.json")];
        let mut kept = groups.clone();
        let mut jobs = Vec::new();
        // What comes and goes beside them, before and behind, and in their own job.
        if round % 2 == 1 {
            jobs.push(fixed("extra", INTERVAL, vec![group(&other, "/x")]).jobs.remove(0));
            patterns.insert(0, file("none*.yml"));
        }
        if round % 3 == 1 {
            kept.insert(round % 20, group(&other, "/y"));
        }
        let mut main = job("main", INTERVAL, vec![Discovery::Static(kept), Discovery::Files { patterns }]);
        main.timeout = INTERVAL - Duration::from_millis(round as u64 % 2);
        jobs.push(main);
        Config { jobs }
    };
    Bench::run(storage.path(), config(0), async |bench| {
        let all = || bench.targets().iter().filter(|entry| entry.state().up == Some(true)).count() >= 21;
        until("all targets", all).await;
        for round in 1..=50 {
            // A list that is being written, then broken, then whole again.
            fs::write(file("kept.json"), from_file.split_at(from_file.len() * (round % 3) / 2).0).unwrap();
            let outcome = if round % 5 == 0 {
                bench.reload(Err(format!("line {round}: broken"))).await
            } else {
                bench.reload(Ok(config(round))).await
            };
            assert_eq!(outcome.is_err(), round % 5 == 0, "{round}: {outcome:?}");
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
        fs::write(file("kept.json"), &from_file).unwrap();
        bench.reload(Ok(config(0))).await.unwrap();
        let kept = bench.targets();
        assert_eq!(kept.len(), 21, "{:?}", bench.urls());
        let missed: BTreeMap<String, u64> =
            kept.iter().map(|entry| (entry.url.clone(), entry.state().missed_scrapes)).collect();
        let requests = peer.requests();
        let recorded = files(&bench.storage);
        assert_eq!(peer.connections(), 21, "each kept its connection");
        for (name, texts) in recorded.iter().filter(|(_, texts)| texts[0].contains(&peer.address.to_string()))
        {
            let url = kept.iter().find(|entry| texts[0].contains(&format!("\"{}\"", entry.url))).unwrap();
            let times = times(texts);
            assert!(times.len() >= 12, "{name}: {times:?}");
            assert!(times.is_sorted_by(|one, two| one < two), "{name}: {times:?}");
            // A machine with much else to do may miss some, which it says; a reload may not.
            assert!(gaps(&times, INTERVAL) <= missed[&url.url], "{name}: {times:?}");
            assert!(texts.len() <= 2, "{name}: one file, or two where an even hour begins");
            let path = url.url.rsplit('/').next().unwrap();
            let asked =
                requests.iter().filter(|request| request.starts_with(&format!("GET /{path} "))).count();
            assert!(asked.abs_diff(times.len()) <= 1, "{name}: {asked} requests, {} scrapes", times.len());
        }
    });
}

#[test]
fn other_settings_count_from_the_next_scrape_on() {
    const INTERVAL: Duration = Duration::from_millis(500);
    let storage = tempfile::tempdir().unwrap();
    let peer = Peer::exporter(PAGE);
    let config = |interval: Duration, timeout: Duration| {
        let mut config = fixed("a", interval, vec![group(&peer, "/m")]);
        config.jobs[0].timeout = timeout;
        config
    };
    Bench::run(storage.path(), config(INTERVAL, INTERVAL), async |bench| {
        until("a scrape", || peer.requests().len() > 1).await;
        bench.reload(Ok(config(INTERVAL, INTERVAL / 2))).await.unwrap();
        assert_eq!(bench.targets()[0].timeout, INTERVAL / 2);
        assert_eq!(bench.targets()[0].state().up, Some(true), "what was known is known");
        until("the new timeout", || {
            peer.requests().last().unwrap().to_lowercase().contains("timeout-seconds: 0.25\r")
        })
        .await;
        bench.reload(Ok(config(INTERVAL * 2, INTERVAL / 2))).await.unwrap();
        let asked = peer.requests().len();
        until("three more", || peer.requests().len() > asked + 3).await;
        let recorded = files(&bench.storage).into_values().next().unwrap();
        assert_eq!(recorded.len(), 2, "the head of a file says the interval");
        assert!(
            recorded[0].contains("\"interval\":0.5") && recorded[0].ends_with("\n# EOF\n"),
            "{}",
            recorded[0]
        );
        assert!(recorded[1].contains("\"interval\":1"), "{}", recorded[1]);
        let missed = bench.targets()[0].state().missed_scrapes;
        // A machine with much else to do may miss some, which it says.
        assert!(gaps(&times(&recorded), INTERVAL * 2) <= missed, "{missed}: {:?}", times(&recorded));
        assert_eq!(peer.connections(), 1);
    });
}

#[test]
fn a_target_that_comes_back_waits_until_its_files_are_closed() {
    const INTERVAL: Duration = Duration::from_millis(600);
    let storage = tempfile::tempdir().unwrap();
    let (now, most) = (Arc::new(AtomicUsize::new(0)), Arc::new(AtomicUsize::new(0)));
    let (counter, largest) = (Arc::clone(&now), Arc::clone(&most));
    let peer = Peer::new(move |caller| {
        while caller.hear() {
            largest.fetch_max(counter.fetch_add(1, Ordering::SeqCst) + 1, Ordering::SeqCst);
            std::thread::sleep(Duration::from_millis(300));
            counter.fetch_sub(1, Ordering::SeqCst);
            if !caller.say(&ok(PAGE)) {
                return;
            }
        }
    });
    let with = fixed("a", INTERVAL, vec![group(&peer, "/m")]);
    let without = fixed("a", INTERVAL, Vec::new());
    Bench::run(storage.path(), with.clone(), async |bench| {
        for round in 0..4 {
            let asked = peer.requests().len();
            until("a scrape under way", || peer.requests().len() > asked).await;
            bench.reload(Ok(without.clone())).await.unwrap();
            assert!(bench.targets().is_empty());
            bench.reload(Ok(with.clone())).await.unwrap();
            assert_eq!(bench.targets().len(), 1, "{round}");
        }
        until("the last file", || files(&bench.storage).into_values().next().unwrap().len() == 5).await;
    });
    assert_eq!(most.load(Ordering::SeqCst), 1, "never two at once");
    let recorded = files(storage.path()).into_values().next().unwrap();
    assert!(recorded.iter().all(|text| text.ends_with("\n# EOF\n")));
    let times = times(&recorded);
    assert!(times.len() >= 5, "the scrapes under way were recorded: {times:?}");
    assert!(times.is_sorted_by(|one, two| one < two), "{times:?}");
}

#[test]
fn targets_beyond_the_limit_fail_without_being_asked() {
    const INTERVAL: Duration = Duration::from_millis(200);
    let storage = tempfile::tempdir().unwrap();
    let peer = Peer::exporter(PAGE);
    let mut config = fixed("a", INTERVAL, vec![group(&peer, "/1"), group(&peer, "/2")]);
    config.jobs[0].limits.targets = Some(1);
    let few = fixed("a", INTERVAL, vec![group(&peer, "/1")]);
    Bench::run(storage.path(), config, async |bench| {
        until("failed scrapes", || {
            bench.targets().len() == 2 && bench.targets().iter().all(|entry| entry.state().up == Some(false))
        })
        .await;
        assert_eq!(bench.targets()[0].state().last_error, "target_limit exceeded: 2 targets, limit 1");
        assert_eq!(peer.connections(), 0);
        bench.reload(Ok(few)).await.unwrap();
        until("a scrape", || bench.targets()[0].state().up == Some(true)).await;
    });
    let recorded = files(storage.path());
    assert!(
        recorded.values().all(|texts| texts[0].contains("\nup{") && texts[0].contains("} 0 ")),
        "{recorded:?}"
    );
}

#[test]
fn thousands_of_targets_come_and_stay() {
    const HOUR: Duration = Duration::from_secs(3600);
    let storage = tempfile::tempdir().unwrap();
    let config = |count: usize| {
        let targets = (0..count).map(|host| format!("host{host}.invalid:9100")).collect();
        let groups = vec![TargetGroup { targets, labels: Labels::default() }];
        fixed("many", HOUR, groups)
    };
    Bench::run(storage.path(), config(5000), async |bench| {
        until("all targets", || bench.targets().len() == 5000).await;
        let before = bench.targets();
        bench.reload(Ok(config(5001))).await.unwrap();
        let after = bench.targets();
        assert_eq!(after.len(), 5001);
        assert!(
            before.iter().zip(&after).all(|(one, two)| Arc::ptr_eq(one, two)),
            "nothing changed for them"
        );
        bench.reload(Ok(config(2))).await.unwrap();
        assert_eq!(bench.targets().len(), 2);
    });
}

#[test]
fn sighup_reloads_and_many_targets_that_are_down_are_a_few_lines() {
    let storage = tempfile::tempdir().unwrap();
    let peer = Peer::exporter(PAGE);
    let closed = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let mut command = Command::new(env!("CARGO_BIN_EXE_scrape-log"));
    command.arg(format!("--storage.path={}", storage.path().display()));
    command.arg("--scrape.interval=500ms").arg(format!("--target={}", peer.address));
    for number in 0..200 {
        command.arg(format!("--target=http://{closed}/{number}"));
    }
    let mut running = Running::start(command);
    running.wait_for("line that sums up", LONG, |log| {
        log.contains("more targets are down than the log lists").then_some(())
    });
    until_blocking("a scrape", || peer.requests().len() > 1);
    running.signal(Signal::HUP);
    running.wait_for("reload", LONG, |log| log.contains("the configuration was read again").then_some(()));
    let asked = peer.requests().len();
    until_blocking("more scrapes", || peer.requests().len() > asked + 1);
    assert_eq!(peer.connections(), 1);
    let (status, log) = running.terminate(LONG);
    assert!(status.success(), "{log}");
    let lines = log.lines().filter(|line| line.contains("msg=\"target is down\"")).count();
    assert!((1..200).contains(&lines), "{lines} lines about 200 targets");
    assert!(log.contains("started=201 changed=0 retired=0") && !log.contains("changed=2"), "{log}");
}

fn until_blocking(what: &str, condition: impl Fn() -> bool) {
    let start = std::time::Instant::now();
    while !condition() {
        assert!(start.elapsed() < LONG, "waited in vain for {what}");
        std::thread::sleep(Duration::from_millis(10));
    }
}

//! Targets that come, go and change while others are scraped.

use super::peer::{Peer, ok};
use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;
use tokio::sync::{mpsc, oneshot};
use vitals::base::shutdown::Shutdown;
use vitals::scrape_log::config::{Config, Discovery, Job, Limits, TargetGroup};
use vitals::scrape_log::labels::Labels;
use vitals::scrape_log::registry::{Entry, Registry};
use vitals::scrape_log::{Recording, ReloadRequest, record};
use vitals::web::client::HttpSettings;

const PAGE: &str = "# TYPE a gauge\na 1\n";
const LONG: Duration = Duration::from_secs(30);

/// A recording whose configuration the test sets.
struct Bench {
    storage: PathBuf,
    registry: Arc<Registry>,
    next: Arc<Mutex<Result<Config, String>>>,
    requests: mpsc::Sender<ReloadRequest>,
}

impl Bench {
    /// Records `config` while `script` runs, and then stops.
    fn run(storage: &Path, config: Config, script: impl AsyncFnOnce(&Bench)) {
        let (requests, reload_requests) = mpsc::channel(8);
        let bench = Bench {
            storage: storage.to_owned(),
            registry: Arc::default(),
            next: Arc::new(Mutex::new(Ok(config.clone()))),
            requests,
        };
        let next = Arc::clone(&bench.next);
        let recording = Recording {
            storage_path: storage.to_owned(),
            config,
            load: Arc::new(move || next.lock().unwrap().clone()),
            reload_requests,
            registry: Arc::clone(&bench.registry),
        };
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        runtime.block_on(async {
            let (trigger, shutdown) = Shutdown::new();
            let running = tokio::spawn(record(recording, shutdown));
            tokio::time::timeout(4 * LONG, script(&bench)).await.expect("the script ends in time");
            assert!(!running.is_finished());
            trigger.now();
            running.await.unwrap().unwrap();
        });
        runtime.shutdown_background();
    }

    async fn reload(&self, config: Result<Config, String>) -> Result<(), String> {
        *self.next.lock().unwrap() = config;
        let (reply, answer) = oneshot::channel();
        self.requests.send(reply).await.unwrap();
        answer.await.unwrap()
    }

    fn targets(&self) -> Vec<Arc<Entry>> {
        self.registry.snapshot().active
    }

    fn urls(&self) -> Vec<String> {
        self.targets().iter().map(|entry| entry.url.clone()).collect()
    }
}

async fn until(what: &str, condition: impl Fn() -> bool) {
    let waited = async {
        while !condition() {
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    };
    tokio::time::timeout(LONG, waited).await.unwrap_or_else(|_| panic!("waited in vain for {what}"));
}

fn job(name: &str, interval: Duration, discoveries: Vec<Discovery>) -> Job {
    Job {
        name: name.to_owned(),
        interval,
        timeout: interval,
        path: "/metrics".to_owned(),
        scheme: "http".to_owned(),
        params: Vec::new(),
        honor_labels: false,
        http: HttpSettings::default(),
        discoveries,
        relabel: Vec::new(),
        metric_relabel: Vec::new(),
        limits: Limits::default(),
    }
}

/// One target, told from others of the same peer by its path.
fn group(peer: &Peer, path: &str) -> TargetGroup {
    TargetGroup {
        targets: vec![peer.address.to_string()],
        labels: [("__metrics_path__", path), ("path", path)].into_iter().collect(),
    }
}

fn fixed(name: &str, interval: Duration, groups: Vec<TargetGroup>) -> Config {
    Config { jobs: vec![job(name, interval, vec![Discovery::Static(groups)])] }
}

/// The samples files below the storage path, by directory, in the order of their names.
fn files(storage: &Path) -> BTreeMap<String, Vec<String>> {
    let mut found = BTreeMap::new();
    for directory in fs::read_dir(storage).unwrap().map(|entry| entry.unwrap().path()) {
        if !directory.is_dir() {
            continue;
        }
        let mut paths: Vec<_> =
            fs::read_dir(&directory).unwrap().map(|entry| entry.unwrap().path()).collect();
        paths.retain(|path| path.file_name().unwrap().to_str().unwrap().starts_with("samples-"));
        paths.sort();
        let texts = paths.iter().map(|path| fs::read_to_string(path).unwrap()).collect();
        found.insert(directory.file_name().unwrap().to_str().unwrap().to_owned(), texts);
    }
    found
}

/// The times of all scrapes in files of one target, in milliseconds.
fn times(files: &[String]) -> Vec<i64> {
    let ups = files.iter().flat_map(|text| text.lines()).filter(|line| line.starts_with("up{"));
    let time =
        |line: &str| (line.rsplit(' ').next().unwrap().parse::<f64>().unwrap() * 1000.0).round() as i64;
    ups.map(time).collect()
}

/// Scrapes that are missing between others.
fn gaps(times: &[i64], interval: Duration) -> u64 {
    let interval = interval.as_millis() as i64;
    times.windows(2).map(|pair| ((pair[1] - pair[0] + interval / 2) / interval - 1).max(0) as u64).sum()
}

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
        let settled = bench.registry.reload();
        for round in 1..=50 {
            // A list that is being written, then broken, then whole again.
            fs::write(file("kept.json"), from_file.split_at(from_file.len() * (round % 3) / 2).0).unwrap();
            let outcome = if round % 5 == 0 {
                bench.reload(Err(format!("line {round}: broken"))).await
            } else {
                bench.reload(Ok(config(round))).await
            };
            assert_eq!(outcome.is_err(), round % 5 == 0, "{round}: {outcome:?}");
            assert_eq!(bench.registry.reload().successful, round % 5 != 0);
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
        fs::write(file("kept.json"), &from_file).unwrap();
        assert!(bench.registry.reload().last_success > settled.last_success);
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
            assert_eq!(gaps(&times, INTERVAL), missed[&url.url], "{name}: {times:?}");
            let path = url.url.rsplit('/').next().unwrap();
            let asked =
                requests.iter().filter(|request| request.starts_with(&format!("GET /{path} "))).count();
            assert!(asked - times.len() <= 1, "{name}: {asked} requests, {} scrapes", times.len());
        }
    });
}

#[test]
fn files_of_targets_are_followed_and_what_is_gone_is_closed() {
    const INTERVAL: Duration = Duration::from_millis(200);
    let storage = tempfile::tempdir().unwrap();
    let sources = tempfile::tempdir().unwrap();
    let file = sources.path().join("targets.yml");
    let (one, two) = (Peer::exporter(PAGE), Peer::exporter(PAGE));
    let write = |peers: &[&Peer]| {
        let targets: Vec<String> = peers.iter().map(|peer| format!("\"{}\"", peer.address)).collect();
        fs::write(&file, format!("- targets: [{}]\n", targets.join(", "))).unwrap();
    };
    write(&[&one, &two]);
    let discovery = Discovery::Files { patterns: vec![sources.path().join("*.yml")] };
    let config = Config { jobs: vec![job("node", INTERVAL, vec![discovery])] };
    Bench::run(storage.path(), config, async |bench| {
        let directory = |peer: &Peer| format!("127.0.0.1_{}", peer.address.port());
        until("both", || one.requests().len() > 2 && two.requests().len() > 2).await;
        let source = file.to_str().unwrap();
        assert_eq!(bench.targets()[0].discovered_labels.get("__meta_filepath"), source);
        write(&[&two]);
        let closed = || files(&bench.storage)[&directory(&one)][0].ends_with("\n# EOF\n");
        until("the end of the file", closed).await;
        assert_eq!(bench.urls(), [two.url()]);
        let asked = one.requests().len();
        write(&[&one, &two]);
        until("the target again", || one.requests().len() > asked + 1).await;
        until("a file of its own", || files(&bench.storage)[&directory(&one)].len() == 2).await;
        assert_eq!(files(&bench.storage)[&directory(&two)].len(), 1);
        assert_eq!(two.connections(), 1);
    });
}

#[test]
fn lists_of_targets_come_from_web_servers() {
    const INTERVAL: Duration = Duration::from_millis(200);
    let storage = tempfile::tempdir().unwrap();
    let peer = Peer::exporter(PAGE);
    let answer = Arc::new(Mutex::new(Vec::new()));
    let say = |status: &str, body: &str| {
        let head = format!("HTTP/1.1 {status}\r\nContent-Type: application/json; charset=utf-8");
        let text = format!("{head}\r\nContent-Length: {}\r\n\r\n{body}", body.len());
        *answer.lock().unwrap() = text.into_bytes();
    };
    let list = format!("[{{\"targets\": [\"{}\"], \"labels\": {{\"zone\": \"b\"}}}}]", peer.address);
    say("200 OK", &list);
    let answers = Arc::clone(&answer);
    let server = Peer::new(move |caller| {
        while caller.hear() {
            let answer = answers.lock().unwrap().clone();
            if !caller.say(&answer) {
                return;
            }
        }
    });
    let url = format!("http://{}/targets", server.address);
    let refresh_interval = Duration::from_millis(100);
    let discovery = Discovery::Http { url: url.clone(), refresh_interval, http: Box::default() };
    let config = Config { jobs: vec![job("found", INTERVAL, vec![discovery])] };
    Bench::run(storage.path(), config, async |bench| {
        until("the target", || peer.requests().len() > 1).await;
        let target = bench.targets().remove(0);
        assert_eq!((target.labels.get("zone"), target.discovered_labels.get("__meta_url")), ("b", &*url));
        let request = server.requests()[0].to_lowercase();
        for line in ["accept: application/json", "x-prometheus-refresh-interval-seconds: 0.1"] {
            assert!(request.contains(&format!("\r\n{line}\r\n")), "{line} in {request}");
        }
        for (status, body) in [("503 Down", list.as_str()), ("200 OK", "[{\"targets\": ["), ("200 OK", "{}")]
        {
            say(status, body);
            let asked = server.requests().len();
            until("three more answers", || server.requests().len() > asked + 3).await;
            assert_eq!(bench.urls(), [peer.url()], "{status} {body}");
        }
        say("200 OK", "[]");
        until("no target", || bench.targets().is_empty()).await;
        say("200 OK", &list);
        until("the target again", || bench.urls() == [peer.url()]).await;
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
        assert_eq!(gaps(&times(&recorded), INTERVAL * 3 / 2), missed, "{:?}", times(&recorded));
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

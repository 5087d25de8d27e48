//! The program and its file: reloads by the hundred, most of them of files that can't be used.

use std::fs;
use std::path::Path;
use std::time::Duration;

use rustix::process::Signal;
use serde_json::Value;

use super::bench::{LONG, PAGE, files, gaps, times};
use super::common::http;
use super::common::page::Page;
use super::common::servers::{Server, scrape_log_with};
use super::common::wait_until;
use super::peer::Peer;

const INTERVAL: Duration = Duration::from_millis(250);
const TARGETS: usize = 10;

/// `RELOADS` in the environment makes it as many as one likes.
#[test]
fn reloads_of_good_and_bad_files_lose_no_scrape() {
    let rounds = std::env::var("RELOADS").map_or(150, |rounds| rounds.parse::<usize>().unwrap());
    let directory = tempfile::tempdir().unwrap();
    let (config, storage) = (directory.path().join("prometheus.yml"), directory.path().join("data"));
    let (peer, other) = (Peer::exporter(PAGE), Peer::exporter(PAGE));
    let good = yaml(&peer, "");
    let with_more =
        yaml(&peer, &format!(", {{job_name: more, static_configs: [{{targets: ['{}']}}]}}", other.address));
    fs::write(&config, &good).unwrap();
    let recorder = scrape_log_with(&config, &storage, &["--web.enable-lifecycle"]);
    wait_until("a scrape of each target", LONG, || (up(&recorder) == TARGETS).then_some(()));

    let (mut refused, mut taken) = (0, 0);
    for round in 0..rounds {
        // What is there, and what the answer says.
        let (text, problem) = match round % 5 {
            0 => (good.clone(), None),
            1 => (with_more.clone(), None),
            2 => (
                good.replace("static_configs", "static_config"),
                Some(":3:20: unknown key \"static_config\""),
            ),
            // It ends before the first job, or anywhere.
            3 => {
                let end = if round % 25 == 3 {
                    good.find("scrape_configs").unwrap()
                } else {
                    good.len() * (round % 50) / 50
                };
                (good.split_at(end).0.to_owned(), Some(""))
            }
            _ => (String::new(), Some(":1:1: the file is empty")),
        };
        // In place, as an editor may do it: a reload before has not to be over.
        fs::write(&config, text).unwrap();
        if round % 2 == 0 {
            recorder.process.signal(Signal::HUP);
            std::thread::sleep(Duration::from_millis(round as u64 % 30));
            continue;
        }
        let answer = http::post(recorder.address, "/-/reload", b"").unwrap();
        match problem {
            None => {
                assert_eq!(answer.status, 200, "{round}: {}", answer.text());
                taken += 1;
            }
            Some(problem) => {
                assert_eq!(answer.status, 500, "{round}: {}", answer.text());
                let of_file = format!("{}{problem}", config.display());
                let text = answer.text();
                assert!(text.contains(&of_file) || text.contains("no target to scrape"), "{round}: {text}");
                refused += 1;
            }
        }
        // The job beside the others may be there or not, as the last good file says.
        assert!(active(&recorder).len().abs_diff(TARGETS) <= 1, "{round}");
    }
    assert!(refused >= rounds / 4 && taken >= rounds / 6, "{refused} refused, {taken} taken");

    let metrics = Page::read(&recorder.metrics());
    let missed = metrics.single("scrape_log_missed_scrapes_total") as u64;
    fs::write(&config, &good).unwrap();
    assert_eq!(http::post(recorder.address, "/-/reload", b"").unwrap().status, 200);
    assert_eq!(active(&recorder).len(), TARGETS);
    let metrics = Page::read(&recorder.metrics());
    assert_eq!(metrics.single("scrape_log_config_last_reload_successful"), 1.0);
    assert_eq!(metrics.single("scrape_log_unstored_scrapes_total"), 0.0);
    let results = metrics.of("scrape_log_scrapes_total");
    let failed: f64 =
        results.filter(|(series, _)| series.label("result") != "success").map(|(_, count)| count).sum();
    // A scrape that is late on a busy machine costs its connection.
    assert!(peer.connections() <= TARGETS + failed as usize, "each kept its connection");
    let (status, log) = recorder.process.terminate(LONG);
    assert!(status.success(), "{log}");
    assert!(log.contains("prometheus.yml:3:20: unknown key") && log.contains("until then"), "{log}");

    let (scrapes, gaps) = gaps_of(&storage, &peer);
    println!(
        "{rounds} reloads, {refused} of those by POST refused, {scrapes} scrapes, {gaps} gaps, {missed} missed"
    );
    assert!(scrapes >= 3 * TARGETS);
    // A machine with much else to do may miss some, which it says; a reload may not.
    assert!(gaps <= missed, "{gaps} scrapes are not there, {missed} were missed by its own account");
}

/// On one line, so that no beginning of it is a configuration with fewer targets.
fn yaml(peer: &Peer, more: &str) -> String {
    let target = |number| {
        format!(
            "{{targets: ['{}'], labels: {{__metrics_path__: /m{number}, path: m{number}}}}}",
            peer.address
        )
    };
    let targets: Vec<String> = (0..TARGETS).map(target).collect();
    format!(
        "global: {{scrape_interval: {0}ms, scrape_timeout: {0}ms}}\nscrape_configs: [\n  {{job_name: main, static_configs: [{1}]}}{more}]\n",
        INTERVAL.as_millis(),
        targets.join(", ")
    )
}

fn active(recorder: &Server) -> Vec<Value> {
    let answer: Value = serde_json::from_str(&http::get_ok(recorder.address, "/api/v1/targets")).unwrap();
    answer["data"]["activeTargets"].as_array().unwrap().clone()
}

fn up(recorder: &Server) -> usize {
    active(recorder).iter().filter(|target| target["health"] == "up").count()
}

/// Scrapes of `peer` in the files, and how many are missing between them.
fn gaps_of(storage: &Path, peer: &Peer) -> (usize, u64) {
    let recorded = files(storage);
    let kept: Vec<_> =
        recorded.values().filter(|texts| texts[0].contains(&peer.address.to_string())).collect();
    assert_eq!(kept.len(), TARGETS);
    kept.iter().fold((0, 0), |(scrapes, missing), texts| {
        assert!(texts.len() <= 2, "one file, or two where an even hour begins");
        let times = times(texts);
        assert!(times.is_sorted_by(|one, two| one < two), "{times:?}");
        (scrapes + times.len(), missing + gaps(&times, INTERVAL))
    })
}

//! Targets from files and web servers that change.

use super::bench::{Bench, PAGE, files, job, until};
use super::peer::Peer;
use std::fs;
use std::sync::{Arc, Mutex};
use std::time::Duration;
use vitals::scrape_log::config::{Config, Discovery};

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

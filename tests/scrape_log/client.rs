//! What the client asks and what it takes for a page.

use super::asking::{LONG, SHORT, block_on, client, connect, fetch, fetch_once};
use super::peer::{Peer, ok};
use std::sync::Arc;
use std::thread::sleep;
use std::time::Duration;
use vitals::web::client::{Client, Endpoint, FetchError, HttpSettings, Limits, Page, Prepared, Settings};

#[test]
fn asks_as_a_scraper_does_and_keeps_its_connection() {
    let peer = Peer::exporter("up 1\n");
    block_on(async {
        let mut client = client(&peer);
        for _ in 0..3 {
            assert_eq!(fetch(&mut client, LONG).await.unwrap(), "up 1\n");
        }
    });
    assert_eq!((peer.connections(), peer.requests().len()), (1, 3));
    let request = peer.requests()[0].to_lowercase();
    assert!(request.starts_with("get /metrics http/1.1\r\n"), "{request}");
    for line in [
        &format!("host: {}", peer.address),
        "accept: text/plain;version=0.0.4;q=1,*/*;q=0.1",
        "accept-encoding: gzip",
        "user-agent: test/1",
        "x-prometheus-scrape-timeout-seconds: 20",
    ] {
        assert!(request.contains(&format!("\r\n{line}\r\n")), "{line} in {request}");
    }
}

#[test]
fn a_kept_connection_that_the_peer_closed_is_made_anew_once() {
    let peer = Peer::new(|caller| {
        // Each connection serves one request and hangs up at the second.
        if caller.hear() && caller.say(&ok(&format!("a {}\n", caller.number))) {
            caller.hear();
        }
    });
    block_on(async {
        let mut client = client(&peer);
        for want in ["a 0\n", "a 1\n", "a 2\n"] {
            assert_eq!(fetch(&mut client, LONG).await.unwrap(), want);
        }
    });
    assert_eq!((peer.connections(), peer.requests().len()), (3, 5), "the second and third had to ask twice");
}

#[test]
fn a_peer_that_closes_after_each_answer_costs_no_second_request() {
    let peer = Peer::new(|caller| {
        if caller.hear() {
            caller.say(&ok("a 1\n"));
        }
    });
    block_on(async {
        let mut client = client(&peer);
        for _ in 0..3 {
            assert_eq!(fetch(&mut client, LONG).await.unwrap(), "a 1\n");
            tokio::time::sleep(Duration::from_millis(200)).await;
        }
    });
    assert_eq!((peer.connections(), peer.requests().len()), (3, 3));
}

#[test]
fn a_new_connection_without_an_answer_is_not_tried_again() {
    let peer = Peer::new(|caller| {
        caller.hear();
    });
    assert_eq!(fetch_once(&peer, LONG).unwrap_err(), FetchError::Closed);
    assert_eq!(peer.connections(), 1);
}

#[test]
fn nobody_listens() {
    let address = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let mut client = connect(&format!("http://{address}/"), HttpSettings::default());
    let error = block_on(async { fetch(&mut client, LONG).await }).unwrap_err();
    assert_eq!(error.to_string(), format!("connect to {address}: connection refused"));
    assert!(error.remedy().contains("exporter runs"));
}

#[test]
fn names_are_looked_up() {
    let peer = Peer::exporter("up 1\n");
    let at = |host: &str| {
        connect(&format!("http://{host}:{}/metrics", peer.address.port()), HttpSettings::default())
    };
    block_on(async {
        let mut local = at("localhost");
        assert_eq!(fetch(&mut local, LONG).await.unwrap(), "up 1\n");
        let mut nowhere = at("nowhere.invalid");
        let error = fetch(&mut nowhere, LONG).await.unwrap_err();
        assert!(error.to_string().starts_with("resolve nowhere.invalid: "), "{error}");
    });
}

#[test]
fn gzip_is_not_offered_where_it_is_not_wanted() {
    let peer = Peer::exporter("up 1\n");
    let http = HttpSettings { compression: false, ..HttpSettings::default() };
    block_on(async { fetch(&mut connect(&peer.url(), http), LONG).await }).unwrap();
    assert!(!peer.requests()[0].to_lowercase().contains("accept-encoding"), "{}", peer.requests()[0]);
}

#[test]
fn a_body_that_is_no_text_of_lines_needs_no_line_end() {
    let body = format!("[{{\"targets\": [\"{}\"]}}]", "x".repeat(2 << 20));
    let answer = format!("HTTP/1.0 200 OK\r\nContent-Type: application/json\r\n\r\n{body}");
    let peer = Peer::new(move |caller| {
        caller.hear();
        caller.say(answer.as_bytes());
    });
    let settings = Settings {
        accept: "application/json",
        user_agent: "test/1",
        deadline_header: None,
        more_headers: vec![("x-refresh", "60".to_owned())],
        limits: Limits { line_bytes: None, ..Limits::DEFAULT },
        http: HttpSettings::default(),
    };
    let endpoint = Endpoint::parse(&peer.url()).unwrap();
    let mut client = Client::new(endpoint, Arc::new(Prepared::new(&settings).unwrap()));
    assert_eq!(block_on(async { fetch(&mut client, LONG).await }).unwrap(), body);
    let request = peer.requests()[0].to_lowercase();
    assert!(
        request.contains("\r\naccept: application/json\r\n")
            && !request.contains("timeout")
            && request.contains("\r\nx-refresh: 60\r\n"),
        "{request}"
    );
}

#[test]
fn what_comes_after_an_answer_is_not_taken_for_the_next_one() {
    let peer = Peer::new(|caller| {
        caller.hear();
        caller.say(&[ok("up 1\n"), ok("forged 1\n")].concat());
        sleep(Duration::from_millis(100));
        caller.say(&ok("forged 2\n"));
        caller.wait();
    });
    block_on(async {
        let mut client = client(&peer);
        for _ in 0..2 {
            assert_eq!(fetch(&mut client, LONG).await.unwrap(), "up 1\n");
            tokio::time::sleep(SHORT).await;
        }
    });
    assert_eq!(peer.connections(), 2);
}

#[test]
fn a_body_cut_short_is_no_page() {
    for response in [
        "HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nup 1\n",
        "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nup 1\n\r\n",
        "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n50\r\nup 1\n",
        "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n",
        "HTTP/1.0 200 OK\r\n\r\nup 1\nnode_lo",
    ] {
        let peer = Peer::new(move |caller| {
            caller.hear();
            caller.say(response.as_bytes());
        });
        let error = fetch_once(&peer, LONG).unwrap_err();
        assert!(matches!(error, FetchError::Short { .. }), "{response:?}: {error}");
    }
    let whole = Peer::new(|caller| {
        caller.hear();
        caller.say(b"HTTP/1.0 200 OK\r\n\r\nup 1\n");
    });
    assert_eq!(fetch_once(&whole, LONG).unwrap(), "up 1\n");
}

#[test]
fn other_answers_than_a_page() {
    const PATH: &str = "check the path";
    const HTTP: &str = "speaks plain HTTP";
    for (response, want, remedy) in [
        ("HTTP/1.1 302 Found\r\nContent-Length: 0\r\n\r\n", "response: status 302 Found", PATH),
        ("HTTP/1.1 304 Not Modified\r\nLocation: /x\r\n\r\n", "response: status 304 Not Modified", PATH),
        ("HTTP/1.0 400 Bad Request\r\n\r\n", "response: status 400 Bad Request", "scheme: https"),
        ("HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\n\r\n", "response: status 404 Not Found", PATH),
        ("HTTP/1.1 204 No Content\r\n\r\n", "response: status 204 No Content", PATH),
        (
            "HTTP/1.1 401 Unauthorized\r\n\r\n",
            "response: status 401 Unauthorized",
            "basic_auth or authorization",
        ),
        ("HTTP/1.1 503 Service Unavailable\r\n\r\n", "response: status 503", "exporter's log"),
        ("SSH-2.0-OpenSSH_9.2\r\n", "response: not HTTP/1: ", HTTP),
        ("\x15\x03\x01\x00\x02\x02\x46", "response: ", HTTP),
        ("up 1\n", "response: ", HTTP),
        ("HTTP/1.1 200 OK\r\nContent-Length: -5\r\n\r\n", "response: not HTTP/1: ", HTTP),
    ] {
        let peer = Peer::new(move |caller| {
            caller.hear();
            caller.say(response.as_bytes());
        });
        let error = fetch_once(&peer, LONG).unwrap_err();
        assert!(error.to_string().starts_with(want), "{response:?}: {error}");
        assert!(error.remedy().contains(remedy), "{response:?}: {}", error.remedy());
    }
}

#[test]
fn the_judge_decides_on_the_content_type_before_the_body() {
    let peer = Peer::new(|caller| {
        caller.hear();
        caller.say(b"HTTP/1.1 200 OK\r\nContent-Type: text/html\r\nContent-Length: 1000\r\n\r\n");
        caller.wait();
    });
    block_on(async {
        let judge = |content_type: Option<&str>| match content_type {
            Some("text/html") => Err("a page for people".to_owned()),
            _ => Ok(()),
        };
        let error = client(&peer).fetch(LONG, &mut Page::default(), judge).await.unwrap_err();
        assert_eq!(error, FetchError::ContentType("a page for people".to_owned()));
    });
}

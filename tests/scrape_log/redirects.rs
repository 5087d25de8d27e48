use super::asking::{LONG, block_on, connect, fetch, fetch_from};
use super::peer::{Peer, ok, redirect};
use std::sync::OnceLock;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};
use vitals::web::client::{Credentials, FetchError, HttpSettings, Phase, Secret};

fn text(text: &str) -> Secret {
    Secret::Text(text.to_owned())
}

fn with_password() -> HttpSettings {
    let credentials = Credentials::Basic { username: text("me"), password: text("hidden") };
    HttpSettings { credentials: Some(credentials), ..HttpSettings::default() }
}

fn has_credentials(request: &str) -> bool {
    request.to_lowercase().contains("\r\nauthorization:")
}

/// Redirects `/metrics`, has pages elsewhere.
fn moved_to(location: &str) -> Peer {
    let location = location.to_owned();
    Peer::new(move |caller| {
        while let Some(request) = caller.listen() {
            let answer = match request.split(' ').nth(1) {
                Some("/metrics") => redirect(&location),
                Some(path) => ok(&format!("at{{path=\"{path}\"}} 1\n")),
                None => return,
            };
            caller.say(&answer);
        }
    })
}

#[test]
fn a_page_that_moved_on_its_server_is_fetched_with_credentials_over_one_connection() {
    for (location, path) in [("/metrics/", "/metrics/"), ("new/./page?a=b#top", "/new/page?a=b")] {
        let peer = moved_to(location);
        block_on(async {
            let mut client = connect(&peer.url(), with_password());
            for _ in 0..2 {
                assert_eq!(fetch(&mut client, LONG).await.unwrap(), format!("at{{path=\"{path}\"}} 1\n"));
            }
        });
        assert_eq!((peer.connections(), peer.requests().len()), (1, 4));
        assert!(peer.requests().iter().all(|request| has_credentials(request)), "{:?}", peer.requests());
    }
}

#[test]
fn credentials_never_go_to_another_host() {
    let thief = Peer::exporter("stolen 1\n");
    for location in
        [thief.url(), thief.url().replace("127.0.0.1", "localhost"), format!("//{}/steal", thief.address)]
    {
        let peer = Peer::redirecting(&location);
        assert_eq!(fetch_from(&peer.url(), with_password()).unwrap(), "stolen 1\n");
        assert!(has_credentials(&peer.requests()[0]));
    }
    assert_eq!(thief.requests().len(), 3);
    assert!(!thief.requests().iter().any(|request| has_credentials(request)), "{:?}", thief.requests());
}

#[test]
fn who_was_led_away_and_back_comes_without_credentials() {
    static HOME: OnceLock<String> = OnceLock::new();
    let away = Peer::new(|caller| while caller.hear() && caller.say(&redirect(HOME.get().unwrap())) {});
    let target = moved_to(&away.url());
    HOME.set(format!("http://{}/back", target.address)).unwrap();
    assert_eq!(fetch_from(&target.url(), with_password()).unwrap(), "at{path=\"/back\"} 1\n");
    let requests = target.requests();
    assert_eq!(requests.iter().map(|request| has_credentials(request)).collect::<Vec<_>>(), [true, false]);
}

#[test]
fn a_loop_ends() {
    let around = Peer::redirecting("/metrics");
    let error = fetch_from(&around.url(), HttpSettings::default()).unwrap_err();
    assert_eq!(error.to_string(), "response: redirected again after 10 requests, to \"/metrics\"");
    assert!(error.remedy().contains("final URL"));
    assert_eq!((around.requests().len(), around.connections()), (10, 1));
}

#[test]
fn redirects_that_are_not_followed() {
    for (location, want) in [
        ("file:///etc/passwd", "a redirect is not followed: "),
        ("gopher://127.0.0.1/", "begins with http:// or https://"),
        ("http://user:hidden@127.0.0.1/", "credentials in the URL"),
        ("http://", "not a URL"),
    ] {
        let peer = Peer::redirecting(location);
        let error = fetch_from(&peer.url(), HttpSettings::default()).unwrap_err();
        assert!(matches!(error, FetchError::RedirectRefused { .. }), "{location}: {error}");
        assert!(error.to_string().contains(want), "{location}: {error}");
        assert!(!error.to_string().contains("hidden"));
    }
    let peer = Peer::redirecting("http://elsewhere/metrics");
    let stay = HttpSettings { follow_redirects: false, ..HttpSettings::default() };
    let error = fetch_from(&peer.url(), stay).unwrap_err();
    assert_eq!(error.to_string(), "response: status 302 redirects to \"http://elsewhere/metrics\"");
    assert!(error.remedy().contains("follow_redirects"), "{}", error.remedy());
}

#[test]
fn the_deadline_is_over_all_redirects() {
    let peer = Peer::new(|caller| {
        while caller.hear() {
            std::thread::sleep(Duration::from_millis(100));
            caller.say(&redirect("/metrics"));
        }
    });
    let deadline = Duration::from_millis(350);
    let start = Instant::now();
    let mut client = connect(&peer.url(), HttpSettings::default());
    let error = block_on(async { fetch(&mut client, deadline).await }).unwrap_err();
    assert_eq!(error, FetchError::Deadline { deadline, phase: Phase::Head, body_bytes: 0 });
    assert!(start.elapsed() < LONG / 4);
}

#[test]
fn the_long_body_of_a_redirect_is_not_read() {
    static SENT: AtomicUsize = AtomicUsize::new(0);
    let page = Peer::exporter("up 1\n");
    let location = page.url();
    let peer = Peer::new(move |caller| {
        caller.hear();
        caller.say(
            format!("HTTP/1.1 302 Found\r\nLocation: {location}\r\nTransfer-Encoding: chunked\r\n\r\n")
                .as_bytes(),
        );
        while caller.say(format!("2710\r\n{}\r\n", "x".repeat(10_000)).as_bytes()) {
            SENT.fetch_add(10_000, Ordering::SeqCst);
        }
    });
    assert_eq!(fetch_from(&peer.url(), HttpSettings::default()).unwrap(), "up 1\n");
    std::thread::sleep(Duration::from_millis(200));
    assert!(SENT.load(Ordering::SeqCst) < 16 << 20);
}

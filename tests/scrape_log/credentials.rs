use super::asking::{LONG, block_on, connect, fetch, fetch_from, prepare};
use super::peer::Peer;
use std::fs;
use vitals::web::client::{Credentials, HttpSettings, Secret};

fn text(text: &str) -> Secret {
    Secret::Text(text.to_owned())
}

fn with(credentials: Credentials) -> HttpSettings {
    HttpSettings { credentials: Some(credentials), ..HttpSettings::default() }
}

fn sent(peer: &Peer) -> Vec<String> {
    let line = |request: &String| {
        let line = request.lines().find_map(|line| line.strip_prefix("authorization: "));
        line.unwrap_or_default().to_owned()
    };
    peer.requests().iter().map(line).collect()
}

#[test]
fn each_request_has_them() {
    let peer = Peer::exporter("up 1\n");
    let basic = Credentials::Basic { username: text("Aladdin"), password: text("open sesame") };
    fetch_from(&peer.url(), with(basic)).unwrap();
    let bearer = Credentials::Authorization { kind: "Bearer".to_owned(), credentials: text("abc.def") };
    fetch_from(&peer.url(), with(bearer)).unwrap();
    assert_eq!(sent(&peer), ["Basic QWxhZGRpbjpvcGVuIHNlc2FtZQ==", "Bearer abc.def"]);
}

#[test]
fn a_new_password_in_its_file_counts_at_the_next_request() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("token");
    fs::write(&path, "one\n").unwrap();
    let credentials =
        Credentials::Authorization { kind: "Bearer".to_owned(), credentials: Secret::File(path.clone()) };
    let peer = Peer::exporter("up 1\n");
    let mut client = connect(&peer.url(), with(credentials));
    block_on(async {
        fetch(&mut client, LONG).await.unwrap();
        fs::write(&path, "two\n").unwrap();
        fetch(&mut client, LONG).await.unwrap();
        fs::remove_file(&path).unwrap();
        let error = fetch(&mut client, LONG).await.unwrap_err();
        let want = format!("settings: authorization.credentials_file {}: No such file", path.display());
        assert!(error.to_string().starts_with(&want), "{error}");
        fs::write(&path, "three\n").unwrap();
        fetch(&mut client, LONG).await.unwrap();
    });
    assert_eq!(sent(&peer), ["Bearer one", "Bearer two", "Bearer three"]);
    assert_eq!(peer.connections(), 2, "at an error the connection is closed");
}

#[test]
fn no_message_shows_them() {
    let basic = Credentials::Basic { username: text("hidden user"), password: text("hidden") };
    let http = with(basic);
    let client = connect("http://127.0.0.1:1/", http.clone());
    let error = block_on(async { fetch(&mut connect("http://127.0.0.1:1/", http.clone()), LONG).await });
    // aGlkZGVu is how "hidden" begins in base64.
    for message in [format!("{http:?}"), format!("{client:?}"), format!("{error:?}")] {
        assert!(!message.contains("hidden") && !message.contains("aGlkZGVu"), "{message}");
    }
}

#[test]
fn what_can_not_be_used_is_refused_before_the_first_request() {
    let missing = Secret::File("/nonexistent/password".into());
    let basic = Credentials::Basic { username: text("me"), password: missing };
    let error = prepare(with(basic)).unwrap_err().to_string();
    assert!(error.starts_with("basic_auth.password_file /nonexistent/password: "), "{error}");
    assert!(error.contains("check the path"), "{error}");
    let colon = Credentials::Basic { username: text("me:too"), password: text("hidden") };
    let error = prepare(with(colon)).unwrap_err().to_string();
    assert!(error.starts_with("basic_auth.username: ") && !error.contains("hidden"), "{error}");
}

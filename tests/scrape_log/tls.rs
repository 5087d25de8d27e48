use super::asking::{LONG, block_on, connect, fetch, fetch_from, prepare};
use super::peer::{Caller, Peer, ok, redirect};
use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, DnType, IsCa, KeyPair};
use rustls::crypto::ring;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::server::WebPkiClientVerifier;
use rustls::{RootCertStore, ServerConfig};
use std::fs;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};
use vitals::web::client::{FetchError, HttpSettings, Phase, Secret, TlsSettings};

/// A certificate and its key.
pub struct Identity {
    pub pem: String,
    pub key_pem: String,
    der: CertificateDer<'static>,
    key: PrivateKeyDer<'static>,
}

pub struct Authority(CertifiedIssuer<'static, KeyPair>);

impl Authority {
    pub fn new() -> Self {
        static COUNT: AtomicUsize = AtomicUsize::new(0);
        Self::named(&format!("authority {}", COUNT.fetch_add(1, Ordering::Relaxed)))
    }

    fn named(name: &str) -> Self {
        let mut params = CertificateParams::default();
        params.distinguished_name.push(DnType::CommonName, name);
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        Self(CertifiedIssuer::self_signed(params, KeyPair::generate().unwrap()).unwrap())
    }

    /// A certificate for the names, changed before it is signed.
    pub fn sign(&self, names: &[&str], change: impl FnOnce(&mut CertificateParams)) -> Identity {
        let names: Vec<String> = names.iter().map(|name| (*name).to_owned()).collect();
        let mut params = CertificateParams::new(names).unwrap();
        change(&mut params);
        let key = KeyPair::generate().unwrap();
        let certificate = params.signed_by(&key, &self.0).unwrap();
        Identity::new(&certificate, &key)
    }

    pub fn pem(&self) -> String {
        self.0.pem()
    }
}

impl Identity {
    fn new(certificate: &rcgen::Certificate, key: &KeyPair) -> Self {
        Self {
            pem: certificate.pem(),
            key_pem: key.serialize_pem(),
            der: certificate.der().clone(),
            key: PrivateKeyDer::try_from(key.serialize_der()).unwrap(),
        }
    }

    /// One that no one else signed. With `authority` it says that it is an authority's own, as `openssl req -x509` does.
    fn self_signed(authority: bool, change: impl FnOnce(&mut CertificateParams)) -> Self {
        let mut params =
            CertificateParams::new(vec!["localhost".to_owned(), "127.0.0.1".to_owned()]).unwrap();
        if authority {
            params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        }
        change(&mut params);
        let key = KeyPair::generate().unwrap();
        Self::new(&params.self_signed(&key).unwrap(), &key)
    }

    /// The server's side. With `clients` it wants a certificate that this authority signed.
    pub fn server(&self, clients: Option<&Authority>) -> ServerConfig {
        let provider = Arc::new(ring::default_provider());
        let builder = ServerConfig::builder_with_provider(Arc::clone(&provider))
            .with_safe_default_protocol_versions()
            .unwrap();
        let builder = match clients {
            None => builder.with_no_client_auth(),
            Some(authority) => {
                let mut roots = RootCertStore::empty();
                roots.add(authority.0.der().clone()).unwrap();
                let verifier = WebPkiClientVerifier::builder_with_provider(Arc::new(roots), provider);
                builder.with_client_cert_verifier(verifier.build().unwrap())
            }
        };
        builder.with_single_cert(vec![self.der.clone()], self.key.clone_key()).unwrap()
    }
}

fn text(text: &str) -> Option<Secret> {
    Some(Secret::Text(text.to_owned()))
}

fn http(tls: TlsSettings) -> HttpSettings {
    HttpSettings { tls, ..HttpSettings::default() }
}

pub fn trusting(authority: &Authority) -> TlsSettings {
    TlsSettings { ca: text(&authority.pem()), ..TlsSettings::default() }
}

fn page(caller: &mut Caller) {
    while caller.hear() && caller.say(&ok("up 1\n")) {}
}

fn expired(params: &mut CertificateParams) {
    params.not_before = rcgen::date_time_ymd(2020, 1, 1);
    params.not_after = rcgen::date_time_ymd(2021, 1, 1);
}

/// The error of a fetch, and that its text and remedy have these words.
fn refused(peer: &Peer, tls: TlsSettings, problem: &str, remedy: &str) {
    let error = fetch_from(&peer.url(), http(tls)).unwrap_err();
    assert!(matches!(error, FetchError::Tls { .. }), "{error}");
    assert!(error.to_string().contains(problem), "{error}");
    assert!(error.remedy().contains(remedy), "{error}: {}", error.remedy());
    assert_eq!(peer.requests().len(), 0);
}

#[test]
fn pages_come_over_tls_and_the_connection_is_kept() {
    let authority = Authority::new();
    let peer = Peer::tls(authority.sign(&["127.0.0.1"], |_| {}).server(None), page);
    block_on(async {
        let mut client = connect(&peer.url(), http(trusting(&authority)));
        for _ in 0..3 {
            assert_eq!(fetch(&mut client, LONG).await.unwrap(), "up 1\n");
        }
    });
    assert_eq!((peer.connections(), peer.requests().len()), (1, 3));
}

#[test]
fn a_kept_tls_connection_that_the_peer_closed_costs_no_second_request() {
    let authority = Authority::new();
    let server = authority.sign(&["127.0.0.1"], |_| {}).server(None);
    let peer = Peer::tls(server, |caller| {
        if caller.hear() {
            caller.say(&ok("up 1\n"));
        }
    });
    block_on(async {
        let mut client = connect(&peer.url(), http(trusting(&authority)));
        for _ in 0..2 {
            assert_eq!(fetch(&mut client, LONG).await.unwrap(), "up 1\n");
            tokio::time::sleep(Duration::from_millis(200)).await;
        }
    });
    assert_eq!((peer.connections(), peer.requests().len()), (2, 2));
}

#[test]
fn certificates_that_are_not_good_are_refused_and_the_error_says_what_to_do() {
    let (authority, other) = (Authority::new(), Authority::new());
    let good = Peer::tls(authority.sign(&["127.0.0.1"], |_| {}).server(None), page);
    refused(&good, trusting(&other), "not trusted", "ca_file");
    let [first, made_anew] = [Authority::named("one name"), Authority::named("one name")];
    let same_name = Peer::tls(made_anew.sign(&["127.0.0.1"], |_| {}).server(None), page);
    refused(&same_name, trusting(&first), "not signed by", "ca_file");
    let named = Peer::tls(authority.sign(&["db01", "db02"], |_| {}).server(None), page);
    refused(&named, trusting(&authority), "not for \"127.0.0.1\"", "server_name");
    let old = Peer::tls(authority.sign(&["127.0.0.1"], expired).server(None), page);
    refused(&old, trusting(&authority), "has expired", "new certificate");
    let right_name = TlsSettings { server_name: Some("db02".to_owned()), ..trusting(&authority) };
    assert_eq!(fetch_from(&named.url(), http(right_name)).unwrap(), "up 1\n");
    for peer in [good, named, old] {
        let any = TlsSettings { insecure_skip_verify: true, ..TlsSettings::default() };
        assert_eq!(fetch_from(&peer.url(), http(any)).unwrap(), "up 1\n");
    }
}

#[test]
fn a_certificate_that_nobody_signed_is_trusted_where_it_is_the_ca_file() {
    for authority in [false, true] {
        let identity = Identity::self_signed(authority, |_| {});
        let peer = Peer::tls(identity.server(None), page);
        let trusted = TlsSettings { ca: text(&identity.pem), ..TlsSettings::default() };
        let another =
            TlsSettings { ca: text(&Identity::self_signed(authority, |_| {}).pem), ..TlsSettings::default() };
        refused(&peer, another, "not", "ca_file");
        let wrong_name = TlsSettings { server_name: Some("db01".to_owned()), ..trusted.clone() };
        refused(&peer, wrong_name, "not for \"db01\"", "server_name");
        assert_eq!(fetch_from(&peer.url(), http(trusted)).unwrap(), "up 1\n");
        let old = Identity::self_signed(authority, expired);
        let peer = Peer::tls(old.server(None), page);
        let trusted = TlsSettings { ca: text(&old.pem), ..TlsSettings::default() };
        refused(&peer, trusted, "has expired", "new certificate");
    }
}

#[test]
fn the_systems_authorities_are_trusted_where_no_other_is_given() {
    let peer = Peer::tls(Authority::new().sign(&["127.0.0.1"], |_| {}).server(None), page);
    let error = fetch_from(&peer.url(), HttpSettings::default()).unwrap_err();
    // A system may have none.
    assert!(error.to_string().contains("not trusted") || matches!(error, FetchError::Setup(_)), "{error}");
    assert_eq!(peer.requests().len(), 0);
}

#[test]
fn clients_show_their_certificate() {
    let (authority, clients) = (Authority::new(), Authority::new());
    let peer = Peer::tls(authority.sign(&["127.0.0.1"], |_| {}).server(Some(&clients)), page);
    refused(&peer, trusting(&authority), "server refuses", "cert_file and key_file");
    let with = |identity: Identity| TlsSettings {
        certificate: text(&identity.pem),
        key: text(&identity.key_pem),
        ..trusting(&authority)
    };
    let good = with(clients.sign(&["recorder"], |_| {}));
    assert_eq!(fetch_from(&peer.url(), http(good)).unwrap(), "up 1\n");
    let stranger = Peer::tls(authority.sign(&["127.0.0.1"], |_| {}).server(Some(&clients)), page);
    refused(
        &stranger,
        with(authority.sign(&["recorder"], |_| {})),
        "server refuses",
        "cert_file and key_file",
    );
}

#[test]
fn another_host_is_not_shown_the_certificate_and_has_to_have_its_own_name() {
    let authority = Authority::new();
    let client = authority.sign(&["recorder"], |_| {});
    let settings = TlsSettings {
        certificate: text(&client.pem),
        key: text(&client.key_pem),
        server_name: Some("home".to_owned()),
        ..trusting(&authority)
    };
    let wants_certificate = Peer::tls(authority.sign(&["127.0.0.1"], |_| {}).server(Some(&authority)), page);
    let location = wants_certificate.url();
    let home = move |location: String| {
        let config = authority.sign(&["home"], |_| {}).server(Some(&authority));
        let away = Peer::tls(authority.sign(&["127.0.0.1"], |_| {}).server(None), page);
        let location = if location.is_empty() { away.url() } else { location };
        (Peer::tls(config, move |caller| while caller.hear() && caller.say(&redirect(&location)) {}), away)
    };
    let (open, away) = home(String::new());
    assert_eq!(fetch_from(&open.url(), http(settings.clone())).unwrap(), "up 1\n");
    assert_eq!((open.requests().len(), away.requests().len()), (1, 1));
    let (closed, _) = home(location);
    let error = fetch_from(&closed.url(), http(settings)).unwrap_err();
    assert!(error.to_string().contains("server refuses: CertificateRequired"), "{error}");
    assert_eq!((closed.requests().len(), wants_certificate.requests().len()), (1, 0));
}

#[test]
fn from_https_nothing_leads_to_http_but_the_other_way_is_open() {
    let authority = Authority::new();
    let plain = Peer::exporter("forged 1\n");
    let location = plain.url();
    let server = || authority.sign(&["127.0.0.1"], |_| {}).server(None);
    let secure =
        Peer::tls(server(), move |caller| while caller.hear() && caller.say(&redirect(&location)) {});
    let error = fetch_from(&secure.url(), http(trusting(&authority))).unwrap_err();
    assert!(error.to_string().contains("from https to http"), "{error}");
    assert_eq!(plain.requests().len(), 0);
    let page = Peer::tls(server(), page);
    let upgrade = Peer::redirecting(&page.url());
    assert_eq!(fetch_from(&upgrade.url(), http(trusting(&authority))).unwrap(), "up 1\n");
}

#[test]
fn plain_http_and_tls_taken_for_each_other() {
    let plain = Peer::new(|caller| {
        caller.say(b"HTTP/1.1 400 Bad Request\r\nConnection: close\r\n\r\n");
    });
    let url = plain.url().replace("http:", "https:");
    let any = TlsSettings { insecure_skip_verify: true, ..TlsSettings::default() };
    let error = fetch_from(&url, http(any.clone())).unwrap_err();
    assert_eq!(error.to_string(), "TLS: the answer is not TLS");
    assert!(error.remedy().contains("scheme: http"), "{}", error.remedy());
    let hangs_up = Peer::new(|_| {});
    let error = fetch_from(&hangs_up.url().replace("http:", "https:"), http(any)).unwrap_err();
    assert!(matches!(error, FetchError::Tls { .. }), "{error}");
    let secure = Peer::tls(Authority::new().sign(&["127.0.0.1"], |_| {}).server(None), page);
    let error = fetch_from(&secure.url().replace("https:", "http:"), HttpSettings::default()).unwrap_err();
    assert!(error.remedy().contains("scheme: https"), "{error}: {}", error.remedy());
}

#[test]
fn the_deadline_is_over_the_handshake_too() {
    let silent = Peer::new(Caller::wait);
    let any = TlsSettings { insecure_skip_verify: true, ..TlsSettings::default() };
    let mut client = connect(&silent.url().replace("http:", "https:"), http(any));
    let deadline = Duration::from_millis(300);
    let start = Instant::now();
    let error = block_on(async { fetch(&mut client, deadline).await }).unwrap_err();
    assert_eq!(error, FetchError::Deadline { deadline, phase: Phase::Tls, body_bytes: 0 });
    assert_eq!(error.to_string(), "deadline of 300ms passed while in the TLS handshake");
    assert!(start.elapsed() < LONG / 4);
}

#[test]
fn new_files_count_at_the_next_connection() {
    let (authority, clients) = (Authority::new(), Authority::new());
    let server = authority.sign(&["127.0.0.1"], |_| {}).server(Some(&clients));
    let peer = Peer::tls(server, |caller| {
        if caller.hear() {
            caller.say(&ok("up 1\n"));
        }
    });
    let directory = tempfile::tempdir().unwrap();
    let path = |name: &str| directory.path().join(name);
    let write = |identity: &Identity| {
        fs::write(path("cert.pem"), &identity.pem).unwrap();
        fs::write(path("key.pem"), &identity.key_pem).unwrap();
    };
    fs::write(path("ca.pem"), Authority::new().pem()).unwrap();
    write(&clients.sign(&["recorder"], expired));
    let mut client = connect(
        &peer.url(),
        http(TlsSettings {
            ca: Some(Secret::File(path("ca.pem"))),
            certificate: Some(Secret::File(path("cert.pem"))),
            key: Some(Secret::File(path("key.pem"))),
            ..TlsSettings::default()
        }),
    );
    let mut ask = || block_on(async { fetch(&mut client, LONG).await.map_err(|error| error.to_string()) });
    assert!(ask().unwrap_err().contains("not trusted"));
    fs::write(path("ca.pem"), authority.pem()).unwrap();
    assert!(ask().unwrap_err().contains("server refuses: CertificateExpired"));
    write(&clients.sign(&["recorder"], |_| {}));
    assert_eq!(ask().unwrap(), "up 1\n");
    fs::write(path("ca.pem"), "-----BEGIN CERTIFICATE-----\n").unwrap();
    let error = ask().unwrap_err();
    assert!(error.contains(&format!("tls_config.ca_file {}: ", path("ca.pem").display())), "{error}");
    fs::write(path("ca.pem"), authority.pem()).unwrap();
    assert_eq!(ask().unwrap(), "up 1\n");
}

#[test]
fn wrong_files_are_refused_before_the_first_connection() {
    let authority = Authority::new();
    let (one, two) = (authority.sign(&["a"], |_| {}), authority.sign(&["b"], |_| {}));
    let directory = tempfile::tempdir().unwrap();
    let key_file = directory.path().join("key.pem");
    fs::write(&key_file, &two.key_pem).unwrap();
    let settings = |ca: Option<Secret>, certificate: Option<Secret>, key: Option<Secret>| {
        http(TlsSettings { ca, certificate, key, ..TlsSettings::default() })
    };
    for (http, want) in [
        (
            settings(Some(Secret::File("/nonexistent/ca.pem".into())), None, None),
            "tls_config.ca_file /nonexistent/ca.pem: No such file",
        ),
        (settings(Some(Secret::File(directory.path().to_owned())), None, None), "not a regular file"),
        (settings(text(&one.key_pem), None, None), "tls_config.ca: it has no certificate"),
        (settings(None, text(&one.pem), None), "give key_file too"),
        (settings(None, None, text(&one.key_pem)), "give cert_file too"),
        (settings(None, text(&one.pem), text(&one.pem)), "tls_config.key: it has no private key"),
        (
            settings(None, text(&one.pem), Some(Secret::File(key_file.clone()))),
            "is not the certificate of this key",
        ),
    ] {
        let error = prepare(http).unwrap_err().to_string();
        assert!(error.contains(want), "{error}");
        assert!(!error.contains("BEGIN PRIVATE KEY-----\nM"), "{error}");
    }
    let name = TlsSettings { server_name: Some("a b".to_owned()), ..TlsSettings::default() };
    assert!(prepare(http(name)).unwrap_err().to_string().starts_with("tls_config.server_name: \"a b\""));
}

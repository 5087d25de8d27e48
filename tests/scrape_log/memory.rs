//! What a client costs while it waits for the next fetch, and during one. Peers run in threads of their own, which do
//! not count.

use super::asking::{LONG, prepare};
use super::peer::Peer;
use super::tls::{Authority, trusting};
use std::sync::Arc;
use vitals::web::client::{Client, Endpoint, HttpSettings, Page, Prepared};

const CLIENTS: usize = 50;

fn metrics() -> String {
    "node_cpu_seconds_total{cpu=\"0\",mode=\"idle\"} 12345.67\n".repeat(1400)
}

/// Heap bytes that a client holds after some fetches, and allocations of one fetch.
fn cost(url: &str, prepared: &Arc<Prepared>) -> (i64, u64) {
    let endpoint = Endpoint::parse(url).unwrap();
    let mut page = Page::from(Vec::with_capacity(1 << 20));
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let mut clients = Vec::with_capacity(CLIENTS + 1);
    let mut round = |clients: &mut Vec<Client>| {
        runtime.block_on(async {
            for client in clients {
                client.fetch(LONG, &mut page, |_| Ok(())).await.unwrap();
                assert!(page.len() > 70_000);
            }
        });
    };
    // What all have in common comes with the first one.
    clients.push(Client::new(endpoint.clone(), Arc::clone(prepared)));
    round(&mut clients);
    let held = allocation_counter::measure(|| {
        let new = (0..CLIENTS).map(|_| Client::new(endpoint.clone(), Arc::clone(prepared)));
        clients.extend(new);
        round(&mut clients);
        round(&mut clients);
    });
    let once = allocation_counter::measure(|| round(&mut clients));
    (held.bytes_current / CLIENTS as i64, once.count_total / clients.len() as u64)
}

#[test]
fn an_idle_client_holds_little_more_than_its_socket() {
    let peer = Peer::exporter(&metrics());
    let (bytes, allocations) = cost(&peer.url(), &prepare(HttpSettings::default()).unwrap());
    assert!(bytes < 1 << 10, "{bytes} bytes");
    assert!(allocations <= 24, "{allocations} allocations a fetch");
    assert_eq!(peer.connections(), CLIENTS + 1);
}

#[test]
fn an_idle_client_with_tls_holds_its_session_but_no_page() {
    let authority = Authority::new();
    let body = super::peer::ok(&metrics());
    let server = authority.sign(&["127.0.0.1"], |_| {}).server(None);
    let peer = Peer::tls(server, move |caller| while caller.hear() && caller.say(&body) {});
    let http = HttpSettings { tls: trusting(&authority), ..HttpSettings::default() };
    let (bytes, allocations) = cost(&peer.url(), &prepare(http).unwrap());
    assert!(bytes < 16 << 10, "{bytes} bytes");
    assert!(allocations <= 40, "{allocations} allocations a fetch");
}

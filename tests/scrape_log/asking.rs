//! What the tests of the client ask with.

use super::peer::Peer;
use std::sync::Arc;
use std::time::Duration;
use vitals::web::client::{
    Client, Endpoint, FetchError, HttpSettings, Limits, Page, Prepared, Settings, SetupError,
};

/// Longer than anything takes that works.
pub const LONG: Duration = Duration::from_secs(20);
/// Time for what is quick.
pub const SHORT: Duration = Duration::from_millis(300);

pub fn prepare(http: HttpSettings) -> Result<Arc<Prepared>, SetupError> {
    let settings = Settings {
        accept: "text/plain;version=0.0.4;q=1,*/*;q=0.1",
        user_agent: "test/1",
        deadline_header: Some("x-prometheus-scrape-timeout-seconds"),
        more_headers: Vec::new(),
        limits: Limits::DEFAULT,
        http,
    };
    Prepared::new(&settings).map(Arc::new)
}

pub fn connect(url: &str, http: HttpSettings) -> Client {
    Client::new(Endpoint::parse(url).unwrap(), prepare(http).unwrap())
}

/// A client of this peer.
pub fn client(peer: &Peer) -> Client {
    connect(&peer.url(), HttpSettings::default())
}

pub fn block_on<T>(future: impl Future<Output = T>) -> T {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let result = runtime.block_on(future);
    runtime.shutdown_background();
    result
}

pub async fn fetch(client: &mut Client, deadline: Duration) -> Result<String, FetchError> {
    let mut page = Page::from(b"left over".to_vec());
    client.fetch(deadline, &mut page, |_| Ok(())).await?;
    Ok(String::from_utf8(page.to_vec()).unwrap())
}

/// One fetch by a client of its own.
pub fn fetch_from(url: &str, http: HttpSettings) -> Result<String, FetchError> {
    block_on(async { fetch(&mut connect(url, http), LONG).await })
}

/// One fetch from this peer by a client of its own.
pub fn fetch_once(peer: &Peer, deadline: Duration) -> Result<String, FetchError> {
    block_on(async { fetch(&mut client(peer), deadline).await })
}

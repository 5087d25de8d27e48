//! Targets from web servers, `http_sd_configs` of Prometheus' configuration.

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::mpsc;
use tokio::task::spawn_blocking;

use super::Found;
use crate::scrape_log::ask;
use crate::scrape_log::config::{self, ListSyntax, TargetGroup};
use crate::web::client::{Client, Endpoint, FetchError, HttpSettings, Page, Prepared};

/// The label that says which server a group is from.
const URL: &str = "__meta_url";
/// What a server may take for its answer.
const DEADLINE: Duration = Duration::from_secs(30);

/// Why there is no list.
#[derive(Debug, thiserror::Error)]
enum Trouble {
    #[error(transparent)]
    Fetch(#[from] FetchError),
    #[error("{0}")]
    Content(String),
}

impl Trouble {
    fn is_like(&self, other: &Trouble) -> bool {
        match (self, other) {
            (Trouble::Fetch(one), Trouble::Fetch(two)) => one.same_cause(two),
            (Trouble::Content(one), Trouble::Content(two)) => one == two,
            _ => false,
        }
    }
}

/// Sends the groups that are found at `url` when they change, until the receiver is gone.
pub(super) async fn run(
    url: String,
    refresh_interval: Duration,
    http: HttpSettings,
    source: u64,
    found: mpsc::Sender<Found>,
) {
    let place = url.clone();
    // The files of its settings are read.
    let client = spawn_blocking(move || client(&place, refresh_interval, &http)).await;
    let mut client = match client.unwrap_or_else(|error| Err(format!("please report this: {error}"))) {
        Ok(client) => client,
        Err(error) => return tracing::error!(url, error, "can't get targets from this URL"),
    };
    let (mut known, mut trouble) = (None, None);
    loop {
        match fetch(&mut client, &url, DEADLINE.min(refresh_interval)).await {
            Ok(groups) => {
                if trouble.take().is_some() {
                    tracing::info!(url, "the list of targets can be read again");
                }
                if known.as_ref() != Some(&groups) {
                    if found.send(Found { source, groups: groups.clone() }).await.is_err() {
                        return;
                    }
                    known = Some(groups);
                }
            }
            Err(error) => {
                if trouble.as_ref().is_none_or(|said: &Trouble| !said.is_like(&error)) {
                    let remedy = "until it can be read, the last good list stays";
                    tracing::warn!(url, %error, remedy, "can't read a list of targets");
                    trouble = Some(error);
                }
            }
        }
        tokio::time::sleep(refresh_interval).await;
    }
}

fn client(url: &str, refresh_interval: Duration, http: &HttpSettings) -> Result<Client, String> {
    let settings = ask::list_settings(http, refresh_interval);
    let prepared = Prepared::new(&settings).map_err(|error| error.to_string())?;
    Ok(Client::new(Endpoint::parse(url)?, Arc::new(prepared)))
}

async fn fetch(client: &mut Client, url: &str, deadline: Duration) -> Result<Vec<TargetGroup>, Trouble> {
    let mut page = Page::default();
    client.fetch(deadline, &mut page, ask::expect_json).await?;
    let url = url.to_owned();
    // A long list takes a while.
    let read = spawn_blocking(move || read(&page, &url)).await;
    read.unwrap_or_else(|error| Err(format!("please report this: {error}"))).map_err(Trouble::Content)
}

fn read(page: &[u8], url: &str) -> Result<Vec<TargetGroup>, String> {
    let text = str::from_utf8(page).map_err(|error| format!("the list is not UTF-8: {error}"))?;
    let mut groups = config::parse_target_groups(text, Path::new(url), ListSyntax::Json)
        .map_err(|error| error.to_string())?;
    for group in &mut groups {
        group.labels.set(URL, url);
    }
    Ok(groups)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_json_is_taken() {
        for good in ["application/json", "Application/JSON ; charset=utf-8"] {
            assert_eq!(ask::expect_json(Some(good)), Ok(()));
        }
        for (bad, want) in [(None, "without Content-Type"), (Some("text/html"), "text/html")] {
            assert!(ask::expect_json(bad).unwrap_err().contains(want));
        }
    }

    #[test]
    fn trouble_that_differs_in_counts_only_is_the_same() {
        let short = |received_bytes| Trouble::from(FetchError::Short { received_bytes });
        assert!(short(1).is_like(&short(2)));
        assert!(!short(1).is_like(&Trouble::Content("line 1".to_owned())));
        assert!(!Trouble::Content("line 2".to_owned()).is_like(&Trouble::Content("line 1".to_owned())));
    }
}

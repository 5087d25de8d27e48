//! One exporter to scrape: its endpoint, its labels and its directory.

use crate::web::client::{Endpoint, Scheme};

/// What a target without a path is asked for.
const DEFAULT_PATH: &str = "/metrics";
/// The longest readable part of a directory's name, in bytes.
const READABLE_NAME_BYTES: usize = 100;

/// An exporter to scrape.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Target {
    endpoint: Endpoint,
    instance: String,
    directory: String,
}

impl Target {
    /// Reads `host:port` (the page is `/metrics` then) or an `http://` URL.
    ///
    /// # Errors
    /// A sentence that says what is wrong and what is expected.
    pub fn parse(text: &str) -> Result<Self, String> {
        if text.contains("://") {
            return Endpoint::parse(text).map(Self::new);
        }
        let bare_ipv6 = text.parse::<std::net::Ipv6Addr>().is_ok();
        let host_has_port = match text.rsplit_once(']') {
            Some((_, after)) => after.starts_with(':'),
            None => text.contains(':') && !bare_ipv6,
        };
        if bare_ipv6 {
            return Err(format!("an IPv6 address needs brackets and a port, for example [{text}]:9100"));
        }
        if text.contains('/') {
            return Err(
                "a target with a path has to be a URL, for example http://db01:9100/metrics".to_owned()
            );
        }
        if !host_has_port {
            return Err(format!("it has no port, expected HOST:PORT such as {text}:9100, or a URL"));
        }
        Endpoint::parse(&format!("http://{text}{DEFAULT_PATH}"))
            .map(Self::new)
            .map_err(|problem| format!("{problem} (expected HOST:PORT or http://HOST:PORT/PATH)"))
    }

    fn new(endpoint: Endpoint) -> Self {
        let authority = endpoint.authority();
        // Two pages of one exporter have to differ in a label, or their series would be the same.
        let instance = match endpoint.path_and_query() {
            DEFAULT_PATH => authority,
            path => format!("{authority}{path}"),
        };
        let directory = directory_name(&endpoint);
        Self { endpoint, instance, directory }
    }

    /// Where the page is.
    pub fn endpoint(&self) -> &Endpoint {
        &self.endpoint
    }

    /// The value of the label `instance`: `host:port`, and the path where it is not `/metrics`.
    pub fn instance(&self) -> &str {
        &self.instance
    }

    /// The name of the target's directory below the storage path: one plain file name, another for each target.
    pub fn directory(&self) -> &str {
        &self.directory
    }
}

/// `host_port` where that is all there is to say. Anything else gets the characters that are safe in file names
/// on all systems, and a hash of the whole URL so that no two URLs share a name.
fn directory_name(endpoint: &Endpoint) -> String {
    let (host, port) = (endpoint.host(), endpoint.port());
    let safe = |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | '-' | '_');
    if endpoint.scheme() == Scheme::Http
        && endpoint.path_and_query() == DEFAULT_PATH
        && host.len() <= READABLE_NAME_BYTES
        && host.starts_with(|first: char| first.is_ascii_alphanumeric())
        && host.chars().all(safe)
    {
        return format!("{host}_{port}");
    }
    let url = endpoint.to_string();
    let readable: String = endpoint
        .host()
        .chars()
        .chain(['_'])
        .chain(port.to_string().chars())
        .chain(endpoint.path_and_query().chars())
        .map(|c| if safe(c) { c } else { '-' })
        .take(READABLE_NAME_BYTES)
        .collect();
    format!("{}~{:016x}", readable.trim_start_matches(['.', '-']), stable_hash(url.as_bytes()))
}

/// FNV-1a with a final mix. Unlike the standard library's hash it is the same in every release, which file names
/// and the phase of the schedule rely on.
pub(super) fn stable_hash(bytes: &[u8]) -> u64 {
    let mut hash = 0xcbf2_9ce4_8422_2325_u64;
    for &byte in bytes {
        hash = (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3);
    }
    hash ^= hash >> 32;
    hash = hash.wrapping_mul(0x9e37_79b9_7f4a_7c15);
    hash ^ (hash >> 29)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::HashSet;
    use std::path::{Component, Path};

    #[test]
    fn short_and_long_forms() {
        for (text, url, instance, directory) in [
            ("db01:9100", "http://db01:9100/metrics", "db01:9100", "db01_9100"),
            ("http://DB01:9100/metrics", "http://db01:9100/metrics", "db01:9100", "db01_9100"),
            ("10.0.0.1:9100", "http://10.0.0.1:9100/metrics", "10.0.0.1:9100", "10.0.0.1_9100"),
        ] {
            let target = Target::parse(text).unwrap();
            assert_eq!(target.endpoint().to_string(), url);
            assert_eq!((target.instance(), target.directory()), (instance, directory));
        }
        let ipv6 = Target::parse("[::1]:9100").unwrap();
        assert_eq!(ipv6.instance(), "[::1]:9100");
        assert!(ipv6.directory().starts_with("1_9100-metrics~"), "{}", ipv6.directory());
        let probe = Target::parse("http://h:9115/probe?target=x").unwrap();
        assert_eq!(probe.instance(), "h:9115/probe?target=x");
        assert!(probe.directory().starts_with("h_9115-probe-target-x~"), "{}", probe.directory());
    }

    #[test]
    fn says_what_is_missing() {
        for (text, want) in [
            ("db01", "such as db01:9100"),
            ("::1", "[::1]:9100"),
            ("[::1]", "such as [::1]:9100"),
            ("db01:9100/metrics", "has to be a URL"),
            ("db01:", "expected HOST:PORT"),
            ("db01:x", "expected HOST:PORT"),
            ("user:secret@db01:9100", "before the @"),
            ("ftp://db01:9100/metrics", "begins with http:// or https://"),
            ("", "no port"),
        ] {
            let error = Target::parse(text).unwrap_err();
            assert!(error.contains(want), "{text}: {error}");
        }
    }

    #[test]
    fn directories_are_plain_names_and_differ() {
        let long = "x".repeat(300);
        let urls = [
            "http://a:1/metrics".to_owned(),
            "https://a:1/metrics".to_owned(),
            "http://a:1/".to_owned(),
            "http://a:1/metrics/".to_owned(),
            "http://a:1/metrics?a=b".to_owned(),
            "http://a:1/metrics?a.b".to_owned(),
            "http://a:1/metrics-a-b".to_owned(),
            "http://a_1:1/metrics".to_owned(),
            "http://..:1/../../etc/passwd".to_owned(),
            "http://..:1/metrics".to_owned(),
            "http://-a:1/metrics".to_owned(),
            "http://[::1]:1/metrics".to_owned(),
            "http://[1::]:1/metrics".to_owned(),
            format!("http://{long}:1/metrics"),
            format!("http://{long}x:1/metrics"),
        ];
        let mut names = HashSet::new();
        for url in &urls {
            let name = Target::parse(url).unwrap().directory().to_owned();
            let parts: Vec<_> = Path::new(&name).components().collect();
            assert!(matches!(parts[..], [Component::Normal(_)]), "{name}");
            assert!(name.len() < 128 && !name.starts_with(['.', '-']), "{name}");
            assert!(names.insert(name), "{url}");
        }
    }
}

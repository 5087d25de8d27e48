//! Where a page is: scheme, host, port and path.

use std::fmt;
use std::net::Ipv6Addr;

use hyper::Uri;

/// How a server is spoken to.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Scheme {
    /// `http`.
    Http,
    /// `https`: HTTP over TLS.
    Https,
}

impl Scheme {
    /// The name in URLs.
    pub fn as_str(self) -> &'static str {
        match self {
            Scheme::Http => "http",
            Scheme::Https => "https",
        }
    }

    /// The TCP port of a URL without one.
    pub fn default_port(self) -> u16 {
        match self {
            Scheme::Http => 80,
            Scheme::Https => 443,
        }
    }
}

/// A parsed `http://` or `https://` URL. Two URLs that name the same page by trivial differences (case of the host,
/// default port, empty path) are equal.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Endpoint {
    scheme: Scheme,
    /// Lower case; an IPv6 address stands without brackets.
    host: String,
    port: u16,
    /// Path and query only, as a request line has them.
    target: Uri,
}

impl Endpoint {
    /// Parses an absolute URL.
    ///
    /// # Errors
    /// A sentence that says what is wrong and what is expected, without repeating the URL, which may have a
    /// password in it.
    pub fn parse(url: &str) -> Result<Self, String> {
        if url.contains('#') {
            return Err("a URL of metrics has no #fragment: leave it out".to_owned());
        }
        let not_a_url = |error| format!("not a URL: {error}; expected http://HOST:PORT/PATH");
        let uri: Uri = url.parse().map_err(not_a_url)?;
        let scheme = match uri.scheme_str() {
            Some("http") => Scheme::Http,
            Some("https") => Scheme::Https,
            _ => return Err("expected a URL that begins with http:// or https://".to_owned()),
        };
        let authority = uri.authority().ok_or("the URL names no host")?;
        if authority.as_str().contains('@') {
            return Err("credentials in the URL are not supported and would end up in logs and file names: \
                        leave out the part before the @ and give them as basic_auth"
                .to_owned());
        }
        let port = match authority.port() {
            Some(port) => port.as_u16(),
            None if authority.as_str().len() == authority.host().len() => scheme.default_port(),
            None => return Err("the port is not a number from 1 to 65535".to_owned()),
        };
        if port == 0 {
            return Err("port 0 can't be connected to, expected a port from 1 to 65535".to_owned());
        }
        let host = read_host(authority.host())?;
        let target = match uri.path_and_query().map_or("/", |path| path.as_str()) {
            rooted if rooted.starts_with('/') => rooted.parse(),
            query => format!("/{query}").parse(),
        };
        Ok(Self { scheme, host, port, target: target.map_err(not_a_url)? })
    }

    /// The scheme.
    pub fn scheme(&self) -> Scheme {
        self.scheme
    }

    /// The host's name or address, without brackets.
    pub fn host(&self) -> &str {
        &self.host
    }

    /// The TCP port.
    pub fn port(&self) -> u16 {
        self.port
    }

    /// The path with the query, as it goes into the request line. Never empty.
    pub fn path_and_query(&self) -> &str {
        self.target.path_and_query().map_or("/", |path| path.as_str())
    }

    /// `host:port`, an IPv6 address in brackets.
    pub fn authority(&self) -> String {
        let Self { host, port, .. } = self;
        if host.contains(':') { format!("[{host}]:{port}") } else { format!("{host}:{port}") }
    }

    /// Whether both are pages of the same server (RFC 6454): what one may be told, the other may.
    pub(super) fn same_origin(&self, other: &Endpoint) -> bool {
        (self.scheme, self.port, &self.host) == (other.scheme, other.port, &other.host)
    }

    /// What the request line names.
    pub(super) fn target(&self) -> &Uri {
        &self.target
    }

    /// The value of `Host`, which has no port where that is the scheme's own (RFC 9110, 4.2.3).
    pub(super) fn host_header(&self) -> String {
        let mut authority = self.authority();
        if self.port == self.scheme.default_port() {
            authority.truncate(authority.rfind(':').unwrap_or(authority.len()));
        }
        authority
    }
}

impl fmt::Display for Endpoint {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(out, "{}://{}{}", self.scheme.as_str(), self.authority(), self.path_and_query())
    }
}

fn read_host(host: &str) -> Result<String, String> {
    if let Some(address) = host.strip_prefix('[').and_then(|rest| rest.strip_suffix(']')) {
        return match address.parse::<Ipv6Addr>() {
            Ok(address) => Ok(address.to_string()),
            Err(_) => Err(format!("[{address}] is not an IPv6 address")),
        };
    }
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'.' | b'-' | b'_');
    if host.is_empty() {
        return Err("the URL names no host".to_owned());
    }
    if !host.bytes().all(plain) {
        return Err(format!("{host:?} is not a host name"));
    }
    Ok(host.to_ascii_lowercase())
}

#[cfg(test)]
mod tests {
    use super::Endpoint;

    #[test]
    fn reads_urls() {
        for (url, want) in [
            ("http://DB01:9100/metrics", "http://db01:9100/metrics"),
            ("http://db01/metrics", "http://db01:80/metrics"),
            ("http://db01:9100", "http://db01:9100/"),
            ("http://db01:9100?a=b", "http://db01:9100/?a=b"),
            ("HTTPS://db01", "https://db01:443/"),
            ("https://db01:9100/metrics", "https://db01:9100/metrics"),
            ("http://[0:0::1]:9100/metrics?collect[]=cpu", "http://[::1]:9100/metrics?collect[]=cpu"),
        ] {
            assert_eq!(Endpoint::parse(url).unwrap().to_string(), want, "{url}");
        }
    }

    #[test]
    fn refuses_the_rest_and_says_why() {
        for (url, want) in [
            ("https://", "not a URL"),
            ("ftp://db01/", "begins with http://"),
            ("db01:9100", "begins with http://"),
            ("/metrics", "begins with http://"),
            ("https://user:secret@db01:9100/", "leave out the part before the @"),
            ("http://db01:9100/#top", "fragment"),
            ("http://db01:0/", "port 0"),
            ("http://db01:99999/", "not"),
            ("http://:9100/", "no"),
            ("http://[::1:9100/", "not a URL"),
            ("http://[v1.x]:9100/", "not"),
            ("http://a$b:9100/", "not a host name"),
            ("http://db 01:9100/", "not a URL"),
            ("", "not a URL"),
        ] {
            let error = Endpoint::parse(url).unwrap_err();
            assert!(error.contains(want), "{url}: {error}");
            assert!(!error.contains("secret"));
        }
    }

    #[test]
    fn the_host_header_has_the_port_that_is_not_the_schemes() {
        for (url, want) in [
            ("http://db01/", "db01"),
            ("http://db01:443/", "db01:443"),
            ("https://db01:443/", "db01"),
            ("https://[::1]/", "[::1]"),
            ("https://[::1]:80/", "[::1]:80"),
        ] {
            assert_eq!(Endpoint::parse(url).unwrap().host_header(), want, "{url}");
        }
    }

    #[test]
    fn an_origin_is_scheme_host_and_port() {
        let endpoint = |url: &str| Endpoint::parse(url).unwrap();
        let page = endpoint("https://db01/metrics");
        assert!(page.same_origin(&endpoint("https://DB01:443/other?a=b")));
        for other in ["http://db01:443/metrics", "https://db01:8443/metrics", "https://db02/metrics"] {
            assert!(!page.same_origin(&endpoint(other)), "{other}");
        }
    }
}

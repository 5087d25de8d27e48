//! Where a page is: scheme, host, port and path.

use std::fmt;
use std::net::Ipv6Addr;

use hyper::Uri;

/// A parsed `http://` URL. Two URLs that name the same page by trivial differences (case of the host, default
/// port, empty path) are equal.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Endpoint {
    /// Lower case; an IPv6 address stands without brackets.
    host: String,
    port: u16,
    path_and_query: String,
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
        let uri: Uri =
            url.parse().map_err(|error| format!("not a URL: {error}; expected http://HOST:PORT/PATH"))?;
        match uri.scheme_str() {
            Some("http") => {}
            Some("https") => {
                return Err("https is not supported yet: give the http:// address of the exporter, or put \
                            a local proxy in front that speaks TLS"
                    .to_owned());
            }
            _ => return Err("expected a URL that begins with http://".to_owned()),
        }
        let authority = uri.authority().ok_or("the URL names no host")?;
        if authority.as_str().contains('@') {
            return Err("credentials in the URL are not supported and would end up in logs and file names: \
                        leave out the part before the @"
                .to_owned());
        }
        let port = match authority.port() {
            Some(port) => port.as_u16(),
            None if authority.as_str().len() == authority.host().len() => 80,
            None => return Err("the port is not a number from 1 to 65535".to_owned()),
        };
        if port == 0 {
            return Err("port 0 can't be connected to, expected a port from 1 to 65535".to_owned());
        }
        let host = read_host(authority.host())?;
        let mut path_and_query = uri.path_and_query().map_or("/", |path| path.as_str()).to_owned();
        if !path_and_query.starts_with('/') {
            path_and_query.insert(0, '/');
        }
        Ok(Self { host, port, path_and_query })
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
        &self.path_and_query
    }

    /// `host:port`, an IPv6 address in brackets.
    pub fn authority(&self) -> String {
        let Self { host, port, .. } = self;
        if host.contains(':') { format!("[{host}]:{port}") } else { format!("{host}:{port}") }
    }
}

impl fmt::Display for Endpoint {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(out, "http://{}{}", self.authority(), self.path_and_query)
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
            ("http://[0:0::1]:9100/metrics?collect[]=cpu", "http://[::1]:9100/metrics?collect[]=cpu"),
        ] {
            assert_eq!(Endpoint::parse(url).unwrap().to_string(), want, "{url}");
        }
    }

    #[test]
    fn refuses_the_rest_and_says_why() {
        for (url, want) in [
            ("https://db01:9100/metrics", "https is not supported yet"),
            ("ftp://db01/", "begins with http://"),
            ("db01:9100", "begins with http://"),
            ("/metrics", "begins with http://"),
            ("http://user:secret@db01:9100/", "leave out the part before the @"),
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
}

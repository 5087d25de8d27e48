//! Where a redirect leads: resolving a `Location` (RFC 9110, 10.2.2; RFC 3986, 5.2).

use hyper::StatusCode;

use super::Endpoint;
use super::endpoint::Scheme;

/// Whether an answer with this status asks to get the page from its `Location`.
pub(super) fn asks_elsewhere(status: StatusCode) -> bool {
    matches!(status.as_u16(), 301 | 302 | 303 | 307 | 308)
}

/// The page that `location` names in an answer of `base`.
///
/// From https there is no way to http: whoever sits on the line could then answer in the server's place, which is what
/// https was asked for to prevent.
///
/// # Errors
/// A sentence that says why it isn't gone to, without the location.
pub(super) fn resolve(base: &Endpoint, location: &str) -> Result<Endpoint, String> {
    // The fragment is for people's browsers.
    let reference = location.split('#').next().unwrap_or_default();
    let target = match scheme_end(reference) {
        Some(_) => Endpoint::parse(reference)?,
        None if reference.starts_with("//") => {
            Endpoint::parse(&format!("{}:{reference}", base.scheme().as_str()))?
        }
        None => {
            let path = join(base.path_and_query(), reference);
            Endpoint::parse(&format!("{}://{}{path}", base.scheme().as_str(), base.authority()))?
        }
    };
    if base.scheme() == Scheme::Https && target.scheme() == Scheme::Http {
        return Err("it leads from https to http, where anyone on the way could answer".to_owned());
    }
    Ok(target)
}

/// The length of the scheme that an absolute URL begins with.
fn scheme_end(reference: &str) -> Option<usize> {
    let end = reference.find([':', '/', '?'])?;
    let in_scheme = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'+' | b'-' | b'.');
    let bytes = reference.as_bytes();
    (bytes.get(end) == Some(&b':')
        && bytes.first().is_some_and(u8::is_ascii_alphabetic)
        && bytes.iter().take(end).all(|&byte| in_scheme(byte)))
    .then_some(end)
}

/// Path and query of a reference without scheme and host.
fn join(base: &str, reference: &str) -> String {
    let path_of = |text: &str| text.find('?').unwrap_or(text.len());
    let base_path = base.split_at(path_of(base)).0;
    let (path, query) = reference.split_at(path_of(reference));
    if path.is_empty() {
        let kept = if query.is_empty() { base.split_at(base_path.len()).1 } else { query };
        return format!("{base_path}{kept}");
    }
    let merged = if path.starts_with('/') {
        path.to_owned()
    } else {
        let directory = base_path.rfind('/').map_or("/", |at| base_path.split_at(at + 1).0);
        format!("{directory}{path}")
    };
    format!("{}{query}", without_dots(&merged))
}

/// The path with its `.` and `..` worked in (RFC 3986, 5.2.4).
fn without_dots(path: &str) -> String {
    let mut kept: Vec<&str> = Vec::new();
    let mut open = false;
    for segment in path.split('/').skip(1) {
        open = matches!(segment, "." | "..");
        match segment {
            "." => {}
            ".." => {
                kept.pop();
            }
            other => kept.push(other),
        }
    }
    // A path that ends in a dot segment names a directory.
    if open {
        kept.push("");
    }
    format!("/{}", kept.join("/"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn resolved(base: &str, location: &str) -> Result<String, String> {
        resolve(&Endpoint::parse(base).unwrap(), location).map(|endpoint| endpoint.to_string())
    }

    #[test]
    fn references_are_resolved_as_rfc_3986_has_it() {
        // 5.4, with an http base. The authority is written with its port.
        for (location, want) in [
            ("g", "/b/c/g"),
            ("./g", "/b/c/g"),
            ("g/", "/b/c/g/"),
            ("/g", "/g"),
            ("?y", "/b/c/d;p?y"),
            ("g?y", "/b/c/g?y"),
            ("#s", "/b/c/d;p?q"),
            ("g#s", "/b/c/g"),
            ("g?y#s", "/b/c/g?y"),
            (";x", "/b/c/;x"),
            ("g;x", "/b/c/g;x"),
            ("g;x?y#s", "/b/c/g;x?y"),
            ("", "/b/c/d;p?q"),
            (".", "/b/c/"),
            ("./", "/b/c/"),
            ("..", "/b/"),
            ("../", "/b/"),
            ("../g", "/b/g"),
            ("../..", "/"),
            ("../../", "/"),
            ("../../g", "/g"),
            ("../../../g", "/g"),
            ("../../../../g", "/g"),
            ("/./g", "/g"),
            ("/../g", "/g"),
            ("g.", "/b/c/g."),
            (".g", "/b/c/.g"),
            ("g..", "/b/c/g.."),
            ("..g", "/b/c/..g"),
            ("./../g", "/b/g"),
            ("./g/.", "/b/c/g/"),
            ("g/./h", "/b/c/g/h"),
            ("g/../h", "/b/c/h"),
            ("g;x=1/./y", "/b/c/g;x=1/y"),
            ("g;x=1/../y", "/b/c/y"),
            ("g?y/./x", "/b/c/g?y/./x"),
            ("g?y/../x", "/b/c/g?y/../x"),
            ("a/b:c", "/b/c/a/b:c"),
        ] {
            let got = resolved("http://a/b/c/d;p?q", location);
            assert_eq!(got, Ok(format!("http://a:80{want}")), "{location}");
        }
    }

    #[test]
    fn other_hosts_and_schemes() {
        for (location, want) in [
            ("//h:1/x", Ok("https://h:1/x")),
            ("https://h/x", Ok("https://h:443/x")),
            ("HTTPS://H/x", Ok("https://h:443/x")),
            ("http://a/x", Err("from https to http")),
            ("file:///etc/passwd", Err("")),
            ("mailto:root@localhost", Err("")),
            ("https://user:secret@h/x", Err("credentials")),
            ("https://h:0/", Err("port 0")),
            ("/a b", Err("not a URL")),
        ] {
            match (resolved("https://a/metrics", location), want) {
                (Ok(got), Ok(want)) => assert_eq!(got, want, "{location}"),
                (Err(got), Err(want)) => {
                    assert!(got.contains(want) && !got.contains("secret"), "{location}: {got}");
                }
                (got, want) => panic!("{location}: {got:?}, expected {want:?}"),
            }
        }
    }
}

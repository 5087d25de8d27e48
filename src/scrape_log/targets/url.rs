//! URLs out of their parts, with the escapes that Prometheus' own URLs have.

use std::fmt::Write;

/// `scheme://address/path?query`. The path is a path: a `?` in it is escaped.
pub(super) fn of(scheme: &str, address: &str, path: &str, params: &[(String, Vec<String>)]) -> String {
    let slash = if path.starts_with('/') { "" } else { "/" };
    let mut url = format!("{scheme}://{address}{slash}");
    escape(&mut url, path, |byte| b"-_.~$&+,/:;=@".contains(&byte));
    let mut separator = '?';
    for (name, value) in
        params.iter().flat_map(|(name, values)| values.iter().map(move |value| (name, value)))
    {
        url.push(separator);
        escape_query(&mut url, name);
        url.push('=');
        escape_query(&mut url, value);
        separator = '&';
    }
    url
}

fn escape_query(out: &mut String, text: &str) {
    for (index, word) in text.split(' ').enumerate() {
        if index > 0 {
            out.push('+');
        }
        escape(out, word, |byte| b"-_.~".contains(&byte));
    }
}

fn escape(out: &mut String, text: &str, plain: impl Fn(u8) -> bool) {
    for byte in text.bytes() {
        if byte.is_ascii_alphanumeric() || plain(byte) {
            out.push(char::from(byte));
        } else {
            let _infallible = write!(out, "%{byte:02X}");
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn escapes_as_prometheus_does() {
        let param = |name: &str, values: &[&str]| {
            (name.to_owned(), values.iter().map(|value| (*value).to_owned()).collect::<Vec<_>>())
        };
        for (path, params, want) in [
            ("/metrics", vec![], "http://h:1/metrics"),
            ("metrics", vec![], "http://h:1/metrics"),
            ("", vec![], "http://h:1/"),
            ("/a?b=c d%", vec![], "http://h:1/a%3Fb=c%20d%25"),
            (
                "/probe",
                vec![param("collect[]", &["cpu", "a&b"]), param("target", &["http://x/ y"])],
                "http://h:1/probe?collect%5B%5D=cpu&collect%5B%5D=a%26b&target=http%3A%2F%2Fx%2F+y",
            ),
            ("/p", vec![param("none", &[])], "http://h:1/p"),
        ] {
            assert_eq!(of("http", "h:1", path, &params), want);
        }
    }
}

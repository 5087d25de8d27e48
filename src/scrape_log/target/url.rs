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

/// The text behind `%XX` escapes. What is no escape stands for itself.
pub(in crate::scrape_log) fn unescape(text: &str) -> String {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.as_bytes();
    while let Some((&byte, after)) = rest.split_first() {
        let digit = |at: usize| after.get(at).and_then(|&byte| char::from(byte).to_digit(16));
        let first;
        (first, rest) = match (byte, digit(0), digit(1)) {
            (b'%', Some(high), Some(low)) => {
                (u8::try_from(high * 16 + low).unwrap_or(byte), after.get(2..).unwrap_or_default())
            }
            _ => (byte, after),
        };
        bytes.push(first);
    }
    String::from_utf8_lossy(&bytes).into_owned()
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

    #[test]
    fn escapes_are_undone() {
        for (text, want) in
            [("a%20b", "a b"), ("%", "%"), ("%4", "%4"), ("%zz", "%zz"), ("%C3%A4", "ä"), ("%ff", "\u{fffd}")]
        {
            assert_eq!(unescape(text), want);
        }
    }
}

//! Queries and paths of URLs without their percent-encoding (RFC 3986, section 2.1).

/// The decoded names and values of a query (`application/x-www-form-urlencoded`), in their order. A name without a `=` has an empty value.
///
/// Each item is an error, a sentence for the answer, where the encoding is broken.
pub fn pairs(query: &str) -> impl Iterator<Item = Result<(String, String), &'static str>> {
    query.split('&').filter(|pair| !pair.is_empty()).map(|pair| {
        let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
        Ok((decode(name, b' ')?, decode(value, b' ')?))
    })
}

/// The decoded path of a URL.
///
/// # Errors
/// As [`pairs`].
pub fn path(encoded: &str) -> Result<String, &'static str> {
    decode(encoded, b'+')
}

/// A value as it stands in a query.
pub fn encode(value: &str) -> String {
    let mut encoded = String::with_capacity(value.len());
    for byte in value.bytes() {
        match byte {
            b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'-' | b'_' | b'.' => encoded.push(char::from(byte)),
            other => encoded.push_str(&format!("%{other:02X}")),
        }
    }
    encoded
}

/// `plus` is what a `+` stands for.
fn decode(text: &str, plus: u8) -> Result<String, &'static str> {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.bytes();
    while let Some(byte) = rest.next() {
        bytes.push(match byte {
            b'+' => plus,
            b'%' => match (rest.next().and_then(hex), rest.next().and_then(hex)) {
                (Some(high), Some(low)) => high << 4 | low,
                _ => return Err("There is a % that two hexadecimal digits do not follow."),
            },
            other => other,
        });
    }
    String::from_utf8(bytes).map_err(|_| "What is behind the % is not UTF-8.")
}

fn hex(digit: u8) -> Option<u8> {
    char::from(digit).to_digit(16).and_then(|digit| u8::try_from(digit).ok())
}

#[cfg(test)]
mod tests {
    use super::{encode, pairs, path};

    #[test]
    fn what_is_encoded_is_decoded_to_itself() {
        for value in ["db01:9100", "a&b=c d+e%", "ä\n\u{202e}", ""] {
            let query = format!("a={}&b=1", encode(value));
            assert_eq!(pairs(&query).next(), Some(Ok(("a".to_owned(), value.to_owned()))));
        }
    }

    #[test]
    fn decodes() {
        let read: Result<Vec<_>, _> = pairs("&a%5b%5D=x+y%C3%A9&b&c==&&a[]=").collect();
        let want = [("a[]", "x yé"), ("b", ""), ("c", "="), ("a[]", "")];
        assert_eq!(read.unwrap(), want.map(|(name, value)| (name.to_owned(), value.to_owned())));
        for bad in ["a=%zz", "%f=1", "%ff=1", "a=%"] {
            assert!(pairs(bad).any(|pair| pair.is_err()), "{bad}");
            assert!(path(bad).is_err(), "{bad}");
        }
        for (encoded, want) in [("/a%20b+c", "/a b+c"), ("/%C3%A4", "/ä"), ("", "")] {
            assert_eq!(path(encoded).unwrap(), want);
        }
    }
}

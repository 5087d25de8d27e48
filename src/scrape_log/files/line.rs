//! The lines of a samples file, and whether they are in the canonical form that importers take.

use crate::exposition::{self, Format, Line, Parser};

/// One sample line, cut but not parsed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::scrape_log) struct Sample<'a> {
    /// Name and labels, as written.
    pub(in crate::scrape_log) series: &'a [u8],
    /// The value, as written.
    pub(in crate::scrape_log) value: &'a [u8],
    /// The timestamp, as written: seconds with three decimals.
    pub(in crate::scrape_log) timestamp: &'a [u8],
}

impl<'a> Sample<'a> {
    /// Cuts a line without its line end. A label value may have blanks in it, value and timestamp have none.
    pub(in crate::scrape_log) fn cut(line: &'a [u8]) -> Option<Self> {
        let (rest, timestamp) = split_last_blank(line)?;
        let (series, value) = split_last_blank(rest)?;
        Some(Self { series, value, timestamp })
    }

    /// The metric's name.
    pub(in crate::scrape_log) fn name(&self) -> &'a [u8] {
        let end = memchr::memchr(b'{', self.series).unwrap_or(self.series.len());
        self.series.get(..end).unwrap_or_default()
    }
}

fn split_last_blank(text: &[u8]) -> Option<(&[u8], &[u8])> {
    let at = memchr::memrchr(b' ', text)?;
    Some((text.get(..at)?, text.get(at + 1..)?))
}

/// The sample lines of a text, each cut, or `None` for one that can't be.
pub(in crate::scrape_log) fn samples(text: &[u8]) -> impl Iterator<Item = Option<Sample<'_>>> {
    let mut rest = text;
    std::iter::from_fn(move || {
        loop {
            let end = memchr::memchr(b'\n', rest)?;
            let line = rest.get(..end)?;
            rest = rest.get(end + 1..).unwrap_or_default();
            if line.first() != Some(&b'#') {
                return Some(Sample::cut(line));
            }
        }
    })
}

/// Whether name and labels are written as readers want them.
///
/// # Errors
/// What is wrong with them.
pub(in crate::scrape_log) fn check_series(series: &[u8]) -> Result<(), &'static str> {
    let text = str::from_utf8(series).map_err(|_| "it is not valid UTF-8")?;
    if text.chars().any(char::is_control) {
        return Err("it has a control character in it");
    }
    parse_series(series, |sample| check_parsed(text, sample))?
}

/// Shows `look` the name and the labels of a series; the rest of what it sees means nothing.
///
/// # Errors
/// What is wrong with the text.
pub(in crate::scrape_log) fn parse_series<T>(
    series: &[u8],
    look: impl FnOnce(&exposition::Sample<'_, '_>) -> T,
) -> Result<T, &'static str> {
    let text = str::from_utf8(series).map_err(|_| "it is not valid UTF-8")?;
    // A value makes a line of it, which the parser can read.
    let line = format!("{text} 0");
    match Parser::new(&line, Format::OpenMetrics).next() {
        Some(Ok(Line::Sample(sample))) => Ok(look(&sample)),
        Some(Err(error)) => Err(error.problem),
        _ => Err("it is no sample"),
    }
}

fn check_parsed(text: &str, sample: &exposition::Sample<'_, '_>) -> Result<(), &'static str> {
    let labels =
        sample.labels.iter().map(|label| label.name.len() + label.escaped_value.len() + "=\"\",".len());
    let braces = if text.ends_with("{}") { 2 } else { usize::from(!sample.labels.is_empty()) };
    // The parser is lenient, but whatever it passes over makes the text longer than it has to be.
    if sample.name.len() + braces + labels.sum::<usize>() != text.len() {
        return Err("it has blanks or commas that readers refuse");
    }
    if sample.labels.iter().any(|label| !is_escaped(label.escaped_value)) {
        return Err("a label value has a backslash that escapes nothing");
    }
    Ok(())
}

/// Whether each backslash escapes a backslash, a quote or a line feed.
fn is_escaped(value: &str) -> bool {
    let mut characters = value.chars();
    while let Some(character) = characters.next() {
        if character == '\\' && !matches!(characters.next(), Some('\\' | '"' | 'n')) {
            return false;
        }
    }
    true
}

/// Whether a value is a number as readers want it.
pub(in crate::scrape_log) fn check_value(value: &[u8]) -> bool {
    match value {
        b"NaN" | b"+Inf" | b"-Inf" => true,
        // Small counts are most of what there is.
        [_, ..] if value.len() < 16 && value.iter().all(u8::is_ascii_digit) => true,
        _ => {
            str::from_utf8(value).is_ok_and(|text| text.parse::<f64>().is_ok_and(|number| number.is_finite()))
        }
    }
}

/// Reads a timestamp as this program writes it, in milliseconds since 1970 UTC.
pub(super) fn read_timestamp(text: &[u8]) -> Option<i64> {
    let (sign, digits) = match text {
        [b'-', digits @ ..] => (-1, digits),
        digits => (1, digits),
    };
    let (seconds, [b'.', fraction @ ..]) = digits.split_at_checked(digits.len().checked_sub(4)?)? else {
        return None;
    };
    if seconds.is_empty() || seconds.len() > 15 {
        return None;
    }
    let mut milliseconds = 0_i64;
    for &byte in seconds.iter().chain(fraction) {
        milliseconds = milliseconds * 10 + i64::from(byte.is_ascii_digit().then(|| byte - b'0')?);
    }
    Some(sign * milliseconds)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_are_cut_from_their_end() {
        let line = b"a{x=\"1 2 3\",y=\"} 4 5\"} -1.5e-05 1795226400.016";
        let sample = Sample::cut(line).unwrap();
        assert_eq!(sample.series, b"a{x=\"1 2 3\",y=\"} 4 5\"}");
        assert_eq!((sample.name(), sample.value), (&b"a"[..], &b"-1.5e-05"[..]));
        assert_eq!(read_timestamp(sample.timestamp), Some(1_795_226_400_016));
        assert_eq!(Sample::cut(b"up 1.5"), None);
    }

    #[test]
    fn timestamps() {
        for (text, want) in [
            ("0.000", Some(0)),
            ("-0.001", Some(-1)),
            ("12.345", Some(12_345)),
            ("12.34", None),
            (".345", None),
            ("12345", None),
            ("1 2.345", None),
            ("", None),
            ("99999999999999999999.000", None),
        ] {
            assert_eq!(read_timestamp(text.as_bytes()), want, "{text}");
        }
    }

    #[test]
    fn only_the_canonical_form_passes() {
        for series in [
            "up",
            "up{}",
            "a:b{x=\"1\"}",
            "a{x=\"\\\\ \\\" \\n\",y=\"ü {}, \"}",
            "a{job=\"j\",instance=\"i\",x=\"} 1 2\"}",
        ] {
            assert_eq!(check_series(series.as_bytes()), Ok(()), "{series}");
        }
        for series in [
            "",
            "1a",
            "a{x=\"1\",}",
            "a{x=\"1\", y=\"2\"}",
            "a {x=\"1\"}",
            "a{x= \"1\"}",
            "a{x=\"1\",x=\"2\"}",
            "a{x=\"1}",
            "a{x=\"\\d\"}",
            "a{x=\"1\"} 5",
            "a{x=\"1\"}}",
            "a\0",
            "a{x=\"\u{1}\"}",
            "# HELP a b",
            "a{,}",
            "a{x=1}",
        ] {
            assert!(check_series(series.as_bytes()).is_err(), "{series}");
        }
        assert!(check_series(b"a{x=\"\xff\"}").is_err());
        for value in ["0", "-1", "1e+06", "NaN", "+Inf", "-Inf", "18446744073709551615", "0.5"] {
            assert!(check_value(value.as_bytes()), "{value}");
        }
        for value in ["", "inf", "nan", "0x10", "1_000", "1e999", "a", "infinity", "\u{ff11}"] {
            assert!(!check_value(value.as_bytes()), "{value}");
        }
    }
}

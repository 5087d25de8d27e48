//! The values of samples as pages spell them.

use crate::exposition::Format;

/// Digits that are finite whatever they are, since the largest float has 309 of them.
const SURELY_FINITE_DIGITS: usize = 300;

/// What follows the name and labels of a sample.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Tail<'a> {
    /// The value's spelling, or the file's own for what is no number.
    pub(super) value: &'a [u8],
    /// The bytes up to and with the line's end.
    pub(super) length: usize,
}

/// Reads a value and the end of its line. `None` for all that is unusual or wrong, which the parser then looks at.
pub(super) fn tail(rest: &[u8], format: Format) -> Option<Tail<'_>> {
    let (value, behind) = match number_length(rest) {
        Some(length) => rest.split_at_checked(length)?,
        None => other_value(rest)?,
    };
    let length = match behind {
        [] | [b'\n', ..] => 0,
        _ => end_of_line(behind, format)?,
    };
    Some(Tail { value, length: (rest.len() - behind.len() + length + 1).min(rest.len()) })
}

/// The length of a plain number: digits with at most one point, a sign, an exponent. `None` if it may be anything else.
fn number_length(text: &[u8]) -> Option<usize> {
    let digits = |from: usize| {
        let rest = text.get(from..).unwrap_or_default();
        rest.iter().position(|byte| !byte.is_ascii_digit()).unwrap_or(rest.len())
    };
    let mut at = usize::from(text.first() == Some(&b'-'));
    let whole = digits(at);
    at += whole;
    if whole == 0 || whole > SURELY_FINITE_DIGITS {
        return None;
    }
    if text.get(at) == Some(&b'.') {
        let fraction = digits(at + 1);
        at += 1 + fraction;
        if fraction == 0 {
            return None;
        }
    }
    if matches!(text.get(at), Some(b'e' | b'E')) {
        let sign = usize::from(matches!(text.get(at + 1), Some(b'+' | b'-')));
        let exponent = digits(at + 1 + sign);
        at += 1 + sign + exponent;
        if exponent == 0 || !is_finite(text.get(..at)?) {
            return None;
        }
    }
    Some(at)
}

fn is_finite(number: &[u8]) -> bool {
    let number = str::from_utf8(number).ok().and_then(|number| number.parse::<f64>().ok());
    number.is_some_and(f64::is_finite)
}

/// The three values that are no numbers, as nearly all writers spell them.
fn other_value(text: &[u8]) -> Option<(&[u8], &[u8])> {
    let word = |word: &[u8]| text.strip_prefix(word).map(|rest| text.split_at(text.len() - rest.len()));
    word(b"NaN").or_else(|| word(b"+Inf")).or_else(|| word(b"-Inf"))
}

/// The length of a carriage return, blanks or a timestamp in milliseconds before the line's end.
fn end_of_line(behind: &[u8], format: Format) -> Option<usize> {
    let length = memchr::memchr(b'\n', behind).unwrap_or(behind.len());
    let line = behind.get(..length)?;
    let line = line.strip_suffix(b"\r").unwrap_or(line);
    let timestamp = match line {
        [] => return Some(length),
        [b' ' | b'\t', rest @ ..] => rest.trim_ascii(),
        _ => return None,
    };
    let digits = timestamp.strip_prefix(b"-").unwrap_or(timestamp);
    let usual = format == Format::Text && digits.len() <= 18 && digits.iter().all(u8::is_ascii_digit);
    (timestamp.is_empty() || (usual && !digits.is_empty())).then_some(length)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn usual_values_are_read() {
        for (text, value, length) in [
            ("1\nb 2", "1", 2),
            ("1", "1", 1),
            ("-0.5\n", "-0.5", 5),
            ("1.5e+09\n", "1.5e+09", 8),
            ("2E3\n", "2E3", 4),
            ("NaN\n", "NaN", 4),
            ("+Inf\n", "+Inf", 5),
            ("-Inf", "-Inf", 4),
            ("3\r\n", "3", 3),
            ("3 \t \n", "3", 5),
            ("3 1700000000000\n", "3", 16),
            ("3 -5 \r\n", "3", 7),
        ] {
            let want = Tail { value: value.as_bytes(), length };
            assert_eq!(tail(text.as_bytes(), Format::Text), Some(want), "{text:?}");
        }
    }

    #[test]
    fn anything_else_is_left_to_the_parser() {
        let long = "9".repeat(400);
        for text in [
            "",
            "\n",
            " 1\n",
            "{x=\"1\"} 1\n",
            "+1\n",
            ".5\n",
            "5.\n",
            "1e999\n",
            "0x10\n",
            "1_0\n",
            "1e\n",
            "nan\n",
            "Inf\n",
            "Infinity\n",
            "NaNa\n",
            "1 2 3\n",
            "1 x\n",
            "1\r2\n",
            "1 1700000000000000000000\n",
            "1 -\n",
            "1 1.5\n",
            &long,
        ] {
            assert_eq!(tail(text.as_bytes(), Format::Text), None, "{text:?}");
        }
        assert_eq!(tail(b"1 1700000000\n", Format::OpenMetrics), None);
        assert_eq!(tail(b"1 # {a=\"b\"} 2\n", Format::OpenMetrics), None);
    }
}

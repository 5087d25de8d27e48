//! Small helpers for the column and key-value texts of the kernel. They work on bytes: nothing in `/proc` has to
//! be UTF-8.

use std::path::{Path, PathBuf};

/// What a parser did not find where it looked. [`ParseError::at`] adds the file.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("line {line}: expected {expected}, found {found:?}")]
pub struct ParseError {
    /// The line's number, from 1.
    pub line: usize,
    /// What should have been there.
    pub expected: &'static str,
    /// The text that was there instead, cut to a readable length.
    pub found: String,
}

impl ParseError {
    /// An error about `found` in line number `line` (from 1).
    pub fn new(line: usize, expected: &'static str, found: &[u8]) -> Self {
        let shown = &found[..found.len().min(80)];
        Self { line, expected, found: String::from_utf8_lossy(shown).into_owned() }
    }

    /// The same error with the file it was found in.
    pub fn at(self, path: &Path) -> FileError {
        FileError { path: path.to_owned(), error: self }
    }
}

/// A [`ParseError`] and the file it is about.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{}: {error}", path.display())]
pub struct FileError {
    /// The file.
    pub path: PathBuf,
    /// What is wrong in it.
    pub error: ParseError,
}

/// The lines of a text with their numbers from 1, without the line feeds.
pub fn lines(text: &[u8]) -> impl Iterator<Item = (usize, &[u8])> {
    let text = text.strip_suffix(b"\n").unwrap_or(text);
    let none = text.is_empty();
    (1..).zip(text.split(|&byte| byte == b'\n')).take_while(move |_| !none)
}

/// The columns of a line, parted by any number of blanks and tabs.
pub fn fields(line: &[u8]) -> impl Iterator<Item = &[u8]> {
    line.split(u8::is_ascii_whitespace).filter(|field| !field.is_empty())
}

/// A whole number in decimal digits.
pub fn unsigned(text: &[u8]) -> Option<u64> {
    if text.is_empty() {
        return None;
    }
    text.iter().try_fold(0u64, |number, &byte| {
        let digit = byte.wrapping_sub(b'0');
        if digit > 9 {
            return None;
        }
        number.checked_mul(10)?.checked_add(u64::from(digit))
    })
}

/// A whole number in decimal digits with a minus sign where it is negative.
pub fn signed(text: &[u8]) -> Option<i64> {
    match text.strip_prefix(b"-") {
        Some(digits) => unsigned(digits).and_then(|number| 0i64.checked_sub_unsigned(number)),
        None => unsigned(text).and_then(|number| i64::try_from(number).ok()),
    }
}

/// A whole number that may be negative, or past the largest of [`signed`].
pub fn whole(text: &[u8]) -> Option<f64> {
    unsigned(text).map(|number| number as f64).or_else(|| signed(text).map(|number| number as f64))
}

/// A whole number in hexadecimal digits of either case, without a prefix.
pub fn hexadecimal(text: &[u8]) -> Option<u64> {
    if text.is_empty() {
        return None;
    }
    text.iter().try_fold(0u64, |number, &byte| {
        let digit = char::from(byte).to_digit(16)?;
        (number >> 60 == 0).then_some(number << 4 | u64::from(digit))
    })
}

/// A decimal number, with sign, fraction and exponent if it has them.
pub fn float(text: &[u8]) -> Option<f64> {
    std::str::from_utf8(text).ok()?.parse().ok()
}

/// A number's text without the letter behind it, and what this letter multiplies it with: `k` with 1024, `M` with
/// 1024 times that, up to `E`.
pub fn binary_suffix(text: &[u8]) -> (&[u8], f64) {
    let Some((&letter, number)) = text.split_last() else { return (text, 1.0) };
    match b"KMGTPE".iter().position(|&suffix| suffix == letter.to_ascii_uppercase()) {
        Some(place) => (number, (1u64 << (10 * (place + 1))) as f64),
        None => (text, 1.0),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers() {
        assert_eq!(unsigned(b"0"), Some(0));
        assert_eq!(unsigned(b"18446744073709551615"), Some(u64::MAX));
        for (text, number) in
            [("18446744073709551615", Some(u64::MAX as f64)), ("-1", Some(-1.0)), ("1.5", None)]
        {
            assert_eq!(whole(text.as_bytes()), number, "{text}");
        }
        for bad in [&b""[..], b"-1", b"18446744073709551616", b"1 ", b"1kB", b"\xff"] {
            assert_eq!(unsigned(bad), None, "{bad:?}");
        }
        assert_eq!(signed(b"-9223372036854775808"), Some(i64::MIN));
        assert_eq!((signed(b"42"), signed(b"-"), signed(b"9223372036854775808")), (Some(42), None, None));
        assert_eq!((hexadecimal(b"ffffFFFFffffFFFF"), hexadecimal(b"0000001a")), (Some(u64::MAX), Some(26)));
        for bad in [&b""[..], b"10000000000000000", b"0x1", b"g"] {
            assert_eq!(hexadecimal(bad), None, "{bad:?}");
        }
        assert_eq!(float(b"-1.5"), Some(-1.5));
        assert_eq!(float(b"\xff"), None);
        assert_eq!(
            (binary_suffix(b"1.5k"), binary_suffix(b"2M")),
            ((&b"1.5"[..], 1024.0), (&b"2"[..], 1048576.0))
        );
        assert_eq!(binary_suffix(b"3E"), (&b"3"[..], (1u64 << 60) as f64));
        assert_eq!((binary_suffix(b""), binary_suffix(b"405")), ((&b""[..], 1.0), (&b"405"[..], 1.0)));
    }

    #[test]
    fn lines_and_fields() {
        let text = b"a  b\t1\n\nlast";
        let all: Vec<(usize, Vec<&[u8]>)> =
            lines(text).map(|(n, line)| (n, fields(line).collect())).collect();
        assert_eq!(all, [(1, vec![&b"a"[..], b"b", b"1"]), (2, vec![]), (3, vec![&b"last"[..]])]);
        assert_eq!(lines(b"").count(), 0);
        assert_eq!(lines(b"x\n").count(), 1);
    }
}

//! Names that the kernel gives: those that become part of a family's name, and those with a number.

use crate::host::parse::unsigned;

/// `name` as a part of a metric's name behind its beginning. `None` if it can't be one.
pub(crate) fn name_part(name: &[u8]) -> Option<&str> {
    let fits = name.iter().all(|&byte| byte.is_ascii_alphanumeric() || byte == b'_');
    std::str::from_utf8(name).ok().filter(|_| fits)
}

/// The number in a name such as `card0`, in its digits. `None` of names that have anything else behind `prefix`.
pub(crate) fn numbered<'n>(name: &'n [u8], prefix: &str) -> Option<&'n [u8]> {
    name.strip_prefix(prefix.as_bytes()).filter(|number| unsigned(number).is_some())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_and_numbers() {
        assert_eq!((name_part(b"TCP_6"), name_part(b"a-b"), name_part(b"\xff")), (Some("TCP_6"), None, None));
        assert_eq!(numbered(b"mc12", "mc"), Some(&b"12"[..]));
        for name in ["mc", "mc1_x", "mc-1", "12", "csmc1"] {
            assert_eq!(numbered(name.as_bytes(), "mc"), None, "{name}");
        }
    }
}

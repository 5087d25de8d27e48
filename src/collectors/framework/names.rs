//! Names that the kernel gives and that become part of a family's name.

/// `key` as a part of a family's name, unless it has characters that no name may have.
pub(crate) fn name_part(key: &[u8]) -> Option<&str> {
    let fits = key.iter().all(|byte| byte.is_ascii_alphanumeric() || *byte == b'_');
    std::str::from_utf8(key).ok().filter(|_| fits && !key.is_empty())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_letters_digits_and_underscores() {
        assert_eq!(name_part(b"pgfault_2"), Some("pgfault_2"));
        for bad in [&b""[..], b"a-b", b"a b", b"a:b", b"\xff", "ä".as_bytes()] {
            assert_eq!(name_part(bad), None, "{bad:?}");
        }
    }
}

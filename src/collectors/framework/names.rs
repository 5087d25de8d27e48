//! Names that the kernel gives and that become part of a family's name.

/// Whether `name` can stand behind the beginning of a metric's name.
pub(crate) fn is_name_part(name: &[u8]) -> bool {
    name.iter().all(|&byte| byte.is_ascii_alphanumeric() || byte == b'_')
}

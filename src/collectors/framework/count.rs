//! Files with one whole number, as `/proc/sys` has many.

use std::io;

use super::CollectError;
use crate::host::KernelFile;
use crate::host::parse::{ParseError, unsigned};

/// Reads the number that `file` holds. `None` if there is no such file.
pub(crate) fn read_count(file: &mut KernelFile, buffer: &mut Vec<u8>) -> Result<Option<u64>, CollectError> {
    match read_number(file, buffer) {
        Err(CollectError::Read { source, .. }) if source.kind() == io::ErrorKind::NotFound => Ok(None),
        result => result.map(Some),
    }
}

/// Reads the number that `file` holds, which every host has.
pub(crate) fn read_number(file: &mut KernelFile, buffer: &mut Vec<u8>) -> Result<u64, CollectError> {
    let text = file.numbers(buffer).map_err(|error| CollectError::read(file.path(), error))?;
    unsigned(text).ok_or_else(|| ParseError::new(1, "a whole number", text).at(file.path()).into())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_number_or_no_file_or_rubbish() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("count");
        let mut file = KernelFile::new(&path);
        let mut read = || read_count(&mut file, &mut Vec::new());
        assert_eq!(read().unwrap(), None);
        std::fs::write(&path, "42\n").unwrap();
        assert_eq!(read().unwrap(), Some(42));
        std::fs::write(&path, "-1\n").unwrap();
        assert!(
            read().unwrap_err().to_string().ends_with("count: line 1: expected a whole number, found \"-1\"")
        );
        std::fs::remove_file(&path).unwrap();
        std::fs::create_dir(&path).unwrap();
        assert!(matches!(read(), Err(CollectError::Read { .. })));
    }
}

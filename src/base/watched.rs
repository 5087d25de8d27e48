//! Files of settings that are read again when they have changed.

use std::fs::{self, File, Metadata};
use std::io::{self, Read};
use std::os::unix::fs::MetadataExt;
use std::path::Path;
use std::time::{Duration, SystemTime};

/// A file that was changed this recently may still be written to, and may change again without its times showing it.
pub const UNSETTLED: Duration = Duration::from_secs(2);

/// Why a file can't be read.
#[derive(Debug, thiserror::Error)]
pub enum ReadError {
    /// The system refuses.
    #[error("{0}: check the path, and that this program may read the file")]
    System(#[from] io::Error),
    /// It is a directory, a pipe or a device.
    #[error("it is not a regular file: give the path of one")]
    Irregular,
    /// It has more bytes than anything that could be meant.
    #[error("it is larger than {limit_bytes} bytes: not what belongs here")]
    TooLarge {
        /// What it may have.
        limit_bytes: u64,
    },
}

/// What changes with a file's contents.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Stamp {
    device: u64,
    inode: u64,
    size_bytes: u64,
    /// In seconds and nanoseconds since 1970.
    modified: (i64, i64),
    changed: (i64, i64),
}

impl Stamp {
    /// That of the file at `path`, which is not opened.
    ///
    /// # Errors
    /// When it is not there, or is no regular file: opening anything else, such as a pipe, could take for ever.
    pub fn of(path: &Path) -> Result<Self, ReadError> {
        let metadata = fs::metadata(path)?;
        if metadata.is_file() { Ok(Self::from(&metadata)) } else { Err(ReadError::Irregular) }
    }

    /// Whether every later change will show. Times of files have a resolution of some milliseconds: two changes within
    /// it look like one.
    pub fn is_settled(&self) -> bool {
        let now = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
        self.is_settled_at(now)
    }

    /// Unlike the time of modification nobody sets the time of the change.
    fn is_settled_at(&self, since_1970: Duration) -> bool {
        let changed = Duration::from_secs(u64::try_from(self.changed.0).unwrap_or_default());
        since_1970.saturating_sub(UNSETTLED) > changed
    }
}

impl From<&Metadata> for Stamp {
    fn from(metadata: &Metadata) -> Self {
        Self {
            device: metadata.dev(),
            inode: metadata.ino(),
            size_bytes: metadata.size(),
            modified: (metadata.mtime(), metadata.mtime_nsec()),
            changed: (metadata.ctime(), metadata.ctime_nsec()),
        }
    }
}

/// Reads a regular file of at most `limit_bytes`.
///
/// # Errors
/// See [`ReadError`].
pub fn read(path: &Path, limit_bytes: u64) -> Result<Vec<u8>, ReadError> {
    Stamp::of(path)?;
    let mut bytes = Vec::new();
    File::open(path)?.take(limit_bytes.saturating_add(1)).read_to_end(&mut bytes)?;
    if bytes.len() as u64 > limit_bytes { Err(ReadError::TooLarge { limit_bytes }) } else { Ok(bytes) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_has_another_stamp_after_each_change() {
        let folder = tempfile::tempdir().unwrap();
        let (path, other) = (folder.path().join("a"), folder.path().join("b"));
        fs::write(&path, "one").unwrap();
        let first = Stamp::of(&path).unwrap();
        assert_eq!(Stamp::of(&path).unwrap(), first);
        fs::write(&path, "three").unwrap();
        let second = Stamp::of(&path).unwrap();
        assert_ne!(second, first);
        // As long and perhaps at the same time.
        fs::write(&other, "seven").unwrap();
        fs::rename(&other, &path).unwrap();
        assert_ne!(Stamp::of(&path).unwrap(), second);
    }

    #[test]
    fn what_was_changed_just_now_may_change_again() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a");
        fs::write(&path, "one").unwrap();
        let stamp = Stamp::of(&path).unwrap();
        assert!(!stamp.is_settled());
        let changed = Duration::from_secs(stamp.changed.0.unsigned_abs());
        assert!(!stamp.is_settled_at(changed + UNSETTLED));
        assert!(stamp.is_settled_at(changed + UNSETTLED + Duration::from_millis(1)));
    }

    #[test]
    fn only_files_of_a_likely_size_are_read() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a");
        fs::write(&path, "12345").unwrap();
        assert_eq!(read(&path, 5).unwrap(), b"12345");
        let error = |path: &Path| read(path, 4).unwrap_err().to_string();
        assert!(error(&path).contains("larger than 4 bytes"));
        assert!(error(folder.path()).contains("regular file"));
        assert!(error(Path::new("/dev/zero")).contains("regular file"));
        assert!(error(&folder.path().join("b")).starts_with("No such file"));
    }
}

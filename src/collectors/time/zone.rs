//! The local time zone, as the C library finds it (POSIX.1-2024, section 8.3; RFC 9636 for the files).

use std::ffi::OsString;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};

use jiff::tz::TimeZone;

use crate::host::FileStamp;

/// The zone of this process. Reads the one file that it needs; listing all zones that there are would take more
/// memory than the rest of the exporter's tables.
pub(super) struct LocalZone {
    source: Source,
    zone: TimeZone,
}

enum Source {
    /// Given in `TZ` as a rule, or not at all.
    Fixed,
    /// A file, looked at again when it was replaced.
    File { path: PathBuf, stamp: Option<FileStamp> },
}

const ZONES: &str = "/usr/share/zoneinfo";
const LOCAL: &str = "/etc/localtime";

impl LocalZone {
    /// The zone that the value of `TZ` names. What can't be read is UTC.
    pub(super) fn new(tz: Option<OsString>) -> Self {
        let fixed = |zone| Self { source: Source::Fixed, zone };
        let file = |path: PathBuf| Self { source: Source::File { path, stamp: None }, zone: TimeZone::UTC };
        let Some(tz) = tz else { return file(LOCAL.into()) };
        let name = tz.as_bytes();
        let name = std::ffi::OsStr::from_bytes(name.strip_prefix(b":").unwrap_or(name));
        if name.is_empty() {
            return fixed(TimeZone::UTC);
        }
        // An absolute path replaces the directory.
        let path = Path::new(ZONES).join(name);
        if path.is_file() {
            return file(path);
        }
        let rule = name.to_str().and_then(|name| TimeZone::posix(name).ok());
        fixed(rule.unwrap_or(TimeZone::UTC))
    }

    /// The zone as it stands now.
    pub(super) fn get(&mut self) -> &TimeZone {
        if let Source::File { path, stamp } = &mut self.source {
            let found = FileStamp::of(path).ok();
            if found != *stamp {
                let zone = std::fs::read(path).ok().and_then(|data| TimeZone::tzif("Local", &data).ok());
                self.zone = zone.unwrap_or(TimeZone::UTC);
                *stamp = found;
            }
        }
        &self.zone
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use jiff::Timestamp;

    fn offset(zone: &mut LocalZone) -> (String, i32) {
        let info = zone.get().to_offset_info(Timestamp::UNIX_EPOCH);
        (info.abbreviation().to_owned(), info.offset().seconds())
    }

    /// A file of version 1 (RFC 9636, section 3.1) with one kind of local time and no transitions.
    fn zone_file(offset_seconds: i32, abbreviation: &str) -> Vec<u8> {
        let mut data = b"TZif".to_vec();
        data.extend([0; 16]);
        for count in [0u32, 0, 0, 0, 1, u32::try_from(abbreviation.len() + 1).unwrap()] {
            data.extend(count.to_be_bytes());
        }
        data.extend(offset_seconds.to_be_bytes());
        data.extend([0, 0]);
        data.extend(abbreviation.as_bytes());
        data.push(0);
        data
    }

    #[test]
    fn a_file_is_read_and_read_again_when_it_is_replaced() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("zone");
        std::fs::write(&path, zone_file(3600, "ABC")).unwrap();
        let mut zone = LocalZone::new(Some(path.clone().into()));
        assert_eq!(offset(&mut zone), ("ABC".into(), 3600));
        let other = folder.path().join("other");
        std::fs::write(&other, zone_file(-7200, "DEF")).unwrap();
        std::fs::rename(&other, &path).unwrap();
        assert_eq!(offset(&mut zone), ("DEF".into(), -7200));
        std::fs::write(&path, "rubbish").unwrap();
        assert_eq!(offset(&mut zone), ("UTC".into(), 0));
    }

    #[test]
    fn rules_and_values_that_mean_nothing() {
        for (tz, want) in
            [("", ("UTC", 0)), (":", ("UTC", 0)), ("XYZ-5:30", ("XYZ", 19800)), ("No/Such", ("UTC", 0))]
        {
            let (name, seconds) = offset(&mut LocalZone::new(Some(tz.into())));
            assert_eq!((name.as_str(), seconds), want, "{tz}");
        }
    }
}

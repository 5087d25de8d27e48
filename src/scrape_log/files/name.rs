//! The names of samples files: `samples-20261121T120000Z.om`, with `_0001` for another one of the same second.

use jiff::Timestamp;
use jiff::civil::DateTime;
use jiff::tz::TimeZone;

use super::{TimeRange, WINDOW_MILLISECONDS};

/// How a file lies on the disk.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Form {
    /// As it was written.
    Plain,
    /// Behind `.zst`.
    Compressed,
    /// Behind `.zst.tmp`: compression that was not finished.
    Unfinished,
}

/// A name without its form, which sorts by time.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct SamplesName {
    start_milliseconds: i64,
    number: u16,
}

impl SamplesName {
    /// Reads a name, `None` if it is not one of a samples file.
    pub(super) fn parse(name: &str) -> Option<(Self, Form)> {
        let (plain, form) = match (name.strip_suffix(".zst"), name.strip_suffix(".zst.tmp")) {
            (Some(plain), _) => (plain, Form::Compressed),
            (_, Some(plain)) => (plain, Form::Unfinished),
            (None, None) => (name, Form::Plain),
        };
        let stem = plain.strip_prefix("samples-")?.strip_suffix(".om")?;
        let (start, number) = match stem.split_once('_') {
            Some((start, number)) => (start, digits(number, 4).filter(|&number| number > 0)?),
            None => (stem, 0),
        };
        let (date, time) = start.strip_suffix('Z')?.split_once('T')?;
        let (date, time) = (digits(date, 8)?, digits(time, 6)?);
        let small = |number: u32| i8::try_from(number % 100).ok();
        let civil = DateTime::new(
            i16::try_from(date / 10_000).ok()?,
            small(date / 100)?,
            small(date)?,
            small(time / 10_000)?,
            small(time / 100)?,
            small(time)?,
            0,
        );
        let start = civil.ok()?.to_zoned(TimeZone::UTC).ok()?.timestamp();
        let number = u16::try_from(number).ok()?;
        Some((Self { start_milliseconds: start.as_millisecond(), number }, form))
    }

    /// The name as it is on the disk.
    pub(super) fn text(self, form: Form) -> String {
        // What was read from a name is in the years that a timestamp holds.
        let start = Timestamp::from_millisecond(self.start_milliseconds).unwrap_or_default();
        let number = if self.number == 0 { String::new() } else { format!("_{:04}", self.number) };
        let form = match form {
            Form::Plain => "",
            Form::Compressed => ".zst",
            Form::Unfinished => ".zst.tmp",
        };
        format!("{}{number}.om{form}", start.strftime("samples-%Y%m%dT%H%M%SZ"))
    }

    /// The times that the file's samples may have: from the name's to the end of its window.
    pub(super) fn times(self) -> TimeRange {
        let start = self.start_milliseconds;
        let window = start.div_euclid(WINDOW_MILLISECONDS);
        TimeRange { start, end: (window + 1) * WINDOW_MILLISECONDS }
    }
}

/// A number of exactly so many digits.
fn digits(text: &str, count: usize) -> Option<u32> {
    let right = text.len() == count && text.bytes().all(|byte| byte.is_ascii_digit());
    text.parse().ok().filter(|_| right)
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOON: i64 = 1_795_262_400_000;

    #[test]
    fn names() {
        for (name, start, number, form) in [
            ("samples-20261121T120000Z.om", NOON, 0, Form::Plain),
            ("samples-20261121T120000Z.om.zst", NOON, 0, Form::Compressed),
            ("samples-20261121T120001Z_0012.om.zst", NOON + 1000, 12, Form::Compressed),
            ("samples-20261121T120000Z.om.zst.tmp", NOON, 0, Form::Unfinished),
        ] {
            let want = SamplesName { start_milliseconds: start, number };
            assert_eq!(SamplesName::parse(name), Some((want, form)), "{name}");
            assert_eq!(want.text(form), name);
        }
        for name in [
            "samples-1.om",
            "samples-20261121T120000Z_12.om",
            "samples-20261121T120000Z_0000.om",
            "samples-20261121T250000Z.om",
            "samples-20261321T120000Z.om",
            "samples-20261121T120000Z.txt",
            "samples-20261121T+20000Z.om",
            "samples-20261121T120000Z.om.gz",
            "vitals-20261121.log",
            "",
        ] {
            assert_eq!(SamplesName::parse(name), None, "{name}");
        }
    }

    #[test]
    fn names_sort_by_time_and_say_when_they_end() {
        let parse = |name: &str| SamplesName::parse(name).unwrap().0;
        let first = parse("samples-20261121T120000Z.om.zst");
        let second = parse("samples-20261121T120000Z_0001.om");
        let third = parse("samples-20261121T135959Z.om");
        assert!(first < second && second < third);
        assert_eq!(first.times(), TimeRange { start: NOON, end: NOON + 7_200_000 });
        assert_eq!(third.times(), TimeRange { start: NOON + 7_199_000, end: NOON + 7_200_000 });
    }
}

//! The names of the files, and what they say about what is inside.

use jiff::Timestamp;
use jiff::civil::DateTime;
use jiff::tz::TimeZone;

/// A samples file ends at each even hour UTC, as the blocks of Prometheus' database do, so that it makes one block.
pub(in crate::scrape_log) const SAMPLES_WINDOW_SECONDS: u32 = 2 * 3600;
const PEOPLE_WINDOW_SECONDS: u32 = 86_400;

/// What a file is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(in crate::scrape_log) enum Kind {
    /// `samples-20261121T120000Z.om`: two hours of samples at most.
    Samples,
    /// `vitals-20261121.log`: a day of lines for people.
    People,
}

impl Kind {
    fn window_seconds(self) -> u32 {
        match self {
            Self::Samples => SAMPLES_WINDOW_SECONDS,
            Self::People => PEOPLE_WINDOW_SECONDS,
        }
    }

    /// The number of the window that a time is in: each has files of its own.
    pub(super) fn window(self, milliseconds: i64) -> u32 {
        seconds(milliseconds) / self.window_seconds()
    }
}

/// How a file lies on the disk.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(in crate::scrape_log) enum Form {
    /// As it was written.
    Plain,
    /// Behind `.zst`.
    Compressed,
    /// Behind `.zst.tmp`: compression that was not finished.
    Unfinished,
}

/// A name without its form. Those that end earlier come first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(in crate::scrape_log) struct FileName {
    end_seconds: u32,
    start_seconds: u32,
    number: u16,
    kind: Kind,
}

impl FileName {
    /// The name of a file whose first record is of this time. `number` tells files of one start apart.
    pub(super) fn new(kind: Kind, milliseconds: i64, number: u16) -> Self {
        let window = kind.window_seconds();
        let start_seconds = match kind {
            Kind::Samples => seconds(milliseconds),
            Kind::People => seconds(milliseconds) / window * window,
        };
        let end_seconds = (start_seconds / window).saturating_add(1).saturating_mul(window);
        Self { end_seconds, start_seconds, number, kind }
    }

    /// The number from which on a file that begins at this time sorts behind this one.
    pub(super) fn next_number(self, milliseconds: i64) -> u16 {
        if Self::new(self.kind, milliseconds, self.number) == self {
            self.number.saturating_add(1)
        } else {
            0
        }
    }

    pub(in crate::scrape_log) fn kind(self) -> Kind {
        self.kind
    }

    /// The start in milliseconds since 1970 UTC.
    pub(in crate::scrape_log) fn start_milliseconds(self) -> i64 {
        i64::from(self.start_seconds) * 1000
    }

    /// No record in the file is of this second since 1970 UTC or later.
    pub(in crate::scrape_log) fn end_seconds(self) -> u32 {
        self.end_seconds
    }

    /// Reads a name, `None` if it is not one that this program gives.
    pub(in crate::scrape_log) fn parse(name: &str) -> Option<(Self, Form)> {
        let (plain, form) = match (name.strip_suffix(".zst"), name.strip_suffix(".zst.tmp")) {
            (Some(plain), _) => (plain, Form::Compressed),
            (_, Some(plain)) => (plain, Form::Unfinished),
            (None, None) => (name, Form::Plain),
        };
        let parsed = if let Some(rest) = plain.strip_prefix("samples-") {
            let rest = rest.strip_suffix(".om")?;
            let (start, number) = match rest.split_once('_') {
                Some((start, number)) => (start, number.parse().ok()?),
                None => (rest, 0),
            };
            Self::new(Kind::Samples, milliseconds(start)?, number)
        } else {
            let day = plain.strip_prefix("vitals-")?.strip_suffix(".log")?;
            Self::new(Kind::People, milliseconds(&format!("{day}T000000Z"))?, 0)
        };
        // Other spellings of the same are not ours.
        (parsed.text(Form::Plain) == plain).then_some((parsed, form))
    }

    /// The name as it is on the disk.
    pub(in crate::scrape_log) fn text(self, form: Form) -> String {
        let start = self.start_milliseconds();
        let mut name = match (self.kind, self.number) {
            (Kind::Samples, 0) => file_time(start, "samples-%Y%m%dT%H%M%SZ.om"),
            // The underscore sorts behind the dot, so that names sort as files were begun.
            (Kind::Samples, number) => {
                format!("{}_{number:04}.om", file_time(start, "samples-%Y%m%dT%H%M%SZ"))
            }
            (Kind::People, _) => file_time(start, "vitals-%Y%m%d.log"),
        };
        name.push_str(match form {
            Form::Plain => "",
            Form::Compressed => ".zst",
            Form::Unfinished => ".zst.tmp",
        });
        name
    }
}

/// Seconds since 1970 as names hold them. A clock before 1970 or after 2105 is wrong in any case.
fn seconds(milliseconds: i64) -> u32 {
    u32::try_from(milliseconds.div_euclid(1000).max(0)).unwrap_or(u32::MAX)
}

/// Reads `20261121T120000Z`.
fn milliseconds(text: &str) -> Option<i64> {
    let (date, time) = text.strip_suffix('Z')?.split_once('T')?;
    let [year, month_day] = split_number(date, 8, 10_000)?;
    let [hour, minute_second] = split_number(time, 6, 10_000)?;
    let small = |number: u32| i8::try_from(number).ok();
    let time = DateTime::new(
        i16::try_from(year).ok()?,
        small(month_day / 100)?,
        small(month_day % 100)?,
        small(hour)?,
        small(minute_second / 100)?,
        small(minute_second % 100)?,
        0,
    );
    Some(time.ok()?.to_zoned(TimeZone::UTC).ok()?.timestamp().as_millisecond())
}

/// A number of so many digits, divided: the quotient and the rest.
fn split_number(text: &str, digits: usize, divisor: u32) -> Option<[u32; 2]> {
    let all_digits = text.len() == digits && text.bytes().all(|byte| byte.is_ascii_digit());
    let number: u32 = text.parse().ok().filter(|_| all_digits)?;
    Some([number / divisor, number % divisor])
}

/// A time in UTC by a `strftime` pattern.
pub(super) fn file_time(milliseconds: i64, pattern: &str) -> String {
    // The clock can't be beyond what a timestamp holds, which is the year 9999.
    Timestamp::from_millisecond(milliseconds).unwrap_or_default().strftime(pattern).to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOON: i64 = 1_795_262_400_000;

    #[test]
    fn names_are_read_as_they_are_written() {
        for (name, form) in [
            ("samples-20261121T120000Z.om", Form::Plain),
            ("samples-20261121T120000Z_0012.om.zst", Form::Compressed),
            ("samples-19700101T000000Z.om.zst.tmp", Form::Unfinished),
            ("vitals-20260228.log", Form::Plain),
        ] {
            let (parsed, parsed_form) = FileName::parse(name).unwrap();
            assert_eq!(parsed_form, form, "{name}");
            assert_eq!(parsed.text(form), name);
        }
        for name in [
            "samples-1.om",
            "samples-20261121T120000Z_12.om",
            "samples-20261121T120000Z_0000.om",
            "samples-20261121T250000Z.om",
            "samples-20261121T120000Z.txt",
            "samples-20261121T120000Z.om.gz",
            "samples-20261121T+20000Z.om",
            "vitals-20260230.log",
            "vitals-2026028.log",
            "scrape-log.lock",
            "",
        ] {
            assert_eq!(FileName::parse(name), None, "{name}");
        }
    }

    #[test]
    fn a_file_ends_with_its_window() {
        let noon = u32::try_from(NOON / 1000).unwrap();
        for (kind, after, want) in [
            (Kind::Samples, 0, noon + 7200),
            (Kind::Samples, 7_199_999, noon + 7200),
            (Kind::Samples, 7_200_000, noon + 14_400),
            (Kind::People, 0, noon + 43_200),
        ] {
            assert_eq!(FileName::new(kind, NOON + after, 0).end_seconds(), want);
        }
    }

    #[test]
    fn numbers_go_on_within_a_second() {
        let name = FileName::new(Kind::Samples, NOON, 3);
        assert_eq!([0, 999, 1000, -1].map(|after| name.next_number(NOON + after)), [4, 4, 0, 0]);
        assert_eq!(FileName::new(Kind::Samples, NOON, u16::MAX).next_number(NOON), u16::MAX);
    }

    #[test]
    fn a_wrong_clock_has_a_name_too() {
        for time in [i64::MIN, -1, 0, i64::MAX] {
            for kind in [Kind::Samples, Kind::People] {
                let name = FileName::new(kind, time, 0);
                assert_eq!(FileName::parse(&name.text(Form::Plain)), Some((name, Form::Plain)), "{time}");
            }
        }
    }

    #[test]
    fn names_sort_by_their_end() {
        let early = FileName::new(Kind::Samples, NOON, 3);
        let late = FileName::new(Kind::Samples, NOON + 7_200_000, 0);
        assert!(early < late && FileName::new(Kind::Samples, NOON, 2) < early);
        assert!(late < FileName::new(Kind::People, NOON, 0));
    }
}

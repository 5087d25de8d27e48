//! Points in time as people write them on a command line: `2026-11-21`, `yesterday`, `2h`, `10 min ago`.

use std::time::Duration;

use jiff::civil::{Date, DateTime};
use jiff::tz::TimeZone;
use jiff::{Timestamp, Zoned};

use super::duration;

/// Which end of a range a time is for. A day by its name begins the range with its first moment, and ends it with
/// its last.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Edge {
    /// `--start`.
    Start,
    /// `--end`.
    End,
}

/// The words for units that may stand apart from their number, as in `10 min ago`.
const UNITS: [(&[&str], u64); 5] = [
    (&["second", "seconds", "sec", "secs"], 1),
    (&["minute", "minutes", "min", "mins"], 60),
    (&["hour", "hours", "hr", "hrs"], 3600),
    (&["day", "days"], 86_400),
    (&["week", "weeks"], 604_800),
];

/// Reads a time:
///
/// - RFC 3339, such as `2026-11-21T12:00:00Z` or with an offset; without either it is in the zone of `now`;
/// - a day: `2026-11-21`, `today` or `yesterday`, by `edge` its first moment or the first of the next day;
/// - `now`;
/// - a time ago: `2h`, `1d12h`, `2h ago`, `10 min ago`, where a day has 24 hours.
///
/// # Errors
/// A sentence that says what is expected, for the message about the flag.
pub fn parse(text: &str, edge: Edge, now: &Zoned) -> Result<Timestamp, String> {
    let wrong = || {
        format!(
            "{text:?} is not a time, expected one such as 2026-11-21T12:00:00Z, 2026-11-21, yesterday, now, 2h or \
             \"10 min ago\""
        )
    };
    let trimmed = text.trim();
    let day = match trimmed {
        "now" => return Ok(now.timestamp()),
        "today" => Some(now.date()),
        "yesterday" => Some(now.date().yesterday().map_err(|_| wrong())?),
        // Only a day has ten characters; jiff would read a date out of longer texts too.
        _ if trimmed.len() == 10 => trimmed.parse::<Date>().ok(),
        _ => None,
    };
    if let Some(day) = day {
        return edge_of(day, edge, now.time_zone()).ok_or_else(wrong);
    }
    if let Some(ago) = ago(trimmed) {
        return now.timestamp().checked_sub(ago).map_err(|_| wrong());
    }
    if let Ok(time) = trimmed.parse::<Timestamp>() {
        return Ok(time);
    }
    let local = trimmed.parse::<DateTime>().map_err(|_| wrong())?;
    Ok(local.to_zoned(now.time_zone().clone()).map_err(|_| wrong())?.timestamp())
}

/// The first moment of a day, or of the day after.
fn edge_of(day: Date, edge: Edge, zone: &TimeZone) -> Option<Timestamp> {
    let day = match edge {
        Edge::Start => day,
        Edge::End => day.tomorrow().ok()?,
    };
    Some(day.to_zoned(zone.clone()).ok()?.timestamp())
}

/// How long ago `2h`, `2h ago` and `10 min ago` are.
fn ago(text: &str) -> Option<Duration> {
    if let Ok(duration) = duration::parse(text) {
        return Some(duration);
    }
    let length = text.strip_suffix("ago")?;
    let length = length.strip_suffix([' ', '\t'])?.trim();
    if let Ok(duration) = duration::parse(length) {
        return Some(duration);
    }
    let (number, unit) = length.split_once([' ', '\t'])?;
    let (_, seconds) = UNITS.iter().find(|(names, _)| names.contains(&unit.trim()))?;
    Some(Duration::from_secs(number.parse::<u64>().ok()?.checked_mul(*seconds)?))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Half past noon of the day after the clocks went back in Berlin.
    fn now() -> Zoned {
        "2026-10-26T12:30:00+01:00[Europe/Berlin]".parse().unwrap()
    }

    #[test]
    fn all_spellings() {
        for (text, start, end) in [
            ("now", "2026-10-26T11:30:00Z", "2026-10-26T11:30:00Z"),
            ("today", "2026-10-25T23:00:00Z", "2026-10-26T23:00:00Z"),
            // A day of 25 hours.
            ("yesterday", "2026-10-24T22:00:00Z", "2026-10-25T23:00:00Z"),
            ("2026-10-24", "2026-10-23T22:00:00Z", "2026-10-24T22:00:00Z"),
            ("2026-10-24T06:07:08Z", "2026-10-24T06:07:08Z", "2026-10-24T06:07:08Z"),
            ("2026-10-24T06:07:08.5Z", "2026-10-24T06:07:08.5Z", "2026-10-24T06:07:08.5Z"),
            ("2026-10-24T06:07:08+02:00", "2026-10-24T04:07:08Z", "2026-10-24T04:07:08Z"),
            ("2026-10-24 06:07:08", "2026-10-24T04:07:08Z", "2026-10-24T04:07:08Z"),
            ("2026-10-24T06:07", "2026-10-24T04:07:00Z", "2026-10-24T04:07:00Z"),
            ("2h", "2026-10-26T09:30:00Z", "2026-10-26T09:30:00Z"),
            ("90m", "2026-10-26T10:00:00Z", "2026-10-26T10:00:00Z"),
            ("1d12h", "2026-10-24T23:30:00Z", "2026-10-24T23:30:00Z"),
            ("2h ago", "2026-10-26T09:30:00Z", "2026-10-26T09:30:00Z"),
            (" 10 min ago ", "2026-10-26T11:20:00Z", "2026-10-26T11:20:00Z"),
            ("1 hour ago", "2026-10-26T10:30:00Z", "2026-10-26T10:30:00Z"),
            ("2 weeks ago", "2026-10-12T11:30:00Z", "2026-10-12T11:30:00Z"),
        ] {
            let read = |edge| parse(text, edge, &now()).unwrap();
            assert_eq!(read(Edge::Start), start.parse().unwrap(), "{text}");
            assert_eq!(read(Edge::End), end.parse().unwrap(), "{text}");
        }
    }

    #[test]
    fn refuses_the_rest() {
        for text in [
            "",
            "soon",
            "12",
            "2026-13-01",
            "2026-10-24T",
            "2026-10-24 noon",
            "2026-10-24T25:00:00Z",
            "-2h",
            "2hago",
            "ten min ago",
            "10 min",
            "10 fortnights ago",
            "99999999w",
            "18446744073709551615 weeks ago",
            "9999-12-31",
        ] {
            let error = parse(text, Edge::End, &now()).unwrap_err();
            assert!(error.contains("2026-11-21"), "{text}: {error}");
        }
    }
}

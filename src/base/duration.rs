//! Durations as Prometheus and Go flags write them: `500ms`, `15s`, `1m30s`, `1.5h`, `2d`.

use std::time::Duration;

const UNITS: [(&str, f64); 9] = [
    ("ns", 1e-9),
    ("us", 1e-6),
    ("µs", 1e-6),
    ("ms", 1e-3),
    ("s", 1.0),
    ("m", 60.0),
    ("h", 3600.0),
    ("d", 86_400.0),
    ("w", 604_800.0),
];

/// Reads a duration. A bare `0` needs no unit, any other number does.
///
/// # Errors
/// A sentence that says what is expected, for the message about the flag or the key.
pub fn parse(text: &str) -> Result<Duration, String> {
    let wrong = || {
        format!("{text:?} is not a duration, expected a number with a unit such as 500ms, 15s, 1m30s or 2h")
    };
    if text == "0" {
        return Ok(Duration::ZERO);
    }
    let mut seconds = 0.0;
    let mut rest = text;
    while !rest.is_empty() {
        let number_end = rest.find(|c: char| !c.is_ascii_digit() && c != '.').ok_or_else(wrong)?;
        let (number, after) = rest.split_at(number_end);
        let unit_end = after.find(|c: char| c.is_ascii_digit() || c == '.').unwrap_or(after.len());
        let (unit, after) = after.split_at(unit_end);
        let number: f64 = number.parse().map_err(|_| wrong())?;
        let (_, scale) = UNITS.iter().find(|(name, _)| *name == unit).ok_or_else(wrong)?;
        seconds += number * scale;
        rest = after;
    }
    if text.is_empty() {
        return Err(wrong());
    }
    Duration::try_from_secs_f64(seconds).map_err(|_| wrong())
}

/// A duration as [`parse`] reads it, such as `1m30s`. What is below a millisecond is left out.
pub fn format(duration: Duration) -> String {
    const PARTS: [(&str, u128); 6] =
        [("w", 604_800_000), ("d", 86_400_000), ("h", 3_600_000), ("m", 60_000), ("s", 1000), ("ms", 1)];
    let mut rest = duration.as_millis();
    let mut text = String::new();
    for (unit, milliseconds) in PARTS {
        // 30 days are 30d, not 4w2d.
        if rest >= milliseconds && (unit != "w" || rest.is_multiple_of(milliseconds)) {
            text.push_str(&format!("{}{unit}", rest / milliseconds));
            rest %= milliseconds;
        }
    }
    if text.is_empty() { "0s".to_owned() } else { text }
}

#[cfg(test)]
mod tests {
    use super::{format, parse};
    use std::time::Duration;

    #[test]
    fn reads_the_usual_spellings() {
        for (text, milliseconds) in [
            ("0", 0),
            ("0s", 0),
            ("500ms", 500),
            ("15s", 15_000),
            ("1m30s", 90_000),
            ("1.5s", 1500),
            ("1h", 3_600_000),
            ("2d", 172_800_000),
            ("1w", 604_800_000),
        ] {
            assert_eq!(parse(text), Ok(Duration::from_millis(milliseconds)), "{text}");
        }
    }

    #[test]
    fn writes_what_it_reads() {
        for text in ["0s", "1ms", "999ms", "15s", "1m30s", "1h", "1h1ms", "30d", "2w", "15d12h"] {
            assert_eq!(format(parse(text).unwrap()), text);
        }
        assert_eq!(format(Duration::from_secs(90)), "1m30s");
    }

    #[test]
    fn refuses_the_rest() {
        for text in
            ["", "15", "s", "-1s", "1 s", "1y", "1.2.3s", "15S", "ten", "1e9s", "99999999999999999999w"]
        {
            assert!(parse(text).is_err(), "{text}");
        }
    }
}

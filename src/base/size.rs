//! Sizes as Prometheus' configuration and flags write them: `512MB`, `16MiB`, `1.5GB`.

/// The units, each 1024 times the one before, with and without an `i`.
const PREFIXES: [&str; 7] = ["", "K", "M", "G", "T", "P", "E"];

/// Reads a size in bytes. `KB` is 1024 bytes as `KiB` is, like everywhere in Prometheus. A bare `0` needs no unit, any
/// other number does.
///
/// # Errors
/// A sentence that says what is expected, for the message about the flag or the key.
pub fn parse(text: &str) -> Result<u64, String> {
    let wrong =
        || format!("{text:?} is not a size, expected a number with a unit such as 512KB, 16MB or 1GB");
    if text == "0" {
        return Ok(0);
    }
    let number_end = text.find(|c: char| !c.is_ascii_digit() && c != '.').ok_or_else(wrong)?;
    let (number, unit) = text.split_at(number_end);
    let prefix = unit.strip_suffix("iB").or_else(|| unit.strip_suffix('B')).ok_or_else(wrong)?;
    let power = PREFIXES.iter().position(|known| *known == prefix).ok_or_else(wrong)?;
    if unit == "iB" {
        return Err(wrong());
    }
    let shift = 10 * power;
    if let Ok(whole) = number.parse::<u64>() {
        return whole.checked_mul(1 << shift).ok_or_else(|| format!("{text:?} is beyond 2^64 bytes"));
    }
    let number: f64 = number.parse().map_err(|_| wrong())?;
    let bytes = number * (1_u64 << shift) as f64;
    if bytes >= u64::MAX as f64 {
        return Err(format!("{text:?} is beyond 2^64 bytes"));
    }
    Ok(bytes as u64)
}

#[cfg(test)]
mod tests {
    use super::parse;

    #[test]
    fn reads_the_usual_spellings() {
        for (text, bytes) in [
            ("0", 0),
            ("0B", 0),
            ("100B", 100),
            ("1KB", 1 << 10),
            ("16MB", 16 << 20),
            ("16MiB", 16 << 20),
            ("1.5GB", 3 << 29),
            ("2TB", 2 << 40),
            ("1EiB", 1 << 60),
        ] {
            assert_eq!(parse(text), Ok(bytes), "{text}");
        }
    }

    #[test]
    fn refuses_the_rest() {
        for text in
            ["", "16", "MB", "16mb", "16 MB", "16M", "-1MB", "1iB", "1.2.3MB", "16EB", "99.9EB", "9ZB", ".B"]
        {
            let error = parse(text).unwrap_err();
            assert!(error.contains("expected a number") || error.contains("2^64"), "{text}: {error}");
        }
    }
}

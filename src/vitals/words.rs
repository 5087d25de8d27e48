//! Numbers as people say them, for sentences, terminal and reports.

/// A ratio in percent; with one decimal where the whole ones are close to none or all.
pub fn percent(ratio: f64) -> String {
    let percent = ratio * 100.0;
    if (1.0..99.0).contains(&percent) || percent == 0.0 || percent == 100.0 {
        format!("{percent:.0} %")
    } else {
        format!("{percent:.1} %")
    }
}

/// Bytes with two or three digits and a binary unit.
pub fn bytes(bytes: f64) -> String {
    scaled(bytes, 1024.0, &["B", "KiB", "MiB", "GiB", "TiB", "PiB"])
}

/// Bytes a second with two or three digits and a decimal unit, as network and disks are sold.
pub fn bytes_per_second(rate: f64) -> String {
    scaled(rate, 1000.0, &["B/s", "kB/s", "MB/s", "GB/s", "TB/s"])
}

fn scaled(value: f64, step: f64, units: &[&str]) -> String {
    let mut value = value;
    let mut units = units.iter();
    let mut unit = units.next();
    // What would be rounded up to a whole step is one.
    while value.abs() >= step - 0.5 {
        let Some(next) = units.next() else { break };
        value /= step;
        unit = Some(next);
    }
    let decimals = usize::from(value.abs() < 9.95 && value.fract() != 0.0);
    format!("{value:.decimals$} {}", unit.unwrap_or(&""))
}

/// A span of time in its two largest units.
pub fn span(seconds: f64) -> String {
    const UNITS: [(u64, &str); 4] = [(86_400, "d"), (3_600, "h"), (60, "min"), (1, "s")];
    let seconds = seconds.abs();
    if seconds < 10.0 && seconds.fract() != 0.0 {
        return format!("{seconds:.1} s");
    }
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "saturates")]
    let mut rest = seconds.round() as u64;
    let mut parts: Vec<String> = Vec::new();
    for (length, unit) in UNITS {
        let count = rest / length;
        rest %= length;
        // The second unit is the next smaller one or none.
        if count > 0 || !parts.is_empty() {
            parts.push(if count > 0 { format!("{count} {unit}") } else { String::new() });
        }
        if parts.len() == 2 {
            break;
        }
    }
    parts.retain(|part| !part.is_empty());
    if parts.is_empty() { "0 s".to_owned() } else { parts.join(" ") }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_read_well() {
        let percents = [0.0, 0.004, 0.05, 0.421, 0.994, 0.9999, 1.0].map(percent);
        assert_eq!(percents, ["0 %", "0.4 %", "5 %", "42 %", "99.4 %", "100.0 %", "100 %"]);
        let sizes = [0.0, 512.0, 1023.7, 1536.0, 12.0 * 1024.0 * 1024.0, 9e15].map(bytes);
        assert_eq!(sizes, ["0 B", "512 B", "1.0 KiB", "1.5 KiB", "12 MiB", "8.0 PiB"]);
        assert_eq!(bytes_per_second(1_250_000.0), "1.2 MB/s");
        let spans = [0.0, 0.26, 59.0, 61.0, 3_600.0, 90_061.0, 180_000.0].map(span);
        assert_eq!(spans, ["0 s", "0.3 s", "59 s", "1 min 1 s", "1 h", "1 d 1 h", "2 d 2 h"]);
    }
}

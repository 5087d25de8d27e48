//! Sample values as Prometheus' own libraries print them: the shortest digits that read back as the same
//! float, in exponent form when the decimal exponent is below -4 or at least 6 (`507162`, `1e+06`, `1.6e-05`).

/// Appends `value` to `out`. NaN and the infinities are `NaN`, `+Inf` and `-Inf`.
pub fn write_value(out: &mut Vec<u8>, value: f64) {
    if value.is_nan() {
        return out.extend_from_slice(b"NaN");
    }
    if value.is_infinite() {
        return out.extend_from_slice(if value > 0.0 { b"+Inf" } else { b"-Inf" });
    }
    if value.is_sign_negative() {
        out.push(b'-');
    }
    let value = value.abs();
    if value < 1e6 && value.fract() == 0.0 {
        return out.extend_from_slice(itoa::Buffer::new().format(value as u32).as_bytes());
    }
    // Below 2^53 neighbouring floats are at most 1 apart, so all digits of an integer are its shortest form.
    if value < 9_007_199_254_740_992.0 && value.fract() == 0.0 {
        let mut buffer = itoa::Buffer::new();
        let digits = buffer.format(value as u64).as_bytes();
        return write_exponent_form(out, digits, digits.len() as i32 - 1);
    }
    write_fraction(out, value);
}

/// The general case: takes apart what the shortest-digits library printed and lays it out again.
fn write_fraction(out: &mut Vec<u8>, value: f64) {
    let mut buffer = zmij::Buffer::new();
    let printed = buffer.format_finite(value).as_bytes();
    let (mantissa, exponent) = match printed.iter().position(|&byte| byte == b'e') {
        Some(at) => (&printed[..at], parse_exponent(&printed[at + 1..])),
        None => (printed, 0),
    };
    let mut digits = [0u8; 32];
    let mut count = 0;
    let mut point = None;
    for &byte in mantissa {
        if byte == b'.' {
            point = Some(count);
        } else if count < digits.len() {
            digits[count] = byte;
            count += 1;
        }
    }
    let leading_zeros = digits[..count].iter().take_while(|&&digit| digit == b'0').count();
    let first_exponent = point.unwrap_or(count) as i32 - 1 - leading_zeros as i32 + exponent;
    let digits = trim_zeros(&digits[leading_zeros..count]);
    if !(-4..6).contains(&first_exponent) {
        return write_exponent_form(out, digits, first_exponent);
    }
    if first_exponent < 0 {
        out.extend_from_slice(b"0.");
        out.extend(std::iter::repeat_n(b'0', (-first_exponent - 1) as usize));
        return out.extend_from_slice(digits);
    }
    let whole = first_exponent as usize + 1;
    if digits.len() <= whole {
        out.extend_from_slice(digits);
        out.extend(std::iter::repeat_n(b'0', whole - digits.len()));
    } else {
        out.extend_from_slice(&digits[..whole]);
        out.push(b'.');
        out.extend_from_slice(&digits[whole..]);
    }
}

/// `d.ddde+XX`: one digit before the point, a sign and at least two digits of exponent.
fn write_exponent_form(out: &mut Vec<u8>, digits: &[u8], exponent: i32) {
    let digits = trim_zeros(digits);
    out.push(digits.first().copied().unwrap_or(b'0'));
    if digits.len() > 1 {
        out.push(b'.');
        out.extend_from_slice(&digits[1..]);
    }
    out.extend_from_slice(if exponent < 0 { b"e-" } else { b"e+" });
    let exponent = exponent.unsigned_abs();
    if exponent < 10 {
        out.push(b'0');
    }
    out.extend_from_slice(itoa::Buffer::new().format(exponent).as_bytes());
}

fn trim_zeros(digits: &[u8]) -> &[u8] {
    let end = digits.iter().rposition(|&digit| digit != b'0').map_or(0, |last| last + 1);
    &digits[..end]
}

fn parse_exponent(text: &[u8]) -> i32 {
    std::str::from_utf8(text).ok().and_then(|text| text.parse().ok()).unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::write_value;
    use proptest::prelude::*;

    fn text(value: f64) -> String {
        let mut out = Vec::new();
        write_value(&mut out, value);
        String::from_utf8(out).unwrap()
    }

    #[test]
    fn follows_the_reference_layout() {
        for (value, want) in [
            (0.0, "0"),
            (-0.0, "-0"),
            (1.0, "1"),
            (507162.0, "507162"),
            (999999.0, "999999"),
            (1e6, "1e+06"),
            (8885917.0, "8.885917e+06"),
            (1.6e-05, "1.6e-05"),
            (0.0001, "0.0001"),
            (0.00012345, "0.00012345"),
            (14.036781000000001, "14.036781000000001"),
            (123456.789, "123456.789"),
            (1234567.89, "1.23456789e+06"),
            (1795248115.037, "1.795248115037e+09"),
            (-42.5, "-42.5"),
            (9007199254740993.0, "9.007199254740992e+15"),
            (1.8446744073709552e19, "1.8446744073709552e+19"),
            (5e-324, "5e-324"),
            (f64::MAX, "1.7976931348623157e+308"),
            (f64::NAN, "NaN"),
            (f64::INFINITY, "+Inf"),
            (f64::NEG_INFINITY, "-Inf"),
        ] {
            assert_eq!(text(value), want);
        }
    }

    proptest! {
        #[test]
        fn reads_back_as_the_same_float(bits in any::<u64>()) {
            let value = f64::from_bits(bits);
            prop_assume!(!value.is_nan());
            let printed = text(value);
            prop_assert_eq!(printed.parse::<f64>().unwrap().to_bits(), value.to_bits(), "{}", printed);
        }

        #[test]
        fn integers_read_back(value in -1_000_000_000_000_000i64..1_000_000_000_000_000) {
            prop_assert_eq!(text(value as f64).parse::<f64>().unwrap(), value as f64);
        }

        #[test]
        fn uses_no_more_digits_than_the_standard_library(value in any::<f64>()) {
            prop_assume!(value.is_finite());
            let digits = |printed: &str| -> usize {
                let mantissa = printed.split('e').next().unwrap_or("").replace(['.', '-'], "");
                mantissa.trim_matches('0').len()
            };
            let (ours, std) = (text(value), format!("{value:e}"));
            prop_assert_eq!(digits(&ours), digits(&std), "{} {}", ours, std);
        }
    }
}

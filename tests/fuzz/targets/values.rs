//! A value as it is written reads back as the same float.

use vitals::exposition::write_value;

/// Checks the float with these bits.
pub fn check(bits: u64) {
    let value = f64::from_bits(bits);
    let mut text = Vec::new();
    write_value(&mut text, value);
    let text = String::from_utf8(text).expect("digits are UTF-8");
    let again: f64 = text.parse().expect("a value is a number");
    assert!(again.to_bits() == bits || (again.is_nan() && value.is_nan()), "{value:e} became {text}");
}

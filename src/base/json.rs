//! The one thing about JSON that several rooms write by hand: its strings.

use std::fmt::Write;

/// Appends a JSON string (RFC 8259, section 7). Control characters become `\u` escapes, those of a line break
/// included, so that nothing that a peer sends reaches a terminal as such and what unescapes `\n` finds none.
pub fn string(out: &mut String, value: &str) {
    out.push('"');
    for character in value.chars() {
        match character {
            '"' | '\\' => out.extend(['\\', character]),
            control if control.is_control() => {
                let _infallible = write!(out, "\\u{:04x}", u32::from(control));
            }
            other => out.push(other),
        }
    }
    out.push('"');
}

//! The `key=value` lines that logs and scrape-log's files for people are made of.

use std::fmt::{self, Write};

use super::json;

/// Appends ` key=value` (without the blank at the start of a line), the value quoted where it has to be.
pub fn pair(out: &mut String, key: &str, value: impl fmt::Display) {
    if !out.is_empty() && !out.ends_with('\n') {
        out.push(' ');
    }
    out.push_str(key);
    out.push('=');
    let start = out.len();
    if write!(out, "{value}").is_err() {
        return;
    }
    let raw = out.split_off(start);
    quote(out, &raw);
}

/// Appends a value: as a JSON string if it is empty or has a blank, a quote, `=` or a control character in it.
pub fn quote(out: &mut String, value: &str) {
    let plain =
        |c: char| !(c.is_whitespace() || c.is_control() || matches!(c, '"' | '=' | '\\' | '\u{fffd}'));
    if !value.is_empty() && value.chars().all(plain) {
        out.push_str(value);
    } else {
        json::string(out, value);
    }
}

#[cfg(test)]
mod tests {
    #[test]
    fn quotes_only_what_needs_it() {
        let mut line = String::new();
        super::pair(&mut line, "a", 1.5);
        super::pair(&mut line, "path", "/srv/x");
        super::pair(&mut line, "error", "no \"such\"\n\u{1b}[31m");
        super::pair(&mut line, "empty", "");
        assert_eq!(line, "a=1.5 path=/srv/x error=\"no \\\"such\\\"\\u000a\\u001b[31m\" empty=\"\"");
    }
}

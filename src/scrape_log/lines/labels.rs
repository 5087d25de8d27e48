//! Labels and texts in their one canonical spelling.

use std::borrow::Cow;

use crate::exposition::{Label, escape_label_value};
use crate::scrape_log::labels::Labels;

/// Put in the place of what must not get into the file.
const REPLACEMENT: char = '\u{fffd}';

/// Text from a page as valid UTF-8 without control characters but tabs and line ends: readers stop at NUL, and terminals
/// obey escape sequences. What is clean, which is to say nearly all, is not copied.
pub(super) fn clean(page: &[u8]) -> Cow<'_, str> {
    let text = str::from_utf8(page).map_or_else(|_| String::from_utf8_lossy(page), Cow::Borrowed);
    // The two-byte forms of U+0080 to U+009F, which some terminals obey too, begin with 0xc2.
    let suspicious = |byte: u8| matches!(byte, 0..=8 | 11 | 12 | 14..=31 | 127 | 0xc2);
    // Without a way out in the middle of it this is a few vector instructions.
    let clean = !text.bytes().fold(false, |found, byte| found | suspicious(byte));
    if clean && !has_inner_return(text.as_bytes()) {
        return text;
    }
    let unwanted = |c: char| c.is_control() && !matches!(c, '\t' | '\n' | '\r');
    let mut cleaned = String::with_capacity(text.len() + 16);
    let mut rest = text.chars().peekable();
    while let Some(character) = rest.next() {
        let bad = unwanted(character) || (character == '\r' && rest.peek().is_some_and(|&next| next != '\n'));
        cleaned.push(if bad { REPLACEMENT } else { character });
    }
    Cow::Owned(cleaned)
}

/// Whether a carriage return stands elsewhere than before a line feed.
fn has_inner_return(text: &[u8]) -> bool {
    memchr::memchr_iter(b'\r', text).any(|at| text.get(at + 1).is_some_and(|&next| next != b'\n'))
}

/// Appends a value that is not escaped yet.
pub(super) fn push_plain_value(out: &mut Vec<u8>, value: &str) {
    escape_label_value(out, value.as_bytes());
}

/// Appends text that is escaped already. A backslash before anything but `\`, `"` and `n` stands for itself in
/// the field, but not in the specification: it becomes two.
pub(super) fn push_escaped(out: &mut Vec<u8>, text: &str) {
    let mut rest = text.as_bytes();
    while let Some(at) = memchr::memchr(b'\\', rest) {
        let (before, escape) = rest.split_at(at);
        out.extend_from_slice(before);
        out.push(b'\\');
        match escape {
            [_, escaped @ (b'\\' | b'"' | b'n'), after @ ..] => {
                out.push(*escaped);
                rest = after;
            }
            [_, after @ ..] => {
                out.push(b'\\');
                rest = after;
            }
            [] => rest = &[],
        }
    }
    out.extend_from_slice(rest);
}

/// Appends `,name="value"` for each label, sorted by name and without the empty ones, which mean nothing. Names that
/// every line has from the target become `exported_…` as in Prometheus. `order` is only working space.
pub(super) fn push_labels(out: &mut Vec<u8>, labels: &[Label<'_>], own: &Labels, order: &mut Vec<usize>) {
    if labels.is_sorted_by(|one, two| one.name < two.name) {
        for label in labels {
            push_label(out, label, labels, own);
        }
        return;
    }
    order.clear();
    order.extend(0..labels.len());
    order.sort_unstable_by_key(|&index| labels.get(index).map(|label| label.name));
    for label in order.iter().filter_map(|&index| labels.get(index)) {
        push_label(out, label, labels, own);
    }
}

fn push_label(out: &mut Vec<u8>, label: &Label<'_>, all: &[Label<'_>], own: &Labels) {
    if label.escaped_value.is_empty() {
        return;
    }
    out.push(b',');
    if own.get(label.name).is_empty() {
        out.extend_from_slice(label.name.as_bytes());
    } else {
        let taken = |name: &str| !own.get(name).is_empty() || all.iter().any(|other| other.name == name);
        out.extend_from_slice(exported(label.name, taken).as_bytes());
    }
    out.extend_from_slice(b"=\"");
    push_escaped(out, label.escaped_value);
    out.push(b'"');
}

/// The name for a label whose own is the target's: `exported_` is put before it until nobody has the name.
pub(super) fn exported(name: &str, taken: impl Fn(&str) -> bool) -> String {
    let mut name = format!("exported_{name}");
    while taken(&name) {
        name.insert_str(0, "exported_");
    }
    name
}

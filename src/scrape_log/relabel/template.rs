//! What a rule makes of a match: text with `$1`, `${1}`, `$name` and `${name}` in it.
//!
//! The rules are those of Go's `Regexp.Expand`, which Prometheus uses: a name is as long as it can be, so that `$1x` is
//! the group named `1x`; a group that is missing or did not take part is empty; `$$` is a dollar sign, and so is a `$`
//! that no name follows.

use regex_lite::{Captures, Regex};

/// A text with places for groups, which are looked up once.
#[derive(Clone, Debug)]
pub(super) struct Template {
    parts: Vec<Part>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum Part {
    Text(String),
    /// A group, by its index.
    Group(usize),
}

impl Template {
    pub(super) fn new(source: &str, regex: &Regex) -> Self {
        let mut parts = Vec::new();
        let mut text = String::new();
        let mut rest = source;
        while let Some((before, after)) = rest.split_once('$') {
            text.push_str(before);
            rest = after;
            if let Some(after) = rest.strip_prefix('$') {
                text.push('$');
                rest = after;
            } else if let Some((name, after)) = reference(rest) {
                rest = after;
                if let Some(group) = group(name, regex) {
                    parts.push(Part::Text(std::mem::take(&mut text)));
                    parts.push(Part::Group(group));
                }
            } else {
                text.push('$');
            }
        }
        text.push_str(rest);
        parts.push(Part::Text(text));
        parts.retain(|part| *part != Part::Text(String::new()));
        Self { parts }
    }

    pub(super) fn expand(&self, captures: &Captures<'_>) -> String {
        let part = |part| match part {
            &Part::Group(index) => captures.get(index).map_or("", |group| group.as_str()),
            Part::Text(text) => text,
        };
        self.parts.iter().map(part).collect()
    }
}

/// The name behind a `$`, and what comes after it. `None` if it is not well formed.
fn reference(after_dollar: &str) -> Option<(&str, &str)> {
    let (inner, braced) = match after_dollar.strip_prefix('{') {
        Some(inner) => (inner, true),
        None => (after_dollar, false),
    };
    let end = inner.find(|c: char| !c.is_alphanumeric() && c != '_').unwrap_or(inner.len());
    let (name, after) = inner.split_at(end);
    let after = if braced { after.strip_prefix('}')? } else { after };
    (!name.is_empty()).then_some((name, after))
}

/// The index of a group by number or name. A number has no leading zero.
fn group(name: &str, regex: &Regex) -> Option<usize> {
    let is_number = name.bytes().all(|byte| byte.is_ascii_digit()) && (name == "0" || !name.starts_with('0'));
    if is_number {
        return name.parse().ok().filter(|index| *index < regex.captures_len());
    }
    regex.capture_names().position(|known| known == Some(name))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn as_in_go() {
        let regex = Regex::new("^(?:(?P<first>a+)(b+)?(c)?)$").unwrap();
        let captures = regex.captures("aac").unwrap();
        for (template, want) in [
            ("", ""),
            ("plain", "plain"),
            ("$1", "aa"),
            ("${1}", "aa"),
            ("$1-$3", "aa-c"),
            ("$1x", ""),
            ("${1}x", "aax"),
            ("$first", "aa"),
            ("<${first}>", "<aa>"),
            ("$0", "aac"),
            ("$2", ""),
            ("$9", ""),
            ("$01", ""),
            ("$99999999999999999999", ""),
            ("$$1", "$1"),
            ("$$$1", "$aa"),
            ("$", "$"),
            ("a$", "a$"),
            ("$-$1", "$-aa"),
            ("${", "${"),
            ("${}", "${}"),
            ("${1", "${1"),
            ("${1-}", "${1-}"),
            ("$nobody.", "."),
            ("$größe!", "!"),
        ] {
            assert_eq!(Template::new(template, &regex).expand(&captures), want, "{template}");
        }
    }
}

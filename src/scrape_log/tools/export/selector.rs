//! Series selectors as in PromQL: `node_cpu_seconds_total{mode!="idle",cpu=~"0|1"}`.
//!
//! The grammar is that of Prometheus' [querying basics]: `=`, `!=`, `=~` and `!~`, patterns that have to match the
//! whole value, and a label that is not there has the empty value.
//!
//! [querying basics]: https://prometheus.io/docs/prometheus/latest/querying/basics/#time-series-selectors

use std::iter::Peekable;
use std::str::{Chars, FromStr};

use regex_lite::Regex;

use crate::exposition::{is_label_name, is_metric_name};

/// Which series are wanted.
#[derive(Clone, Debug)]
pub(super) struct Selector(Vec<Matcher>);

#[derive(Clone, Debug)]
struct Matcher {
    label: String,
    wanted: Wanted,
    /// Whether what is wanted is not wanted.
    negated: bool,
}

#[derive(Clone, Debug)]
enum Wanted {
    Text(String),
    Pattern(Regex),
}

impl Selector {
    /// Whether the series with these labels is wanted; `value` gives a label's value, `__name__` being the name.
    pub(super) fn matches<V: AsRef<str>>(&self, value: impl Fn(&str) -> V) -> bool {
        self.0.iter().all(|matcher| matcher.matches(value(&matcher.label).as_ref()))
    }
}

impl Matcher {
    fn matches(&self, value: &str) -> bool {
        let found = match &self.wanted {
            Wanted::Text(text) => text == value,
            Wanted::Pattern(pattern) => pattern.is_match(value),
        };
        found != self.negated
    }
}

impl FromStr for Selector {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let failed = |problem: String| {
            format!(
                "{text:?} is not a series selector: {problem}, expected one such as up{{instance=\"db01:9100\"}}"
            )
        };
        read(text.trim()).map(Self).map_err(failed)
    }
}

fn read(text: &str) -> Result<Vec<Matcher>, String> {
    let (name, labels) = match text.find('{') {
        Some(at) => text.split_at(at),
        None => (text, ""),
    };
    let name = name.trim_end();
    let mut matchers = Vec::new();
    if !name.is_empty() {
        if !is_metric_name(name) {
            return Err(format!("{name:?} is not the name of a metric"));
        }
        let wanted = Wanted::Text(name.to_owned());
        matchers.push(Matcher { label: "__name__".to_owned(), wanted, negated: false });
    }
    let mut rest = labels.chars().peekable();
    if rest.next().is_some() {
        loop {
            skip_blanks(&mut rest);
            if rest.peek() == Some(&'}') {
                rest.next();
                break;
            }
            matchers.push(read_matcher(&mut rest)?);
            skip_blanks(&mut rest);
            match rest.next() {
                Some(',') => {}
                Some('}') => break,
                Some(other) => return Err(format!("there is {other:?} where a comma or }} has to be")),
                None => return Err("the } is missing".to_owned()),
            }
        }
    }
    let behind: String = rest.collect();
    if !behind.trim().is_empty() {
        return Err(format!("there is {:?} behind it", behind.trim()));
    }
    if matchers.is_empty() {
        return Err("it selects nothing in particular".to_owned());
    }
    Ok(matchers)
}

fn read_matcher(rest: &mut Peekable<Chars<'_>>) -> Result<Matcher, String> {
    let mut label = String::new();
    while let Some(next) = rest.next_if(|c| c.is_alphanumeric() || *c == '_') {
        label.push(next);
    }
    if label.is_empty() && rest.peek().is_none() {
        return Err("the } is missing".to_owned());
    }
    if !is_label_name(&label) {
        return Err(format!("{label:?} is not the name of a label"));
    }
    skip_blanks(rest);
    let (negated, pattern) = match (rest.next(), rest.next_if(|c| matches!(c, '=' | '~'))) {
        (Some('='), None) => (false, false),
        (Some('='), Some('~')) => (false, true),
        (Some('!'), Some('=')) => (true, false),
        (Some('!'), Some('~')) => (true, true),
        _ => return Err(format!("behind {label} has to be =, !=, =~ or !~")),
    };
    skip_blanks(rest);
    let value = read_string(rest).ok_or_else(|| format!("the value of {label} is not a string in quotes"))?;
    let wanted = if pattern {
        let anchored = format!("^(?s:{value})$");
        Wanted::Pattern(Regex::new(&anchored).map_err(|error| format!("the pattern of {label}: {error}"))?)
    } else {
        Wanted::Text(value)
    };
    Ok(Matcher { label, wanted, negated })
}

/// A string in double, single or back quotes; the last have no escapes.
fn read_string(rest: &mut Peekable<Chars<'_>>) -> Option<String> {
    let quote = rest.next_if(|c| matches!(c, '"' | '\'' | '`'))?;
    let mut value = String::new();
    loop {
        match rest.next()? {
            end if end == quote => return Some(value),
            '\\' if quote != '`' => value.push(match rest.next()? {
                'n' => '\n',
                't' => '\t',
                'r' => '\r',
                same @ ('\\' | '"' | '\'') => same,
                _ => return None,
            }),
            other => value.push(other),
        }
    }
}

fn skip_blanks(rest: &mut Peekable<Chars<'_>>) {
    while rest.next_if(|c| c.is_whitespace()).is_some() {}
}

#[cfg(test)]
mod tests {
    use super::*;

    fn matches(selector: &str) -> bool {
        let labels = [("__name__", "node_cpu_seconds_total"), ("cpu", "10"), ("mode", "a\nb")];
        let selector: Selector = selector.parse().unwrap();
        selector
            .matches(|label| labels.iter().find(|(name, _)| *name == label).map_or("", |(_, value)| value))
    }

    #[test]
    fn as_prometheus_does() {
        for (selector, want) in [
            ("node_cpu_seconds_total", true),
            ("node_cpu", false),
            ("node_cpu_seconds_total{}", true),
            ("{cpu=\"10\"}", true),
            ("{cpu=\"1\"}", false),
            ("{cpu!=\"1\"}", true),
            ("{cpu=~\"1\"}", false),
            ("{cpu=~\"1|10\"}", true),
            ("{cpu=~'1.*',}", true),
            ("{cpu!~\"1.+\"}", false),
            ("{mode=~\"a.b\"}", true),
            ("{mode=\"a\\nb\"}", true),
            ("{mode=~`a\\sb`}", true),
            ("{missing=\"\"}", true),
            ("{missing!=\"\"}", false),
            ("{missing=~\".*\"}", true),
            ("{__name__=~\"node_.+\"}", true),
            (" node_cpu_seconds_total { cpu = \"10\" , mode != \"idle\" } ", true),
            ("node_cpu_seconds_total{cpu=\"10\",mode=\"idle\"}", false),
        ] {
            assert_eq!(matches(selector), want, "{selector}");
        }
    }

    #[test]
    fn says_what_is_wrong() {
        for (selector, want) in [
            ("", "nothing in particular"),
            ("{}", "nothing in particular"),
            ("1up", "\"1up\" is not the name of a metric"),
            ("up{", "} is missing"),
            ("up{cpu}", "behind cpu"),
            ("up{cpu==\"1\"}", "behind cpu"),
            ("up{cpu=1}", "a string in quotes"),
            ("up{cpu=\"1}", "a string in quotes"),
            ("up{cpu=~\"(\"}", "the pattern of cpu"),
            ("up{cpu=\"1\" mode=\"x\"}", "'m' where a comma"),
            ("up{=\"1\"}", "\"\" is not the name of a label"),
            ("up{cpu=\"1\"}[5m]", "\"[5m]\" behind it"),
            ("rate(up)", "not the name of a metric"),
        ] {
            let error = selector.parse::<Selector>().unwrap_err();
            assert!(error.contains(want), "{selector}: {error}");
        }
    }
}

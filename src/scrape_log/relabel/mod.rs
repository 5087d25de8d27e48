//! Relabelling: rules that rewrite, keep and drop label sets.
//!
//! What each action does is in Prometheus' documentation of `relabel_config`. Rules are checked and compiled once, when
//! the configuration is read.

mod rule;
mod template;
#[cfg(test)]
mod tests;

use std::borrow::Cow;

use md5::{Digest, Md5};
use regex_lite::Regex;

use super::labels::Labels;
use crate::exposition::is_label_name;
use template::Template;

pub use rule::{Action, Mistake, Rule, Spec};

/// Applies the rules in their order. `None` if one of them drops the label set.
pub fn apply(rules: &[Rule], mut labels: Labels) -> Option<Labels> {
    rules.iter().all(|rule| rule.step().apply(&mut labels)).then_some(labels)
}

/// What a rule does, in the form that is quick to do.
#[derive(Clone, Debug)]
enum Step {
    Replace { source: Source, regex: Regex, target: Template, replacement: Template },
    Match { source: Source, regex: Regex, keep: bool },
    Equal { source: Source, target: String, keep: bool },
    HashMod { source: Source, target: String, modulus: u64 },
    Case { source: Source, target: String, upper: bool },
    LabelMap { regex: Regex, replacement: Template },
    LabelMatch { regex: Regex, keep: bool },
}

/// The text that a rule looks at: the values of labels with a separator in between.
#[derive(Clone, Debug)]
struct Source {
    labels: Vec<String>,
    separator: String,
}

impl Source {
    fn text<'a>(&self, labels: &'a Labels) -> Cow<'a, str> {
        match self.labels.as_slice() {
            [] => Cow::Borrowed(""),
            [only] => Cow::Borrowed(labels.get(only)),
            several => {
                let values: Vec<&str> = several.iter().map(|name| labels.get(name)).collect();
                Cow::Owned(values.join(&self.separator))
            }
        }
    }
}

impl Step {
    /// Whether the label set is kept.
    fn apply(&self, labels: &mut Labels) -> bool {
        match self {
            Self::Match { source, regex, keep } => return regex.is_match(&source.text(labels)) == *keep,
            Self::Equal { source, target, keep } => {
                return (source.text(labels) == labels.get(target)) == *keep;
            }
            Self::Replace { source, regex, target, replacement } => {
                let text = source.text(labels);
                let expanded = regex
                    .captures(&text)
                    .map(|captures| (target.expand(&captures), replacement.expand(&captures)));
                if let Some((name, value)) = expanded.filter(|(name, _)| is_label_name(name)) {
                    labels.set(name, value);
                }
            }
            Self::HashMod { source, target, modulus } => {
                let value = hash(&source.text(labels)) % modulus;
                labels.set(target, value.to_string());
            }
            Self::Case { source, target, upper } => {
                let value = with_case(&source.text(labels), *upper);
                labels.set(target, value);
            }
            Self::LabelMap { regex, replacement } => {
                let renamed = |name: &str| Some(replacement.expand(&regex.captures(name)?));
                let added: Vec<(String, String)> = labels
                    .iter()
                    .filter_map(|(name, value)| Some((renamed(name)?, value.to_owned())))
                    .filter(|(name, _)| is_label_name(name))
                    .collect();
                added.into_iter().for_each(|(name, value)| labels.set(name, value));
            }
            Self::LabelMatch { regex, keep } => labels.retain(|name, _| regex.is_match(name) == *keep),
        }
        true
    }
}

/// The number that `hashmod` divides: the second half of the MD5 sum, most significant byte first.
fn hash(text: &str) -> u64 {
    let sum: [u8; 16] = Md5::digest(text.as_bytes()).into();
    let [.., a, b, c, d, e, f, g, h] = sum;
    u64::from_be_bytes([a, b, c, d, e, f, g, h])
}

/// Changes the case of each character on its own, as Go does: what would become several characters stays.
fn with_case(text: &str, upper: bool) -> String {
    let alone = |character: char, mut changed: Box<dyn ExactSizeIterator<Item = char>>| match changed.len() {
        1 => changed.next().unwrap_or(character),
        _ => character,
    };
    let change = |character: char| match (character, upper) {
        (ascii, true) if ascii.is_ascii() => ascii.to_ascii_uppercase(),
        (ascii, false) if ascii.is_ascii() => ascii.to_ascii_lowercase(),
        (other, true) => alone(other, Box::new(other.to_uppercase())),
        (other, false) => alone(other, Box::new(other.to_lowercase())),
    };
    text.chars().map(change).collect()
}

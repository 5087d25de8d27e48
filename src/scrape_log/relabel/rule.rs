//! A rule as it is written, and the checks that Prometheus has for it.

use std::fmt;

use regex_lite::Regex;

use super::template::Template;
use super::{Source, Step};
use crate::exposition::is_label_name;

/// A rule of `relabel_configs` or `metric_relabel_configs`. Two rules are equal if they are written the same.
#[derive(Clone)]
pub struct Rule {
    spec: Spec,
    step: Step,
}

/// What can be written in a rule. The default is Prometheus'.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Spec {
    /// `source_labels`.
    pub source_labels: Vec<String>,
    /// `separator`, between the values of the source labels.
    pub separator: String,
    /// `regex`, which has to match all of the text.
    pub regex: String,
    /// `modulus`, for [`Action::HashMod`].
    pub modulus: u64,
    /// `target_label`; `""` where there is none.
    pub target_label: String,
    /// `replacement`.
    pub replacement: String,
    /// `action`.
    pub action: Action,
}

impl Default for Spec {
    fn default() -> Self {
        Self {
            source_labels: Vec::new(),
            separator: ";".to_owned(),
            regex: "(.*)".to_owned(),
            modulus: 0,
            target_label: String::new(),
            replacement: "$1".to_owned(),
            action: Action::Replace,
        }
    }
}

/// What a rule does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Action {
    /// Sets a label where the regex matches the source labels.
    Replace,
    /// Drops what the regex does not match.
    Keep,
    /// Drops what the regex matches.
    Drop,
    /// Drops what has something else in the target label than in the source labels.
    KeepEqual,
    /// Drops what has the same in the target label as in the source labels.
    DropEqual,
    /// Sets a label to a hash of the source labels modulo `modulus`.
    HashMod,
    /// Copies the labels whose names match to labels with the new name.
    LabelMap,
    /// Takes the labels away whose names match.
    LabelDrop,
    /// Takes the labels away whose names do not match.
    LabelKeep,
    /// Sets a label to the source labels in lower case.
    Lowercase,
    /// Sets a label to the source labels in upper case.
    Uppercase,
}

impl Action {
    /// All of them, with their names in the configuration.
    pub const ALL: [(&'static str, Self); 11] = [
        ("replace", Self::Replace),
        ("keep", Self::Keep),
        ("drop", Self::Drop),
        ("keepequal", Self::KeepEqual),
        ("dropequal", Self::DropEqual),
        ("hashmod", Self::HashMod),
        ("labelmap", Self::LabelMap),
        ("labeldrop", Self::LabelDrop),
        ("labelkeep", Self::LabelKeep),
        ("lowercase", Self::Lowercase),
        ("uppercase", Self::Uppercase),
    ];

    /// The action of that name, in any case.
    pub fn from_name(name: &str) -> Option<Self> {
        let is = |known: &str| known.eq_ignore_ascii_case(name);
        Self::ALL.into_iter().find_map(|(known, action)| is(known).then_some(action))
    }
}

impl fmt::Display for Action {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        let name = Self::ALL.iter().find(|(_, action)| action == self).map_or("", |(name, _)| name);
        out.write_str(name)
    }
}

/// Why a rule is none.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{text}")]
pub struct Mistake {
    /// The key of the rule that is to blame.
    pub key: &'static str,
    text: String,
}

impl Rule {
    /// Checks and compiles a rule.
    ///
    /// # Errors
    /// When Prometheus would not accept it either, or the regex has something that can't be done here.
    pub fn new(spec: Spec) -> Result<Self, Mistake> {
        spec.check()?;
        let step = spec.compile()?;
        Ok(Self { spec, step })
    }

    /// What the rule was made of.
    pub fn spec(&self) -> &Spec {
        &self.spec
    }

    pub(super) fn step(&self) -> &Step {
        &self.step
    }
}

impl PartialEq for Rule {
    fn eq(&self, other: &Self) -> bool {
        self.spec == other.spec
    }
}

impl Eq for Rule {}

impl fmt::Debug for Rule {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.spec.fmt(out)
    }
}

impl Spec {
    fn check(&self) -> Result<(), Mistake> {
        use Action as A;
        let action = self.action;
        let mistake = |key, text: String| Err(Mistake { key, text });
        match action {
            A::LabelDrop | A::LabelKeep => self.only(&["regex"])?,
            A::KeepEqual | A::DropEqual => self.only(&["source_labels", "target_label"])?,
            A::Lowercase | A::Uppercase if self.replacement != Self::default().replacement => {
                return mistake("replacement", format!("the action {action} takes no replacement"));
            }
            _ => {}
        }
        if action == A::HashMod && self.modulus == 0 {
            return mistake("modulus", "the action hashmod needs a modulus of at least 1".to_owned());
        }
        let target = self.target_label.as_str();
        let needs_target = matches!(
            action,
            A::Replace | A::HashMod | A::Lowercase | A::Uppercase | A::KeepEqual | A::DropEqual
        );
        if needs_target && target.is_empty() {
            return mistake("target_label", format!("the action {action} needs a target_label"));
        }
        let may_have_groups = action == A::Replace;
        if needs_target && !(is_label_name(target) || may_have_groups && is_name_with_groups(target)) {
            return mistake(
                "target_label",
                format!("{target:?} is no label name, expected letters, digits and _, no digit first"),
            );
        }
        if action == A::LabelMap && !is_name_with_groups(&self.replacement) {
            return mistake(
                "replacement",
                format!(
                    "{:?} makes no label names, expected letters, digits, _ and groups such as ${{1}}",
                    self.replacement
                ),
            );
        }
        Ok(())
    }

    /// Checks that nothing else than `keys` differs from the default.
    fn only(&self, keys: &[&str]) -> Result<(), Mistake> {
        let default = Self::default();
        let differs = [
            ("source_labels", !self.source_labels.is_empty()),
            ("target_label", !self.target_label.is_empty()),
            ("regex", self.regex != default.regex),
            ("modulus", self.modulus != default.modulus),
            ("separator", self.separator != default.separator),
            ("replacement", self.replacement != default.replacement),
        ];
        match differs.into_iter().find(|(key, differs)| *differs && !keys.contains(key)) {
            Some((key, _)) => {
                let text = format!("the action {} takes only {}, no {key}", self.action, keys.join(" and "));
                Err(Mistake { key, text })
            }
            None => Ok(()),
        }
    }

    fn compile(&self) -> Result<Step, Mistake> {
        let source = Source { labels: self.source_labels.clone(), separator: self.separator.clone() };
        let target = self.target_label.clone();
        let regex = compile(&self.regex).map_err(|text| Mistake { key: "regex", text })?;
        Ok(match self.action {
            Action::Replace => {
                let target = Template::new(&self.target_label, &regex);
                let replacement = Template::new(&self.replacement, &regex);
                Step::Replace { source, regex, target, replacement }
            }
            Action::Keep => Step::Match { source, regex, keep: true },
            Action::Drop => Step::Match { source, regex, keep: false },
            Action::KeepEqual => Step::Equal { source, target, keep: true },
            Action::DropEqual => Step::Equal { source, target, keep: false },
            Action::HashMod => Step::HashMod { source, target, modulus: self.modulus },
            Action::Lowercase => Step::Case { source, target, upper: false },
            Action::Uppercase => Step::Case { source, target, upper: true },
            Action::LabelMap => {
                let replacement = Template::new(&self.replacement, &regex);
                Step::LabelMap { regex, replacement }
            }
            Action::LabelDrop => Step::LabelMatch { regex, keep: false },
            Action::LabelKeep => Step::LabelMatch { regex, keep: true },
        })
    }
}

/// Letters, digits and `_`, any of them from groups such as `$1` and `${name}`; no digit at the start.
fn is_name_with_groups(text: &str) -> bool {
    let mut rest = text;
    while let Some(first) = rest.chars().next() {
        let word =
            |text: &str| text.find(|c: char| !c.is_ascii_alphanumeric() && c != '_').unwrap_or(text.len());
        let end = match (first, rest.strip_prefix("${")) {
            (_, Some(inner)) => {
                let name = word(inner);
                let closed = inner.split_at(name).1.starts_with('}');
                if name > 0 && closed { name + 3 } else { 0 }
            }
            ('$', None) => match word(rest.split_at(1).1) {
                0 => 0,
                name => name + 1,
            },
            ('0'..='9', None) if rest.len() == text.len() => 0,
            _ => word(rest),
        };
        if end == 0 {
            return false;
        }
        rest = rest.split_at(end).1;
    }
    !text.is_empty()
}

/// The regex that matches what `pattern` matches as a whole, its dots line ends too.
fn compile(pattern: &str) -> Result<Regex, String> {
    let whole = |pattern: &str| Regex::new(&format!("^(?s:{pattern})$"));
    whole(pattern).map_err(|error| {
        let reason = error.to_string();
        // The end of the shortest beginning that has the same mistake is where the mistake is.
        let mut beginnings =
            pattern.char_indices().map(|(at, first)| pattern.split_at(at + first.len_utf8()).0);
        let wrong = beginnings.find(|beginning| {
            beginning.len() > 1000 || Regex::new(beginning).is_err_and(|error| error.to_string() == reason)
        });
        match wrong.filter(|beginning| beginning.len() < pattern.len()) {
            Some(beginning) => {
                format!("the regex {pattern:?} can't be used from the end of {beginning:?} on: {reason}")
            }
            None => format!("the regex {pattern:?} can't be used: {reason}"),
        }
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_with_groups() {
        for text in ["a", "_a1", "$1", "${1}", "a_${name}_b", "$name", "${1}${2}", "__param_$1", "${1}2"] {
            assert!(is_name_with_groups(text), "{text}");
        }
        for text in ["", "1a", "a-b", "$", "${", "${}", "${a", "${a-b}", "a$", "$-", "a b", "ä", "$$"] {
            assert!(!is_name_with_groups(text), "{text}");
        }
    }

    #[test]
    fn a_regex_that_can_not_be_done_is_told_with_the_part() {
        for (pattern, wants) in [
            (r"db\p{Lu}+", &[r#""db\\p{Lu}+""#, r#"the end of "db\\p" on"#, "Unicode"][..]),
            ("a(b", &["can't be used", "group"]),
            ("(?=x)y", &["look-around"]),
            ("[z-a]b", &[r#""[z-a""#, "range"]),
        ] {
            let error = compile(pattern).unwrap_err();
            for want in wants {
                assert!(error.contains(want), "{pattern}: {error}");
            }
        }
    }

    #[test]
    fn rules_are_compared_as_written() {
        let rule = |regex: &str| {
            Rule::new(Spec { regex: regex.to_owned(), action: Action::Drop, ..Spec::default() }).unwrap()
        };
        assert_eq!(rule("a|b"), rule("a|b"));
        assert_ne!(rule("a|b"), rule("b|a"));
        assert!(format!("{:?}", rule("a|b")).contains("a|b"));
    }
}

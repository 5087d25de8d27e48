//! Reading a mapping key by key. What is asked for is what is known: at the end, anything else is a mistake.

use std::time::Duration;

use super::LONGEST_TIME;
use super::report::{Report, may_have_secrets};
use super::yaml::{At, Key, Kind, Node, Position, Scalar, Value};
use crate::base::near::nearest;
use crate::base::{duration, size};
use crate::web::client::Secret;

/// A mapping that is being read.
pub(super) struct Fields<'a> {
    /// Where it begins.
    pub(super) at: Position,
    section: &'static str,
    report: &'a Report<'a>,
    /// What was not asked for yet.
    left: Vec<(Key, Node)>,
    known: Vec<&'static str>,
    has_secrets: bool,
}

impl<'a> Fields<'a> {
    /// Begins to read. `section` is its name in messages. Nothing is an empty mapping.
    pub(super) fn open(node: Node, section: &'static str, report: &'a Report<'a>) -> Option<Self> {
        let left = match node.value {
            Value::Map(left) => left,
            Value::Null => Vec::new(),
            other => {
                report.problem(node.at, format!("{section} has to be a mapping, found {}", other.name()));
                return None;
            }
        };
        Some(Self { at: node.at, section, report, left, known: Vec::new(), has_secrets: false })
    }

    /// From here on no line of this mapping is shown.
    pub(super) fn with_secrets(mut self) -> Self {
        self.has_secrets = true;
        self
    }

    pub(super) fn report(&self) -> &'a Report<'a> {
        self.report
    }

    pub(super) fn problem(&self, at: Position, message: impl Into<String>) {
        if self.has_secrets {
            self.report.problem_with_secret(at, message);
        } else {
            self.report.problem(at, message);
        }
    }

    /// The value of a key. `None` if it is missing or null.
    pub(super) fn take(&mut self, key: &'static str) -> Option<Node> {
        self.entry(key).map(|(_, node)| node).filter(|node| node.value != Value::Null)
    }

    /// Whether a key has a list with something in it.
    pub(super) fn has_entries(&self, key: &str) -> bool {
        let is = |(found, node): &(Key, Node)| {
            found.value == key && matches!(&node.value, Value::List(list) if !list.is_empty())
        };
        self.left.iter().any(is)
    }

    fn entry(&mut self, key: &'static str) -> Option<(Key, Node)> {
        self.known.push(key);
        let index = self.left.iter().position(|(found, _)| found.value == key)?;
        Some(self.left.remove(index))
    }

    fn scalar(&mut self, key: &'static str, expected: &str) -> Option<At<Scalar>> {
        let node = self.take(key)?;
        match node.value {
            Value::Scalar(value) => Some(At { at: node.at, value }),
            other => {
                self.problem(node.at, format!("{key} has to be {expected}, found {}", other.name()));
                None
            }
        }
    }

    pub(super) fn text(&mut self, key: &'static str) -> Option<At<String>> {
        self.scalar(key, "a text").map(|scalar| scalar.map(|scalar| scalar.text))
    }

    pub(super) fn flag(&mut self, key: &'static str) -> Option<At<bool>> {
        let scalar = self.scalar(key, "true or false")?;
        if let Kind::Bool(value) = scalar.value.kind {
            return Some(At { at: scalar.at, value });
        }
        self.problem(scalar.at, format!("{key} has to be true or false, without quotes"));
        None
    }

    pub(super) fn count(&mut self, key: &'static str) -> Option<At<u64>> {
        let scalar = self.scalar(key, "a whole number")?;
        if let Kind::Count(value) = scalar.value.kind {
            return Some(At { at: scalar.at, value });
        }
        self.problem(scalar.at, format!("{key} has to be a whole number of at least 0, without quotes"));
        None
    }

    /// A limit, where 0 is none.
    pub(super) fn limit(&mut self, key: &'static str) -> Option<usize> {
        usize::try_from(self.count(key)?.value).ok().filter(|limit| *limit > 0)
    }

    /// A limit in bytes, where 0 is none.
    pub(super) fn size_limit(&mut self, key: &'static str) -> Option<usize> {
        let text = self.text(key)?;
        match size::parse(&text.value) {
            Ok(bytes) => usize::try_from(bytes).ok().filter(|bytes| *bytes > 0),
            Err(problem) => {
                self.problem(text.at, format!("{key}: {problem}"));
                None
            }
        }
    }

    /// A duration in Prometheus' spelling, which has no fractions and nothing below a millisecond. 0 is as if the key
    /// were missing.
    pub(super) fn duration(&mut self, key: &'static str) -> Option<At<Duration>> {
        let text = self.text(key)?;
        let plain = |c: char| c.is_ascii_digit() || matches!(c, 'y' | 'w' | 'd' | 'h' | 'm' | 's');
        let parsed = match duration::parse(&text.value) {
            Ok(_) if !text.value.chars().all(plain) => {
                Err("expected whole numbers with the units y, w, d, h, m, s and ms, such as 1m30s".to_owned())
            }
            Ok(value) if value > LONGEST_TIME => Err("expected at most a year".to_owned()),
            other => other,
        };
        match parsed {
            Ok(value) => Some(At { at: text.at, value }).filter(|duration| !duration.value.is_zero()),
            Err(problem) => {
                self.problem(text.at, format!("{key}: {problem}"));
                None
            }
        }
    }

    /// A list, empty if the key is missing.
    pub(super) fn list(&mut self, key: &'static str) -> Vec<Node> {
        match self.take(key) {
            Some(Node { value: Value::List(list), .. }) => list,
            Some(other) => {
                self.problem(other.at, format!("{key} has to be a list, found {}", other.value.name()));
                Vec::new()
            }
            None => Vec::new(),
        }
    }

    /// A list of texts, empty if the key is missing.
    pub(super) fn texts(&mut self, key: &'static str) -> Vec<At<String>> {
        let list = self.list(key);
        list.into_iter().filter_map(|node| self.entry_text(key, node)).collect()
    }

    pub(super) fn entry_text(&self, key: &str, node: Node) -> Option<At<String>> {
        let value = match node.value {
            Value::Scalar(scalar) => scalar.text,
            Value::Null => String::new(),
            other => {
                self.problem(
                    node.at,
                    format!("the entries of {key} have to be texts, found {}", other.name()),
                );
                return None;
            }
        };
        Some(At { at: node.at, value })
    }

    /// A mapping with keys of the writer's own, such as labels.
    pub(super) fn map(&mut self, key: &'static str) -> Vec<(Key, Node)> {
        match self.take(key) {
            Some(Node { value: Value::Map(map), .. }) => map,
            Some(other) => {
                self.problem(other.at, format!("{key} has to be a mapping, found {}", other.value.name()));
                Vec::new()
            }
            None => Vec::new(),
        }
    }

    /// A mapping below this one. A key without a value is an empty mapping.
    pub(super) fn section(&mut self, key: &'static str) -> Option<Fields<'a>> {
        let (_, node) = self.entry(key)?;
        Fields::open(node, key, self.report)
    }

    /// The mappings of a list below this one.
    pub(super) fn sections(&mut self, key: &'static str) -> Vec<Fields<'a>> {
        let list = self.list(key);
        let open = |node: Node| {
            if node.value == Value::Null {
                self.problem(node.at, format!("an entry of {key} is empty: fill it in or leave it out"));
                return None;
            }
            Fields::open(node, key, self.report)
        };
        list.into_iter().filter_map(open).collect()
    }

    /// A secret, given as `key` or as the path of a file in `file_key`.
    pub(super) fn secret(&mut self, key: &'static str, file_key: &'static str) -> Option<At<Secret>> {
        let shown = std::mem::replace(&mut self.has_secrets, true);
        let (text, file) = (self.text(key), self.text(file_key));
        self.has_secrets = shown;
        match (text, file) {
            (Some(_), Some(file)) => {
                let message =
                    format!("{key} and {file_key} are both given in {}, expected one", self.section);
                self.report.problem_with_secret(file.at, message);
                None
            }
            (Some(text), None) => Some(text.map(Secret::Text)),
            (None, Some(file)) => {
                let path = self.resolve(&file.value);
                Some(At { at: file.at, value: Secret::File(path) })
            }
            (None, None) => None,
        }
    }

    /// A path as seen from the directory of the configuration.
    pub(super) fn resolve(&self, path: &str) -> std::path::PathBuf {
        self.report.path().parent().map_or_else(|| path.into(), |directory| directory.join(path))
    }

    /// Accepts keys that change nothing here.
    pub(super) fn pass_over(&mut self, keys: &[&'static str]) {
        for key in keys {
            let _ignored: Option<Node> = self.take(key);
        }
    }

    /// Which of the keys are there. They are accepted.
    pub(super) fn present(&mut self, keys: &[&'static str]) -> Vec<Key> {
        keys.iter().filter_map(|key| self.entry(key)).map(|(key, _)| key).collect()
    }

    /// Refuses keys that mean something that can't be done.
    pub(super) fn refuse(&mut self, keys: &[&'static str], remedy: &str) {
        for key in self.present(keys) {
            let message = format!("{} is not supported in {}: {remedy}", key.value, self.section);
            self.report.problem_with_secret(key.at, message);
        }
    }

    /// Everything was asked for: what is left is a mistake. Returns whether there was none.
    pub(super) fn finish(self) -> bool {
        for (key, _) in &self.left {
            let Self { section, known, .. } = &self;
            let meant = nearest(&key.value, known.iter().copied());
            let hint = match meant {
                Some(meant) => format!(", did you mean {meant:?}?"),
                None if known.len() < 10 => format!(", expected {}", known.join(", ")),
                None => String::new(),
            };
            let message = format!("unknown key {:?} in {section}{hint}", key.value);
            if meant.is_some_and(may_have_secrets) {
                self.report.problem_with_secret(key.at, message);
            } else {
                self.problem(key.at, message);
            }
        }
        self.left.is_empty()
    }
}

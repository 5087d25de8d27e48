//! The flags of collectors, declared beside the collector and read by whoever makes the command line.

use std::collections::{HashMap, HashSet};
use std::time::Duration;

use regex_lite::Regex;

use super::Filter;
use crate::base::duration;
use crate::host::Root;

/// A flag of one collector. On the command line it is `--collector.` and the name.
#[derive(Clone, Copy, Debug)]
pub struct Flag {
    /// The name without `--collector.`, for example `filesystem.mount-timeout`.
    pub name: &'static str,
    /// What it takes, and what holds without it.
    pub kind: FlagKind,
    /// What it does, in one line.
    pub help: &'static str,
    /// Left out of `--help`, as in node_exporter.
    pub hidden: bool,
    /// The flag that this one is an old name of.
    pub alias_of: Option<&'static str>,
}

impl Flag {
    /// A flag that `--help` shows.
    pub const fn new(name: &'static str, kind: FlagKind, help: &'static str) -> Self {
        Self { name, kind, help, hidden: false, alias_of: None }
    }

    /// The same flag, left out of `--help`.
    pub const fn hidden(self) -> Self {
        Self { hidden: true, ..self }
    }

    /// A hidden old name of `of`.
    pub const fn alias(name: &'static str, of: &'static str, kind: FlagKind) -> Self {
        Self { name, kind, help: "Old name of another flag.", hidden: true, alias_of: Some(of) }
    }
}

/// The kinds of values with their defaults.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FlagKind {
    /// `--collector.x` or `--no-collector.x`.
    Switch(bool),
    /// A regular expression, not anchored; empty is none.
    Pattern(&'static str),
    /// A duration with a unit.
    Duration(&'static str),
    /// A whole number from 1.
    Count(usize),
    /// Text, any number of times.
    List,
}

/// A problem with flags that shows only when a collector is made. Names the flag.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct BuildError(pub String);

#[derive(Clone, Debug)]
enum Value {
    Switch(bool),
    Pattern(Option<Regex>),
    Duration(Duration),
    Count(usize),
    List(Vec<String>),
}

/// How the machine's last run ended.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct LastShutdown {
    /// Whether it was shut down; `None` if nobody knows.
    pub clean: Option<bool>,
    /// When it was last alive, in seconds since 1970 UTC.
    pub alive_seconds: Option<f64>,
    /// The runs without a shutdown since this is watched.
    pub unclean_total: u64,
}

/// What collectors are made from: the host's root and the flags that were given.
#[derive(Clone, Debug, Default)]
pub struct Settings {
    /// The host to read.
    pub root: Root,
    /// How the machine's last run ended, where that is being watched.
    pub last_shutdown: Option<LastShutdown>,
    given: HashMap<&'static str, Value>,
    running: HashSet<&'static str>,
}

impl Settings {
    /// Default flags on the host at `root`.
    pub fn new(root: Root) -> Self {
        Self { root, ..Self::default() }
    }

    /// The same settings for a set of the collectors `names`.
    pub(super) fn for_set(&self, names: impl Iterator<Item = &'static str>) -> Self {
        Self { running: names.collect(), ..self.clone() }
    }

    /// Whether the collector `name` is in the set that is being made. For two that could both give one family.
    pub fn runs(&self, name: &str) -> bool {
        self.running.contains(name)
    }

    /// Takes one given flag. Switches take `true` or `false`. Old names come behind the new ones.
    ///
    /// # Errors
    /// A sentence that says what was wrong with the value and what is expected, without the flag's name.
    pub fn set(&mut self, flag: &'static Flag, text: &str) -> Result<(), String> {
        let value = read(flag.kind, text)?;
        let name = match flag.alias_of {
            Some(_) if text.is_empty() => return Ok(()), // the default of old names, which stands for none
            Some(name) if self.given.contains_key(name) => {
                return Err(format!("it is an old name of --collector.{name}, which was given too: drop it"));
            }
            Some(name) => name,
            None => flag.name,
        };
        match (value, self.given.get_mut(name)) {
            (Value::List(more), Some(Value::List(list))) => list.extend(more),
            (value, _) => {
                self.given.insert(name, value);
            }
        }
        Ok(())
    }

    /// The value of a [`FlagKind::Switch`].
    pub fn switch(&self, flag: &Flag) -> bool {
        matches!(self.value(flag), Value::Switch(true))
    }

    /// The value of a [`FlagKind::Pattern`]; `None` for an empty one.
    pub fn pattern(&self, flag: &Flag) -> Option<Regex> {
        match self.value(flag) {
            Value::Pattern(pattern) => pattern,
            _ => None,
        }
    }

    /// The value of a [`FlagKind::Duration`].
    pub fn duration(&self, flag: &Flag) -> Duration {
        match self.value(flag) {
            Value::Duration(duration) => duration,
            _ => Duration::ZERO,
        }
    }

    /// The value of a [`FlagKind::Count`].
    pub fn count(&self, flag: &Flag) -> usize {
        match self.value(flag) {
            Value::Count(count) => count,
            _ => 1,
        }
    }

    /// The values of a [`FlagKind::List`].
    pub fn list(&self, flag: &Flag) -> Vec<String> {
        match self.value(flag) {
            Value::List(list) => list,
            _ => Vec::new(),
        }
    }

    /// The filter of an include and an exclude flag that work together, as those pairs do which node_exporter takes.
    pub fn both(&self, include: &Flag, exclude: &Flag) -> Filter {
        Filter::new(self.pattern(include), self.pattern(exclude))
    }

    /// The filter of an include or an exclude flag, where node_exporter refuses to be given both. A given include
    /// replaces the default exclude.
    ///
    /// # Errors
    /// When both were given.
    pub fn filter(&self, include: &Flag, exclude: &Flag) -> Result<Filter, BuildError> {
        match (self.pattern(include), self.pattern(exclude)) {
            (Some(_), Some(_)) if self.given.contains_key(exclude.name) => Err(BuildError(format!(
                "--collector.{} and --collector.{} were both given: give one of them, or make the other empty",
                include.name, exclude.name
            ))),
            (Some(include), _) => Ok(Filter::new(Some(include), None)),
            (None, exclude) => Ok(Filter::new(None, exclude)),
        }
    }

    fn value(&self, flag: &Flag) -> Value {
        if let Some(value) = self.given.get(flag.name) {
            return value.clone();
        }
        match flag.kind {
            FlagKind::Switch(default) => Value::Switch(default),
            FlagKind::Count(default) => Value::Count(default),
            FlagKind::List => Value::List(Vec::new()),
            // Defaults are constants; a test reads each of them.
            FlagKind::Pattern(text) | FlagKind::Duration(text) => {
                read(flag.kind, text).unwrap_or(Value::Pattern(None))
            }
        }
    }
}

fn read(kind: FlagKind, text: &str) -> Result<Value, String> {
    match kind {
        FlagKind::Switch(_) => match text {
            "true" => Ok(Value::Switch(true)),
            "false" => Ok(Value::Switch(false)),
            _ => Err(format!("{text:?} is neither true nor false")),
        },
        FlagKind::Pattern(_) if text.is_empty() => Ok(Value::Pattern(None)),
        FlagKind::Pattern(_) => match Regex::new(&without_captures(text)) {
            Ok(pattern) => Ok(Value::Pattern(Some(pattern))),
            Err(error) => Err(format!("{text:?} is not a regular expression: {error}")),
        },
        FlagKind::Duration(_) => duration::parse(text).map(Value::Duration),
        FlagKind::Count(_) => match text.parse() {
            Ok(count) if count > 0 => Ok(Value::Count(count)),
            _ => Err(format!("{text:?} is not a whole number from 1")),
        },
        FlagKind::List => Ok(Value::List(vec![text.to_owned()])),
    }
}

/// The same pattern with groups that capture nothing. What they capture is never asked for, and it would take memory
/// for each group in each state of the matcher.
fn without_captures(pattern: &str) -> String {
    let mut made = String::with_capacity(pattern.len() + 16);
    let mut characters = pattern.chars().peekable();
    while let Some(character) = characters.next() {
        made.push(character);
        match character {
            '\\' => made.extend(characters.next()),
            '(' if characters.peek() != Some(&'?') => made.push_str("?:"),
            '[' => {
                // A bracket that comes first, or first behind a caret, does not end the class.
                made.extend(characters.next_if_eq(&'^'));
                made.extend(characters.next_if_eq(&']'));
                while let Some(character) = characters.next() {
                    made.push(character);
                    match character {
                        '\\' => made.extend(characters.next()),
                        '[' if characters.peek() == Some(&':') => {
                            for character in characters.by_ref() {
                                made.push(character);
                                if character == ']' {
                                    break;
                                }
                            }
                        }
                        ']' => break,
                        _ => {}
                    }
                }
            }
            _ => {}
        }
    }
    made
}

#[cfg(test)]
mod tests {
    use super::*;

    const INCLUDE: Flag = Flag::new("x.include", FlagKind::Pattern(""), "");
    const EXCLUDE: Flag = Flag::new("x.exclude", FlagKind::Pattern("^lo"), "");

    #[test]
    fn every_default_in_the_table_is_valid() {
        for flag in crate::collectors::COLLECTORS.iter().flat_map(|spec| spec.flags) {
            if let FlagKind::Pattern(text) | FlagKind::Duration(text) = flag.kind {
                assert!(read(flag.kind, text).is_ok(), "{}: {text}", flag.name);
            }
        }
    }

    #[test]
    fn a_given_include_replaces_the_default_exclude() {
        let mut settings = Settings::default();
        let mut filter = settings.filter(&INCLUDE, &EXCLUDE).unwrap();
        assert_eq!((filter.keeps(b"lo"), filter.keeps(b"eth0"), filter.keeps(b"eth0")), (false, true, true));
        settings.set(&INCLUDE, "lo|\u{fffd}").unwrap();
        let mut filter = settings.filter(&INCLUDE, &EXCLUDE).unwrap();
        assert_eq!((filter.keeps(b"lo"), filter.keeps(b"eth0"), filter.keeps(b"\xff")), (true, false, true));
        settings.set(&EXCLUDE, "x").unwrap();
        assert!(settings.filter(&INCLUDE, &EXCLUDE).unwrap_err().0.contains("--collector.x.include"));
        settings.set(&EXCLUDE, "").unwrap();
        assert!(settings.filter(&INCLUDE, &EXCLUDE).is_ok());
    }

    #[test]
    fn an_old_name_stands_for_the_new_one_or_is_refused_beside_it() {
        const OLD: Flag = Flag::alias("x.ignored", EXCLUDE.name, FlagKind::Pattern(""));
        let mut settings = Settings::default();
        settings.set(&OLD, "").unwrap();
        assert!(!settings.filter(&INCLUDE, &EXCLUDE).unwrap().keeps(b"lo"), "the default holds");
        settings.set(&OLD, "eth").unwrap();
        assert!(!settings.filter(&INCLUDE, &EXCLUDE).unwrap().keeps(b"eth0"));
        assert!(settings.set(&OLD, "veth").unwrap_err().contains("--collector.x.exclude"));
    }

    #[test]
    fn groups_match_the_same_without_capturing() {
        for (pattern, want) in [
            ("^(a|b(c))$", "^(?:a|b(?:c))$"),
            ("(?i)x(?:y)(z)", "(?i)x(?:y)(?:z)"),
            (r"\((\\)", r"\((?:\\)"),
            ("[(](x)[^](](y)[]()](z)", "[(](?:x)[^](](?:y)[]()](?:z)"),
            ("[[:alpha:](](x)", "[[:alpha:](](?:x)"),
            (r"[\](](x", r"[\](](?:x"),
            ("[(", "[("),
            ("[[:a", "[[:a"),
        ] {
            assert_eq!(without_captures(pattern), want, "{pattern}");
        }
    }

    #[test]
    fn bad_values_are_refused() {
        let mut settings = Settings::default();
        assert!(settings.set(&INCLUDE, "(").unwrap_err().contains("not a regular expression"));
    }
}

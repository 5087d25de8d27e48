//! YAML as a tree in which every key and value knows where it stands.
//!
//! A scalar keeps its text as it was written, so that the label value `1.10` stays `1.10`. The parser bounds what
//! aliases can grow to, and a file with the same key twice in a mapping is refused.

use std::fmt;

use serde::de::{Deserialize, Deserializer, IgnoredAny, MapAccess, SeqAccess, Visitor};
use serde_saphyr::options::{DuplicateKeyPolicy, NonFiniteFloatPolicy};
use serde_saphyr::{Location, Options, SnippetMode, Spanned, UserMessageFormatter};

/// A place in a file, both counted from 1.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Position {
    /// The line.
    pub line: usize,
    /// The column, in characters.
    pub column: usize,
}

impl fmt::Display for Position {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(out, "{}:{}", self.line, self.column)
    }
}

/// Something that was read, and where.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct At<T> {
    pub(super) at: Position,
    pub(super) value: T,
}

impl<T> At<T> {
    pub(super) fn map<U>(self, change: impl FnOnce(T) -> U) -> At<U> {
        At { at: self.at, value: change(self.value) }
    }
}

pub(super) type Node = At<Value>;
pub(super) type Key = At<String>;

#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Value {
    Null,
    Scalar(Scalar),
    List(Vec<Node>),
    Map(Vec<(Key, Node)>),
}

/// A scalar that is not null.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Scalar {
    /// As it was written, without quotes.
    pub(super) text: String,
    pub(super) kind: Kind,
}

/// What a scalar is by itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    Text,
    Bool(bool),
    /// A whole number that is not negative.
    Count(u64),
    /// Any other number.
    Number,
}

impl Value {
    /// What it is, for messages.
    pub(super) fn name(&self) -> &'static str {
        match self {
            Self::Null => "nothing",
            Self::Scalar(_) => "a plain value",
            Self::List(_) => "a list",
            Self::Map(_) => "a mapping",
        }
    }
}

/// Why a text is no YAML.
#[derive(Debug)]
pub(super) struct Mistake {
    pub(super) at: Option<Position>,
    pub(super) message: String,
}

/// Reads the one document of a file.
pub(super) fn parse(source: &str) -> Result<Node, Mistake> {
    let root: Spanned<Shape> = serde_saphyr::from_str_with_options(source, options()).map_err(mistake)?;
    Ok(node(root, source))
}

/// Checks that a text is JSON (RFC 8259).
pub(super) fn check_json(source: &str) -> Result<(), Mistake> {
    let checked = serde_json::from_str(source);
    checked.map(|IgnoredAny| ()).map_err(|error| {
        let text = error.to_string();
        let text = text.split(" at line ").next().unwrap_or_default();
        let at = Position { line: error.line().max(1), column: error.column().max(1) };
        Mistake { at: Some(at), message: format!("this is no JSON that can be read: {text}") }
    })
}

/// Keys count too. Reading takes some 100 bytes for each.
const MAX_VALUES: usize = 500_000;

/// Room for tens of thousands of targets; nothing in a configuration is nested deeper than 10. An alias may stand for a
/// list of rules in any number of jobs, so only the sum of what aliases grow to is bounded.
fn options() -> Options {
    serde_saphyr::options! {
        budget: serde_saphyr::budget! {
            max_nodes: MAX_VALUES,
            max_events: 1_000_000,
            max_depth: 20,
            flow_nesting_limit: 20,
            enforce_alias_anchor_ratio: false,
        },
        duplicate_keys: DuplicateKeyPolicy::Error,
        legacy_octal_numbers: true,
        non_finite_float_policy: NonFiniteFloatPolicy::PassThrough,
    }
}

fn mistake(error: serde_saphyr::Error) -> Mistake {
    // The lines around the mistake may have passwords in them.
    let rendering = serde_saphyr::render_options! {
        formatter: &UserMessageFormatter,
        snippets: SnippetMode::Off,
    };
    let at = error.location().map(position);
    let message = match error.without_snippet() {
        serde_saphyr::Error::DuplicateMappingKey { key: Some(key), .. } => {
            format!("the key {key:?} was given before in this mapping")
        }
        serde_saphyr::Error::MultipleDocuments { .. } => {
            "a second document begins here, expected one: leave out what begins with ---".to_owned()
        }
        other => {
            let text = other.render_with_options(rendering);
            let text = text.split(" at line ").next().unwrap_or_default();
            // The error may be wrapped in others, but not its text.
            if text.contains("too large or too complex") {
                format!(
                    "it is nested too deeply, or has more than {MAX_VALUES} values: make several files of it"
                )
            } else {
                format!("this is no YAML that can be read: {text}")
            }
        }
    };
    Mistake { at, message }
}

fn position(location: Location) -> Position {
    let number = |number: u64| usize::try_from(number).unwrap_or(usize::MAX).max(1);
    Position { line: number(location.line()), column: number(location.column()) }
}

/// A value as the parser gives it: scalars that are no text lack their spelling.
enum Shape {
    Null,
    Text(String),
    Typed(Kind),
    List(Vec<Spanned<Shape>>),
    Map(Vec<(Spanned<String>, Spanned<Shape>)>),
}

fn node(spanned: Spanned<Shape>, source: &str) -> Node {
    let defined = spanned.defined;
    let value = match spanned.value {
        Shape::Null => Value::Null,
        Shape::Text(text) => Value::Scalar(Scalar { text, kind: Kind::Text }),
        Shape::Typed(kind) => Value::Scalar(Scalar { text: spelling(defined, source), kind }),
        Shape::List(list) => Value::List(list.into_iter().map(|entry| node(entry, source)).collect()),
        Shape::Map(map) => {
            let entry = |(key, value): (Spanned<String>, Spanned<Shape>)| {
                (At { at: position(key.defined), value: key.value }, node(value, source))
            };
            Value::Map(map.into_iter().map(entry).collect())
        }
    };
    At { at: position(defined), value }
}

/// The text of a scalar without quotes, which is on one line.
fn spelling(location: Location, source: &str) -> String {
    let span = location.span();
    let range = span.byte_offset().zip(span.byte_len()).and_then(|(start, length)| {
        let start = usize::try_from(start).ok()?;
        Some(start..start.checked_add(usize::try_from(length).ok()?)?)
    });
    range.and_then(|range| source.get(range)).unwrap_or_default().trim().to_owned()
}

impl<'de> Deserialize<'de> for Shape {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(ShapeVisitor)
    }
}

struct ShapeVisitor;

impl<'de> Visitor<'de> for ShapeVisitor {
    type Value = Shape;

    fn expecting(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str("a value")
    }

    fn visit_unit<E>(self) -> Result<Shape, E> {
        Ok(Shape::Null)
    }

    fn visit_none<E>(self) -> Result<Shape, E> {
        Ok(Shape::Null)
    }

    fn visit_bool<E>(self, value: bool) -> Result<Shape, E> {
        Ok(Shape::Typed(Kind::Bool(value)))
    }

    fn visit_u64<E>(self, value: u64) -> Result<Shape, E> {
        Ok(Shape::Typed(Kind::Count(value)))
    }

    fn visit_i64<E>(self, value: i64) -> Result<Shape, E> {
        Ok(Shape::Typed(u64::try_from(value).map_or(Kind::Number, Kind::Count)))
    }

    fn visit_u128<E>(self, _: u128) -> Result<Shape, E> {
        Ok(Shape::Typed(Kind::Number))
    }

    fn visit_i128<E>(self, _: i128) -> Result<Shape, E> {
        Ok(Shape::Typed(Kind::Number))
    }

    fn visit_f64<E>(self, _: f64) -> Result<Shape, E> {
        Ok(Shape::Typed(Kind::Number))
    }

    fn visit_str<E>(self, value: &str) -> Result<Shape, E> {
        Ok(Shape::Text(value.to_owned()))
    }

    fn visit_string<E>(self, value: String) -> Result<Shape, E> {
        Ok(Shape::Text(value))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut access: A) -> Result<Shape, A::Error> {
        let mut list = Vec::new();
        while let Some(entry) = access.next_element()? {
            list.push(entry);
        }
        Ok(Shape::List(list))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut access: A) -> Result<Shape, A::Error> {
        let mut map = Vec::new();
        while let Some(entry) = access.next_entry()? {
            map.push(entry);
        }
        Ok(Shape::Map(map))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn entries(source: &str) -> Vec<(Key, Node)> {
        match parse(source).unwrap().value {
            Value::Map(map) => map,
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn scalars_keep_their_spelling() {
        for (written, text, kind) in [
            ("abc", "abc", Kind::Text),
            ("\"1\"", "1", Kind::Text),
            ("'true'", "true", Kind::Text),
            ("1.10", "1.10", Kind::Number),
            ("007", "007", Kind::Count(7)),
            ("0x10", "0x10", Kind::Count(16)),
            ("-5", "-5", Kind::Number),
            ("1e3", "1e3", Kind::Number),
            (".inf", ".inf", Kind::Number),
            ("yes", "yes", Kind::Bool(true)),
            ("99999999999999999999999", "99999999999999999999999", Kind::Number),
            ("2001-01-01", "2001-01-01", Kind::Text),
            ("15s  # often", "15s", Kind::Text),
        ] {
            let root = parse(&format!("# ü\nkey: {written}\n")).unwrap();
            let Value::Map(map) = root.value else { panic!("no map") };
            let (key, node) = &map[0];
            assert_eq!(key.at, Position { line: 2, column: 1 });
            assert_eq!(node.at, Position { line: 2, column: 6 });
            assert_eq!(node.value, Value::Scalar(Scalar { text: text.to_owned(), kind }), "{written}");
        }
    }

    #[test]
    fn everything_has_its_place() {
        let map = entries("a: ~\nb:\n  - x\n  - {y: z}\nempty:\n");
        let places: Vec<String> =
            map.iter().map(|(key, node)| format!("{}@{} {}", key.value, key.at, node.at)).collect();
        assert_eq!(places, ["a@1:1 1:4", "b@2:1 3:3", "empty@5:1 5:6"]);
        assert_eq!((&map[0].1.value, &map[2].1.value), (&Value::Null, &Value::Null));
        let Value::List(list) = &map[1].1.value else { panic!("no list") };
        assert_eq!((list[0].at.to_string(), list[1].at.to_string()), ("3:5".to_owned(), "4:5".to_owned()));
    }

    #[test]
    fn anchors_and_merges() {
        let map = entries("base: &base {x: 1, y: 2}\nsame: *base\nmore: {<<: *base, y: 3}\n");
        assert_eq!(map[0].1.value, map[1].1.value);
        let Value::Map(merged) = &map[2].1.value else { panic!("no map") };
        let mut merged: Vec<String> =
            merged.iter().map(|(key, node)| format!("{} {:?}", key.value, node.value)).collect();
        merged.sort();
        assert_eq!(merged.len(), 2, "{merged:?}");
        assert!(merged[0].starts_with('x') && merged[1].contains("Count(3)"), "{merged:?}");
        // One anchor with the rules of many jobs is usual.
        let many = format!("rules: &rules [a]\njobs: [{}]\n", "*rules, ".repeat(1000));
        assert_eq!(entries(&many).len(), 2);
    }

    #[test]
    fn mistakes_have_a_place_and_no_text_of_the_file() {
        let bomb = (1..10).fold("a0: &a0 [x, x, x, x, x, x, x, x, x, x]\n".to_owned(), |text, level| {
            let aliases = format!("*a{}, ", level - 1).repeat(10);
            format!("{text}a{level}: &a{level} [{aliases}]\n")
        });
        for (source, at, want) in [
            ("a: [1, 2\n", Some((1, 4)), "bracket"),
            ("a: 1\na: 2\n", Some((2, 1)), "\"a\" was given before"),
            ("a: secret\n b: c\n", Some((2, 3)), "not allowed"),
            ("a: 1\n---\nb: 1\n", Some((3, 1)), "second document"),
            ("a: *missing\n", Some((1, 4)), "unknown"),
            ("password: [secret\nb: c", Some((2, 2)), "':'"),
            (&bomb, None, "more than 500000 values"),
            (&"[".repeat(100_000), None, "can be read"),
            (&"- ".repeat(100_000), None, "too deeply"),
        ] {
            let mistake = parse(source).unwrap_err();
            let place = mistake.at.map(|at| (at.line, at.column));
            assert!(at.is_none() && place.is_some() || place == at, "{place:?} {}", mistake.message);
            assert!(mistake.message.contains(want), "{}", mistake.message);
            assert!(
                !mistake.message.contains("secret") && !mistake.message.contains('\n'),
                "{}",
                mistake.message
            );
        }
    }
}

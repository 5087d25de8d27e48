//! Writing and reading the text formats are each other's inverse, and no input upsets the reader.
#![allow(clippy::unwrap_used)]

use std::collections::BTreeMap;

use proptest::collection::vec;
use proptest::prelude::*;
use proptest::sample::{Index, select};
use vitals::exposition::{Exposition, Format, Kind, Line, Parser};

const FORMATS: [Format; 2] = [Format::Text, Format::OpenMetrics];

/// A family as a collector would write it.
#[derive(Clone, Debug)]
struct Written {
    name: String,
    help: String,
    kind: Kind,
    samples: Vec<WrittenSample>,
}

#[derive(Clone, Debug)]
struct WrittenSample {
    suffix: &'static str,
    labels: BTreeMap<String, Vec<u8>>,
    value: f64,
}

/// What a page says, in its order.
#[derive(Clone, Debug, PartialEq)]
enum Said {
    Help(String, String),
    Type(String, Kind),
    /// Name, labels, the bits of the value. All NaN are one.
    Sample(String, Vec<(String, String)>, u64),
    Eof,
}

fn families() -> impl Strategy<Value = Vec<Written>> {
    let name = prop_oneof![
        select(vec!["up", "a", "a_total", "b:c", "_"]).prop_map(str::to_owned),
        "[a-zA-Z_:][a-zA-Z0-9_:]{0,12}",
        "[a-z]{1,6}_total"
    ];
    let kind = select(vec![
        Kind::Counter,
        Kind::Gauge,
        Kind::Untyped,
        Kind::Histogram,
        Kind::Summary,
        Kind::Info,
        Kind::StateSet,
        Kind::GaugeHistogram,
    ]);
    let family = (name, text(), kind, vec(sample(), 0..6)).prop_map(|(name, help, kind, samples)| Written {
        name,
        help,
        kind,
        samples,
    });
    vec(family, 0..8)
}

fn sample() -> impl Strategy<Value = WrittenSample> {
    let value = prop_oneof![
        any::<u64>().prop_map(f64::from_bits),
        any::<i32>().prop_map(f64::from),
        (0u64..1 << 53).prop_map(|whole| whole as f64 / 100.0),
        select(vec![
            0.0,
            -0.0,
            f64::NAN,
            f64::INFINITY,
            f64::NEG_INFINITY,
            f64::MIN_POSITIVE,
            5e-324,
            f64::MAX
        ]),
    ];
    let bytes = prop_oneof![vec(any::<u8>(), 0..12), text().prop_map(String::into_bytes)];
    let labels = proptest::collection::btree_map("[a-zA-Z_][a-zA-Z0-9_]{0,8}", bytes, 0..5);
    let suffix = select(vec!["", "", "_sum", "_count", "_bucket"]);
    (suffix, labels, value).prop_map(|(suffix, labels, value)| WrittenSample { suffix, labels, value })
}

/// Text with plenty of the characters that the formats treat in a special way.
fn text() -> impl Strategy<Value = String> {
    let character = prop_oneof![
        4 => select(vec!['\\', '"', '\n', '\r', '{', '}', ',', '=', '#', ' ', '\t', 'n', '\0', '\u{2028}', '\u{fffd}']),
        1 => any::<char>(),
    ];
    prop_oneof![vec(character, 0..16).prop_map(String::from_iter), any::<String>()]
}

fn render(families: &[Written], format: Format) -> String {
    let mut out = Exposition::new();
    for written in families {
        let mut family = out.family(&written.name, &written.help, written.kind);
        for sample in &written.samples {
            let labels: Vec<(&str, &[u8])> =
                sample.labels.iter().map(|(name, value)| (name.as_str(), value.as_slice())).collect();
            match sample.suffix {
                "" => family.sample(&labels, sample.value),
                suffix => family.sample_with_suffix(suffix, &labels, sample.value),
            }
        }
    }
    let mut page = Vec::new();
    out.render(format, &mut page);
    String::from_utf8(page).unwrap()
}

/// What a page of `families` has to say: by name, the pieces of one family together under its first header.
fn expected(families: &[Written], format: Format) -> Vec<Said> {
    let mut by_name: BTreeMap<&str, Vec<&Written>> = BTreeMap::new();
    for family in families.iter().filter(|family| !family.samples.is_empty()) {
        by_name.entry(&family.name).or_default().push(family);
    }
    let mut said = Vec::new();
    let free = |stem: &&str| !stem.is_empty() && !by_name.contains_key(stem);
    for (&name, pieces) in &by_name {
        let (header, kind) = match (pieces[0].kind, format, name.strip_suffix("_total").filter(free)) {
            (Kind::Counter, Format::OpenMetrics, Some(stem)) => (stem, Kind::Counter),
            (Kind::Counter, Format::OpenMetrics, None) => (name, Kind::Untyped),
            (Kind::Info | Kind::StateSet, Format::Text, _) => (name, Kind::Gauge),
            (Kind::GaugeHistogram, Format::Text, _) => (name, Kind::Untyped),
            (kind, ..) => (name, kind),
        };
        // Blanks before a help text can't be told from those that set it apart, and a carriage return behind it
        // not from the end of a line.
        let help = pieces[0].help.trim_start_matches([' ', '\t']);
        let help = help.strip_suffix('\r').unwrap_or(help);
        said.push(Said::Help(header.to_owned(), help.to_owned()));
        said.push(Said::Type(header.to_owned(), kind));
        for sample in pieces.iter().flat_map(|piece| &piece.samples) {
            let labels = sample
                .labels
                .iter()
                .map(|(name, value)| (name.clone(), String::from_utf8_lossy(value).into_owned()))
                .collect();
            said.push(Said::Sample(format!("{name}{}", sample.suffix), labels, bits(sample.value)));
        }
    }
    said.extend((format == Format::OpenMetrics).then_some(Said::Eof));
    said
}

fn read(page: &str, format: Format) -> Vec<Said> {
    let mut said = Vec::new();
    let mut parser = Parser::new(page, format);
    while let Some(line) = parser.next() {
        said.push(match line.unwrap_or_else(|error| panic!("{error} of\n{page}")) {
            Line::Help { name, text } => Said::Help(name.to_owned(), unescape_help(text, format)),
            Line::Type { name, kind } => Said::Type(name.to_owned(), kind),
            Line::Sample(sample) => {
                assert_eq!(sample.timestamp_milliseconds, None);
                let labels =
                    sample.labels.iter().map(|label| (label.name.to_owned(), label.value().into_owned()));
                Said::Sample(sample.name.to_owned(), labels.collect(), bits(sample.value))
            }
            Line::Eof => Said::Eof,
            other => panic!("unexpected {other:?}"),
        });
    }
    said
}

fn bits(value: f64) -> u64 {
    if value.is_nan() { f64::NAN.to_bits() } else { value.to_bits() }
}

/// The escapes of help texts: backslash and line feed, in OpenMetrics the double quote too.
fn unescape_help(text: &str, format: Format) -> String {
    let mut out = String::new();
    let mut rest = text.chars();
    while let Some(character) = rest.next() {
        match character {
            '\\' => match rest.next() {
                Some('n') => out.push('\n'),
                Some('\\') => out.push('\\'),
                Some('"') if format == Format::OpenMetrics => out.push('"'),
                other => panic!("an escape that nobody writes: {other:?} in {text:?}"),
            },
            '"' if format == Format::OpenMetrics => panic!("a bare quote in {text:?}"),
            other => out.push(other),
        }
    }
    out
}

/// Reads all of a page that may be broken and checks that each of its lines is accounted for. Gives the number of
/// good and of bad lines.
fn account(page: &str, format: Format) -> (usize, usize) {
    let mut parser = Parser::new(page, format);
    let (mut good, mut bad, mut last, mut ended) = (0, 0, 0, false);
    while let Some(line) = parser.next() {
        assert!(!ended, "something behind the end of the page");
        let failed_at = line.as_ref().err().map(|error| error.line);
        ended = matches!(line, Ok(Line::Eof));
        if line.is_ok() {
            good += 1
        } else {
            bad += 1
        }
        assert!(parser.line() > last, "line {} after line {last}", parser.line());
        last = parser.line();
        assert!(failed_at.is_none_or(|line| line == last));
    }
    let lines = page.split('\n').take(if ended { last } else { usize::MAX });
    let blank =
        |line: &str| line.strip_suffix('\r').unwrap_or(line).trim_start_matches([' ', '\t']).is_empty();
    assert_eq!(good + bad, lines.filter(|line| !blank(line)).count(), "lines of {page:?}");
    (good, bad)
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::with_cases(512) })]

    #[test]
    fn what_is_written_is_read_back(families in families()) {
        for format in FORMATS {
            let page = render(&families, format);
            prop_assert_eq!(read(&page, format), expected(&families, format), "{}", page);
        }
    }

    #[test]
    fn any_text_is_read_line_by_line(page in prop_oneof![any::<String>(), text(), "[a-z{}\"=, 0-9#\\\\\n\r\t.+eE-]{0,200}"]) {
        for format in FORMATS {
            account(&page, format);
        }
    }

    #[test]
    fn a_damaged_page_is_read_line_by_line(
        families in families(),
        damage in vec((any::<Index>(), 0..4u8, any::<u8>()), 1..8),
    ) {
        for format in FORMATS {
            let mut page = render(&families, format).into_bytes();
            for &(place, what, byte) in &damage {
                let at = place.index(page.len() + 1);
                match what {
                    0 => page.truncate(at),
                    1 => page.insert(at, byte),
                    2 if at < page.len() => page[at] = byte,
                    3 if at < page.len() => { page.remove(at); }
                    _ => page.extend_from_within(at..),
                }
            }
            account(&String::from_utf8_lossy(&page), format);
        }
    }
}

/// Inputs that would keep a reader busy for hours if its time grew with the square of a line's or a page's length.
#[test]
fn long_input_takes_time_in_proportion() {
    const LONG: usize = 1 << 20;
    for format in FORMATS {
        for (line, good) in [
            (format!("a{{x=\"{}\"}} 1", "\\\\".repeat(LONG / 2)), true),
            (format!("a{{x=\"{}", "\\".repeat(LONG)), false),
            (format!("a{{{}}} 1", "x".repeat(LONG)), false),
            (format!("a{{{}}} 1", ",".repeat(LONG)), false),
            (format!("a{}1", " ".repeat(LONG)), true),
            (format!("a {}", "1".repeat(LONG)), true),
            (format!("# HELP a {}", "\\n".repeat(LONG / 2)), true),
            (format!("#{}", "#".repeat(LONG)), true),
            ("a".repeat(LONG), false),
        ] {
            assert_eq!(account(&line, format), (usize::from(good), usize::from(!good)), "{:.40}…", line);
        }
        assert_eq!(account(&"\n".repeat(LONG), format), (0, 0));
        assert_eq!(account(&"a 1\n".repeat(LONG / 4), format), (LONG / 4, 0));
        assert_eq!(account(&"{\n".repeat(LONG / 2), format), (0, LONG / 2));
    }
}

//! What holds for any page.

use super::*;
use crate::exposition::{Line, Parser};
use proptest::prelude::*;
use std::collections::HashSet;

/// Pages between sense and nonsense.
fn pages() -> impl Strategy<Value = Vec<u8>> {
    let text = |pieces: &'static [&'static str]| {
        prop::collection::vec(prop::sample::select(pieces), 0..4)
            .prop_map(|parts| parts.concat().into_bytes())
    };
    let name = text(&["a", "up", "scrapelog_", "x:y", "_created", "0", "ü", "node_load1"]);
    let value =
        text(&["1", "-", ".5", "e3", "NaN", "+Inf", "inf", "0x1", "_", "1e999", " ", "# {a=\"b\"} 1"]);
    let label_value = prop_oneof![
        text(&[
            "v",
            "\\\\",
            "\\\"",
            "\\n",
            "\\d",
            "\\",
            "\"",
            "\r",
            "}",
            ",",
            " ",
            "\u{1b}[0m",
            "\u{85}",
            "é",
            "\0"
        ]),
        prop::collection::vec(any::<u8>(), 0..6),
    ];
    let label_name =
        prop::sample::select(&["l", "job", "instance", "exported_job", "le", "__name__", "", "9"][..]);
    let labels = prop::collection::vec((label_name, label_value), 0..4).prop_map(|labels| {
        let mut text = Vec::new();
        for (name, value) in labels {
            text.extend_from_slice(name.as_bytes());
            text.extend_from_slice(b"=\"");
            text.extend_from_slice(&value);
            text.extend_from_slice(b"\",");
        }
        text
    });
    let blank = text(&[" ", "\t"]);
    let sample = (name.clone(), labels, blank, value).prop_map(|(name, labels, blank, value)| {
        [&name[..], b"{", &labels, b"}", &blank, b" ", &value].concat()
    });
    let comment = (
        text(&["HELP", "TYPE", "UNIT", "EOF"]),
        name,
        text(&["gauge", "counter", "text \\ ", "untyped", "s", "\r"]),
    )
        .prop_map(|(word, name, rest)| [b"# ", &word[..], b" ", &name, b" ", &rest].concat());
    let noise = prop::collection::vec(any::<u8>(), 0..40);
    let line = prop_oneof![6 => sample, 3 => comment, 1 => noise];
    prop::collection::vec((line, prop::sample::select(&["\n", "\r\n", "\n\n", ""][..])), 0..30).prop_map(
        |lines| lines.into_iter().flat_map(|(line, end)| [&line[..], end.as_bytes()].concat()).collect(),
    )
}

proptest! {
    #[test]
    fn what_is_known_of_earlier_pages_changes_nothing(some in prop::collection::vec(pages(), 1..5), order in prop::collection::vec(any::<prop::sample::Index>(), 1..8), openmetrics: bool) {
        let format = if openmetrics { Format::OpenMetrics } else { Format::Text };
        let mut remembering = lines();
        for index in order {
            let page = index.get(&some);
            let (record, summary) = write(&mut remembering, page, format, false);
            let (want, want_summary) = write(&mut lines(), page, format, false);
            prop_assert_eq!(samples(&record), samples(&want));
            prop_assert_eq!(summary, want_summary);
        }
    }

    #[test]
    fn whatever_a_page_has_in_it_the_lines_are_canonical(page in pages(), openmetrics: bool) {
        let format = if openmetrics { Format::OpenMetrics } else { Format::Text };
        let (record, summary) = write(&mut lines(), &page, format, true);
        prop_assert!(record.ends_with('\n') && !record.contains("\n\n"));
        prop_assert!(!record.contains(|c: char| c.is_control() && c != '\n' && c != '\t'), "{record:?}");
        let mut series = HashSet::new();
        let mut parser = Parser::new(&record, Format::OpenMetrics);
        let mut samples = 0;
        while let Some(line) = parser.next() {
            match line {
                Ok(Line::Sample(sample)) => {
                    prop_assert_eq!(sample.timestamp_milliseconds, Some(TIME));
                    prop_assert_eq!((sample.labels[0].name, sample.labels[1].name), ("job", "instance"));
                    prop_assert_eq!((sample.labels[0].escaped_value, sample.labels[1].escaped_value), ("node", "db01:9100"));
                    let labels: Vec<_> = sample.labels[2..].iter().map(|label| (label.name, label.value())).collect();
                    prop_assert!(labels.iter().all(|(name, value)| !value.is_empty() && *name != "__name__"));
                    prop_assert!(series.insert((sample.name, labels)), "twice in {record}");
                    samples += 1;
                }
                Ok(Line::Help { .. } | Line::Type { .. } | Line::Unit { .. }) => {}
                other => prop_assert!(false, "{other:?} in {record}"),
            }
        }
        prop_assert_eq!(samples, summary.written + SYNTHETIC_SAMPLES);
        prop_assert_eq!(record.matches(&format!("\n{COMMIT_MARK}{{")).count(), 1);
        let end = format!("\"}} {} 1795226400.016\n", summary.written);
        prop_assert!(record.ends_with(&end));
    }
}

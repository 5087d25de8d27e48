use super::*;

fn one(line: &str, format: Format) -> String {
    match Parser::new(line, format).next() {
        None => "nothing".into(),
        Some(Err(error)) => error.to_string(),
        Some(Ok(Line::Sample(sample))) => {
            let labels: Vec<_> =
                sample.labels.iter().map(|label| format!("{}={}", label.name, label.value())).collect();
            format!(
                "{} [{}] {} {:?}",
                sample.name,
                labels.join(" "),
                sample.value,
                sample.timestamp_milliseconds
            )
        }
        Some(Ok(other)) => format!("{other:?}"),
    }
}

#[test]
fn reads_what_the_field_writes() {
    for (line, want) in [
        ("up 1", "up [] 1 None"),
        ("up\t1\t1700000000000", "up [] 1 Some(1700000000000)"),
        ("a{} +Inf", "a [] inf None"),
        ("a{x=\"1\",} 2", "a [x=1] 2 None"),
        ("a { x = \"1\" , y=\"\" } 2 ", "a [x=1 y=] 2 None"),
        ("a{x=\"q\\\"b\\\\n\\n\\d\"} 1e+06", "a [x=q\"b\\n\n\\d] 1000000 None"),
        ("# HELP a", "Help { name: \"a\", text: \"\" }"),
        ("# HELP a  some text ", "Help { name: \"a\", text: \"some text \" }"),
        ("#\tTYPE a counter", "Type { name: \"a\", kind: Counter }"),
        ("# EOF", "Comment(\"EOF\")"),
        ("#", "Comment(\"\")"),
        ("\r\n", "nothing"),
    ] {
        assert_eq!(one(line, Format::Text), want, "{line:?}");
    }
    assert_eq!(
        one("a_total 3 1700000000.5 # {id=\"x\"} 1 2", Format::OpenMetrics),
        "a_total [] 3 Some(1700000000500)"
    );
    assert_eq!(one("a_total 3 # {id=\"x\"} 1", Format::OpenMetrics), "a_total [] 3 None");
    assert_eq!(
        one("# UNIT a_seconds seconds", Format::OpenMetrics),
        "Unit { name: \"a_seconds\", unit: \"seconds\" }"
    );
}

#[test]
fn says_what_is_wrong() {
    for (line, want) in [
        ("up", "line 1: the sample has no value"),
        ("up ", "line 1: the sample has no value"),
        ("0up 1", "line 1: the line starts with no valid metric name"),
        ("{x=\"1\"} 1", "line 1: the line starts with no valid metric name"),
        ("up=1", "line 1: unexpected character in the metric name"),
        ("up 0x10", "line 1: the value is not a number"),
        ("up 1_0", "line 1: the value is not a number"),
        ("up 1 soon", "line 1: the timestamp is not a whole number"),
        ("up 1 2 3", "line 1: unexpected text after the timestamp"),
        ("up{x} 1", "line 1: a label has no value"),
        ("up{x=1} 1", "line 1: a label value is not quoted"),
        ("up{x=\"1} 1", "line 1: a label value does not end"),
        ("up{x=\"1\\", "line 1: a label value does not end"),
        ("up{x=\"1\" y=\"2\"} 1", "line 1: no comma or brace after a label value"),
        ("up{x=\"1\",x=\"2\"} 1", "line 1: a label name comes twice"),
        ("up{", "line 1: the labels do not end"),
        ("up{ü=\"1\"} 1", "line 1: not a label name"),
        ("# TYPE up thing", "line 1: unknown metric type"),
        ("# HELP 1", "line 1: the comment names no valid metric"),
    ] {
        assert_eq!(one(line, Format::Text), want, "{line:?}");
    }
}

#[test]
fn goes_on_after_a_bad_line_and_stops_at_eof() {
    let mut parser = Parser::new("a 1\nb x\n\nc 3\n# EOF\nd 4\n", Format::OpenMetrics);
    let mut seen = Vec::new();
    while let Some(line) = parser.next() {
        seen.push(match line {
            Ok(Line::Sample(sample)) => sample.name.to_owned(),
            Ok(Line::Eof) => "EOF".into(),
            Ok(other) => format!("{other:?}"),
            Err(error) => error.to_string(),
        });
    }
    assert_eq!(seen, ["a", "line 2: the value is not a number", "c", "EOF"]);
}

#[test]
fn too_many_labels_is_an_error_not_a_slow_scan() {
    let labels: Vec<String> = (0..100_000).map(|n| format!("l{n}=\"\"")).collect();
    let line = format!("a{{{}}} 1", labels.join(","));
    assert_eq!(one(&line, Format::Text), "line 1: more than 128 labels");
}

//! What a page becomes in the file.

mod known;
mod random;

use super::*;
use crate::scrape_log::config::Limits;

const TIME: i64 = 1_795_226_400_016;

fn lines() -> Lines {
    with_rules("http://db01:9100/metrics", &[("job", "node"), ("instance", "db01:9100")], Rules::default())
}

fn with_rules(url: &str, labels: &[(&str, &str)], rules: Rules) -> Lines {
    let labels = labels.iter().copied().collect();
    Lines::new(url.to_owned(), Duration::from_secs(15), Rules { labels, ..rules })
}

fn write(lines: &mut Lines, page: &[u8], format: Format, first_in_file: bool) -> (String, Summary) {
    let mut workspace = Workspace::default();
    let scrape = Scrape {
        timestamp_milliseconds: TIME,
        duration: Duration::from_micros(13_100),
        page: Ok((page, format)),
    };
    let summary = lines.write(&mut workspace, &scrape, first_in_file, None, &mut Observation::default());
    (String::from_utf8(workspace.record().to_vec()).unwrap(), summary)
}

/// The lines that come from the page alone.
fn body(page: &str, format: Format) -> (String, Summary) {
    let (record, summary) = write(&mut lines(), page.as_bytes(), format, false);
    (record.rsplit_once("up{job=").unwrap().0.to_owned(), summary)
}

#[test]
fn a_whole_scrape() {
    let page = "# HELP node_load1 1m load average.\n# TYPE node_load1 gauge\nnode_load1 0.42\n";
    let (record, summary) = write(&mut lines(), page.as_bytes(), Format::Text, true);
    assert_eq!(
        record,
        r#"# HELP scrapelog_file {"v":1,"tool":"scrape-log VERSION","job":"node","target":"http://db01:9100/metrics","labels":{"instance":"db01:9100","job":"node"},"interval":15}
# TYPE scrapelog_file unknown
# HELP up 1 if the scrape worked, 0 if it failed.
# TYPE up gauge
# HELP scrape_duration_seconds Time that the scrape took.
# TYPE scrape_duration_seconds gauge
# HELP scrape_response_size_bytes Size of the page without compression.
# TYPE scrape_response_size_bytes gauge
# HELP scrape_samples_scraped Samples in the page.
# TYPE scrape_samples_scraped gauge
# HELP scrape_samples_post_metric_relabeling Samples of the page that were written. The last line of each scrape.
# TYPE scrape_samples_post_metric_relabeling gauge
# HELP node_load1 1m load average.
# TYPE node_load1 gauge
node_load1{job="node",instance="db01:9100"} 0.42 1795226400.016
up{job="node",instance="db01:9100"} 1 1795226400.016
scrape_duration_seconds{job="node",instance="db01:9100"} 0.0131 1795226400.016
scrape_response_size_bytes{job="node",instance="db01:9100"} 75 1795226400.016
scrape_samples_scraped{job="node",instance="db01:9100"} 1 1795226400.016
scrape_samples_post_metric_relabeling{job="node",instance="db01:9100"} 1 1795226400.016
"#
        .replace("VERSION", env!("CARGO_PKG_VERSION"))
    );
    assert_eq!(summary, Summary { scraped: 1, written: 1, ..Summary::default() });
}

#[test]
fn samples_get_one_spelling() {
    // The part in angle brackets stands for the labels of the target.
    for (line, want) in [
        ("a 1", "a{<>} 1"),
        ("a\t1", "a{<>} 1"),
        ("a  1  ", "a{<>} 1"),
        ("a 1\r", "a{<>} 1"),
        ("  a 1", "a{<>} 1"),
        ("a{} 1", "a{<>} 1"),
        ("a { x = \"1\" , y=\"2\", } 1", "a{<>,x=\"1\",y=\"2\"} 1"),
        ("a{y=\"2\",x=\"1\"} 1", "a{<>,x=\"1\",y=\"2\"} 1"),
        ("a{x=\"\",y=\"2\"} 1", "a{<>,y=\"2\"} 1"),
        ("a 1 1700000000000", "a{<>} 1"),
        ("a 1e+06", "a{<>} 1e+06"),
        ("a 0.10", "a{<>} 0.10"),
        ("a nan", "a{<>} NaN"),
        ("a -NaN", "a{<>} NaN"),
        ("a inf", "a{<>} +Inf"),
        ("a -Infinity", "a{<>} -Inf"),
        ("a{x=\"C:\\dir\\\\ \\\"q\\\" \\n\"} 1", "a{<>,x=\"C:\\\\dir\\\\ \\\"q\\\" \\n\"} 1"),
        ("a{x=\"ü°\"} 1", "a{<>,x=\"ü°\"} 1"),
        ("a{x=\"\u{1b}[31m\u{0}\u{7f}\u{9b}\ty\"} 1", "a{<>,x=\"?[31m???\ty\"} 1"),
        ("a{x=\"1\r2\"} 1", "a{<>,x=\"1?2\"} 1"),
        ("a{job=\"j\",instance=\"i\"} 1", "a{<>,exported_instance=\"i\",exported_job=\"j\"} 1"),
        ("a{exported_job=\"e\",job=\"j\"} 1", "a{<>,exported_job=\"e\",exported_exported_job=\"j\"} 1"),
        ("up 1", "exported_up{<>} 1"),
        ("scrape_samples_post_metric_relabeling 1", "exported_scrape_samples_post_metric_relabeling{<>} 1"),
        ("scrapelog_x 1", "exported_scrapelog_x{<>} 1"),
        ("scrape_other 1", "scrape_other{<>} 1"),
        ("# comment", ""),
        ("#", ""),
        ("# EOF", ""),
        ("# HELP a", "# HELP a "),
        ("# HELP a  C:\\temp \\n \\\\ \"q\"", "# HELP a C:\\\\temp \\n \\\\ \"q\""),
        ("# HELP a end\\", "# HELP a end\\\\"),
        (
            "# HELP scrapelog_error {\"err\":\"forged\"}",
            "# HELP exported_scrapelog_error {\"err\":\"forged\"}",
        ),
        ("# TYPE up counter", "# TYPE exported_up counter"),
        ("# TYPE a untyped", "# TYPE a unknown"),
        ("# TYPE a_total counter", "# TYPE a_total counter"),
        ("# UNIT a_seconds seconds", "# UNIT a_seconds seconds"),
        ("# UNIT a_ms seconds", ""),
        ("# UNIT seconds seconds", ""),
    ] {
        let want = want.replace('?', "\u{fffd}");
        let want = match want.as_str() {
            "" => String::new(),
            sample if !sample.starts_with('#') => {
                format!("{sample} 1795226400.016\n").replace("<>", "job=\"node\",instance=\"db01:9100\"")
            }
            comment => format!("{comment}\n"),
        };
        assert_eq!(body(&format!("{line}\n"), Format::Text).0, want, "{line:?}");
    }
}

#[test]
fn invalid_utf8_becomes_replacement_characters() {
    let (record, summary) = write(&mut lines(), b"a{x=\"\xff\"} 1\n", Format::Text, false);
    assert!(record.starts_with("a{job=\"node\",instance=\"db01:9100\",x=\"\u{fffd}\"} 1 "), "{record}");
    assert_eq!(summary.written, 1);
}

#[test]
fn openmetrics_loses_exemplars_and_creation_times() {
    let page = "# TYPE a counter\n# HELP a \"q\"\na_total 3 1700000000.5 # {id=\"x\"} 1 2\na_created 1700000000\n\
                b_created 5\n# EOF\n";
    let (body, summary) = body(page, Format::OpenMetrics);
    assert_eq!(
        body,
        "# TYPE a counter\n# HELP a \"q\"\na_total{job=\"node\",instance=\"db01:9100\"} 3 1795226400.016\n\
         b_created{job=\"node\",instance=\"db01:9100\"} 5 1795226400.016\n"
    );
    assert_eq!((summary.scraped, summary.written), (3, 2));
}

#[test]
fn a_series_comes_once_however_it_is_spelled() {
    let page = "a{x=\"1\",y=\"2\"} 1\na{ y=\"2\", x=\"1\" } 2\na{x=\"1\",y=\"2\",z=\"\"} 3\na{x=\"1\"} 4\nb{x=\"\\d\"} 5\n\
                b{x=\"\\\\d\"} 6\nup 7\nexported_up 8\n";
    let (body, summary) = body(page, Format::Text);
    assert_eq!((summary.scraped, summary.written, summary.duplicates), (8, 4, 4));
    for value in ["} 1 ", "} 4 ", "} 5 ", "} 7 "] {
        assert!(body.contains(value), "{value} in {body}");
    }
    assert!(body.ends_with("\"err\":\"4 samples left out whose series had come before\"}\n"), "{body}");
    // The next scrape starts afresh.
    let mut lines = lines();
    for _ in 0..2 {
        assert_eq!(write(&mut lines, b"a 1\n", Format::Text, false).1.written, 1);
    }
}

#[test]
fn bad_lines_are_left_out_counted_and_noted() {
    let page = "a 1\nb 0x10\nc 1_0\nd 1e999\ne{__name__=\"f\"} 1\n<html>\nf 2\n";
    let (body, summary) = body(page, Format::Text);
    assert_eq!((summary.written, summary.bad_lines), (2, 5));
    assert_eq!(summary.first_bad_line.as_deref(), Some("line 2: the value is not a number"));
    assert!(summary.error.is_none());
    assert!(
        body.ends_with(
            "# HELP scrapelog_error {\"ts\":1795226400.016,\"err\":\"5 lines can't be read, the first: line 2: \
             the value is not a number\"}\n"
        ),
        "{body}"
    );
}

#[test]
fn pages_that_are_no_metrics_count_as_down() {
    let many: String = (0..8_000).map(|n| format!("a{n} 1\n")).collect();
    let long_job = "x".repeat(10_000);
    for (page, format, want) in [
        ("<html>\n<body>\n", Format::Text, "nothing in it can be read: line 1"),
        ("a 1\n", Format::OpenMetrics, "without # EOF"),
        (many.as_str(), Format::Text, "more than 33554432 bytes"),
    ] {
        let job = if page == many { long_job.as_str() } else { "node" };
        let mut lines = with_rules(
            "http://db01:9100/metrics",
            &[("job", job), ("instance", "db01:9100")],
            Rules::default(),
        );
        let (record, summary) = write(&mut lines, page.as_bytes(), format, false);
        let record = record.replace(job, "node");
        let error = summary.error.unwrap();
        assert!(error.contains(want), "{error}");
        assert!(record.starts_with("# HELP scrapelog_error {"), "{record}");
        assert!(record.contains("\nup{job=\"node\",instance=\"db01:9100\"} 0 "), "{record}");
        assert!(record.ends_with("relabeling{job=\"node\",instance=\"db01:9100\"} 0 1795226400.016\n"));
        assert_eq!(record.lines().count(), 6);
    }
}

#[test]
fn an_empty_page_is_up() {
    let (record, summary) = write(&mut lines(), b"", Format::Text, false);
    assert_eq!(summary, Summary::default());
    assert!(record.starts_with("up{job=\"node\",instance=\"db01:9100\"} 1 "));
}

#[test]
fn a_failed_scrape_says_why() {
    let mut lines = lines();
    let scrape = Scrape {
        timestamp_milliseconds: -5,
        duration: Duration::from_secs(10),
        page: Err("deadline \"x\"\u{1b}"),
    };
    let mut seen = Observation::default();
    let mut workspace = Workspace::default();
    let summary = lines.write(&mut workspace, &scrape, false, Some("3 scrapes lost"), &mut seen);
    assert_eq!(summary.error.as_deref(), Some("deadline \"x\"\u{1b}"));
    assert_eq!(
        String::from_utf8_lossy(workspace.record()),
        "# HELP scrapelog_error {\"ts\":-0.005,\"err\":\"3 scrapes lost\"}\n\
         # HELP scrapelog_error {\"ts\":-0.005,\"err\":\"deadline \\\"x\\\"\\u001b\"}\n\
         up{job=\"node\",instance=\"db01:9100\"} 0 -0.005\n\
         scrape_duration_seconds{job=\"node\",instance=\"db01:9100\"} 10 -0.005\n\
         scrape_response_size_bytes{job=\"node\",instance=\"db01:9100\"} 0 -0.005\n\
         scrape_samples_scraped{job=\"node\",instance=\"db01:9100\"} 0 -0.005\n\
         scrape_samples_post_metric_relabeling{job=\"node\",instance=\"db01:9100\"} 0 -0.005\n"
    );
}

/// The lines of a record that are samples.
fn samples(record: &str) -> Vec<&str> {
    record.lines().filter(|line| !line.starts_with('#')).collect()
}

#[test]
fn honored_labels_win_over_those_of_the_target() {
    let labels = [("job", "node"), ("instance", "db01:9100"), ("rack", "7")];
    let rules = Rules { honor_labels: true, ..Rules::default() };
    let mut lines = with_rules("http://db01:9100/metrics", &labels, rules);
    for _ in 0..2 {
        let page = b"a{job=\"j\",instance=\"\",x=\"\\\"\"} 1\nup 2\n";
        let (record, summary) = write(&mut lines, page, Format::Text, false);
        assert!(
            record.starts_with("a{job=\"j\",instance=\"db01:9100\",rack=\"7\",x=\"\\\"\"} 1 "),
            "{record}"
        );
        assert!(
            record.contains("\nexported_up{job=\"node\",instance=\"db01:9100\",rack=\"7\"} 2 "),
            "{record}"
        );
        assert_eq!((summary.scraped, summary.written), (2, 2));
    }
}

#[test]
fn beyond_a_cap_of_the_job_the_scrape_fails() {
    let none = Limits::default();
    for (limits, page, want) in [
        (Limits { samples: Some(1), ..none }, "a 1\nb 1\n", "it has 2 samples, sample_limit is 1"),
        (Limits { labels: Some(3), ..none }, "a{x=\"1\"} 1\n", "a has 4 labels, label_limit is 3"),
        (
            Limits { label_name_length: Some(8), ..none },
            "a{long_name=\"1\"} 1\n",
            "label long_name of a has a length of 9, label_name_length_limit is 8",
        ),
        (
            Limits { label_value_length: Some(9), ..none },
            "a{x=\"0123456789\"} 1\n",
            "label x of a has a length of 10, label_value_length_limit is 9",
        ),
    ] {
        let labels = [("job", "node"), ("instance", "db01:9100")];
        for honor_labels in [false, true] {
            let rules = Rules { limits, honor_labels, ..Rules::default() };
            let mut lines = with_rules("http://db01:9100/metrics", &labels, rules);
            for _ in 0..2 {
                let (record, summary) = write(&mut lines, page.as_bytes(), Format::Text, false);
                assert_eq!(summary.error.as_deref(), Some(format!("page: {want}").as_str()));
                assert!(record.contains("\nup{job=\"node\",instance=\"db01:9100\"} 0 "), "{record}");
            }
            let (_, summary) = write(&mut lines, b"c 1\n", Format::Text, false);
            assert_eq!((summary.error, summary.written), (None, 1));
        }
    }
}

#[test]
fn labels_of_the_target_are_escaped() {
    let labels = [("job", "a\"b\\"), ("instance", "h:1/probe?x=%22"), ("rack", "7")];
    let mut lines = with_rules("http://h:1/probe?x=%22", &labels, Rules::default());
    let (record, _) = write(&mut lines, b"", Format::Text, true);
    assert!(
        record.contains("\nup{job=\"a\\\"b\\\\\",instance=\"h:1/probe?x=%22\",rack=\"7\"} 1 "),
        "{record}"
    );
    let json = record.lines().next().unwrap().strip_prefix("# HELP scrapelog_file ").unwrap();
    let json: serde_json::Value = serde_json::from_str(json).unwrap();
    assert_eq!((json["job"].as_str(), json["interval"].as_f64()), (Some("a\"b\\"), Some(15.0)));
}

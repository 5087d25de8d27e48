//! What is remembered from one page to the next.

use super::*;

#[test]
fn metadata_comes_once_a_file_or_when_it_changes() {
    let mut lines = lines();
    let page = |help: &str| format!("# HELP a {help}\n# TYPE a gauge\na 1\n");
    let mut heads = |help: &str, first| {
        let (record, _) = write(&mut lines, page(help).as_bytes(), Format::Text, first);
        (
            record.contains("# HELP a "),
            record.contains("# TYPE a "),
            record.contains("# HELP scrapelog_file "),
        )
    };
    assert_eq!(heads("One.", true), (true, true, true));
    assert_eq!(heads("One.", false), (false, false, false));
    assert_eq!(heads("Two.", false), (true, true, false), "what stands together is written together");
    assert_eq!(heads("Two.", true), (true, true, true), "a new file");
    lines.forget_metadata();
    let (record, _) = write(&mut lines, page("Two.").as_bytes(), Format::Text, false);
    assert!(record.starts_with("# HELP a Two.\n# TYPE a gauge\n"), "after a write that failed: {record}");
}

#[test]
fn what_is_known_of_the_last_page_changes_nothing() {
    let page = |value: u32, lines: &[&str]| {
        let lines: Vec<_> = lines.iter().map(|line| line.replace('?', &value.to_string())).collect();
        lines.join("\n") + "\n"
    };
    let all = [
        "# HELP a Help.",
        "# TYPE a gauge",
        "a ?",
        "a{x=\"1\"} ?",
        "# TYPE b counter",
        "b{y=\"\",x=\"2\"} ?",
        "b{ x=\"2\" } 9",
        "c{job=\"j\"} NaN",
        "d ? 1700000000000",
        "e\t?",
        "f ?e3 ",
        "up ?",
    ];
    let without: Vec<_> = all.iter().copied().filter(|line| !line.starts_with("a{")).collect();
    let mut with = all.to_vec();
    with.insert(3, "new{x=\"1\"} ?");
    with.push("a 7"); // a series that has come before
    let mut turned = all.to_vec();
    turned.reverse(); // the other spelling of b comes first now
    let strange = ["a 0x1", "a{x=\"1\"} ?", "b{x=\"2\"} .5", "c \u{1b}", "<html>"];
    let pages: [&[&str]; 12] =
        [&all, &all, &without, &without, &all, &with, &with, &turned, &turned, &strange, &all, &[]];
    let mut remembering = lines();
    for (number, page_lines) in (1..).zip(pages) {
        let page = page(number, page_lines);
        for format in [Format::Text, Format::OpenMetrics] {
            let page = if format == Format::OpenMetrics { page.clone() + "# EOF\n" } else { page.clone() };
            let (record, summary) = write(&mut remembering, page.as_bytes(), format, false);
            let (want, want_summary) = write(&mut lines(), page.as_bytes(), format, false);
            assert_eq!(samples(&record), samples(&want), "page {number} as {format:?}:\n{page}");
            assert_eq!(summary, want_summary, "page {number} as {format:?}:\n{page}");
        }
    }
}

#[test]
fn a_known_line_with_another_meaning_is_read_anew() {
    let mut lines = lines();
    let mut body = |page: &str| {
        let (record, _) = write(&mut lines, page.as_bytes(), Format::Text, false);
        record.split_once("up{job=").unwrap().0.replace("job=\"node\",instance=\"db01:9100\"", "<>")
    };
    assert_eq!(body("a 1\n"), "a{<>} 1 1795226400.016\n");
    assert_eq!(body("a {x=\"1\"} 2\n"), "a{<>,x=\"1\"} 2 1795226400.016\n");
    assert_eq!(body("a  3\n"), "a{<>} 3 1795226400.016\n");
    assert_eq!(
        body("a\n"),
        "# HELP scrapelog_error {\"ts\":1795226400.016,\"err\":\"page: nothing in it can be \
                              read: line 1: the sample has no value\"}\n"
    );
    assert_eq!(body("a 4\r\n"), "a{<>} 4 1795226400.016\n");
}

#[test]
fn one_unusual_page_does_not_keep_its_memory() {
    let mut lines = lines();
    let mut workspace = Workspace::default();
    let many: String = (0..150_000).map(|n| format!("# TYPE a{n} gauge\na{n} 1\n")).collect();
    let scrape = Scrape {
        timestamp_milliseconds: TIME,
        duration: Duration::ZERO,
        page: Ok((many.as_bytes(), Format::Text)),
    };
    lines.write(&mut workspace, &scrape, false, None, &mut Observation::default());
    assert!(workspace.record.capacity() > 5 << 20);
    workspace.give_memory_back();
    assert!(workspace.record.capacity() <= KEPT_BUFFER_BYTES, "{}", workspace.record.capacity());
    let bytes = workspace.scratch.capacity_bytes() + lines.plan.capacity_bytes();
    assert!(bytes < 2 << 20, "{bytes}");
}

//! Names and values from machines that mean ill, or have gone mad: shown, and harmless.

use std::fs;
use std::path::Path;
use std::process::Command;

use super::machine::{Machine, State};
use super::report;
use super::story::START;

/// Tags, quotes, an entity, the other direction, and what a terminal obeys.
const NAME: &str =
    "<img src=x onerror=alert(1)>'&amp;\u{202e}]]>\u{1b}[2J\u{7}\u{200b}--></style><script>x</script>";

/// A machine whose every name is that, and some of whose values are none.
fn record(storage: &Path) {
    let lines = [
        "node_uname_info{LABELS,nodename=\"NAME\"} 1",
        "node_filesystem_size_bytes{LABELS,device=\"NAME\",fstype=\"NAME\",mountpoint=\"NAME\"} 1e308",
        "node_filesystem_avail_bytes{LABELS,device=\"NAME\",fstype=\"NAME\",mountpoint=\"NAME\"} 1e300",
        "node_hwmon_temp_celsius{LABELS,chip=\"NAME\",sensor=\"NAME\"} 99",
        "node_hwmon_temp_crit_celsius{LABELS,chip=\"NAME\",sensor=\"NAME\"} 100",
        "node_hwmon_temp_celsius{LABELS,chip=\"mad\",sensor=\"1\"} 1e308",
        "node_hwmon_temp_celsius{LABELS,chip=\"mad\",sensor=\"2\"} NaN",
        "node_hwmon_temp_celsius{LABELS,chip=\"mad\",sensor=\"3\"} -Inf",
        "node_hwmon_temp_crit_celsius{LABELS,chip=\"mad\",sensor=\"1\"} 90",
        "node_load15{LABELS} NaN",
        "vitals_last_alive_timestamp_seconds{LABELS} 1e308",
        "node_watchdog_bootstatus{LABELS,name=\"NAME\"} -1e308",
        "node_memory_HardwareCorrupted_bytes{LABELS} 1e308",
        "node_filefd_allocated{LABELS} 1e308",
        "node_filefd_maximum{LABELS} 1",
    ];
    let lines = lines.join("\n").replace("NAME", NAME);
    let mut machine = Machine::new(storage, "evil", START - 600).each(60).instance(NAME).saying(&lines);
    for minute in 0..180 {
        let at = START + minute * 60;
        let mut state = State::quiet("evil", at);
        if minute % 7 == 0 {
            (state.load, state.received, state.written, state.celsius) =
                (f64::NAN, 1e308, f64::INFINITY, -1e308);
        }
        match minute {
            100..103 => machine.fails(at, &NAME.replace('\u{1b}', "\\u001b").replace('\u{7}', "\\u0007")),
            103 => {
                machine
                    .boots(at - 20, super::machine::LastRun { clean: Some(f64::NAN), ..Default::default() });
                machine.answers(at, &state);
            }
            _ => machine.answers(at, &state),
        }
    }
    machine.finish();
}

/// Whether no character of a text does anything but stand there.
fn assert_plain(text: &str) {
    let odd = |c: &char| {
        (c.is_control() && *c != '\n') || matches!(c, '\u{200b}'..='\u{200f}' | '\u{202a}'..='\u{202e}')
    };
    assert_eq!(text.chars().find(odd), None);
}

#[test]
fn a_text_does_nothing_to_a_terminal() {
    let storage = tempfile::tempdir().unwrap();
    record(storage.path());
    for flags in [&["--format=text"][..], &["--format=text", "--last-reboot"]] {
        let text = report(storage.path(), flags);
        assert_plain(&text);
        assert!(
            text.contains("<img src=x onerror=alert(1)>'&amp;\u{fffd}]]>\u{fffd}[2J\u{fffd}\u{fffd}-->"),
            "{text}"
        );
        // A name may be longer than a line, but no number is.
        assert!(text.split_whitespace().all(|word| word.len() < 200), "{text}");
    }
}

#[test]
fn a_page_has_nothing_in_it_but_text_and_plots() {
    let storage = tempfile::tempdir().unwrap();
    record(storage.path());
    for flags in [&[][..], &["--last-reboot"]] {
        let page = report(storage.path(), flags);
        assert_plain(&page);
        assert!(page.contains("&lt;img src=x onerror=alert(1)&gt;&#39;&amp;amp;\u{fffd}"), "{page}");
        let policy = "http-equiv=\"Content-Security-Policy\" content=\"default-src 'none'; style-src 'unsafe-inline'; \
                      base-uri 'none'; form-action 'none'\"";
        assert!(page.contains(policy), "{page}");
        let outside = page.replace("http://www.w3.org/2000/svg", "");
        for word in
            ["<script", "<img", "<link", "<iframe", "http://", "https://", "url(", "@import", "NaN", "inf\""]
        {
            assert!(!outside.contains(word), "{word}");
        }
        let tags: std::collections::BTreeSet<&str> = page
            .split('<')
            .skip(1)
            .filter_map(|part| part.split(|c: char| !c.is_ascii_alphanumeric()).next())
            .filter(|tag| !tag.is_empty())
            .collect();
        let known = [
            "a",
            "article",
            "b",
            "bdi",
            "body",
            "div",
            "figcaption",
            "figure",
            "footer",
            "h1",
            "h2",
            "h3",
            "head",
            "header",
            "html",
            "i",
            "li",
            "line",
            "meta",
            "ol",
            "p",
            "polygon",
            "polyline",
            "rect",
            "section",
            "small",
            "style",
            "svg",
            "table",
            "tbody",
            "td",
            "text",
            "th",
            "thead",
            "title",
            "tr",
            "ul",
        ];
        assert!(tags.iter().all(|tag| known.contains(tag)), "{tags:?}");
    }
}

#[test]
#[ignore = "needs chromium (tests/run installs it)"]
fn a_browser_shows_the_page_without_a_complaint() {
    let storage = tempfile::tempdir().unwrap();
    record(storage.path());
    let path = storage.path().join("page.html");
    fs::write(&path, report(storage.path(), &[])).unwrap();
    let output = Command::new("chromium")
        .args(["--headless", "--no-sandbox", "--disable-gpu", "--enable-logging=stderr", "--dump-dom"])
        .arg(format!("--user-data-dir={}", storage.path().join("profile").display()))
        .arg(format!("file://{}", path.display()))
        .output()
        .unwrap();
    let (page, log) = (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    assert_eq!(page.matches("<figure>").count(), 8, "{log}");
    assert!(!page.contains("<img") && !page.contains("<script"), "{page}");
    assert!(!log.contains("CONSOLE"), "{log}");
}

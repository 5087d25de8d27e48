//! Which time and which targets a report is about, what counts as down, and what is said when something is missing.

use std::fs;
use std::path::Path;

use super::machine::{LastRun, Machine, State};
use super::story::START;
use super::{report, run};

const HOUR: i64 = 3_600;

/// Records so many hours of an ordinary machine, all but what `skip` says.
fn record(storage: &Path, name: &str, hours: i64, skip: impl Fn(i64) -> bool) {
    let mut machine = Machine::new(storage, name, START - 86_400).each(60);
    for at in (START..START + hours * HOUR).step_by(60).filter(|at| !skip(*at - START)) {
        machine.answers(at, &State::quiet(name, at));
    }
    machine.finish();
}

/// Exit code and standard error of a report that goes wrong.
fn refused(storage: &Path, flags: &[&str]) -> (i32, String) {
    let output = run(storage, flags);
    assert!(output.stdout.is_empty(), "{}", String::from_utf8_lossy(&output.stdout));
    (output.status.code().unwrap(), String::from_utf8(output.stderr).unwrap())
}

#[test]
fn it_is_the_last_day_unless_told_otherwise() {
    let storage = tempfile::tempdir().unwrap();
    record(storage.path(), "a", 30, |_| false);
    let text = report(storage.path(), &["--format=text"]);
    assert!(text.starts_with("1 host from 2026-11-21 03:59 to 2026-11-22 03:59, UTC\n"), "{text}");
    assert!(text.contains("all 1440 scrapes"), "{text}");
    let range = ["--format=text", "--start=2026-11-21T01:00:00Z", "--end=2026-11-21T01:30:00Z"];
    let text = report(storage.path(), &range);
    assert!(
        text.contains("from 2026-11-21 01:00 to 2026-11-21 01:30") && text.contains("all 30 scrapes"),
        "{text}"
    );
    let page = report(storage.path(), &range[1..]);
    assert!(page.contains("\n01:10\n") && page.contains("Times are UTC"), "{page}");
    let (code, error) = refused(storage.path(), &["--start=2020-01-01", "--end=2020-01-02"]);
    let expected = "error: nothing is recorded between 2020-01-01 00:00:00 and 2020-01-03 00:00:00 (UTC): the record \
                    ends at 2026-11-22 03:59:00\n";
    assert_eq!((code, error.as_str()), (1, expected));
    assert_eq!(refused(storage.path(), &["--start=2027-01-01"]).0, 1);
    assert_eq!(refused(storage.path(), &["--start=now", "--end=1h"]).0, 64);
    assert!(refused(storage.path(), &["--start=soon"]).1.contains("--start: \"soon\" is not a time"));
}

#[test]
fn times_are_of_the_zone() {
    let storage = tempfile::tempdir().unwrap();
    record(storage.path(), "a", 2, |_| false);
    let mut command = std::process::Command::new(env!("CARGO_BIN_EXE_scrape-log"));
    let command = command.arg("report").arg(storage.path()).arg("--format=text").env("TZ", "Asia/Kolkata");
    let text = String::from_utf8(command.output().unwrap().stdout).unwrap();
    assert!(
        text.starts_with("1 host from 2026-11-21 03:30 to 2026-11-21 05:29, Asia/Kolkata (+05:30)\n"),
        "{text}"
    );
}

#[test]
fn targets_are_chosen() {
    let storage = tempfile::tempdir().unwrap();
    for name in ["db01", "db02", "web"] {
        record(storage.path(), name, 1, |_| false);
    }
    let text = report(storage.path(), &["--format=text", "--target=db*", "--target=web:9100"]);
    assert!(text.starts_with("3 hosts"), "{text}");
    let text = report(storage.path(), &["--format=text", "--target=db02_9100"]);
    assert!(
        text.starts_with("1 host ") && text.contains("db02 (db02:9100)") && !text.contains("db01"),
        "{text}"
    );
    let (code, error) = refused(storage.path(), &["--target=db0_9100"]);
    assert!(code == 64 && error.contains("did you mean db01_9100, db02_9100"), "{error}");
    let (code, error) = refused(&storage.path().join("nowhere"), &[]);
    assert!(code == 1 && error.contains("nowhere") && error.contains("--storage.path"), "{error}");
    let empty = tempfile::tempdir().unwrap();
    let (code, error) = refused(empty.path(), &[]);
    assert!(code == 1 && error.contains("nothing is recorded in"), "{error}");
}

#[test]
fn a_gap_is_no_downtime() {
    let storage = tempfile::tempdir().unwrap();
    record(storage.path(), "gap", 6, |since| (2 * HOUR..3 * HOUR).contains(&since));
    let mut machine = Machine::new(storage.path(), "down", START - 86_400).each(60);
    for at in (START..START + 6 * HOUR).step_by(60) {
        match at - START {
            7_200..7_800 => machine.fails(at, "deadline of 10s passed while connecting"),
            _ => machine.answers(at, &State::quiet("down", at)),
        }
    }
    machine.finish();
    let text = report(storage.path(), &["--format=text"]);
    let row = |name: &str| text.lines().find(|line| line.starts_with(name)).unwrap();
    assert!(row("gap ").contains(" 100 % ") && row("down ").contains(" 97 % "), "{text}");
    assert!(
        row("gap ").ends_with("-        -") && row("down ").ends_with("-        -"),
        "no restart: {text}"
    );
    let unfolded = text.replace('\n', " ");
    assert!(unfolded.contains("Nobody looked for 1 h 1 min: that does not count as down."), "{text}");
    assert!(unfolded.contains("It did not answer 10 of 360 scrapes, 10 min in all."), "{text}");
    let last = report(storage.path(), &["--format=text", "--last-reboot"]);
    assert_eq!(
        last.matches("No restart is recorded: it has been up since 2026-11-19 22:00:00.").count(),
        2,
        "{last}"
    );
    // Both are shaded, and no line goes through them.
    let body = |page: String| page.split_once("</style>").unwrap().1.to_owned();
    let page = body(report(storage.path(), &["--target=gap_9100"]));
    assert!(page.contains("fill=\"#ECECEC\"") && !page.contains("fill=\"#F6CFCB\""));
    let cpu = page.split("<b>CPU</b>").nth(1).unwrap().split("</figure>").next().unwrap();
    assert_eq!(cpu.matches("stroke=\"#0062A8\"").count(), 2, "one line before the gap, one behind it: {cpu}");
    let page = body(report(storage.path(), &["--target=down_9100"]));
    assert!(page.contains("fill=\"#F6CFCB\""));
}

#[test]
fn a_host_that_never_answered_comes_first() {
    let storage = tempfile::tempdir().unwrap();
    record(storage.path(), "a", 1, |_| false);
    let mut machine = Machine::new(storage.path(), "silent", START).each(60);
    for minute in 0..60 {
        machine.fails(START + minute * 60, "resolve silent: no such host");
    }
    machine.finish();
    let text = report(storage.path(), &["--format=text"]);
    let rows: Vec<&str> = text.lines().skip(3).take(2).collect();
    assert!(rows[0].starts_with("silent:9100 ") && rows[0].contains(" 0 % "), "{text}");
    assert!(text.contains("At the end it does not\nanswer: resolve silent: no such host."), "{text}");
    let page = report(storage.path(), &[]);
    assert!(
        page.contains("id=\"host-silent_9100\"") && page.contains("href=\"#host-silent_9100\""),
        "{page}"
    );
}

#[test]
fn a_short_peak_is_told_with_its_time() {
    let storage = tempfile::tempdir().unwrap();
    let mut machine = Machine::new(storage.path(), "a", START - 86_400).each(300);
    for number in 0..30 * 288 {
        let at = START + number * 300;
        let mut state = State::quiet("a", at);
        if number == 3_333 {
            state.memory = 0.88;
        }
        machine.answers(at, &state);
    }
    machine.finish();
    let flags = ["--start=2026-11-20T22:00:00Z", "--end=2026-12-20T22:00:00Z"];
    let text = report(storage.path(), &[&flags[..], &["--format=text"]].concat());
    assert!(text.contains("\n    88 %  2026-12-02 11:45  memory\n"), "{text}");
    let page = report(storage.path(), &flags);
    assert!(page.contains("memory</bdi> 4") && page.contains("peak 88 % at 2026-12-02 11:45"), "{page}");
    assert!(page.len() < 2_000_000, "{} bytes", page.len());
}

#[test]
fn a_disk_that_fills_has_a_forecast() {
    let storage = tempfile::tempdir().unwrap();
    let mut machine = Machine::new(storage.path(), "a", START - 86_400).each(60);
    for minute in 0..12 * 60 {
        let state = State { srv: 0.5 + 0.02 * minute as f64 / 60.0, ..State::quiet("a", START) };
        machine.answers(START + minute * 60, &state);
    }
    machine.finish();
    let text = report(storage.path(), &["--format=text"]);
    // It has 26 % left, which go in 13 hours.
    let expected = "/srv will be full in 13 h 1 min if it goes on like this, at about 2026-11-21 22:59";
    assert!(text.replace("\n    ", " ").contains(expected), "{text}");
    let page = report(storage.path(), &[]);
    assert!(
        page.contains(expected) && page.contains("<polyline fill=\"none\" opacity=\"1\" stroke=\"#0062A9\""),
        "{page}"
    );
}

#[test]
fn every_restart_of_the_time_is_told() {
    let storage = tempfile::tempdir().unwrap();
    let mut machine = Machine::new(storage.path(), "a", START - 86_400).each(60);
    for minute in 0..6 * 60 {
        let at = START + minute * 60;
        if minute % 120 == 90 {
            let clean = f64::from(u8::from(minute == 90));
            machine.boots(at - 20, LastRun { clean: Some(clean), ..LastRun::default() });
        }
        machine.answers(at, &State::quiet("a", at));
    }
    machine.finish();
    let text = report(storage.path(), &["--format=text"]);
    assert!(text.contains("restarted 3 times, 2 without a shutdown and\n1 after one."), "{text}");
    let restarts: Vec<&str> = text.lines().filter(|line| line.starts_with("Restart at")).collect();
    assert_eq!(
        restarts,
        [
            "Restart at 2026-11-21 03:29:40: unclean",
            "Restart at 2026-11-21 01:29:40: unclean",
            "Restart at 2026-11-20 23:29:40: shut down"
        ]
    );
    let last = |flags: &[&str]| {
        let text = report(storage.path(), &[&["--format=text", "--last-reboot"], flags].concat());
        text.replace("\n  ", " ")
    };
    let text = last(&[]);
    assert!(text.contains("booted at 2026-11-21 03:29:40, 40 s later") && !text.contains("01:29"), "{text}");
    assert!(!text.contains("Wrong at that moment"), "that it was restarted before is not wrong: {text}");
    let last = last(&["--end=2026-11-21T01:00:00Z"]);
    assert!(last.contains("booted at 2026-11-20 23:29:40"), "{last}");
}

#[test]
fn what_can_not_be_read_is_named() {
    let storage = tempfile::tempdir().unwrap();
    record(storage.path(), "a", 4, |_| false);
    let plain = storage.path().join("a_9100/samples-20261121T000000Z.om");
    let bad = plain.with_extension("om.zst");
    fs::remove_file(&plain).unwrap();
    fs::write(&bad, "no zstd at all").unwrap();
    record(storage.path(), "b", 4, |_| false);
    let broken = storage.path().join("b_9100/samples-20261120T220000Z.om");
    let text = fs::read_to_string(&broken).unwrap();
    fs::write(&broken, text.replacen("node_load1", "# ode_load1", 1)).unwrap();
    let output = run(storage.path(), &["--format=text"]);
    let (text, errors) =
        (String::from_utf8(output.stdout).unwrap(), String::from_utf8(output.stderr).unwrap());
    assert_eq!(output.status.code(), Some(1));
    for expected in [bad.to_str().unwrap(), "1 scrapes are damaged", "scrape-log check tells more"] {
        assert!(errors.contains(expected), "{errors}");
    }
    assert!(text.contains("\n2 files could not be read as a whole") && text.starts_with("2 hosts"), "{text}");
}

#[test]
fn a_file_is_replaced_only_if_asked() {
    let storage = tempfile::tempdir().unwrap();
    record(storage.path(), "a", 1, |_| false);
    let path = storage.path().join("report.html");
    fs::write(&path, "mine").unwrap();
    let output = format!("--output={}", path.display());
    let (code, error) = refused(storage.path(), &[&output]);
    assert!(code == 64 && error.contains("give --force"), "{error}");
    assert_eq!(fs::read_to_string(&path).unwrap(), "mine");
    assert_eq!(report(storage.path(), &[&output, "--force"]), "");
    assert!(fs::read_to_string(&path).unwrap().ends_with("</html>\n"));
    // A file in the storage path is none of the targets'.
    let directory = format!("--output={}", storage.path().join("out/").display());
    report(storage.path(), &[&directory, "--format=text"]);
    assert!(fs::read_to_string(storage.path().join("out/report.txt")).unwrap().starts_with("1 host "));
}

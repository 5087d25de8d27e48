//! Machines that go down, each among three that have an ordinary night. The report has to name the right one, say when
//! it went and how, and what moved first.

use std::process::Command;

use super::machine::{LastRun, Machine, State};
use super::report;
use super::story::{CLEAN, FULL_DISK, HEAT, LEAK, POWER_CUT, START, Story, WATCHDOG, record_others};

/// What the reports of a story say: that of the day, and that of the last restart.
fn told(story: &Story) -> (String, String) {
    let storage = tempfile::tempdir().unwrap();
    record_others(storage.path());
    story.record(storage.path(), "db01");
    let day = report(storage.path(), &["--format=text"]);
    let last = report(storage.path(), &["--format=text", "--last-reboot"]);
    (day, last)
}

/// The part of a text about the machine that it tells of first.
fn first_section(text: &str) -> &str {
    let start = text.find("db01 (db01:9100)\n").unwrap_or_else(|| panic!("{text}"));
    let section = text.split_at(start).1;
    let others = ["mail (", "proxy (", "web01 ("];
    let end = others.iter().filter_map(|other| section.find(&format!("\n{other}"))).min();
    section.split_at(end.unwrap_or(section.len())).0
}

/// What moved, the first first.
fn movers(text: &str) -> Vec<&str> {
    text.lines().filter(|line| line.contains(" → ")).map(str::trim).collect()
}

/// Both reports must say `expected` of the machine, and of no other one that anything is wrong.
fn assert_told((day, last): &(String, String), expected: &[&str], first_mover: Option<&str>) {
    let first_row = day.lines().nth(3).unwrap();
    assert!(first_row.starts_with("db01 "), "the worst comes first: {day}");
    for others in ["mail", "proxy", "web01"] {
        let row = day.lines().find(|line| line.starts_with(&format!("{others} "))).unwrap();
        assert!(row.contains(" 100 % ") && row.ends_with("-        -"), "{row}");
    }
    assert!(last.contains("No restart is recorded"), "{last}");
    for text in [day, last] {
        let section = first_section(text);
        let unfolded = section.replace("\n    ", " ").replace("\n  ", " ");
        for words in expected {
            assert!(unfolded.contains(words), "{words:?} is missing: {section}");
        }
        let moved = movers(section);
        match first_mover {
            Some(name) => assert!(moved[0].starts_with(name), "{moved:?}"),
            None => assert!(moved.is_empty(), "{moved:?}"),
        }
    }
}

#[test]
fn the_recordings_are_as_the_recorder_writes_them() {
    let storage = tempfile::tempdir().unwrap();
    LEAK.record(storage.path(), "db01");
    let mut check = Command::new(env!("CARGO_BIN_EXE_scrape-log"));
    let output = check.args(["check", "--quiet"]).arg(storage.path()).output().unwrap();
    assert!(
        output.status.success() && output.stdout.is_empty(),
        "{}",
        String::from_utf8_lossy(&output.stdout)
    );
}

#[test]
fn what_the_machine_noted_is_closer_than_the_last_scrape() {
    let storage = tempfile::tempdir().unwrap();
    let mut machine = Machine::new(storage.path(), "db01", START - 86_400).each(60);
    for minute in 0..120 {
        let at = START + minute * 60;
        if minute == 100 {
            let alive = Some((at - 100) as f64);
            machine.boots(at - 30, LastRun { clean: Some(0.0), alive, watchdog: None });
        }
        if !(97..100).contains(&minute) {
            machine.answers(at, &State::quiet("db01", at));
        }
    }
    machine.finish();
    let text = report(storage.path(), &["--format=text", "--last-reboot"]).replace("\n  ", " ");
    let expected = "It was last alive at 2026-11-20 23:38:20 (the last scrape was at 2026-11-20 23:36:00) and was booted \
                    at 2026-11-20 23:39:30, 1 min 10 s later.";
    assert!(text.contains(expected), "{text}");
}

#[test]
fn a_leak_ends_in_oom() {
    let told = told(&LEAK);
    let expected = [
        "It was last alive at 2026-11-21 06:17:15 and was booted at 2026-11-21 06:19:05, 1 min 50 s later",
        "It was not shut down",
        "vitals_last_shutdown_clean is 0",
        "Wrong at that moment",
        "processes killed for want of memory",
    ];
    assert_told(&told, &expected, Some("memory: "));
}

#[test]
fn a_disk_fills() {
    let told = told(&FULL_DISK);
    let expected = ["booted at 2026-11-21 06:21:30", "It was not shut down", "critical: /srv has 0"];
    assert_told(&told, &expected, Some("disk /srv: "));
}

#[test]
fn heat_and_no_return() {
    let told = told(&HEAT);
    let expected =
        ["It was last alive at 2026-11-21 06:17:15 and has not come back.", "will be known when it is back"];
    assert_told(&told, &expected, Some("temperature platform_coretemp_0 temp1: "));
}

#[test]
fn the_power_fails() {
    let told = told(&POWER_CUT);
    let expected = ["30 min 15 s later", "It was not shut down", "ten minutes before: look at power"];
    assert_told(&told, &expected, None);
}

#[test]
fn a_restart_on_purpose() {
    let told = told(&CLEAN);
    let expected =
        ["booted at 2026-11-21 06:18:40", "It was shut down", "unusual way in the ten minutes before."];
    assert_told(&told, &expected, None);
}

#[test]
fn the_watchdog_bites() {
    let told = told(&WATCHDOG);
    let expected =
        ["booted at 2026-11-21 06:18:15", "A watchdog timer has reset it", "tasks stuck in the kernel"];
    assert_told(&told, &expected, Some("tasks stuck in the kernel: "));
}

#[test]
fn a_refused_connection_hints_at_a_shutdown() {
    let story = CLEAN.saying(LastRun::default());
    let storage = tempfile::tempdir().unwrap();
    story.record(storage.path(), "db01");
    let text = report(storage.path(), &["--format=text", "--last-reboot"]);
    assert!(text.contains("Probably it was shut down"), "{text}");
    let mut machine = Machine::new(storage.path(), "stopped", START - 86_400).each(60);
    for minute in 0..120 {
        let at = START + minute * 60;
        match minute {
            0..100 => machine.answers(at, &State::quiet("stopped", at)),
            _ => machine.fails(at, "connect to 10.0.0.9:9100: Connection refused (os error 111)"),
        }
    }
    machine.finish();
    let text = report(storage.path(), &["--format=text", "--target=stopped_9100"]).replace('\n', " ");
    assert!(
        text.contains("It answered last at 2026-11-20 23:39:00, and refuses connections since."),
        "{text}"
    );
    let story = POWER_CUT.saying(LastRun::default());
    let storage = tempfile::tempdir().unwrap();
    story.record(storage.path(), "db01");
    let text = report(storage.path(), &["--format=text", "--last-reboot"]);
    assert!(text.contains("Whether it was shut down is not known"), "{text}");
}

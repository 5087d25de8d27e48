//! Writes recordings for `benches/report.sh`, and to look at reports of: all of it depends on nothing but the flags.
//!
//!   cargo bench --bench report -- DIR HOSTS HOURS SAMPLES    ordinary machines, that many
//!   cargo bench --bench report -- DIR stories                one for each story of tests/report/stories.rs
#![allow(clippy::unwrap_used, missing_docs)]

#[allow(dead_code, reason = "the tests use more of it")]
#[path = "../tests/report/machine.rs"]
mod machine;
#[allow(dead_code, reason = "the tests use more of it")]
#[path = "../tests/report/story.rs"]
mod story;

use std::path::Path;

use machine::{LastRun, Machine, State};
use story::START;

fn main() {
    let arguments: Vec<String> = std::env::args().skip(1).filter(|argument| argument != "--bench").collect();
    match arguments.iter().map(String::as_str).collect::<Vec<_>>()[..] {
        [directory, "stories"] => {
            let storage = Path::new(directory);
            story::record_others(storage);
            for (name, story) in story::ALL {
                story.record(storage, name);
            }
        }
        [directory, hosts, hours, samples] => {
            let [hosts, hours, samples] = [hosts, hours, samples].map(|text| text.parse::<i64>().unwrap());
            for host in 0..hosts {
                record(Path::new(directory), &format!("host{host:03}"), hours, samples as usize);
            }
        }
        _ => eprintln!("expected DIR stories, or DIR HOSTS HOURS SAMPLES"),
    }
}

/// A machine that is restarted each ten days, and has no scrapes for two hours each week.
fn record(storage: &Path, name: &str, hours: i64, samples: usize) {
    const DAY: i64 = 86_400;
    let start = START.div_euclid(DAY) * DAY;
    let mut machine = Machine::new(storage, name, start - 9 * DAY).filled(samples);
    for at in (start..start + hours * 3_600).step_by(15) {
        let since = at - start;
        if (0..7_200).contains(&(since % (7 * DAY) - 3 * DAY)) {
            continue;
        }
        match since % (10 * DAY) - 5 * DAY {
            0..120 => {
                machine.fails(at, "deadline of 10s passed while connecting");
                continue;
            }
            120 => machine.boots(at - 30, LastRun { clean: Some(1.0), ..LastRun::default() }),
            _ => {}
        }
        machine.answers(at, &State::quiet(name, at));
    }
    machine.finish();
}

use std::fs;
use std::time::Instant;

use super::*;
use crate::scrape_log::files::tests::{NOON, Writer, put};
use crate::scrape_log::tools::top::once::settle;
use crate::scrape_log::tools::top::picture::Row;
use crate::vitals::status::State;

const STEP: i64 = 15_000;
const FILE: &str = "samples-20261121T120000Z.om";
const INTERVAL: Duration = Duration::from_millis(20);

/// A scrape of a host, of which CPU and load tell which it is.
fn scrape(writer: &mut Writer, name: &str, at: i64) {
    let seconds = (at - NOON) / 1000;
    writer.scrape(
        at,
        &[
            &format!("node_uname_info{{nodename=\"{name}\"}} 1"),
            &format!("node_load1 {seconds}"),
            &format!("node_cpu_seconds_total{{cpu=\"0\",mode=\"user\"}} {}", seconds as f64 * 0.25),
            &format!("node_cpu_seconds_total{{cpu=\"0\",mode=\"idle\"}} {}", seconds as f64 * 0.75),
        ],
    );
}

fn recorded(name: &str, times: impl Iterator<Item = i64>) -> Writer {
    let mut writer = Writer::new(&format!("{name}:9100"));
    times.for_each(|at| scrape(&mut writer, name, at));
    writer
}

fn open(storage: &Path, now: i64) -> Recorded {
    Recorded::open_at(storage, INTERVAL, now).unwrap()
}

/// The hosts at a moment once they are read: names and loads.
fn loads(source: &mut Recorded, when: When) -> Vec<(String, Option<f64>)> {
    let picture = settle(source, when).unwrap();
    picture.rows.iter().map(|row| (row.host.name.clone(), row.host.vitals.load1)).collect()
}

fn wait<T>(source: &mut Recorded, mut find: impl FnMut(&mut Recorded, News) -> Option<T>) -> T {
    let end = Instant::now() + Duration::from_secs(60);
    loop {
        let news = source.news();
        if let Some(found) = find(source, news) {
            return found;
        }
        assert!(Instant::now() < end, "waited in vain");
        thread::sleep(Duration::from_millis(2));
    }
}

/// Follows a step to where it leads.
fn step(source: &mut Recorded, key: &str, when: When, steps: i32) -> Step {
    settle(source, when).unwrap();
    match source.step(key, when, steps) {
        Step::Later => wait(source, |_, news| news.stepped),
        step => step,
    }
}

#[test]
fn the_present_is_what_is_written_now() {
    let storage = tempfile::tempdir().unwrap();
    let now = NOON + 3_600_000;
    let times = (0..=239).map(|index| NOON + STEP * index);
    let path = put(storage.path(), &format!("a_9100/{FILE}"), &recorded("a", times).text);
    let mut source = open(storage.path(), now);
    assert_eq!(loads(&mut source, When::Live), [("a".to_owned(), Some(3585.0))]);
    let row = source.picture(When::Live, Some("a_9100")).rows.remove(0);
    assert_eq!((row.host.vitals.cpu_usage_ratio, row.host.interval_seconds), (Some(0.25), Some(15.0)));
    // Another scrape, and another target.
    let mut more = Writer::new("a:9100");
    more.text.clear();
    scrape(&mut more, "a", now);
    let written = [fs::read(&path).unwrap(), more.text.into_bytes()].concat();
    fs::write(&path, written).unwrap();
    put(storage.path(), &format!("b_9100/{FILE}"), &recorded("b", [now - STEP, now].into_iter()).text);
    let both = wait(&mut source, |source, _| {
        let rows = source.picture(When::Live, None).rows;
        let loads: Vec<_> = rows.iter().map(|row| row.host.vitals.load1).collect();
        (loads.len() == 2 && loads[0] == Some(3600.0)).then_some(loads)
    });
    assert_eq!(both[1], Some(3600.0));
}

#[test]
fn steps_go_through_the_scrapes_of_a_host_and_all_are_shown_as_they_were() {
    let storage = tempfile::tempdir().unwrap();
    // The second is scraped 5 s later each time.
    let all = || (0..=440).map(|index| NOON + STEP * index);
    put(storage.path(), &format!("a_9100/{FILE}"), &recorded("a", all()).text);
    put(storage.path(), &format!("b_9100/{FILE}"), &recorded("b", all().map(|at| at + 5_000)).text);
    let mut source = open(storage.path(), NOON + STEP * 440 + 6_000);
    let last = NOON + STEP * 440;
    let before = step(&mut source, "a_9100", When::Live, -1);
    assert_eq!(before, Step::To(When::At(last - STEP)));
    let Step::To(when) = before else { unreachable!() };
    assert_eq!(loads(&mut source, when), [("a".to_owned(), Some(6585.0)), ("b".to_owned(), Some(6575.0))]);
    assert_eq!(step(&mut source, "a_9100", when, 1), Step::To(When::At(last)));
    // Far back, over the border of what was read at first.
    let mut at = last;
    for _ in 0..30 {
        let Step::To(When::At(there)) = step(&mut source, "a_9100", When::At(at), -10) else {
            panic!("{at}")
        };
        assert_eq!(there, at - 10 * STEP);
        at = there;
    }
    let picture = settle(&mut source, When::At(at)).unwrap();
    assert_eq!(picture.rows[0].host.vitals.load1, Some(((at - NOON) / 1000) as f64));
    assert!(!picture.is_live && picture.time == at);
    wait(&mut source, |source, _| {
        let rows = source.picture(When::At(at), Some("a_9100")).rows;
        let recent = rows.into_iter().find(|row| row.key == "a_9100")?.host.recent?;
        (recent.at_milliseconds.len() == 61).then_some(())
    });
    assert_eq!(step(&mut source, "a_9100", When::At(NOON), -1), Step::End);
    let from = NOON + 3_600_000;
    // Between two scrapes the step back leads before the one that is shown.
    assert_eq!(step(&mut source, "a_9100", When::At(from + 7_000), -1), Step::To(When::At(from - STEP)));
    assert_eq!(step(&mut source, "a_9100", When::At(from + 7_000), 1), Step::To(When::At(from + STEP)));
}

#[test]
fn gaps_are_stepped_over_and_hosts_that_were_not_there_are_not_shown() {
    let storage = tempfile::tempdir().unwrap();
    let evening = NOON + 7 * 3_600_000;
    let writer = recorded("a", [NOON, NOON + STEP].into_iter());
    put(storage.path(), &format!("a_9100/{FILE}.zst"), writer.compressed());
    let late = recorded("a", [evening, evening + STEP].into_iter());
    put(storage.path(), "a_9100/samples-20261121T190000Z.om", &late.text);
    let mut source = open(storage.path(), evening + 60_000);
    let first = NOON + STEP;
    assert_eq!(step(&mut source, "a_9100", When::At(evening), -1), Step::To(When::At(first)));
    assert_eq!(step(&mut source, "a_9100", When::At(first), 1), Step::To(When::At(evening)));
    let picture = settle(&mut source, When::At(evening - 3_600_000)).unwrap();
    assert_eq!((picture.rows.len(), picture.absent), (0, 1));
    assert_eq!(loads(&mut source, When::At(first + 60_000)), [("a".to_owned(), Some(15.0))]);
}

#[test]
fn a_recording_that_has_ended_is_shown_at_its_end() {
    let storage = tempfile::tempdir().unwrap();
    let writer = recorded("a", [NOON, NOON + STEP].into_iter());
    put(storage.path(), &format!("a_9100/{FILE}.zst"), writer.compressed());
    let mut source = open(storage.path(), NOON + 40 * 3_600_000);
    let picture = settle(&mut source, When::Live).unwrap();
    assert_eq!((picture.time, picture.is_live), (NOON + STEP, false));
    assert!(picture.is_end && picture.trouble.is_none());
    assert_eq!(step(&mut source, "a_9100", When::Live, -1), Step::To(When::At(NOON)));
    assert_eq!(step(&mut source, "a_9100", When::At(NOON + STEP), 1), Step::End);
}

#[test]
fn one_target_alone_none_and_what_is_no_storage() {
    let storage = tempfile::tempdir().unwrap();
    assert!(settle(&mut open(storage.path(), NOON), When::Live).unwrap().rows.is_empty());
    let path = put(storage.path(), &format!("a_9100/{FILE}"), &recorded("a", [NOON].into_iter()).text);
    let mut source = open(path.parent().unwrap(), NOON + 1_000);
    assert_eq!(loads(&mut source, When::Live), [("a".to_owned(), Some(0.0))]);
    for (path, want) in [(path.as_path(), "is not a directory"), (Path::new("/nowhere/at/all"), "can't list")]
    {
        let problem = Recorded::open(path, INTERVAL).err().unwrap().to_string();
        assert!(problem.contains(want) && problem.contains("--storage.path"), "{problem}");
    }
}

#[test]
fn problems_and_failures_are_those_of_the_moment() {
    let storage = tempfile::tempdir().unwrap();
    let mut writer = Writer::new("a:9100");
    for index in 0..20 {
        let used = if (8..12).contains(&index) { 95 } else { 10 };
        let used = format!("node_filefd_allocated {used}");
        writer.scrape(NOON + STEP * index, &["node_filefd_maximum 100", &used]);
    }
    put(storage.path(), &format!("a_9100/{FILE}"), &writer.text);
    let mut source = open(storage.path(), NOON + STEP * 20);
    let mut row = |at: i64| -> Row { settle(&mut source, When::At(at)).unwrap().rows.remove(0) };
    assert!(row(NOON + STEP * 7).host.problems.is_empty());
    let open_files = row(NOON + STEP * 10 + 1);
    assert_eq!(open_files.host.problems[0].alert, "NodeFileDescriptorLimit");
    assert_eq!(open_files.host.problems[0].since_milliseconds, NOON + STEP * 8);
    assert_eq!((open_files.known_from, open_files.host.state), (NOON, State::Up));
    assert!(row(NOON + STEP * 12).host.problems.is_empty());
}

#[test]
fn memory_has_an_end() {
    let host = |at: i64| {
        let mut host = Host::new("node", "a", None, &Watch::default());
        host.seen_milliseconds = Some(at);
        cache::Moment { host, known_from: 0 }
    };
    let mut cache = Cache::new(0);
    cache.add_target("a".to_owned());
    // Three days of following, with an eye on the first day.
    for at in (0..3 * 86_400_000).step_by(60_000) {
        cache.add_live("a", at, host(at));
        cache.trim(at, Some(3_600_000));
    }
    assert!(cache.recent("a", 3 * 86_400_000).at_milliseconds.len() >= 15);
    for start in (0..86_400_000).step_by(usize::try_from(CHUNK).unwrap()) {
        let range = TimeRange { start, end: start + CHUNK };
        let moments = (start..start + CHUNK).step_by(60_000).map(|at| (at, host(at))).collect();
        cache.add_past(range, vec![("a".to_owned(), moments)]);
        cache.trim(3 * 86_400_000, Some(3_600_000));
    }
    let left = std::iter::successors(Some(i64::MAX), |at| cache.scrape_at("a", at - 1)).count();
    assert!(left < 15 * 16, "{left} moments");
    assert!(cache.is_loaded(3_600_000), "what is looked at stays");
}

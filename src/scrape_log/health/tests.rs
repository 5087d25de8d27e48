use super::*;

struct Bench {
    health: Health,
    start: Instant,
}

impl Bench {
    fn new() -> Self {
        Self {
            health: Health::new("http://a:1/".to_owned(), PACE / 4, Arc::default()),
            start: Instant::now(),
        }
    }

    fn note(&mut self, second: u64, error: Option<FetchError>) -> bool {
        let summary = Summary { error: error.as_ref().map(ToString::to_string), ..Summary::default() };
        self.health
            .note(self.start + Duration::from_secs(second), error.map(Failure::Fetch), &summary, 0)
            .state
    }
}

fn short(received_bytes: usize) -> Option<FetchError> {
    Some(FetchError::Short { received_bytes })
}

#[test]
fn changes_are_said_once() {
    let mut bench = Bench::new();
    assert!(bench.note(0, None));
    assert!(!bench.note(15, None));
    assert!(bench.note(90, short(1)));
    assert!(!bench.note(105, short(2)), "the same cause with another count");
    assert!(bench.note(120, Some(FetchError::Closed)), "another cause");
    assert!(bench.note(150, None));
    assert_eq!(bench.health.failed, 0);
}

#[test]
fn a_target_that_flaps_gets_a_line_a_minute() {
    let mut bench = Bench::new();
    let said: Vec<u64> =
        (0..600).filter(|&second| bench.note(second, short(1).filter(|_| second % 2 == 0))).collect();
    assert_eq!(said, [0, 1, 60, 121, 180, 241, 300, 361, 420, 481, 540]);
    // What held when the log was quiet is said in the end.
    let mut quiet = Bench::new();
    assert!(quiet.note(0, None) && quiet.note(1, short(1)));
    assert!(!quiet.note(2, None));
    assert!(!quiet.note(61, short(1)), "that was said");
    assert!(quiet.note(62, None));
}

#[test]
fn all_that_there_is_to_say_of_a_target_has_one_pace() {
    let mut health = Health::new("http://a:1/".to_owned(), PACE / 4, Arc::default());
    let start = Instant::now();
    let mut lines = Vec::new();
    for second in 0..1200 {
        let error = short(1).filter(|_| second % 7 == 3);
        let summary = Summary {
            error: error.as_ref().map(ToString::to_string),
            bad_lines: usize::from(second > 200),
            duplicates: usize::from(second > 400),
            ..Summary::default()
        };
        let now = start + Duration::from_secs(second);
        let said = health.note(now, error.map(Failure::Fetch), &summary, second % 2);
        lines.extend([said.state, said.late, said.left_out].into_iter().filter(|&said| said).map(|_| second));
    }
    for (earlier, &from) in lines.iter().enumerate() {
        for (later, &to) in lines.iter().enumerate().skip(earlier) {
            let count = u64::try_from(later - earlier).unwrap() + 1;
            assert!(count <= 2 + (to - from) / 60, "{count} lines from {from} to {to}: {lines:?}");
        }
    }
    assert!(lines.len() >= 20, "{lines:?}");
    assert!(health.said_bad_lines && health.said_duplicates);
}

#[test]
fn what_is_left_out_is_said_once_and_with_that_the_target_is_up() {
    let mut health = Health::new("http://a:1/".to_owned(), PACE / 4, Arc::default());
    let start = Instant::now();
    let mut note = |minute: u32, bad_lines, duplicates, error: Option<FetchError>| {
        let first_bad_line = (bad_lines > 0).then(|| "line 2: no value".to_owned());
        let error_text = error.as_ref().map(ToString::to_string);
        let summary =
            Summary { error: error_text, bad_lines, duplicates, first_bad_line, ..Summary::default() };
        let said = health.note(start + minute * PACE, error.map(Failure::Fetch), &summary, 0);
        (said.state, said.left_out)
    };
    assert_eq!(note(0, 3, 0, None), (true, false), "one line for both");
    assert_eq!(note(1, 4, 0, None), (false, false));
    assert_eq!(note(2, 4, 1, None), (false, true));
    assert_eq!(note(3, 0, 0, short(1)), (true, false));
    assert_eq!(note(4, 4, 1, None), (true, false));
    assert_eq!(note(5, 4, 1, None), (false, false));
}

#[test]
fn many_targets_at_once_are_a_few_lines_and_a_sum() {
    let budget = Arc::new(Budget::default());
    let now = Instant::now();
    let summary = Summary { error: Some("closed".to_owned()), ..Summary::default() };
    let mut all: Vec<_> =
        (0..500).map(|host| Health::new(format!("http://h{host}:1/"), PACE, Arc::clone(&budget))).collect();
    let closed = || Some(Failure::Fetch(FetchError::Closed));
    assert!(all.iter_mut().all(|health| health.note(now, closed(), &summary, 0).state));
    assert_eq!(budget.unsaid().down, 480);
    let next = now + PACE;
    assert!(all.iter_mut().all(|health| !health.note(next, closed(), &summary, 0).state), "once");
    let up = Summary::default();
    assert!(all.iter_mut().all(|health| health.note(next, None, &up, 0).state));
    assert_eq!(budget.unsaid().up, 480);
}

#[test]
fn targets_that_are_refused_have_no_line_of_their_own() {
    let budget = Arc::new(Budget::default());
    let now = Instant::now();
    let summary = Summary { error: Some("too many".to_owned()), ..Summary::default() };
    for _ in 0..500 {
        let mut health = Health::new("http://a:1/".to_owned(), PACE, Arc::clone(&budget));
        health.note(now, Some(Failure::Refused("too many".to_owned())), &summary, 0);
    }
    assert_eq!(budget.unsaid().down, 0);
    assert!(budget.allows(now, Topic::Down), "nothing was used");
}

#[test]
fn missed_scrapes_are_said_and_counted() {
    let mut health = Health::new("http://a:1/".to_owned(), PACE, Arc::default());
    let start = Instant::now();
    let mut note = |second, missed, error: Option<FetchError>| {
        let now = start + Duration::from_secs(second);
        let summary = Summary { error: error.as_ref().map(ToString::to_string), ..Summary::default() };
        let said = health.note(now, error.map(Failure::Fetch), &summary, missed).late;
        (said, health.missed)
    };
    assert_eq!(note(0, 0, None), (false, 0));
    assert_eq!(note(15, 2, None), (true, 2));
    assert_eq!(note(30, 1, None), (false, 3));
    assert_eq!(note(45, 0, None), (false, 3), "there were two lines in this minute");
    assert_eq!(note(60, 0, None), (true, 0));
    assert_eq!(note(300, 1, short(1)), (false, 0), "the failure is what there is to say");
}

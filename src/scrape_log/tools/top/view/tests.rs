use std::cell::RefCell;
use std::rc::Rc;

use ratatui::Terminal;
use ratatui::backend::TestBackend;
use ratatui::crossterm::event::{KeyCode, KeyEvent, KeyModifiers};
use ratatui::style::Color;

use super::app::{App, Mode};
use super::draw;
use super::theme::Theme;
use crate::scrape_log::tools::top::picture::{News, Picture, Row, Source, Step, When};
use crate::vitals::status::{Host, Problem, Recent, State};
use crate::vitals::{Disk, Sensor, Severity, Vitals, Watch};

const NOW: i64 = 1_795_262_400_000;

/// Hosts that do not change, at scrapes of every 15 seconds.
struct Fake {
    rows: Vec<Row>,
    has_past: bool,
    trouble: Option<String>,
    /// What was asked for.
    asked: Rc<RefCell<Vec<When>>>,
}

impl Source for Fake {
    fn name(&self) -> &str {
        "/var/lib/scrape-log\x1b[2J"
    }

    fn has_past(&self) -> bool {
        self.has_past
    }

    fn news(&mut self) -> News {
        News::default()
    }

    fn picture(&mut self, when: When, chosen: Option<&str>) -> Picture {
        self.asked.borrow_mut().push(when);
        let mut rows = self.rows.clone();
        for row in rows.iter_mut().filter(|row| Some(row.key.as_str()) != chosen) {
            row.host.recent = None;
        }
        let time = if let When::At(time) = when { time } else { NOW };
        let trouble = self.trouble.clone();
        Picture {
            time,
            is_live: when == When::Live,
            rows,
            absent: 0,
            is_loading: false,
            trouble,
            is_end: false,
        }
    }

    fn step(&mut self, _: &str, when: When, steps: i32) -> Step {
        match when {
            When::At(time) if steps > 0 && time + 15_000 * i64::from(steps) >= NOW => Step::To(When::Live),
            When::At(time) => Step::To(When::At(time + 15_000 * i64::from(steps))),
            When::Live if steps < 0 => Step::To(When::At(NOW + 15_000 * i64::from(steps))),
            When::Live => Step::End,
        }
    }
}

fn host(name: &str) -> Host {
    let number = |count: usize, value: f32| vec![Some(value); count];
    let at_milliseconds: Vec<i64> = (0..60).map(|index| NOW - 15_000 * (59 - index)).collect();
    Host {
        name: name.to_owned(),
        state: State::Up,
        seen_milliseconds: Some(NOW - 4_000),
        vitals: Vitals {
            uptime_seconds: Some(90_061.0),
            cpu_usage_ratio: Some(0.42),
            memory_used_ratio: Some(0.81),
            memory_total_bytes: Some(68_719_476_736.0),
            fullest_disk: Some(Disk { mountpoint: "/srv".to_owned(), used_ratio: 0.66 }),
            load1: Some(1.5),
            io_waiting_ratio: Some(0.07),
            hottest: Some(Sensor {
                name: "Package id 0".to_owned(),
                celsius: 71.0,
                limit_celsius: Some(95.0),
            }),
            network_receive_bytes_per_second: Some(1_200_000.0),
            network_transmit_bytes_per_second: Some(300_000.0),
            disk_read_bytes_per_second: Some(0.0),
            ..Vitals::default()
        },
        recent: Some(Recent {
            cpu_usage_ratio: number(60, 0.5),
            memory_used_ratio: number(60, 0.8),
            network_bytes_per_second: number(60, 1e6),
            disk_bytes_per_second: vec![None; 60],
            celsius: number(60, 70.0),
            at_milliseconds,
        }),
        ..Host::new("node", &format!("{name}:9100"), Some(15.0), &Watch::default())
    }
}

fn with_problem(name: &str, severity: Severity, sentence: &str) -> Host {
    let problem = Problem {
        severity,
        alert: "NodeFilesystemAlmostOutOfSpace".to_owned(),
        about: "/srv".to_owned(),
        sentence: sentence.to_owned(),
        since_milliseconds: NOW - 120_000,
    };
    Host { problems: vec![problem], ..host(name) }
}

fn app(hosts: Vec<Host>) -> App {
    let rows = hosts.into_iter().enumerate();
    let rows = rows.map(|(index, host)| Row::new(format!("{index}"), host)).collect();
    App::new(Box::new(Fake { rows, has_past: true, trouble: None, asked: Rc::default() }), When::Live)
}

fn some_hosts() -> Vec<Host> {
    vec![
        host("db01"),
        with_problem("web01", Severity::Warning, "/srv has 4 % of its space left (40 GiB)"),
        with_problem("web02", Severity::Critical, "/srv has 2 % of its space left (20 GiB)"),
        Host { state: State::Down, ..with_problem("nas01", Severity::Critical, "does not answer: refused") },
        Host { seen_milliseconds: Some(NOW - 400_000), ..host("old01") },
    ]
}

fn terminal(app: &mut App, theme: Theme, (width, height): (u16, u16)) -> Terminal<TestBackend> {
    let mut terminal = Terminal::new(TestBackend::new(width, height)).unwrap();
    app.take_news();
    app.look();
    terminal.draw(|frame| draw::draw(app, &theme, frame.area(), frame.buffer_mut())).unwrap();
    terminal
}

/// The lines of the screen.
fn screen(app: &mut App, size: (u16, u16)) -> Vec<String> {
    let terminal = terminal(app, Theme::new(true), size);
    let buffer = terminal.backend().buffer();
    let lines = buffer.content().chunks(usize::from(size.0));
    lines.map(|cells| cells.iter().map(|cell| cell.symbol()).collect()).collect()
}

fn press(app: &mut App, keys: &str) {
    for key in keys.chars() {
        let code = match key {
            '<' => KeyCode::Left,
            '>' => KeyCode::Right,
            '^' => KeyCode::Up,
            'v' => KeyCode::Down,
            '\n' => KeyCode::Enter,
            '\x1b' => KeyCode::Esc,
            '$' => KeyCode::End,
            other => KeyCode::Char(other),
        };
        app.press(KeyEvent::new(code, KeyModifiers::NONE));
        app.look();
    }
}

fn line<'a>(screen: &'a [String], about: &str) -> &'a str {
    screen.iter().find(|line| line.contains(about)).unwrap_or_else(|| panic!("no {about}: {screen:#?}"))
}

#[test]
fn hosts_in_trouble_are_on_top_and_the_first_is_explained() {
    for size in [(80, 24), (200, 60)] {
        let screen = screen(&mut app(some_hosts()), size);
        assert!(screen[0].starts_with(" LIVE  2026-11-21"), "{}", screen[0]);
        assert!(screen[0].contains("/var/lib/scrape-log\u{fffd}[2J"), "{}", screen[0]);
        for part in ["5 hosts", "X 1 down", "!! 1 critical", "! 1 warning", "~ 1 stale", "1 up"] {
            assert!(screen[1].contains(part), "{part}: {}", screen[1]);
        }
        let order = ["nas01", "web02", "web01", "old01", "db01"];
        for (row, name) in order.iter().enumerate() {
            assert!(screen[3 + row].contains(name), "{name}: {}", screen[3 + row]);
        }
        assert!(screen[3].starts_with("> X  down     nas01"), "{}", screen[3]);
        assert!(line(&screen, "web01").contains(" 42 %") && line(&screen, "web01").contains(" 81 %"));
        assert!(line(&screen, "web01").contains("/srv has 4 % of its space"));
        assert!(line(&screen, "old01").contains("numbers are 6 min 40 s old"));
        assert!(line(&screen, "refused, for").contains("!! does not answer: refused, for 2 min"));
        assert!(line(&screen, "load 1.5").contains("42 % load 1.5"));
        assert!(screen.iter().any(|line| line.contains("▅▅▅▅▅▅") || line.contains("████")), "{screen:#?}");
        assert!(screen.last().unwrap().contains("? keys"));
    }
    let wide = screen(&mut app(some_hosts()), (200, 60));
    let db = line(&wide, "db01");
    for part in ["1 d 1 h", "██▌      42 %", "/srv ████     66 %", "71 °C", "i/o    7 %", "1.5 MB/s", "0 B/s"]
    {
        assert!(db.contains(part), "{part}: {db}");
    }
}

#[test]
fn colours_repeat_what_signs_say_and_can_be_left_out() {
    let colours = |theme| {
        let terminal = terminal(&mut app(some_hosts()), theme, (120, 30));
        let cells = terminal.backend().buffer().content().to_vec();
        cells.iter().filter(|cell| cell.fg != Color::Reset || cell.bg != Color::Reset).count()
    };
    assert!(colours(Theme::new(true)) > 50);
    assert_eq!(colours(Theme::new(false)), 0);
}

#[test]
fn any_size_will_do() {
    for (width, height) in [(1, 1), (20, 3), (30, 8), (40, 10), (60, 15), (80, 24), (300, 100)] {
        for hosts in [Vec::new(), vec![host("a")], some_hosts()] {
            let mut app = app(hosts);
            screen(&mut app, (width, height));
            press(&mut app, "\n");
            screen(&mut app, (width, height));
            press(&mut app, "\n?");
            screen(&mut app, (width, height));
        }
    }
    let narrow = screen(&mut app(some_hosts()), (40, 12));
    assert!(line(&narrow, "web02").starts_with("  !! critical web02"), "{narrow:#?}");
    assert!(line(&narrow, "web02").contains("/srv has 2"), "{narrow:#?}");
    let none = screen(&mut app(Vec::new()), (80, 24));
    assert!(none[1].contains("0 hosts") && none[4].contains("no host was scraped"), "{none:#?}");
}

#[test]
fn names_and_values_of_anybody_are_harmless() {
    let hostile = "a\x1b[31m\x07\r\n\u{202e}\u{200b}\u{9b}b".to_owned() + &"x".repeat(10_000);
    let vitals = Vitals {
        cpu_usage_ratio: Some(f64::NAN),
        memory_used_ratio: Some(1e308),
        memory_total_bytes: Some(1e308),
        load1: Some(f64::INFINITY),
        uptime_seconds: Some(1e308),
        fullest_disk: Some(Disk { mountpoint: hostile.clone(), used_ratio: -1e308 }),
        hottest: Some(Sensor { name: hostile.clone(), celsius: f64::NAN, limit_celsius: Some(1e308) }),
        network_receive_bytes_per_second: Some(f64::NEG_INFINITY),
        swapped_in_pages_per_second: Some(1e308),
        swapped_out_pages_per_second: Some(f64::NAN),
        ..Vitals::default()
    };
    let recent = Recent {
        at_milliseconds: vec![i64::MIN, 5, NOW, NOW, i64::MAX],
        cpu_usage_ratio: vec![Some(f32::NAN), Some(f32::MAX), Some(f32::MIN), Some(1.0), None],
        memory_used_ratio: vec![Some(f32::INFINITY); 5],
        network_bytes_per_second: vec![Some(f32::MAX); 5],
        celsius: vec![Some(f32::MIN); 2],
        ..Recent::default()
    };
    let bad = Host {
        vitals,
        recent: Some(recent),
        job: hostile.clone(),
        instance: hostile.clone(),
        interval_seconds: Some(f64::NAN),
        seen_milliseconds: Some(i64::MIN),
        ..with_problem(&hostile, Severity::Critical, &hostile)
    };
    for size in [(80, 24), (200, 60), (30, 9)] {
        let mut app = app(vec![bad.clone(), host("good")]);
        for keys in ["", "\n", "\n/a\n", "s", "s", "s", "s", "s", "s"] {
            press(&mut app, keys);
            let screen = screen(&mut app, size).concat();
            let harmful = |c: char| c.is_control() || matches!(c, '\u{202e}' | '\u{200b}' | '\u{9b}');
            assert!(!screen.contains(harmful), "{screen}");
        }
        assert!(screen(&mut app, size).concat().contains("a\u{fffd}[31m\u{fffd}"));
    }
}

#[test]
fn two_hundred_hosts_are_scrolled_and_the_selection_stays_with_its_host() {
    let names: Vec<String> = (0..200).map(|index| format!("host{index:03}")).collect();
    let mut app = app(names.iter().map(|name| host(name)).collect());
    let first = screen(&mut app, (80, 24));
    assert!(first[3].contains("> ") && first[3].contains("host000"), "{}", first[3]);
    assert!(first.iter().any(|line| line.contains('▼')), "{first:#?}");
    app.press(KeyEvent::new(KeyCode::PageDown, KeyModifiers::NONE));
    press(&mut app, "v");
    let next = screen(&mut app, (80, 24));
    let selected = line(&next, "> ").to_owned();
    assert!(selected.contains("host011"), "{selected}");
    assert!(next.iter().any(|line| line.contains('▲')), "{next:#?}");
    press(&mut app, "$");
    assert!(line(&screen(&mut app, (80, 24)), "> ").contains("host199"));
    // By another order it is the same host that is selected.
    press(&mut app, "^ss");
    assert!(line(&screen(&mut app, (80, 24)), "> ").contains("host198"));
    press(&mut app, "/17");
    let filtered = screen(&mut app, (80, 24));
    assert!(filtered.last().unwrap().starts_with("/17") && filtered.last().unwrap().contains("12 of 200"));
    press(&mut app, "\n");
    assert!(screen(&mut app, (80, 24))[1].contains("/17 shows 12"));
    press(&mut app, "\x1b");
    assert_eq!((app.shown.len(), app.is_over()), (200, false));
}

#[test]
fn steps_times_and_the_way_back() {
    let asked: Rc<RefCell<Vec<When>>> = Rc::default();
    let rows = vec![Row::new("a".to_owned(), host("a"))];
    let source = Fake { rows, has_past: true, trouble: None, asked: Rc::clone(&asked) };
    let mut app = App::new(Box::new(source), When::Live);
    app.look();
    let at = |app: &mut App, keys: &str| {
        press(app, keys);
        *asked.borrow().last().unwrap()
    };
    assert_eq!(at(&mut app, "<"), When::At(NOW - 15_000));
    assert!(screen(&mut app, (80, 24))[0].starts_with(" PAST "));
    assert_eq!(at(&mut app, "[["), When::At(NOW - 21 * 15_000));
    assert_eq!(at(&mut app, "]>"), When::At(NOW - 10 * 15_000));
    app.press(KeyEvent::new(KeyCode::Left, KeyModifiers::SHIFT));
    assert_eq!(at(&mut app, ""), When::At(NOW - 10 * 15_000), "not looked yet");
    assert_eq!(at(&mut app, "$"), When::Live);
    assert_eq!(at(&mut app, "t2026-11-21T11:00:00Z\n"), When::At(NOW - 3_600_000));
    assert_eq!(at(&mut app, "tsoon\n"), When::At(NOW - 3_600_000));
    assert!(screen(&mut app, (120, 24)).last().unwrap().contains("\"soon\" is not a time"));
    press(&mut app, "\x1b");
    assert_eq!((at(&mut app, "l"), &app.mode), (When::Live, &Mode::Table));
    press(&mut app, ">");
    assert!(screen(&mut app, (80, 24)).last().unwrap().contains("this is the present"));
    press(&mut app, "\n");
    assert_eq!(app.mode, Mode::Host);
    press(&mut app, "\x1bq");
    assert!(app.is_over());
}

#[test]
fn a_server_has_no_past_and_what_is_wrong_with_it_is_said() {
    let rows = vec![Row::new("a".to_owned(), host("a"))];
    let trouble = Some("connect to 127.0.0.1:9980: refused\x1b".to_owned());
    let source = Fake { rows, has_past: false, trouble, asked: Rc::default() };
    let mut app = App::new(Box::new(source), When::Live);
    for keys in ["<", ">", "[", "t"] {
        app.look();
        press(&mut app, keys);
        let screen = screen(&mut app, (100, 24));
        assert!(
            screen[0].starts_with(" LIVE ") && screen[1].starts_with("! connect to 127.0.0.1:9980: refused")
        );
        assert!(screen.last().unwrap().contains("scrape-log top DIR"), "{keys}");
    }
    app.press(KeyEvent::new(KeyCode::Char('c'), KeyModifiers::CONTROL));
    assert!(app.is_over());
}

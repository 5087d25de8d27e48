//! What is shown, and what keys do to that.

use std::cmp::Ordering;

use ratatui::crossterm::event::{KeyCode, KeyEvent, KeyModifiers};

use crate::scrape_log::tools::top::args;
use crate::scrape_log::tools::top::picture::{Picture, Row, Source, Step, When};
use crate::vitals::status::Host;

/// The state of the view.
pub(super) struct App {
    source: Box<dyn Source>,
    when: When,
    pub(super) sort: Sort,
    pub(super) filter: String,
    pub(super) mode: Mode,
    /// Something about the last key, until the next.
    pub(super) message: Option<String>,
    /// The moment, its hosts in their order.
    pub(super) picture: Picture,
    /// Those that the filter lets through, in `picture`.
    pub(super) shown: Vec<usize>,
    /// The selected host; before anybody selects one it is the first, whichever that is.
    selected: Option<String>,
    /// The first row of the table that is on the screen, and how many are: what drawing found out.
    pub(super) first: usize,
    pub(super) page: usize,
    is_over: bool,
}

/// What keys go to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Mode {
    Table,
    /// One host on the whole screen.
    Host,
    Help,
    /// A filter is being typed; what it was before.
    Filter(String),
    /// A time is being typed.
    Time(String),
}

/// The order of the hosts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Sort {
    Trouble,
    Name,
    Cpu,
    Memory,
    Disk,
    Heat,
    Network,
}

/// The longest text that can be typed.
const LONGEST: usize = 100;

impl App {
    pub(super) fn new(source: Box<dyn Source>, when: When) -> Self {
        Self {
            source,
            when,
            sort: Sort::Trouble,
            filter: String::new(),
            mode: Mode::Table,
            message: None,
            picture: Picture::default(),
            shown: Vec::new(),
            selected: None,
            first: 0,
            page: 1,
            is_over: false,
        }
    }

    pub(super) fn is_over(&self) -> bool {
        self.is_over
    }

    pub(super) fn name(&self) -> &str {
        self.source.name()
    }

    /// Takes in what has happened. True if there is something else to draw.
    pub(super) fn take_news(&mut self) -> bool {
        let news = self.source.news();
        match news.stepped {
            Some(Step::To(when)) => self.when = when,
            Some(Step::End) => self.message = Some("there is no further scrape of this host".to_owned()),
            Some(Step::Later) | None => {}
        }
        news.changed
    }

    /// Looks at the moment again.
    pub(super) fn look(&mut self) {
        let chosen = self.chosen().map(|row| row.key.clone());
        self.picture = self.source.picture(self.when, chosen.as_deref());
        self.picture.tell_apart();
        let (time, sort) = (self.picture.time, self.sort);
        self.picture.rows.sort_by(|one, other| sort.order(&one.host, &other.host, time));
        let wanted = self.filter.to_lowercase();
        let fits = |row: &Row| wanted.is_empty() || is_about(&row.host, &wanted, time);
        let rows = self.picture.rows.iter().enumerate();
        self.shown = rows.filter(|(_, row)| fits(row)).map(|(index, _)| index).collect();
        // Before the first look nobody knew which host that is.
        let now_chosen = self.chosen().map(|row| row.key.clone());
        if now_chosen.is_some() && now_chosen != chosen {
            let again = self.source.picture(self.when, now_chosen.as_deref());
            let recent = again.rows.into_iter().find(|row| Some(&row.key) == now_chosen.as_ref());
            let row = self.picture.rows.iter_mut().find(|row| Some(&row.key) == now_chosen.as_ref());
            if let Some((row, found)) = row.zip(recent) {
                row.host.recent = found.host.recent;
            }
        }
    }

    /// The hosts that are shown, in their order.
    pub(super) fn rows(&self) -> impl Iterator<Item = &Row> {
        self.shown.iter().filter_map(|index| self.picture.rows.get(*index))
    }

    /// Where the selected host is among those that are shown.
    pub(super) fn position(&self) -> usize {
        let selected = self.selected.as_ref();
        let found = selected.and_then(|key| self.rows().position(|row| row.key == *key));
        found.unwrap_or(0)
    }

    /// The selected host.
    pub(super) fn chosen(&self) -> Option<&Row> {
        self.rows().nth(self.position())
    }

    fn select(&mut self, position: usize) {
        let position = position.min(self.shown.len().saturating_sub(1));
        let key = self.rows().nth(position).map(|row| row.key.clone());
        self.selected = key;
    }

    pub(super) fn press(&mut self, key: KeyEvent) {
        self.message = None;
        if key.modifiers.contains(KeyModifiers::CONTROL) && key.code == KeyCode::Char('c') {
            self.is_over = true;
            return;
        }
        match &self.mode {
            Mode::Filter(_) => self.type_filter(key),
            Mode::Time(_) => self.type_time(key),
            Mode::Help => self.mode = Mode::Table,
            Mode::Table | Mode::Host => self.command(key),
        }
    }

    fn command(&mut self, key: KeyEvent) {
        let is_large = key.modifiers.contains(KeyModifiers::SHIFT);
        let page = self.page.max(1);
        match key.code {
            KeyCode::Char('q') => self.is_over = true,
            KeyCode::Esc if self.mode == Mode::Host => self.mode = Mode::Table,
            KeyCode::Esc if !self.filter.is_empty() => self.filter.clear(),
            KeyCode::Esc => self.is_over = true,
            KeyCode::Enter if self.mode == Mode::Host => self.mode = Mode::Table,
            KeyCode::Enter if self.chosen().is_some() => self.mode = Mode::Host,
            KeyCode::Up | KeyCode::Char('k') => self.select(self.position().saturating_sub(1)),
            KeyCode::Down | KeyCode::Char('j') => self.select(self.position() + 1),
            KeyCode::PageUp => self.select(self.position().saturating_sub(page)),
            KeyCode::PageDown => self.select(self.position() + page),
            KeyCode::Home => {
                self.selected = None;
                self.first = 0;
            }
            KeyCode::End if self.when == When::Live => self.select(usize::MAX),
            KeyCode::End | KeyCode::Char('l') => self.when = When::Live,
            KeyCode::Left => self.step(if is_large { -10 } else { -1 }),
            KeyCode::Right => self.step(if is_large { 10 } else { 1 }),
            KeyCode::Char('[') => self.step(-10),
            KeyCode::Char(']') => self.step(10),
            KeyCode::Char('/') => self.mode = Mode::Filter(self.filter.clone()),
            KeyCode::Char('t') if self.source.has_past() => self.mode = Mode::Time(String::new()),
            KeyCode::Char('t') => self.refuse_past(),
            KeyCode::Char('s') => self.sort = self.sort.next(),
            KeyCode::Char('?' | 'h') | KeyCode::F(1) => self.mode = Mode::Help,
            _ => {}
        }
    }

    fn refuse_past(&mut self) {
        self.message = Some(
            "a running scrape-log tells the present only: scrape-log top DIR shows the past of its files"
                .to_owned(),
        );
    }

    fn step(&mut self, steps: i32) {
        if !self.source.has_past() {
            return self.refuse_past();
        }
        let Some(key) = self.chosen().map(|row| row.key.clone()) else { return };
        // Steps are about this host, also when the order changes.
        self.selected = Some(key.clone());
        match self.source.step(&key, self.when, steps) {
            Step::To(when) => self.when = when,
            Step::Later => self.message = Some("looking for the next scrape…".to_owned()),
            Step::End if self.when == When::Live && steps > 0 => {
                self.message = Some("this is the present".to_owned());
            }
            Step::End => self.message = Some("there is no further scrape of this host".to_owned()),
        }
    }

    fn type_filter(&mut self, key: KeyEvent) {
        match key.code {
            KeyCode::Enter | KeyCode::Up | KeyCode::Down => self.mode = Mode::Table,
            KeyCode::Esc => {
                if let Mode::Filter(before) = &self.mode {
                    self.filter = before.clone();
                }
                self.mode = Mode::Table;
            }
            KeyCode::Backspace => {
                self.filter.pop();
            }
            KeyCode::Char(typed) if self.filter.chars().count() < LONGEST => self.filter.push(typed),
            _ => {}
        }
    }

    fn type_time(&mut self, key: KeyEvent) {
        let Mode::Time(text) = &mut self.mode else { return };
        match key.code {
            KeyCode::Esc => self.mode = Mode::Table,
            KeyCode::Backspace => {
                text.pop();
            }
            KeyCode::Char(typed) if text.chars().count() < LONGEST => text.push(typed),
            KeyCode::Enter => match args::time(text) {
                Ok(time) => {
                    self.when = When::At(time);
                    self.mode = Mode::Table;
                }
                Err(problem) => self.message = Some(problem),
            },
            _ => {}
        }
    }
}

/// Whether a host has to do with a text, which is in lower case.
fn is_about(host: &Host, wanted: &str, time: i64) -> bool {
    let problems = host.problems.iter().flat_map(|problem| [&problem.sentence, &problem.alert]);
    let texts = [&host.name, &host.instance, &host.job].into_iter().chain(problems);
    let state = host.trouble_at(time).name();
    texts.map(String::as_str).chain([state]).any(|text| text.to_lowercase().contains(wanted))
}

impl Sort {
    pub(super) fn name(self) -> &'static str {
        match self {
            Self::Trouble => "trouble",
            Self::Name => "name",
            Self::Cpu => "CPU",
            Self::Memory => "memory",
            Self::Disk => "disk",
            Self::Heat => "temperature",
            Self::Network => "network",
        }
    }

    fn next(self) -> Self {
        match self {
            Self::Trouble => Self::Name,
            Self::Name => Self::Cpu,
            Self::Cpu => Self::Memory,
            Self::Memory => Self::Disk,
            Self::Disk => Self::Heat,
            Self::Heat => Self::Network,
            Self::Network => Self::Trouble,
        }
    }

    fn order(self, one: &Host, other: &Host, time: i64) -> Ordering {
        let number = |host: &Host| {
            let vitals = &host.vitals;
            let sum = |one: Option<f64>, other: Option<f64>| Some(one.unwrap_or(0.0) + other.unwrap_or(0.0));
            match self {
                Self::Trouble | Self::Name => None,
                Self::Cpu => vitals.cpu_usage_ratio,
                Self::Memory => vitals.memory_used_ratio,
                Self::Disk => vitals.fullest_disk.as_ref().map(|disk| disk.used_ratio),
                Self::Heat => vitals.hottest.as_ref().map(|sensor| sensor.celsius),
                Self::Network => {
                    sum(vitals.network_receive_bytes_per_second, vitals.network_transmit_bytes_per_second)
                }
            }
            .unwrap_or(f64::NEG_INFINITY)
        };
        match self {
            Self::Trouble => one.by_trouble_at(other, time),
            _ => number(other).total_cmp(&number(one)).then_with(|| one.by_name(other)),
        }
    }
}

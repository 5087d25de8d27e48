//! What the table says of a host, and which of it fits.

use super::picture::Row;
use super::text::{fitted, width};
use crate::vitals::Severity;
use crate::vitals::status::{Host, Trouble};
use crate::vitals::words;

/// What a column says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Column {
    Mark,
    State,
    Name,
    Up,
    Cpu,
    Memory,
    Disk,
    Pressure,
    Heat,
    Network,
    DiskTraffic,
    Problem,
}

/// A column and its width.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Placed {
    pub(super) column: Column,
    pub(super) width: usize,
}

/// What a cell says.
#[derive(Clone, Debug, Default, PartialEq)]
pub(super) struct Cell {
    /// What the text is about, where there is room for that.
    pub(super) label: String,
    pub(super) text: String,
    /// How much of a whole it is, for a bar.
    pub(super) ratio: Option<f64>,
    /// How bad it is that it says so.
    pub(super) severity: Option<Severity>,
}

use Column as C;

/// As they stand beside each other.
const ORDER: [Column; 12] = [
    C::Mark,
    C::State,
    C::Name,
    C::Cpu,
    C::Memory,
    C::Disk,
    C::Heat,
    C::Pressure,
    C::Up,
    C::Network,
    C::DiskTraffic,
    C::Problem,
];

/// Steps in which a table grows with the terminal: a column is there from one width on, and has another from the next.
const STEPS: [(Column, usize); 22] = [
    (C::Mark, 2),
    (C::Name, 12),
    (C::Problem, 16),
    (C::State, 8),
    (C::Cpu, 6),
    (C::Memory, 6),
    (C::Disk, 6),
    (C::Problem, 30),
    (C::Heat, 6),
    (C::Name, 16),
    (C::Up, 10),
    (C::Network, 8),
    (C::Pressure, 6),
    (C::DiskTraffic, 8),
    (C::Problem, 36),
    (C::Disk, 16),
    (C::Pressure, 10),
    (C::Name, 28),
    (C::Problem, 48),
    // From here on there is room for bars.
    (C::Cpu, WITH_BAR),
    (C::Memory, WITH_BAR),
    (C::Disk, 24),
];
/// From this width on a share has a bar beside it.
pub(super) const WITH_BAR: usize = 13;
/// A number of a column, where it has a label too.
pub(super) const NUMBER: usize = 6;
/// Between two columns.
const GAP: usize = 1;

/// The columns of a table of these hosts that is `room` wide.
pub(super) fn fitting(room: usize, rows: &[&Row]) -> Vec<Placed> {
    let longest_name = rows.iter().map(|row| width(&fitted(&row.label, room))).max().unwrap_or(0);
    // Not all hosts have sensors or tell how long is waited.
    let is_empty = |column: Column| {
        matches!(column, C::Heat | C::Pressure | C::Network | C::DiskTraffic | C::Up)
            && rows.iter().all(|row| column.cell(row, 0).text.is_empty())
    };
    let mut widths: Vec<(Column, usize)> = Vec::new();
    let total = |widths: &[(Column, usize)]| widths.iter().map(|(_, width)| width + GAP).sum::<usize>();
    for (column, width) in STEPS.into_iter().filter(|(column, _)| !is_empty(*column)) {
        let width = if column == C::Name { width.min(longest_name.max(4)) } else { width };
        let mut wider = widths.clone();
        match wider.iter_mut().find(|(known, _)| *known == column) {
            Some((_, known)) => *known = width,
            None => wider.push((column, width)),
        }
        // The first three are there in any case.
        if total(&wider) > room + GAP && widths.len() >= 3 {
            break;
        }
        widths = wider;
    }
    let rest = (room + GAP).saturating_sub(total(&widths));
    let width_of = |column| widths.iter().find(|(known, _)| *known == column).map(|(_, width)| *width);
    let placed = ORDER.into_iter().filter_map(|column| {
        let more = if column == C::Problem { rest } else { 0 };
        Some(Placed { column, width: width_of(column)? + more })
    });
    placed.collect()
}

/// All columns as wide as these hosts need, for a text that nobody sees on a terminal.
pub(super) fn for_all(rows: &[Row], time: i64) -> Vec<Placed> {
    const LONGEST: usize = 400;
    let placed = ORDER.into_iter().map(|column| {
        let cells = rows.iter().map(|row| width(&fitted(&column.cell(row, time).line(), LONGEST)));
        Placed { column, width: cells.chain([width(column.title())]).max().unwrap_or(0) }
    });
    placed.collect()
}

impl Cell {
    /// All that it says.
    pub(super) fn line(&self) -> String {
        if self.label.is_empty() { self.text.clone() } else { format!("{} {}", self.label, self.text) }
    }
}

/// The sign that goes with the colour of a trouble.
pub(super) fn mark(trouble: Trouble) -> &'static str {
    match trouble {
        Trouble::Down => "X",
        Trouble::Critical => "!!",
        Trouble::Warning => "!",
        Trouble::Info => "i",
        Trouble::Stale => "~",
        Trouble::Unknown => "?",
        Trouble::None => "",
    }
}

impl Column {
    pub(super) fn title(self) -> &'static str {
        match self {
            C::Mark => "",
            C::State => "STATE",
            C::Name => "HOST",
            C::Up => "UPTIME",
            C::Cpu => "CPU",
            C::Memory => "MEM",
            C::Disk => "DISK",
            C::Pressure => "WAITS",
            C::Heat => "TEMP",
            C::Network => "NET",
            C::DiskTraffic => "DISK I/O",
            C::Problem => "PROBLEM",
        }
    }

    /// Whether it has numbers, which stand at the right.
    pub(super) fn is_number(self) -> bool {
        !matches!(self, C::Mark | C::State | C::Name | C::Problem)
    }

    /// What it says of a host at a time. Texts of others are as they came.
    pub(super) fn cell(self, row: &Row, time: i64) -> Cell {
        let host = &row.host;
        let vitals = &host.vitals;
        let text = |text: Option<String>| Cell { text: text.unwrap_or_default(), ..Cell::default() };
        let share = |ratio: Option<f64>| Cell { text: percent(ratio), ratio, ..Cell::default() };
        let sum = |one: Option<f64>, other: Option<f64>| match (one, other) {
            (Some(one), Some(other)) => Some(one + other),
            (one, other) => one.or(other),
        };
        let cell = match self {
            C::Mark => text(Some(mark(host.trouble_at(time)).to_owned())),
            C::State => text(Some(host.trouble_at(time).name().to_owned())),
            C::Name => text(Some(row.label.clone())),
            C::Up => text(vitals.uptime_seconds.map(span)),
            C::Cpu => share(vitals.cpu_usage_ratio),
            C::Memory => share(vitals.memory_used_ratio),
            C::Disk => {
                let disk = vitals.fullest_disk.as_ref();
                let label = disk.map(|disk| fitted(&disk.mountpoint, 10)).unwrap_or_default();
                Cell { label, ..share(disk.map(|disk| disk.used_ratio)) }
            }
            C::Pressure => {
                let (what, ratio) = waits(host);
                Cell { label: ratio.map(|_| what.to_owned()).unwrap_or_default(), ..share(ratio) }
            }
            C::Heat => text(vitals.hottest.as_ref().map(|sensor| celsius(sensor.celsius))),
            C::Network => text(rate(sum(
                vitals.network_receive_bytes_per_second,
                vitals.network_transmit_bytes_per_second,
            ))),
            C::DiskTraffic => {
                text(rate(sum(vitals.disk_read_bytes_per_second, vitals.disk_written_bytes_per_second)))
            }
            C::Problem => text(problem(host, time)),
        };
        Cell { severity: self.severity(host), ..cell }
    }

    /// How bad what it says of a host is.
    fn severity(self, host: &Host) -> Option<Severity> {
        let is_about = |problem: &&crate::vitals::status::Problem| {
            let alert = problem.alert.as_str();
            let begins = |names: &[&str]| names.iter().any(|name| alert.starts_with(name));
            match self {
                C::Disk => begins(&["NodeFilesystem", "NodeRAID"]),
                C::Pressure => begins(&["NodeMemoryPressure", "NodeHungTasks"]),
                C::Memory => begins(&["NodeMemoryHigh", "NodeMemoryErrors", "NodeSwap", "NodeOOMKill"]),
                C::Heat => begins(&["NodeTemperature", "NodeFan", "NodeCPUThrottled"]),
                C::Up => begins(&["NodeRebooted", "NodeUncleanShutdown"]),
                C::Mark | C::State | C::Problem => true,
                C::Name | C::Cpu | C::Network | C::DiskTraffic => false,
            }
        };
        host.problems.iter().filter(is_about).map(|problem| problem.severity).max()
    }
}

/// What is waited for most, and in how much of the time.
pub(super) fn waits(host: &Host) -> (&'static str, Option<f64>) {
    let vitals = &host.vitals;
    let of = [
        ("cpu", vitals.cpu_waiting_ratio),
        ("mem", vitals.memory_waiting_ratio),
        ("i/o", vitals.io_waiting_ratio),
    ];
    let most = |one: &(&str, Option<f64>), other: &(&str, Option<f64>)| {
        one.1.unwrap_or(-1.0).total_cmp(&other.1.unwrap_or(-1.0))
    };
    of.into_iter().max_by(most).unwrap_or(("", None))
}

/// Its worst problem, how many more there are, and how old the numbers are.
fn problem(host: &Host, time: i64) -> Option<String> {
    let more = host.problems.len().saturating_sub(1);
    let more = if more > 0 { format!(" (+{more})") } else { String::new() };
    if let Some(worst) = host.problems.first() {
        return Some(format!("{}{more}", worst.sentence));
    }
    match host.trouble_at(time) {
        Trouble::Stale => Some(format!("numbers are {} old", age(host, time)?)),
        Trouble::Unknown => Some("not asked yet".to_owned()),
        _ => None,
    }
}

/// How old the numbers of a host are.
pub(super) fn age(host: &Host, time: i64) -> Option<String> {
    let age = time.saturating_sub(host.seen_milliseconds?).max(0);
    Some(words::span((age / 1000) as f64))
}

/// A share, where it is one.
pub(super) fn percent(ratio: Option<f64>) -> String {
    match ratio {
        None => String::new(),
        Some(ratio) if (0.0..10.0).contains(&ratio) => words::percent(ratio),
        Some(_) => "?".to_owned(),
    }
}

/// A span of time, where it is one.
pub(super) fn span(seconds: f64) -> String {
    if (0.0..1e11).contains(&seconds) { words::span(seconds) } else { "?".to_owned() }
}

/// A temperature, where it is one.
pub(super) fn celsius(celsius: f64) -> String {
    if (-274.0..10_000.0).contains(&celsius) { format!("{celsius:.0} °C") } else { "?".to_owned() }
}

/// Bytes a second, where that is what it is.
pub(super) fn rate(rate: Option<f64>) -> Option<String> {
    rate.map(|rate| if (0.0..1e17).contains(&rate) { words::bytes_per_second(rate) } else { "?".to_owned() })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::vitals::Watch;
    use crate::vitals::{Disk, Sensor, Vitals};

    fn row(name: &str, vitals: Vitals) -> Row {
        let host = Host { vitals, ..Host::new("node", name, None, &Watch::default()) };
        Row::new(String::new(), host)
    }

    fn all_known() -> Vitals {
        Vitals {
            uptime_seconds: Some(1.0),
            cpu_waiting_ratio: Some(0.1),
            hottest: Some(Sensor { name: "a".to_owned(), celsius: 40.0, limit_celsius: None }),
            network_receive_bytes_per_second: Some(1.0),
            disk_read_bytes_per_second: Some(1.0),
            ..Vitals::default()
        }
    }

    fn total(placed: &[Placed]) -> usize {
        placed.iter().map(|placed| placed.width + GAP).sum::<usize>() - GAP
    }

    #[test]
    fn what_is_less_needed_goes_first() {
        let row = row("a-host-of-some-length", all_known());
        let names = |room| fitting(room, &[&row]).iter().map(|placed| placed.column).collect::<Vec<_>>();
        assert_eq!(names(10), [C::Mark, C::Name, C::Problem]);
        let at_78 = [C::Mark, C::State, C::Name, C::Cpu, C::Memory, C::Disk, C::Problem];
        assert_eq!(names(78), at_78);
        assert_eq!(names(198), ORDER);
        for room in 32..400 {
            let placed = fitting(room, &[&row]);
            assert_eq!(total(&placed), room, "{room}: {placed:?}");
        }
    }

    #[test]
    fn what_no_host_tells_takes_no_room() {
        let row = row("a", Vitals { uptime_seconds: None, ..all_known() });
        let columns: Vec<_> = fitting(198, &[&row]).iter().map(|placed| placed.column).collect();
        assert!(!columns.contains(&C::Up) && columns.contains(&C::Heat), "{columns:?}");
        assert!(fitting(198, &[&row]).contains(&Placed { column: C::Name, width: 4 }));
    }

    #[test]
    fn numbers_that_are_none_are_question_marks() {
        let row = row(
            "a",
            Vitals {
                cpu_usage_ratio: Some(1e308),
                memory_used_ratio: Some(f64::NAN),
                uptime_seconds: Some(1e308),
                fullest_disk: Some(Disk { mountpoint: "/x".repeat(9_999), used_ratio: 0.5 }),
                hottest: Some(Sensor { name: String::new(), celsius: f64::INFINITY, limit_celsius: None }),
                network_receive_bytes_per_second: Some(-1e308),
                disk_read_bytes_per_second: Some(2_000_000.0),
                disk_written_bytes_per_second: Some(500_000.0),
                ..Vitals::default()
            },
        );
        let texts = ORDER.map(|column| column.cell(&row, 0).line());
        assert_eq!(texts[3..7], ["?", "?", "/x/x/x/x/… 50 %", "?"]);
        assert_eq!(texts[8..11], ["?", "?", "2.5 MB/s"]);
        assert!(texts.iter().all(|text| text.len() < 60), "{texts:?}");
    }
}

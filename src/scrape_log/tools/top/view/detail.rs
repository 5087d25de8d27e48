//! All there is to say about one host.

use ratatui::buffer::Buffer;
use ratatui::layout::Rect;
use ratatui::style::Style;

use super::draw::Pen;
use super::spark;
use super::theme::Theme;
use crate::scrape_log::tools::top::columns::{age, celsius, mark, percent, rate, span};
use crate::scrape_log::tools::top::once::{since, time_of};
use crate::scrape_log::tools::top::picture::Row;
use crate::scrape_log::tools::top::text::{fitted, width, wrapped};
use crate::vitals::status::{Host, Recent, Trouble};
use crate::vitals::words;

/// What plots show, in milliseconds.
const WINDOW: i64 = 15 * 60_000;
/// Cells of the names of plots and numbers, and of their values.
const LABEL: usize = 8;
const VALUE: usize = 8;
/// Plots of this width or more have room for the most there was.
const WITH_MOST: usize = 64;
/// Numbers stand in columns of this width.
const NUMBER: usize = 44;

/// Draws it into an area: problems above, numbers at the left, plots at the right.
pub(super) fn draw(row: &Row, time: i64, theme: &Theme, area: Rect, buffer: &mut Buffer) {
    title(&row.host, time, theme, area, buffer);
    let inner = Rect {
        x: area.x + 2.min(area.width),
        y: area.y + 1,
        width: area.width.saturating_sub(4),
        height: area.height.saturating_sub(1),
    };
    let used = problems(row, time, theme, inner, buffer);
    let rest = Rect { y: inner.y + used, height: inner.height.saturating_sub(used), ..inner };
    if rest.height == 0 {
        return;
    }
    let is_old = row.host.trouble_at(time) == Trouble::Down || row.host.is_stale_at(time);
    let style = if is_old { theme.quiet() } else { Style::new() };
    let numbers = numbers(&row.host);
    // Beside each other, if there is room for both.
    let columns = numbers.len().div_ceil(usize::from(rest.height).max(1));
    let wanted = (columns * NUMBER).min(usize::from(rest.width) / 2);
    let left = u16::try_from(wanted).unwrap_or(rest.width);
    let left = if rest.width < 60 { 0 } else { left };
    write_numbers(&numbers, style, theme, Rect { width: left, ..rest }, buffer);
    let right = Rect { x: rest.x + left, width: rest.width - left, ..rest };
    plots(&row.host, time, style, theme, right, buffer);
}

fn title(host: &Host, time: i64, theme: &Theme, area: Rect, buffer: &mut Buffer) {
    let Some(mut pen) = Pen::new(buffer, area, 0) else { return };
    let trouble = host.trouble_at(time);
    pen.write("── ", theme.quiet()).write(&fitted(&host.name, 60), theme.strong()).skip(1);
    if host.instance != host.name {
        pen.write(&fitted(&host.instance, 60), theme.quiet()).skip(1);
    }
    if !host.job.is_empty() {
        pen.write(&format!("job {} ", fitted(&host.job, 30)), theme.quiet());
    }
    if trouble != Trouble::None {
        pen.write(&format!("{} {}", mark(trouble), trouble.name()), theme.trouble(trouble)).skip(1);
    }
    if let Some(uptime) = host.vitals.uptime_seconds {
        pen.write(&format!("up {} ", span(uptime)), theme.quiet());
    }
    if let Some(age) = age(host, time) {
        pen.write(&format!("numbers {age} old "), theme.quiet());
    }
    let line = "─".repeat(pen.room());
    pen.write(&line, theme.quiet());
}

/// Writes the problems, and gives the lines that they take.
fn problems(row: &Row, time: i64, theme: &Theme, area: Rect, buffer: &mut Buffer) -> u16 {
    let host = &row.host;
    let most = usize::from(area.height / 2).max(1);
    let mut line = 0;
    for (index, problem) in host.problems.iter().enumerate() {
        let style = theme.severity(problem.severity);
        let left = most.saturating_sub(line);
        let others = host.problems.len() - index;
        if left == 0 || (left == 1 && others > 1) {
            if let Some(mut pen) = Pen::new(buffer, area, line) {
                pen.write(&format!("   and {others} more problems"), theme.quiet());
            }
            return u16::try_from(line + 1).unwrap_or(area.height);
        }
        let sentence = since(problem, row, time);
        let room = usize::from(area.width).saturating_sub(3);
        // One of several has to leave room for the others.
        let lines = if others > 1 { 1 } else { left };
        for (part, text) in wrapped(&sentence, room, lines).iter().enumerate() {
            let Some(mut pen) = Pen::new(buffer, area, line) else { break };
            let sign = if part == 0 { mark(problem.severity.into()) } else { "" };
            pen.cell(sign, 2, false, style).skip(1).write(text, style);
            line += 1;
        }
    }
    u16::try_from(line).unwrap_or(area.height)
}

/// All numbers with their names.
fn numbers(host: &Host) -> Vec<(&'static str, String)> {
    let vitals = &host.vitals;
    let mut numbers = Vec::new();
    let mut add = |name, text: String| {
        if !text.is_empty() {
            numbers.push((name, text.trim_start().to_owned()));
        }
    };
    let pair = |one: Option<f64>, other: Option<f64>, [first, second]: [&str; 2]| {
        let parts = [(first, one), (second, other)].into_iter();
        let parts = parts.filter_map(|(name, value)| Some(format!("{name} {}", rate(value)?)));
        parts.collect::<Vec<_>>().join("  ")
    };
    let with = |ratio: Option<f64>, more: Option<String>| match more {
        Some(more) if ratio.is_some() => format!("{} {more}", percent(ratio)),
        _ => percent(ratio),
    };
    let load = vitals.load1.map(|load| format!("load {}", number(load)));
    add(
        "CPU",
        [Some(percent(vitals.cpu_usage_ratio)), load].into_iter().flatten().collect::<Vec<_>>().join(" "),
    );
    let total = vitals.memory_total_bytes.map(|total| format!("of {}", words::bytes(total.clamp(0.0, 1e18))));
    add("memory", with(vitals.memory_used_ratio, total));
    add("swap", percent(vitals.swap_used_ratio));
    let disk = |disk: &Option<crate::vitals::Disk>| {
        let disk = disk.as_ref();
        with(disk.map(|disk| disk.used_ratio), disk.map(|disk| fitted(&disk.mountpoint, 40)))
    };
    add("disk", disk(&vitals.fullest_disk));
    add("inodes", disk(&vitals.fullest_inodes));
    let waits = [
        ("cpu", vitals.cpu_waiting_ratio),
        ("mem", vitals.memory_waiting_ratio),
        ("i/o", vitals.io_waiting_ratio),
    ];
    let parts = |parts: &[(&str, Option<f64>)]| {
        let known = parts.iter().filter(|(_, ratio)| ratio.is_some());
        known.map(|(name, ratio)| format!("{name} {}", percent(*ratio))).collect::<Vec<_>>().join(" ")
    };
    add("waits", parts(&waits));
    add("stalls", parts(&[("mem", vitals.memory_stalled_ratio), ("i/o", vitals.io_stalled_ratio)]));
    let pages = [vitals.swapped_in_pages_per_second, vitals.swapped_out_pages_per_second];
    if let [Some(into), Some(out)] = pages {
        add("swapping", format!("in {}/s  out {}/s", number(into), number(out)));
    }
    if let Some(sensor) = &vitals.hottest {
        let limit = sensor.limit_celsius.map(|limit| format!(" of {}", celsius(limit))).unwrap_or_default();
        add("heat", format!("{}{limit} {}", celsius(sensor.celsius), fitted(&sensor.name, 40)));
    }
    let network = [vitals.network_receive_bytes_per_second, vitals.network_transmit_bytes_per_second];
    add("network", pair(network[0], network[1], ["in", "out"]));
    let disks = [vitals.disk_read_bytes_per_second, vitals.disk_written_bytes_per_second];
    add("disk I/O", pair(disks[0], disks[1], ["r", "w"]));
    add("uptime", vitals.uptime_seconds.map(span).unwrap_or_default());
    numbers
}

fn number(value: f64) -> String {
    if (0.0..1e9).contains(&value) { format!("{value:.1}") } else { "?".to_owned() }
}

/// Writes the numbers into as many columns as there are.
fn write_numbers(
    numbers: &[(&'static str, String)],
    style: Style,
    theme: &Theme,
    area: Rect,
    buffer: &mut Buffer,
) {
    let lines = usize::from(area.height).max(1);
    for (index, (name, text)) in numbers.iter().enumerate() {
        let (column, line) = (index / lines, index % lines);
        let start = column * NUMBER;
        let room = NUMBER.min(usize::from(area.width).saturating_sub(start)).saturating_sub(LABEL + 3);
        // Half a number is none.
        if room < 20 {
            return;
        }
        let Some(mut pen) = Pen::new(buffer, area, line) else { return };
        pen.skip(start).cell(name, LABEL, false, theme.quiet()).skip(1).write(&fitted(text, room), style);
    }
}

/// One plot: what of, its values, between what, how to say them.
struct Plot {
    name: &'static str,
    values: Vec<Option<f32>>,
    scale: Scale,
    text: fn(f64) -> String,
}

enum Scale {
    /// From nothing to all.
    Ratio,
    /// From nothing to the most there was.
    Most,
    /// From a bit below the least to a bit above the most.
    Span,
}

fn plots(host: &Host, time: i64, style: Style, theme: &Theme, area: Rect, buffer: &mut Buffer) {
    let Some(recent) = &host.recent else { return };
    let plots = all(recent);
    let count = plots.len();
    if count == 0 || area.width < 30 {
        return;
    }
    // The last line has the times.
    let rows = usize::from(area.height);
    let has_times = rows > count;
    let height = ((rows - usize::from(has_times)) / count).clamp(1, 5);
    let has_most = usize::from(area.width) >= WITH_MOST;
    let most_room = if has_most { VALUE + 5 } else { 0 };
    let wide = usize::from(area.width).saturating_sub(LABEL + 1 + 1 + VALUE + most_room);
    for (index, plot) in plots.iter().enumerate() {
        let window = (time.saturating_sub(WINDOW), time);
        let columns = spark::columns(&recent.at_milliseconds, &plot.values, window, wide);
        let known = columns.iter().copied().flatten();
        let most = known.clone().fold(f64::NEG_INFINITY, f64::max);
        let least = known.fold(f64::INFINITY, f64::min);
        let range = match plot.scale {
            Scale::Ratio => (0.0, 1.0),
            Scale::Most => (0.0, most.max(1.0)),
            Scale::Span => (least.min(most - 10.0), most),
        };
        // A line of air above the higher ones.
        let air = usize::from(height > 2 && index > 0);
        for (row, text) in spark::lines(&columns, range, height - air).iter().enumerate() {
            let row = row + air;
            let Some(mut pen) = Pen::new(buffer, area, index * height + row) else { return };
            let is_last = row + 1 == height;
            pen.cell(if is_last { plot.name } else { "" }, LABEL, false, theme.quiet()).skip(1);
            pen.write(text, theme.plot()).skip(1);
            if !is_last {
                continue;
            }
            let newest = plot.values.last().copied().flatten().map(f64::from);
            pen.cell(&newest.map(plot.text).unwrap_or_default(), VALUE, true, style).skip(1);
            if has_most && most.is_finite() {
                pen.write(&format!("max {}", (plot.text)(most)), theme.quiet());
            }
        }
    }
    if has_times && let Some(mut pen) = Pen::new(buffer, area, count * height) {
        pen.skip(LABEL + 1);
        let [start, end] = ["15 min ago".to_owned(), clock(time)];
        let blanks = wide.saturating_sub(width(&start) + width(&end));
        if blanks == 0 {
            return;
        }
        pen.write(&start, theme.quiet()).skip(blanks).write(&end, theme.quiet());
    }
}

fn clock(time: i64) -> String {
    time_of(time).split(' ').nth(1).unwrap_or_default().to_owned()
}

/// The plots of which there is something to show.
fn all(recent: &Recent) -> Vec<Plot> {
    let share = |value: f64| percent(Some(value));
    let traffic = |value: f64| rate(Some(value)).unwrap_or_default();
    let plots = [
        Plot { name: "CPU", values: recent.cpu_usage_ratio.clone(), scale: Scale::Ratio, text: share },
        Plot { name: "memory", values: recent.memory_used_ratio.clone(), scale: Scale::Ratio, text: share },
        Plot {
            name: "network",
            values: recent.network_bytes_per_second.clone(),
            scale: Scale::Most,
            text: traffic,
        },
        Plot {
            name: "disk I/O",
            values: recent.disk_bytes_per_second.clone(),
            scale: Scale::Most,
            text: traffic,
        },
        Plot { name: "heat", values: recent.celsius.clone(), scale: Scale::Span, text: celsius },
    ];
    plots.into_iter().filter(|plot| plot.values.iter().any(Option::is_some)).collect()
}

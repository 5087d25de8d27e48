//! The frame and the table.

use ratatui::buffer::Buffer;
use ratatui::layout::Rect;
use ratatui::style::{Modifier, Style};

use super::app::{App, Mode};
use super::theme::Theme;
use super::{detail, help, spark};
use crate::scrape_log::tools::top::columns::{Column, NUMBER, Placed, WITH_BAR, fitting, mark};
use crate::scrape_log::tools::top::once::{counts, time_of};
use crate::scrape_log::tools::top::picture::{Row, now_milliseconds};
use crate::scrape_log::tools::top::text::{fitted, width};
use crate::vitals::status::Trouble;
use crate::vitals::words;

/// Cells of a bar.
const BAR: usize = 6;

/// A brush on one line: what is written goes on where the last one ended.
pub(super) struct Pen<'a> {
    buffer: &'a mut Buffer,
    x: u16,
    y: u16,
    end: u16,
}

impl<'a> Pen<'a> {
    /// On a line of an area, counted from its top.
    pub(super) fn new(buffer: &'a mut Buffer, area: Rect, line: usize) -> Option<Self> {
        let y = area.y.saturating_add(u16::try_from(line).ok()?);
        let area = area.intersection(buffer.area);
        (y >= area.y && y < area.bottom() && area.width > 0).then_some(Self {
            x: area.x,
            y,
            end: area.right(),
            buffer,
        })
    }

    /// The cells that are left.
    pub(super) fn room(&self) -> usize {
        usize::from(self.end.saturating_sub(self.x))
    }

    /// Writes a text of anybody, made harmless, as far as it fits.
    pub(super) fn write(&mut self, text: &str, style: Style) -> &mut Self {
        let text = fitted(text, self.room());
        let (x, _) = self.buffer.set_stringn(self.x, self.y, &text, self.room(), style);
        self.x = x;
        self
    }

    /// Writes a text in a cell of this width.
    pub(super) fn cell(&mut self, text: &str, wide: usize, is_right: bool, style: Style) -> &mut Self {
        let text = fitted(text, wide);
        let blanks = wide - width(&text);
        let (before, behind) = if is_right { (blanks, 0) } else { (0, blanks) };
        self.skip(before).write(&text, style).skip(behind)
    }

    pub(super) fn skip(&mut self, cells: usize) -> &mut Self {
        let cells = u16::try_from(cells.min(self.room())).unwrap_or(0);
        self.x = self.x.saturating_add(cells).min(self.end);
        self
    }
}

/// Draws everything.
pub(super) fn draw(app: &mut App, theme: &Theme, area: Rect, buffer: &mut Buffer) {
    if area.height < 3 || area.width < 20 {
        if let Some(mut pen) = Pen::new(buffer, area, 0) {
            pen.write("too small", theme.quiet());
        }
        return;
    }
    header(app, theme, area, buffer);
    footer(app, theme, area, buffer);
    let body = Rect { y: area.y + 2, height: area.height.saturating_sub(3), ..area };
    match &app.mode {
        Mode::Help => keys(theme, body, buffer),
        Mode::Host => {
            if let Some(row) = app.chosen() {
                detail::draw(row, app.picture.time, theme, body, buffer);
            }
        }
        Mode::Table | Mode::Filter(_) | Mode::Time(_) => {
            let pane = pane_height(body, app.shown.len());
            let table = Rect { height: body.height - pane, ..body };
            hosts(app, theme, table, buffer);
            let pane = Rect { y: table.bottom(), height: pane, ..body };
            if let Some(row) = app.chosen().filter(|_| pane.height > 0) {
                detail::draw(row, app.picture.time, theme, pane, buffer);
            }
        }
    }
}

/// How much of the body the selected host gets: half of it, or what the table leaves.
fn pane_height(body: Rect, hosts: usize) -> u16 {
    const LEAST: u16 = 5;
    const MOST: u16 = 30;
    let table = u16::try_from(hosts).unwrap_or(u16::MAX).saturating_add(2);
    let half = body.height / 2;
    let pane = half.max(body.height.saturating_sub(table)).min(MOST);
    if pane < LEAST || hosts == 0 { 0 } else { pane }
}

fn header(app: &App, theme: &Theme, area: Rect, buffer: &mut Buffer) {
    let picture = &app.picture;
    if let Some(mut pen) = Pen::new(buffer, area, 0) {
        let word = if picture.is_live { " LIVE " } else { " PAST " };
        pen.write(word, theme.moment(picture.is_live)).skip(1).write(&time_of(picture.time), theme.strong());
        if !picture.is_live {
            let ago = now_milliseconds().saturating_sub(picture.time) / 1000;
            pen.skip(1).write(&format!("{} ago", words::span(ago.max(0) as f64)), theme.quiet());
        }
        if picture.is_loading {
            pen.skip(2).write("reading…", theme.strong());
        }
        let name = fitted(app.name(), pen.room().saturating_sub(2));
        let room = pen.room();
        pen.skip(room - width(&name)).write(&name, theme.quiet());
    }
    let Some(mut pen) = Pen::new(buffer, area, 1) else { return };
    if let Some(trouble) = &picture.trouble {
        let style = theme.trouble(Trouble::Warning);
        pen.write("! ", style).write(trouble, style).skip(2);
    }
    let hosts = picture.rows.iter().map(|row| &row.host);
    let plural = if picture.rows.len() == 1 { "host" } else { "hosts" };
    pen.write(&format!("{} {plural}", picture.rows.len()), theme.strong());
    for (trouble, count) in counts(hosts, picture.time) {
        let sign = mark(trouble);
        let blank = if sign.is_empty() { "" } else { " " };
        pen.skip(2).write(&format!("{sign}{blank}{count} {}", trouble.name()), theme.trouble(trouble));
    }
    if picture.is_end {
        pen.skip(2).write("the recording ends here", theme.strong());
    }
    if picture.absent > 0 {
        pen.skip(2).write(&format!("{} not recorded then", picture.absent), theme.quiet());
    }
    if !app.filter.is_empty() && app.mode == Mode::Table {
        pen.skip(2).write(&format!("/{} shows {}", app.filter, app.shown.len()), theme.strong());
    }
}

fn footer(app: &App, theme: &Theme, area: Rect, buffer: &mut Buffer) {
    let last = usize::from(area.height - 1);
    let Some(mut pen) = Pen::new(buffer, area, last) else { return };
    match (&app.mode, &app.message) {
        (Mode::Time(text), message) => {
            pen.write("time: ", theme.strong()).write(text, Style::new()).write("█", theme.plot()).skip(2);
            let hint = message
                .as_deref()
                .unwrap_or("10 min ago, 2h, yesterday, 2026-11-21T12:00   Enter goes there");
            pen.write(hint, theme.quiet());
        }
        (Mode::Filter(_), _) => {
            pen.write("/", theme.strong()).write(&app.filter, Style::new()).write("█", theme.plot()).skip(2);
            pen.write(&format!("{} of {}", app.shown.len(), app.picture.rows.len()), theme.quiet());
        }
        (_, Some(message)) => {
            pen.write(message, theme.strong());
        }
        (mode, None) => {
            let enter = if *mode == Mode::Host { "all hosts" } else { "one host" };
            let sort = format!("by {}", app.sort.name());
            let keys = [
                ("?", "keys"),
                ("\u{2190}\u{2192}", "step"),
                ("t", "time"),
                ("Enter", enter),
                ("/", "filter"),
                ("s", &sort),
                ("q", "quit"),
            ];
            if !app.picture.is_live {
                pen.write("End", theme.strong()).write(" present", theme.quiet()).skip(2);
            }
            for (key, what) in keys {
                pen.write(key, theme.strong()).write(" ", theme.quiet()).write(what, theme.quiet()).skip(2);
            }
        }
    }
}

fn hosts(app: &mut App, theme: &Theme, area: Rect, buffer: &mut Buffer) {
    let page = usize::from(area.height.saturating_sub(1)).max(1);
    let position = app.position();
    app.page = page;
    app.first = app.first.min(position).max((position + 1).saturating_sub(page));
    app.first = app.first.min(app.shown.len().saturating_sub(page));
    let rows: Vec<&Row> = app.rows().collect();
    let placed = fitting(usize::from(area.width).saturating_sub(2), &rows);
    if let Some(mut pen) = Pen::new(buffer, area, 0) {
        pen.skip(2);
        for Placed { column, width } in &placed {
            pen.cell(column.title(), *width, column.is_number(), theme.quiet()).skip(1);
        }
    }
    if app.shown.is_empty() {
        let text = match (app.picture.is_loading, app.picture.rows.is_empty()) {
            (true, _) => "reading…",
            (false, true) => "no host was scraped at that time",
            (false, false) => "no host fits the filter, Esc clears it",
        };
        if let Some(mut pen) = Pen::new(buffer, area, 2) {
            pen.skip(2).write(text, theme.quiet());
        }
        return;
    }
    for (line, row) in app.rows().enumerate().skip(app.first).take(page) {
        let place = line - app.first + 1;
        let is_selected = line == position;
        host(row, app.picture.time, &placed, is_selected, theme, area, place, buffer);
    }
    more(app, theme, area, page, buffer);
}

/// Says that there are hosts above or below.
fn more(app: &App, theme: &Theme, area: Rect, page: usize, buffer: &mut Buffer) {
    let below = app.shown.len().saturating_sub(app.first + page);
    for (line, count, sign) in [(1, app.first, '▲'), (page, below, '▼')] {
        if count == 0 {
            continue;
        }
        let text = format!("{sign}{count}");
        if let Some(mut pen) = Pen::new(buffer, area, line) {
            let room = pen.room().saturating_sub(width(&text));
            pen.skip(room).write(&text, theme.strong());
        }
    }
}

#[expect(clippy::too_many_arguments, reason = "where and what")]
fn host(
    row: &Row,
    time: i64,
    placed: &[Placed],
    is_selected: bool,
    theme: &Theme,
    area: Rect,
    line: usize,
    buffer: &mut Buffer,
) {
    let host = &row.host;
    let trouble = host.trouble_at(time);
    let is_old = trouble == Trouble::Down || host.is_stale_at(time);
    let base = if is_selected { theme.selected() } else { Style::new() };
    if is_selected && let Some(y) = area.y.checked_add(u16::try_from(line).unwrap_or(0)) {
        buffer.set_style(Rect { y, height: 1, ..area }.intersection(buffer.area), base);
    }
    let Some(mut pen) = Pen::new(buffer, area, line) else { return };
    pen.write(if is_selected { "> " } else { "  " }, base);
    for Placed { column, width } in placed {
        let has_bar = *width >= WITH_BAR && matches!(column, Column::Cpu | Column::Memory | Column::Disk);
        let cell = column.cell(row, time);
        let style = match column {
            Column::Mark | Column::State => theme.trouble(trouble),
            Column::Name => base.add_modifier(Modifier::BOLD),
            _ if is_old && *column != Column::Problem => theme.quiet(),
            _ => cell.severity.map_or(Style::new(), |severity| theme.severity(severity)),
        };
        // A host that is down is bold and reversed at its state only.
        let style = if trouble == Trouble::Down && *column == Column::Problem {
            theme.trouble(Trouble::Critical)
        } else {
            style
        };
        let mut room = *width;
        if !cell.label.is_empty() && room > NUMBER + 2 {
            let label = room - NUMBER - if has_bar { BAR + 1 } else { 0 } - 1;
            pen.cell(&cell.label, label, has_bar, base.patch(style)).skip(1);
            room -= label + 1;
        }
        if has_bar {
            room = room.saturating_sub(BAR + 1);
            let bar = cell.ratio.map_or_else(|| " ".repeat(BAR), |ratio| spark::bar(ratio, BAR));
            let style = if is_old { theme.quiet() } else { theme.plot() };
            let style = cell.severity.map_or(style, |severity| theme.severity(severity));
            pen.write(&bar, base.patch(style)).skip(1);
        }
        pen.cell(&cell.text, room, column.is_number(), base.patch(style)).skip(1);
    }
}

fn keys(theme: &Theme, area: Rect, buffer: &mut Buffer) {
    for (line, (key, what)) in help::KEYS.iter().enumerate() {
        let Some(mut pen) = Pen::new(buffer, area, line + 1) else { return };
        pen.skip(2).cell(key, 22, false, theme.strong()).skip(1).write(what, Style::new());
    }
}

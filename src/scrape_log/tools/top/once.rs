//! The table as plain text, for pipes, scripts and mails.

use std::fmt::Write;
use std::thread;
use std::time::{Duration, Instant};

use super::columns::{Column, Placed, for_all, mark};
use super::picture::{Picture, Row, Source, When};
use super::text::{fitted, width};
use crate::vitals::status::{Host, Problem, Trouble};
use crate::vitals::words;

/// How long reading may take.
const PATIENCE: Duration = Duration::from_secs(300);
/// Longer texts of others are cut.
const LONGEST: usize = 400;

/// Waits until the picture at this moment is whole, and gives it in its order.
///
/// # Errors
/// When it does not get whole: the reason, for the message.
pub(super) fn settle(source: &mut dyn Source, when: When) -> Result<Picture, String> {
    let end = Instant::now() + PATIENCE;
    loop {
        source.news();
        let mut picture = source.picture(when, None);
        if !picture.is_loading {
            let time = picture.time;
            picture.tell_apart();
            picture.rows.sort_by(|one, other| one.host.by_trouble_at(&other.host, time));
            return Ok(picture);
        }
        if let Some(trouble) = picture.trouble.filter(|_| picture.rows.is_empty()) {
            return Err(fitted(&trouble, LONGEST));
        }
        if Instant::now() > end {
            return Err(format!("{} could not be read within {PATIENCE:?}", source.name()));
        }
        thread::sleep(Duration::from_millis(10));
    }
}

/// The table: a line about all, a line for each host, and one for each further problem.
pub(super) fn table(name: &str, picture: &Picture) -> String {
    let hosts = picture.rows.iter().map(|row| &row.host);
    let mut table = format!(
        "{}  {}  {}\n",
        fitted(name, LONGEST),
        time_of(picture.time),
        summary(hosts.clone(), picture.time)
    );
    if let Some(trouble) = &picture.trouble {
        table.push_str(&format!("({})\n", fitted(trouble, LONGEST)));
    }
    if picture.is_end {
        table.push_str("(the recording ends here)\n");
    }
    if picture.rows.is_empty() {
        table.push_str("no host was scraped at that time\n");
        return table;
    }
    table.push('\n');
    let placed = for_all(&picture.rows, picture.time);
    line(&mut table, &placed, |column| column.title().to_owned());
    for row in &picture.rows {
        let problems = &row.host.problems;
        line(&mut table, &placed, |column| match (column, problems.first()) {
            (Column::Problem, Some(problem)) => since(problem, row, picture.time),
            _ => column.cell(row, picture.time).line(),
        });
        for problem in problems.iter().skip(1) {
            line(&mut table, &placed, |column| match column {
                Column::Mark => mark(problem.severity.into()).to_owned(),
                Column::Problem => since(problem, row, picture.time),
                _ => String::new(),
            });
        }
    }
    table
}

/// A problem of a host and how long it has been one.
pub(super) fn since(problem: &Problem, row: &Row, now: i64) -> String {
    let since = problem.since_milliseconds;
    let age = (now.saturating_sub(since).max(0) / 1000) as f64;
    let at_least = if since <= row.known_from { "at least " } else { "" };
    format!("{}, for {at_least}{}", fitted(&problem.sentence, LONGEST), words::span(age))
}

fn line(table: &mut String, placed: &[Placed], text: impl Fn(Column) -> String) {
    let mut line = String::new();
    for Placed { column, width: room } in placed {
        let text = fitted(&text(*column), LONGEST);
        let blanks = " ".repeat(room.saturating_sub(width(&text)));
        let (left, right) = if column.is_number() { (&*blanks, "") } else { ("", &*blanks) };
        // A string takes all that is written to it.
        write!(line, "{left}{text}{right}  ").unwrap_or_default();
    }
    table.push_str(line.trim_end());
    table.push('\n');
}

/// How many hosts there are, and in which trouble.
pub(super) fn summary<'a>(hosts: impl Iterator<Item = &'a Host> + Clone, time: i64) -> String {
    let all = hosts.clone().count();
    let counts = counts(hosts, time);
    let parts: Vec<String> =
        counts.iter().map(|(trouble, count)| format!("{count} {}", trouble.name())).collect();
    let plural = if all == 1 { "" } else { "s" };
    format!("{all} host{plural}{}{}", if all > 0 { ": " } else { "" }, parts.join(", "))
}

/// How many hosts are in which trouble, where there are some.
pub(super) fn counts<'a>(hosts: impl Iterator<Item = &'a Host>, time: i64) -> Vec<(Trouble, usize)> {
    let mut counts = std::collections::BTreeMap::new();
    for host in hosts {
        *counts.entry(host.trouble_at(time)).or_insert(0) += 1;
    }
    counts.into_iter().collect()
}

/// A time of this machine's zone.
pub(super) fn time_of(milliseconds: i64) -> String {
    let time = jiff::Timestamp::from_millisecond(milliseconds).unwrap_or_default();
    time.to_zoned(jiff::tz::TimeZone::system()).strftime("%Y-%m-%d %H:%M:%S %Z").to_string()
}

//! A report as text for a mail, 80 columns wide.

use std::io::{self, Write};

use super::clock::Clock;
use super::columns::Kind;
use super::gather::Host;
use super::incident::Incident;
use super::plain::plain;
use super::sentences;
use super::{Cover, Section};
use crate::scrape_log::files::TimeRange;

const WIDTH: usize = 80;
/// More problems of one host are only counted.
const MAX_PROBLEMS: usize = 20;
const MAX_RESTARTS: usize = 10;

/// Writes all of it.
pub(super) fn write(out: &mut dyn Write, cover: &Cover<'_>, sections: &[Section]) -> io::Result<()> {
    let clock = &cover.options.clock;
    let zone = clock.zone(cover.range.end);
    if cover.options.last_reboot {
        writeln!(out, "Last restarts. Times are {zone}.")?;
    } else {
        let (start, end) = (clock.minute(cover.range.start), clock.minute(cover.range.end));
        writeln!(
            out,
            "{} from {start} to {end}, {zone}\n",
            sentences::count(sections.len() as u64, "host", "hosts")
        )?;
        writeln!(
            out,
            "{}",
            line(["HOST", "ANSWERED", "CPU", "MEM", "DISK", "TEMP", "PROBLEMS", "RESTARTS"])
        )?;
        for section in sections {
            writeln!(out, "{}", section.row)?;
        }
        writeln!(out, "\nCPU, memory, disk and temperature are peaks.")?;
    }
    for section in sections {
        writeln!(out, "\n{}\n{}", section.name, "=".repeat(section.name.chars().count().min(WIDTH)))?;
        out.write_all(section.body.as_bytes())?;
    }
    if !cover.silent.is_empty() {
        writeln!(
            out,
            "\n{}",
            folded(&format!("Nothing is recorded of {}.", plain(&cover.silent.join(", "))), "", "")
        )?;
    }
    if cover.damaged > 0 {
        let files = sentences::count(cover.damaged as u64, "file", "files");
        writeln!(out, "\n{files} could not be read as a whole; what was in there is missing here.")?;
    }
    Ok(())
}

/// A line of the table.
fn line(cells: [&str; 8]) -> String {
    let [host, answered, cpu, memory, disk, temperature, problems, restarts] = cells;
    format!("{host:<24.24} {answered:>8} {cpu:>6} {memory:>6} {disk:>6} {temperature:>6} {problems:>8} {restarts:>8}")
        .trim_end()
        .to_owned()
}

/// The host's line in the table.
pub(super) fn row(host: &Host) -> String {
    let peak = |kind| {
        sentences::peak(host, kind)
            .map_or_else(|| "-".to_owned(), |(column, peak)| column.kind.unit().say(peak.value))
    };
    let number = |number: u64| if number == 0 { "-".to_owned() } else { number.to_string() };
    line([
        &plain(&host.name),
        &sentences::availability(host),
        &peak(Kind::Cpu),
        &peak(Kind::Memory),
        &peak(Kind::Disk),
        &peak(Kind::Temperature),
        &number(host.problems.len() as u64 + host.unlisted_problems),
        &match (host.restarts.len() as u64 + host.unlisted_restarts, host.gone.is_some()) {
            (0, true) => "gone".to_owned(),
            (restarts, true) => format!("{restarts}+gone"),
            (restarts, false) => number(restarts),
        },
    ])
}

/// All about one host.
pub(super) fn section(host: &Host, _range: TimeRange, clock: &Clock) -> String {
    let mut text = folded(&sentences::story(host, clock).join(" "), "", "");
    text.push('\n');
    let mut list = |title: &str, items: Vec<String>| {
        if !items.is_empty() {
            text.push_str(&format!("\n{title}\n"));
            items.iter().for_each(|item| text.push_str(&format!("{}\n", folded(item, "  ", "    "))));
        }
    };
    let mut problems: Vec<String> = host
        .problems
        .iter()
        .take(MAX_PROBLEMS)
        .map(|problem| {
            format!(
                "{}: {}, {}",
                problem.severity.name(),
                plain(&problem.sentence),
                sentences::when(problem, clock)
            )
        })
        .collect();
    let more = host.problems.len().saturating_sub(MAX_PROBLEMS) as u64 + host.unlisted_problems;
    if more > 0 {
        problems.push(format!("and {more} more"));
    }
    list("Problems", problems);
    list("Forecast", host.forecasts.iter().map(|forecast| sentences::forecast(forecast, clock)).collect());
    let mut peaks = Vec::new();
    for kind in [
        Kind::Cpu,
        Kind::Memory,
        Kind::Swap,
        Kind::Disk,
        Kind::Temperature,
        Kind::CpuWaiting,
        Kind::MemoryWaiting,
        Kind::IoWaiting,
    ] {
        if let Some((column, peak)) = sentences::peak(host, kind).filter(|(_, peak)| peak.value > 0.0) {
            let limit = column.limit.map(|limit| format!(" (critical at {limit:.0} °C)")).unwrap_or_default();
            let name = match kind {
                Kind::Disk => format!("disk {}", column.about),
                Kind::Temperature => column.about.clone(),
                _ => column.name(),
            };
            let value = kind.unit().say(peak.value);
            peaks.push(format!("{value:>6}  {}  {}{limit}", clock.minute(peak.at), plain(&name)));
        }
    }
    list("Peaks", peaks);
    for incident in host.incidents().rev().take(MAX_RESTARTS) {
        text.push_str(&format!("\n{}\n{}", heading(incident, clock), told(incident, clock)));
    }
    let more = host.restarts.len().saturating_sub(MAX_RESTARTS) as u64 + host.unlisted_restarts;
    if more > 0 {
        text.push_str(&format!("\n{} before these\n", sentences::count(more, "restart", "restarts")));
    }
    text
}

fn heading(incident: &Incident, clock: &Clock) -> String {
    let name = sentences::ending_name(incident.ending);
    match incident.booted {
        Some(booted) => format!("Restart at {}: {name}", clock.full(booted)),
        None => "Gone".to_owned(),
    }
}

/// The last time that a host went.
pub(super) fn incident(host: &Host, clock: &Clock, why_none: &str) -> String {
    match host.incidents().next_back() {
        Some(incident) => told(incident, clock),
        None => format!("{why_none}\n"),
    }
}

fn told(incident: &Incident, clock: &Clock) -> String {
    let mut text = String::new();
    let mut add = |sentence: &str| text.push_str(&format!("{}\n", folded(sentence, "  ", "  ")));
    add(&sentences::course(incident, clock));
    add(sentences::ending(incident));
    if incident.last_seen.is_some() {
        add(&sentences::moved(incident));
        for mover in incident.movers.iter().flatten() {
            text.push_str(&format!("{}\n", folded(&sentences::mover(mover), "    ", "      ")));
        }
    }
    if !incident.open.is_empty() {
        text.push_str("  Wrong at that moment:\n");
        for open in &incident.open {
            text.push_str(&format!("{}\n", folded(&sentences::open(open, clock), "    ", "      ")));
        }
    }
    text
}

/// The text in lines of at most 80 characters, unless a word is longer.
fn folded(text: &str, first: &str, rest: &str) -> String {
    let (mut folded, mut width) = (first.to_owned(), first.chars().count());
    let mut is_start = true;
    for word in text.split(' ') {
        let length = word.chars().count();
        if !is_start && width + 1 + length > WIDTH {
            folded.push('\n');
            folded.push_str(rest);
            width = rest.chars().count();
            is_start = true;
        }
        if !is_start {
            folded.push(' ');
            width += 1;
        }
        folded.push_str(word);
        width += length;
        is_start = false;
    }
    folded
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_are_folded() {
        let text = folded(&"word ".repeat(40), "  ", "    ");
        assert!(
            text.lines().all(|line| line.chars().count() <= WIDTH) && text.lines().count() == 3,
            "{text}"
        );
        assert_eq!(folded("a b", "- ", "  "), "- a b");
        assert!(folded(&"x".repeat(100), "", "").len() == 100);
    }
}

//! A report as one page: plots are in it, nothing is fetched and nothing runs.

use std::error::Error;
use std::fmt::Write as _;
use std::io::{self, Write};

use super::clock::Clock;
use super::columns::{Column, Kind, Unit};
use super::gather::Host;
use super::history::{Episode, Span};
use super::incident::Incident;
use super::plain::plain;
use super::plot::{self, Frame, LINES, Panel};
use super::sentences;
use super::{Cover, Section};
use crate::scrape_log::files::TimeRange;
use crate::vitals::{Severity, words};
use crate::web::html::Text;

/// More problems and restarts of one host are only counted.
const MAX_PROBLEMS: usize = 60;
const MAX_RESTARTS: usize = 20;

/// The plots of a host: what they are called, of what they are, and words in the names of alerts that belong there.
const PANELS: [(&str, Unit, &[Kind], &[&str]); 8] = [
    ("CPU", Unit::Ratio, &[Kind::Cpu], &[]),
    ("Memory and swap", Unit::Ratio, &[Kind::Memory, Kind::Swap], &["Memory", "Swap", "OOM"]),
    ("Disks", Unit::Ratio, &[Kind::Disk], &["Filesystem"]),
    ("Temperatures", Unit::Celsius, &[Kind::Temperature], &["Temperature", "Fan", "Throttled"]),
    (
        "Share of time that tasks waited for",
        Unit::Ratio,
        &[Kind::CpuWaiting, Kind::MemoryWaiting, Kind::IoWaiting, Kind::MemoryStalled, Kind::IoStalled],
        &["Hung"],
    ),
    ("Network", Unit::BytesPerSecond, &[Kind::Received, Kind::Sent], &[]),
    ("Disk reads and writes", Unit::BytesPerSecond, &[Kind::Read, Kind::Written], &["RAID"]),
    ("Load", Unit::Load, &[Kind::Load], &[]),
];

/// Writes all of it.
pub(super) fn write(out: &mut dyn Write, cover: &Cover<'_>, sections: &[Section]) -> io::Result<()> {
    let clock = &cover.options.clock;
    let hosts = sentences::count(sections.len() as u64, "host", "hosts");
    let title = if cover.options.last_reboot { "Last restarts" } else { "Report" };
    write!(
        out,
        "<!doctype html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n\
         <meta http-equiv=\"Content-Security-Policy\" content=\"default-src 'none'; style-src 'unsafe-inline'; \
         base-uri 'none'; form-action 'none'\">\n\
         <meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n\
         <meta name=\"color-scheme\" content=\"light dark\">\n<title>{title}: {hosts}</title>\n<style>\n{}{}</style>\n\
         </head>\n<body>\n<header>\n<h1>{title}</h1>\n",
        include_str!("report.css"),
        plot::style(),
    )?;
    let zone = clock.zone(cover.range.end);
    if cover.options.last_reboot {
        writeln!(
            out,
            "<p>The last time that each of {hosts} went down. Times are {}.</p>\n</header>",
            Text(&zone)
        )?;
    } else {
        let (start, end) = (clock.minute(cover.range.start), clock.minute(cover.range.end));
        let length = words::span((cover.range.end - cover.range.start) as f64 / 1000.0);
        writeln!(
            out,
            "<p>{hosts} from <b>{start}</b> to <b>{end}</b> ({length}). Times are {}.</p>\n</header>",
            Text(&zone)
        )?;
        table(out, sections)?;
    }
    for section in sections {
        out.write_all(section.body.as_bytes())?;
    }
    out.write_all(b"<footer>\n")?;
    if !cover.silent.is_empty() {
        writeln!(out, "<p>Nothing is recorded of {}.</p>", Text(&plain(&cover.silent.join(", "))))?;
    }
    if cover.damaged > 0 {
        let files = sentences::count(cover.damaged as u64, "file", "files");
        writeln!(
            out,
            "<p class=\"warning\">{files} could not be read as a whole; what was in there is missing here.</p>"
        )?;
    }
    if sections.iter().any(|section| section.body.contains("<svg")) {
        writeln!(
            out,
            "<p class=\"key\"><i class=\"gap\"></i> nobody looked <i class=\"outage\"></i> did not answer \
             <i class=\"restart\"></i> restart <i class=\"warning\"></i><i class=\"critical\"></i> problem. A line is \
             the mean, the area around it goes from the lowest to the highest value.</p>"
        )?;
    }
    writeln!(out, "<p>Made by scrape-log {}.</p>\n</footer>\n</body>\n</html>", env!("CARGO_PKG_VERSION"))
}

fn table(out: &mut dyn Write, sections: &[Section]) -> io::Result<()> {
    out.write_all(
        b"<div class=\"wide\"><table>\n<thead><tr><th>Host</th><th>Answered</th><th>Restarts</th>\
          <th>Problems</th><th>CPU</th><th>Memory</th><th>Swap</th>\
          <th>Fullest disk</th><th>Temperature</th></tr></thead>\n<tbody>\n",
    )?;
    for section in sections {
        out.write_all(section.row.as_bytes())?;
    }
    out.write_all(
        b"</tbody></table></div>\n<p class=\"dim\">CPU, memory, swap, disk and temperature are peaks.</p>\n",
    )
}

/// The host's line in the table. `id` is the name of its directory.
pub(super) fn row(host: &Host, id: &str) -> String {
    let peak = |kind: Kind| match sentences::peak(host, kind) {
        None => "<td class=\"dim\">–</td>".to_owned(),
        Some((column, peak)) => {
            let value = kind.unit().say(peak.value);
            let is_hot = column.limit.is_some_and(|limit| peak.value >= limit - 5.0);
            let is_full = matches!(kind, Kind::Memory | Kind::Disk) && peak.value > 0.95;
            let class = if is_hot || is_full { " class=\"bad\"" } else { "" };
            let about = match column.about.as_str() {
                "" => String::new(),
                about => format!(" <small><bdi>{}</bdi></small>", Text(&plain(about))),
            };
            format!("<td{class}>{value}{about}</td>")
        }
    };
    let worst = host.problems.first().map(|problem| problem.severity);
    let problems = match (host.problems.len() as u64 + host.unlisted_problems, worst) {
        (0, _) => "<td class=\"dim\">–</td>".to_owned(),
        (number, worst) => format!("<td class=\"{}\">{number}</td>", worst.map_or("", Severity::name)),
    };
    let bad = host.incidents().any(|incident| incident.ending.is_bad() || incident.booted.is_none());
    let restarts = match (host.restarts.len() as u64 + host.unlisted_restarts, host.gone.is_some()) {
        (0, false) => "<td class=\"dim\">–</td>".to_owned(),
        (number, is_gone) => {
            let number = match (number, is_gone) {
                (0, true) => "gone".to_owned(),
                (number, true) => format!("{number}, gone"),
                (number, false) => number.to_string(),
            };
            format!("<td{}>{number}</td>", if bad { " class=\"critical\"" } else { "" })
        }
    };
    let class = if host.failed > 0 { " class=\"bad\"" } else { "" };
    format!(
        "<tr><th scope=\"row\"><a href=\"#{}\"><bdi>{}</bdi></a></th><td{class}>{}</td>{restarts}{problems}{}{}{}{}{}</tr>\n",
        Text(&anchor(id)),
        Text(&plain(&host.name)),
        sentences::availability(host),
        peak(Kind::Cpu),
        peak(Kind::Memory),
        peak(Kind::Swap),
        peak(Kind::Disk),
        peak(Kind::Temperature),
    )
}

/// A place in the page, another one for each name.
fn anchor(name: &str) -> String {
    let mut anchor = "host-".to_owned();
    for character in name.chars() {
        match character {
            c if c.is_ascii_alphanumeric() || c == '.' || c == '_' => anchor.push(c),
            odd => anchor.push_str(&format!("-{:x}-", u32::from(odd))),
        }
    }
    anchor
}

/// All about one host.
pub(super) fn section(
    host: &Host,
    range: TimeRange,
    clock: &Clock,
    id: &str,
) -> Result<String, Box<dyn Error>> {
    let mut html = String::new();
    heading(&mut html, host, &anchor(id))?;
    writeln!(html, "<p>{}</p>", Text(&sentences::story(host, clock).join(" ")))?;
    for forecast in &host.forecasts {
        writeln!(
            html,
            "<p class=\"warning\"><bdi>{}</bdi>.</p>",
            Text(&sentences::forecast(forecast, clock))
        )?;
    }
    restarts(&mut html, host, clock)?;
    problems(&mut html, host, clock)?;
    plots(&mut html, host, range, clock)?;
    html.push_str("</section>\n");
    Ok(html)
}

fn heading(html: &mut String, host: &Host, anchor: &str) -> std::fmt::Result {
    let instance = if host.name == host.instance { String::new() } else { plain(&host.instance) };
    writeln!(
        html,
        "<section id=\"{}\">\n<h2><bdi>{}</bdi> <small><bdi>{}</bdi></small></h2>",
        Text(anchor),
        Text(&plain(&host.name)),
        Text(&instance),
    )
}

fn restarts(html: &mut String, host: &Host, clock: &Clock) -> std::fmt::Result {
    for incident in host.incidents().rev().take(MAX_RESTARTS) {
        let class = if incident.ending.is_bad() || incident.booted.is_none() { "critical" } else { "info" };
        let title = match incident.booted {
            Some(booted) => {
                format!("Restart at {}: {}", clock.full(booted), sentences::ending_name(incident.ending))
            }
            None => "Gone".to_owned(),
        };
        writeln!(html, "<article class=\"{class}\">\n<h3>{title}</h3>")?;
        told(html, incident, clock)?;
        html.push_str("</article>\n");
    }
    let more = host.restarts.len().saturating_sub(MAX_RESTARTS) as u64 + host.unlisted_restarts;
    if more > 0 {
        writeln!(html, "<p>And {} before these.</p>", sentences::count(more, "restart", "restarts"))?;
    }
    Ok(())
}

fn told(html: &mut String, incident: &Incident, clock: &Clock) -> std::fmt::Result {
    let [course, ending] = [sentences::course(incident, clock), sentences::ending(incident).to_owned()];
    writeln!(html, "<p>{} {}</p>", Text(&course), Text(&ending))?;
    if incident.last_seen.is_some() {
        writeln!(html, "<p>{}</p>", Text(&sentences::moved(incident)))?;
        list(html, "ol", incident.movers.iter().flatten().map(|mover| ("", sentences::mover(mover))))?;
    }
    if !incident.open.is_empty() {
        html.push_str("<p>Wrong at that moment:</p>\n");
        list(
            html,
            "ul",
            incident.open.iter().map(|open| (open.severity.name(), sentences::open(open, clock))),
        )?;
    }
    Ok(())
}

fn list<'a>(
    html: &mut String,
    tag: &str,
    items: impl Iterator<Item = (&'a str, String)>,
) -> std::fmt::Result {
    let mut items = items.peekable();
    if items.peek().is_none() {
        return Ok(());
    }
    write!(html, "<{tag}>")?;
    for (class, item) in items {
        write!(html, "<li class=\"{class}\"><bdi>{}</bdi></li>", Text(&item))?;
    }
    writeln!(html, "</{tag}>")
}

fn problems(html: &mut String, host: &Host, clock: &Clock) -> std::fmt::Result {
    if host.problems.is_empty() {
        return Ok(());
    }
    html.push_str("<h3>Problems</h3>\n");
    let item = |problem: &Episode| {
        let (severity, sentence) = (problem.severity.name(), plain(&problem.sentence));
        (severity, format!("{severity}: {sentence}, {}", sentences::when(problem, clock)))
    };
    list(html, "ul", host.problems.iter().take(MAX_PROBLEMS).map(item))?;
    let more = host.problems.len().saturating_sub(MAX_PROBLEMS) as u64 + host.unlisted_problems;
    if more > 0 {
        writeln!(html, "<p>And {more} more.</p>")?;
    }
    Ok(())
}

/// The last time that a host went, with plots around that moment.
pub(super) fn incident(
    host: &Host,
    range: TimeRange,
    clock: &Clock,
    why_none: &str,
) -> Result<String, Box<dyn Error>> {
    let mut html = String::new();
    heading(&mut html, host, "")?;
    match host.incidents().next_back() {
        None => writeln!(html, "<p>{}</p>", Text(why_none))?,
        Some(incident) => {
            let class =
                if incident.ending.is_bad() || incident.booted.is_none() { "critical" } else { "info" };
            writeln!(html, "<article class=\"{class}\">")?;
            told(&mut html, incident, clock)?;
            html.push_str("</article>\n");
            plots(&mut html, host, range, clock)?;
        }
    }
    html.push_str("</section>\n");
    Ok(html)
}

fn plots(html: &mut String, host: &Host, range: TimeRange, clock: &Clock) -> Result<(), Box<dyn Error>> {
    let frame = Frame {
        range,
        clock,
        gaps: &host.gaps,
        outages: &host.outages,
        restarts: host.incidents().filter_map(|incident| incident.booted.or(incident.went)).collect(),
    };
    html.push_str("<div class=\"plots\">\n");
    for (title, unit, kinds, alerts) in PANELS {
        let (lines, hidden) = lines(host, kinds);
        if lines.is_empty() {
            continue;
        }
        let is_about = |problem: &&Episode| alerts.iter().any(|word| problem.alert.contains(word));
        let span = |problem: &Episode| {
            let part = range.intersection(TimeRange { start: problem.since, end: problem.last });
            (problem.severity, Span { start: part.start, end: part.end })
        };
        let mut problems: Vec<(Severity, Span)> = host.problems.iter().filter(is_about).map(span).collect();
        problems.sort_by_key(|(_, span)| span.start);
        let forecasts = if kinds.contains(&Kind::Disk) { host.forecasts.as_slice() } else { &[] };
        writeln!(html, "<figure>\n<figcaption><b>{title}</b><ul>")?;
        for (index, column) in lines.iter().enumerate() {
            legend(html, column, index, clock)?;
        }
        if hidden > 0 {
            write!(html, "<li>and {hidden} more</li>")?;
        }
        html.push_str("</ul></figcaption>\n");
        html.push_str(&Panel { unit, lines, forecasts, problems }.svg(&frame)?);
        html.push_str("</figure>\n");
    }
    html.push_str("</div>\n");
    Ok(())
}

/// The columns of these kinds with the most to show, and how many are left out.
fn lines<'a>(host: &'a Host, kinds: &[Kind]) -> (Vec<&'a Column>, usize) {
    let mut lines: Vec<&Column> = kinds.iter().flat_map(|kind| host.of(*kind)).collect();
    let hidden = lines.len().saturating_sub(LINES.len());
    if hidden > 0 {
        let closeness = |column: &Column| {
            let peak = column.peak.map_or(f32::MIN, |peak| peak.value);
            column.limit.map_or(peak, |limit| 1_000.0 + peak - limit)
        };
        lines.sort_by(|one, other| closeness(other).total_cmp(&closeness(one)));
        lines.truncate(LINES.len());
    }
    (lines, hidden)
}

fn legend(html: &mut String, column: &Column, index: usize, clock: &Clock) -> std::fmt::Result {
    let unit = column.kind.unit();
    let name = match column.kind {
        Kind::Temperature => column.about.clone(),
        Kind::CpuWaiting => "a CPU".to_owned(),
        Kind::MemoryWaiting => "memory".to_owned(),
        Kind::IoWaiting => "I/O".to_owned(),
        Kind::MemoryStalled => "memory, all at once".to_owned(),
        Kind::IoStalled => "I/O, all at once".to_owned(),
        _ => column.name(),
    };
    let last = column.buckets.last().map(|value| unit.say(value)).unwrap_or_default();
    let peak =
        column.peak.map(|peak| format!(", peak {} at {}", unit.say(peak.value), clock.minute(peak.at)));
    let limit = column.limit.map(|limit| format!(", critical at {limit:.0} °C")).unwrap_or_default();
    writeln!(
        html,
        "<li><i class=\"line{index}\"></i><bdi>{}</bdi> {last}{}{limit}</li>",
        Text(&plain(&name)),
        peak.unwrap_or_default()
    )
}

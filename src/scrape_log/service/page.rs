//! `/targets`: the targets on a page for people.
//!
//! It is one file without anything from elsewhere. The script only filters what is there, so that the page is whole
//! without it. All that comes from targets and configurations goes through [`Text`].

use std::collections::BTreeMap;
use std::fmt::{self, Write};
use std::time::Duration;

use jiff::Timestamp;

use crate::base::duration;
use crate::scrape_log::metrics::StorageFigures;
use crate::scrape_log::registry::{Dropped, Entry, Snapshot, State};
use crate::web::html::{ILL_ICON, Text, WELL_ICON};

const STYLE: &str = include_str!("page.css");
const SCRIPT: &str = include_str!("page.js");
/// What the page may do in a browser: have the style and run the script whose SHA-256 these are.
pub(super) const POLICY: &str = "default-src 'none'; \
     style-src 'sha256-bMe6KOdp4MiSuTuVbzctyt605KajS5SF9WI00LDS/0c='; \
     img-src data:; \
     script-src 'sha256-7THHEF6HwzyqJ2LSsTy+z5L/nC6hRb6Q0FRUVBwlTqI='; \
     base-uri 'none'; form-action 'none'; frame-ancestors 'none'";
/// Targets that relabelling drops may be very many, and what there is to see is in the first of them.
const MAX_DROPPED: usize = 100;

/// The page. `host` is the name of this machine, `now_milliseconds` is since 1970 UTC.
pub(super) fn targets(
    snapshot: &Snapshot,
    storage: &StorageFigures,
    host: &str,
    now_milliseconds: i64,
) -> String {
    let mut page = String::with_capacity(16 * 1024 + snapshot.active.len() * 1024);
    // Writing to a String can't fail.
    let _infallible = write_page(&mut page, snapshot, storage, host, now_milliseconds);
    page
}

fn write_page(
    out: &mut String,
    snapshot: &Snapshot,
    storage: &StorageFigures,
    host: &str,
    now_milliseconds: i64,
) -> fmt::Result {
    let targets: Vec<(&Entry, State)> =
        snapshot.active.iter().map(|target| (&**target, target.state().clone())).collect();
    let up = targets.iter().filter(|(_, state)| state.up == Some(true)).count();
    let mut jobs: BTreeMap<&str, Vec<&(&Entry, State)>> = BTreeMap::new();
    for target in &targets {
        jobs.entry(&target.0.job).or_default().push(target);
    }
    let (host, version) = (Text(host), env!("CARGO_PKG_VERSION"));
    write!(
        out,
        "<!doctype html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n\
         <meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n\
         <link rel=\"icon\" href=\"{icon}\">\n\
         <title>{up}/{total} up · scrape-log on {host}</title>\n<style>{STYLE}</style>\n</head>\n<body>\n\
         <header>\n<h1>scrape-log <span class=\"soft\">on {host}</span></h1>\n\
         <nav><a href=\"./\">Live</a> <a href=\"targets\">Targets</a> <a href=\"metrics\">Metrics</a> \
         <a href=\"api/v1/targets\">JSON</a></nav>\n</header>\n<main>\n",
        icon = if up == targets.len() { WELL_ICON } else { ILL_ICON },
        total = targets.len(),
    )?;
    if let Some(reason) = storage.suspended {
        let why = match reason {
            "locked" => "Another scrape-log has taken over the storage path",
            "min_free" => "Less than --storage.min-free is free on the disk",
            _ => "The disk is full",
        };
        writeln!(
            out,
            "<p class=\"alert\" role=\"alert\">{why}: targets are scraped, but nothing is stored until that \
             changes.</p>"
        )?;
    }
    write_figures(out, (up, targets.len()), storage)?;
    out.push_str(
        "<form id=\"filter\" hidden>\n<input type=\"search\" name=\"text\" autocomplete=\"off\" \
         placeholder=\"Filter by job, endpoint, label or error\" aria-label=\"Filter\">\n\
         <label><input type=\"checkbox\" name=\"unhealthy\"> Unhealthy only</label>\n</form>\n",
    );
    for (job, targets) in jobs {
        write_job(out, job, &targets, now_milliseconds)?;
    }
    let none = if targets.is_empty() { "There are no targets." } else { "No target is like that." };
    let hidden = if targets.is_empty() { "" } else { " hidden" };
    writeln!(out, "<p id=\"none\"{hidden}>{none}</p>")?;
    write_dropped(out, &snapshot.dropped)?;
    let time = Timestamp::from_millisecond(now_milliseconds).unwrap_or_default();
    write!(
        out,
        "</main>\n<footer class=\"soft\">scrape-log {version}, as of {}</footer>\n\
         <script>{SCRIPT}</script>\n</body>\n</html>\n",
        time.strftime("%Y-%m-%d %H:%M:%S UTC"),
    )
}

fn write_figures(out: &mut String, (up, total): (usize, usize), storage: &StorageFigures) -> fmt::Result {
    let files = [storage.active, storage.plain, storage.compressed];
    let (count, bytes) =
        files.iter().fold((0, 0), |(count, bytes), files| (count + files.count, bytes + files.bytes));
    write!(
        out,
        "<dl class=\"figures\">\n<div><dt>Targets up</dt><dd>{up} of {total}</dd></div>\n\
         <div><dt>Files</dt><dd>{count}, {}</dd></div>\n",
        Size(bytes)
    )?;
    if let Some(bytes) = storage.free_bytes {
        writeln!(out, "<div><dt>Free on disk</dt><dd>{}</dd></div>", Size(bytes))?;
    }
    out.write_str("</dl>\n")
}

fn write_job(
    out: &mut String,
    job: &str,
    targets: &[&(&Entry, State)],
    now_milliseconds: i64,
) -> fmt::Result {
    let up = targets.iter().filter(|(_, state)| state.up == Some(true)).count();
    let health = match up {
        up if up == targets.len() => "up",
        _ if targets.iter().any(|(_, state)| state.up == Some(false)) => "down",
        _ => "unknown",
    };
    let (job, total) = (Text(job), targets.len());
    write!(
        out,
        "<details class=\"box job\" open>\n<summary><h2>{job}</h2>\
         <span class=\"count {health}\">{up}/{total} up</span>"
    )?;
    let mut intervals: Vec<Duration> = targets.iter().map(|(target, _)| target.interval).collect();
    intervals.dedup();
    if let [interval] = intervals[..] {
        write!(out, "<span class=\"soft\">every {}</span>", duration::format(interval))?;
    }
    out.push_str(
        "</summary>\n<table>\n<thead><tr><th>State<th class=\"url\">Endpoint<th>Labels\
         <th class=\"number\">Last scrape<th class=\"number\">Took<th class=\"number\">Samples</tr></thead>\n",
    );
    for (target, state) in targets {
        write_target(out, target, state, now_milliseconds)?;
    }
    out.write_str("</table>\n</details>\n")
}

fn write_target(out: &mut String, target: &Entry, state: &State, now_milliseconds: i64) -> fmt::Result {
    let (health, url) = (state.health(), Text(&target.url));
    write!(
        out,
        "<tbody class=\"target {health}\"><tr><td class=\"state\"><span class=\"badge\">{health}</span><td class=\"url\">"
    )?;
    if target.url.starts_with("http://") || target.url.starts_with("https://") {
        write!(out, "<a href=\"{url}\" rel=\"noreferrer\">{url}</a>")?;
    } else {
        write!(out, "{url}")?;
    }
    let discovered = target.discovered_labels.to_string();
    write!(out, "<td class=\"labels\" title=\"Before relabelling: {}\">", Text(&discovered))?;
    // The job is in the heading, unless relabelling has given the target another one.
    write_labels(out, target.labels.iter().filter(|label| *label != ("job", target.job.as_str())))?;
    match state.last_scrape_milliseconds {
        None => out.push_str("<td class=\"number\" data-name=\"Last scrape\">never<td><td>"),
        Some(at) => {
            let ago = u64::try_from(now_milliseconds.saturating_sub(at)).unwrap_or(0);
            let time = Timestamp::from_millisecond(at).unwrap_or_default();
            let took = Span(state.last_scrape_duration);
            write!(
                out,
                "<td class=\"number\" data-name=\"Last scrape\"><time datetime=\"{time}\" title=\"{time}\">{} ago\
                 </time><td class=\"number\" data-name=\"Took\">{took}<td class=\"number\" data-name=\"Samples\">{}",
                Span(Duration::from_millis(ago)),
                state.samples
            )?;
        }
    }
    out.push_str("</tr>");
    if !state.last_error.is_empty() {
        write!(out, "<tr class=\"note error\"><td><td colspan=\"5\">{}</tr>", Text(&state.last_error))?;
    }
    if state.missed_scrapes > 0 {
        let missed = state.missed_scrapes;
        write!(
            out,
            "<tr class=\"note missed\"><td><td colspan=\"5\">{missed} scrapes left out for lack of time</tr>"
        )?;
    }
    out.write_str("</tbody>\n")
}

fn write_labels<'a>(out: &mut String, labels: impl IntoIterator<Item = (&'a str, &'a str)>) -> fmt::Result {
    for (name, value) in labels {
        write!(out, "<span>{}=\"{}\"</span>", Text(name), Text(value))?;
    }
    Ok(())
}

fn write_dropped(out: &mut String, dropped: &[Dropped]) -> fmt::Result {
    if dropped.is_empty() {
        return Ok(());
    }
    write!(out, "<details class=\"box\">\n<summary>{} dropped by relabelling</summary>\n", dropped.len())?;
    for target in dropped.iter().take(MAX_DROPPED) {
        write!(out, "<p class=\"labels dropped\">{} ", Text(&target.job))?;
        write_labels(out, target.discovered_labels.iter())?;
        out.push_str("</p>\n");
    }
    if dropped.len() > MAX_DROPPED {
        out.push_str(
            "<p class=\"dropped\">All are at <a href=\"api/v1/targets?state=dropped\">JSON</a>.</p>\n",
        );
    }
    out.write_str("</details>\n")
}

/// A time span in as many words as one takes in at a glance.
struct Span(Duration);

impl fmt::Display for Span {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (seconds, exact) = (self.0.as_secs(), self.0.as_secs_f64());
        match seconds {
            0 if exact < 0.0095 => write!(out, "{:.1}ms", exact * 1e3),
            0 if exact < 0.9995 => write!(out, "{:.0}ms", exact * 1e3),
            0..60 => write!(out, "{exact:.1}s"),
            60..3600 => write!(out, "{}m {}s", seconds / 60, seconds % 60),
            3600..86_400 => write!(out, "{}h {}m", seconds / 3600, seconds / 60 % 60),
            _ => write!(out, "{}d {}h", seconds / 86_400, seconds / 3600 % 24),
        }
    }
}

/// A number of bytes in binary units.
struct Size(u64);

impl fmt::Display for Size {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut size = self.0 as f64;
        for unit in ["B", "KiB", "MiB", "GiB", "TiB"] {
            if size < 1024.0 {
                let digits = usize::from(size < 10.0 && unit != "B");
                return write!(out, "{size:.digits$} {unit}");
            }
            size /= 1024.0;
        }
        write!(out, "{size:.1} PiB")
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::scrape_log::labels::Labels;
    use std::sync::Arc;

    #[test]
    fn spans_and_sizes_are_short() {
        for (seconds, want) in [
            (0.0004, "0.4ms"),
            (0.0421, "42ms"),
            (0.9996, "1.0s"),
            (12.34, "12.3s"),
            (125.0, "2m 5s"),
            (7500.0, "2h 5m"),
            (180_000.0, "2d 2h"),
        ] {
            assert_eq!(Span(Duration::from_secs_f64(seconds)).to_string(), want);
        }
        for (bytes, want) in
            [(0, "0 B"), (1023, "1023 B"), (1536, "1.5 KiB"), (50 << 30, "50 GiB"), (u64::MAX, "16384.0 PiB")]
        {
            assert_eq!(Size(bytes).to_string(), want);
        }
    }

    #[test]
    fn nothing_that_comes_from_elsewhere_is_markup() {
        let evil = "\"'><script>alert(1)</script>&";
        let labels: Labels = [("job", evil), ("instance", evil)].into_iter().collect();
        let times = (Duration::from_secs(15), Duration::from_secs(10));
        let url = format!("javascript:alert(1)//{evil}");
        let entry = Entry::new(evil.into(), url, labels.clone(), labels.clone(), times);
        entry.state().last_error = evil.into();
        entry.state().up = Some(false);
        let snapshot = Snapshot {
            active: vec![Arc::new(entry)],
            dropped: vec![Dropped { job: evil.into(), discovered_labels: labels }],
        };
        let page = targets(&snapshot, &StorageFigures::default(), evil, 0);
        assert_eq!(page.matches("<script>").count(), 1, "our own");
        assert!(!page.contains("href=\"javascript:") && !page.contains(evil));
        assert!(page.contains("<h2>&quot;&#39;&gt;&lt;script&gt;alert(1)&lt;/script&gt;&amp;</h2>"));
    }

    #[test]
    fn jobs_are_counted_and_trouble_is_said() {
        let times = (Duration::from_secs(15), Duration::from_secs(10));
        let entry = |job: &str, up| {
            let url = format!("http://{job}:9100/metrics");
            let entry = Entry::new(job.into(), url, Labels::default(), Labels::default(), times);
            {
                let mut state = entry.state();
                state.up = up;
                state.last_scrape_milliseconds = up.map(|_| 50_000);
                state.missed_scrapes = 7;
            }
            Arc::new(entry)
        };
        let active = vec![entry("b", Some(true)), entry("a", None), entry("b", Some(false))];
        let snapshot = Snapshot { active, dropped: Vec::new() };
        let storage = StorageFigures { suspended: Some("full"), ..StorageFigures::default() };
        let page = targets(&snapshot, &storage, "site1", 53_200);
        for want in [
            "<title>1/3 up · scrape-log on site1</title>",
            "<h2>a</h2><span class=\"count unknown\">0/1 up</span>",
            "<h2>b</h2><span class=\"count down\">1/2 up</span>",
            "role=\"alert\"",
            ">3.2s ago<",
            ">never",
            "7 scrapes left out",
            "<a href=\"http://a:9100/metrics\"",
        ] {
            assert!(page.contains(want), "{want}: {page}");
        }
        let empty = targets(&Snapshot::default(), &StorageFigures::default(), "site1", 0);
        assert!(empty.contains("There are no targets") && !empty.contains("role=\"alert\""));
    }
}

//! What a report says, in words that page and text share.

use super::clock::Clock;
use super::columns::{Column, Kind, Peak};
use super::forecast::Forecast;
use super::gather::Host;
use super::history::Episode;
use super::incident::{Ending, Incident, Open};
use super::movers::Mover;
use super::plain::plain;
use crate::vitals::{Severity, words};

/// How bad it was for a host: what is greater comes first.
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Trouble(i64, usize, usize, u64);

impl Trouble {
    pub(super) fn of(host: &Host) -> Self {
        let count = |severity| host.problems.iter().filter(|problem| problem.severity == severity).count();
        let is_bad = |incident: &&Incident| incident.ending.is_bad() || incident.booted.is_none();
        let is_silent = host.failure.is_some() && host.gone.is_none();
        let bad = host.incidents().filter(is_bad).count() + usize::from(is_silent);
        let unavailable = (host.failed * 1_000_000) / (host.failed + host.answered).max(1);
        let worst = match (bad + count(Severity::Critical), count(Severity::Warning)) {
            (0, 0) if host.restarts.is_empty() => 0,
            (0, 0) => 1,
            (0, _) => 2,
            _ => 3,
        };
        Self(
            worst,
            bad + count(Severity::Critical),
            count(Severity::Warning) + host.restarts.len(),
            unavailable,
        )
    }

    /// What happened last comes first.
    pub(super) fn latest(at: Option<i64>) -> Self {
        Self(at.unwrap_or(i64::MIN), 0, 0, 0)
    }
}

/// What the host is called, with the instance where that is something else.
pub(super) fn title(host: &Host) -> String {
    if host.name == host.instance {
        plain(&host.name)
    } else {
        plain(&format!("{} ({})", host.name, host.instance))
    }
}

/// A share of many scrapes: that one of them failed has to be seen.
pub(super) fn availability(host: &Host) -> String {
    match host.availability() {
        None => "–".to_owned(),
        Some(1.0) => "100 %".to_owned(),
        Some(ratio) if ratio > 0.99 => format!("{:.2} %", (ratio * 10_000.0).floor() / 100.0),
        Some(ratio) => words::percent(ratio),
    }
}

/// The highest value of all columns of a kind.
pub(super) fn peak(host: &Host, kind: Kind) -> Option<(&Column, Peak)> {
    let peaks = host.of(kind).filter_map(|column| Some((column, column.peak?)));
    let closeness = |(column, peak): &(&Column, Peak)| match column.limit {
        Some(limit) => (1, peak.value - limit),
        None => (0, peak.value),
    };
    peaks.max_by(|one, other| {
        let ((one_rank, one), (other_rank, other)) = (closeness(one), closeness(other));
        one_rank.cmp(&other_rank).then(one.total_cmp(&other))
    })
}

/// How often something happened.
fn times(number: u64) -> String {
    if number == 1 { "once".to_owned() } else { format!("{number} times") }
}

/// How one thing is counted, or several.
pub(super) fn count(number: u64, one: &str, several: &str) -> String {
    format!("{number} {}", if number == 1 { one } else { several })
}

/// What happened to a host, a sentence each.
pub(super) fn story(host: &Host, clock: &Clock) -> Vec<String> {
    let mut sentences = Vec::new();
    let all = host.answered + host.failed;
    let missing = match host.failed {
        0 => format!(
            "It answered {}.",
            if all == 1 { "the one scrape".to_owned() } else { format!("all {all} scrapes") }
        ),
        failed => {
            let seconds: f64 = host.outages.list().iter().map(|span| span.seconds()).sum();
            format!("It did not answer {failed} of {all} scrapes, {} in all.", words::span(seconds))
        }
    };
    sentences.push(missing);
    let gaps: f64 = host.gaps.list().iter().map(|span| span.seconds()).sum();
    if gaps > 0.0 {
        sentences.push(format!("Nobody looked for {}: that does not count as down.", words::span(gaps)));
    }
    let restarts = host.restarts.len() as u64 + host.unlisted_restarts;
    if restarts > 0 {
        let bad = host.restarts.iter().filter(|incident| incident.ending.is_bad()).count() as u64;
        let clean = host.restarts.iter().filter(|incident| incident.ending == Ending::Clean).count() as u64;
        let how = match (bad, clean) {
            (0, 0) => ", how is not known".to_owned(),
            (0, clean) if clean == restarts => ", after a shutdown".to_owned(),
            (bad, _) if bad == restarts => ", without a shutdown".to_owned(),
            (bad, clean) => format!(", {bad} without a shutdown and {clean} after one"),
        };
        sentences.push(format!("It was restarted {}{how}.", times(restarts)));
    }
    if let Some(gone) = &host.gone {
        let at = gone.went.map(|at| clock.full(at)).unwrap_or_default();
        sentences.push(match gone.ending {
            Ending::Stopped => format!("It answered last at {at}, and refuses connections since."),
            _ => format!("It went at {at} and has not come back."),
        });
    } else if let Some(failure) = &host.failure {
        sentences.push(format!("At the end it {}.", plain(failure)));
    } else if let Some(uptime) = host.uptime_seconds {
        sentences.push(format!("At the end it had been up for {}.", words::span(uptime)));
    }
    sentences
}

/// When a problem was there.
pub(super) fn when(episode: &Episode, clock: &Clock) -> String {
    let start = clock.minute(episode.since);
    let seconds = (episode.last - episode.since) as f64 / 1000.0;
    match (episode.is_open, seconds == 0.0) {
        (true, _) => format!("since {start}, for {} to the end", words::span(seconds)),
        (false, true) => format!("at {start}, once"),
        (false, false) => format!("from {start}, for {}", words::span(seconds)),
    }
}

/// When a filesystem will be full.
pub(super) fn forecast(forecast: &Forecast, clock: &Clock) -> String {
    let name = plain(&forecast.mountpoint);
    if forecast.seconds_to_full <= 0.0 {
        return format!("{name} is full, and was filling");
    }
    #[expect(clippy::cast_possible_truncation, reason = "saturates")]
    let at = forecast.end + (forecast.seconds_to_full * 1000.0) as i64;
    format!(
        "{name} will be full in {} if it goes on like this, at about {}",
        words::span(forecast.seconds_to_full),
        clock.minute(at)
    )
}

/// When a machine went, came back, and for how long it was away.
pub(super) fn course(incident: &Incident, clock: &Clock) -> String {
    let seen = incident.last_seen.filter(|seen| Some(*seen) != incident.went);
    let seen = seen.map(|seen| format!(" (the last scrape was at {})", clock.full(seen))).unwrap_or_default();
    match (incident.went, incident.booted, incident.away_seconds()) {
        (Some(went), Some(booted), Some(away)) => format!(
            "It was last alive at {}{seen} and was booted at {}, {} later.",
            clock.full(went),
            clock.full(booted),
            words::span(away)
        ),
        (Some(went), ..) => format!("It was last alive at {} and has not come back.", clock.full(went)),
        (None, Some(booted), _) => {
            format!("It was booted at {}; what was before that is not recorded.", clock.full(booted))
        }
        (None, None, _) => "When it went is not known.".to_owned(),
    }
}

/// How the machine went, in one or two words.
pub(super) fn ending_name(ending: Ending) -> &'static str {
    match ending {
        Ending::Clean => "shut down",
        Ending::Unclean => "unclean",
        Ending::Watchdog => "watchdog",
        Ending::Stopped => "probably shut down",
        Ending::Unknown => "not known",
    }
}

/// How the machine went, and what tells so.
pub(super) fn ending(incident: &Incident) -> &'static str {
    match (incident.ending, incident.booted) {
        (Ending::Clean, _) => {
            "It was shut down: its exporter was stopped with the system (vitals_last_shutdown_clean is 1)."
        }
        (Ending::Unclean, _) => {
            "It was not shut down, it just went: its exporter noted no end of the system (vitals_last_shutdown_clean \
             is 0)."
        }
        (Ending::Watchdog, _) => {
            "A watchdog timer has reset it (bit 5 of node_watchdog_bootstatus): the system had hung, and was not shut \
             down."
        }
        (Ending::Stopped, Some(_)) => {
            "Probably it was shut down: it refused connections before it went, so the exporter was stopped while the \
             system still ran."
        }
        (Ending::Stopped, None) => {
            "It refuses connections: the exporter is not running, but something at its address answers."
        }
        (Ending::Unknown, Some(_)) => {
            "Whether it was shut down is not known: vitals-exporter tells with --state.directory."
        }
        (Ending::Unknown, None) => "Whether it was shut down will be known when it is back.",
    }
}

/// What moved most before a machine went.
pub(super) fn moved(incident: &Incident) -> String {
    match incident.movers.as_deref() {
        None => "There are too few scrapes before it to tell what was unusual.".to_owned(),
        Some([]) => {
            let hint = match incident.ending {
                Ending::Clean | Ending::Stopped => "",
                _ => ": look at power, hardware, and who could have reset it",
            };
            format!("Nothing moved in an unusual way in the ten minutes before{hint}.")
        }
        Some(_) => {
            "What moved most in the ten minutes before, compared with the hour before that:".to_owned()
        }
    }
}

/// A value that moved.
pub(super) fn mover(mover: &Mover) -> String {
    let unit = mover.kind.unit();
    let column = match (mover.kind, mover.about.as_str()) {
        (kind, "") => kind.name().to_owned(),
        (kind, about) => format!("{} {}", kind.name(), plain(about)),
    };
    let hours = if mover.is_slow { " over hours" } else { "" };
    format!("{column}: {} → {}{hours}", unit.say(mover.before), unit.say(mover.after))
}

/// A problem that was there when a machine went.
pub(super) fn open(open: &Open, clock: &Clock) -> String {
    format!("{}: {}, since {}", open.severity.name(), plain(&open.sentence), clock.full(open.since))
}

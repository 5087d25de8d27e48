//! The programs' own log, on standard error: one `logfmt` or JSON line an event, with the keys that
//! node_exporter's log has (`time`, `level`, `msg`, then the event's own).

use std::fmt;
use std::io::IsTerminal;

use tracing::field::{Field, Visit};
use tracing::level_filters::LevelFilter;
use tracing::{Event, Subscriber};
use tracing_subscriber::fmt::format::Writer;
use tracing_subscriber::fmt::time::{FormatTime, SystemTime};
use tracing_subscriber::fmt::{FmtContext, FormatEvent, FormatFields};
use tracing_subscriber::registry::LookupSpan;

use super::{json, logfmt};

/// The values of `--log.level`.
pub const LEVELS: [&str; 4] = ["debug", "info", "warn", "error"];
/// The values of `--log.format`.
pub const FORMATS: [&str; 2] = ["logfmt", "json"];

/// Starts the log for the whole program. A second call changes nothing.
pub fn init(level: &str, format: &str) {
    let level = level.parse().unwrap_or(LevelFilter::INFO);
    let lines = Lines { json: format == "json" };
    let subscriber = tracing_subscriber::fmt()
        .with_max_level(level)
        .with_writer(std::io::stderr)
        .with_ansi(std::io::stderr().is_terminal())
        .event_format(lines)
        .finish();
    if tracing::subscriber::set_global_default(subscriber).is_err() {
        tracing::debug!("the log was started before");
    }
}

struct Lines {
    json: bool,
}

impl<S, N> FormatEvent<S, N> for Lines
where
    S: Subscriber + for<'a> LookupSpan<'a>,
    N: for<'a> FormatFields<'a> + 'static,
{
    fn format_event(&self, _: &FmtContext<'_, S, N>, mut out: Writer<'_>, event: &Event<'_>) -> fmt::Result {
        let mut time = String::new();
        SystemTime.format_time(&mut Writer::new(&mut time))?;
        let mut line = Line { json: self.json, text: String::with_capacity(160), message: String::new() };
        event.record(&mut line);
        let mut head = Line { json: self.json, text: String::new(), message: String::new() };
        head.pair("time", &time);
        head.pair("level", &event.metadata().level().as_str().to_ascii_uppercase());
        head.pair("msg", &line.message);
        let (open, join, close) = match (self.json, line.text.is_empty()) {
            (true, true) => ("{", "", "}"),
            (true, false) => ("{", ",", "}"),
            (false, true) => ("", "", ""),
            (false, false) => ("", " ", ""),
        };
        writeln!(out, "{open}{}{join}{}{close}", head.text, line.text)
    }
}

/// The fields of one event, the message kept apart.
struct Line {
    json: bool,
    text: String,
    message: String,
}

impl Line {
    fn pair(&mut self, key: &str, value: &str) {
        if !self.json {
            return logfmt::pair(&mut self.text, key, value);
        }
        self.json_key(key);
        json::string(&mut self.text, value);
    }

    /// A pair whose value needs no quotes in either format.
    fn bare_pair(&mut self, key: &str, value: impl fmt::Display) {
        if !self.json {
            return logfmt::pair(&mut self.text, key, value);
        }
        self.json_key(key);
        self.text.push_str(&value.to_string());
    }

    fn json_key(&mut self, key: &str) {
        if !self.text.is_empty() {
            self.text.push(',');
        }
        json::string(&mut self.text, key);
        self.text.push(':');
    }
}

impl Visit for Line {
    fn record_u64(&mut self, field: &Field, value: u64) {
        self.bare_pair(field.name(), value);
    }

    fn record_i64(&mut self, field: &Field, value: i64) {
        self.bare_pair(field.name(), value);
    }

    fn record_bool(&mut self, field: &Field, value: bool) {
        self.bare_pair(field.name(), value);
    }

    fn record_f64(&mut self, field: &Field, value: f64) {
        if value.is_finite() {
            self.bare_pair(field.name(), value);
        } else {
            self.pair(field.name(), &value.to_string());
        }
    }

    fn record_str(&mut self, field: &Field, value: &str) {
        match field.name() {
            "message" => value.clone_into(&mut self.message),
            name => self.pair(name, value),
        }
    }

    fn record_debug(&mut self, field: &Field, value: &dyn fmt::Debug) {
        self.record_str(field, &format!("{value:?}"));
    }
}

#[cfg(test)]
mod tests {
    use super::Line;

    #[test]
    fn json_lines_are_json() {
        let mut line = Line { json: true, text: String::new(), message: String::new() };
        line.pair("msg", "a \"b\"\n\u{7f}");
        line.bare_pair("n", 1.5);
        let read: serde_json::Value = serde_json::from_str(&format!("{{{}}}", line.text)).unwrap();
        assert_eq!(read["msg"], "a \"b\"\n\u{7f}");
        assert_eq!(read["n"], 1.5);
    }
}

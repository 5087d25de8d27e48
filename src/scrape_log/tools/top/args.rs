//! The command line of `scrape-log top`.

use std::path::PathBuf;
use std::time::Duration;

use clap::{Arg, ArgAction, ArgMatches, Command};
use jiff::Zoned;

use crate::base::duration;
use crate::base::usage::Usage;
use crate::base::when::{self, Edge};
use crate::scrape_log::tools;
use crate::web::client::Endpoint;

/// A checked command line.
#[derive(Debug)]
pub(super) struct Options {
    pub(super) place: Place,
    /// The moment to begin with, in milliseconds since 1970 UTC; the present if there is none.
    pub(super) at: Option<i64>,
    pub(super) once: bool,
    /// How often news are looked for.
    pub(super) interval: Duration,
}

/// Where the hosts are told.
#[derive(Debug)]
pub(super) enum Place {
    /// A storage path, or the directory of one target.
    Directory(PathBuf),
    /// A program with `/api/v1/vitals`.
    Server(Endpoint),
}

impl Options {
    pub(super) fn read(mut matches: ArgMatches) -> Result<Self, Usage> {
        let directory: Option<PathBuf> = matches.remove_one("directory");
        let url: Option<String> = matches.remove_one("url");
        let at: Option<String> = matches.remove_one("at");
        let place = match (directory, url) {
            (Some(directory), None) => Place::Directory(directory),
            (None, Some(_)) if at.is_some() => {
                return Err(Usage::wrong(
                    "--at and --url can't be used together: a running scrape-log tells the present only, the past \
                     is in its files: give the directory instead of --url",
                ));
            }
            (None, Some(url)) => Place::Server(
                Endpoint::parse(&url).map_err(|problem| Usage::wrong(format!("--url: {problem}")))?,
            ),
            (Some(_), Some(_)) => {
                return Err(Usage::wrong("DIR and --url can't be used together: give one of them"));
            }
            (None, None) => {
                return Err(Usage::wrong(
                    "expected the storage path of a recorder, for example: scrape-log top data; or --url \
                     http://HOST:9980",
                ));
            }
        };
        let at = at.map(|text| time(&text).map_err(|problem| Usage::wrong(format!("--at: {problem}"))));
        Ok(Self {
            place,
            at: at.transpose()?,
            once: matches.get_flag("once"),
            interval: matches.remove_one("interval").unwrap_or_default(),
        })
    }
}

/// A moment as people write it, in milliseconds since 1970 UTC.
pub(super) fn time(text: &str) -> Result<i64, String> {
    when::parse(text, Edge::Start, &Zoned::now()).map(|time| time.as_millisecond())
}

/// The subcommand's flags and help.
pub fn command() -> Command {
    let flag = |name: &'static str, value: &'static str| Arg::new(name).long(name).value_name(value);
    Command::new("top")
        .about("Shows all hosts in the terminal, as they are now and as they were")
        .after_help(
            "Keys: ? shows them. Left and right step through the scrapes of the selected host, t goes to a time, \
             End comes back.\n\n\
             A time is RFC 3339 (2026-11-21T12:00:00Z), a day (2026-11-21, yesterday), or a time ago (2h, \"10 min \
             ago\"). Without an offset it is local.\n\n\
             Without a terminal the table is printed once:\n  scrape-log top data | mail -s hosts ops@example.com",
        )
        .arg(tools::directory_argument().required(false))
        .arg(flag("url", "URL").help(
            "Instead of DIR: a running scrape-log, such as http://HOST:9980, or a vitals-exporter. It tells the \
             present only",
        ))
        .arg(flag("at", "TIME").help("Begin with this moment of the past").allow_hyphen_values(true))
        .arg(
            flag("interval", "DURATION")
                .help("How often to look for news")
                .default_value("1s")
                .value_parser(interval),
        )
        .arg(
            Arg::new("once")
                .long("once")
                .help("Print the table once, as plain text, and end")
                .action(ArgAction::SetTrue),
        )
}

fn interval(text: &str) -> Result<Duration, String> {
    let interval = duration::parse(text)?;
    let is_sane = (Duration::from_millis(100)..=Duration::from_secs(3600)).contains(&interval);
    if is_sane { Ok(interval) } else { Err("expected at least 100ms and at most 1h".to_owned()) }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(arguments: &[&str]) -> Result<Options, String> {
        let matches = command().try_get_matches_from([&["top"], arguments].concat());
        matches
            .map_err(|error| error.to_string())
            .and_then(|matches| Options::read(matches).map_err(|usage| usage.to_string()))
    }

    #[test]
    fn one_place_and_a_past_only_of_files() {
        let options = read(&["data", "--at", "2026-11-21T12:00:00Z", "--interval=500ms", "--once"]).unwrap();
        assert!(matches!(&options.place, Place::Directory(path) if path.as_os_str() == "data"));
        assert_eq!((options.at, options.once), (Some(1_795_262_400_000), true));
        assert_eq!(options.interval, Duration::from_millis(500));
        let options = read(&["--url", "http://h:9980"]).unwrap();
        assert!(matches!(options.place, Place::Server(_)) && options.at.is_none() && !options.once);
        for (arguments, want) in [
            (&[][..], "expected the storage path"),
            (&["data", "--url", "http://h:9980"], "DIR and --url"),
            (&["--url", "http://h:9980", "--at", "2h"], "the past is in its files"),
            (&["--url", "h:9980"], "--url: expected a URL"),
            (&["data", "--at", "soon"], "--at: \"soon\" is not a time"),
            (&["data", "--interval", "1ms"], "at least 100ms"),
        ] {
            let problem = read(arguments).unwrap_err();
            assert!(problem.contains(want), "{arguments:?}: {problem}");
        }
    }
}

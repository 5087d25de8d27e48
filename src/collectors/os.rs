//! The distribution, from `os-release` (format: `man 5 os-release`). The file changes with system updates only,
//! so it is read again when its stamp has changed.

use std::path::PathBuf;

use jiff::civil::Date;
use jiff::tz::TimeZone;

use super::{CollectError, Collector, Context, Settings, Spec};
use crate::exposition::{Exposition, Kind};
use crate::host::FileStamp;
use crate::host::parse::{ParseError, float, lines};

pub(super) const SPEC: Spec = Spec {
    name: "os",
    default_on: true,
    help: "distribution, version and end of support (/etc/os-release)",
    flags: &[],
    build: |settings| Ok(Box::new(Os::new(settings))),
};

/// Where the file may be, as the host sees it. The first one that exists counts.
const PATHS: [&str; 2] = ["/etc/os-release", "/usr/lib/os-release"];

/// The labels of `node_os_info` with the keys they come from, sorted.
const LABELS: [(&str, &str); 12] = [
    ("build_id", "BUILD_ID"),
    ("id", "ID"),
    ("id_like", "ID_LIKE"),
    ("image_id", "IMAGE_ID"),
    ("image_version", "IMAGE_VERSION"),
    ("name", "NAME"),
    ("pretty_name", "PRETTY_NAME"),
    ("variant", "VARIANT"),
    ("variant_id", "VARIANT_ID"),
    ("version", "VERSION"),
    ("version_codename", "VERSION_CODENAME"),
    ("version_id", "VERSION_ID"),
];

struct Os {
    paths: [PathBuf; 2],
    last: Option<(FileStamp, Release)>,
}

impl Os {
    fn new(settings: &Settings) -> Self {
        Self { paths: PATHS.map(|path| settings.root.rootfs(path)), last: None }
    }

    /// The release as its file has it now.
    fn release(&mut self) -> Result<&Release, CollectError> {
        let found = self.paths.iter().find_map(|path| Some((path, FileStamp::of(path).ok()?)));
        let Some((path, stamp)) = found else {
            return Err(CollectError::NoData("no /etc/os-release and no /usr/lib/os-release"));
        };
        let last = match self.last.take() {
            Some(last) if last.0 == stamp => last,
            _ => {
                let text = std::fs::read(path).map_err(|error| CollectError::read(path, error))?;
                (stamp, parse(&text).map_err(|error| error.at(path))?)
            }
        };
        Ok(&self.last.insert(last).1)
    }
}

impl Collector for Os {
    fn collect(&mut self, _: &mut Context, out: &mut Exposition) -> Result<(), CollectError> {
        let release = self.release()?;
        let labels =
            std::array::from_fn::<_, 12, _>(|index| (LABELS[index].0, release.labels[index].as_slice()));
        out.family(
            "node_os_info",
            "A metric with a constant '1' value labeled by the fields of os-release.",
            Kind::Gauge,
        )
        .sample(&labels, 1.0);
        if let Some(version) = release.version {
            let [_, id, id_like, _, _, name, ..] = labels;
            out.family(
                "node_os_version",
                "Metric containing the major.minor part of the OS version.",
                Kind::Gauge,
            )
            .sample(&[id, id_like, name], version);
        }
        if let Some(seconds) = release.support_end_timestamp_seconds {
            out.single(
                "node_os_support_end_timestamp_seconds",
                "Metric containing the end-of-life date timestamp of the OS.",
                Kind::Gauge,
                seconds,
            );
        }
        Ok(())
    }
}

/// What `os-release` says.
#[derive(Debug, Default)]
struct Release {
    /// In the order of [`LABELS`]; empty where the file has no such key.
    labels: [Vec<u8>; LABELS.len()],
    /// `major.minor` of `VERSION_ID` as a number.
    version: Option<f64>,
    support_end_timestamp_seconds: Option<f64>,
}

fn parse(text: &[u8]) -> Result<Release, ParseError> {
    let mut release = Release::default();
    for (number, line) in lines(text) {
        let line = line.trim_ascii();
        if line.is_empty() || line.starts_with(b"#") {
            continue;
        }
        let Some(equals) = line.iter().position(|&byte| byte == b'=') else {
            return Err(ParseError::new(number, "KEY=value", line));
        };
        let key = &line[..equals];
        let value = unquote(&line[equals + 1..])
            .ok_or_else(|| ParseError::new(number, "a value with closed quotes", line))?;
        if key == b"SUPPORT_END" && !value.is_empty() {
            let seconds = midnight_utc(&value)
                .ok_or_else(|| ParseError::new(number, "a date such as 2030-12-31", line))?;
            release.support_end_timestamp_seconds = Some(seconds);
        } else if let Some(index) = LABELS.iter().position(|label| label.1.as_bytes() == key) {
            if key == b"VERSION_ID" {
                release.version = major_minor(&value);
            }
            release.labels[index] = value;
        }
    }
    Ok(release)
}

/// Takes shell quotes, backslashes and a comment behind a blank off a value. `None` if a quote stays open.
fn unquote(text: &[u8]) -> Option<Vec<u8>> {
    let mut value = Vec::with_capacity(text.len());
    let mut quote = None;
    let mut bytes = text.iter();
    while let Some(&byte) = bytes.next() {
        match (quote, byte) {
            (Some(open), _) if open == byte => quote = None,
            (None, b'"' | b'\'') => quote = Some(byte),
            (None, b'#') if value.ends_with(b" ") || value.ends_with(b"\t") => {
                value.truncate(value.trim_ascii_end().len());
                break;
            }
            (None | Some(b'"'), b'\\') => value.push(*bytes.next()?),
            _ => value.push(byte),
        }
    }
    quote.is_none().then_some(value)
}

/// The number at the start of a version: digits with one point among them or behind them.
fn major_minor(version: &[u8]) -> Option<f64> {
    let digits = |text: &[u8]| text.iter().take_while(|byte| byte.is_ascii_digit()).count();
    let major = digits(version);
    if major == 0 {
        return None;
    }
    let end = match version.get(major) {
        Some(b'.') => major + 1 + digits(&version[major + 1..]),
        _ => major,
    };
    float(&version[..end])
}

/// Seconds from 1970 to the start of a date in UTC.
fn midnight_utc(date: &[u8]) -> Option<f64> {
    let date: Date = std::str::from_utf8(date).ok()?.parse().ok()?;
    Some(date.to_zoned(TimeZone::UTC).ok()?.timestamp().as_second() as f64)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn quotes_and_escapes() {
        for (text, want) in [
            (&b"plain"[..], Some(&b"plain"[..])),
            (b"", Some(b"")),
            (b"\"two words\"", Some(b"two words")),
            (b"'it is $5 \\ '", Some(b"it is $5 \\ ")),
            (b"\"\\\"q\\\" \\$5 'x'\"", Some(b"\"q\" $5 'x'")),
            (b"a\\ b", Some(b"a b")),
            (b"a#1 \t# the name's \"kind\"", Some(b"a#1")),
            (b"\"a #1\"", Some(b"a #1")),
            (b"\"open", None),
            (b"'open\"", None),
            (b"end\\", None),
        ] {
            assert_eq!(unquote(text).as_deref(), want, "{}", text.escape_ascii());
        }
    }

    #[test]
    fn versions() {
        for (text, want) in [
            ("12", Some(12.0)),
            ("22.04", Some(22.04)),
            ("3.20.1", Some(3.2)),
            ("7.", Some(7.0)),
            ("rolling", None),
        ] {
            assert_eq!(major_minor(text.as_bytes()), want, "{text}");
        }
    }

    #[test]
    fn support_end() {
        let release = parse(b"# comment\n\nSUPPORT_END=2028-06-30\nID=x\n").unwrap();
        assert_eq!(release.support_end_timestamp_seconds, Some(1_845_936_000.0));
        assert_eq!(parse(b"ID=x\nSUPPORT_END=soon\n").unwrap_err().line, 2);
        assert_eq!(parse(b"ID=x\nno equals\n").unwrap_err().line, 2);
    }

    #[test]
    fn an_update_of_the_file_is_seen() {
        let folder = tempfile::tempdir().unwrap();
        let mut settings = Settings::default();
        settings.root.rootfs = folder.path().to_owned();
        let mut os = Os::new(&settings);
        assert!(matches!(os.release(), Err(CollectError::NoData(_))));
        for (path, content) in [("usr/lib", "ID=a"), ("usr/lib", "ID=bb"), ("etc", "ID=c")] {
            let path = folder.path().join(path);
            std::fs::create_dir_all(&path).unwrap();
            std::fs::write(path.join("os-release"), content).unwrap();
            assert_eq!(os.release().unwrap().labels[1], content.as_bytes()[3..]);
        }
    }

    #[test]
    fn survives_a_cut_file() {
        crate::collectors::at_every_cut("etc/os-release", parse);
    }
}

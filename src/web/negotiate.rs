//! Which format and encoding a scraper wants (RFC 9110, section 12.5), and by when.

use std::ops::RangeInclusive;
use std::time::Duration;

use hyper::HeaderMap;
use hyper::header::{ACCEPT, ACCEPT_ENCODING, HeaderName};

use crate::exposition::Format;

/// How long a scrape may take when the scraper does not say.
const DEFAULT_SCRAPE_TIMEOUT: Duration = Duration::from_secs(10);
/// How much earlier than the scraper's own timeout an answer is due, so that it still gets there.
const ANSWER_MARGIN: Duration = Duration::from_millis(250);
/// Bounds for what a scraper may ask for.
const SCRAPE_TIMEOUTS: RangeInclusive<f64> = 0.1..=120.0;

/// OpenMetrics 1.0 if the `Accept` headers rank it above the text format, else text.
pub fn format(headers: &HeaderMap) -> Format {
    let (mut text, mut openmetrics) = (0.0f32, 0.0f32);
    let mut first = None;
    for range in elements(headers, &ACCEPT) {
        let mut parameters = range.split(';').map(str::trim);
        let media = parameters.next().unwrap_or("");
        let (mut quality, mut version) = (1.0, None);
        for parameter in parameters {
            match parameter.split_once('=') {
                Some((name, value)) if name.eq_ignore_ascii_case("q") => quality = parse_quality(value),
                Some((name, value)) if name.eq_ignore_ascii_case("version") => {
                    version = Some(value.trim_matches('"'))
                }
                _ => {}
            }
        }
        let format = if media.eq_ignore_ascii_case("application/openmetrics-text")
            && matches!(version, None | Some("1.0.0"))
        {
            openmetrics = openmetrics.max(quality);
            Format::OpenMetrics
        } else if media.eq_ignore_ascii_case("text/plain") && matches!(version, None | Some("0.0.4")) {
            text = text.max(quality);
            Format::Text
        } else {
            continue; // what is neither named is answered with text
        };
        first.get_or_insert(format);
    }
    if openmetrics > text || (openmetrics == text && openmetrics > 0.0 && first == Some(Format::OpenMetrics))
    {
        return Format::OpenMetrics;
    }
    Format::Text
}

/// Whether gzip may be used for the answer.
pub fn accepts_gzip(headers: &HeaderMap) -> bool {
    elements(headers, &ACCEPT_ENCODING).any(|element| {
        let (coding, parameters) = element.split_once(';').unwrap_or((element, ""));
        let quality = match parameters.trim().split_once('=') {
            Some((name, value)) if name.trim().eq_ignore_ascii_case("q") => parse_quality(value),
            _ => 1.0,
        };
        coding.trim().eq_ignore_ascii_case("gzip") && quality > 0.0
    })
}

/// The scraper's timeout less a margin, from the header that Prometheus and others send.
pub fn time_to_answer(headers: &HeaderMap) -> Duration {
    headers
        .get("x-prometheus-scrape-timeout-seconds")
        .and_then(|value| value.to_str().ok()?.parse::<f64>().ok())
        .filter(|seconds| SCRAPE_TIMEOUTS.contains(seconds))
        .map_or(DEFAULT_SCRAPE_TIMEOUT, Duration::from_secs_f64)
        .saturating_sub(ANSWER_MARGIN)
        .max(ANSWER_MARGIN)
}

/// The comma-separated elements of all header lines called `name`.
fn elements<'a>(headers: &'a HeaderMap, name: &HeaderName) -> impl Iterator<Item = &'a str> {
    headers
        .get_all(name)
        .into_iter()
        .filter_map(|value| value.to_str().ok())
        .flat_map(|value| value.split(','))
}

/// A weight from 0 to 1; anything else counts as 0.
fn parse_quality(text: &str) -> f32 {
    text.trim().parse().ok().filter(|quality| (0.0..=1.0).contains(quality)).unwrap_or(0.0)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn headers(name: HeaderName, values: &[&str]) -> HeaderMap {
        values.iter().map(|value| (name.clone(), value.parse().unwrap())).collect()
    }

    #[test]
    fn formats() {
        use Format::{OpenMetrics, Text};
        for (accept, want) in [
            (vec![], Text),
            (vec!["*/*"], Text),
            (vec!["text/html,application/xhtml+xml,*/*;q=0.8"], Text),
            (vec!["application/openmetrics-text"], OpenMetrics),
            (vec!["application/openmetrics-text; version=1.0.0; charset=utf-8"], OpenMetrics),
            (vec!["application/openmetrics-text;version=0.0.1"], Text),
            (vec!["application/openmetrics-text;q=0"], Text),
            (vec!["text/plain;version=0.0.4;q=1,*/*;q=0.1"], Text),
            (
                vec!["text/plain;version=0.0.4;q=0.3", "application/openmetrics-text;version=1.0.0;q=0.6"],
                OpenMetrics,
            ),
            (vec!["text/plain,application/openmetrics-text"], Text),
            // Prometheus 2.42 and 3.x
            (
                vec![
                    "application/openmetrics-text;version=1.0.0,application/openmetrics-text;version=0.0.1;q=0.75,text/plain;version=0.0.4;q=0.5,*/*;q=0.1",
                ],
                OpenMetrics,
            ),
            (
                vec![
                    "application/openmetrics-text;version=1.0.0;escaping=allow-utf-8;q=0.6,text/plain;version=1.0.0;q=0.4,text/plain;version=0.0.4;q=0.3,*/*;q=0.2",
                ],
                OpenMetrics,
            ),
            (vec!["application/openmetrics-text;q=nan,text/plain;q=7"], Text),
        ] {
            assert_eq!(format(&headers(ACCEPT, &accept)), want, "{accept:?}");
        }
    }

    #[test]
    fn times() {
        for (value, milliseconds) in
            [("5", 4750), ("0.3", 250), ("0", 9750), ("1e9", 9750), ("soon", 9750), ("nan", 9750)]
        {
            let headers = headers(HeaderName::from_static("x-prometheus-scrape-timeout-seconds"), &[value]);
            assert_eq!(time_to_answer(&headers), Duration::from_millis(milliseconds), "{value}");
        }
    }

    #[test]
    fn encodings() {
        for (value, want) in [
            ("gzip", true),
            ("deflate, GZIP;q=0.5", true),
            ("gzip;q=0", false),
            ("gzip;q=nan,zstd;q=-1", false),
            ("identity", false),
            ("xgzip", false),
        ] {
            assert_eq!(accepts_gzip(&headers(ACCEPT_ENCODING, &[value])), want, "{value}");
        }
        assert!(!accepts_gzip(&HeaderMap::new()));
    }
}

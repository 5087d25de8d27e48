//! What the parser makes of a page, written anew, is read as the same again.

use vitals::exposition::{Exposition, Format, Kind, Line, Parser};

/// One sample, owned: name, labels sorted by name, bits of the value.
type Read = (String, Vec<(String, String)>, u64);

/// Reads `page`, which may hold anything, and checks that its samples survive being written and read once more.
pub fn check(page: &str, format: Format) {
    let mut samples = Vec::new();
    let mut parser = Parser::new(page, format);
    let mut last = 0;
    while let Some(line) = parser.next() {
        let sample = match line {
            Ok(Line::Sample(sample)) => Some(read(&sample)),
            Ok(_) => None,
            Err(error) => {
                assert!(error.line > last);
                None
            }
        };
        samples.extend(sample);
        assert!(parser.line() > last);
        last = parser.line();
    }
    samples.sort_by(|a, b| a.0.cmp(&b.0)); // stable, as the page is

    let mut out = Exposition::new();
    for (name, labels, bits) in &samples {
        let labels: Vec<(&str, &[u8])> =
            labels.iter().map(|(name, value)| (name.as_str(), value.as_bytes())).collect();
        out.family(name, "", Kind::Untyped).sample(&labels, f64::from_bits(*bits));
    }
    let mut written = Vec::new();
    out.render(format, &mut written);
    let written = String::from_utf8(written).expect("a page is UTF-8");
    let mut again = Vec::new();
    let mut parser = Parser::new(&written, format);
    while let Some(line) = parser.next() {
        if let Line::Sample(sample) = line.unwrap_or_else(|error| panic!("{error} of {written}")) {
            again.push(read(&sample));
        }
    }
    assert_eq!(samples, again);
}

fn read(sample: &vitals::exposition::Sample<'_, '_>) -> Read {
    let mut labels: Vec<(String, String)> =
        sample.labels.iter().map(|label| (label.name.to_owned(), label.value().into_owned())).collect();
    labels.sort();
    let value = if sample.value.is_nan() { f64::NAN } else { sample.value };
    (sample.name.to_owned(), labels, value.to_bits())
}

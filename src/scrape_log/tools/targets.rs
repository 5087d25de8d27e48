//! `--target`: which of the recorded targets are wanted.

use std::ffi::OsStr;
use std::io;

use crate::base::glob;
use crate::base::near::distance;
use crate::scrape_log::files::{Scrape, ScrapeReader, Target, parse_series};

/// How many names are suggested for one that is unknown.
const SUGGESTIONS: usize = 5;

/// The targets that match at least one of the patterns, by directory or by the label `instance`; all of them where
/// there is no pattern.
///
/// # Errors
/// A sentence that names a pattern that matches nothing, and what is like it.
pub(super) fn choose(targets: Vec<Target>, patterns: &[String]) -> Result<Vec<Target>, String> {
    if patterns.is_empty() {
        return Ok(targets);
    }
    let matching = |pattern: &str, name: &str| glob::matches(pattern.as_bytes(), OsStr::new(name));
    let known = |pattern: &String| targets.iter().any(|target| matching(pattern, &target.name));
    // Only who asks by another name than that of a directory has the files opened.
    let instances: Vec<String> = match patterns.iter().all(known) {
        true => vec![String::new(); targets.len()],
        false => targets.iter().map(|target| instance(target).unwrap_or_default()).collect(),
    };
    let named = |pattern: &str, target: &Target, instance: &str| {
        matching(pattern, &target.name) || (!instance.is_empty() && matching(pattern, instance))
    };
    for pattern in patterns {
        if !targets.iter().zip(&instances).any(|(target, instance)| named(pattern, target, instance)) {
            let names = targets.iter().map(|target| &target.name).chain(&instances);
            return Err(unknown(pattern, names.filter(|name| !name.is_empty())));
        }
    }
    let pairs = targets.into_iter().zip(instances);
    let wanted =
        pairs.filter(|(target, instance)| patterns.iter().any(|pattern| named(pattern, target, instance)));
    Ok(wanted.map(|(target, _)| target).collect())
}

/// The label `instance` of the last samples of a target.
fn instance(target: &Target) -> io::Result<String> {
    for file in target.files()?.iter().rev() {
        if let Some(mut reader) = ScrapeReader::open(file)?
            && reader.advance()?
            && let Some(instance) = instance_label(reader.scrape())
        {
            return Ok(instance);
        }
    }
    Ok(String::new())
}

fn instance_label(scrape: Scrape<'_>) -> Option<String> {
    let series = scrape.sample()?.series;
    parse_series(series, |parsed| parsed.label("instance").map(Into::into)).ok().flatten()
}

fn unknown<'a>(pattern: &str, names: impl Iterator<Item = &'a String>) -> String {
    let mut near: Vec<(usize, &String)> = names.map(|name| (distance(pattern, name), name)).collect();
    near.sort();
    near.dedup();
    let close = |(distance, name): &(usize, &String)| *distance <= 2 || name.contains(pattern);
    let mut names: Vec<&str> =
        near.iter().filter(|entry| close(entry)).map(|(_, name)| name.as_str()).collect();
    let what = if names.is_empty() { "there are" } else { "did you mean" };
    if names.is_empty() {
        names = near.iter().map(|(_, name)| name.as_str()).collect();
    }
    let more = if names.len() > SUGGESTIONS { ", …" } else { "" };
    names.truncate(SUGGESTIONS);
    match names[..] {
        [] => format!("--target {pattern}: there is no target at all"),
        _ => format!("--target {pattern}: there is no such target: {what} {}{more}", names.join(", ")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn suggestions() {
        let names = ["db01_9100", "db02_9100", "web_9100"].map(str::to_owned);
        let say = |pattern: &str| unknown(pattern, names.iter());
        assert!(say("db0_9100").ends_with("did you mean db01_9100, db02_9100"), "{}", say("db0_9100"));
        assert!(say("web").ends_with("did you mean web_9100"), "{}", say("web"));
        assert!(say("something").contains("there are"), "{}", say("something"));
        assert!(unknown("x", [].iter()).contains("no target at all"));
    }
}

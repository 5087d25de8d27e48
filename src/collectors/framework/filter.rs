//! Which of the names that the kernel gives are kept.

use std::collections::HashMap;

use regex_lite::Regex;

/// Decides by name what to keep. Remembers its decisions, since the same names come at each scrape.
#[derive(Clone, Debug, Default)]
pub struct Filter {
    include: Option<Regex>,
    exclude: Option<Regex>,
    decided: HashMap<Box<[u8]>, bool>,
}

/// Names come and go (containers, virtual interfaces): past this many the filter starts to remember afresh.
const REMEMBERED_NAMES: usize = 4096;

impl Filter {
    /// Keeps what `include` matches, if given, and what `exclude` does not match, if given.
    pub fn new(include: Option<Regex>, exclude: Option<Regex>) -> Self {
        Self { include, exclude, decided: HashMap::new() }
    }

    /// Whether `name` is kept. A name that is not UTF-8 is matched with U+FFFD in the place of the bad bytes.
    pub fn keeps(&mut self, name: &[u8]) -> bool {
        if self.include.is_none() && self.exclude.is_none() {
            return true;
        }
        if let Some(&kept) = self.decided.get(name) {
            return kept;
        }
        let text = String::from_utf8_lossy(name);
        let kept = self.include.as_ref().is_none_or(|include| include.is_match(&text))
            && self.exclude.as_ref().is_none_or(|exclude| !exclude.is_match(&text));
        if self.decided.len() >= REMEMBERED_NAMES {
            self.decided.clear();
        }
        self.decided.insert(name.into(), kept);
        kept
    }
}

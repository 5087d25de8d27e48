//! Which of the names that the kernel gives are kept.

use std::collections::HashMap;
use std::hash::{BuildHasher, RandomState};

use regex_lite::Regex;

/// Decides by name what to keep. Remembers its decisions, since the same names come at each scrape, and mostly in
/// the same order: then a decision costs one comparison of bytes.
#[derive(Clone, Debug, Default)]
pub struct Filter {
    include: Option<Regex>,
    exclude: Option<Regex>,
    /// The names in the order in which they first came, one after another.
    names: Vec<u8>,
    decisions: Vec<Decision>,
    /// The place in `decisions` of each name, by the name's hash.
    places: HashMap<u64, u32>,
    hasher: RandomState,
    /// The place of the name that came behind the last one.
    next: usize,
}

#[derive(Clone, Copy, Debug)]
struct Decision {
    start: u32,
    length: u16,
    kept: bool,
}

/// Names come and go (containers, virtual interfaces): past this many the filter starts to remember afresh.
const REMEMBERED_NAMES: usize = 4096;

impl Filter {
    /// Keeps what `include` matches, if given, and what `exclude` does not match, if given.
    pub fn new(include: Option<Regex>, exclude: Option<Regex>) -> Self {
        Self { include, exclude, ..Self::default() }
    }

    /// Whether `name` is kept. A name that is not UTF-8 is matched with U+FFFD in the place of the bad bytes.
    pub fn keeps(&mut self, name: &[u8]) -> bool {
        if self.include.is_none() && self.exclude.is_none() {
            return true;
        }
        // Behind the last name comes the first one of the next scrape.
        let place = if self.next < self.decisions.len() { self.next } else { 0 };
        match self.decision(place, name) {
            Some(kept) => {
                self.next = place + 1;
                kept
            }
            None => self.look_up(name),
        }
    }

    /// [`Filter::keeps`] of a name that will not come again soon: the decision is not remembered.
    pub fn decides(&self, name: &[u8]) -> bool {
        let text = String::from_utf8_lossy(name);
        self.include.as_ref().is_none_or(|include| include.is_match(&text))
            && self.exclude.as_ref().is_none_or(|exclude| !exclude.is_match(&text))
    }

    /// What was decided at `place`, if it was about `name`.
    fn decision(&self, place: usize, name: &[u8]) -> Option<bool> {
        let decision = self.decisions.get(place)?;
        let start = decision.start as usize;
        let about = self.names.get(start..start + usize::from(decision.length))?;
        (about == name).then_some(decision.kept)
    }

    fn look_up(&mut self, name: &[u8]) -> bool {
        let hash = self.hasher.hash_one(name);
        let known = self.places.get(&hash).map(|&place| place as usize);
        if let Some(place) = known
            && let Some(kept) = self.decision(place, name)
        {
            self.next = place + 1;
            return kept;
        }
        let kept = self.decides(name);
        if self.decisions.len() >= REMEMBERED_NAMES {
            self.names.clear();
            self.decisions.clear();
            self.places.clear();
        }
        if let (Ok(start), Ok(length), Ok(place)) =
            (self.names.len().try_into(), name.len().try_into(), self.decisions.len().try_into())
        {
            self.names.extend_from_slice(name);
            self.places.insert(hash, place);
            self.decisions.push(Decision { start, length, kept });
            self.next = self.decisions.len();
        }
        kept
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn filter() -> Filter {
        Filter::new(Some(Regex::new("^[ab]").unwrap()), Some(Regex::new("x$").unwrap()))
    }

    #[test]
    fn the_order_in_which_names_come_changes_no_decision() {
        let mut filter = filter();
        for names in [
            &["a", "ax", "c", "b"][..],
            &["a", "ax", "c", "b"],
            &["b", "c", "ax", "a"],
            &["a", "new", "ax", "bx", "b", "", "b"],
            &["b", "a\u{fffd}x", "c"],
        ] {
            for name in names {
                let want = name.starts_with(['a', 'b']) && !name.ends_with('x');
                assert_eq!(filter.keeps(name.as_bytes()), want, "{name} of {names:?}");
            }
        }
        assert_eq!(filter.decisions.len(), 8);
    }

    #[test]
    fn names_in_the_same_order_are_not_looked_up() {
        let mut filter = filter();
        for scrape in 0..3 {
            for name in [b"a", b"c", b"b"] {
                filter.keeps(name);
            }
            if scrape == 0 {
                filter.places.clear(); // looking up would add the names once more
            }
        }
        assert_eq!(filter.decisions.len(), 3);
    }

    #[test]
    fn no_more_names_are_remembered_than_a_host_has_at_once() {
        let mut filter = filter();
        for number in 0..3 * REMEMBERED_NAMES {
            assert!(filter.keeps(format!("a{number}").as_bytes()));
            assert!(filter.keeps(b"a") && !filter.keeps(b"c"));
        }
        assert!(filter.decisions.len() <= REMEMBERED_NAMES && filter.places.len() == filter.decisions.len());
        assert!(Filter::default().keeps(b"any") && filter.names.len() < 8 * REMEMBERED_NAMES);
    }
}

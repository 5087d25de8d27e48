//! Something worked out once per series instead of once per sample.

use crate::scrape_log::hashed::{HashedMap, hash};

/// Beyond so many series the map starts anew, so that its memory has an end.
const MAX_SERIES: usize = 1 << 17;

/// What is known about series, by their text.
#[derive(Debug)]
pub(in crate::scrape_log) struct SeriesMap<T> {
    known: HashedMap<T>,
}

impl<T> Default for SeriesMap<T> {
    fn default() -> Self {
        Self { known: HashedMap::default() }
    }
}

impl<T> SeriesMap<T> {
    /// What is known about the series, or what `find` finds out about it.
    pub(in crate::scrape_log) fn get(&mut self, series: &[u8], find: impl FnOnce() -> T) -> &mut T {
        let hash = hash(series);
        if self.known.len() >= MAX_SERIES && !self.known.contains_key(&hash) {
            self.known.clear();
        }
        self.known.entry(hash).or_insert_with(find)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn finds_out_once() {
        let mut map = SeriesMap::default();
        assert_eq!(*map.get(b"a", || 1), 1);
        assert_eq!(*map.get(b"a", || 2), 1);
        assert_eq!(*map.get(b"b", || 3), 3);
    }

    #[test]
    fn memory_has_an_end() {
        let mut map = SeriesMap::default();
        for number in 0..=MAX_SERIES {
            map.get(&number.to_le_bytes(), || ());
        }
        assert_eq!(map.known.len(), 1);
    }
}

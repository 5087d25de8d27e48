//! Texts by their hashes. The texts themselves are not kept.

use std::collections::{HashMap, HashSet};
use std::hash::{BuildHasher, BuildHasherDefault, Hasher};
use std::sync::LazyLock;

use foldhash::quality::RandomState;

/// The seed differs from one process to the next: a page can't aim at equal hashes.
static HASHES: LazyLock<RandomState> = LazyLock::new(RandomState::default);

/// What is known about texts, by their hashes.
pub(super) type HashedMap<T> = HashMap<u64, T, BuildHasherDefault<AlreadyHashed>>;
/// Texts, by their hashes.
pub(super) type HashedSet = HashSet<u64, BuildHasherDefault<AlreadyHashed>>;

/// The hash of some bytes, the same as long as the process runs.
pub(super) fn hash(bytes: &[u8]) -> u64 {
    let mut hasher = HASHES.build_hasher();
    hasher.write(bytes);
    hasher.finish()
}

/// A hasher for keys that are hashes.
#[derive(Debug, Default)]
pub(super) struct AlreadyHashed(u64);

impl Hasher for AlreadyHashed {
    fn finish(&self) -> u64 {
        self.0
    }

    fn write(&mut self, _: &[u8]) {
        unreachable!("keys are whole hashes, which come through write_u64");
    }

    fn write_u64(&mut self, hash: u64) {
        self.0 = hash;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn texts_are_told_apart() {
        let texts =
            ["", "a", "b", "ab", "node_cpu_seconds_total{cpu=\"0\"}", "node_cpu_seconds_total{cpu=\"1\"}"];
        let set: HashedSet = texts.iter().map(|text| hash(text.as_bytes())).collect();
        assert_eq!(set.len(), texts.len());
        assert!(texts.iter().all(|text| set.contains(&hash(text.as_bytes()))));
        let mut map = HashedMap::default();
        map.extend((0..).zip(texts).map(|(index, text)| (hash(text.as_bytes()), index)));
        assert_eq!((map.get(&hash(b"ab")), map.get(&hash(b"ba"))), (Some(&3), None));
    }
}

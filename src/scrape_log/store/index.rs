//! Which files there are, in memory, so that nobody has to walk through thousands of directories to find the oldest.

use std::collections::{BTreeMap, HashMap};
use std::ops::{Add, Sub};

use super::names::FileName;
use super::stats::FileTotal;

/// A file below the storage path. The oldest come first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(super) struct FileId {
    pub(super) name: FileName,
    pub(super) directory: DirectoryId,
}

/// The directory of a target.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(super) struct DirectoryId(u32);

/// What is done with a file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum FileState {
    /// Written to; its length is not in the index.
    Open,
    Plain,
    Compressed,
}

/// A state and a length in one word: there may be hundreds of thousands of these.
#[derive(Clone, Copy, Debug)]
struct Packed(u64);

impl Packed {
    fn new(state: FileState, bytes: u64) -> Self {
        Self((bytes << 2) | state as u64)
    }

    fn state(self) -> FileState {
        match self.0 & 3 {
            0 => FileState::Open,
            1 => FileState::Plain,
            _ => FileState::Compressed,
        }
    }

    fn bytes(self) -> u64 {
        self.0 >> 2
    }
}

#[derive(Debug)]
struct Directory {
    name: Box<str>,
    files: u32,
    /// Targets that write into it.
    writers: u32,
}

/// All files of this program below the storage path.
#[derive(Debug, Default)]
pub(super) struct Index {
    files: BTreeMap<FileId, Packed>,
    directories: Vec<Directory>,
    by_name: HashMap<Box<str>, DirectoryId>,
    totals: [FileTotal; 3],
}

impl Index {
    /// The directory of that name, known before or not.
    pub(super) fn directory(&mut self, name: &str) -> DirectoryId {
        if let Some(&id) = self.by_name.get(name) {
            return id;
        }
        let id = DirectoryId(u32::try_from(self.directories.len()).unwrap_or(u32::MAX));
        self.directories.push(Directory { name: name.into(), files: 0, writers: 0 });
        self.by_name.insert(name.into(), id);
        id
    }

    pub(super) fn directory_name(&self, id: DirectoryId) -> &str {
        self.directories.get(id.0 as usize).map_or("", |directory| &directory.name)
    }

    /// A target begins to write into the directory.
    pub(super) fn add_writer(&mut self, id: DirectoryId) {
        self.change_writers(id, u32::saturating_add);
    }

    /// A target is no longer written.
    pub(super) fn remove_writer(&mut self, id: DirectoryId) {
        self.change_writers(id, u32::saturating_sub);
    }

    fn change_writers(&mut self, id: DirectoryId, change: fn(u32, u32) -> u32) {
        if let Some(directory) = self.directories.get_mut(id.0 as usize) {
            directory.writers = change(directory.writers, 1);
        }
    }

    /// Whether the directory has no file of this program and no target.
    pub(super) fn is_deserted(&self, id: DirectoryId) -> bool {
        self.directories
            .get(id.0 as usize)
            .is_some_and(|directory| directory.files == 0 && directory.writers == 0)
    }

    pub(super) fn state(&self, id: FileId) -> Option<FileState> {
        self.files.get(&id).map(|file| file.state())
    }

    /// Enters a file, or what became of it.
    pub(super) fn set(&mut self, id: FileId, state: FileState, bytes: u64) {
        self.remove(id);
        self.files.insert(id, Packed::new(state, bytes));
        self.count(id.directory, state, bytes, u64::add, u32::saturating_add);
    }

    /// Strikes a file out and says what it was.
    pub(super) fn remove(&mut self, id: FileId) -> Option<(FileState, u64)> {
        let file = self.files.remove(&id)?;
        self.count(id.directory, file.state(), file.bytes(), u64::sub, u32::saturating_sub);
        Some((file.state(), file.bytes()))
    }

    /// Strikes a file out unless it is open, and says how long it was.
    pub(super) fn remove_closed(&mut self, id: FileId) -> Option<u64> {
        match self.state(id)? {
            FileState::Open => None,
            FileState::Plain | FileState::Compressed => self.remove(id).map(|(_, bytes)| bytes),
        }
    }

    fn count(
        &mut self,
        directory: DirectoryId,
        state: FileState,
        bytes: u64,
        total: fn(u64, u64) -> u64,
        files: fn(u32, u32) -> u32,
    ) {
        let [open, plain, compressed] = &mut self.totals;
        let sum = match state {
            FileState::Open => open,
            FileState::Plain => plain,
            FileState::Compressed => compressed,
        };
        *sum = FileTotal { files: total(sum.files, 1), bytes: total(sum.bytes, bytes) };
        if let Some(directory) = self.directories.get_mut(directory.0 as usize) {
            directory.files = files(directory.files, 1);
        }
    }

    /// The oldest file that nobody writes to.
    pub(super) fn oldest_closed(&self) -> Option<FileId> {
        self.closed().next()
    }

    /// The files that nobody writes to, the oldest first.
    pub(super) fn closed(&self) -> impl Iterator<Item = FileId> {
        self.files.iter().filter(|(_, file)| file.state() != FileState::Open).map(|(&id, _)| id)
    }

    /// The end of the newest file's window in seconds since 1970.
    pub(super) fn newest_end_seconds(&self) -> Option<u32> {
        self.files.last_key_value().map(|(id, _)| id.name.end_seconds())
    }

    /// Files that are open, plain and compressed. The open ones have no length here.
    pub(super) fn totals(&self) -> [FileTotal; 3] {
        self.totals
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::scrape_log::store::names::Kind;

    #[test]
    fn files_are_counted_as_they_change() {
        let mut index = Index::default();
        let directory = index.directory("a_1");
        assert_eq!(index.directory("a_1"), directory);
        let id = |hours: i64| FileId { name: FileName::new(Kind::Samples, hours * 3_600_000, 0), directory };
        index.set(id(4), FileState::Plain, 70);
        index.set(id(0), FileState::Open, 0);
        index.set(id(2), FileState::Plain, u64::MAX >> 2);
        index.set(id(2), FileState::Compressed, 30);
        assert_eq!(index.totals().map(|total| (total.files, total.bytes)), [(1, 0), (1, 70), (1, 30)]);
        assert_eq!(index.oldest_closed(), Some(id(2)));
        assert_eq!(index.newest_end_seconds(), Some(6 * 3600));
        assert_eq!(index.remove(id(2)), Some((FileState::Compressed, 30)));
        assert_eq!(index.remove(id(2)), None);
        assert_eq!(index.oldest_closed(), Some(id(4)));
        index.remove(id(4));
        assert!(!index.is_deserted(directory), "one is open");
        index.add_writer(directory);
        index.remove(id(0));
        assert!(!index.is_deserted(directory), "it has a target");
        index.remove_writer(directory);
        assert!(index.is_deserted(directory));
        assert_eq!(index.directory_name(directory), "a_1");
    }
}

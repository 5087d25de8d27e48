//! Directories two levels deep, such as `/sys/class/infiniband/<device>/ports/<port>`.

use std::io;
use std::path::{Path, PathBuf};

use crate::host::Folder;

/// A directory with a directory for each device, in which other directories have names that come and go as well.
#[derive(Debug)]
pub(crate) struct Branches {
    folder: Folder,
    below: &'static [&'static str],
    branches: Vec<Branch>,
}

/// One of the devices.
#[derive(Debug)]
pub(crate) struct Branch {
    pub(crate) name: Box<[u8]>,
    pub(crate) path: PathBuf,
    /// What is listed of it, one for each path given to [`Branches::new`]. Without names where it is absent.
    pub(crate) folders: Vec<Folder>,
}

impl Branches {
    /// The directory `folder`, of whose entries the directories `below` are listed.
    pub(crate) fn new(folder: impl Into<PathBuf>, below: &'static [&'static str]) -> Self {
        Self { folder: Folder::new(folder), below, branches: Vec::new() }
    }

    /// Lists the directories of which `keeps` says yes to the name, and what is below them. Says whether anything may
    /// have come or gone, see [`Folder::list`].
    ///
    /// # Errors
    /// What listing the outer directory gave; NotFound where the kernel has no such devices.
    pub(crate) fn list(
        &mut self,
        buffer: &mut Vec<u8>,
        mut keeps: impl FnMut(&[u8]) -> bool,
    ) -> io::Result<bool> {
        let listed = self.folder.list(buffer);
        let mut changed = *listed.as_ref().unwrap_or(&true);
        if changed {
            let names = self.folder.names().iter().filter(|name| keeps(name));
            let branch = |name: &[u8]| {
                let path = Some(self.folder.entry(name)).filter(|path| path.is_dir())?;
                let folders = self.below.iter().map(|below| Folder::new(path.join(below))).collect();
                Some(Branch { name: name.into(), path, folders })
            };
            self.branches = names.filter_map(|name| branch(name)).collect();
        }
        for folder in self.branches.iter_mut().flat_map(|branch| &mut branch.folders) {
            let had_names = !folder.names().is_empty();
            changed |= folder.list(buffer).unwrap_or(had_names);
        }
        listed.map(|_| changed)
    }

    /// The outer directory.
    pub(crate) fn folder(&self) -> &Path {
        self.folder.path()
    }

    /// The devices when they were last listed, sorted by name.
    pub(crate) fn iter(&self) -> impl Iterator<Item = &Branch> {
        self.branches.iter()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_comes_and_goes_on_either_level_is_told() {
        let parent = tempfile::tempdir().unwrap();
        let path = |name: &str| parent.path().join("class").join(name);
        let mut branches = Branches::new(parent.path().join("class"), &["ports", "absent"]);
        let mut buffer = Vec::new();
        let mut looks = |times: usize| -> Vec<bool> {
            (0..times).map(|_| branches.list(&mut buffer, |name| name != b"left-out").unwrap()).collect()
        };
        std::fs::create_dir_all(path("b/ports/1")).unwrap();
        std::fs::create_dir_all(path("left-out/ports/1")).unwrap();
        std::fs::write(path("file"), "").unwrap();
        assert_eq!(looks(4), [true, true, true, false]);
        std::fs::create_dir_all(path("b/ports/2")).unwrap();
        assert_eq!(looks(3), [true, true, false]);
        std::fs::remove_dir_all(path("b/ports")).unwrap();
        assert_eq!(looks(2), [true, false]);
        std::fs::create_dir_all(path("a/ports/9")).unwrap();
        assert!(looks(1)[0]);
        let names = |folder: &Folder| folder.names().to_vec();
        let found: Vec<_> =
            branches.iter().map(|branch| (branch.name.clone(), names(&branch.folders[0]))).collect();
        let boxed = |text: &[u8]| -> Box<[u8]> { text.into() };
        let want = [(boxed(b"a"), vec![boxed(b"9")]), (boxed(b"b"), vec![])];
        assert_eq!(found, want);
        std::fs::remove_dir_all(parent.path()).unwrap();
        assert!(branches.list(&mut buffer, |_| true).is_err());
        assert_eq!(branches.iter().count(), 0);
    }
}

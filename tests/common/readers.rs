//! Which collectors read a file, as the kernel tells it (inotify(7)).

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::mem::MaybeUninit;
use std::os::fd::OwnedFd;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};

use rustix::fs::inotify::{self, CreateFlags, Reader, WatchFlags};
use vitals::collectors::{COLLECTORS, Settings};

use super::hosts;

/// The collectors that open each file, or list the directory that it is in, by the path below the host's folder.
pub struct Readers(BTreeMap<PathBuf, BTreeSet<&'static str>>);

impl Readers {
    /// Runs the collectors that read files on the host in `folder` and watches them.
    pub fn watch(folder: &Path, settings: &Settings) -> Self {
        let mut watch = Watch::new(folder);
        let mut readers = BTreeMap::<PathBuf, BTreeSet<&'static str>>::new();
        for spec in COLLECTORS.iter().filter(|spec| hosts::is_from_files(spec)) {
            let mut set = hosts::build(settings, |name| name == spec.name);
            hosts::page(&mut set, &[]);
            for path in watch.opened() {
                let path = path.strip_prefix(folder).unwrap().to_owned();
                readers.entry(path).or_default().insert(spec.name);
            }
        }
        Self(readers)
    }

    /// The collectors that open `file` or list its directory.
    pub fn of(&self, file: &Path) -> BTreeSet<&'static str> {
        let listed = file.parent().and_then(|folder| self.0.get(folder));
        self.0.get(file).into_iter().chain(listed).flatten().copied().collect()
    }
}

struct Watch {
    events: OwnedFd,
    folders: HashMap<i32, PathBuf>,
}

impl Watch {
    /// Watches `folder` and all folders below it.
    fn new(folder: &Path) -> Self {
        let events = inotify::init(CreateFlags::NONBLOCK | CreateFlags::CLOEXEC).unwrap();
        let mut watch = Self { events, folders: HashMap::new() };
        watch.add(folder);
        watch.opened();
        watch
    }

    fn add(&mut self, folder: &Path) {
        for entry in std::fs::read_dir(folder).unwrap() {
            let entry = entry.unwrap();
            if entry.file_type().unwrap().is_dir() {
                self.add(&entry.path());
            }
        }
        let number = inotify::add_watch(&self.events, folder, WatchFlags::OPEN).unwrap();
        self.folders.insert(number, folder.to_owned());
    }

    /// What has been opened since the last call.
    fn opened(&mut self) -> BTreeSet<PathBuf> {
        let mut buffer = vec![MaybeUninit::uninit(); 64 * 1024];
        let mut reader = Reader::new(&self.events, &mut buffer);
        let mut opened = BTreeSet::new();
        // Until there is none: the queue does not block.
        while let Ok(event) = reader.next() {
            let folder = &self.folders[&event.wd()];
            opened.insert(match event.file_name() {
                Some(name) => folder.join(std::ffi::OsStr::from_bytes(name.to_bytes())),
                None => folder.clone(),
            });
        }
        opened
    }
}

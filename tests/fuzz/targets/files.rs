//! The fixture host with one file replaced by any bytes: the collectors that read it must neither panic nor write a
//! page that can't be read.
#![allow(dead_code, reason = "tests/mutations.rs and the targets use parts of this")]

#[path = "../../common/hosts.rs"]
pub mod hosts;
#[path = "../../common/readers.rs"]
mod readers;

use std::cell::RefCell;
use std::fs;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use readers::Readers;
use vitals::collectors::{Context, Settings};
use vitals::exposition::{Exposition, Format, Parser};

/// Files that are read by the same kind of parser.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Family {
    /// Files of procfs, and others, with a key and a value or two on most lines.
    KeyValueFiles,
    /// Files of procfs with a row of numbers for each device, CPU or counter.
    ColumnTables,
    /// Small files that have one value each, and the udev database.
    SysfsAttributes,
    /// Tables of mounts, and others whose parts depend on those before.
    MountTables,
    /// `*.prom` files.
    Textfiles,
}

impl Family {
    fn has(self, file: &Path, content: &[u8]) -> bool {
        let is_table =
            ["mountinfo", "mountstats", "mounts", "mdstat"].iter().any(|name| file.ends_with(name));
        let family = if file.starts_with("sys") || file.starts_with("udev") {
            Self::SysfsAttributes
        } else if file.starts_with("textfile") {
            Self::Textfiles
        } else if is_table {
            Self::MountTables
        } else if most_lines_are_short(content) {
            Self::KeyValueFiles
        } else {
            Self::ColumnTables
        };
        self == family
    }
}

fn most_lines_are_short(content: &[u8]) -> bool {
    let words = |line: &[u8]| line.split(u8::is_ascii_whitespace).filter(|word| !word.is_empty()).count();
    let lines: Vec<usize> =
        content.split(|&byte| byte == b'\n').map(words).filter(|&words| words > 0).collect();
    lines.iter().filter(|&&words| words <= 4).count() * 2 > lines.len()
}

/// A copy of the fixture host, and the files of one family in it that some collector reads.
pub struct Host {
    settings: Settings,
    files: Vec<Target>,
    /// Deletes the copy.
    folder: tempfile::TempDir,
}

struct Target {
    path: PathBuf,
    content: Vec<u8>,
    readers: Vec<&'static str>,
}

impl Host {
    /// Copies the host.
    pub fn new(family: Family) -> Self {
        let folder = hosts::temporary_folder();
        hosts::copy(&hosts::folder("fixtures/server"), folder.path());
        let settings = hosts::all_from_files(folder.path());
        let readers = Readers::watch(folder.path(), &settings);
        let mut files = Vec::new();
        for path in files_below(folder.path()) {
            let name = path.strip_prefix(folder.path()).unwrap();
            let content = fs::read(&path).unwrap_or_default();
            let readers: Vec<_> = readers.of(name).into_iter().collect();
            if family.has(name, &content) && !readers.is_empty() {
                files.push(Target { path, content, readers });
            }
        }
        assert!(!files.is_empty(), "{family:?}");
        Self { settings, files, folder }
    }

    /// What the files are when nothing is wrong, each with its number before it, as [`Host::check`] takes them.
    pub fn seeds(&self) -> Vec<Vec<u8>> {
        let seed = |(number, file): (usize, &Target)| {
            [&u16::try_from(number).unwrap().to_le_bytes()[..], &file.content].concat()
        };
        self.files.iter().enumerate().map(seed).collect()
    }

    /// Puts `data`, without the two bytes that choose a file, in the place of that file, and collects.
    pub fn check(&self, data: &[u8]) {
        let Some((number, content)) = data.split_first_chunk() else { return };
        let file = &self.files[usize::from(u16::from_le_bytes(*number)) % self.files.len()];
        fs::write(&file.path, content).unwrap();
        for name in &file.readers {
            let mut context = Context::new(&self.settings);
            let mut collector = (hosts::spec(name).build)(&self.settings).unwrap();
            let mut out = Exposition::new();
            context.begin(Instant::now() + Duration::from_secs(5));
            if let Err(error) = collector.collect(&mut context, &mut out) {
                assert!(!error.to_string().is_empty());
            }
            for format in [Format::Text, Format::OpenMetrics] {
                let mut page = Vec::new();
                out.render(format, &mut page);
                let page = String::from_utf8(page).expect("a page is UTF-8");
                let mut parser = Parser::new(&page, format);
                while let Some(line) = parser.next() {
                    line.unwrap_or_else(|error| panic!("{name}: {error}\n{page}"));
                }
            }
        }
        fs::write(&file.path, &file.content).unwrap();
    }

    /// The file that `data` is for, for messages.
    pub fn file(&self, data: &[u8]) -> Option<&Path> {
        let number = data.first_chunk().map(|number| usize::from(u16::from_le_bytes(*number)))?;
        self.files[number % self.files.len()].path.strip_prefix(self.folder.path()).ok()
    }
}

fn files_below(folder: &Path) -> Vec<PathBuf> {
    let mut files = Vec::new();
    for entry in fs::read_dir(folder).unwrap() {
        let entry = entry.unwrap();
        let kind = entry.file_type().unwrap();
        if kind.is_dir() {
            files.extend(files_below(&entry.path()));
        } else if kind.is_file() {
            files.push(entry.path());
        }
    }
    files.sort();
    files
}

/// [`Host::check`] with one host for all calls, for fuzzers, which call a function again and again.
pub fn check(family: Family, data: &[u8]) {
    thread_local! {
        static HOST: RefCell<Option<Host>> = const { RefCell::new(None) };
    }
    HOST.with_borrow_mut(|host| host.get_or_insert_with(|| Host::new(family)).check(data));
}

//! What is in a storage path.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::TimeRange;
use crate::scrape_log::store::{FileName, Form, Kind, LOCK_FILE};

/// A storage path.
#[derive(Debug)]
pub(in crate::scrape_log) struct Storage {
    /// The targets' directories, sorted by name.
    pub(in crate::scrape_log) targets: Vec<Target>,
    /// What else is in the path, sorted.
    pub(in crate::scrape_log) others: Vec<PathBuf>,
}

/// The directory of one target.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(in crate::scrape_log) struct Target {
    /// The directory's name.
    pub(in crate::scrape_log) name: String,
    /// Where it is.
    pub(in crate::scrape_log) path: PathBuf,
}

/// A samples file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(in crate::scrape_log) struct SamplesFile {
    name: FileName,
    form: Form,
    directory: Arc<Path>,
}

/// What a target's directory has in it.
#[derive(Debug)]
pub(in crate::scrape_log) enum Entry {
    /// A samples file.
    Samples(SamplesFile),
    /// Compression that was not finished.
    Unfinished(PathBuf),
    /// A log for people.
    People,
    /// Anything else.
    Other(PathBuf),
}

impl Storage {
    /// Lists the targets. A path that is itself the directory of a target is one with this target alone.
    ///
    /// # Errors
    /// When the path can't be listed.
    pub(in crate::scrape_log) fn open(path: &Path) -> io::Result<Self> {
        let (mut targets, mut others) = (Vec::new(), Vec::new());
        for entry in fs::read_dir(path)? {
            let entry = entry?;
            let name = entry.file_name().to_string_lossy().into_owned();
            if entry.file_type()?.is_dir() && !is_foreign(&name) {
                targets.push(Target { name, path: entry.path() });
            } else if FileName::parse(&name).is_some_and(|(name, _)| name.kind() == Kind::Samples) {
                let name =
                    fs::canonicalize(path)?.file_name().unwrap_or_default().to_string_lossy().into_owned();
                return Ok(Self {
                    targets: vec![Target { name, path: path.to_owned() }],
                    others: Vec::new(),
                });
            } else if name != LOCK_FILE {
                others.push(entry.path());
            }
        }
        targets.sort_unstable_by(|one, two| one.name.cmp(&two.name));
        others.sort_unstable();
        Ok(Self { targets, others })
    }
}

impl Target {
    /// All that is in the directory: first the samples files by time, each once even if it is there in two forms.
    ///
    /// # Errors
    /// When the directory can't be listed.
    pub(in crate::scrape_log) fn entries(&self) -> io::Result<Vec<Entry>> {
        let (mut samples, mut others) = (Vec::new(), Vec::new());
        let directory: Arc<Path> = self.path.as_path().into();
        for entry in fs::read_dir(&self.path)? {
            let entry = entry?;
            let file_name = entry.file_name().to_string_lossy().into_owned();
            let plain = entry.file_type()?.is_file();
            match FileName::parse(&file_name).filter(|_| plain) {
                Some((_, Form::Unfinished)) => others.push(Entry::Unfinished(entry.path())),
                Some((name, _)) if name.kind() == Kind::People => others.push(Entry::People),
                Some((name, form)) => {
                    samples.push(SamplesFile { name, form, directory: Arc::clone(&directory) })
                }
                None => others.push(Entry::Other(entry.path())),
            }
        }
        samples.sort_unstable_by_key(|file| (file.name, file.form));
        // A file that is being compressed is there in both forms for a moment.
        samples.dedup_by_key(|file| file.name);
        others.sort_unstable_by(|one, two| one.path().cmp(&two.path()));
        Ok(samples.into_iter().map(Entry::Samples).chain(others).collect())
    }

    /// The samples files by time.
    ///
    /// # Errors
    /// When the directory can't be listed.
    pub(in crate::scrape_log) fn files(&self) -> io::Result<Vec<SamplesFile>> {
        let samples = |entry| if let Entry::Samples(file) = entry { Some(file) } else { None };
        Ok(self.entries()?.into_iter().filter_map(samples).collect())
    }
}

impl Entry {
    fn path(&self) -> Option<&Path> {
        match self {
            Self::Unfinished(path) | Self::Other(path) => Some(path),
            Self::Samples(_) | Self::People => None,
        }
    }
}

impl SamplesFile {
    /// Where it was when it was listed.
    pub(in crate::scrape_log) fn path(&self) -> PathBuf {
        self.path_in(self.form)
    }

    /// The times that its samples may have, by its name.
    pub(in crate::scrape_log) fn times(&self) -> TimeRange {
        let end_milliseconds = i64::from(self.name.end_seconds()) * 1000;
        TimeRange { start: self.name.start_milliseconds(), end: end_milliseconds }
    }

    /// Whether it was compressed when it was listed: nothing is written to it any more.
    pub(in crate::scrape_log) fn is_compressed(&self) -> bool {
        self.form == Form::Compressed
    }

    /// Its size on the disk, 0 if it is gone.
    pub(in crate::scrape_log) fn disk_bytes(&self) -> u64 {
        fs::metadata(self.path()).map_or(0, |metadata| metadata.len())
    }

    pub(super) fn name(&self) -> FileName {
        self.name
    }

    pub(super) fn form(&self) -> Form {
        self.form
    }

    /// Where it is in this form.
    pub(super) fn path_in(&self, form: Form) -> PathBuf {
        self.directory.join(self.name.text(form))
    }
}

/// Those of some files, sorted by time, that may have samples of these times.
pub(in crate::scrape_log) fn files_within(files: &[SamplesFile], range: TimeRange) -> &[SamplesFile] {
    // The later a file begins, the later it ends.
    let start = files.partition_point(|file| file.times().end <= range.start);
    let end = files.partition_point(|file| file.times().start < range.end);
    files.get(start..end).unwrap_or_default()
}

/// Directories that no target has: hidden ones, and the one that a filesystem has at its top, which only root may read.
fn is_foreign(name: &str) -> bool {
    name.starts_with('.') || name == "lost+found"
}

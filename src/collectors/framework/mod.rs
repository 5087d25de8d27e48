//! What a collector is, what it is given, and the shapes that many of them share. Knows none of them.

mod attributes;
mod branches;
mod count;
mod filter;
mod flags;
mod key_counts;
mod keyed;
mod names;
mod per_cpu;
mod reader;
mod set;
mod sockets;

use std::io;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use rustix::io::Errno;

pub(crate) use attributes::{Attribute, AttributeTable, DeviceClass, Info, InfoTable};
pub(crate) use branches::{Branch, Branches};
pub(crate) use count::{read_count, read_number};
pub use filter::Filter;
pub use flags::{BuildError, Flag, FlagKind, LastShutdown, Settings};
pub(crate) use key_counts::key_counts;
pub(crate) use keyed::{Key, KeyedTable};
pub(crate) use names::{name_part, numbered};
pub(crate) use per_cpu::per_cpu_lines;
pub(crate) use reader::{NoAnswer, Reader};
pub use set::{CollectorSet, Running};
pub(crate) use sockets::sockets;

use crate::exposition::Exposition;
use crate::host::dbus::BusError;
use crate::host::netlink::NetlinkError;
use crate::host::{FileError, KernelFile, Link, Links};

/// A row of the table of collectors.
#[derive(Debug)]
pub struct Spec {
    /// The name in flags (`--collector.NAME`), in `collect[]` and in the label `collector`.
    pub name: &'static str,
    /// Whether it runs unless switched off, as in node_exporter.
    pub default_on: bool,
    /// What it gives and from where, in one line.
    pub help: &'static str,
    /// The flags it has beside its switch.
    pub flags: &'static [Flag],
    /// Makes it. Nothing is bound or started before all collectors have been made.
    pub build: fn(&Settings) -> Result<Box<dyn Collector>, BuildError>,
}

/// A source of families.
pub trait Collector: Send {
    /// Starts what other threads do for this collector. It comes before any collector of the gather writes, so
    /// that they work side by side and what they found is ready when it is wanted.
    fn prepare(&mut self) {}

    /// Writes the families as they stand now.
    ///
    /// # Errors
    /// [`CollectError::NoData`] where the host lacks what this collector reads; anything else where it is there
    /// but can't be read. What was written before the error is kept.
    fn collect(&mut self, context: &mut Context, out: &mut Exposition) -> Result<(), CollectError>;
}

/// What the collectors of one gather share.
#[derive(Debug)]
pub struct Context {
    /// When the scrape has to be answered. Whatever might block gives up before.
    pub deadline: Instant,
    /// A buffer to read files into; each use empties it.
    pub buffer: Vec<u8>,
    /// How much longer collectors may wait in this gather, see [`Context::wait`].
    patience: Duration,
    stat: KernelFile,
    stat_text: Vec<u8>,
    stat_is_fresh: bool,
    meminfo: KernelFile,
    meminfo_text: Vec<u8>,
    meminfo_is_fresh: bool,
    links: Links,
    links_are_fresh: bool,
}

/// How long the collectors of one gather wait for what may hang, all of them together.
const PATIENCE: Duration = Duration::from_secs(1);
/// What each of them has even when the others have used that up; enough for what does not hang.
const LEAST_PATIENCE: Duration = Duration::from_millis(100);
/// What is left before the deadline for writing the answer.
const MARGIN: Duration = Duration::from_millis(100);

impl Context {
    /// A context for gathers on the host at `settings.root`.
    pub fn new(settings: &Settings) -> Self {
        Self {
            deadline: Instant::now(),
            buffer: Vec::new(),
            patience: PATIENCE,
            stat: KernelFile::new(settings.root.proc("stat")),
            stat_text: Vec::new(),
            stat_is_fresh: false,
            meminfo: KernelFile::new(settings.root.proc("meminfo")),
            meminfo_text: Vec::new(),
            meminfo_is_fresh: false,
            links: Links::default(),
            links_are_fresh: false,
        }
    }

    /// Begins a gather that has to end before `deadline`.
    pub fn begin(&mut self, deadline: Instant) {
        self.deadline = deadline;
        self.patience = PATIENCE;
        self.stat_is_fresh = false;
        self.meminfo_is_fresh = false;
        self.links_are_fresh = false;
    }

    /// Runs `wait` for something that may hang; it has to return by the time it is given. What it takes goes off
    /// the gather's patience, so that many dead things cost a scrape no more than one.
    pub fn wait<T>(&mut self, wait: impl FnOnce(Instant) -> T) -> T {
        let start = Instant::now();
        let latest = self.deadline.checked_sub(MARGIN).unwrap_or(start);
        let result = wait(latest.min(start + self.patience.max(LEAST_PATIENCE)));
        self.patience = self.patience.saturating_sub(start.elapsed());
        result
    }

    /// `/proc/stat`, which more than one collector needs: read once a gather. Gives its path and content.
    ///
    /// # Errors
    /// [`CollectError::Read`].
    pub fn proc_stat(&mut self) -> Result<(&Path, &[u8]), CollectError> {
        if !self.stat_is_fresh {
            read(&mut self.stat, &mut self.stat_text)?;
            self.stat_is_fresh = true;
        }
        Ok((self.stat.path(), &self.stat_text))
    }

    /// `/proc/meminfo`, as [`Context::proc_stat`].
    ///
    /// # Errors
    /// [`CollectError::Read`].
    pub fn proc_meminfo(&mut self) -> Result<(&Path, &[u8]), CollectError> {
        if !self.meminfo_is_fresh {
            read(&mut self.meminfo, &mut self.meminfo_text)?;
            self.meminfo_is_fresh = true;
        }
        Ok((self.meminfo.path(), &self.meminfo_text))
    }

    /// The network devices of this process' namespace, which more than one collector needs: asked for once a
    /// gather, over netlink. Sorted by name.
    ///
    /// # Errors
    /// As [`Links::refresh`].
    pub fn links(&mut self) -> Result<&[Link], NetlinkError> {
        if !self.links_are_fresh {
            self.links.refresh()?;
            self.links_are_fresh = true;
        }
        Ok(self.links.all())
    }
}

/// Why a collector has nothing, or not everything.
#[derive(Debug, thiserror::Error)]
pub enum CollectError {
    /// The host has no such hardware or kernel feature. Not worth a warning.
    #[error("nothing to collect: {0}")]
    NoData(&'static str),
    /// A file or directory can't be read.
    #[error("cannot read {}: {source}", path.display())]
    Read {
        /// The file or directory.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// A file is not as the kernel documents it.
    #[error(transparent)]
    Parse(#[from] FileError),
    /// Anything else, in a sentence.
    #[error("{0}")]
    Other(String),
}

impl From<BusError> for CollectError {
    fn from(error: BusError) -> Self {
        CollectError::Other(error.to_string())
    }
}

impl From<NetlinkError> for CollectError {
    fn from(error: NetlinkError) -> Self {
        CollectError::Other(error.to_string())
    }
}

impl CollectError {
    /// An error about reading `path`.
    pub fn read(path: &Path, source: io::Error) -> Self {
        CollectError::Read { path: path.to_owned(), source }
    }
}

/// Reads `file`, which every host has, into `buffer`.
pub(crate) fn read<'b>(file: &mut KernelFile, buffer: &'b mut Vec<u8>) -> Result<&'b [u8], CollectError> {
    file.read(buffer).map_err(|error| CollectError::read(file.path(), error))
}

/// Reads `file` into `buffer`. A file that does not exist, or that belongs to a feature that was switched off when
/// the kernel booted (EOPNOTSUPP, as with `psi=0`), is [`CollectError::NoData`] with `absent` as the reason.
pub(crate) fn read_or_absent<'b>(
    file: &mut KernelFile,
    buffer: &'b mut Vec<u8>,
    absent: &'static str,
) -> Result<&'b [u8], CollectError> {
    match file.read(buffer) {
        Ok(text) => Ok(text),
        Err(error) if matches!(Errno::from_io_error(&error), Some(Errno::NOENT | Errno::OPNOTSUPP)) => {
            Err(CollectError::NoData(absent))
        }
        Err(error) => Err(CollectError::read(file.path(), error)),
    }
}

/// Puts what `file` says in a word or a line into `word`. Nothing if it can't be read.
pub(crate) fn read_word(file: &mut KernelFile, word: &mut Vec<u8>, buffer: &mut Vec<u8>) {
    word.clear();
    word.extend_from_slice(file.value(buffer).unwrap_or_default());
}

/// Takes a class of devices that the kernel does not have for one without devices. For collectors which succeed then,
/// as node_exporter's do; the others give [`CollectError::NoData`].
pub(crate) fn none_if_absent<T: Default>(listed: io::Result<T>, folder: &Path) -> Result<T, CollectError> {
    match listed {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(T::default()),
        listed => listed.map_err(|error| CollectError::read(folder, error)),
    }
}

/// Gives [`CollectError::NoData`], with `absent` as the reason, for a class of devices that the kernel does not have.
pub(crate) fn no_data_if_absent<T>(
    listed: io::Result<T>,
    folder: &Path,
    absent: &'static str,
) -> Result<T, CollectError> {
    listed.map_err(|error| match error.kind() {
        io::ErrorKind::NotFound => CollectError::NoData(absent),
        _ => CollectError::read(folder, error),
    })
}

/// Runs a parser over every beginning of a file of the fixture host, the whole file included. It must not panic
/// whatever the place where the text ends, and the whole file has to parse.
#[cfg(test)]
pub(crate) fn at_every_cut<T, E: std::fmt::Debug>(
    fixture: &str,
    mut parse: impl FnMut(&[u8]) -> Result<T, E>,
) {
    let path = Path::new("tests/fixtures/server").join(fixture);
    let text = std::fs::read(&path).unwrap();
    assert!(!text.is_empty(), "{} is empty", path.display());
    for end in 0..text.len() {
        drop(parse(&text[..end]));
    }
    parse(&text).unwrap();
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn patience_is_shared_and_ends_before_the_deadline() {
        let mut context = Context::new(&Settings::default());
        let far = Instant::now() + Duration::from_secs(60);
        context.begin(far);
        let time = |context: &mut Context, taken: Duration| {
            context.wait(|latest| {
                let given = latest.saturating_duration_since(Instant::now());
                std::thread::sleep(taken);
                given
            })
        };
        assert!(time(&mut context, Duration::from_millis(300)) > Duration::from_millis(900));
        let second = time(&mut context, Duration::from_millis(800));
        assert!(second > Duration::from_millis(100) && second <= Duration::from_millis(700), "{second:?}");
        assert!(time(&mut context, Duration::ZERO) <= LEAST_PATIENCE);
        context.begin(far);
        assert!(time(&mut context, Duration::ZERO) > Duration::from_millis(900));
        context.begin(Instant::now() + MARGIN);
        assert_eq!(time(&mut context, Duration::ZERO), Duration::ZERO);
    }
}

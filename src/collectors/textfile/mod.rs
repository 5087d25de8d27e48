//! Metrics that scripts leave in `*.prom` files, in the Prometheus text format.
//!
//! A file is used as a whole or not at all. Where files disagree with each other or with other collectors the
//! first wins, so this collector runs after all others. Everything that is wrong shows in
//! `node_textfile_scrape_error` and, in words, in the log.
//!
//! The directory has to be on a local disk: a dead network mount would hold up the scrape.

mod families;
mod part;

use std::collections::HashSet;
use std::fs::File;
use std::io::Read;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use rustix::fs::{Mode, OFlags};

use super::{CollectError, Collector, Context, Flag, FlagKind, Settings, Spec};
use crate::base::glob;
use crate::exposition::{Exposition, Kind};
use families::Families;

const DIRECTORY: Flag = Flag::new(
    "textfile.directory",
    FlagKind::List,
    "Directory of *.prom files; may have * and ? in it, and may be given more than once.",
);

pub(super) const SPEC: Spec = Spec {
    name: "textfile",
    default_on: true,
    help: "metrics that scripts leave in *.prom files",
    flags: &[DIRECTORY],
    build: |settings| Ok(Box::new(TextFile::new(settings))),
};

/// A larger file is refused: it is not what a script meant to leave.
const MAX_FILE_BYTES: u64 = 16 * 1024 * 1024;
/// Complaints that the log gets in one go.
const MAX_COMPLAINTS: usize = 5;

struct TextFile {
    directories: Vec<String>,
    /// What was wrong the last time.
    complaints: Vec<String>,
}

impl TextFile {
    fn new(settings: &Settings) -> Self {
        // node_exporter has an empty directory as its default, which stands for none.
        let directories = settings.list(&DIRECTORY).into_iter().filter(|path| !path.is_empty());
        Self { directories: directories.collect(), complaints: Vec::new() }
    }
}

impl Collector for TextFile {
    fn collect(&mut self, context: &mut Context, out: &mut Exposition) -> Result<(), CollectError> {
        let mut complaints = Vec::new();
        let mut families = Families::default();
        let mut good_files = Vec::new();
        for path in files(&self.directories, &mut complaints) {
            let read = read(&path, &mut context.buffer)
                .and_then(|(text, mtime_seconds)| Ok((part::parse(text)?, mtime_seconds)));
            match read {
                Ok((parts, mtime_seconds)) => {
                    families.add(&path, parts, &mut complaints);
                    good_files.push((path, mtime_seconds));
                }
                Err(problem) => complaints.push(format!("{}: {problem}", path.display())),
            }
        }
        families.write(out, is_own_family, &mut complaints);
        let mut family = out.family(
            "node_textfile_mtime_seconds",
            "Unixtime mtime of textfiles successfully read.",
            Kind::Gauge,
        );
        for (path, mtime_seconds) in &good_files {
            let name = path.as_os_str().as_encoded_bytes();
            family.sample(&[("file", name)], *mtime_seconds as f64);
        }
        out.single(
            "node_textfile_scrape_error",
            "1 if there was an error opening or reading a file, 0 otherwise",
            Kind::Gauge,
            f64::from(!complaints.is_empty()),
        );
        self.complain(complaints);
        Ok(())
    }
}

impl TextFile {
    /// Logs what is wrong when it changes. As in node_exporter the collector itself has succeeded.
    fn complain(&mut self, complaints: Vec<String>) {
        if complaints == self.complaints {
            return;
        }
        let more = complaints.len().saturating_sub(MAX_COMPLAINTS);
        for complaint in complaints.iter().take(MAX_COMPLAINTS) {
            tracing::warn!(collector = "textfile", error = complaint, "cannot use a file as it is");
        }
        if more > 0 {
            tracing::warn!(collector = "textfile", more, "cannot use other files either");
        }
        if complaints.is_empty() {
            tracing::info!(collector = "textfile", "all files can be used again");
        }
        self.complaints = complaints;
    }
}

/// Families that are written behind this collector, where [`Exposition::contains`] can't see them yet.
fn is_own_family(name: &str) -> bool {
    matches!(
        name,
        "node_textfile_mtime_seconds"
            | "node_textfile_scrape_error"
            | "node_scrape_collector_duration_seconds"
            | "node_scrape_collector_success"
    )
}

/// All `*.prom` entries of the directories, each directory sorted and read once.
fn files(patterns: &[String], complaints: &mut Vec<String>) -> Vec<PathBuf> {
    let mut seen = HashSet::new();
    let mut files = Vec::new();
    for directory in patterns.iter().flat_map(|pattern| glob::directories(pattern)) {
        if !seen.insert(directory.clone()) {
            continue;
        }
        let from = files.len();
        let entries = match std::fs::read_dir(&directory) {
            Ok(entries) => entries,
            Err(error) => {
                complaints.push(format!("cannot read {}: {error}", directory.display()));
                continue;
            }
        };
        for entry in entries {
            match entry {
                Ok(entry) if entry.file_name().as_encoded_bytes().ends_with(b".prom") => {
                    files.push(entry.path())
                }
                Ok(_) => {}
                Err(error) => complaints.push(format!("cannot read {}: {error}", directory.display())),
            }
        }
        files[from..].sort();
    }
    files
}

/// Reads a file: its text and its time of change in seconds since 1970 UTC. Nothing but a regular file is opened,
/// since a pipe would wait for its other end; should one take the file's place meanwhile, `NONBLOCK` helps.
fn read<'b>(path: &Path, buffer: &'b mut Vec<u8>) -> Result<(&'b str, i64), String> {
    let cannot = |error: std::io::Error| format!("cannot be read: {error}");
    let metadata = std::fs::metadata(path).map_err(cannot)?;
    if !metadata.is_file() {
        return Err("is not a regular file".into());
    }
    let flags = OFlags::RDONLY | OFlags::CLOEXEC | OFlags::NONBLOCK;
    let file = rustix::fs::open(path, flags, Mode::empty()).map_err(|error| cannot(error.into()))?;
    buffer.clear();
    File::from(file).take(MAX_FILE_BYTES + 1).read_to_end(buffer).map_err(cannot)?;
    if buffer.len() as u64 > MAX_FILE_BYTES {
        return Err(format!("is larger than {} MiB", MAX_FILE_BYTES >> 20));
    }
    let text = std::str::from_utf8(buffer).map_err(|error| format!("is not UTF-8: {error}"))?;
    Ok((text, metadata.mtime()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::exposition::Format;

    /// The samples, and all complaints or that there is none.
    fn collect(directories: &[&Path]) -> (String, Result<(), String>) {
        let mut settings = Settings::default();
        for directory in directories {
            settings.set(&SPEC.flags[0], directory.to_str().unwrap()).unwrap();
        }
        let mut context = Context::new(&settings);
        let mut out = Exposition::new();
        let mut collector = TextFile::new(&settings);
        collector.collect(&mut context, &mut out).unwrap();
        let mut page = Vec::new();
        out.render(Format::Text, &mut page);
        let page = String::from_utf8(page).unwrap();
        let samples = page.lines().filter(|line| !line.starts_with('#'));
        let result = match collector.complaints.as_slice() {
            [] => Ok(()),
            complaints => Err(complaints.join("; ")),
        };
        (samples.collect::<Vec<_>>().join("\n"), result)
    }

    #[test]
    fn without_a_directory_there_is_no_error() {
        assert_eq!(collect(&[]), ("node_textfile_scrape_error 0".into(), Ok(())));
        assert_eq!(collect(&[Path::new("")]), ("node_textfile_scrape_error 0".into(), Ok(())));
        let (page, result) = collect(&[Path::new("/does/not/exist")]);
        assert_eq!(page, "node_textfile_scrape_error 1");
        assert!(result.unwrap_err().contains("/does/not/exist"));
    }

    #[test]
    fn good_files_count_and_odd_ones_do_not_block() {
        let folder = tempfile::tempdir().unwrap();
        let at = |name: &str| folder.path().join(name);
        std::fs::write(at("b.prom"), "x{f=\"b\"} 2\n").unwrap();
        std::fs::write(at("a.prom"), "x{f=\"a\"} 1\n").unwrap();
        std::fs::write(at("c.txt"), "x{f=\"c\"} 3\n").unwrap();
        let time = std::time::UNIX_EPOCH + std::time::Duration::from_millis(1_700_000_000_900);
        for name in ["a.prom", "b.prom"] {
            File::options().write(true).open(at(name)).unwrap().set_modified(time).unwrap();
        }
        let good = format!(
            "node_textfile_mtime_seconds{{file=\"{0}/a.prom\"}} 1.7e+09\n\
             node_textfile_mtime_seconds{{file=\"{0}/b.prom\"}} 1.7e+09\n\
             node_textfile_scrape_error 0\nx{{f=\"a\"}} 1\nx{{f=\"b\"}} 2",
            folder.path().display()
        );
        assert_eq!(collect(&[folder.path(), folder.path()]), (good.clone(), Ok(())));

        std::fs::create_dir(at("folder.prom")).unwrap();
        rustix::fs::mknodat(rustix::fs::CWD, at("pipe.prom"), rustix::fs::FileType::Fifo, 0o600.into(), 0)
            .unwrap();
        std::fs::write(at("time.prom"), "y 1\nx 1 1700000000000\n").unwrap();
        std::fs::write(at("bytes.prom"), b"y{l=\"\xff\"} 1\n").unwrap();
        std::os::unix::fs::symlink("gone", at("link.prom")).unwrap();
        File::create(at("large.prom")).unwrap().set_len(MAX_FILE_BYTES + 1).unwrap();
        let (page, result) = collect(&[folder.path()]);
        assert_eq!(page, good.replace("scrape_error 0", "scrape_error 1"));
        let error = result.unwrap_err();
        for want in [
            "folder.prom: is not a regular file",
            "pipe.prom: is not a regular file",
            "bytes.prom: is not UTF-8",
            "link.prom: cannot be read",
            "large.prom: is larger than 16 MiB",
            "time.prom: ",
        ] {
            assert!(error.contains(want), "{want} in {error}");
        }
    }
}

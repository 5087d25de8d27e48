//! Targets from files, `file_sd_configs` of Prometheus' configuration.
//!
//! Files are looked at every few seconds and read when they have changed. A file that can't be read keeps what it said
//! before; one that is gone takes its targets with it. What was changed just now may be half written, and half a list
//! can be a whole one to the reader: a file that is known already gets a moment until it is read again.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::time::Duration;

use tokio::sync::mpsc;
use tokio::task::spawn_blocking;

use super::Found;
use crate::base::glob;
use crate::base::watched::{Stamp, UNSETTLED};
use crate::scrape_log::config::{self, TargetGroup};

/// From one look at the files to the next. A look is a `stat` for each.
const POLL: Duration = Duration::from_secs(5);
/// The label that says which file a group is from.
const FILE_PATH: &str = "__meta_filepath";

/// The files of one entry of `file_sd_configs`.
#[derive(Debug)]
pub(super) struct Files {
    patterns: Vec<PathBuf>,
    known: BTreeMap<PathBuf, Known>,
    /// What another source knew of files that were not read here yet.
    inherited: BTreeMap<PathBuf, Known>,
}

/// What a file said when it could be read last.
#[derive(Debug, Default)]
struct Known {
    /// `None` if it has to be read again in any case.
    stamp: Option<Stamp>,
    groups: Vec<TargetGroup>,
    trouble: Option<String>,
    /// It has changed, but too recently to be read.
    put_off: bool,
}

/// Sends the groups of `files` when they change, until the receiver is gone.
pub(super) async fn run(mut files: Files, source: u64, found: mpsc::Sender<Found>) {
    let mut first = true;
    loop {
        let looked = spawn_blocking(move || {
            let changed = files.look();
            (files, changed)
        });
        let changed;
        (files, changed) = match looked.await {
            Ok(looked) => looked,
            Err(error) => return tracing::error!(%error, "target files are not looked at any more"),
        };
        if (changed || first) && found.send(Found { source, groups: files.groups() }).await.is_err() {
            return;
        }
        first = false;
        let put_off = files.known.values().any(|known| known.put_off);
        tokio::time::sleep(if put_off { UNSETTLED } else { POLL }).await;
    }
}

impl Files {
    /// The files of `patterns`. One that can't be read at first says what `known` has from it: it may be half written
    /// at the very moment of a reload.
    pub(super) fn new(patterns: &[PathBuf], known: &[TargetGroup]) -> Self {
        let mut inherited: BTreeMap<PathBuf, Known> = BTreeMap::new();
        for group in known {
            let path = PathBuf::from(group.labels.get(FILE_PATH));
            inherited.entry(path).or_default().groups.push(group.clone());
        }
        Self { patterns: patterns.to_vec(), known: BTreeMap::new(), inherited }
    }

    /// The groups of all files, in the order of their paths.
    fn groups(&self) -> Vec<TargetGroup> {
        self.known.values().flat_map(|known| &known.groups).cloned().collect()
    }

    /// Reads what has changed. Whether that changes the groups.
    fn look(&mut self) -> bool {
        let present: Vec<PathBuf> =
            self.patterns.iter().flat_map(|pattern| glob::files(&pattern.to_string_lossy())).collect();
        let mut before = std::mem::take(&mut self.known);
        let mut inherited = std::mem::take(&mut self.inherited);
        let mut changed = false;
        for path in present {
            if self.known.contains_key(&path) {
                continue;
            }
            let mut known = before.remove(&path).or_else(|| inherited.remove(&path)).unwrap_or_default();
            changed |= known.look(&path);
            self.known.insert(path, known);
        }
        for (path, gone) in before {
            tracing::info!(path = %path.display(), "a file of targets is gone");
            changed |= !gone.groups.is_empty();
        }
        changed
    }
}

impl Known {
    fn look(&mut self, path: &Path) -> bool {
        let stamp = Stamp::of(path).ok();
        if stamp.is_some() && stamp == self.stamp {
            return false;
        }
        let settled = stamp.filter(Stamp::is_settled);
        // Once only: one that is written to all the time has to be read too.
        self.put_off = settled.is_none() && !self.put_off && !self.groups.is_empty();
        if self.put_off {
            return false;
        }
        self.stamp = settled;
        match read(path) {
            Ok(groups) => {
                if self.trouble.take().is_some() {
                    tracing::info!(path = %path.display(), "the file of targets can be read again");
                }
                let changed = self.groups != groups;
                self.groups = groups;
                changed
            }
            Err(trouble) => {
                if self.trouble.as_ref() != Some(&trouble) {
                    let remedy = "correct the file; until then its last good list of targets stays";
                    tracing::error!(error = trouble, remedy, "can't use a file of targets");
                    self.trouble = Some(trouble);
                }
                false
            }
        }
    }
}

fn read(path: &Path) -> Result<Vec<TargetGroup>, String> {
    let mut groups = config::load_target_groups(path).map_err(|error| error.to_string())?;
    for group in &mut groups {
        group.labels.set(FILE_PATH, path.to_string_lossy());
    }
    Ok(groups)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs;

    fn targets(files: &Files) -> Vec<String> {
        files.groups().into_iter().flat_map(|group| group.targets).collect()
    }

    #[test]
    fn changes_are_seen_and_broken_files_keep_what_they_said() {
        let folder = tempfile::tempdir().unwrap();
        let path = |name: &str| folder.path().join(name);
        let mut files = Files::new(&[path("*.json"), path("more.yml"), path("a*.json")], &[]);
        assert!(!files.look());
        fs::write(path("a.json"), r#"[{"targets": ["a:1"]}]"#).unwrap();
        fs::write(path("more.yml"), "- targets: [m:1]\n").unwrap();
        assert!(files.look());
        assert_eq!(targets(&files), ["a:1", "m:1"], "each file once");
        assert_eq!(files.groups()[0].labels.get("__meta_filepath"), path("a.json").to_str().unwrap());
        assert!(!files.look() && !files.look());

        // The same size, and perhaps the same time.
        fs::write(path("a.json"), r#"[{"targets": ["b:1"]}]"#).unwrap();
        let changes = [files.look(), files.look()];
        assert!(changes.contains(&true), "{changes:?}");
        assert_eq!(targets(&files), ["b:1", "m:1"]);

        fs::write(path("a.json"), r#"[{"targets": ["b:1"#).unwrap();
        assert!(!files.look() && !files.look());
        assert_eq!(targets(&files), ["b:1", "m:1"]);
        assert!(files.known[&path("a.json")].trouble.as_deref().unwrap().contains("a.json:1:"));

        fs::write(path("new.json"), r#"[{"targets": ["c:1"]}]"#).unwrap();
        fs::rename(path("new.json"), path("a.json")).unwrap();
        assert_ne!(files.look(), files.look());
        assert!(files.known[&path("a.json")].trouble.is_none());
        fs::remove_file(path("more.yml")).unwrap();
        assert!(files.look());
        assert_eq!(targets(&files), ["c:1"]);
    }

    #[test]
    fn a_file_that_is_broken_when_its_source_changes_keeps_what_it_said() {
        let folder = tempfile::tempdir().unwrap();
        let path = |name: &str| folder.path().join(name);
        for name in ["a.json", "b.json"] {
            fs::write(path(name), format!(r#"[{{"targets": ["{name}:1"]}}]"#)).unwrap();
        }
        let mut files = Files::new(&[path("*.json")], &[]);
        files.look();
        fs::write(path("a.json"), "[").unwrap();
        let mut next = Files::new(&[path("a.json")], &files.groups());
        assert!(!next.look() && !next.look());
        assert_eq!(targets(&next), ["a.json:1"]);
        fs::remove_file(path("a.json")).unwrap();
        assert!(next.look());
        assert_eq!(targets(&next), [""; 0]);
    }

    #[test]
    fn half_a_list_is_not_taken_for_a_whole_one() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a.yml");
        fs::write(&path, "- targets: [a:1]\n- targets: [b:1]\n").unwrap();
        let mut known = Known::default();
        assert!(known.look(&path), "what is not known is read at once");
        known.stamp = None;
        known.put_off = false;
        for written in ["", "- targets: [a:1]\n"] {
            fs::write(&path, written).unwrap();
            known.put_off = false;
            assert!(!known.look(&path) && known.put_off && known.groups.len() == 2);
        }
        assert!(known.look(&path) && !known.put_off, "it had its moment");
        assert_eq!(known.groups.len(), 1);
    }

    #[test]
    fn a_settled_file_is_read_once() {
        // Any that nobody has just written.
        let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("Cargo.toml");
        let mut known = Known::default();
        assert!(!known.look(&path));
        let trouble = known.trouble.take().unwrap();
        assert!(trouble.contains("Cargo.toml:"), "no list of targets: {trouble}");
        assert!(known.stamp.is_some() && !known.look(&path));
        assert_eq!(known.trouble, None, "it was not read");
    }

    #[test]
    fn names_may_be_in_capital_letters() {
        let folder = tempfile::tempdir().unwrap();
        let text = r#"[{"targets": ["a:1"], "labels": {"rack": "7"}}]"#;
        for name in ["A.YML", "B.JSON"] {
            fs::write(folder.path().join(name), text).unwrap();
        }
        let mut files = Files::new(&[folder.path().join("*.YML"), folder.path().join("*.JSON")], &[]);
        assert!(files.look());
        assert_eq!(targets(&files), ["a:1", "a:1"]);
    }
}

//! Hosts made of plain files, for tests of collectors.

use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use vitals::collectors::{COLLECTORS, CollectorSet, FlagKind, Settings, Spec};
use vitals::exposition::{Exposition, Format};
use vitals::host::Root;

/// A folder below `tests/`, also for the package of the fuzz targets, which is in there itself.
pub fn folder(path: &str) -> PathBuf {
    let package = Path::new(env!("CARGO_MANIFEST_DIR"));
    let tests = package.ancestors().map(|folder| folder.join("tests"));
    tests.into_iter().find(|tests| tests.join("fixtures").is_dir()).unwrap().join(path)
}

/// The host whose `proc`, `sys`, `udev`, `etc` and so on are in `folder`.
pub fn settings(folder: &Path) -> Settings {
    Settings::new(Root {
        proc: folder.join("proc"),
        sys: folder.join("sys"),
        rootfs: folder.to_owned(),
        udev: folder.join("udev"),
    })
}

/// A folder for the files of a host, in memory where the system has a place for that.
pub fn temporary_folder() -> tempfile::TempDir {
    tempfile::tempdir_in("/dev/shm").or_else(|_| tempfile::tempdir()).unwrap()
}

/// Copies a folder with all that is in it into `to`, which is made. Symbolic links are copied as such.
pub fn copy(from: &Path, to: &Path) {
    std::fs::create_dir_all(to).unwrap();
    for entry in std::fs::read_dir(from).unwrap() {
        let entry = entry.unwrap();
        let (kind, to) = (entry.file_type().unwrap(), to.join(entry.file_name()));
        if kind.is_dir() {
            copy(&entry.path(), &to);
        } else if kind.is_symlink() {
            std::os::unix::fs::symlink(std::fs::read_link(entry.path()).unwrap(), to).unwrap();
        } else {
            std::fs::copy(entry.path(), to).unwrap();
        }
    }
}

/// Whether a collector gets all it has from files: those have a golden page.
pub fn is_from_files(spec: &Spec) -> bool {
    folder("golden/server").join(spec.name).with_extension("txt").exists()
}

/// Has every collector read files that can also ask the kernel over netlink.
pub fn read_files(settings: &mut Settings) {
    for flag in COLLECTORS.iter().flat_map(|spec| spec.flags).filter(|flag| flag.name.ends_with(".netlink")) {
        settings.set(flag, "false").unwrap();
    }
}

/// The fixture host in `folder`, read from files alone, with everything given that a switch can bring.
pub fn all_from_files(folder: &Path) -> Settings {
    let mut settings = settings(folder);
    let switches = COLLECTORS.iter().flat_map(|spec| spec.flags).filter(|flag| flag.alias_of.is_none());
    for flag in switches.filter(|flag| flag.kind == FlagKind::Switch(false)) {
        settings.set(flag, "true").unwrap();
    }
    read_files(&mut settings);
    let textfiles = folder.join("textfile").display().to_string();
    set_flags(&mut settings, "textfile", &[("textfile.directory", &textfiles)]);
    settings
}

/// The row of a collector.
pub fn spec(name: &str) -> &'static Spec {
    COLLECTORS.iter().find(|spec| spec.name == name).unwrap_or_else(|| panic!("no collector {name}"))
}

/// Gives flags to a collector, as `(name without --collector., value)`.
pub fn set_flags(settings: &mut Settings, collector: &str, flags: &[(&str, &str)]) {
    for (name, value) in flags {
        let flag = spec(collector).flags.iter().find(|flag| flag.name == *name);
        let flag = flag.unwrap_or_else(|| panic!("{collector} has no flag {name}"));
        settings.set(flag, value).unwrap_or_else(|error| panic!("--collector.{name}: {error}"));
    }
}

/// The collectors that `enabled` says yes to, on the host of `settings`.
pub fn build(settings: &Settings, enabled: impl Fn(&str) -> bool) -> CollectorSet {
    CollectorSet::build(COLLECTORS, settings, enabled).unwrap()
}

/// One gather as a page of text, without the durations and without the families of `leave_out`.
pub fn page(set: &mut CollectorSet, leave_out: &[&str]) -> String {
    page_of(set, |_| true, leave_out)
}

/// The same of those collectors that `selected` says yes to.
pub fn page_of(set: &mut CollectorSet, selected: impl Fn(&str) -> bool, leave_out: &[&str]) -> String {
    let mut out = Exposition::new();
    set.gather(selected, Instant::now() + Duration::from_secs(5), &mut out);
    let mut page = Vec::new();
    out.render_selected(Format::Text, &mut page, |family| {
        family != "node_scrape_collector_duration_seconds" && !leave_out.contains(&family)
    });
    String::from_utf8(page).unwrap()
}

/// Holds `page` against the file `golden/<name>.txt`, or writes that file if `UPDATE_GOLDEN` is set. Gives what
/// differs.
pub fn compare(name: &str, page: &str) -> Result<(), String> {
    let path = folder("golden").join(format!("{name}.txt"));
    if std::env::var_os("UPDATE_GOLDEN").is_some() {
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(&path, page).unwrap();
        return Ok(());
    }
    let want = std::fs::read_to_string(&path)
        .map_err(|error| format!("{}: {error}. UPDATE_GOLDEN=1 cargo test writes it.", path.display()))?;
    if want == page {
        return Ok(());
    }
    Err(format!("{} (- wanted, + found):\n{}", path.display(), difference(&want, page)))
}

/// The lines that only one of two texts has, in their order. Lines that merely moved are shown as such.
fn difference(want: &str, found: &str) -> String {
    let (want, found): (Vec<&str>, Vec<&str>) = (want.lines().collect(), found.lines().collect());
    let mut text = String::new();
    for (sign, lines, others) in [('-', &want, &found), ('+', &found, &want)] {
        for line in lines.iter().filter(|line| !others.contains(line)) {
            text.push_str(&format!("{sign} {line}\n"));
        }
    }
    if text.is_empty() {
        let at = want.iter().zip(&found).position(|(want, found)| want != found);
        let at = at.unwrap_or(want.len().min(found.len()));
        text = format!("the same lines in another order or number from line {} on\n", at + 1);
    }
    text
}

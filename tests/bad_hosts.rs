//! Every file of the fixture host, one after another, is made unreadable in one way after another. No collector may
//! panic, write what can't be read, or spoil what another collector gives; each complaint is logged once, and so is
//! its end when the file is as it was.
#![allow(clippy::unwrap_used)]

mod common;

use std::collections::{BTreeSet, HashMap, HashSet};
use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};

use common::harm::{HARMS, Harm, inflict, remove};
use common::hosts;
use common::readers::Readers;
use tracing::level_filters::LevelFilter;
use vitals::collectors::{COLLECTORS, CollectorSet, Settings};

/// Families that change by themselves: the clock, and what statfs(2) says of the place where the copy is.
const CHANGING: &[&str] = &[
    "node_filesystem_avail_bytes",
    "node_filesystem_files",
    "node_filesystem_files_free",
    "node_filesystem_free_bytes",
    "node_filesystem_size_bytes",
    "node_time_seconds",
];

/// For links to devices, and for files that are called like one that the same collectors read. With `EVERY_HARM` in
/// the environment, as tests/run has it, the latter get all.
const FEW_HARMS: [Harm; 2] = [Harm::Rubbish, Harm::Missing];

#[test]
fn one_bad_file_spoils_nothing_else() {
    let files = files_below(&hosts::folder("fixtures/server"));
    assert!(files.len() > 50, "only {} files", files.len());
    let folder = hosts::temporary_folder();
    hosts::copy(&hosts::folder("fixtures/server"), folder.path());
    let readers = Readers::watch(folder.path(), &hosts::all_from_files(folder.path()));
    let unread: Vec<&PathBuf> = files.iter().filter(|file| readers.of(file).is_empty()).collect();
    println!("{} files, {} of which no collector reads: {unread:?}", files.len(), unread.len());

    // Each thread has a host of its own. Events go to the log of the thread they happen on.
    let threads = std::thread::available_parallelism().map_or(1, usize::from).min(8);
    let share = files.len().div_ceil(threads);
    let problems: Vec<String> = std::thread::scope(|scope| {
        let check = |files| check_files(files, &readers);
        let workers: Vec<_> = files.chunks(share).map(|files| scope.spawn(move || check(files))).collect();
        workers.into_iter().flat_map(|worker| worker.join().unwrap()).collect()
    });
    assert!(problems.is_empty(), "{} problems:\n{}", problems.len(), problems.join("\n"));
}

fn check_files(files: &[PathBuf], readers: &Readers) -> Vec<String> {
    let log = Log::default();
    let writer = log.clone();
    let subscriber = tracing_subscriber::fmt()
        .with_max_level(LevelFilter::INFO)
        .with_ansi(false)
        .without_time()
        .with_writer(move || writer.clone())
        .finish();
    tracing::subscriber::with_default(subscriber, || {
        let folder = hosts::temporary_folder();
        let mut host = Host::new(folder.path(), log);
        let mut problems = Vec::new();
        let mut alike = HashSet::new();
        for file in files {
            // What is read through a link is seen at the place where it leads.
            let link = hosts::folder("fixtures/server").join(file).is_symlink();
            let readers = if link { host.set.names().collect() } else { readers.of(file) };
            let alike = !alike.insert((readers.clone(), file.file_name()));
            let few = link || (alike && std::env::var_os("EVERY_HARM").is_none());
            for harm in if few { &FEW_HARMS[..] } else { &HARMS[..] } {
                let harm = *harm;
                let found = host.check(file, harm, &readers);
                problems.extend(found.into_iter().map(|what| format!("{} {harm:?}: {what}", file.display())));
            }
        }
        problems
    })
}

/// The files and symbolic links below `folder`, as paths from there.
fn files_below(folder: &Path) -> Vec<PathBuf> {
    fn walk(folder: &Path, files: &mut Vec<PathBuf>) {
        for entry in fs::read_dir(folder).unwrap() {
            let entry = entry.unwrap();
            if entry.file_type().unwrap().is_dir() {
                walk(&entry.path(), files);
            } else {
                files.push(entry.path());
            }
        }
    }
    let mut files = Vec::new();
    walk(folder, &mut files);
    files.sort();
    files.into_iter().map(|path| path.strip_prefix(folder).unwrap().to_owned()).collect()
}

/// A copy of the fixture host with the collectors that read it all the time.
struct Host {
    folder: PathBuf,
    /// Where a file is kept that is not in its place. It keeps its times and its number.
    aside: PathBuf,
    settings: Settings,
    set: CollectorSet,
    log: Log,
    /// What all collectors give while nothing is wrong.
    healthy: Page,
    /// The collector that each line of it comes from.
    healthy_owners: Vec<Option<&'static str>>,
    /// Which collector a family comes from.
    owners: HashMap<String, &'static str>,
    /// The collectors that are held against what they gave.
    watched: Vec<&'static str>,
    /// The sets of readers of the files that were looked at.
    seen: HashSet<BTreeSet<&'static str>>,
}

/// The lines of a page that carry samples, in their order.
type Page = Vec<String>;

impl Host {
    fn new(parent: &Path, log: Log) -> Self {
        let folder = parent.join("host");
        hosts::copy(&hosts::folder("fixtures/server"), &folder);
        let settings = hosts::all_from_files(&folder);
        let aside = parent.join("aside");
        let set = build(&settings);
        let (healthy, healthy_owners, owners) = (Page::new(), Vec::new(), HashMap::new());
        let (watched, seen) = (Vec::new(), HashSet::new());
        let mut host =
            Self { folder, aside, settings, set, log, healthy, healthy_owners, owners, watched, seen };
        for name in host.set.names().collect::<Vec<_>>() {
            for line in host.only(&[name]) {
                let other = host.owners.insert(family(&line).to_owned(), name).unwrap_or(name);
                assert!(other == name || family(&line) == SUCCESS, "{other} and {name} give {line}");
            }
        }
        host.owners.remove(SUCCESS);
        host.healthy = host.all();
        host.healthy_owners = host.healthy.iter().map(|line| host.owner(line)).collect();
        host.log.take();
        host
    }

    /// One gather of some collectors.
    fn only(&mut self, collectors: &[&str]) -> Page {
        samples(&hosts::page_of(&mut self.set, |name| collectors.contains(&name), CHANGING))
    }

    /// One gather of all collectors.
    fn all(&mut self) -> Page {
        samples(&hosts::page(&mut self.set, CHANGING))
    }

    /// Harms one file, mends it again, and gives what went wrong meanwhile. The collectors that look at the host are
    /// those that read the file, and all when it is rubbish and the first file that these read: always all would
    /// take long.
    fn check(&mut self, file: &Path, harm: Harm, readers: &BTreeSet<&'static str>) -> Vec<String> {
        let path = self.folder.join(file);
        let content = fs::read(&path).unwrap_or_default(); // of a link to a folder
        fs::rename(&path, &self.aside).unwrap();
        inflict(harm, &path, &content);
        let rubbish = matches!(harm, Harm::Rubbish);
        let all = rubbish && self.seen.insert(readers.clone());
        self.watched = self.set.names().filter(|name| all || readers.contains(name)).collect();
        let found = self.only(&self.watched.clone());
        let changed = self.changed(&found);
        let mut problems = complaints(&self.log.take(), &changed);
        let strangers = changed.iter().filter(|name| !readers.contains(*name));
        problems.extend(strangers.map(|name| format!("{name} changes, which does not read it")));
        let failed = |name: &&str| found.contains(&format!("{SUCCESS}{{collector=\"{name}\"}} 0"));
        let failed: Vec<&str> = changed.iter().copied().filter(failed).collect();
        problems.extend(self.check_alone(found, &changed));
        if rubbish {
            // For what is read once, when a collector is made.
            let mut fresh = hosts::build(&self.settings, |name| readers.contains(name));
            problems.extend(faults(&samples(&hosts::page(&mut fresh, CHANGING))));
            problems.extend(panics(&self.log.take()));
        }
        remove(&path);
        fs::rename(&self.aside, &path).unwrap();
        problems.extend(self.check_mended(&path, &changed, &failed));
        problems
    }

    /// Whether the page `found` of all collectors has nothing new but what those that changed give alone.
    fn check_alone(&mut self, mut found: Page, changed: &[&str]) -> Vec<String> {
        if changed.is_empty() {
            return Vec::new();
        }
        let alone = self.only(changed);
        if self.of(&found, changed) != self.of(&alone, changed) {
            found = self.only(&self.watched.clone()); // lists of devices are looked at once more
        }
        let mut problems = faults(&found);
        problems.extend(different(&self.of(&alone, changed), &self.of(&found, changed)));
        let mut others = self.watched.clone();
        others.retain(|name| !changed.contains(name));
        problems.extend(different(&self.healthy_of(&others), &self.of(&found, &others)));
        let log = self.log.take();
        if !log.is_empty() {
            problems.push(format!("scrapes after the first log\n{log}"));
        }
        problems
    }

    /// Whether the collectors that had changed give what they gave, and those that had failed say so.
    fn check_mended(&mut self, path: &Path, changed: &[&str], failed: &[&str]) -> Vec<String> {
        if changed.is_empty() {
            return Vec::new();
        }
        let mut problems = Vec::new();
        let mut mended = self.only(changed);
        let log = self.log.take();
        let told = |name: &str| {
            let end = format!("works again collector=\"{name}\"");
            log.lines().filter(|line| line.ends_with(&end)).count()
        };
        for name in changed {
            if told(name) != usize::from(failed.contains(name)) {
                problems.push(format!("{name} does not log once that it works again:\n{log}"));
            }
        }
        let healthy: Vec<String> = self.healthy_of(changed).into_iter().cloned().collect();
        if mended != healthy {
            mended = self.only(changed); // as above
        }
        if mended != healthy {
            // A device is what it was when it was seen to come: names alone are listed at each scrape.
            fs::rename(path, &self.aside).unwrap();
            self.only(changed);
            fs::rename(&self.aside, path).unwrap();
            self.only(changed);
            mended = self.only(changed);
            self.log.take();
        }
        if mended != healthy {
            let (want, found): (Vec<_>, Vec<_>) = (healthy.iter().collect(), mended.iter().collect());
            problems.push(format!("it does not recover: {}", different(&want, &found).unwrap_or_default()));
            self.set = build(&self.settings);
            self.all();
            self.log.take();
        }
        problems
    }

    /// The collectors among the watched ones that no longer give what they gave.
    fn changed(&self, found: &Page) -> Vec<&'static str> {
        let healthy = self.healthy_of(&self.watched);
        if healthy.iter().copied().eq(found) {
            return Vec::new();
        }
        let (before, after): (HashSet<&String>, HashSet<&String>) =
            (healthy.into_iter().collect(), found.iter().collect());
        let mut changed = BTreeSet::new();
        for line in before.symmetric_difference(&after) {
            match self.owner(line) {
                Some(owner) => drop(changed.insert(owner)),
                None => changed.extend(&self.watched), // a new family may be anybody's
            }
        }
        changed.into_iter().collect()
    }

    /// The lines of a page that come from `collectors`, without new families, which may come from any.
    fn of<'p>(&self, page: &'p Page, collectors: &[&str]) -> Vec<&'p String> {
        let is_theirs = |line: &str| self.owner(line).is_some_and(|owner| collectors.contains(&owner));
        page.iter().filter(|line| is_theirs(line)).collect()
    }

    fn healthy_of(&self, collectors: &[&str]) -> Vec<&String> {
        let owned = self.healthy.iter().zip(&self.healthy_owners);
        let is_theirs = |owner: &Option<&str>| owner.is_some_and(|owner| collectors.contains(&owner));
        owned.filter(|(_, owner)| is_theirs(owner)).map(|(line, _)| line).collect()
    }

    fn owner(&self, line: &str) -> Option<&'static str> {
        match line.strip_prefix(SUCCESS) {
            Some(labels) => self.set.names().find(|name| labels.split('"').nth(1) == Some(name)),
            None => self.owners.get(family(line)).copied(),
        }
    }
}

const SUCCESS: &str = "node_scrape_collector_success";
const SUCCESS_TYPE: &str = "# TYPE node_scrape_collector_success gauge";

fn build(settings: &Settings) -> CollectorSet {
    hosts::build(settings, |name| hosts::is_from_files(hosts::spec(name)))
}

fn samples(page: &str) -> Page {
    let of_collectors = |line: &&str| !line.starts_with("# HELP") && *line != SUCCESS_TYPE;
    page.lines().filter(of_collectors).map(str::to_owned).collect()
}

fn family(line: &str) -> &str {
    let line = line.strip_prefix("# TYPE ").unwrap_or(line);
    line.get(..memchr::memchr2(b'{', b' ', line.as_bytes()).unwrap_or(line.len())).unwrap()
}

/// What is wrong with a page: lines that can't be read, and series or types that come twice.
fn faults(page: &Page) -> Vec<String> {
    common::page::Page::try_read(&(page.join("\n") + "\n")).err().into_iter().collect()
}

fn different(want: &[&String], found: &[&String]) -> Option<String> {
    if want == found {
        return None;
    }
    let signed = |sign: char, lines: &[&String], others: &[&String]| -> String {
        let lines = lines.iter().filter(|line| !others.contains(line)).take(5);
        lines.map(|line| format!("\n  {sign} {line}")).collect()
    };
    Some(format!("another page than was wanted:{}{}", signed('-', want, found), signed('+', found, want)))
}

/// What is wrong with what was logged when a file changed: it has to be one line at most for each collector.
fn complaints(log: &str, changed: &[&str]) -> Vec<String> {
    let mut problems = panics(log);
    for name in COLLECTORS.iter().map(|spec| spec.name) {
        let told = log.lines().filter(|line| line.contains(&format!("collector=\"{name}\""))).count();
        if told > usize::from(changed.contains(&name)) {
            problems.push(format!("{name} logs {told} lines:\n{log}"));
        }
    }
    problems
}

fn panics(log: &str) -> Vec<String> {
    log.lines().filter(|line| line.contains("panicked")).map(str::to_owned).collect()
}

/// What was logged since it was last taken.
#[derive(Clone, Default)]
struct Log(Arc<Mutex<Vec<u8>>>);

impl Log {
    fn take(&self) -> String {
        String::from_utf8(std::mem::take(&mut self.0.lock().unwrap())).unwrap()
    }
}

impl io::Write for Log {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.lock().unwrap().write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

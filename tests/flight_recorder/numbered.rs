//! A peer whose pages are numbered, and which numbers a storage path has of them.

use super::LONG;
use super::common::wait_until;
use super::peer::{Peer, ok};
use std::collections::BTreeMap;
use std::fs;
use std::io::ErrorKind;
use std::net::SocketAddr;
use std::path::Path;
use std::sync::{Arc, Mutex};

/// Samples of a page, each with its number as the value.
const SAMPLES: usize = 40;

pub struct Numbered {
    peer: Peer,
    served: Arc<Mutex<Served>>,
}

#[derive(Default)]
struct Served {
    last: u64,
    /// The last page that each connection had. A client asks for the next one when it has stored the one before, so
    /// this one alone may have been under way when the connection broke.
    last_of_connection: BTreeMap<usize, u64>,
}

/// The numbers that samples files have, each with its count of samples, in the order of the files.
struct Stored(Vec<(u64, usize)>);

impl Numbered {
    pub fn new() -> Self {
        let served = Arc::new(Mutex::new(Served::default()));
        let counted = Arc::clone(&served);
        let peer = Peer::new(move |caller| {
            while caller.hear() {
                let page = {
                    let mut served = counted.lock().unwrap();
                    served.last += 1;
                    let number = served.last;
                    served.last_of_connection.insert(caller.number, number);
                    page(number)
                };
                if !caller.say(&ok(&page)) {
                    return;
                }
            }
        });
        Self { peer, served }
    }

    pub fn url(&self) -> String {
        self.peer.url()
    }

    pub fn address(&self) -> SocketAddr {
        self.peer.address
    }

    /// The number of the last page.
    pub fn served(&self) -> u64 {
        self.served.lock().unwrap().last
    }

    /// Waits until so many more pages were asked for.
    pub fn serve(&self, more: u64) {
        let enough = self.served() + more;
        wait_until("more scrapes", LONG, || (self.served() >= enough).then_some(()));
    }

    /// The name of the target's directory.
    pub fn directory(&self) -> String {
        format!("127.0.0.1_{}", self.peer.address.port())
    }

    /// Every page is stored whole, once and in its turn, but for those that were under way when a connection ended.
    pub fn assert_stored(&self, storage: &Path) {
        self.assert_stored_but(storage, |_| false);
    }

    /// The same, where the pages that `excused` speaks of may be missing, though never torn.
    pub fn assert_stored_but(&self, storage: &Path, excused: impl Fn(u64) -> bool) {
        let stored = self.stored(storage);
        let served = self.served.lock().unwrap();
        let numbers: Vec<u64> = stored.0.iter().map(|&(number, _)| number).collect();
        assert!(numbers.is_sorted_by(|one, next| one < next), "doubled or out of order: {numbers:?}");
        let torn: Vec<_> = stored.0.iter().filter(|&&(_, samples)| samples != SAMPLES).collect();
        assert!(torn.is_empty(), "torn pages and their samples: {torn:?}");
        let under_way: Vec<u64> = served.last_of_connection.values().copied().collect();
        let lost: Vec<u64> = (1..=served.last)
            .filter(|number| numbers.binary_search(number).is_err())
            .filter(|number| !under_way.contains(number) && !excused(*number))
            .collect();
        assert!(lost.is_empty(), "lost: {lost:?} of {}, under way: {under_way:?}", served.last);
    }

    /// The number of the first page that is stored.
    pub fn first_stored(&self, storage: &Path) -> u64 {
        self.stored(storage).0.first().map_or(0, |&(number, _)| number)
    }

    /// The number of the last page that is stored.
    pub fn last_stored(&self, storage: &Path) -> u64 {
        self.stored(storage).0.last().map_or(0, |&(number, _)| number)
    }

    fn stored(&self, storage: &Path) -> Stored {
        let mut stored: Vec<(u64, usize)> = Vec::new();
        for text in samples_files(&storage.join(self.directory())) {
            for line in text.lines().filter(|line| line.starts_with("page_number{")) {
                let number = line.split(' ').nth(1).and_then(|value| value.parse().ok());
                let number = number.unwrap_or_else(|| panic!("{line}"));
                match stored.last_mut() {
                    Some((last, samples)) if *last == number => *samples += 1,
                    _ => stored.push((number, 1)),
                }
            }
        }
        Stored(stored)
    }
}

fn page(number: u64) -> String {
    let samples = (0..SAMPLES).map(|sample| format!("page_number{{sample=\"{sample}\"}} {number}\n"));
    samples.fold("# TYPE page_number gauge\n".to_owned(), |page, line| page + &line)
}

/// What the samples files of a directory say, in the order of their names. Of a file and its compressed form the
/// latter counts. What is behind the last line end is left out: the recorder may be writing.
pub fn samples_files(directory: &Path) -> Vec<String> {
    // A file may be compressed between the look at its name and the look into it.
    wait_until("files that stay", LONG, || read_samples_files(directory))
}

fn read_samples_files(directory: &Path) -> Option<Vec<String>> {
    let mut files = BTreeMap::new();
    for path in fs::read_dir(directory).into_iter().flatten().map(|entry| entry.unwrap().path()) {
        let name = path.file_name().unwrap().to_str().unwrap().to_owned();
        if !name.starts_with("samples-") {
            continue;
        }
        if let Some(plain) = name.strip_suffix(".zst") {
            files.insert(plain.to_owned(), path);
        } else if name.ends_with(".om") {
            files.entry(name).or_insert(path);
        }
    }
    files.values().map(|path| read(path)).collect()
}

/// `None` if it is gone.
fn read(path: &Path) -> Option<String> {
    let mut bytes = match fs::read(path) {
        Err(error) if error.kind() == ErrorKind::NotFound => return None,
        bytes => bytes.unwrap(),
    };
    if path.extension().unwrap() == "zst" {
        bytes = zstd::decode_all(bytes.as_slice()).unwrap();
    }
    let lines = bytes.iter().rposition(|&byte| byte == b'\n').map_or(0, |at| at + 1);
    bytes.truncate(lines);
    Some(String::from_utf8(bytes).unwrap())
}

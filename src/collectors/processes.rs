//! Processes and threads by state, from the `stat` file of each in `/proc` (kernel:
//! `Documentation/filesystems/proc.rst`, section 1.1).
//!
//! Processes end while they are counted: one that is gone when its turn comes is passed over, as is one that this
//! user may not see.

use std::io;
use std::path::{Path, PathBuf};

use rustix::io::Errno;

use super::{CollectError, Collector, Context, Settings, Spec, read_number};
use crate::exposition::{Exposition, Kind};
use crate::host::parse::{ParseError, fields, unsigned};
use crate::host::{Directory, KernelFile};

pub(super) const SPEC: Spec = Spec {
    name: "processes",
    default_on: false,
    help: "numbers of processes and threads by state, and their limits (/proc/[pid]/stat)",
    flags: &[],
    build: |settings| Ok(Box::new(Processes::new(settings))),
};

struct Processes {
    folder: PathBuf,
    max_processes: KernelFile,
    max_threads: KernelFile,
    buffers: Buffers,
}

#[derive(Default)]
struct Buffers {
    processes: Vec<u8>,
    threads: Vec<u8>,
    path: Vec<u8>,
}

impl Processes {
    fn new(settings: &Settings) -> Self {
        let limit = |name| KernelFile::new(settings.root.proc("sys/kernel").join(name));
        Self {
            folder: settings.root.proc.clone(),
            max_processes: limit("pid_max"),
            max_threads: limit("threads-max"),
            buffers: Buffers::default(),
        }
    }
}

/// How many there are in each state, which is one letter.
struct States([u64; 128]);

impl States {
    fn add(&mut self, state: u8) {
        if let Some(count) = self.0.get_mut(usize::from(state)) {
            *count += 1;
        }
    }

    fn write(&self, out: &mut Exposition, family: (&str, &str), label: &str) {
        let mut family = out.family(family.0, family.1, Kind::Gauge);
        for (state, &count) in (0u8..).zip(&self.0).filter(|(_, count)| **count > 0) {
            family.sample(&[(label, &[state])], count as f64);
        }
    }
}

struct Counts {
    processes: u64,
    threads: u64,
    process_states: States,
    thread_states: States,
}

impl Collector for Processes {
    fn collect(&mut self, context: &mut Context, out: &mut Exposition) -> Result<(), CollectError> {
        let buffer = &mut context.buffer;
        let counted = count(&self.folder, &mut self.buffers, buffer).map(|counts| counts.write(out));
        let mut limit = |file: &mut KernelFile, name, help| {
            read_number(file, buffer).map(|value| out.single(name, help, Kind::Gauge, value as f64))
        };
        let max_processes = limit(
            &mut self.max_processes,
            "node_processes_max_processes",
            "Number that the ids of processes and threads stay below.",
        );
        let max_threads =
            limit(&mut self.max_threads, "node_processes_max_threads", "Most threads that there may be.");
        counted.and(max_processes).and(max_threads)
    }
}

impl Counts {
    fn write(&self, out: &mut Exposition) {
        let mut gauge = |name, help, value: u64| out.single(name, help, Kind::Gauge, value as f64);
        gauge("node_processes_pids", "Number of processes.", self.processes);
        gauge("node_processes_threads", "Number of threads of all processes.", self.threads);
        let states = ("node_processes_state", "Number of processes in each state.");
        self.process_states.write(out, states, "state");
        let states = ("node_processes_threads_state", "Number of threads in each state.");
        self.thread_states.write(out, states, "thread_state");
    }
}

/// Counts all processes in `folder`, which is a procfs, and their threads.
fn count(folder: &Path, buffers: &mut Buffers, buffer: &mut Vec<u8>) -> Result<Counts, CollectError> {
    let Buffers { processes: list, threads: thread_list, path } = buffers;
    let mut counts = Counts {
        processes: 0,
        threads: 0,
        process_states: States([0; 128]),
        thread_states: States([0; 128]),
    };
    let mut malformed = None;
    let listed = Directory::open(folder).and_then(|proc| {
        proc.each_name(list, |id| {
            if !is_id(id) {
                return Ok(());
            }
            set_path(path, id, b"/stat");
            let Some(text) = if_alive(proc.read_small(path, buffer))? else { return Ok(()) };
            let stat = match parse(text) {
                Ok(stat) => stat,
                Err(error) => {
                    malformed.get_or_insert_with(|| {
                        error.at(&folder.join(String::from_utf8_lossy(path).as_ref()))
                    });
                    return Ok(());
                }
            };
            counts.processes += 1;
            counts.threads = counts.threads.saturating_add(stat.threads);
            counts.process_states.add(stat.state);
            if stat.threads == 1 {
                counts.thread_states.add(stat.state);
                return Ok(());
            }
            set_path(path, id, b"/task");
            let Some(tasks) = if_alive(proc.open_below(path))? else { return Ok(()) };
            let listed = tasks.each_name(thread_list, |thread| {
                if thread == id {
                    counts.thread_states.add(stat.state);
                } else if is_id(thread) {
                    set_path(path, thread, b"/stat");
                    let text = if_alive(tasks.read_small(path, buffer))?;
                    // Whatever is wrong with it was seen in the file of its process.
                    if let Some(Ok(stat)) = text.map(parse) {
                        counts.thread_states.add(stat.state);
                    }
                }
                Ok(())
            });
            if_alive(listed).map(drop)
        })
    });
    match (listed, malformed) {
        (Err(error), _) => Err(CollectError::read(folder, error)),
        (Ok(()), Some(error)) => Err(error.into()),
        (Ok(()), None) => Ok(counts),
    }
}

fn is_id(name: &[u8]) -> bool {
    name.iter().all(u8::is_ascii_digit)
}

fn set_path(path: &mut Vec<u8>, folder: &[u8], file: &[u8]) {
    path.clear();
    path.extend_from_slice(folder);
    path.extend_from_slice(file);
}

/// `None` of a process that has ended, or that this user may not look at (`hidepid=1`).
fn if_alive<T>(result: io::Result<T>) -> io::Result<Option<T>> {
    match result {
        Err(error)
            if matches!(
                Errno::from_io_error(&error),
                Some(Errno::NOENT | Errno::SRCH | Errno::PERM | Errno::ACCESS)
            ) =>
        {
            Ok(None)
        }
        result => result.map(Some),
    }
}

#[derive(Debug, PartialEq)]
struct Stat {
    state: u8,
    threads: u64,
}

/// Parses `17 (name (of it)) S` and so on. The name may have anything in it, so that its end is the last bracket.
fn parse(text: &[u8]) -> Result<Stat, ParseError> {
    let error = || ParseError::new(1, "an id, a name in brackets, a state and numbers", text);
    let close = memchr::memrchr(b')', text).ok_or_else(error)?;
    let mut columns = fields(text.get(close + 1..).unwrap_or_default());
    let state = match columns.next() {
        Some(&[state]) if state.is_ascii_alphabetic() => state,
        _ => return Err(error()),
    };
    // The state is column 3 and the number of threads column 20.
    let threads = columns.nth(16).and_then(unsigned).ok_or_else(error)?;
    Ok(Stat { state, threads })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn states_and_threads() {
        let numbers = "1 1 1 0 -1 4194560 9 0 0 0 5 6 0 0 20 0 7 0 1";
        for name in ["bash", "a b", "x) S 1 (y", "", "\n"] {
            let text = format!("17 ({name}) D {numbers} 0\n");
            assert_eq!(parse(text.as_bytes()).unwrap(), Stat { state: b'D', threads: 7 }, "{name}");
        }
        for bad in ["", "17 (x", "17 (x)", "17 (x) S 1 2\n", "17 (x) ? 1\n", "17 (x) SS 1\n"] {
            assert!(parse(bad.as_bytes()).is_err(), "{bad}");
        }
    }

    #[test]
    fn survives_a_cut_file() {
        crate::collectors::at_every_cut("proc/812/stat", parse);
    }

    #[test]
    fn the_living_are_counted_and_the_hidden_passed_over() {
        let ended = io::Error::from(Errno::SRCH);
        assert!(matches!(if_alive::<()>(Err(ended)), Ok(None)));
        assert!(if_alive::<()>(Err(Errno::MFILE.into())).is_err());
    }

    #[test]
    fn processes_that_end_meanwhile_do_no_harm() {
        let spawner = std::thread::spawn(|| {
            for _ in 0..100 {
                std::process::Command::new("true").status().unwrap();
            }
        });
        let mut buffers = Buffers::default();
        while !spawner.is_finished() {
            let counts = count(Path::new("/proc"), &mut buffers, &mut Vec::new()).unwrap();
            assert_eq!(counts.process_states.0.iter().sum::<u64>(), counts.processes);
            // This thread and the spawner's are of one process.
            assert!(counts.thread_states.0.iter().sum::<u64>() > 1 && counts.threads > 1);
        }
        spawner.join().unwrap();
    }
}

//! A child process whose output is kept and which never outlives its handle.

use std::io::{BufRead, BufReader, Read};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::{Arc, Mutex};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process};

/// How long the last output of a program that has ended may take on a busy machine.
const LAST_WORDS: Duration = Duration::from_secs(10);

/// A program that runs until it is stopped or this handle is dropped.
pub struct Running {
    name: String,
    child: Child,
    log: Arc<Mutex<String>>,
    readers: Vec<JoinHandle<()>>,
}

impl Running {
    /// Starts `command` without standard input and keeps what it prints.
    pub fn start(mut command: Command) -> Self {
        let name = command.get_program().to_string_lossy().into_owned();
        let mut child = command
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap_or_else(|error| {
                panic!("cannot start {name}: {error}; tests/run installs what is missing")
            });
        let log = Arc::new(Mutex::new(String::new()));
        let readers = vec![
            keep_lines(child.stdout.take().unwrap(), Arc::clone(&log)),
            keep_lines(child.stderr.take().unwrap(), Arc::clone(&log)),
        ];
        Self { name, child, log, readers }
    }

    /// What the program has printed so far, both streams together.
    pub fn log(&self) -> String {
        self.log.lock().unwrap().clone()
    }

    /// Waits until `find` gives something from the log; fails when the program ends or `limit` passes.
    pub fn wait_for<T>(&mut self, what: &str, limit: Duration, find: impl Fn(&str) -> Option<T>) -> T {
        self.try_wait_for(limit, find).unwrap_or_else(|problem| {
            panic!("no {what} from {}: {problem}; it said:\n{}", self.name, self.log())
        })
    }

    /// Like [`Running::wait_for`], with the reason instead of a panic.
    pub fn try_wait_for<T>(
        &mut self,
        limit: Duration,
        find: impl Fn(&str) -> Option<T>,
    ) -> Result<T, String> {
        let end = Instant::now() + limit;
        loop {
            let ended = self.child.try_wait().unwrap();
            if ended.is_some() {
                self.wait_for_last_words();
            }
            if let Some(found) = find(&self.log()) {
                return Ok(found);
            }
            if let Some(status) = ended {
                return Err(format!("it ended with {status}"));
            }
            if Instant::now() > end {
                return Err(format!("nothing after {limit:?}"));
            }
            std::thread::sleep(Duration::from_millis(20));
        }
    }

    /// What a program says at its end is in the pipe when it is gone, and in the log a moment later. A child of its own
    /// may hold the pipe open.
    fn wait_for_last_words(&self) {
        let end = Instant::now() + LAST_WORDS;
        while Instant::now() < end && !self.readers.iter().all(JoinHandle::is_finished) {
            std::thread::sleep(Duration::from_millis(5));
        }
    }

    /// Nanoseconds of CPU that the program's threads have had. Threads that ended are not in it.
    pub fn cpu_nanoseconds(&self) -> u64 {
        let tasks = std::fs::read_dir(format!("/proc/{}/task", self.child.id())).unwrap();
        let schedstat =
            tasks.filter_map(|task| std::fs::read_to_string(task.ok()?.path().join("schedstat")).ok());
        schedstat.filter_map(|text| text.split(' ').next()?.parse::<u64>().ok()).sum()
    }

    /// Sends a signal.
    pub fn signal(&self, signal: Signal) {
        kill_process(Pid::from_child(&self.child), signal).unwrap();
    }

    /// The process id.
    pub fn id(&self) -> u32 {
        self.child.id()
    }

    /// The most memory that the program had so far.
    pub fn peak_memory_bytes(&self) -> u64 {
        let status = std::fs::read_to_string(format!("/proc/{}/status", self.id())).unwrap();
        let peak = status.lines().find_map(|line| line.strip_prefix("VmHWM:")).unwrap();
        peak.trim().strip_suffix(" kB").unwrap().parse::<u64>().unwrap() * 1024
    }

    /// Whether the program still runs.
    pub fn is_alive(&mut self) -> bool {
        self.child.try_wait().unwrap().is_none()
    }

    /// Sends SIGTERM and waits for the end; fails when that takes longer than `limit`. Gives the exit status and
    /// all that was printed.
    pub fn terminate(mut self, limit: Duration) -> (ExitStatus, String) {
        self.signal(Signal::TERM);
        let end = Instant::now() + limit;
        let status = loop {
            if let Some(status) = self.child.try_wait().unwrap() {
                break status;
            }
            assert!(Instant::now() < end, "{} runs {limit:?} after SIGTERM:\n{}", self.name, self.log());
            std::thread::sleep(Duration::from_millis(10));
        };
        for reader in self.readers.drain(..) {
            reader.join().unwrap();
        }
        (status, self.log())
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        if matches!(self.child.try_wait(), Ok(None)) && self.child.kill().is_ok() {
            self.child.wait().ok();
        }
    }
}

fn keep_lines(stream: impl Read + Send + 'static, log: Arc<Mutex<String>>) -> JoinHandle<()> {
    std::thread::spawn(move || {
        let mut stream = BufReader::new(stream);
        let mut line = Vec::new();
        while matches!(stream.read_until(b'\n', &mut line), Ok(1..)) {
            log.lock().unwrap().push_str(&String::from_utf8_lossy(&line));
            line.clear();
        }
    })
}

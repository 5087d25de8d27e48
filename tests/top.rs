//! `scrape-log top` as people use it: in tmux, on files of a real recorder, and without a terminal.
#![allow(clippy::unwrap_used)]

mod common;

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::fs;
use std::net::{Ipv4Addr, SocketAddr, TcpListener};
use std::path::Path;
use std::process::{Command, Output};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use common::hosts::folder;
use common::{http, servers, wait_until};
use rustix::process::{Pid, Signal, kill_process};
use vitals::exposition::{Format, Line, Parser};

const PROGRAM: &str = env!("CARGO_BIN_EXE_scrape-log");
/// The machine may be busy.
const PATIENCE: Duration = Duration::from_secs(60);
const INTERVAL_SECONDS: u64 = 15;

/// A tmux of its own with one shell in it.
struct Tmux {
    sockets: tempfile::TempDir,
}

impl Tmux {
    fn start(width: usize, height: usize) -> Self {
        let tmux = Self { sockets: tempfile::tempdir().unwrap() };
        let (width, height) = (width.to_string(), height.to_string());
        // Nothing of it outlives the test by much, also if that is killed.
        let shell = "PS1='ready> ' exec timeout --foreground 300 sh";
        tmux.run(&["-f", "/dev/null", "new-session", "-d", "-x", &width, "-y", &height, shell]);
        wait_until("the shell", PATIENCE, || tmux.screen().concat().contains("ready>").then_some(()));
        tmux
    }

    fn command(&self, arguments: &[&str]) -> Output {
        let mut command = Command::new("tmux");
        command.arg("-S").arg(self.sockets.path().join("socket")).args(arguments);
        command.env_remove("TMUX").env("LC_ALL", "C.UTF-8");
        command.output().unwrap_or_else(|error| panic!("tmux: {error}; tests/run installs what is missing"))
    }

    fn run(&self, arguments: &[&str]) -> String {
        let output = self.command(arguments);
        assert!(output.status.success(), "{arguments:?}: {}", String::from_utf8_lossy(&output.stderr));
        String::from_utf8(output.stdout).unwrap()
    }

    fn screen(&self) -> Vec<String> {
        self.run(&["capture-pane", "-p"]).lines().map(str::to_owned).collect()
    }

    fn keys(&self, keys: &[&str]) {
        self.run(&[&["send-keys"], keys].concat());
    }

    /// Types a command line.
    fn type_line(&self, line: &str) {
        self.keys(&["-l", line]);
        self.keys(&["Enter"]);
    }

    /// The screen once `is_there` says so.
    fn wait(&self, what: &str, is_there: impl Fn(&[String]) -> bool) -> Vec<String> {
        let mut last = Vec::new();
        let end = std::time::Instant::now() + PATIENCE;
        while std::time::Instant::now() < end {
            last = self.screen();
            if is_there(&last) {
                return last;
            }
            std::thread::sleep(Duration::from_millis(50));
        }
        panic!("no {what} on the screen:\n{}", last.join("\n"));
    }

    /// The process that runs in the shell, which is top.
    fn top_pid(&self) -> Pid {
        let shell = self.run(&["list-panes", "-F", "#{pane_pid}"]).trim().to_owned();
        // timeout, its shell, top.
        let mut pid = shell;
        loop {
            let children = fs::read_to_string(format!("/proc/{pid}/task/{pid}/children")).unwrap();
            let Some(child) = children.split_whitespace().next() else { break };
            pid = child.to_owned();
        }
        assert!(fs::read_link(format!("/proc/{pid}/exe")).unwrap().ends_with("scrape-log"));
        Pid::from_raw(pid.parse().unwrap()).unwrap()
    }
}

impl Drop for Tmux {
    fn drop(&mut self) {
        self.command(&["kill-server"]);
    }
}

fn line<'a>(screen: &'a [String], about: &str) -> &'a str {
    screen
        .iter()
        .find(|line| line.contains(about))
        .unwrap_or_else(|| panic!("no {about}:\n{}", screen.join("\n")))
}

fn now_seconds() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_secs()
}

/// Writes what a recorder would have written of a host in the last minutes: at each scrape it has used one percent more
/// of its memory than at the one before, from 10 % on. Gives the times of the scrapes.
fn write_host(storage: &Path, name: &str, scrapes: u64) -> Vec<u64> {
    let last = now_seconds() / INTERVAL_SECONDS * INTERVAL_SECONDS;
    let times: Vec<u64> = (0..scrapes).map(|index| last - (scrapes - 1 - index) * INTERVAL_SECONDS).collect();
    let own = format!("job=\"node\",instance=\"{name}:9100\"");
    let mut files: BTreeMap<u64, (u64, String)> = BTreeMap::new();
    for (index, time) in times.iter().enumerate() {
        let (_, text) = files.entry(time / 7200).or_insert_with(|| (*time, String::new()));
        for (series, value) in [
            ("node_uname_info{OWN,nodename=\"NAME\"}", 1),
            ("node_memory_MemTotal_bytes{OWN}", 100_000_000),
            ("node_memory_MemAvailable_bytes{OWN}", 90_000_000 - 1_000_000 * index),
            ("up{OWN}", 1),
            ("scrape_duration_seconds{OWN}", 1),
            ("scrape_response_size_bytes{OWN}", 1000),
            ("scrape_samples_scraped{OWN}", 3),
            ("scrape_samples_post_metric_relabeling{OWN}", 3),
        ] {
            let series = series.replace("OWN", &own).replace("NAME", name);
            writeln!(text, "{series} {value} {time}.000").unwrap();
        }
    }
    let directory = storage.join(format!("{name}_9100"));
    fs::create_dir_all(&directory).unwrap();
    for (first, text) in files.values() {
        let start = jiff::Timestamp::from_second(i64::try_from(*first).unwrap()).unwrap();
        fs::write(directory.join(start.strftime("samples-%Y%m%dT%H%M%SZ.om").to_string()), text).unwrap();
    }
    times
}

/// The values of the last scrape in a storage path with one target.
fn last_values(storage: &Path) -> BTreeMap<String, f64> {
    let mut values = BTreeMap::new();
    for directory in
        fs::read_dir(storage).unwrap().map(|entry| entry.unwrap().path()).filter(|path| path.is_dir())
    {
        let mut files: Vec<_> = fs::read_dir(directory).unwrap().map(|entry| entry.unwrap().path()).collect();
        files.retain(|path| path.extension().is_some_and(|extension| extension == "om"));
        files.sort();
        let text = fs::read_to_string(files.last().unwrap()).unwrap();
        let mut parser = Parser::new(&text, Format::OpenMetrics);
        while let Some(line) = parser.next() {
            if let Ok(Line::Sample(sample)) = line {
                let mountpoint = sample.label("mountpoint").unwrap_or_default();
                values.insert(format!("{}{mountpoint}", sample.name), sample.value);
            }
        }
    }
    values
}

/// An exporter of the fixture of a server.
fn exporter() -> servers::Server {
    let host = folder("fixtures/server");
    let flag = |name: &str, path: &str| format!("--path.{name}={}", host.join(path).display());
    servers::vitals_exporter(&[flag("procfs", "proc"), flag("sysfs", "sys"), flag("udev.data", "udev")])
}

#[test]
#[ignore = "needs tmux (tests/run installs it)"]
fn the_screen_says_what_the_files_of_a_recorder_say() {
    let storage = tempfile::tempdir().unwrap();
    let exporter = exporter();
    let mut recorder = servers::scrape_log(&[exporter.address], storage.path());
    let path = storage.path().to_owned();
    recorder.wait_for("scrapes", PATIENCE, |_| {
        let scrapes = fs::read_dir(&path).ok()?.filter_map(|entry| fs::read_dir(entry.ok()?.path()).ok());
        let files = scrapes.flatten().filter_map(|entry| fs::read_to_string(entry.ok()?.path()).ok());
        let marks: usize = files.map(|text| text.matches("\nscrape_samples_post").count()).sum();
        (marks > 5).then_some(())
    });
    recorder.terminate(PATIENCE);
    let values = last_values(storage.path());
    let memory = 1.0 - values["node_memory_MemAvailable_bytes"] / values["node_memory_MemTotal_bytes"];
    let memory = format!("{:.0} %", memory * 100.0);
    let load = format!("load {:.1}", values["node_load1"]);
    let heat = values.iter().filter(|(name, _)| name.starts_with("node_hwmon_temp_celsius"));
    assert!(heat.count() > 0 && values["node_load1"] > 0.0, "{values:?}");
    for (width, height) in [(80, 24), (200, 60)] {
        let tmux = Tmux::start(width, height);
        tmux.type_line(&format!("{PROGRAM} top {}", storage.path().display()));
        let screen = tmux.wait("host", |screen| screen.iter().any(|line| line.contains(" load ")));
        assert!(screen.len() <= height && screen.iter().all(|line| line.chars().count() <= width));
        assert!(screen[0].starts_with(" LIVE ") && screen[1].starts_with("1 host"), "{screen:#?}");
        let row = line(&screen, "> ");
        assert!(row.contains(&format!(" {memory}")), "{memory}: {row}");
        assert!(line(&screen, "load").contains(&load), "{load}: {screen:#?}");
        assert!(line(&screen, "memory ").contains(&memory), "{screen:#?}");
    }
}

#[test]
#[ignore = "needs tmux (tests/run installs it)"]
fn stepping_shows_earlier_scrapes_and_new_ones_come_by_themselves() {
    let storage = tempfile::tempdir().unwrap();
    let times = write_host(storage.path(), "db01", 30);
    write_host(storage.path(), "db02", 10);
    for (width, height) in [(80, 24), (200, 60)] {
        let tmux = Tmux::start(width, height);
        tmux.type_line(&format!("TZ=UTC {PROGRAM} top {}", storage.path().display()));
        let shows = |share: &str| {
            let wanted = format!(" {share} %");
            tmux.wait(&wanted, |screen| {
                screen
                    .iter()
                    .any(|line| line.starts_with("> ") && line.contains("db01") && line.contains(&wanted))
            })
        };
        shows("39");
        let clock = |index: usize| {
            let time = jiff::Timestamp::from_second(i64::try_from(times[index]).unwrap()).unwrap();
            time.strftime(" PAST  %Y-%m-%d %H:%M:%S UTC").to_string()
        };
        tmux.keys(&["Left"]);
        let before = shows("38");
        assert!(before[0].starts_with(&clock(28)), "{}", before[0]);
        // The other as it was then.
        assert!(line(&before, "db02").contains(" 18 %"), "{before:#?}");
        tmux.keys(&["["]);
        let earlier = shows("28");
        assert!(earlier[0].starts_with(&clock(18)), "{}", earlier[0]);
        assert!(!earlier.concat().contains("db02"), "it was not recorded yet: {earlier:#?}");
        assert!(earlier[1].contains("1 not recorded then"), "{}", earlier[1]);
        tmux.keys(&["Right", "Right"]);
        shows("30");
        tmux.keys(&["l"]);
        assert!(shows("39")[0].starts_with(" LIVE "));
        tmux.keys(&["q"]);
        tmux.wait("shell", |screen| screen.concat().ends_with("ready>"));
        let at = jiff::Timestamp::from_second(i64::try_from(times[5]).unwrap()).unwrap();
        tmux.type_line(&format!("{PROGRAM} top {} --at {at}", storage.path().display()));
        shows("15");
    }
}

#[test]
#[ignore = "needs tmux (tests/run installs it)"]
fn a_running_recorder_is_shown_and_missed() {
    let storage = tempfile::tempdir().unwrap();
    let exporter = exporter();
    let config = storage.path().join("prometheus.yml");
    let target = exporter.address;
    let text = format!(
        "scrape_configs:\n- job_name: node\n  scrape_interval: 1s\n  static_configs: [{{targets: ['{target}']}}]\n"
    );
    fs::write(&config, text).unwrap();
    let recorder = servers::scrape_log_with(&config, &storage.path().join("data"), &[] as &[&str]);
    let tmux = Tmux::start(100, 24);
    tmux.type_line(&format!("{PROGRAM} top --url http://{}", recorder.address));
    let screen = tmux.wait("host", |screen| screen.concat().contains(" load "));
    let api: serde_json::Value =
        serde_json::from_str(&http::get_ok(recorder.address, "/api/v1/vitals")).unwrap();
    let vitals = &api["hosts"][0]["vitals"];
    let memory = format!("{:.0} %", vitals["memory_used_ratio"].as_f64().unwrap() * 100.0);
    assert!(line(&screen, "> ").contains(&memory), "{memory}: {screen:#?}");
    assert!(line(&screen, "> ").contains(api["hosts"][0]["name"].as_str().unwrap()), "{screen:#?}");
    tmux.keys(&["Left"]);
    tmux.wait("no past", |screen| screen.concat().contains("scrape-log top DIR"));
    recorder.process.terminate(PATIENCE);
    tmux.wait("refusal", |screen| screen[1].starts_with("! connect to"));
    tmux.wait("old numbers", |screen| screen[1].contains("1 stale") || screen.concat().contains(" s old"));
}

#[test]
#[ignore = "needs tmux (tests/run installs it)"]
fn the_terminal_is_left_as_it_was() {
    let storage = tempfile::tempdir().unwrap();
    write_host(storage.path(), "db01", 3);
    let tmux = Tmux::start(80, 24);
    let leave = |how: &dyn Fn()| {
        tmux.type_line(&format!("clear; echo before; {PROGRAM} top {}; stty -a", storage.path().display()));
        tmux.wait("view", |screen| screen[0].starts_with(" LIVE ") && screen.concat().contains("db01"));
        how();
        let screen = tmux.wait("settings", |screen| screen.concat().contains("icanon"));
        let screen = screen.join("\n");
        assert!(screen.contains("before") && !screen.contains("LIVE"), "{screen}");
        let settings: Vec<&str> = screen.split([' ', ';', '\n']).collect();
        assert!(settings.contains(&"echo") && settings.contains(&"icanon"), "{screen}");
        assert_eq!(tmux.run(&["list-panes", "-F", "#{alternate_on} #{cursor_flag}"]).trim(), "0 1");
    };
    leave(&|| tmux.keys(&["q"]));
    leave(&|| tmux.keys(&["Escape"]));
    leave(&|| tmux.keys(&["C-c"]));
    leave(&|| kill_process(tmux.top_pid(), Signal::TERM).unwrap());
    // Larger and smaller while it runs.
    tmux.type_line(&format!("{PROGRAM} top {}", storage.path().display()));
    tmux.wait("view", |screen| screen[0].starts_with(" LIVE "));
    for (width, height) in [("120", "40"), ("20", "5"), ("10", "2"), ("80", "24")] {
        tmux.run(&["resize-window", "-x", width, "-y", height]);
        std::thread::sleep(Duration::from_millis(300));
    }
    let screen =
        tmux.wait("view", |screen| screen[0].starts_with(" LIVE ") && screen.concat().contains("db01"));
    assert!(screen.last().unwrap().contains("? keys"), "{screen:#?}");
}

#[test]
fn without_a_terminal_the_table_is_printed_once() {
    let storage = tempfile::tempdir().unwrap();
    let times = write_host(storage.path(), "db01", 20);
    let print = |arguments: &[&str]| {
        let output = Command::new(PROGRAM).arg("top").arg(storage.path()).args(arguments).output().unwrap();
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        String::from_utf8(output.stdout).unwrap()
    };
    let present = print(&[]);
    let lines: Vec<&str> = present.lines().collect();
    assert!(lines[0].contains("1 host: 1 up"), "{present}");
    assert!(lines[2].trim_start().starts_with("STATE"), "{present}");
    assert!(lines[3].contains("db01") && lines[3].contains("29 %"), "{present}");
    assert!(!present.contains('\x1b') && lines.iter().all(|line| line.trim_end() == *line), "{present:?}");
    let past =
        print(&["--once", "--at", &format!("{}", jiff::Timestamp::from_second(times[4] as i64).unwrap())]);
    assert!(past.contains("db01") && past.contains("14 %"), "{past}");
}

#[test]
fn what_can_not_be_shown_is_an_error_with_a_remedy() {
    let fail = |arguments: &[&str], code| {
        let output = Command::new(PROGRAM).arg("top").args(arguments).output().unwrap();
        let said = String::from_utf8(output.stderr).unwrap();
        assert_eq!(output.status.code(), Some(code), "{arguments:?}: {said}");
        assert!(output.stdout.is_empty());
        said
    };
    assert!(fail(&["/nowhere/at/all"], 1).contains("--storage.path"));
    assert!(fail(&[], 64).contains("scrape-log top data"));
    // Nobody listens on a port that was free just now.
    let free = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap().local_addr().unwrap();
    let url = format!("http://{free}");
    assert!(fail(&["--url", &url, "--once"], 1).contains("connection refused"));
    assert!(fail(&["--url", &url, "--at", "2h"], 64).contains("the past is in its files"));
    let exporter: SocketAddr = exporter().address;
    assert!(fail(&["--url", &format!("http://{exporter}/metrics")], 1).contains("leave it out"));
}

/// The feature is all that needs ratatui: what is left of the library is built without it, in tests/run.
#[test]
fn ratatui_comes_with_the_feature_alone() {
    let manifest = fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("Cargo.toml")).unwrap();
    assert!(manifest.contains("default = [\"top\"]") && manifest.contains("top = [\"dep:ratatui\"]"));
    let ratatui = manifest.lines().find(|line| line.starts_with("ratatui = ")).unwrap();
    assert!(ratatui.contains("default-features = false") && ratatui.contains("optional = true"), "{ratatui}");
}

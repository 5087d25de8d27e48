//! What each key of a prometheus.yml comes to: the requests that peers get, and the lines in the files.

use super::bench::files;
use super::common::process::Running;
use super::common::{http, wait_until};
use super::peer::{Caller, Peer, ok, redirect};
use super::tls::Authority;
use rustix::process::Signal;
use serde_json::Value;
use std::fs;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::process::Command;
use std::sync::mpsc;
use std::time::Duration;
use tempfile::TempDir;
use vitals::base::shutdown::{Shutdown, Trigger};
use vitals::scrape_log::{Error, ScrapeLog, args};

const LONG: Duration = Duration::from_secs(30);
const PAGE: &str = "# TYPE a gauge\na{long_name=\"a long value\",job=\"page\"} 1\nb 2\n";

/// A recorder that goes by a prometheus.yml, and the folder of all its files.
struct Recorder {
    folder: TempDir,
    address: SocketAddr,
    trigger: Option<Trigger>,
    thread: Option<std::thread::JoinHandle<()>>,
}

fn options(folder: &TempDir) -> vitals::scrape_log::Options {
    let path = |name: &str| folder.path().join(name).display().to_string();
    let args::Command::Record(options) = args::parse([
        "scrape-log".to_owned(),
        format!("--config.file={}", path("prometheus.yml")),
        format!("--storage.path={}", path("data")),
        "--web.listen-address=127.0.0.1:0".to_owned(),
    ])
    .unwrap() else {
        unreachable!()
    };
    *options
}

impl Recorder {
    /// Starts with this configuration in a folder that has `others` in it too.
    fn start(configuration: &str, others: &[(&str, &str)]) -> Self {
        let folder = tempfile::tempdir().unwrap();
        for (name, text) in others.iter().chain([&("prometheus.yml", configuration)]) {
            fs::write(folder.path().join(name), text).unwrap();
        }
        let options = options(&folder);
        let (trigger, shutdown) = Shutdown::new();
        let (started, address) = mpsc::channel();
        let thread = std::thread::spawn(move || {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
            runtime.block_on(async {
                let recorder = ScrapeLog::start(options).unwrap();
                started.send(recorder.addresses()[0]).unwrap();
                recorder.run(shutdown).await.unwrap();
            });
            runtime.shutdown_background();
        });
        let address = address.recv_timeout(LONG).expect("a recorder that starts");
        Self { folder, address, trigger: Some(trigger), thread: Some(thread) }
    }

    fn targets(&self) -> Vec<Value> {
        let text = http::get_ok(self.address, "/api/v1/targets");
        let answer: Value = serde_json::from_str(&text).unwrap();
        answer["data"]["activeTargets"].as_array().unwrap().clone()
    }

    /// The targets once `count` of them have been scraped, by the names of their jobs.
    fn scraped(&self, count: usize) -> Vec<(String, Value)> {
        let name = |target: Value| (target["scrapePool"].as_str().unwrap().to_owned(), target);
        wait_until("scrapes of all targets", LONG, || {
            let targets = self.targets();
            let all = targets.len() == count && targets.iter().all(|target| target["health"] != "unknown");
            all.then(|| targets.into_iter().map(name).collect())
        })
    }

    /// Stops, and gives what the files of each job say.
    fn stop(mut self) -> Vec<String> {
        self.trigger.take().unwrap().now();
        self.thread.take().unwrap().join().unwrap();
        files(&self.folder.path().join("data")).into_values().map(|texts| texts.concat()).collect()
    }
}

/// The lines that begin so in the file of the job.
fn lines<'a>(files: &'a [String], job: &str, start: &str) -> Vec<&'a str> {
    let mark = format!("job=\"{job}\"");
    let file =
        files.iter().find(|text| text.lines().any(|line| line.starts_with("up{") && line.contains(&mark)));
    let file = file.unwrap_or_else(|| panic!("no file of {job}: {files:?}"));
    let lines: Vec<&str> = file.lines().filter(|line| line.starts_with(start)).collect();
    assert!(!lines.is_empty() || start != "up{", "{job}: {file}");
    lines
}

/// What the peer was asked on this path first, in lower case.
fn request(peer: &Peer, path: &str) -> String {
    let begins = |request: &String| {
        let rest = request.strip_prefix("GET ").and_then(|rest| rest.strip_prefix(path));
        rest.is_some_and(|rest| rest.starts_with(['?', ' ']))
    };
    peer.requests().iter().find(|request| begins(request)).expect(path).to_lowercase()
}

#[test]
fn what_a_job_says_about_requests() {
    let peer = Peer::exporter(PAGE);
    let address = peer.address;
    let configuration = format!(
        "global:\n  scrape_interval: 1s\n  scrape_timeout: 900ms\n\
         scrape_configs:\n\
         - job_name: plain\n  static_configs: [{{targets: ['{address}']}}]\n\
         - job_name: asked\n  metrics_path: /probe\n  scrape_timeout: 800ms\n  enable_compression: false\n  \
           params: {{'collect[]': [cpu, 'a&b'], module: [http]}}\n  static_configs: [{{targets: ['{address}']}}]\n\
         - job_name: basic\n  metrics_path: /basic\n  basic_auth: {{username: me, password_file: password}}\n  \
           static_configs: [{{targets: ['{address}']}}]\n\
         - job_name: token\n  metrics_path: /token\n  authorization: {{type: Token, credentials: hunter2}}\n  \
           static_configs: [{{targets: ['{address}']}}]\n\
         - job_name: listed\n  metrics_path: /listed\n  file_sd_configs: [{{files: ['list*.json']}}]\n  \
           relabel_configs:\n  - {{source_labels: [rack], target_label: __param_rack}}\n  \
           - {{source_labels: [speed], regex: slow, target_label: __scrape_interval__, replacement: 1500ms}}\n  \
           - {{source_labels: [rack], regex: r2, action: drop}}\n"
    );
    let list = format!(
        "[{{\"targets\": [\"{address}\"], \"labels\": {{\"rack\": \"r1\", \"speed\": \"slow\"}}}},\
          {{\"targets\": [\"{address}\"], \"labels\": {{\"rack\": \"r2\"}}}}]"
    );
    let recorder = Recorder::start(&configuration, &[("password", "hunter2\n"), ("list.json", &list)]);
    let targets = recorder.scraped(5);
    for (job, target) in &targets {
        assert_eq!((&target["health"], &target["lastError"]), (&"up".into(), &"".into()), "{job}");
        let interval = if job == "listed" { "1s500ms" } else { "1s" };
        let timeout = if job == "asked" { "800ms" } else { "900ms" };
        assert_eq!(
            (&target["scrapeInterval"], &target["scrapeTimeout"]),
            (&interval.into(), &timeout.into())
        );
    }
    let has = |path: &str, line: &str| request(&peer, path).contains(&format!("\r\n{line}\r\n"));
    assert!(has("/metrics", "accept-encoding: gzip"));
    assert!(has("/metrics", "x-prometheus-scrape-timeout-seconds: 0.9"));
    assert!(!request(&peer, "/metrics").contains("authorization"));
    let asked = request(&peer, "/probe");
    assert!(
        asked.starts_with("get /probe?collect%5b%5d=cpu&collect%5b%5d=a%26b&module=http http/1.1\r\n"),
        "{asked}"
    );
    assert!(!asked.contains("accept-encoding") && has("/probe", "x-prometheus-scrape-timeout-seconds: 0.8"));
    // What "me:hunter2" is in base64, in lower case.
    assert!(has("/basic", "authorization: basic bwu6ahvudgvymg=="), "{}", request(&peer, "/basic"));
    assert!(has("/token", "authorization: token hunter2"));
    assert!(request(&peer, "/listed").starts_with("get /listed?rack=r1 "));
    for page in ["/api/v1/targets", "/targets", "/metrics"] {
        assert!(!http::get_ok(recorder.address, page).contains("hunter2"), "{page}");
    }
    let files = recorder.stop();
    assert_eq!(files.len(), 5, "the target of rack r2 is dropped: {files:?}");
    assert!(files.iter().all(|text| !text.contains("hunter2")));
    assert!(
        lines(&files, "listed", "# HELP scrapelog_").iter().any(|line| line.contains("\"interval\":1.5"))
    );
    assert!(lines(&files, "listed", "up{")[0].contains("rack=\"r1\""));
}

#[test]
fn what_a_job_says_about_labels_and_limits() {
    let peer = Peer::exporter(PAGE);
    let jobs = [
        ("plain", "honor_labels: false", ""),
        ("honest", "honor_labels: true", ""),
        (
            "changed",
            "metric_relabel_configs: [{source_labels: [__name__], regex: b, action: drop}, \
             {regex: long_(.*), action: labelmap}, {regex: long_.*, action: labeldrop}]",
            "",
        ),
        ("samples", "sample_limit: 1", "sample_limit is 1"),
        (
            "enough",
            "sample_limit: 2, label_limit: 5, label_name_length_limit: 12, label_value_length_limit: 30",
            "",
        ),
        ("labels", "label_limit: 4", "label_limit"),
        ("names", "label_name_length_limit: 11", "label_name_length_limit"),
        ("values", "label_value_length_limit: 11", "label_value_length_limit"),
        ("bytes", "body_size_limit: 10B", "larger than 10 bytes"),
    ];
    let mut configuration = "global: {scrape_interval: 1s}\nscrape_configs:\n".to_owned();
    for (name, keys, _) in jobs {
        configuration += &format!(
            "- {{job_name: {name}, metrics_path: /{name}, {keys}, static_configs: [{{targets: ['{}']}}]}}\n",
            peer.address
        );
    }
    configuration += "- {job_name: many, target_limit: 1, static_configs: [{targets: ['h1:1', 'h2:1']}]}\n";
    let recorder = Recorder::start(&configuration, &[]);
    let targets = recorder.scraped(jobs.len() + 2);
    for (name, _, want) in jobs.into_iter().chain([("many", "", "target_limit exceeded: 2 targets, limit 1")])
    {
        for (_, target) in targets.iter().filter(|(job, _)| job == name) {
            let error = target["lastError"].as_str().unwrap();
            let health = if want.is_empty() { "up" } else { "down" };
            assert!(target["health"] == health && error.contains(want), "{name}: {target}");
        }
    }
    let files = recorder.stop();
    for (name, _, want) in jobs {
        let value = if want.is_empty() { "} 1 " } else { "} 0 " };
        assert!(lines(&files, name, "up{").iter().all(|line| line.contains(value)), "{name}");
        assert_eq!(lines(&files, name, "a{").is_empty(), !want.is_empty(), "{name}");
    }
    let first = |job, start| lines(&files, job, start)[0].rsplit_once(' ').unwrap().0.to_owned();
    let instance = format!("instance=\"{}\"", peer.address);
    let page = "long_name=\"a long value\"";
    assert_eq!(first("plain", "a{"), format!("a{{job=\"plain\",{instance},exported_job=\"page\",{page}}} 1"));
    assert_eq!(lines(&files, "plain", "b{").len(), lines(&files, "plain", "a{").len());
    let own = files.iter().find(|text| text.contains("a{job=\"page\",")).expect("the page's job");
    assert!(own.contains(&format!("a{{job=\"page\",{instance},{page}}} 1 ")), "{own}");
    assert_eq!(
        first("changed", "a{"),
        format!("a{{job=\"changed\",{instance},exported_job=\"page\",name=\"a long value\"}} 1")
    );
    assert_eq!(lines(&files, "changed", "b{"), [""; 0]);
    assert_eq!(peer.requests().iter().filter(|request| request.starts_with("GET /metrics")).count(), 0);
}

#[test]
fn what_a_job_says_about_redirects_and_tls() {
    let authority = Authority::new();
    let server = authority.sign(&["db01.example"], |_| {});
    let client = authority.sign(&["scraper"], |_| {});
    let answer = |caller: &mut Caller| {
        while let Some(request) = caller.listen() {
            let answer = if request.starts_with("GET /old ") { redirect("/new") } else { ok(PAGE) };
            if !caller.say(&answer) {
                return;
            }
        }
    };
    let (plain, secure) = (Peer::new(answer), Peer::tls(server.server(Some(&authority)), answer));
    let own = "ca_file: ca.pem, cert_file: client.pem, key_file: client.key";
    let jobs = [
        ("followed", "http", "metrics_path: /old", ""),
        ("stays", "http", "metrics_path: /old, follow_redirects: false", "redirects to \"/new\""),
        ("named", "https", &format!("tls_config: {{{own}, server_name: db01.example}}"), ""),
        ("unnamed", "https", &format!("tls_config: {{{own}}}"), "TLS: "),
        ("unknown", "https", "tls_config: {ca_file: ca.pem, server_name: db01.example}", "TLS: "),
        (
            "careless",
            "https",
            "tls_config: {insecure_skip_verify: true, cert_file: client.pem, key_file: client.key}",
            "",
        ),
        (
            "strict",
            "https",
            "tls_config: {server_name: db01.example, cert_file: client.pem, key_file: client.key}",
            "TLS: ",
        ),
    ];
    let mut configuration = "global: {scrape_interval: 5s}\nscrape_configs:\n".to_owned();
    for (name, scheme, keys, _) in &jobs {
        let address = if *scheme == "http" { plain.address } else { secure.address };
        configuration += &format!(
            "- {{job_name: {name}, scheme: {scheme}, {keys}, static_configs: [{{targets: ['{address}']}}]}}\n"
        );
    }
    let others = [("ca.pem", authority.pem()), ("client.pem", client.pem), ("client.key", client.key_pem)];
    let others: Vec<_> = others.iter().map(|(name, text)| (*name, text.as_str())).collect();
    let recorder = Recorder::start(&configuration, &others);
    let targets = recorder.scraped(jobs.len());
    for (name, _, _, want) in jobs {
        let (_, target) = targets.iter().find(|(job, _)| job == name).unwrap();
        let error = target["lastError"].as_str().unwrap();
        assert_eq!(target["health"], if want.is_empty() { "up" } else { "down" }, "{name}: {target}");
        assert!(error.contains(want), "{name}: {error}");
    }
    recorder.stop();
}

#[test]
fn what_can_not_be_used_is_said_before_anything_is_written() {
    for (configuration, want) in [
        ("scrape_configs: [{job_name: a}]", "there is no target to scrape"),
        (
            "scrape_configs: [{job_name: a, basic_auth: {password_file: gone}, static_configs: [{targets: ['a:1']}]}]",
            "basic_auth.password_file",
        ),
        (
            "scrape_configs: [{job_name: a, sample_limits: 1}]",
            "prometheus.yml:1:32: unknown key \"sample_limits\"",
        ),
    ] {
        let folder = tempfile::tempdir().unwrap();
        fs::write(folder.path().join("prometheus.yml"), configuration).unwrap();
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        let (_trigger, shutdown) = Shutdown::new();
        let outcome: Result<(), Error> =
            runtime.block_on(async { ScrapeLog::start(options(&folder))?.run(shutdown).await });
        runtime.shutdown_background();
        let error = outcome.unwrap_err().to_string();
        assert!(error.contains(want), "{configuration}: {error}");
        assert!(!folder.path().join("data").exists(), "{configuration}");
    }
}

/// Runs the program until it ends, and gives its exit code and what it printed.
fn run(arguments: &[&str]) -> (Option<i32>, String) {
    let output = Command::new(env!("CARGO_BIN_EXE_scrape-log")).args(arguments).output().unwrap();
    let text = [output.stdout, output.stderr].concat();
    (output.status.code(), String::from_utf8(text).unwrap())
}

#[test]
fn the_program_keeps_secrets_and_says_by_its_exit_code_what_was_wrong() {
    let folder = tempfile::tempdir().unwrap();
    let path = |name: &str| -> PathBuf { folder.path().join(name) };
    let (file, storage) = (path("prometheus.yml"), path("data"));
    let peer = Peer::answering("HTTP/1.1 401 Unauthorized\r\nContent-Length: 0\r\n\r\n");
    fs::write(path("list.yml"), "- targets: ['me:hunter2@db01:9100', 'http://me:hunter2@db01:9100/x']\n")
        .unwrap();
    let good = format!(
        "scrape_configs:\n- job_name: a\n  scrape_interval: 300ms\n  basic_auth: {{username: me, password: hunter2}}\n  \
         static_configs: [{{targets: ['{}']}}]\n  file_sd_configs: [{{files: [list.yml]}}]\n",
        peer.address
    );
    fs::write(&file, &good).unwrap();
    let (file_flag, storage_flag) =
        (format!("--config.file={}", file.display()), format!("--storage.path={}", storage.display()));
    let mut command = Command::new(env!("CARGO_BIN_EXE_scrape-log"));
    command.args([&file_flag, &storage_flag, "--web.listen-address=127.0.0.1:0", "--log.level=debug"]);
    let mut running = Running::start(command);
    running.wait_for("refused scrape", LONG, |log| log.contains("status 401").then_some(()));
    running.wait_for("refused targets", LONG, |log| (log.matches("...@db01").count() >= 2).then_some(()));
    // A mistake in the very lines of the secret.
    fs::write(&file, good.replace("password: hunter2", "pasword: hunter2")).unwrap();
    running.signal(Signal::HUP);
    running.wait_for("mistake", LONG, |log| log.contains("unknown key \\\"pasword\\\"").then_some(()));
    let (code, said) = run(&["check-config", &file.display().to_string()]);
    assert!(
        code == Some(1) && said.contains("unknown key \"pasword\"") && !said.contains("hunter2"),
        "{said}"
    );
    let (code, said) = run(&[&file_flag, &storage_flag]);
    assert!(code == Some(1) && said.contains("unknown key") && !said.contains("hunter2"), "{code:?} {said}");
    let (status, log) = running.terminate(LONG);
    assert!(status.success() && !log.contains("hunter2"), "{log}");

    fs::write(&file, &good).unwrap();
    for (arguments, want, text) in [
        (&["--config.file"][..], 64, "--config.file"),
        (&[&file_flag, "--target=db01:9100"], 64, "can't be used together"),
        (&["--target=me:hunter2@db01:9100"], 64, "before the @"),
        (&[&file_flag, "--storage.path=/proc/nowhere"], 1, "--storage.path"),
        (&["--config.file=/nowhere/prometheus.yml"], 1, "can't read /nowhere/prometheus.yml"),
        (&[&file_flag, &storage_flag, "--web.listen-address=192.0.2.1:9"], 1, "192.0.2.1:9"),
    ] {
        let (code, said) = run(arguments);
        assert!(code == Some(want) && said.contains(text), "{arguments:?}: {code:?} {said}");
        assert!(!said.contains("hunter2"), "{said}");
    }
    let (code, said) = run(&["check-config", &file.display().to_string()]);
    assert!(code == Some(1) && said.matches("...@db01").count() == 2 && !said.contains("hunter2"), "{said}");
    fs::write(path("list.yml"), "[]\n").unwrap();
    let (code, said) = run(&["check-config", &file.display().to_string()]);
    assert!(code == Some(0) && !said.contains("hunter2"), "{said}");
}

//! Configurations in the eyes of Prometheus and in ours: what is accepted, and which targets with which labels come of
//! it.
#![allow(clippy::unwrap_used)]

mod common;

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;
use std::time::{Duration, Instant};

use common::http;
use common::servers::{Server, prometheus, promtool};
use serde_json::{Value, json};
use vitals::scrape_log::config::{self, Config, Discovery, Job};
use vitals::scrape_log::labels::Labels;
use vitals::scrape_log::relabel;

/// Keys of a job that both accept.
const GOOD: &[&str] = &[
    "",
    "scrape_interval: 1m30s",
    "scrape_interval: 1d\n  scrape_timeout: 1h",
    "scrape_interval: 0s",
    "scrape_interval: 500ms",
    "metrics_path: /probe\n  params: {module: [http_2xx], 'collect[]': [cpu, 1, true, ~]}",
    "params: {module: ~}",
    "honor_labels: yes\n  honor_timestamps: off",
    "scheme: https",
    "sample_limit: 0x10\n  target_limit: 010\n  label_limit: 1_000",
    "label_name_length_limit: 5\n  label_value_length_limit: 6",
    "body_size_limit: 16MB",
    "body_size_limit: 1.5GiB",
    "body_size_limit: 0",
    "static_configs: [{targets: [db01, 'db02:9100', '[::1]:9100'], labels: {a: 1, b: ~, c: yes}}]",
    "static_configs: []",
    "static_configs:",
    "static_configs: [{targets: ['https://x/y']}]\n  relabel_configs: [{target_label: __address__, replacement: b}]",
    "file_sd_configs: [{files: ['*.json'], refresh_interval: 5m}]",
    "http_sd_configs: [{url: 'http://127.0.0.1:1/x', refresh_interval: 1m}]",
    "basic_auth: {username: a, password: b}",
    "basic_auth: {username: a, password_file: /dev/null}",
    "basic_auth: {}",
    "basic_auth:",
    "authorization: {type: Token, credentials: b}",
    "authorization: {credentials_file: /dev/null}",
    "bearer_token: b",
    "bearer_token_file: /dev/null",
    "tls_config: {insecure_skip_verify: true, server_name: x, min_version: TLS12}",
    "tls_config: {cert_file: /dev/null, key_file: /dev/null}",
    "follow_redirects: false\n  enable_http2: false",
    "relabel_configs: [{source_labels: [a, __b], regex: 'x(.*)', target_label: c, replacement: '$1'}]",
    "relabel_configs: [{target_label: 'a_${1}_b$2', replacement: x}]",
    "relabel_configs: [{action: Keep, source_labels: [a], regex: b}]",
    "relabel_configs: [{action: drop}]",
    "relabel_configs: [{action: labelmap, regex: '__meta_(.+)'}]",
    "relabel_configs: [{action: labeldrop, regex: a}]",
    "relabel_configs: [{action: hashmod, source_labels: [a], modulus: 5, target_label: b}]",
    "relabel_configs: [{action: keepequal, source_labels: [a], target_label: b}]",
    "relabel_configs: [{action: uppercase, source_labels: [a], target_label: b}]",
    "relabel_configs: [{source_labels: [a], separator: '', regex: 1, target_label: b}]",
    "metric_relabel_configs: [{source_labels: [__name__], regex: 'go_.*', action: drop}]",
    "relabel_configs: &rules [{target_label: a, replacement: b}]\n  metric_relabel_configs: *rules",
    "relabel_configs: [{source_labels: [a], regex: '[[:alpha:]]+(?P<n>[^a]|\\d{2,3})(?i)x\\-\\.\\/', target_label: b}]",
];

/// Keys of a job that neither accepts.
const BAD: &[&str] = &[
    "scrape_intervall: 5s",
    "scrape_interval: 15",
    "scrape_interval: 1.5m",
    "scrape_interval: -5s",
    "scrape_interval: ''",
    "scrape_interval: 5 s",
    "scrape_timeout: 2m",
    "scrape_interval: [5s]",
    "honor_labels: maybe",
    "honor_labels: 'true'",
    "sample_limit: -1",
    "sample_limit: '5'",
    "sample_limit: x",
    "body_size_limit: 16",
    "body_size_limit: 16mb",
    "params: {a: b}",
    "params: [a]",
    "static_configs: {targets: [a]}",
    "static_configs: [a]",
    "static_configs: [~]",
    "static_configs: [{target: [a]}]",
    "static_configs: [{targets: [a/b]}]",
    "static_configs: [{targets: ['http://a:1']}]",
    "static_configs: [{targets: ['']}]",
    "static_configs: [{targets: [a], labels: {a-b: c}}]",
    "static_configs: [{targets: [a], labels: {b: [c]}}]",
    "file_sd_configs: [{files: [a.txt]}]",
    "file_sd_configs: [{files: ['*/a.yml']}]",
    "file_sd_configs: [{}]",
    "http_sd_configs: [{}]",
    "http_sd_configs: [{url: 'ftp://x/'}]",
    "http_sd_configs: [{url: 'http:///x'}]",
    "consul_sd_config: []",
    "basic_auth: {username: a, password: b, password_file: /dev/null}",
    "basic_auth: {user: a}",
    "basic_auth: {username: a}\n  bearer_token: b",
    "bearer_token: a\n  bearer_token_file: /dev/null",
    "authorization: {type: Basic, credentials: b}",
    "authorization: {credentials: b, credentials_file: /dev/null}",
    "authorization: {credentials: b}\n  basic_auth: {username: a}",
    "tls_config: {cert_file: /dev/null}",
    "tls_config: {key_file: /dev/null}",
    "tls_config: {min_version: SSL3}",
    "tls_config: {insecure: true}",
    "relabel_configs: [{action: explode}]",
    "relabel_configs: [{action: 'keep '}]",
    "relabel_configs: [{source_labels: [a], regex: '('}]",
    "relabel_configs: [{source_labels: [a]}]",
    "relabel_configs: [{target_label: a-b}]",
    "relabel_configs: [{target_label: '$'}]",
    "relabel_configs: [{source_labels: [a-b], target_label: c}]",
    "relabel_configs: [{source_labels: a, target_label: c}]",
    "relabel_configs: [{action: hashmod, source_labels: [a], target_label: b}]",
    "relabel_configs: [{action: hashmod, source_labels: [a], modulus: 5, target_label: '$1'}]",
    "relabel_configs: [{action: labelmap, regex: a, replacement: a-b}]",
    "relabel_configs: [{action: labelkeep, regex: a, separator: x}]",
    "relabel_configs: [{action: keepequal, source_labels: [a], target_label: b, regex: c}]",
    "relabel_configs: [~]",
    "metric_relabel_configs: [{actoin: drop}]",
    "job_name: b",
    "x: [",
];

/// Keys of a job that only one accepts, whether that is Prometheus, and why.
const DIFFERENT: &[(&str, bool, &str)] = &[
    ("scheme: ftp", true, "Prometheus finds out at the first scrape"),
    ("proxy_url: http://x", true, "there is no proxy here"),
    ("oauth2: {client_id: a, client_secret: b, token_url: 'http://x'}", true, "OAuth 2 is not spoken"),
    (
        "relabel_configs: [{action: lowercase, source_labels: [a], target_label: '$1'}]",
        true,
        "the label would be named $1",
    ),
    ("dns_sd_configs: [{names: [a]}]", true, "other kinds of discovery are not there"),
    ("tls_config: {min_version: TLS13}", true, "TLS 1.2 can't be switched off"),
    (
        "relabel_configs: [{source_labels: [a], regex: '\\p{Lu}', target_label: b}]",
        true,
        "no classes of Unicode",
    ),
    ("http_sd_configs: [{url: 'http://a:b@x/'}]", true, "the password would be in messages"),
    ("scrape_interval: 5y", true, "a year is beyond every use"),
    ("scrape_interval: 1s1m", false, "any order of units is read"),
    ("enable_compression: false", false, "newer than the Prometheus of the test"),
    ("scrape_protocols: [PrometheusText0.0.4]", false, "newer than the Prometheus of the test"),
    ("tls_config: {ca: x}", false, "newer than the Prometheus of the test"),
    ("basic_auth: {username_file: /dev/null}", false, "newer than the Prometheus of the test"),
];

/// Whole files: whether Prometheus accepts them, and whether we do.
const FILES: &[(&str, bool, bool)] = &[
    ("global: {scrape_interval: 5s}\n", true, true),
    ("global: {scrape_interval: 5s, scrape_timeout: 10s}\n", false, false),
    ("global: {external_labels: {a: b}, evaluation_interval: 1m, query_log_file: x}\n", true, true),
    ("global: {external_labels: {a-b: b}}\n", false, false),
    ("global: {scrap_interval: 5s}\n", false, false),
    ("globals: {}\n", false, false),
    ("scrape_configs: [{job_name: a}, {job_name: a}]\n", false, false),
    ("scrape_configs: [{metrics_path: /}]\n", false, false),
    ("scrape_configs: [{job_name: ''}]\n", false, false),
    ("scrape_configs: [~]\n", false, false),
    ("scrape_configs: {a: b}\n", false, false),
    ("alerting: {}\nrule_files: []\nremote_write: []\nstorage: {}\n", true, true),
    ("a: 1\na: 2\n", false, false),
    // Nothing to scrape is most likely a mistake here.
    ("", true, false),
    ("# nothing\n", true, false),
    // Only the first document counts for Prometheus, which says nothing of the second.
    ("global: {}\n---\nglobal: {}\n", true, false),
    // Newer than the Prometheus of the test.
    ("global: {sample_limit: 5}\n", false, true),
    ("scrape_config_files: [x.yml]\n", false, true),
];

fn job_with(keys: &str) -> String {
    format!("scrape_configs:\n- job_name: a\n  {keys}\n")
}

/// Whether Prometheus accepts a configuration, and what it says.
fn theirs(text: &str, directory: &Path) -> Result<(), String> {
    let file = directory.join("prometheus.yml");
    fs::write(&file, text).unwrap();
    let output = promtool(&["check", "config", file.to_str().unwrap()], "");
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    if output.status.success() { Ok(()) } else { Err(said) }
}

fn ours(text: &str, directory: &Path) -> Result<(), String> {
    config::parse(text, &directory.join("prometheus.yml")).map(drop).map_err(|error| error.to_string())
}

#[test]
#[ignore = "needs promtool (tests/run installs it)"]
fn accepts_what_prometheus_accepts() {
    let directory = tempfile::tempdir().unwrap();
    let all = GOOD.iter().map(|keys| (job_with(keys), true, true));
    let all = all.chain(BAD.iter().map(|keys| (job_with(keys), false, false)));
    let all = all.chain(DIFFERENT.iter().map(|(keys, they, _)| (job_with(keys), *they, !they)));
    let all = all.chain(FILES.iter().map(|(text, they, we)| ((*text).to_owned(), *they, *we)));
    let mut problems = Vec::new();
    for (text, they_should, we_should) in all {
        let (they, we) = (theirs(&text, directory.path()), ours(&text, directory.path()));
        if (they.is_ok(), we.is_ok()) != (they_should, we_should) {
            problems.push(format!("{text}\nPrometheus: {they:?}\nscrape-log: {we:?}\n"));
        }
    }
    assert!(problems.is_empty(), "{} problems:\n{}", problems.len(), problems.join("\n"));
}

/// Rules one by one, and several that build on each other.
fn rules() -> Vec<Value> {
    let mut rules = Vec::new();
    let regexes = [
        "(.*)",
        "",
        ".+",
        "foo",
        "fo",
        "f(o+)",
        "(?P<first>.)(.*)",
        "(a)|(f).*",
        "foo|foo;bar",
        "([^;]+);(.*)",
        "(?i)FOO.*",
        "\\w+(;)?",
        "(.*)-(\\d+)",
    ];
    let replacements = [
        "$1",
        "${1}",
        "$2$1",
        "$1x",
        "$first",
        "${first}_y",
        "$$1",
        "$",
        "a$-b",
        "${",
        "${1",
        "$0",
        "$01",
        "x",
        "",
    ];
    for regex in regexes {
        for replacement in replacements {
            for source in [&["a"][..], &["a", "b"], &["missing"]] {
                rules.push(json!([{
                    "source_labels": source, "regex": regex, "target_label": "t", "replacement": replacement,
                }]));
            }
        }
        for action in ["keep", "drop"] {
            rules.push(json!([{"source_labels": ["a", "b"], "regex": regex, "action": action}]));
        }
        for action in ["labeldrop", "labelkeep"] {
            // Without its own labels a target would be lost among others.
            rules.push(json!([{"regex": format!("({regex})|b"), "action": action}, {"target_label": "job", "replacement": "x"}]));
        }
        rules.push(
            json!([{"source_labels": ["a"], "regex": regex, "target_label": "x_$1", "replacement": "y"}]),
        );
        rules.push(json!([{"source_labels": ["a"], "regex": regex, "target_label": "${1}"}]));
    }
    for action in ["lowercase", "uppercase", "keepequal", "dropequal"] {
        rules.push(json!([{"source_labels": ["a"], "action": action, "target_label": "b"}]));
        rules.push(json!([{"source_labels": ["mixed"], "action": action, "target_label": "missing"}]));
        rules.push(json!([{"source_labels": ["a", "b"], "action": action, "target_label": "b", }]));
    }
    for modulus in [1, 2, 7, 1000, u64::from(u32::MAX)] {
        rules.push(json!([{"source_labels": ["a", "b"], "action": "hashmod", "target_label": "t", "modulus": modulus}]));
    }
    rules.push(json!([{"action": "labelmap", "regex": "__meta_(.+)"}]));
    rules.push(json!([{"action": "labelmap", "regex": "(a|b)", "replacement": "mapped_$1"}]));
    rules.push(json!([
        {"source_labels": ["__address__"], "target_label": "__param_target"},
        {"source_labels": ["__param_target"], "target_label": "instance"},
        {"target_label": "__address__", "replacement": "prober:9115"},
    ]));
    rules.push(json!([
        {"source_labels": ["a"], "separator": "", "target_label": "__tmp_x"},
        {"source_labels": ["__tmp_x", "b"], "separator": "", "target_label": "t"},
        {"source_labels": ["t"], "regex": "foobar|", "action": "drop"},
    ]));
    rules
}

/// A job for each of the rules, each with the same targets.
fn config_with_rules() -> String {
    let target =
        |port: usize, labels: Value| json!({"targets": [format!("127.0.0.1:{port}")], "labels": labels});
    let targets = json!([
        target(1, json!({"a": "foo", "b": "bar", "mixed": "Straße ÄÖÜ ǅ"})),
        target(2, json!({"a": "foo-12", "b": "foo-12", "t": "old"})),
        target(3, json!({"a": "", "b": "x", "__meta_zone": "b", "__meta_a": "over"})),
        target(4, json!({"a": "größe", "t": "old"})),
        target(5, json!({"a": "foo;bar", "b": "FOO;bar"})),
    ]);
    let jobs = rules().into_iter().enumerate();
    let jobs = jobs.map(|(number, rules)| {
        json!({"job_name": format!("rules {number}"), "static_configs": targets, "relabel_configs": rules})
    });
    json!({"global": {"scrape_interval": "1h"}, "scrape_configs": jobs.collect::<Vec<_>>()}).to_string()
}

/// What the jobs come to: the targets with their labels, and those that were dropped with their addresses.
fn our_targets(config: &Config) -> BTreeSet<String> {
    let mut found = BTreeSet::new();
    for job in &config.jobs {
        for labels in discovered(job) {
            let address = labels.get("__address__").to_owned();
            let Some(mut kept) = relabel::apply(&job.relabel, labels) else {
                found.insert(format!("{}: {address} dropped", job.name));
                continue;
            };
            let address = kept.get("__address__").to_owned();
            // Without an address there is nothing to scrape.
            if !address.is_empty() {
                kept.set_default("instance", &address);
                kept.retain(|name, _| !name.starts_with("__"));
                found.insert(format!("{}: {kept}", job.name));
            }
        }
    }
    found
}

/// The same as Prometheus has it. What it calls discovered labels may have been changed by rules.
fn their_targets(server: &Server) -> BTreeSet<String> {
    let body = http::get_ok(server.address, "/api/v1/targets");
    let answer: Value = serde_json::from_str(&body).unwrap();
    let list = |key: &str| answer["data"][key].as_array().unwrap().clone();
    let active = list("activeTargets").into_iter();
    let active = active
        .map(|target| format!("{}: {}", target["scrapePool"].as_str().unwrap(), labels(&target["labels"])));
    let dropped = list("droppedTargets").into_iter().map(|target| {
        let labels = labels(&target["discoveredLabels"]);
        format!("{}: {} dropped", labels.get("job"), labels.get("__address__"))
    });
    active.chain(dropped).collect()
}

/// The labels of the static targets before relabelling.
fn discovered(job: &Job) -> Vec<Labels> {
    let [Discovery::Static(groups)] = job.discoveries.as_slice() else { panic!("{job:?}") };
    let groups =
        groups.iter().flat_map(|group| group.targets.iter().map(move |target| (target, &group.labels)));
    groups
        .map(|(target, labels)| {
            let mut labels = labels.clone();
            labels.set("__address__", target.as_str());
            labels.set("__metrics_path__", job.path.as_str());
            labels.set("__scheme__", job.scheme.as_str());
            labels.set("__scrape_interval__", "1h");
            labels.set("__scrape_timeout__", "10s");
            labels.set("job", job.name.as_str());
            labels
        })
        .collect()
}

fn labels(object: &Value) -> Labels {
    let object = object.as_object().unwrap().iter();
    object.map(|(name, value)| (name.as_str(), value.as_str().unwrap())).collect()
}

#[test]
#[ignore = "needs Prometheus (tests/run installs it)"]
fn relabels_as_prometheus_does() {
    let directory = tempfile::tempdir().unwrap();
    let text = config_with_rules();
    let (config, _) = config::parse(&text, Path::new("prometheus.yml")).unwrap();
    let ours = our_targets(&config);
    let kept = ours.iter().filter(|line| !line.ends_with("dropped")).count();
    assert!(kept > 1000 && ours.len() - kept > 50, "{kept} of {}", ours.len());
    let server = prometheus(&text, directory.path());
    // They come some seconds after the start, job by job.
    let end = Instant::now() + Duration::from_secs(30);
    let mut theirs = their_targets(&server);
    while theirs != ours && Instant::now() < end {
        std::thread::sleep(Duration::from_millis(200));
        theirs = their_targets(&server);
    }
    let differing: Vec<&String> = ours.symmetric_difference(&theirs).collect();
    assert!(differing.is_empty(), "{} lines differ: {differing:#?}", differing.len());
}

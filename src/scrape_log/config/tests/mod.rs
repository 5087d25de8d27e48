//! What is read from a configuration.

mod mistakes;

use super::*;
use crate::scrape_log::relabel::Action;
use crate::web::client::{Credentials, Secret, TlsSettings};

fn read(text: &str) -> Config {
    let (config, warnings) = parse(text, Path::new("/etc/prometheus/prometheus.yml")).unwrap();
    assert_eq!(warnings, []);
    config
}

/// What is wrong with a configuration named `p.yml`.
fn problems(text: &str) -> Vec<String> {
    let error = parse(text, Path::new("p.yml")).unwrap_err();
    error.problems().iter().map(ToString::to_string).collect()
}

fn warnings(text: &str) -> Vec<String> {
    parse(text, Path::new("p.yml")).unwrap().1.iter().map(ToString::to_string).collect()
}

const ALL: &str = r#"
global:
  scrape_interval: 15s
  scrape_timeout: 5s
  evaluation_interval: 30s
  external_labels: {site: berlin}
  sample_limit: 1000
  body_size_limit: 16MB
scrape_configs:
  - job_name: node
    static_configs:
      - targets: ['db01:9100', db02:9100]
        labels: {env: prod, version: 1.10}
      - targets: []
  - job_name: probe
    scrape_interval: 1m30s
    scrape_timeout: 20s
    metrics_path: /probe
    scheme: https
    params:
      module: [http_2xx]
      "collect[]": [cpu, meminfo]
    honor_labels: yes
    honor_timestamps: false
    follow_redirects: false
    enable_compression: false
    enable_http2: true
    basic_auth: {username: me, password_file: secrets/password}
    tls_config:
      ca_file: /etc/ca.pem
      cert_file: client.pem
      key_file: client.key
      server_name: db.example
      insecure_skip_verify: true
      min_version: TLS12
    file_sd_configs:
      - files: [targets/*.yml, /srv/targets.json]
        refresh_interval: 1m
    http_sd_configs:
      - url: https://inventory/targets
        refresh_interval: 2m
        authorization: {credentials: abc}
    relabel_configs: &rules
      - source_labels: [__address__]
        regex: '([^:]+):.*'
        target_label: host
      - {action: labeldrop, regex: tmp_.*}
    metric_relabel_configs: *rules
    body_size_limit: 1GiB
    sample_limit: 5
    label_limit: 30
    label_name_length_limit: 100
    label_value_length_limit: 200
    target_limit: 0
    scrape_protocols: [OpenMetricsText1.0.0]
"#;

#[test]
fn everything_that_can_be_said() {
    let Config { jobs } = read(ALL);
    let [node, probe] = jobs.as_slice() else { panic!("{jobs:?}") };
    assert_eq!((node.name.as_str(), node.path.as_str(), node.scheme.as_str()), ("node", "/metrics", "http"));
    assert_eq!((node.interval, node.timeout), (Duration::from_secs(15), Duration::from_secs(5)));
    assert_eq!(node.http, HttpSettings::default());
    let limits = Limits { body_size_bytes: Some(16 << 20), samples: Some(1000), ..Limits::default() };
    assert_eq!(node.limits, limits);
    let [Discovery::Static(groups)] = node.discoveries.as_slice() else { panic!("{node:?}") };
    assert_eq!(groups.len(), 2);
    assert_eq!(groups[0].targets, ["db01:9100", "db02:9100"]);
    assert_eq!(groups[0].labels.to_string(), r#"{env="prod", version="1.10"}"#);

    assert_eq!((probe.interval, probe.timeout), (Duration::from_secs(90), Duration::from_secs(20)));
    assert_eq!((probe.path.as_str(), probe.scheme.as_str(), probe.honor_labels), ("/probe", "https", true));
    let params = [("collect[]", vec!["cpu", "meminfo"]), ("module", vec!["http_2xx"])];
    let params =
        params.map(|(name, values)| (name.to_owned(), values.into_iter().map(str::to_owned).collect()));
    assert_eq!(probe.params, params);
    assert_eq!(
        probe.http,
        HttpSettings {
            credentials: Some(Credentials::Basic {
                username: Secret::Text("me".to_owned()),
                password: Secret::File("/etc/prometheus/secrets/password".into()),
            }),
            tls: TlsSettings {
                ca: Some(Secret::File("/etc/ca.pem".into())),
                certificate: Some(Secret::File("/etc/prometheus/client.pem".into())),
                key: Some(Secret::File("/etc/prometheus/client.key".into())),
                server_name: Some("db.example".to_owned()),
                insecure_skip_verify: true,
            },
            follow_redirects: false,
            compression: false,
        }
    );
    let [Discovery::Files { patterns }, Discovery::Http { url, refresh_interval, http }] =
        probe.discoveries.as_slice()
    else {
        panic!("{probe:?}")
    };
    assert_eq!(
        patterns,
        &[PathBuf::from("/etc/prometheus/targets/*.yml"), PathBuf::from("/srv/targets.json")]
    );
    assert_eq!((url.as_str(), *refresh_interval), ("https://inventory/targets", Duration::from_secs(120)));
    let bearer =
        Credentials::Authorization { kind: "Bearer".to_owned(), credentials: Secret::Text("abc".to_owned()) };
    assert_eq!(http.credentials, Some(bearer));
    assert!(http.compression && http.follow_redirects);
    assert_eq!(probe.relabel, probe.metric_relabel);
    let [replace, drop] = probe.relabel.as_slice() else { panic!("{probe:?}") };
    assert_eq!((replace.spec().action, drop.spec().action), (Action::Replace, Action::LabelDrop));
    assert_eq!(replace.spec().target_label, "host");
    let limits = Limits {
        body_size_bytes: Some(1 << 30),
        samples: Some(5),
        labels: Some(30),
        label_name_length: Some(100),
        label_value_length: Some(200),
        targets: None,
    };
    assert_eq!(probe.limits, limits);
    assert!(!format!("{jobs:?}").contains("abc"), "a secret is shown");
}

#[test]
fn what_is_left_out_has_prometheus_defaults() {
    let job = |text: &str| read(text).jobs.remove(0);
    let plain = job("scrape_configs:\n- job_name: a\n");
    assert_eq!((plain.interval, plain.timeout), (Duration::from_secs(60), Duration::from_secs(10)));
    assert_eq!((plain.discoveries.as_slice(), plain.params.as_slice()), (&[][..], &[][..]));
    let short = job("global: {scrape_interval: 5s}\nscrape_configs: [{job_name: a}]");
    assert_eq!(short.timeout, Duration::from_secs(5));
    let short = job("scrape_configs: [{job_name: a, scrape_interval: 500ms}]");
    assert_eq!(short.timeout, Duration::from_millis(500));
    let bearer = job("scrape_configs: [{job_name: a, bearer_token_file: token}]").http.credentials;
    let file = Secret::File("/etc/prometheus/token".into());
    assert_eq!(bearer, Some(Credentials::Authorization { kind: "Bearer".to_owned(), credentials: file }));
}

/// Where a rule makes the address, `targets` are not addresses yet.
#[test]
fn targets_of_probes_may_be_urls() {
    let rules = "relabel_configs: [{source_labels: [__address__], target_label: __param_target}]";
    let job = "job_name: a, static_configs: [{targets: ['https://x/y']}]";
    read(&format!("scrape_configs: [{{{job}, {rules}}}]"));
    assert_eq!(
        problems(&format!("scrape_configs: [{{{job}}}]")),
        [
            "p.yml:1:60: the target \"https://x/y\" is a URL, expected HOST:PORT: its parts go into scheme and \
             metrics_path"
        ]
    );
}

#[test]
fn one_warning_for_all_that_has_no_use() {
    let text = "rule_files: [a.yml]\nalerting: {x: [y]}\nremote_write: []\nscrape_configs: [{job_name: a}]";
    assert_eq!(
        warnings(text),
        ["p.yml: passed over, since scrape-log only scrapes: \"rule_files\", \"alerting\", \"remote_write\""]
    );
    let own_times = "scrape_configs:\n- job_name: a\n  honor_timestamps: true\n";
    assert_eq!(warnings(own_times).len(), 1);
    assert!(warnings(own_times)[0].starts_with("p.yml:3:21: honor_timestamps: every sample gets the time"));
    assert!(warnings("global: {}\n")[0].contains("nothing is scraped"));
}

#[test]
fn files_of_other_systems() {
    let Config { jobs } =
        read("\u{feff}scrape_configs:\r\n- job_name: a\r\n  static_configs:\r\n  - targets: [a]\r\n");
    assert_eq!((jobs[0].name.as_str(), jobs[0].discoveries.len()), ("a", 1));
}

#[test]
fn jobs_from_other_files() {
    let folder = tempfile::tempdir().unwrap();
    let at = |name: &str| folder.path().join(name);
    std::fs::create_dir(at("jobs")).unwrap();
    std::fs::write(at("p.yml"), "global: {scrape_interval: 5s}\nscrape_config_files: [jobs/*.yml]\n")
        .unwrap();
    std::fs::write(at("jobs/a.yml"), "scrape_configs:\n- job_name: a\n").unwrap();
    std::fs::write(at("jobs/b.yml"), "scrape_configs:\n- job_name: b\n").unwrap();
    let (config, _) = load(&at("p.yml")).unwrap();
    let jobs: Vec<_> = config.jobs.iter().map(|job| (job.name.as_str(), job.interval.as_secs())).collect();
    assert_eq!(jobs, [("a", 5), ("b", 5)]);
    std::fs::write(at("jobs/b.yml"), "scrape_configs:\n- job_name: a\n").unwrap();
    let error = load(&at("p.yml")).unwrap_err().to_string();
    assert!(error.contains("b.yml:2:13") && error.contains("a.yml:2:13"), "{error}");
    let missing = load(&at("missing.yml")).unwrap_err().to_string();
    assert!(missing.contains("can't read") && missing.contains("missing.yml"), "{missing}");
}

#[test]
fn target_groups_in_yaml_and_json() {
    let read = |text: &str, syntax| {
        parse_target_groups(text, Path::new("t"), syntax).map_err(|error| error.to_string())
    };
    let json = |text| read(text, ListSyntax::Json);
    let yaml = |text| read(text, ListSyntax::Yaml);
    let text = r#"[{"targets": ["a:1", "b:2"], "labels": {"env": "prod"}}, {"targets": []}]"#;
    let groups = json(text).unwrap();
    assert_eq!(yaml(text).unwrap(), groups);
    assert_eq!(yaml("- targets: [a:1, b:2]\n  labels: {env: prod}\n- targets:\n").unwrap(), groups);
    assert_eq!(groups[0].targets, ["a:1", "b:2"]);
    let labels = yaml("- targets: [a:1]\n  labels: {rack: 07, version: 1.10, up: true, none: }\n").unwrap();
    assert_eq!(labels[0].labels.to_string(), r#"{rack="07", up="true", version="1.10"}"#);
    let tabs = json("[\n\t{\n\t\t\"targets\":[\"a:1\"],\n\t\t\"labels\":{\"path\":\"a\\/b\\u00e9\\ud83d\\ude00\"}\n\t}\n]\n").unwrap();
    assert_eq!(tabs[0].labels.get("path"), "a/bé😀");
    for empty in ["", "[]", "# nothing yet\n", "---\n"] {
        assert_eq!(yaml(empty), Ok(Vec::new()), "{empty:?}");
    }
    for (mistake, want) in [
        ("", "t:1:1: this is no JSON that can be read: EOF"),
        ("[\n{\"targets\": [\"a:1\"", "t:2:18: this is no JSON that can be read: EOF"),
        ("[{\"targets\": [\"a:1\"],}]", "t:1:22: this is no JSON that can be read: key must"),
        ("[]\n[]", "t:2:1: this is no JSON that can be read: trailing"),
        ("{}", "t:1:1: expected a list of target groups, found a mapping"),
        (
            "[{\"targets\": [\"a:1\"], \"lables\": {}}]",
            "t:1:23: unknown key \"lables\" in a target group, did you",
        ),
        ("[{\"targets\": [\"a:1\"], \"labels\": {\"a b\": \"c\"}}]", "t:1:34: \"a b\" is no label name"),
    ] {
        let error = json(mistake).unwrap_err();
        assert!(error.starts_with(want) && !error.contains('\n'), "{mistake:?}: {error}");
    }
}

proptest::proptest! {
    #[test]
    fn no_text_is_too_much(text in "[a-z:\\-\\[\\]{}&*!|>'\"%@#, \n\t~?0-9é]{0,60}") {
        let _read_or_not = parse(&text, Path::new("p.yml"));
        let _read_or_not = parse(&format!("scrape_configs:\n- job_name: a\n  {text}"), Path::new("p.yml"));
    }
}

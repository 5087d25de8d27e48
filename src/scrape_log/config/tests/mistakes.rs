//! What is said about a configuration that is wrong.

use super::*;

/// A mistake in the keys of a job that is otherwise fine, the beginning of what is said, and something else in it.
const MISTAKES: [(&str, &str, &str); 57] = [
    (
        "scrape_intervall: 5s",
        "3:3: unknown key \"scrape_intervall\" in scrape_configs, did you mean \"scrape_interval\"?",
        "",
    ),
    ("nonsense: 5s", "3:3: unknown key \"nonsense\" in scrape_configs", ""),
    ("scrape_interval: 15", "3:20: scrape_interval: \"15\" is not a duration", "unit"),
    ("scrape_interval: 1.5m", "3:20: scrape_interval: expected whole numbers", "1m30s"),
    ("scrape_interval: 5y", "3:20: scrape_interval: expected at most a year", ""),
    ("scrape_interval: [5s]", "3:20: scrape_interval has to be a text, found a list", ""),
    ("scrape_timeout: 2m", "3:19: scrape_timeout 120s is longer than the scrape_interval 60s", "at most"),
    ("scheme: ftp", "3:11: the scheme \"ftp\" is not known, expected http or https", ""),
    ("honor_labels: \"true\"", "3:17: honor_labels has to be true or false, without quotes", ""),
    ("sample_limit: many", "3:17: sample_limit has to be a whole number", ""),
    ("sample_limit: -1", "3:17: sample_limit has to be a whole number", ""),
    ("sample_limit: 1.5", "3:17: sample_limit has to be a whole number", ""),
    ("body_size_limit: 16", "3:20: body_size_limit: \"16\" is not a size", "16MB"),
    (
        "params: {module: x}",
        "3:20: the values of the parameter \"module\" have to be a list",
        "a plain value",
    ),
    ("params: [x]", "3:11: params has to be a mapping, found a list", ""),
    ("static_configs: {targets: [a]}", "3:19: static_configs has to be a list, found a mapping", ""),
    ("static_configs: [a]", "3:20: static_configs has to be a mapping, found a plain value", ""),
    ("static_configs: [~]", "3:20: an entry of static_configs is empty", ""),
    (
        "static_configs: [{target: [a]}]",
        "3:21: unknown key \"target\" in static_configs, did you mean \"targets\"?",
        "",
    ),
    ("static_configs: [{targets: [a/b]}]", "3:31: the target \"a/b\" has a path", "metrics_path"),
    ("static_configs: [{targets: ['']}]", "3:31: a target is empty", ""),
    ("static_configs: [{targets: [{a: b}]}]", "3:31: the entries of targets have to be texts", ""),
    ("static_configs: [{labels: {a-b: c}}]", "3:30: \"a-b\" is no label name", "letters"),
    ("file_sd_configs: [{}]", "3:21: file_sd_configs needs files", ""),
    ("file_sd_configs: [{files: [a.txt]}]", "3:30: \"a.txt\" can't be read for targets", ".yml"),
    ("http_sd_configs: [{}]", "3:21: http_sd_configs needs a url", ""),
    ("http_sd_configs: [{url: inventory}]", "3:27: url: expected a URL", "https://"),
    ("http_sd_configs: [{url: 'http://me:hunter2@x/'}]", "3:27: url: credentials in the URL are not", ""),
    (
        "kubernetes_sd_configs: [{role: node}]",
        "3:3: kubernetes_sd_configs is not supported in scrape_configs",
        "file_sd_configs",
    ),
    ("consul_sd_config: []", "3:3: unknown key \"consul_sd_config\"", "did you mean \"consul_sd_configs\"?"),
    ("proxy_url: http://x", "3:3: proxy_url is not supported", "without a proxy"),
    ("oauth2: {client_secret: hunter2}", "3:3: oauth2 is not supported", "credentials_file"),
    (
        "basic_auth: {username: a, password: hunter2, password_file: b}",
        "3:63: password and password_file are both",
        "",
    ),
    (
        "basic_auth: {username: a, pasword: hunter2}",
        "3:29: unknown key \"pasword\" in basic_auth",
        "\"password\"?",
    ),
    ("basic_auth: {username: a, password: [hunter2]}", "3:39: password has to be a text, found a list", ""),
    ("bearer_tokn: hunter2", "3:3: unknown key \"bearer_tokn\"", "\"bearer_token\"?"),
    ("authorization: {type: Basic, credentials: hunter2}", "3:25: type can't be Basic", "basic_auth"),
    (
        "authorization: {credentials: hunter2, credentials_file: b}",
        "3:59: credentials and credentials_file are both",
        "",
    ),
    ("authorization: {type: 'a b', credentials: hunter2}", "3:25: type has to be a word", ""),
    (
        "static_configs: [{targets: ['http://me:hunter2@x/']}]",
        "3:31: the target \"...@x/\" is a URL",
        "metrics_path",
    ),
    ("tls_config: {cert_file: a}", "3:27: a client certificate needs its key", "key_file"),
    ("tls_config: {key: hunter2}", "3:21: the key belongs to a client certificate", "cert_file"),
    ("tls_config: {ca: hunter2, ca_file: b}", "3:38: ca and ca_file are both", ""),
    ("tls_config: {min_version: TLS13}", "3:29: min_version \"TLS13\" is not supported", "TLS12"),
    (
        "relabel_configs: [{action: explode}]",
        "3:30: unknown action \"explode\", expected one of replace, keep",
        "uppercase",
    ),
    (
        "relabel_configs: [{action: labeldrap, regex: a}]",
        "3:30: unknown action \"labeldrap\", did you mean \"labeldrop\"?",
        "",
    ),
    (
        "relabel_configs: [{source_labels: [a], regex: '(', target_label: b}]",
        "3:49: the regex \"(\" can't be used",
        "",
    ),
    (
        "relabel_configs: [{source_labels: [a], regex: '\\p{Lu}', target_label: b}]",
        "3:49: the regex \"\\\\p{Lu}\"",
        "Unicode",
    ),
    ("relabel_configs: [{source_labels: [a]}]", "3:21: the action replace needs a target_label", ""),
    ("relabel_configs: [{target_label: a-b}]", "3:36: \"a-b\" is no label name", ""),
    (
        "relabel_configs: [{source_labels: [a-b], target_label: c}]",
        "3:38: \"a-b\" in source_labels is no label name",
        "",
    ),
    ("relabel_configs: [{action: hashmod, target_label: c}]", "3:30: the action hashmod needs a modulus", ""),
    (
        "relabel_configs: [{action: labelkeep, regex: a, source_labels: [b]}]",
        "3:67: the action labelkeep takes only regex",
        "",
    ),
    ("metric_relabel_configs: [{actoin: drop}]", "3:29: unknown key \"actoin\"", "\"action\"?"),
    ("relabel_configs: [~]", "3:21: an entry of relabel_configs is empty", ""),
    ("job_name: b", "3:3: the key \"job_name\" was given before in this mapping", ""),
    ("x: [", "3:6: this is no YAML that can be read", ""),
];

#[test]
fn mistakes_say_where_and_what_is_expected() {
    for (keys, start, also) in MISTAKES {
        let text = format!("scrape_configs:\n- job_name: a\n  {keys}\n");
        let error = parse(&text, Path::new("p.yml")).unwrap_err();
        let [only] = error.problems() else { panic!("{keys}: {error:?}") };
        let only = only.to_string();
        assert!(only.starts_with(&format!("p.yml:{start}")) && only.contains(also), "{keys}: {only}");
        assert!(!format!("{error} {} {error:?}", error.details()).contains("hunter2"), "{keys}");
    }
}

#[test]
fn one_kind_of_credentials() {
    let text = "scrape_configs:\n- job_name: a\n  basic_auth: {username: a}\n  bearer_token: hunter2\n";
    assert_eq!(
        problems(text),
        ["p.yml:4:17: expected one of basic_auth, authorization and bearer_token, found several"]
    );
}

#[test]
fn mistakes_outside_of_jobs() {
    for (text, want) in [
        ("", "p.yml:1:1: the file is empty"),
        ("# nothing\n", "the file is empty"),
        ("[a]", "p.yml:1:1: the configuration has to be a mapping, found a list"),
        (
            "scrape_config: []\n",
            "p.yml:1:1: unknown key \"scrape_config\" in the configuration, did you mean \"scrape_configs\"?",
        ),
        ("scrape_configs: [~]", "p.yml:1:18: an entry of scrape_configs is empty"),
        ("scrape_configs:\n- scheme: http\n", "p.yml:2:3: a scrape configuration needs a job_name"),
        (
            "scrape_configs:\n- job_name: a\n- job_name: a\n",
            "p.yml:3:13: the job_name \"a\" was given before, at p.yml:2:13",
        ),
        ("global: {scrape_interval: 5s, scrape_timeout: 10s}", "p.yml:1:47: scrape_timeout 10s is longer"),
        (
            "global: {scrap_interval: 5s}",
            "p.yml:1:10: unknown key \"scrap_interval\" in global, did you mean",
        ),
        ("global: {external_labels: {a-b: c}}", "p.yml:1:28: \"a-b\" is no label name"),
        ("global: 5", "p.yml:1:9: global has to be a mapping"),
    ] {
        let found = problems(text);
        assert!(found[0].contains(want) && found.len() == 1, "{text}: {found:?}");
    }
}

#[test]
fn all_mistakes_at_once_with_their_lines() {
    let rule = "scrape_configs:\n- job_name: a\n  relabel_configs: [{regex: '(', target_label: x-y}]\n";
    let of_rule = problems(rule);
    assert!(of_rule.len() == 2 && of_rule.iter().any(|problem| problem.contains("regex")), "{of_rule:?}");
    let text = "scrape_configs:\n- job_name: a\n  scrape_intervall: 5s\n  scheme: ftp\n- job_nam: b\n";
    let error = parse(text, Path::new("p.yml")).unwrap_err();
    assert_eq!(error.problems().len(), 4);
    assert_eq!(
        error.to_string(),
        "p.yml:3:3: unknown key \"scrape_intervall\" in scrape_configs, did you mean \"scrape_interval\"? (and 3 more \
         mistakes, which scrape-log check-config shows)"
    );
    let details = error.details();
    assert!(
        details.contains("\n  3 |   scrape_intervall: 5s\n    |   ^\np.yml:4:11: the scheme"),
        "{details}"
    );
}

#[test]
fn a_long_list_of_mistakes_takes_little_memory() {
    let groups = vec![r#"{"target":["a:1"]}"#; 3000].join(",");
    let error = parse_target_groups(&format!("[{groups}]"), Path::new("t"), ListSyntax::Json).unwrap_err();
    assert_eq!(error.problems().len(), 1000);
    assert!(error.details().len() < 200_000, "the one line is not shown with each");
}

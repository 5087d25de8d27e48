use super::*;
use std::collections::HashSet;
use std::path::{Component, Path};

fn job(name: &str) -> Job {
    Job::new(name.to_owned(), Duration::from_secs(30), Duration::from_secs(10))
}

fn labels(pairs: &[(&str, &str)]) -> Labels {
    pairs.iter().copied().collect()
}

fn target(job: &Job, pairs: &[(&str, &str)]) -> Result<Target, String> {
    Target::discovered(job, labels(pairs)).map(|target| target.expect("a target that is kept"))
}

#[test]
fn relabelling_sees_the_job_in_labels() {
    let mut job = job("node");
    job.params = vec![
        ("collect[]".to_owned(), vec!["cpu".to_owned(), "disk".to_owned()]),
        ("empty".to_owned(), Vec::new()),
    ];
    let seen = Target::before_relabelling(
        &job,
        labels(&[(ADDRESS, "db01:9100"), (METRICS_PATH, "/own"), ("__meta_zone", "b")]),
    );
    let want = labels(&[
        (ADDRESS, "db01:9100"),
        (METRICS_PATH, "/own"),
        ("__meta_zone", "b"),
        ("__param_collect[]", "cpu"),
        (SCHEME, "http"),
        (SCRAPE_INTERVAL, "30s"),
        (SCRAPE_TIMEOUT, "10s"),
        ("job", "node"),
    ]);
    assert_eq!(seen, want);
}

#[test]
fn labels_become_a_target() {
    let mut job = job("node");
    job.params = vec![("module".to_owned(), vec!["icmp".to_owned(), "tcp".to_owned()])];
    let target = target(
        &job,
        &[
            (ADDRESS, "db01"),
            ("__param_module", "http"),
            ("__param_target", "a b"),
            ("__meta_zone", "b"),
            ("__tmp", "x"),
            (METRICS_PATH, "/probe"),
            (SCRAPE_INTERVAL, "5s"),
            (SCRAPE_TIMEOUT, "500ms"),
            ("env", "prod"),
        ],
    )
    .unwrap();
    assert_eq!(target.url(), "http://db01/probe?module=http&module=tcp&target=a+b");
    assert_eq!(target.endpoint().port(), 80, "the scheme's own");
    assert_eq!(target.labels(), &labels(&[("env", "prod"), ("instance", "db01"), ("job", "node")]));
    assert_eq!((target.interval(), target.timeout()), (Duration::from_secs(5), Duration::from_millis(500)));
    let named = [(ADDRESS, "db01:9100"), ("instance", "the database"), ("job", "other")];
    let named = self::target(&job, &named).unwrap();
    assert_eq!((named.instance(), named.job()), ("the database", "other"));
}

#[test]
fn mistakes_in_labels_are_named() {
    for (pairs, want) in [
        (&[("env", "prod")][..], "__address__ is empty"),
        (&[(ADDRESS, "db01:9100/metrics")], "alone"),
        (&[(ADDRESS, "db 01")], "\"db 01\""),
        (&[(ADDRESS, "db01:0")], "port 0"),
        (&[(ADDRESS, "db01:9100"), (SCHEME, "ftp")], "http://"),
        (&[(ADDRESS, "db01:9100"), (SCRAPE_INTERVAL, "0s")], "__scrape_interval__ is 0ns"),
        (&[(ADDRESS, "db01:9100"), (SCRAPE_TIMEOUT, "soon")], "__scrape_timeout__: \"soon\""),
        (&[(ADDRESS, "db01:9100"), (SCRAPE_TIMEOUT, "1m")], "at most the interval"),
        (&[(ADDRESS, "db01:9100"), ("a.b", "c")], "\"a.b\" is no name of a label"),
    ] {
        let error = target(&job("node"), pairs).unwrap_err();
        assert!(error.contains(want), "{pairs:?}: {error}");
    }
}

#[test]
fn passwords_in_addresses_are_refused_and_not_repeated() {
    for address in ["me:hidden@db01:9100", "http://me:hidden@db01:9100/metrics", "me:hidden/x@db01:9100"] {
        let error = target(&job("node"), &[(ADDRESS, address)]).unwrap_err();
        assert!(error.contains("\"...@db01") && !error.contains("hidden"), "{address}: {error}");
    }
}

/// Pairs of job and label set that invite confusion.
fn confusing() -> Vec<(Job, Labels)> {
    let long = "x".repeat(300);
    let mut found = Vec::new();
    for (name, address) in [
        ("node", "a:1"),
        ("node", "b_c:1"),
        ("b", "c:1"),
        ("a_b", "c:1"),
        ("a", "b_c:1"),
        ("A_b", "c:1"),
        ("node_exporter", "a:1"),
        ("node", "A:1"),
        ("node", "a:01"),
        ("node", "a"),
        ("node", "a:80"),
        ("node", "..:1"),
        ("..", "a:1"),
        ("../..", "a:1"),
        ("/etc", "a:1"),
        ("-x", "a:1"),
        ("~", "a:1"),
        ("ä", "a:1"),
        ("job\n", "a:1"),
        (&long, "a:1"),
        (&format!("{long}x"), "a:1"),
        ("node", "[::1]:1"),
        ("node", "[1::]:1"),
    ] {
        found.push((job(name), labels(&[(ADDRESS, address)])));
    }
    for pairs in [
        &[("__metrics_path__", "/")][..],
        &[("__metrics_path__", "/metrics/")],
        &[("__metrics_path__", "/../../etc/passwd")],
        &[("__param_a", "b")],
        &[("__param_a.b", "b")],
        &[("env", "prod")],
        &[("env", "PROD")],
        &[("instance", "a_1")],
        &[("instance", "scrape-log.lock")],
        &[("instance", ".")],
        &[("instance", "/")],
    ] {
        let mut set = labels(pairs);
        set.set(ADDRESS, "a:1");
        found.push((job("node"), set));
    }
    found
}

#[test]
fn directories_are_plain_names_and_differ() {
    let mut names = HashSet::new();
    for (job, set) in confusing() {
        let target = Target::discovered(&job, set.clone()).unwrap().unwrap();
        let name = target.directory().to_owned();
        let parts: Vec<_> = Path::new(&name).components().collect();
        assert!(matches!(parts[..], [Component::Normal(_)]), "{name}");
        assert!(name.len() <= 120 && !name.starts_with(['.', '-']), "{name}");
        assert!(name != "scrape-log.lock");
        assert_eq!(name, name.to_lowercase());
        assert!(names.insert(name), "{} {set}: {names:?}", job.name);
    }
    let simple = target(&job("blackbox"), &[(ADDRESS, "a:1")]).unwrap();
    assert_eq!(simple.directory(), "blackbox_a_1");
}

#[test]
fn identity_is_labels_and_url_and_nothing_else() {
    let one = target(&job("node"), &[(ADDRESS, "a:1"), ("__meta_x", "1")]).unwrap();
    let mut slower = job("node");
    slower.interval = Duration::from_secs(60);
    slower.limits.samples = Some(1);
    let same = target(&slower, &[(ADDRESS, "a:1"), ("__meta_x", "2")]).unwrap();
    assert_eq!((one.identity(), one.directory()), (same.identity(), same.directory()));
    assert_eq!(one.identity(), 0xf4675cf717d14f9f, "the same in each release");
    let mut seen = HashSet::new();
    for (job, set) in confusing() {
        assert!(seen.insert(Target::discovered(&job, set).unwrap().unwrap().identity()));
    }
}

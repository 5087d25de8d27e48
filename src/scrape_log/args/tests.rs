use super::*;
use crate::scrape_log::config::{Discovery, TargetGroup};

fn run(args: &[&str]) -> Result<Options, Usage> {
    match parse(["scrape-log"].iter().chain(args))? {
        Command::Record(options) => Ok(*options),
        other => panic!("{other:?}"),
    }
}

fn jobs(args: &[&str]) -> Vec<Job> {
    run(args).unwrap().load().unwrap().0.jobs
}

fn groups(job: &Job) -> &[TargetGroup] {
    match job.discoveries.as_slice() {
        [Discovery::Static(groups)] => groups,
        other => panic!("{other:?}"),
    }
}

#[test]
fn defaults() {
    let options = run(&[]).unwrap();
    assert!(options.records_this_machine());
    assert_eq!(
        options.storage,
        StorageOptions {
            path: "data".into(),
            max_file_size_bytes: 512 << 20,
            retention_time: Some(Duration::from_secs(30 * 86_400)),
            retention_size_bytes: None,
            min_free: MinFree::Tenth,
            sync_interval: Duration::from_millis(50),
            compression_level: 1,
        }
    );
    assert_eq!(options.addresses, Addresses::Default("127.0.0.1:9980".parse().unwrap()));
    assert_eq!(options.exporter_listen_address.to_string(), "127.0.0.1:9100");
    assert!(!options.enable_lifecycle);
    let [job] = jobs(&[]).try_into().unwrap();
    assert_eq!((job.name.as_str(), job.path.as_str(), job.scheme.as_str()), ("node", "/metrics", "http"));
    assert_eq!((job.interval, job.timeout), (Duration::from_secs(15), Duration::from_secs(10)));
    let [short] = jobs(&["--scrape.interval=5s"]).try_into().unwrap();
    assert_eq!(short.timeout, Duration::from_secs(5));
}

#[test]
fn the_help_names_the_defaults_that_count() {
    let options = run(&[]).unwrap();
    let given =
        run(&["--web.listen-address=127.0.0.1:9980", "--exporter.listen-address=127.0.0.1:9100"]).unwrap();
    // An address that somebody chose is that one or none.
    assert_eq!(given.addresses, Addresses::Chosen(vec!["127.0.0.1:9980".to_owned()]));
    let all = run(&["--web.listen-address=:9980"]).unwrap();
    assert_eq!(all.addresses, Addresses::Chosen(vec![":9980".to_owned()]));
    assert_eq!(Options { addresses: options.addresses.clone(), ..given }, options);
}

#[test]
fn storage_flags() {
    let options = run(&[
        "--storage.path=/srv/x",
        "--storage.max-file-size=0",
        "--storage.retention.time=1y",
        "--storage.retention.size=1.5GB",
        "--storage.min-free=0",
        "--storage.sync-interval=5s",
        "--storage.compression-level=0",
        "--web.enable-lifecycle",
    ]);
    let options = options.unwrap();
    assert_eq!(
        options.storage,
        StorageOptions {
            path: "/srv/x".into(),
            max_file_size_bytes: 0,
            retention_time: Some(Duration::from_secs(365 * 86_400)),
            retention_size_bytes: Some(3 << 29),
            min_free: MinFree::Bytes(0),
            sync_interval: Duration::from_secs(5),
            compression_level: 0,
        }
    );
    assert!(options.enable_lifecycle);
}

#[test]
fn targets_become_a_job() {
    let [job] = jobs(&["--job=web", "--target=b:1", "--target", "http://A:1/metrics"]).try_into().unwrap();
    assert_eq!(job.name, "web");
    let found: Vec<_> =
        groups(&job).iter().map(|group| (group.targets.concat(), group.labels.to_string())).collect();
    let labels = "{}";
    assert_eq!(found, [("b:1".to_owned(), labels.to_owned()), ("a:1".to_owned(), labels.to_owned())]);
    assert_eq!(targets::instances(&job).collect::<Vec<_>>(), ["b:1", "a:1"]);
}

#[test]
fn parts_of_a_url_become_labels() {
    let [job] = jobs(&["--target=http://h:9115/probe?target=x%3Ay&module=http+2"]).try_into().unwrap();
    assert_eq!(
        groups(&job)[0].labels.to_string(),
        r#"{__metrics_path__="/probe", __param_module="http 2", __param_target="x:y", "#.to_owned()
            + r#"instance="h:9115/probe?target=x%3Ay&module=http+2"}"#
    );
}

#[test]
fn parameters_with_several_values_become_a_job() {
    let url = "http://h:9100/metrics?collect[]=cpu&collect[]=meminfo&debug";
    let [main, own] = jobs(&["--target=a:1", "--target", url, "--scrape.interval=5s"]).try_into().unwrap();
    assert_eq!(targets::instances(&main).collect::<Vec<_>>(), ["a:1"]);
    let values = |values: &[&str]| values.iter().map(|&value| value.to_owned()).collect::<Vec<_>>();
    let params = [("collect[]".to_owned(), values(&["cpu", "meminfo"])), ("debug".to_owned(), values(&[""]))];
    assert_eq!(own.params, params);
    assert_eq!((own.name, own.interval), (format!("node {url}"), Duration::from_secs(5)));
    let [Discovery::Static(groups)] = own.discoveries.as_slice() else { panic!("{:?}", own.discoveries) };
    assert_eq!((groups[0].labels.get("job"), groups[0].targets.concat()), ("node", "h:9100".to_owned()));
}

#[test]
fn jobs_of_a_file() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("prometheus.yml");
    let options = run(&["--config.file", path.to_str().unwrap()]).unwrap();
    assert_eq!(options.jobs, JobSource::File(path.clone()));
    assert!(!options.records_this_machine());
    assert!(options.load().unwrap_err().to_string().contains("can't read"));
    std::fs::write(path, "scrape_configs: [{job_name: a}]").unwrap();
    assert_eq!(options.load().unwrap().0.jobs[0].name, "a");
}

#[test]
fn what_the_recorder_takes() {
    let url = "http://h:9100/metrics?collect[]=cpu&collect[]=meminfo";
    let options = run(&["--target=[::1]:1", "--target", url, "--job=x", "--storage.path=y"]).unwrap();
    let (config, _) = options.load().unwrap();
    let [first, second] = config.jobs.try_into().unwrap();
    assert_eq!(
        (first.name.as_str(), second.name.as_str()),
        ("x", "x http://h:9100/metrics?collect[]=cpu&collect[]=meminfo")
    );
    assert_eq!(second.params, [("collect[]".to_owned(), vec!["cpu".to_owned(), "meminfo".to_owned()])]);
    assert_eq!(options.storage.path.to_str(), Some("y"));
}

#[test]
fn subcommands() {
    let command = parse(["scrape-log", "check-config", "x.yml"]).unwrap();
    assert!(
        matches!(&command, Command::CheckConfig { file } if file.to_str() == Some("x.yml")),
        "{command:?}"
    );
}

#[test]
fn mistakes_name_the_flag_and_what_is_expected() {
    for (args, wants) in [
        (&["--target=db01"][..], &["--target", "db01:9100"][..]),
        (&["--target=a:1", "--target=http://A:1/metrics"], &["--target http://a:1/metrics", "twice"]),
        (&["--target=http://a:1/?x=%zz"], &["--target", "two hexadecimal digits"]),
        (&["--scrape.interval=15"], &["--scrape.interval", "unit"]),
        (&["--scrape.interval=0s"], &["--scrape.interval", "at least 1ms"]),
        (&["--scrape.interval=5s", "--scrape.timeout=6s"], &["--scrape.timeout", "at most the interval"]),
        (&["--config.file=x", "--target=a:1"], &["--target and --config.file", "into the file"]),
        (&["--config.file=x", "--job=a"], &["--job and --config.file", "into the file"]),
        (&["--config.file=x", "--scrape.interval=15s"], &["--scrape.interval and --config.file"]),
        (
            &["--target=a:1", "--exporter.listen-address=127.0.0.1:1"],
            &["--exporter.listen-address", "without a target"],
        ),
        (&["--web.listen-address=9980"], &["--web.listen-address", ":9100"]),
        (&["--exporter.listen-address=:9100"], &["--exporter.listen-address", "0.0.0.0:9100"]),
        (&["--storage.retention.size=5"], &["--storage.retention.size", "with a unit"]),
        (&["--storage.retention.time=5"], &["--storage.retention.time", "with a unit"]),
        (&["--storage.compression-level=23"], &["--storage.compression-level", "0..=22"]),
        (&["--storage.sync-interval=300000000000y"], &["--storage.sync-interval", "at most a year"]),
        (&["--log.level=loud"], &["--log.level", "debug"]),
        (&["--job="], &["--job", "a name"]),
        (&["--storage.pth=x"], &["--storage.path"]),
        (&["extra"], &["extra"]),
        (&["check-config"], &["FILE"]),
        (&["check-confg", "x"], &["check-config"]),
        (&["--target=a:1", "check-config", "x"], &["check-config"]),
    ] {
        let error = run(args).unwrap_err();
        assert_eq!(error.code, 64, "{args:?}");
        for want in wants {
            assert!(error.to_string().contains(want), "{args:?}: {error}");
        }
    }
}

#[test]
fn a_password_is_not_repeated() {
    for target in ["http://me:secret@db01:9100/metrics", "me:secret@db01:9100"] {
        let error = run(&["--target", target]).unwrap_err().to_string();
        assert!(error.contains("before the @") && error.contains("...@db01:9100"), "{error}");
        assert!(!error.contains("secret"), "{error}");
    }
}

#[test]
fn help_and_version_are_no_mistakes() {
    let help = run(&["--help"]).unwrap_err();
    assert_eq!(help.code, 0);
    assert!(help.to_string().contains("--scrape.interval") && help.to_string().contains("check-config"));
    let version = run(&["--version"]).unwrap_err();
    assert_eq!(version.code, 0);
    assert_eq!(version.to_string(), concat!("scrape-log ", env!("CARGO_PKG_VERSION"), "\n"));
}

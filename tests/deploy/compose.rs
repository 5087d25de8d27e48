//! `deploy/compose.yml`: what it mounts is there, what it starts is wired together.

use std::collections::{BTreeMap, BTreeSet};
use std::process::Command;

use serde_json::Value;
use vitals::scrape_log::args::JobSource;
use vitals::scrape_log::service::Addresses;

use crate::common::rules::project;
use crate::{exporter_takes, flag, port, prometheus, recorder_takes, strings, text, yaml};

const OURS: [&str; 2] = ["vitals-exporter", "scrape-log"];

fn services() -> BTreeMap<String, Value> {
    let services: BTreeMap<String, Value> =
        serde_json::from_value(yaml("deploy/compose.yml")["services"].clone()).unwrap();
    assert_eq!(services.len(), 5);
    services
}

/// Source and target of each mount.
fn mounts(service: &Value) -> Vec<(String, String)> {
    let both = |mount: String| {
        let mut parts = mount.split(':').map(str::to_owned);
        (parts.next().unwrap(), parts.next().unwrap())
    };
    strings(&service["volumes"]).into_iter().map(both).collect()
}

/// Where a service listens.
fn listens(name: &str, service: &Value) -> String {
    let arguments = strings(&service["command"]);
    match name {
        "scrape-log" => match recorder_takes(&arguments).addresses {
            Addresses::Default(address) => address.to_string(),
            Addresses::Chosen(addresses) => addresses[0].clone(),
        },
        "vitals-exporter" => exporter_takes(&arguments).listen_addresses[0].clone(),
        "grafana" => {
            let variable = |name: &str| text(&service["environment"][name]).to_owned();
            variable("GF_SERVER_HTTP_ADDR") + ":" + &variable("GF_SERVER_HTTP_PORT")
        }
        _ => flag(&arguments, "--web.listen-address").unwrap().to_owned(),
    }
}

#[test]
fn each_path_that_is_mounted_exists() {
    let volumes: BTreeMap<String, Value> =
        serde_json::from_value(yaml("deploy/compose.yml")["volumes"].clone()).unwrap();
    let mut used = BTreeSet::new();
    for (source, _) in services().values().flat_map(mounts) {
        if source.starts_with('.') {
            assert!(project("deploy").join(&source).is_dir(), "{source}");
        } else if source != "/" {
            assert!(volumes.contains_key(&source), "{source}");
            assert!(used.insert(source.clone()), "{source} twice");
        }
    }
    assert_eq!(used.len(), volumes.len(), "{volumes:?}");
}

#[test]
fn what_prometheus_scrapes_and_alerts_listens_and_nothing_else_is_reachable() {
    let mut ports = BTreeSet::new();
    for (name, service) in services() {
        assert_eq!(service["network_mode"], "host", "{name}");
        let address = listens(&name, &service);
        assert!(address.starts_with("127.0.0.1:"), "{name}: {address}");
        assert!(ports.insert(port(&address)), "{name}: {address} twice");
        let probe = strings(&service["healthcheck"]["test"]);
        assert_eq!(probe.is_empty(), OURS.contains(&name.as_str()), "{name}");
        if let Some(url) = probe.last() {
            assert!(url.starts_with(&format!("http://{address}/")), "{name}: {url}");
        }
    }
    assert!(ports.remove(&3000), "Grafana, which nobody scrapes");
    assert_eq!(ports, prometheus::local_ports());
}

#[test]
fn files_that_flags_name_are_mounted() {
    for (name, service) in services() {
        let mounts = mounts(&service);
        for argument in strings(&service["command"]) {
            let Some((flag, path)) = argument.split_once("=/") else { continue };
            let path = format!("/{path}");
            let mounted = mounts.iter().find(|(_, target)| {
                path.strip_prefix(target.as_str())
                    .is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
            });
            let Some((source, target)) = mounted else { panic!("{name}: nothing is mounted at {argument}") };
            if flag == "--config.file" {
                assert!(
                    project("deploy").join(path.replacen(target, source, 1)).is_file(),
                    "{name}: {argument}"
                );
            }
        }
    }
}

#[test]
fn the_exporter_sees_the_host_and_the_recorder_what_prometheus_sees() {
    let services = services();
    let exporter = &services["vitals-exporter"];
    let flags: BTreeSet<String> = strings(&exporter["command"]).into_iter().collect();
    for flag in ["rootfs=/host", "procfs=/host/proc", "sysfs=/host/sys", "udev.data=/host/run/udev/data"] {
        assert!(flags.contains(&format!("--path.{flag}")), "{flag}");
    }
    assert_eq!(strings(&exporter["volumes"]), ["/:/host:ro,rslave", "vitals-exporter:/data"]);
    assert_eq!((text(&exporter["pid"]), text(&exporter["uts"])), ("host", "host"));
    let recorder = recorder_takes(&strings(&services["scrape-log"]["command"]));
    let file = flag(&strings(&services["prometheus"]["command"]), "--config.file").unwrap().into();
    assert_eq!(recorder.jobs, JobSource::File(file));
    for name in OURS {
        assert_eq!(services[name]["read_only"], true);
        assert_eq!(services[name]["image"], format!("vitals-exporter:{}", env!("CARGO_PKG_VERSION")));
    }
}

#[test]
fn images_have_a_version_and_no_registry() {
    for (name, service) in services() {
        let (repository, tag) = text(&service["image"]).rsplit_once(':').unwrap();
        assert!(!repository.split('/').next().unwrap().contains('.'), "{name}: {repository}");
        let numbers = tag.trim_start_matches('v').split('.').map(|number| number.parse::<u32>().is_ok());
        assert_eq!(numbers.collect::<Vec<_>>(), [true; 3], "{name}: {tag}");
        assert_eq!(strings(&service["cap_drop"]), ["ALL"], "{name}");
        assert_eq!(service["restart"], "unless-stopped", "{name}");
    }
}

#[test]
#[ignore = "needs prometheus and prometheus-alertmanager (tests/run installs them)"]
fn the_servers_know_their_flags() {
    for (name, program) in [("prometheus", "prometheus"), ("alertmanager", "prometheus-alertmanager")] {
        let output = Command::new(program).arg("--help").output().unwrap();
        let help = String::from_utf8(output.stdout).unwrap() + &String::from_utf8(output.stderr).unwrap();
        for argument in strings(&services()[name]["command"]) {
            let flag = argument.split('=').next().unwrap();
            assert!(help.split([' ', '=', '\n']).any(|word| word == flag), "{program} {flag}");
        }
    }
}

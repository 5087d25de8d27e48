//! `grafana/provisioning/`: what compose mounts is what Grafana looks for, and its data source is the Prometheus beside it.

use serde_json::Value;

use crate::common::rules::{files, project};
use crate::{flag, strings, text, yaml};

fn grafana() -> Value {
    yaml("deploy/compose.yml")["services"]["grafana"].clone()
}

/// What is mounted at `target` in Grafana's container, as a path in this repository.
fn mounted_at(target: &str) -> Option<String> {
    strings(&grafana()["volumes"]).iter().find_map(|mount| {
        let [source, at, "ro"] = mount.split(':').collect::<Vec<_>>()[..] else { return None };
        (at == target).then(|| source.strip_prefix("../").unwrap().to_owned())
    })
}

#[test]
fn grafana_finds_its_provisioning_and_that_finds_the_dashboards() {
    assert_eq!(mounted_at("/etc/grafana/provisioning").as_deref(), Some("grafana/provisioning"));
    let file = yaml("grafana/provisioning/dashboards/vitals.yml");
    assert_eq!(file["apiVersion"], 1);
    let [provider] = &file["providers"].as_array().unwrap()[..] else { panic!("{file}") };
    assert_eq!((text(&provider["type"]), &provider["allowUiUpdates"]), ("file", &Value::Bool(false)));
    let dashboards = mounted_at(text(&provider["options"]["path"])).unwrap();
    assert_eq!(files(&dashboards, "json").len(), 3, "{dashboards}");
    assert!(project("grafana/provisioning/datasources/prometheus.yml").is_file());
}

#[test]
fn the_data_source_is_the_prometheus_that_scrapes() {
    let file = yaml("grafana/provisioning/datasources/prometheus.yml");
    assert_eq!(file["apiVersion"], 1);
    let [source] = &file["datasources"].as_array().unwrap()[..] else { panic!("{file}") };
    assert_eq!((text(&source["type"]), &source["isDefault"]), ("prometheus", &Value::Bool(true)));
    assert!(!text(&source["uid"]).is_empty(), "links need one that stays");
    let prometheus = strings(&yaml("deploy/compose.yml")["services"]["prometheus"]["command"]);
    let address = flag(&prometheus, "--web.listen-address").unwrap().replace("127.0.0.1", "localhost");
    assert_eq!(text(&source["url"]), format!("http://{address}"));
    // $__rate_interval is made of it: too short, and rates have holes.
    let interval = yaml("deploy/prometheus/prometheus.yml")["global"]["scrape_interval"].clone();
    assert_eq!(source["jsonData"]["timeInterval"], interval);
}

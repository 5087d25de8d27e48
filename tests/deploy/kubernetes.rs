//! `deploy/kubernetes/`: names that refer to each other agree.

use std::collections::BTreeSet;

use serde_json::{Value, json};

use crate::common::rules::{files, stem};
use crate::{exporter_takes, port, strings, text, yaml};

fn manifest(name: &str) -> Value {
    yaml(&format!("deploy/kubernetes/{name}.yaml"))
}

fn pod() -> Value {
    manifest("daemonset")["spec"]["template"]["spec"].clone()
}

fn container() -> Value {
    let containers = pod()["containers"].as_array().unwrap().clone();
    assert_eq!(containers.len(), 1);
    containers[0].clone()
}

#[test]
fn all_files_are_in_the_kustomization_but_the_one_for_the_operator() {
    let kustomization = manifest("kustomization");
    let listed: BTreeSet<String> = strings(&kustomization["resources"]).into_iter().collect();
    let mut shipped: BTreeSet<String> =
        files("deploy/kubernetes", "yaml").iter().map(|path| stem(path) + ".yaml").collect();
    assert!(shipped.remove("kustomization.yaml") && shipped.remove("servicemonitor.yaml"));
    assert_eq!(listed, shipped);
    assert_eq!(kustomization["namespace"], manifest("namespace")["metadata"]["name"]);
    let image = &kustomization["images"][0];
    assert_eq!(image["name"], container()["image"]);
    assert_eq!(image["newTag"], env!("CARGO_PKG_VERSION"));
}

#[test]
fn selectors_select_the_pods() {
    let labels = &manifest("daemonset")["spec"]["template"]["metadata"]["labels"];
    assert!(!labels.as_object().unwrap().is_empty());
    assert_eq!(&manifest("daemonset")["spec"]["selector"]["matchLabels"], labels);
    let service = manifest("service");
    assert_eq!(&service["spec"]["selector"], labels);
    assert_eq!(service["spec"]["clusterIP"], "None");
    let monitor = manifest("servicemonitor");
    assert_eq!(monitor["spec"]["selector"]["matchLabels"], service["metadata"]["labels"]);
    let job = text(&monitor["spec"]["jobLabel"]);
    assert!(service["metadata"]["labels"][job].is_string(), "{job}");
}

#[test]
fn ports_are_those_that_the_exporter_listens_on() {
    let container = container();
    let ours = &container["ports"][0];
    let config = exporter_takes(&strings(&container["args"]));
    assert_eq!(ours["containerPort"], port(&config.listen_addresses[0]));
    let service = manifest("service");
    let served = &service["spec"]["ports"][0];
    assert_eq!((&served["targetPort"], &served["port"]), (&ours["name"], &ours["containerPort"]));
    assert_eq!(service["metadata"]["annotations"]["prometheus.io/port"], ours["containerPort"].to_string());
    assert_eq!(manifest("servicemonitor")["spec"]["endpoints"][0]["port"], served["name"]);
    for (probe, path) in [("livenessProbe", "/-/healthy"), ("readinessProbe", "/-/ready")] {
        assert_eq!(container[probe]["httpGet"], json!({"path": path, "port": ours["name"]}));
    }
}

#[test]
fn each_path_of_the_host_is_mounted_read_only() {
    let (pod, container) = (pod(), container());
    let volumes: BTreeSet<&str> =
        pod["volumes"].as_array().unwrap().iter().map(|volume| text(&volume["name"])).collect();
    let mounts = container["volumeMounts"].as_array().unwrap();
    assert_eq!(mounts.iter().map(|mount| text(&mount["name"])).collect::<BTreeSet<_>>(), volumes);
    assert!(mounts.iter().all(|mount| mount["readOnly"] == true));
    let root = mounts.iter().find(|mount| mount["name"] == "root").unwrap();
    assert_eq!(root["mountPropagation"], "HostToContainer");
    let args = strings(&container["args"]);
    let paths: Vec<&str> =
        args.iter().filter_map(|arg| Some(arg.strip_prefix("--path.")?.split_once('=')?.1)).collect();
    assert_eq!(paths.len(), 4);
    for path in paths {
        assert!(mounts.iter().any(|mount| path.starts_with(text(&mount["mountPath"]))), "{path}");
    }
}

#[test]
fn the_pod_sees_the_host_and_may_do_little() {
    let (pod, container) = (pod(), container());
    for key in ["hostNetwork", "hostPID"] {
        assert_eq!(pod[key], true, "{key}");
    }
    assert_eq!(pod["automountServiceAccountToken"], false);
    assert_eq!(pod["securityContext"]["runAsNonRoot"], true);
    assert_eq!(pod["securityContext"]["seccompProfile"]["type"], "RuntimeDefault");
    let context = &container["securityContext"];
    assert_eq!(
        (&context["readOnlyRootFilesystem"], &context["allowPrivilegeEscalation"]),
        (&json!(true), &json!(false))
    );
    assert_eq!(strings(&context["capabilities"]["drop"]), ["ALL"]);
    let policy = &manifest("namespace")["metadata"]["labels"]["pod-security.kubernetes.io/enforce"];
    assert_eq!(policy, "privileged", "or such a pod is refused");
}

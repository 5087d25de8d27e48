//! Where targets come from: `static_configs`, `file_sd_configs`, `http_sd_configs` and the files that they read.

use std::time::Duration;

use super::fields::Fields;
use super::http;
use super::yaml::{At, Node, Value};
use super::{Discovery, TargetGroup};
use crate::exposition::is_label_name;
use crate::scrape_log::labels::Labels;
use crate::scrape_log::targets::without_credentials;
use crate::web::client::Endpoint;

/// `refresh_interval` of `http_sd_configs`.
const HTTP_REFRESH_INTERVAL: Duration = Duration::from_secs(60);
/// What the files of `file_sd_configs` end with.
const EXTENSIONS: [&str; 6] = [".json", ".yml", ".yaml", ".JSON", ".YML", ".YAML"];
/// Prometheus' other ways to find targets.
const OTHERS: [&str; 34] = [
    "aws_sd_configs",
    "azure_sd_configs",
    "consul_sd_configs",
    "digitalocean_sd_configs",
    "dns_sd_configs",
    "docker_sd_configs",
    "dockerswarm_sd_configs",
    "ec2_sd_configs",
    "ecs_sd_configs",
    "elasticache_sd_configs",
    "eureka_sd_configs",
    "gce_sd_configs",
    "hetzner_sd_configs",
    "ionos_sd_configs",
    "kubernetes_sd_configs",
    "kuma_sd_configs",
    "lightsail_sd_configs",
    "linode_sd_configs",
    "marathon_sd_configs",
    "msk_sd_configs",
    "nerve_sd_configs",
    "nomad_sd_configs",
    "openstack_sd_configs",
    "outscale_sd_configs",
    "ovhcloud_sd_configs",
    "puppetdb_sd_configs",
    "rds_sd_configs",
    "scaleway_sd_configs",
    "serverset_sd_configs",
    "stackit_sd_configs",
    "triton_sd_configs",
    "uyuni_sd_configs",
    "vultr_sd_configs",
    "xds_sd_configs",
];

/// Takes the keys about discovery out of a scrape configuration. The addresses are only checked where no rule can
/// make something else of them, as with exporters that probe what `__address__` says.
pub(super) fn read(fields: &mut Fields<'_>, addresses_are_final: bool) -> Vec<Discovery> {
    let mut found = Vec::new();
    let groups = fields.sections("static_configs").into_iter();
    let groups: Vec<TargetGroup> = groups.map(|group| target_group(group, addresses_are_final)).collect();
    if !groups.is_empty() {
        found.push(Discovery::Static(groups));
    }
    found.extend(fields.sections("file_sd_configs").into_iter().map(files));
    found.extend(fields.sections("http_sd_configs").into_iter().filter_map(http_sd));
    fields.refuse(
        &OTHERS,
        "let what knows the targets write them into files for file_sd_configs, or serve them for http_sd_configs",
    );
    found
}

fn files(mut fields: Fields<'_>) -> Discovery {
    let files = fields.texts("files");
    if files.is_empty() {
        fields.problem(fields.at, "file_sd_configs needs files, a list of paths such as targets/*.yml");
    }
    let mut patterns = Vec::new();
    for file in files {
        if !is_pattern(&file.value) {
            let message = format!(
                "{:?} can't be read for targets, expected a path that ends with .json, .yml or .yaml and has at most \
                 one *, in its last part",
                file.value
            );
            fields.problem(file.at, message);
        }
        patterns.push(fields.resolve(&file.value));
    }
    let _checked = fields.duration("refresh_interval");
    fields.finish();
    Discovery::Files { patterns }
}

fn is_pattern(path: &str) -> bool {
    let stem = EXTENSIONS.iter().find_map(|extension| path.strip_suffix(extension));
    stem.is_some_and(|stem| match stem.split_once('*') {
        Some((_, after)) => !after.contains(['*', '/']),
        None => true,
    })
}

fn http_sd(mut fields: Fields<'_>) -> Option<Discovery> {
    let url = fields.text("url");
    let refresh_interval =
        fields.duration("refresh_interval").map_or(HTTP_REFRESH_INTERVAL, |interval| interval.value);
    let mut http = http::read(&mut fields);
    http.compression = true;
    match &url {
        None => fields.problem(fields.at, "http_sd_configs needs a url that begins with http:// or https://"),
        Some(url) => {
            if let Err(problem) = Endpoint::parse(&url.value) {
                fields.report().problem_with_secret(url.at, format!("url: {problem}"));
            }
        }
    }
    fields.finish();
    Some(Discovery::Http { url: url?.value, refresh_interval, http: Box::new(http) })
}

/// Reads a list of target groups, which is what the files and pages of discovery consist of.
pub(super) fn target_groups(root: Node, report: &super::report::Report<'_>) -> Vec<TargetGroup> {
    let list = match root.value {
        Value::List(list) => list,
        Value::Null => Vec::new(),
        other => {
            report.problem(root.at, format!("expected a list of target groups, found {}", other.name()));
            return Vec::new();
        }
    };
    let open = |node: Node| {
        if node.value == Value::Null {
            report.problem(node.at, "a target group is empty: fill it in or leave it out");
            return None;
        }
        Fields::open(node, "a target group", report)
    };
    list.into_iter().filter_map(open).map(|group| target_group(group, false)).collect()
}

fn target_group(mut fields: Fields<'_>, addresses_are_final: bool) -> TargetGroup {
    let targets = fields.texts("targets");
    if addresses_are_final {
        for target in &targets {
            if let Err(problem) = check_address(&target.value) {
                fields.problem(target.at, problem);
            }
        }
    }
    let labels = read_labels(&mut fields, "labels");
    fields.finish();
    TargetGroup { targets: targets.into_iter().map(|target| target.value).collect(), labels }
}

/// A mapping of label names to values.
pub(super) fn read_labels(fields: &mut Fields<'_>, key: &'static str) -> Labels {
    let mut labels = Labels::default();
    for (name, value) in fields.map(key) {
        if !is_label_name(&name.value) {
            let message =
                format!("{:?} is no label name, expected letters, digits and _, no digit first", name.value);
            fields.problem(name.at, message);
        }
        if let Some(At { value, .. }) = fields.entry_text(key, value) {
            labels.set(name.value, value);
        }
    }
    labels
}

fn check_address(target: &str) -> Result<(), String> {
    let shown = without_credentials(target);
    if target.contains("://") {
        Err(format!(
            "the target {shown:?} is a URL, expected HOST:PORT: its parts go into scheme and metrics_path"
        ))
    } else if target.contains('/') {
        Err(format!("the target {shown:?} has a path, expected HOST:PORT: the path goes into metrics_path"))
    } else if target.is_empty() {
        Err("a target is empty, expected HOST:PORT".to_owned())
    } else {
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn patterns() {
        for path in ["a.json", "/x/*.yml", "x/a*b.yaml", "A.YML", ".json"] {
            assert!(is_pattern(path), "{path}");
        }
        for path in ["a", "a.txt", "*/a.yml", "a*b*.yml", "a.Yml", "", "a.json.bak"] {
            assert!(!is_pattern(path), "{path}");
        }
    }
}

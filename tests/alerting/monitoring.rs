//! Prometheus and Alertmanager with quick copies of what is shipped, and the receivers at their end.

use std::collections::BTreeSet;
use std::fs;
use std::net::SocketAddr;
use std::path::PathBuf;

use serde_json::Value;

use super::common::hosts::copy;
use super::common::rules::{files, project};
use super::common::servers::{Server, alertmanager, prometheus};
use super::common::{http, wait_until};
use super::quick::{self, Addresses};
use super::receivers::{Mail, Post, Receiver};
use super::{LONG, told};

pub struct Monitoring {
    prometheus: Server,
    alertmanager: Server,
    alertmanager_config: PathBuf,
    _directory: tempfile::TempDir,
    pub web: Receiver<Post>,
    pub mail: Receiver<Mail>,
}

/// An alert as Alertmanager has it.
#[derive(Debug)]
pub struct Alert {
    labels: Value,
    /// Whether others mute it.
    pub is_muted: bool,
    /// Who would be told.
    pub receivers: Vec<String>,
}

impl Alert {
    pub fn is(&self, instance: &str, name: &str, severity: &str) -> bool {
        let labels = [("instance", instance), ("alertname", name), ("severity", severity)];
        labels.iter().all(|(label, value)| self.labels[*label] == *value)
    }
}

impl Monitoring {
    /// Watches hosts, given with the names they go by.
    pub fn start(hosts: &[(&str, SocketAddr)]) -> Self {
        let directory = tempfile::tempdir().unwrap();
        let (web, mail) = (Receiver::web(), Receiver::mail());
        let read = |path: PathBuf| fs::read_to_string(path).unwrap();

        copy(&project("deploy/alertmanager/templates"), &directory.path().join("templates"));
        let alertmanager_config = directory.path().join("alertmanager.yml");
        let shipped = read(project("deploy/alertmanager/alertmanager.yml"));
        let to = Addresses { http: web.address, mail: mail.address };
        fs::write(&alertmanager_config, quick::alertmanager(&shipped, to)).unwrap();
        let alertmanager = alertmanager(&alertmanager_config, &directory.path().join("alertmanager"));

        let rules = directory.path().join("rules");
        fs::create_dir(&rules).unwrap();
        for file in files("deploy/prometheus/rules", "yml") {
            fs::write(rules.join(file.file_name().unwrap()), quick::rules(&read(file))).unwrap();
        }
        let mut config = format!(
            "global: {{scrape_interval: 1s, scrape_timeout: 1s, evaluation_interval: 1s}}\n\
             rule_files: ['{}/*.yml']\n\
             alerting: {{alertmanagers: [{{static_configs: [{{targets: ['{}']}}]}}]}}\n\
             scrape_configs:\n  - job_name: hosts\n    static_configs:\n",
            rules.display(),
            alertmanager.address
        );
        for (name, address) in hosts {
            config += &format!("      - {{targets: ['{address}'], labels: {{instance: {name}}}}}\n");
        }
        let prometheus = prometheus(&config, directory.path());
        Self { prometheus, alertmanager, alertmanager_config, _directory: directory, web, mail }
    }

    /// The values of a query, each with the labels.
    pub fn query(&self, query: &str) -> Vec<(Value, f64)> {
        let path = format!("/api/v1/query?query={}", http::encode(query));
        let answer: Value = serde_json::from_str(&http::get_ok(self.prometheus.address, &path)).unwrap();
        let series = answer["data"]["result"].as_array().unwrap();
        let value = |series: &Value| series["value"][1].as_str().unwrap().parse().unwrap();
        series.iter().map(|series| (series["metric"].clone(), value(series))).collect()
    }

    /// All alerts that have fired on a host so far, each with its severity.
    pub fn fired(&self, host: &str) -> BTreeSet<(String, String)> {
        let query = format!("last_over_time(ALERTS{{alertstate=\"firing\", instance=\"{host}\"}}[1h])");
        let label = |labels: &Value, name: &str| labels[name].as_str().unwrap().to_owned();
        let pair = |(labels, _): &(Value, f64)| (label(labels, "alertname"), label(labels, "severity"));
        self.query(&query).iter().map(pair).collect()
    }

    /// What Alertmanager has now, muted or not.
    pub fn alerts(&self) -> Vec<Alert> {
        let body = http::get_ok(self.alertmanager.address, "/api/v2/alerts");
        let alerts: Vec<Value> = serde_json::from_str(&body).unwrap();
        let names = |list: &Value| -> Vec<String> {
            let list = list.as_array().unwrap().iter();
            list.map(|receiver| receiver["name"].as_str().unwrap().to_owned()).collect()
        };
        let read = |alert: Value| {
            let is_muted = !alert["status"]["inhibitedBy"].as_array().unwrap().is_empty();
            assert_eq!(alert["status"]["state"] == "suppressed", is_muted, "{alert}");
            Alert { labels: alert["labels"].clone(), is_muted, receivers: names(&alert["receivers"]) }
        };
        alerts.into_iter().map(read).collect()
    }

    /// Waits until Alertmanager has an alert, muted or not.
    pub fn wait_for_alert(&self, instance: &str, name: &str, severity: &str, is_muted: bool) -> Alert {
        let muted = if is_muted { "muted " } else { "" };
        wait_until(&format!("the {muted}{severity} alert {name} of {instance}"), LONG, || {
            let mut alerts = self.alerts().into_iter();
            alerts.find(|alert| alert.is(instance, name, severity) && alert.is_muted == is_muted)
        })
    }

    /// Waits until `path` of the web server is told of an alert, after its first `after` posts.
    pub fn wait_for_post(&self, path: &str, after: usize, instance: &str, name: &str, status: &str) -> Post {
        wait_until(&format!("{path} to be told that {name} of {instance} is {status}"), LONG, || {
            let posts = self.web.all().into_iter().skip(after);
            posts.into_iter().find(|post| post.path == path && told(post, instance, name, status).is_some())
        })
    }

    /// Waits until somebody gets a mail with both.
    pub fn wait_for_mail(&self, to: &str, subject: &str, text: &str) -> Mail {
        wait_until(&format!("a mail to {to} about {subject}: {text}"), LONG, || {
            let mut mails = self.mail.all().into_iter();
            mails.find(|mail| mail.to == to && mail.subject.contains(subject) && mail.text.contains(text))
        })
    }

    /// Waits until the dead man's switch was told so many times more.
    pub fn wait_for_watchdog(&self, times: usize) {
        let count = || self.web.all().iter().filter(|post| post.path == "/dead-mans-switch").count();
        let before = count();
        wait_until("the watchdog", LONG, || (count() >= before + times).then_some(()));
    }

    /// Edits Alertmanager's configuration as a user would.
    pub fn reconfigure(&self, from: &str, to: &str) {
        let config = fs::read_to_string(&self.alertmanager_config).unwrap();
        assert_eq!(config.matches(from).count(), 1, "{from} in {config}");
        fs::write(&self.alertmanager_config, config.replace(from, to)).unwrap();
        let answer = http::post(self.alertmanager.address, "/-/reload", b"").unwrap();
        assert_eq!(answer.status, 200, "{}", answer.text());
    }
}

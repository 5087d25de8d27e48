//! A small dashboard with nothing wrong, for the tests of the checks.

use serde_json::{Value, json};

use crate::model::Dashboard;

/// The dashboard.
pub fn good() -> Dashboard {
    let json = json!({
        "annotations": {"list": [
            {"builtIn": 1, "datasource": {"type": "grafana", "uid": "-- Grafana --"}, "enable": true, "hide": true,
             "iconColor": "rgba(0, 211, 255, 1)", "name": "Annotations & Alerts", "type": "dashboard"},
            {"datasource": source(), "enable": true, "expr": "1000 * node_boot_time_seconds{job=~\"$job\", instance=~\"$instance\"}",
             "iconColor": "purple", "name": "Reboots", "useValueForTime": true},
        ]},
        "editable": false, "fiscalYearStartMonth": 0, "graphTooltip": 1, "id": null,
        "links": [{"asDropdown": false, "icon": "external link", "includeVars": true, "keepTime": true,
            "tags": ["vitals-exporter"], "targetBlank": false, "title": "Vitals dashboards", "tooltip": "",
            "type": "dashboards", "url": ""}],
        "liveNow": false,
        "panels": [timeseries(1, "Network errors", 0), timeseries(2, "Dropped packets", 12)],
        "refresh": "1m", "schemaVersion": 41, "tags": ["vitals-exporter"],
        "templating": {"list": [
            {"current": {}, "hide": 0, "includeAll": false, "label": "Data source", "multi": false, "name": "datasource",
             "options": [], "query": "prometheus", "refresh": 1, "regex": "", "type": "datasource"},
            variable("job", "Job", "label_values(node_uname_info, job)", ""),
            variable("instance", "Host",
                "query_result(max by (instance, nodename) (last_over_time(node_uname_info{job=~\"$job\"}[$__range])))",
                "/nodename=\"(?<text>[^\"]+)|instance=\"(?<value>[^\"]+)/g"),
        ]},
        "time": {"from": "now-24h", "to": "now"}, "timepicker": {}, "timezone": "browser",
        "title": "Host", "uid": "vitals-host", "version": 1, "weekStart": "",
    });
    let text = format!("{}\n", serde_json::to_string_pretty(&json).unwrap());
    Dashboard { name: "host".to_owned(), text, json }
}

fn source() -> Value {
    json!({"type": "prometheus", "uid": "${datasource}"})
}

fn variable(name: &str, label: &str, query: &str, regex: &str) -> Value {
    json!({"allValue": ".+", "current": {}, "datasource": source(), "definition": query, "hide": 0, "includeAll": true,
        "label": label, "multi": true, "name": name, "options": [], "query": {"query": query, "refId": name},
        "refresh": 2, "regex": regex, "sort": 1, "type": "query"})
}

fn timeseries(id: u32, title: &str, x: u32) -> Value {
    let expr = "rate(node_network_receive_errs_total{job=~\"$job\", instance=~\"$instance\"}[$__rate_interval]) \
                * on (job, instance) group_left (nodename) max by (job, instance, nodename) \
                (node_uname_info{job=~\"$job\", instance=~\"$instance\"})";
    json!({"datasource": source(), "description": "None is normal. If there are some, look at the cable and the port.",
        "fieldConfig": {"defaults": {"thresholds": {"mode": "absolute", "steps": [
            {"color": "green", "value": null}, {"color": "red", "value": 1}]}, "unit": "pps"}, "overrides": []},
        "gridPos": {"h": 8, "w": 12, "x": x, "y": 0}, "id": id,
        "links": [{"title": "Host", "url": "/d/vitals-host/host?${datasource:queryparam}"}],
        "targets": [{"datasource": source(), "expr": expr, "legendFormat": "{{nodename}} {{device}}", "refId": "A"}],
        "title": title, "type": "timeseries"})
}

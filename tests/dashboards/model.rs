//! The dashboards in `grafana/dashboards/` and what is in them.

use std::collections::BTreeSet;
use std::fs;

use regex_lite::Regex;
use serde_json::Value;

use crate::common::rules::{files, project, stem};

const FOLDER: &str = "grafana/dashboards";

/// One dashboard.
pub struct Dashboard {
    /// The file's name without `.json`.
    pub name: String,
    /// The file as it is.
    pub text: String,
    /// What it says.
    pub json: Value,
}

impl Dashboard {
    /// All panels but rows, those inside of rows too.
    pub fn panels(&self) -> Vec<&Value> {
        let mut panels = Vec::new();
        for panel in list(&self.json, "/panels") {
            if text(panel, "/type") == "row" {
                panels.extend(list(panel, "/panels"))
            } else {
                panels.push(panel)
            }
        }
        panels
    }

    /// The panels that show what a query brings.
    pub fn panels_with_data(&self) -> Vec<&Value> {
        let has_data = |panel: &&Value| !["text", "alertlist"].contains(&text(panel, "/type"));
        self.panels().into_iter().filter(has_data).collect()
    }

    /// The variables that are filled from a data source.
    pub fn query_variables(&self) -> impl Iterator<Item = &Value> {
        list(&self.json, "/templating/list").iter().filter(|variable| text(variable, "/type") == "query")
    }

    /// The variable of this name.
    pub fn variable(&self, name: &str) -> Option<&Value> {
        list(&self.json, "/templating/list").iter().find(|variable| text(variable, "/name") == name)
    }

    /// Everything in it that asks Prometheus: panels, annotations and variables.
    pub fn queries(&self) -> Vec<Query> {
        let targets = self.panels().into_iter().flat_map(|panel| {
            let of_panel = move |target| queries_of_target(text(panel, "/title"), target);
            list(panel, "/targets").iter().flat_map(of_panel)
        });
        let annotations = list(&self.json, "/annotations/list").iter().filter_map(query_of_annotation);
        targets.chain(annotations).chain(self.query_variables().filter_map(query_of_variable)).collect()
    }
}

fn queries_of_target(panel: &str, target: &Value) -> Vec<Query> {
    let instant = target["instant"] == true;
    let shapes = [(instant, Shape::Instant), (!instant || target["range"] == true, Shape::Range)];
    let query = |shape| Query {
        place: format!("{panel}, {}", text(target, "/refId")),
        expr: text(target, "/expr").to_owned(),
        shape,
        labels: labels_in(text(target, "/legendFormat")),
    };
    shapes.into_iter().filter(|(asked, _)| *asked).map(|(_, shape)| query(shape)).collect()
}

fn query_of_annotation(annotation: &Value) -> Option<Query> {
    let expr = Some(text(annotation, "/expr")).filter(|expr| !expr.is_empty())?;
    Some(Query {
        place: format!("annotation {}", text(annotation, "/name")),
        expr: expr.to_owned(),
        shape: Shape::Range,
        // What its text names are labels of any alert.
        labels: BTreeSet::new(),
    })
}

/// Nothing if it can't be read, of which a check of its own tells.
fn query_of_variable(variable: &Value) -> Option<Query> {
    let (expr, shape) = match VariableQuery::read(variable_query(variable)).ok()? {
        VariableQuery::Result(expr) => (expr, Shape::Instant),
        VariableQuery::Values(expr, label) => (expr, Shape::Values(label)),
    };
    let place = format!("variable {}", text(variable, "/name"));
    Some(Query { place, expr, shape, labels: BTreeSet::new() })
}

/// The names in `{{NAME}}`.
fn labels_in(legend: &str) -> BTreeSet<String> {
    let name = Regex::new(r"\{\{\s*(\w+)\s*\}\}").unwrap();
    name.captures_iter(legend).map(|found| found[1].to_owned()).collect()
}

/// One query and how Grafana asks it.
#[derive(Clone, Debug)]
pub struct Query {
    /// Where it stands.
    pub place: String,
    /// PromQL with Grafana's variables in it.
    pub expr: String,
    /// What is to come back.
    pub shape: Shape,
    /// The labels that its legend names.
    pub labels: BTreeSet<String>,
}

/// What a query brings.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Shape {
    /// The values of now.
    Instant,
    /// A line.
    Range,
    /// The values of a label.
    Values(String),
}

/// What fills a variable.
#[derive(Debug, PartialEq, Eq)]
pub enum VariableQuery {
    /// Text made of the result of a query.
    Result(String),
    /// The values that a label has among some series.
    Values(String, String),
}

impl VariableQuery {
    /// Reads `label_values(SERIES, LABEL)` and `query_result(QUERY)`.
    pub fn read(query: &str) -> Result<Self, String> {
        let inside =
            |function: &str| query.trim().strip_prefix(function)?.strip_prefix('(')?.strip_suffix(')');
        if let Some(expr) = inside("query_result") {
            return Ok(Self::Result(expr.to_owned()));
        }
        let arguments =
            inside("label_values").ok_or_else(|| format!("not a function that is known: {query}"))?;
        let (series, label) =
            arguments.rsplit_once(',').ok_or_else(|| format!("takes the label of all series: {query}"))?;
        Ok(Self::Values(series.trim().to_owned(), label.trim().to_owned()))
    }
}

/// The query of a variable, which is text or an object with it.
pub fn variable_query(variable: &Value) -> &str {
    match &variable["query"] {
        Value::String(query) => query,
        object => text(object, "/query"),
    }
}

/// All dashboards, by file name.
pub fn all() -> Vec<Dashboard> {
    assert!(project(FOLDER).is_dir(), "there is no {FOLDER}/");
    let dashboards: Vec<Dashboard> = files(FOLDER, "json")
        .into_iter()
        .map(|path| {
            let text = fs::read_to_string(&path).unwrap();
            let json =
                serde_json::from_str(&text).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
            Dashboard { name: stem(&path), text, json }
        })
        .collect();
    assert!(!dashboards.is_empty(), "{FOLDER}/ has no .json");
    dashboards
}

/// The text at a JSON pointer, empty if there is none.
pub fn text<'v>(value: &'v Value, pointer: &str) -> &'v str {
    value.pointer(pointer).and_then(Value::as_str).unwrap_or("")
}

/// The list at a JSON pointer, empty if there is none.
pub fn list<'v>(value: &'v Value, pointer: &str) -> &'v [Value] {
    value.pointer(pointer).and_then(Value::as_array).map_or(&[], Vec::as_slice)
}

#[test]
fn variables_are_read() {
    let read = VariableQuery::read;
    let values = |series: &str, label: &str| Ok(VariableQuery::Values(series.to_owned(), label.to_owned()));
    assert_eq!(read(r#"label_values(a{b="c", d=~"$d"}, job)"#), values(r#"a{b="c", d=~"$d"}"#, "job"));
    assert_eq!(
        read("query_result(max by (a, b) (c))"),
        Ok(VariableQuery::Result("max by (a, b) (c)".to_owned()))
    );
    assert!(read("label_values(job)").is_err());
    assert!(read("label_vals(up, job)").is_err());
}

//! The rules in `deploy/prometheus/rules/` as values. The reader takes the plain layout that those files keep to, one
//! key a line and `|` for long expressions, and panics at anything else, so that no rule escapes it.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};

use promql_parser::parser::Expr;

use super::promql;

/// What a rule is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// Fires.
    Alert,
    /// Records a series.
    Record,
}

/// A rule of a rule file.
#[derive(Debug)]
pub struct Rule {
    /// The file without its folder and `.yml`.
    pub concern: String,
    /// Whether it fires or records.
    pub kind: Kind,
    /// The alert's name or the series' one.
    pub name: String,
    /// PromQL; has line feeds where the file has.
    pub expr: String,
    /// The other keys: `for`, `keep_firing_for`, `severity` and the annotations.
    pub keys: BTreeMap<String, String>,
    /// All comments above and inside the rule.
    pub comments: String,
    /// The keys that have a comment right above them.
    pub explained: BTreeSet<String>,
}

impl Rule {
    /// The value of a key, empty without it.
    pub fn key(&self, name: &str) -> &str {
        self.keys.get(name).map_or("", String::as_str)
    }

    /// The expression as a tree.
    pub fn tree(&self) -> Expr {
        promql::parse(&self.expr)
            .unwrap_or_else(|problem| panic!("{}: {problem} in {}", self.name, self.expr))
    }
}

/// A path inside the repository.
pub fn project(path: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join(path)
}

/// The files with `extension` in a folder of the repository, by name.
pub fn files(folder: &str, extension: &str) -> Vec<PathBuf> {
    let entries = fs::read_dir(project(folder)).unwrap().map(|entry| entry.unwrap().path());
    let mut files: Vec<PathBuf> =
        entries.filter(|path| path.extension().is_some_and(|found| found == extension)).collect();
    files.sort();
    files
}

/// The name of a file without its extension.
pub fn stem(path: &Path) -> String {
    path.file_stem().unwrap().to_str().unwrap().to_owned()
}

/// All rules, by file.
pub fn all() -> Vec<Rule> {
    let read = |path: PathBuf| rules(&stem(&path), &fs::read_to_string(&path).unwrap());
    files("deploy/prometheus/rules", "yml").into_iter().flat_map(read).collect()
}

/// The rules that fire.
pub fn alerts() -> Vec<Rule> {
    all().into_iter().filter(|rule| rule.kind == Kind::Alert).collect()
}

fn rules(concern: &str, text: &str) -> Vec<Rule> {
    let mut rules: Vec<Rule> = Vec::new();
    let (mut comments, mut in_expr) = (String::new(), false);
    for line in text.lines() {
        let content = line.trim_start();
        let indent = line.len() - content.len();
        if in_expr && indent >= 10 {
            let rule = rules.last_mut().unwrap();
            rule.expr += if rule.expr.is_empty() { "" } else { "\n" };
            rule.expr += content;
            continue;
        }
        in_expr = false;
        if let Some(comment) = content.strip_prefix('#') {
            comments += comment;
            continue;
        }
        let (key, value) = content.trim_start_matches("- ").split_once(':').unwrap_or((content, ""));
        let value = unquoted(value.trim());
        match (indent, key) {
            (0, "" | "groups") | (4, "rules") | (8, "labels" | "annotations") => continue,
            (2, "name") => assert_eq!(value, format!("vitals-{concern}")),
            (6, "alert" | "record") => rules.push(Rule {
                concern: concern.to_owned(),
                kind: if key == "alert" { Kind::Alert } else { Kind::Record },
                name: value,
                expr: String::new(),
                keys: BTreeMap::new(),
                comments: String::new(),
                explained: BTreeSet::new(),
            }),
            (8, "expr") if value == "|" => in_expr = true,
            (8, "expr") => rules.last_mut().unwrap().expr = value,
            (8, "for" | "keep_firing_for") | (10, _) => {
                let rule = rules.last_mut().unwrap();
                assert!(rule.keys.insert(key.to_owned(), value).is_none(), "{}: {key} twice", rule.name);
                if !comments.is_empty() {
                    rule.explained.insert(key.to_owned());
                }
            }
            _ => panic!("{concern}.yml: a line that these tests can't read: {line}"),
        }
        if let Some(rule) = rules.last_mut() {
            rule.comments += &comments;
        }
        comments.clear();
    }
    rules
}

fn unquoted(value: &str) -> String {
    match value.strip_prefix('"').and_then(|value| value.strip_suffix('"')) {
        Some(inside) => inside.replace("\\\"", "\""),
        None => value.to_owned(),
    }
}

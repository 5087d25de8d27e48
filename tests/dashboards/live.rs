//! All queries of the dashboards and the rules, asked of a Prometheus that has scraped a server with all hardware there
//! is, made of files, and this machine, with both exporters.

use std::collections::BTreeSet;
use std::fmt::Write;

use promql_parser::parser::{Expr, VectorSelector};
use regex_lite::Regex;

use crate::common::promql::{metrics, selectors, without_thresholds};
use crate::common::rules::{self, Rule, project};
use crate::common::used;
use crate::interpolate::{Values, built_in, interpolate, tree};
use crate::model::{self, Dashboard, Query, Shape, list, text};
use crate::prometheus::{Answer, Scraped};

/// Queries that bring nothing here: the dashboard or `rules`, the place, and why.
const EMPTY: &[(&str, &str, &str)] = &[];

const SELECTORS: &str = "series selected by all these";
const FAMILIES: &str = "families of node-mixin and Node Exporter Full";

/// One line of the table.
#[derive(Default)]
struct Row {
    name: String,
    asked: BTreeSet<String>,
    with_data: BTreeSet<String>,
    empty: BTreeSet<String>,
    errors: Vec<String>,
}

impl Row {
    fn new(name: &str) -> Self {
        Self { name: name.to_owned(), ..Self::default() }
    }

    fn count(&mut self, place: &str, answer: Answer) {
        self.count_labelled(place, answer, &BTreeSet::new());
    }

    /// What is written about the result can name only labels that it has.
    fn count_labelled(&mut self, place: &str, answer: Answer, named: &BTreeSet<String>) {
        self.asked.insert(place.to_owned());
        match answer {
            Answer::Data(labels) => {
                self.with_data.insert(place.to_owned());
                let missing = named.difference(&labels);
                self.errors.extend(missing.map(|label| format!("{place}: the result has no label {label}")));
            }
            Answer::Empty => drop(self.empty.insert(place.to_owned())),
            Answer::Error(reason) => self.errors.push(format!("{place}: {reason}")),
        }
    }

    /// What is empty without being known as such, and the other way round.
    fn unexpected(&self) -> Vec<String> {
        let mut known: BTreeSet<&str> =
            EMPTY.iter().filter(|(name, ..)| *name == self.name).map(|(_, place, _)| *place).collect();
        if self.name == FAMILIES {
            known.extend(used::FILLED_BY_NOBODY.iter().map(|(name, _)| *name));
        }
        let new = self.empty.iter().filter(|place| !known.contains(place.as_str()));
        let new = new.map(|place| format!("{}: nothing came back for {place}", self.name));
        let over = known.iter().filter(|place| !self.empty.contains(**place));
        let over = over.map(|place| format!("{}: {place} has data, or is no longer asked", self.name));
        let errors = self.errors.iter().map(|error| format!("{}: {error}", self.name));
        new.chain(over).chain(errors).collect()
    }
}

#[test]
#[ignore = "needs Prometheus and node_exporter (tests/run installs them)"]
fn every_query_is_answered() {
    let dashboards = model::all();
    let scraped = Scraped::start(&names(&dashboards));
    let mut rows: Vec<Row> = dashboards.iter().map(|dashboard| of_dashboard(&scraped, dashboard)).collect();
    let (watched, as_they_are) = of_rules(&scraped);
    rows.extend([watched, of_selectors(&scraped, &dashboards), of_families(&scraped)]);
    let mut problems: Vec<String> = rows.iter().flat_map(Row::unexpected).collect();
    problems.extend(as_they_are.errors.iter().map(|error| format!("rules: {error}")));
    let known: BTreeSet<&str> = rows.iter().map(|row| row.name.as_str()).collect();
    problems.extend(
        EMPTY.iter().filter(|(name, ..)| !known.contains(name)).map(|entry| format!("{entry:?}: of what?")),
    );
    println!("{}", table(rows.iter().chain([&as_they_are])));
    assert!(problems.is_empty(), "{} problems:\n{}", problems.len(), problems.join("\n"));
    // How many alerts fire depends on the moment.
    keep(&table(&rows));
}

/// All that dashboards and rules ask for.
fn names(dashboards: &[Dashboard]) -> BTreeSet<String> {
    let of_rules = rules::all().iter().flat_map(|rule| metrics(&rule.tree())).collect::<Vec<_>>();
    let trees = dashboards.iter().flat_map(|dashboard| {
        let trees = dashboard.queries().into_iter().filter_map(|query| tree(dashboard, &query.expr).ok());
        trees.collect::<Vec<_>>()
    });
    trees.flat_map(|tree| metrics(&tree)).chain(of_rules).collect()
}

fn table<'r>(rows: impl IntoIterator<Item = &'r Row>) -> String {
    let mut table =
        String::from("| asked by | queries | with data | empty | errors |\n|---|---|---|---|---|\n");
    for row in rows {
        let (with_data, empty, errors) = (row.with_data.len(), row.empty.len(), row.errors.len());
        writeln!(table, "| {} | {} | {with_data} | {empty} | {errors} |", row.name, row.asked.len()).unwrap();
    }
    table
}

/// `UPDATE_GOLDEN=1` writes the table anew into the page about the dashboards, if there is one.
fn keep(table: &str) {
    let path = project("grafana/README.md");
    let Ok(page) = std::fs::read_to_string(&path) else { return };
    let (begin, end) = ("<!-- queries -->\n", "<!-- end of queries -->");
    let (before, rest) = page.split_once(begin).unwrap_or_else(|| panic!("{}: no {begin}", path.display()));
    let (_, after) = rest.split_once(end).unwrap_or_else(|| panic!("{}: no {end}", path.display()));
    let made = format!("{before}{begin}{table}{end}{after}");
    if std::env::var_os("UPDATE_GOLDEN").is_some() {
        std::fs::write(path, made).unwrap();
    } else {
        assert_eq!(page, made, "UPDATE_GOLDEN=1 writes the table anew");
    }
}

/// With all hosts chosen everything has to be answered; with one of them nothing may go wrong.
fn of_dashboard(scraped: &Scraped, dashboard: &Dashboard) -> Row {
    let mut row = Row::new(text(&dashboard.json, "/title"));
    let all = values(dashboard, ".+", ".+");
    for query in dashboard.queries() {
        row.count_labelled(&query.place, ask(scraped, &query, &all), &query.labels);
    }
    for (job, address) in scraped.hosts() {
        // As Grafana writes chosen values: those of a pattern, quoted for the language.
        let one = values(dashboard, job, &address.replace('.', "\\\\."));
        for query in dashboard.queries() {
            if let Answer::Error(reason) = ask(scraped, &query, &one) {
                row.errors.push(format!("{} of {job}: {reason}", query.place));
            }
        }
    }
    row.errors.extend(hosts_missing(scraped, dashboard, &all));
    row
}

fn values(dashboard: &Dashboard, job: &str, instance: &str) -> Values {
    let mut values = built_in(Scraped::RATE_INTERVAL, Scraped::INTERVAL, Scraped::RANGE);
    for variable in list(&dashboard.json, "/templating/list") {
        let current = text(variable, "/current/value");
        let value = match text(variable, "/name") {
            "job" => job,
            "instance" => instance,
            _ if variable["includeAll"] == true => ".+",
            _ => current,
        };
        values.insert(text(variable, "/name").to_owned(), value.to_owned());
    }
    values
}

fn ask(scraped: &Scraped, query: &Query, values: &Values) -> Answer {
    match interpolate(&query.expr, values) {
        Ok(expr) => scraped.ask(&expr, &query.shape),
        Err(reason) => Answer::Error(reason),
    }
}

/// The list of hosts offers each by its name and stands for its instance.
fn hosts_missing(scraped: &Scraped, dashboard: &Dashboard, values: &Values) -> Vec<String> {
    let Some(variable) = dashboard.variable("instance") else {
        return vec!["no variable instance".to_owned()];
    };
    let mut offered = BTreeSet::new();
    let pattern = text(variable, "/regex");
    let pattern = pattern.strip_prefix('/').and_then(|pattern| pattern.rsplit_once('/')).unwrap().0;
    let pattern = Regex::new(pattern).unwrap();
    let query = dashboard.queries().into_iter().find(|query| query.place == "variable instance").unwrap();
    assert_eq!(query.shape, Shape::Instant, "{}", query.expr);
    for line in scraped.as_text(&interpolate(&query.expr, values).unwrap()) {
        let found: Vec<_> = pattern.captures_iter(&line).collect();
        let group = |name: &str| found.iter().find_map(|found| Some(found.name(name)?.as_str().to_owned()));
        offered.insert((group("value").unwrap_or_default(), group("text").unwrap_or_default()));
    }
    let hosts = scraped.hosts().into_iter().map(|(_, address)| (address, scraped.node_name.clone()));
    let missing = hosts.filter(|host| !offered.contains(host));
    missing.map(|host| format!("the variable instance does not offer {host:?} but {offered:?}")).collect()
}

/// What the rules watch, and their expressions as they are: those of alerts that are quiet have nothing to tell.
fn of_rules(scraped: &Scraped) -> (Row, Row) {
    let (mut watched, mut as_they_are) = (Row::new("rules, without thresholds"), Row::new("rules"));
    let ask = |expr: &Expr| scraped.ask(&expr.to_string(), &Shape::Instant);
    for rule in rules::all() {
        let place = place(&rule);
        as_they_are.count(&place, scraped.ask(&rule.expr, &Shape::Instant));
        watched.count_labelled(&place, ask(&without_thresholds(&rule.tree())), &labels_named(&rule));
    }
    (watched, as_they_are)
}

/// The labels in the annotations of an alert.
fn labels_named(rule: &Rule) -> BTreeSet<String> {
    let label = Regex::new(r"\$labels\.(\w+)").unwrap();
    let texts = ["summary", "description"].map(|key| rule.key(key)).join(" ");
    label.captures_iter(&texts).map(|found| found[1].to_owned()).collect()
}

fn place(rule: &Rule) -> String {
    format!("{} {}", rule.name, rule.key("severity")).trim().to_owned()
}

/// Everything that is selected anywhere: one side of an `or` with a matcher that nothing has would not show above.
fn of_selectors(scraped: &Scraped, dashboards: &[Dashboard]) -> Row {
    let mut row = Row::new(SELECTORS);
    let mut found = BTreeSet::new();
    let mut add = |expr: &Expr| found.extend(selectors(expr).iter().map(|selector| plain(selector.vector)));
    rules::all().iter().for_each(|rule| add(&rule.tree()));
    for dashboard in dashboards {
        for query in dashboard.queries() {
            if let Ok(tree) = tree(dashboard, &query.expr) {
                add(&tree);
            }
        }
    }
    for selector in &found {
        row.count(selector, scraped.ask(selector, &Shape::Instant));
    }
    row
}

/// The selector without its time and without the variables.
fn plain(selector: &VectorSelector) -> String {
    let mut plain = VectorSelector { offset: None, at: None, ..selector.clone() };
    plain.matchers.matchers.retain(|matcher| !["job", "instance"].contains(&matcher.name.as_str()));
    plain.to_string()
}

/// What the dashboards of others ask for.
fn of_families(scraped: &Scraped) -> Row {
    let mut row = Row::new(FAMILIES);
    for name in used::used().into_keys() {
        row.count(name, scraped.ask(&format!("count({name})"), &Shape::Instant));
    }
    row
}

#[test]
fn what_is_not_expected_is_told() {
    let mut row = Row::new(FAMILIES);
    row.count("node_load1", Answer::Data(BTreeSet::new()));
    row.count("node_kernel_hung_tasks", Answer::Empty);
    row.count("node_netstat_Tcp_MaxConn", Answer::Empty);
    assert_eq!(row.unexpected(), Vec::<String>::new());
    row.count("node_load5", Answer::Empty);
    row.count("node_load15", Answer::Error("refused".to_owned()));
    row.empty.remove("node_kernel_hung_tasks");
    let labels = |names: [&str; 2]| names.map(str::to_owned).into();
    row.count_labelled("node_load5", Answer::Data(labels(["device", "job"])), &labels(["device", "disk"]));
    let unexpected = row.unexpected().join("\n");
    for part in
        ["nothing came back for node_load5", "node_load15: refused", "node_kernel_hung_tasks has data"]
    {
        assert!(unexpected.contains(part), "{unexpected}");
    }
    assert_eq!(row.unexpected().len(), 4);
    assert!(table([&row]).ends_with("| 5 | 2 | 2 | 2 |\n"), "{}", table([&row]));
}

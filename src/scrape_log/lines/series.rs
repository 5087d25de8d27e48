//! What a series is called in the file: the page's names and labels, the target's labels, and the rules of the job.

use std::collections::BTreeSet;

use super::labels;
use super::synthetic::is_reserved;
use crate::exposition::{Label, Sample, is_metric_name};
use crate::scrape_log::config::Limits;
use crate::scrape_log::labels::Labels;
use crate::scrape_log::relabel::{self, Rule};

/// Of names in messages, which pages may make as long as they like.
const SHOWN_CHARACTERS: usize = 40;
/// The label that rules know a sample's name by.
const NAME: &str = "__name__";

/// What the samples of a target get, and what they have to keep to.
#[derive(Clone, Debug, Default, PartialEq)]
pub(in crate::scrape_log) struct Rules {
    /// The target's labels.
    pub(in crate::scrape_log) labels: Labels,
    /// Whether a label of the page wins over the target's of the same name.
    pub(in crate::scrape_log) honor_labels: bool,
    /// `metric_relabel_configs`.
    pub(in crate::scrape_log) metric_relabel: Vec<Rule>,
    /// The job's caps.
    pub(in crate::scrape_log) limits: Limits,
}

/// What becomes of a sample.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Fate {
    /// Its name and labels were appended.
    Written,
    /// The rules drop it.
    Dropped,
    /// The rules leave it without a name that can be written.
    Nameless,
    /// It is beyond a cap of the job, which makes the scrape a failed one.
    BeyondLimit(String),
}

/// Spells series.
#[derive(Debug)]
pub(super) struct Speller {
    rules: Rules,
    /// `{job="…",instance="…"`, the start of a label set as a rule.
    head: Vec<u8>,
    order: Vec<usize>,
}

impl Speller {
    pub(super) fn new(rules: Rules) -> Self {
        let mut head = b"{".to_vec();
        for (name, value) in job_and_instance_first(&rules.labels) {
            if head.len() > 1 {
                head.push(b',');
            }
            head.extend_from_slice(name.as_bytes());
            head.extend_from_slice(b"=\"");
            labels::push_plain_value(&mut head, value);
            head.push(b'"');
        }
        Self { rules, head, order: Vec::new() }
    }

    pub(super) fn rules(&self) -> &Rules {
        &self.rules
    }

    /// What stands between the name and the page's own labels of a series in its usual spelling.
    pub(super) fn head(&self) -> &[u8] {
        &self.head
    }

    /// Appends `name{labels} `, labels sorted behind those of the target and without empty ones, which mean nothing.
    pub(super) fn push(&mut self, out: &mut Vec<u8>, sample: &Sample<'_, '_>) -> Fate {
        let start = out.len();
        if self.rules.honor_labels || !self.rules.metric_relabel.is_empty() || self.head.len() == 1 {
            return self.push_relabelled(out, sample);
        }
        push_name(out, sample.name);
        let name_end = out.len();
        out.extend_from_slice(&self.head);
        labels::push_labels(out, sample.labels, &self.rules.labels, &mut self.order);
        out.extend_from_slice(b"} ");
        let length = out.len() - name_end;
        match self.beyond_limit(sample.name, sample.labels, length) {
            None => Fate::Written,
            Some(problem) => {
                out.truncate(start);
                Fate::BeyondLimit(problem)
            }
        }
    }

    /// The way of Prometheus: the page's and the target's labels in one set, which the rules then change.
    fn push_relabelled(&self, out: &mut Vec<u8>, sample: &Sample<'_, '_>) -> Fate {
        let own = &self.rules.labels;
        let page = || sample.labels.iter().filter(|label| !label.escaped_value.is_empty());
        let taken: BTreeSet<&str> = page().map(|label| label.name).collect();
        let mut set = own.clone();
        for label in page() {
            if self.rules.honor_labels || own.get(label.name).is_empty() {
                set.set(label.name, label.value());
            } else {
                let taken = |name: &str| taken.contains(name) || !own.get(name).is_empty();
                set.set(labels::exported(label.name, taken), label.value());
            }
        }
        set.set(NAME, sample.name);
        let Some(set) = relabel::apply(&self.rules.metric_relabel, set) else { return Fate::Dropped };
        let name = set.get(NAME);
        if !is_metric_name(name) {
            return Fate::Nameless;
        }
        if let Some(problem) = self.labels_beyond_limit(&set) {
            return Fate::BeyondLimit(problem);
        }
        push_name(out, name);
        let mut separator = b'{';
        for (name, value) in job_and_instance_first(&set).filter(|(name, _)| *name != NAME) {
            out.push(separator);
            out.extend_from_slice(name.as_bytes());
            out.extend_from_slice(b"=\"");
            labels::push_plain_value(out, value);
            out.push(b'"');
            separator = b',';
        }
        out.extend_from_slice(if separator == b'{' { b" " } else { b"} " });
        Fate::Written
    }

    /// The problem with a sample's labels, given the page's and the length of all of them as text, which nearly always is
    /// too short for there to be one.
    fn beyond_limit(&self, name: &str, page_labels: &[Label<'_>], length: usize) -> Option<String> {
        let Limits { labels, label_name_length, label_value_length, .. } = self.rules.limits;
        let fits = |limit: Option<usize>, most: usize| limit.is_none_or(|limit| most <= limit);
        let longest = length.max(name.len());
        if fits(labels, 1 + self.rules.labels.len() + page_labels.len())
            && fits(label_name_length, longest)
            && fits(label_value_length, longest)
        {
            return None;
        }
        let mut set = self.rules.labels.clone();
        for label in page_labels.iter().filter(|label| !label.escaped_value.is_empty()) {
            let taken =
                |name: &str| !set.get(name).is_empty() || page_labels.iter().any(|other| other.name == name);
            let name = if self.rules.labels.get(label.name).is_empty() {
                label.name.to_owned()
            } else {
                labels::exported(label.name, taken)
            };
            set.set(name, label.value());
        }
        set.set(NAME, name);
        self.labels_beyond_limit(&set)
    }

    /// What is wrong with a label set that has the name in it, as Prometheus counts.
    fn labels_beyond_limit(&self, set: &Labels) -> Option<String> {
        let Limits { labels, label_name_length, label_value_length, .. } = self.rules.limits;
        let short = |text: &str| text.chars().take(SHOWN_CHARACTERS).collect::<String>();
        let sample = short(set.get(NAME));
        if let Some(limit) = labels.filter(|&limit| set.len() > limit) {
            return Some(format!("{sample} has {} labels, label_limit is {limit}", set.len()));
        }
        set.iter().find_map(|(name, value)| {
            let over = |limit: Option<usize>, length: usize| limit.filter(|&limit| length > limit);
            let shown = short(name);
            let (what, limit, length) = if let Some(limit) = over(label_name_length, name.len()) {
                ("label_name_length_limit", limit, name.len())
            } else {
                ("label_value_length_limit", over(label_value_length, value.len())?, value.len())
            };
            Some(format!("label {shown} of {sample} has a length of {length}, {what} is {limit}"))
        })
    }
}

/// Appends a name from the page, so that it can't pass for one of this program's own.
pub(super) fn push_name(out: &mut Vec<u8>, name: &str) {
    if is_reserved(name) {
        out.extend_from_slice(b"exported_");
    }
    out.extend_from_slice(name.as_bytes());
}

/// The two labels that people look for come first.
fn job_and_instance_first(labels: &Labels) -> impl Iterator<Item = (&str, &str)> {
    let first = ["job", "instance"];
    let known = first.map(|name| (name, labels.get(name)));
    known
        .into_iter()
        .filter(|(_, value)| !value.is_empty())
        .chain(labels.iter().filter(move |(name, _)| !first.contains(name)))
}

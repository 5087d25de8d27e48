//! A set of labels, as targets and relabelling rules have them.

use std::collections::BTreeMap;
use std::fmt;

/// Label names with their values, sorted by name. A label without a value is no label, as everywhere in Prometheus.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Labels(BTreeMap<String, String>);

impl Labels {
    /// The label's value, empty if there is none.
    pub fn get(&self, name: &str) -> &str {
        self.0.get(name).map_or("", String::as_str)
    }

    /// Sets a label, or takes it away where the value is empty.
    pub fn set(&mut self, name: impl Into<String>, value: impl Into<String>) {
        let value = value.into();
        if value.is_empty() {
            self.0.remove(&name.into());
        } else {
            self.0.insert(name.into(), value);
        }
    }

    /// Sets a label that is not there yet.
    pub fn set_default(&mut self, name: &str, value: &str) {
        if self.get(name).is_empty() {
            self.set(name, value);
        }
    }

    /// Takes a label away.
    pub fn remove(&mut self, name: &str) {
        self.0.remove(name);
    }

    /// Keeps the labels whose name and value `keep` says yes to.
    pub fn retain(&mut self, mut keep: impl FnMut(&str, &str) -> bool) {
        self.0.retain(|name, value| keep(name, value));
    }

    /// Names and values, sorted by name.
    pub fn iter(&self) -> impl ExactSizeIterator<Item = (&str, &str)> {
        self.0.iter().map(|(name, value)| (name.as_str(), value.as_str()))
    }

    /// How many there are.
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

impl<N: Into<String>, V: Into<String>> FromIterator<(N, V)> for Labels {
    fn from_iter<I: IntoIterator<Item = (N, V)>>(pairs: I) -> Self {
        let mut labels = Self::default();
        for (name, value) in pairs {
            labels.set(name, value);
        }
        labels
    }
}

/// `{name="value", …}`, for messages.
impl fmt::Display for Labels {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str("{")?;
        for (index, (name, value)) in self.iter().enumerate() {
            let comma = if index == 0 { "" } else { ", " };
            write!(out, "{comma}{name}={value:?}")?;
        }
        out.write_str("}")
    }
}

#[cfg(test)]
mod tests {
    use super::Labels;

    #[test]
    fn empty_values_are_no_labels() {
        let mut labels: Labels = [("job", "node"), ("empty", "")].into_iter().collect();
        labels.set("instance", "db01:9100");
        labels.set_default("job", "other");
        labels.set("instance", "");
        assert_eq!(labels.to_string(), "{job=\"node\"}");
        assert_eq!((labels.get("job"), labels.get("missing")), ("node", ""));
    }
}

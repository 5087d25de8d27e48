//! Relabelling: rules that rewrite, keep and drop label sets.

use super::labels::Labels;

/// A rule of `relabel_configs` or `metric_relabel_configs`.
#[derive(Clone, Debug, PartialEq)]
pub struct Rule {}

/// Applies the rules in their order. `None` if one of them drops the label set.
pub fn apply(rules: &[Rule], labels: Labels) -> Option<Labels> {
    debug_assert!(rules.is_empty());
    Some(labels)
}

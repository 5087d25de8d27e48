//! Every action, each with what it does and what it does not do.

use proptest::prelude::*;

use super::*;

fn labels(pairs: &[(&str, &str)]) -> Labels {
    pairs.iter().copied().collect()
}

fn spec(action: Action, source: &[&str], regex: &str, target: &str, replacement: &str) -> Spec {
    Spec {
        source_labels: source.iter().map(|&name| name.to_owned()).collect(),
        regex: regex.to_owned(),
        target_label: target.to_owned(),
        replacement: replacement.to_owned(),
        action,
        ..Spec::default()
    }
}

fn applied(spec: Spec, before: &Labels) -> String {
    let rule = Rule::new(spec).unwrap();
    apply(&[rule], before.clone()).map_or("dropped".to_owned(), |after| after.to_string())
}

/// Rules that set labels, and what the label `t` has afterwards; `a` is "foo", `b` is "bar", `t` is "old".
#[test]
fn replace() {
    let before = labels(&[("a", "foo"), ("b", "bar"), ("lines", "x\ny"), ("t", "old")]);
    for (source, regex, replacement, want) in [
        (&["a"][..], "(.*)", "$1", "foo"),
        (&["a"], "f(.*)", "$1", "oo"),
        (&["a"], "(f).*", "${1}x", "fx"),
        (&["a"], "(?P<first>f).*", "$first", "f"),
        (&["a"], "o", "$1", "old"), // anchored
        (&["a"], "fo|foo", "$0", "foo"),
        (&["a", "b"], "(.*)", "$1", "foo;bar"),
        (&["a", "missing"], "(.*);", "$1", "foo"),
        (&["missing"], "(.*)", "$1", ""),
        (&["missing"], ".+", "x", "old"),
        (&["a"], "(f).*", "$1x", ""),
        (&["a"], ".*", "$1", ""),
        (&["a"], ".*", "$$1", "$1"),
        (&["a"], "FOO", "x", "old"),
        (&["a"], "(?i)FOO", "x", "x"),
        (&["lines"], "(.*)", "$1", "x\ny"), // a dot is a line end too
        (&[], "(.*)", "static", "static"),
    ] {
        let rule = Rule::new(spec(Action::Replace, source, regex, "t", replacement)).unwrap();
        let after = apply(&[rule], before.clone()).unwrap();
        assert_eq!(after.get("t"), want, "{source:?} {regex} {replacement}");
        assert_eq!(after.get("a"), "foo");
    }
}

#[test]
fn replace_with_a_target_from_the_match() {
    let before = labels(&[("a", "foo-bar"), ("foo", "old")]);
    let rule = |regex, target, replacement| spec(Action::Replace, &["a"], regex, target, replacement);
    assert_eq!(applied(rule("(.*)-(.*)", "${1}", "$2"), &before), r#"{a="foo-bar", foo="bar"}"#);
    assert_eq!(
        applied(rule("(.*)-(.*)", "new_$1", "$2"), &before),
        r#"{a="foo-bar", foo="old", new_foo="bar"}"#
    );
    let unchanged = before.to_string();
    assert_eq!(applied(rule("(.*)", "$1", "x"), &before), unchanged, "foo-bar is no name");
    assert_eq!(applied(rule("(.*)", "$2", "x"), &before), unchanged, "nor is nothing");
    assert_eq!(applied(rule("(.*)-.*", "$1", ""), &before), r#"{a="foo-bar"}"#);
}

#[test]
fn keeping_and_dropping() {
    use Action::{Drop, DropEqual, Keep, KeepEqual};
    let before = labels(&[("a", "foo"), ("b", "bar"), ("copy", "foo"), ("both", "foo;bar")]);
    for (action, source, regex, target, kept) in [
        (Keep, &["a"][..], "foo|baz", "", true),
        (Keep, &["a"], "fo", "", false),
        (Keep, &["missing"], "", "", true),
        (Keep, &["a", "b"], "foo;bar", "", true),
        (Keep, &[], ".*", "", true),
        (Drop, &["a"], "foo", "", false),
        (Drop, &["a"], "fo", "", true),
        (Drop, &["missing"], ".+", "", true),
        (KeepEqual, &["a"], "(.*)", "copy", true),
        (KeepEqual, &["a"], "(.*)", "b", false),
        (KeepEqual, &["a", "b"], "(.*)", "both", true),
        (KeepEqual, &["missing"], "(.*)", "missing_too", true),
        (DropEqual, &["a"], "(.*)", "copy", false),
        (DropEqual, &["a"], "(.*)", "b", true),
        (DropEqual, &["missing"], "(.*)", "missing_too", false),
    ] {
        let got = applied(spec(action, source, regex, target, "$1"), &before);
        let want = if kept { before.to_string() } else { "dropped".to_owned() };
        assert_eq!(got, want, "{action} {source:?} {regex} {target}");
    }
}

#[test]
fn hash_and_case() {
    let before = labels(&[("a", "foo"), ("b", "bar"), ("c", "baz"), ("mixed", "Straße ÄÖ")]);
    let hashmod =
        |source: &[&str], modulus| Spec { modulus, ..spec(Action::HashMod, source, "(.*)", "t", "$1") };
    let target = |spec| apply(&[Rule::new(spec).unwrap()], before.clone()).unwrap().get("t").to_owned();
    // printf 'foo;bar;baz' | md5sum: the second half modulo 1000, and all of it.
    assert_eq!(target(hashmod(&["a", "b", "c"], 1000)), "719");
    assert_eq!(target(hashmod(&["missing"], u64::MAX)), "16825458760271544958");
    assert_eq!(target(hashmod(&["a"], 1)), "0");
    let case = |action, source| spec(action, &[source], "(.*)", "t", "$1");
    assert_eq!(target(case(Action::Lowercase, "mixed")), "straße äö");
    assert_eq!(target(case(Action::Uppercase, "mixed")), "STRAßE ÄÖ");
    assert_eq!(target(case(Action::Uppercase, "missing")), "");
}

#[test]
fn rules_for_names() {
    use Action::{LabelDrop, LabelKeep, LabelMap};
    let before = labels(&[("__meta_env", "prod"), ("__meta_zone", "b"), ("env", "old"), ("job", "node")]);
    for (action, regex, replacement, want) in [
        (
            LabelMap,
            "__meta_(.+)",
            "$1",
            r#"{__meta_env="prod", __meta_zone="b", env="prod", job="node", zone="b"}"#,
        ),
        (
            LabelMap,
            "(job)",
            "${1}_name",
            r#"{__meta_env="prod", __meta_zone="b", env="old", job="node", job_name="node"}"#,
        ),
        (LabelMap, "meta", "x", r#"{__meta_env="prod", __meta_zone="b", env="old", job="node"}"#),
        (LabelDrop, "__meta_.*|job", "$1", r#"{env="old"}"#),
        (LabelDrop, "meta", "$1", r#"{__meta_env="prod", __meta_zone="b", env="old", job="node"}"#),
        (LabelKeep, "__meta_.*|job", "$1", r#"{__meta_env="prod", __meta_zone="b", job="node"}"#),
        (LabelKeep, "nothing", "$1", "{}"),
    ] {
        assert_eq!(applied(spec(action, &[], regex, "", replacement), &before), want, "{action} {regex}");
    }
}

#[test]
fn rules_follow_each_other() {
    let rules = [
        spec(Action::Replace, &["__address__"], "([^:]+).*", "host", "$1"),
        spec(Action::Uppercase, &["host"], "(.*)", "host", "$1"),
        spec(Action::Drop, &["host"], "DB02", "", "$1"),
    ];
    let rules: Vec<Rule> = rules.into_iter().map(|spec| Rule::new(spec).unwrap()).collect();
    let host = |address| Some(apply(&rules, labels(&[("__address__", address)]))?.get("host").to_owned());
    assert_eq!(host("db01:9100"), Some("DB01".to_owned()));
    assert_eq!(host("db02:9100"), None);
}

#[test]
fn mistakes_name_the_key() {
    use Action as A;
    for (spec, key, want) in [
        (spec(A::Replace, &["a"], "(.*)", "", "$1"), "target_label", "replace needs a target_label"),
        (spec(A::Replace, &["a"], "(.*)", "a-b", "$1"), "target_label", "\"a-b\" is no label name"),
        (spec(A::Lowercase, &["a"], "(.*)", "$1", "$1"), "target_label", "\"$1\" is no label name"),
        (spec(A::Lowercase, &["a"], "(.*)", "a", "x"), "replacement", "lowercase takes no replacement"),
        (spec(A::HashMod, &["a"], "(.*)", "a", "$1"), "modulus", "at least 1"),
        (spec(A::LabelDrop, &["a"], "x", "", "$1"), "source_labels", "labeldrop takes only regex"),
        (spec(A::LabelKeep, &[], "x", "", "y"), "replacement", "labelkeep takes only regex"),
        (spec(A::KeepEqual, &["a"], "x", "a", "$1"), "regex", "only source_labels and target_label"),
        (spec(A::DropEqual, &["a"], "(.*)", "", "$1"), "target_label", "needs a target_label"),
        (spec(A::LabelMap, &[], "(.*)", "", "$1-x"), "replacement", "makes no label names"),
        (spec(A::Drop, &["a"], "(", "", "$1"), "regex", "group"),
    ] {
        let mistake = Rule::new(spec).unwrap_err();
        assert_eq!(mistake.key, key);
        assert!(mistake.to_string().contains(want), "{mistake}");
    }
}

fn any_spec() -> impl Strategy<Value = Spec> {
    let action = proptest::sample::select(Action::ALL.map(|(_, action)| action).to_vec());
    let name = || proptest::sample::select(vec!["a", "b", "__meta_x", "$1", "${1}", "x$2", "", "ä"]);
    let regex =
        || proptest::sample::select(vec!["(.*)", "a", "(?P<n>.)(.*)", "[^a]+", "__meta_(.+)", "", "(a|b)*"]);
    let text = || proptest::sample::select(vec!["$1", "", "$n", "x", "${", "$$", "${1}_y", "$1x", "\u{df}"]);
    (action, proptest::collection::vec(name(), 0..3), regex(), name(), text(), 0..5_u64).prop_map(
        |(action, source, regex, target, replacement, modulus)| Spec {
            modulus,
            ..spec(action, &source, regex, target, replacement)
        },
    )
}

proptest! {
    #[test]
    fn never_makes_what_is_no_label(
        specs in proptest::collection::vec(any_spec(), 1..8),
        values in proptest::collection::vec(".{0,6}", 3),
    ) {
        let rules: Vec<Rule> = specs.into_iter().filter_map(|spec| Rule::new(spec).ok()).collect();
        let before: Labels = ["a", "b", "__meta_x"].into_iter().zip(values).collect();
        if let Some(after) = apply(&rules, before) {
            for (name, value) in after.iter() {
                prop_assert!(is_label_name(name) && !value.is_empty(), "{after}");
            }
        }
    }

    #[test]
    fn any_text_is_a_rule_or_a_mistake(regex in "[a(){}\\[\\]*+?|$^.\\\\p0-9:=<!-]{0,12}", replacement in ".{0,8}") {
        for (_, action) in Action::ALL {
            let spec = Spec { modulus: 1, ..spec(action, &["a"], &regex, "t", &replacement) };
            if let Ok(rule) = Rule::new(spec) {
                let _dropped_or_not = apply(&[rule], labels(&[("a", "a0a"), ("t", "x")]));
            }
        }
    }
}

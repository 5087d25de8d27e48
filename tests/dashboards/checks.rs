//! Checks by name, and how they are checked themselves: each finds what is wrong in a good dashboard with one change.

use std::collections::BTreeSet;

use serde_json::Value;

use crate::model::Dashboard;
use crate::sample;

/// Something wrong: the panel or the variable, and what.
#[derive(Debug)]
pub struct Problem {
    /// A panel's title, a variable's name, or nothing.
    pub place: String,
    /// What is wrong and what it should be.
    pub message: String,
}

/// One check.
pub struct Check {
    /// Its name.
    pub name: &'static str,
    /// Tells what is wrong.
    pub run: fn(&Dashboard) -> Vec<Problem>,
}

/// A problem with the whole or with a part.
pub fn problem(place: &str, message: String) -> Problem {
    Problem { place: place.to_owned(), message }
}

/// A value that should be another one.
pub fn differs(place: &str, what: &str, found: &Value, wanted: &Value) -> Option<Problem> {
    (found != wanted).then(|| problem(place, format!("{what} is {found}, should be {wanted}")))
}

/// The same for a few fields at JSON pointers.
pub fn differing(place: &str, value: &Value, wanted: &[(&str, Value)]) -> Vec<Problem> {
    let found = |pointer: &str| value.pointer(pointer).unwrap_or(&Value::Null);
    wanted.iter().filter_map(|(pointer, wanted)| differs(place, pointer, found(pointer), wanted)).collect()
}

/// A change that one check has to find: its name, where, the new value in JSON (nothing takes the field away), and a
/// part of the message.
pub type Breakage = (&'static str, &'static str, &'static str, &'static str);

/// Holds each check to its breakages: it finds them, and finds nothing in the sample. Every check needs one.
pub fn each_finds_its_breakage(checks: &[Check], breakages: &[Breakage]) {
    let broken: BTreeSet<&str> = breakages.iter().map(|(name, ..)| *name).collect();
    assert_eq!(broken, checks.iter().map(|check| check.name).collect());
    for check in checks {
        let problems = (check.run)(&sample::good());
        assert!(problems.is_empty(), "{} finds something in the sample: {problems:?}", check.name);
    }
    for (name, pointer, value, message) in breakages {
        let mut dashboard = sample::good();
        change(&mut dashboard.json, pointer, value);
        let check = checks.iter().find(|check| check.name == *name).unwrap();
        let problems = (check.run)(&dashboard);
        let found = problems.iter().any(|problem| problem.message.contains(message));
        assert!(found, "{name} does not find {pointer} = {value}: {problems:?}");
    }
}

fn change(json: &mut Value, pointer: &str, value: &str) {
    let (parent, key) = pointer.rsplit_once('/').unwrap();
    let parent = json.pointer_mut(parent).unwrap_or_else(|| panic!("the sample has no {pointer}"));
    match (parent, value) {
        (Value::Object(object), "") => assert!(object.remove(key).is_some(), "the sample has no {pointer}"),
        (Value::Array(array), "") => drop(array.remove(key.parse().unwrap())),
        (Value::Object(object), value) => {
            drop(object.insert(key.to_owned(), serde_json::from_str(value).unwrap()))
        }
        // JSON Patch's sign for one more at the end.
        (Value::Array(array), value) if key == "-" => array.push(serde_json::from_str(value).unwrap()),
        (Value::Array(array), value) => {
            array[key.parse::<usize>().unwrap()] = serde_json::from_str(value).unwrap()
        }
        (other, _) => panic!("{pointer} is in {other}"),
    }
}

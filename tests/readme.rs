//! The tables of collectors and their flags come from the table in the code, and what node_exporter has more from the
//! list that the tests go by: between `<!-- NAME -->` and `<!-- end of NAME -->` the pages have to read as made here.
//! `UPDATE_GOLDEN=1 cargo test --test readme` writes them anew.
#![allow(clippy::unwrap_used)]

mod common;

use std::fmt::Write;

use common::parity;
use vitals::collectors::{COLLECTORS, FlagKind};

fn collectors() -> String {
    let mut table = String::from("| collector | default | what |\n|---|---|---|\n");
    for spec in COLLECTORS {
        let state = if spec.default_on { "on" } else { "off" };
        writeln!(table, "| {} | {state} | {} |", spec.name, spec.help).unwrap();
    }
    table
}

fn flags() -> String {
    let mut table = String::from("| flag | default | meaning |\n|---|---|---|\n");
    for flag in COLLECTORS.iter().flat_map(|spec| spec.flags).filter(|flag| !flag.hidden) {
        let default = match flag.kind {
            FlagKind::Switch(on) => on.to_string(),
            FlagKind::Pattern(text) | FlagKind::Duration(text) => text.replace('|', "\\|"),
            FlagKind::Count(count) => count.to_string(),
            FlagKind::List => String::new(),
        };
        let default = if default.is_empty() { default } else { format!("`{default}`") };
        let meaning = flag.help.trim_end_matches('.').replace('|', "\\|");
        writeln!(table, "| `--collector.{}` | {default} | {meaning} |", flag.name).unwrap();
    }
    table
}

fn differences() -> String {
    let mut list = String::new();
    for (families, reason) in parity::THEIRS_ONLY {
        let families: Vec<String> = families.iter().map(|family| format!("`{family}`")).collect();
        writeln!(list, "  - {}: {reason}", families.join(", ")).unwrap();
    }
    list
}

#[test]
fn tables_are_those_of_the_code() {
    for (page, name, table) in [
        ("src/collectors/README.md", "collectors", collectors()),
        ("src/collectors/README.md", "flags of collectors", flags()),
        ("README.md", "families that are missing", differences()),
    ] {
        let path = format!("{}/{page}", env!("CARGO_MANIFEST_DIR"));
        let text = std::fs::read_to_string(&path).unwrap();
        let (begin, end) = (format!("<!-- {name} -->\n"), format!("<!-- end of {name} -->"));
        let (before, rest) = text.split_once(&begin).unwrap_or_else(|| panic!("{page}: no {begin}"));
        let (found, after) = rest.split_once(&end).unwrap_or_else(|| panic!("{page}: no {end}"));
        if std::env::var_os("UPDATE_GOLDEN").is_some() {
            std::fs::write(path, format!("{before}{begin}{table}{end}{after}")).unwrap();
        } else if found != table {
            let differing = table.lines().zip(found.lines()).find(|(made, found)| made != found);
            panic!("{page} has not the {name} of the code, first at {differing:?}");
        }
    }
}

/// Flags outside the table of collectors have rows written by hand.
#[test]
fn every_flag_of_the_help_is_in_its_page() {
    for (page, help) in [
        ("README.md", help(vitals::exporter::args::parse)),
        ("src/scrape_log/README.md", help(vitals::scrape_log::args::parse)),
    ] {
        let text = std::fs::read_to_string(format!("{}/{page}", env!("CARGO_MANIFEST_DIR"))).unwrap();
        let flags: Vec<&str> = help.split_whitespace().filter(|word| word.starts_with("--")).collect();
        assert!(flags.len() > 5, "{help}");
        for flag in flags {
            let flag = flag.trim_end_matches([',', ']', '.']);
            let known = is_of_collector(flag) || matches!(flag, "--help" | "--version");
            assert!(known || text.contains(&format!("`{flag}`")), "{flag} is not in {page}");
        }
    }
}

/// Whether a flag is in one of the tables.
fn is_of_collector(flag: &str) -> bool {
    let is = |name: &str| flag.strip_prefix("--collector.") == Some(name);
    COLLECTORS.iter().any(|spec| is(spec.name) || spec.flags.iter().any(|flag| is(flag.name)))
}

fn help<T: std::fmt::Debug>(parse: fn(Vec<&'static str>) -> Result<T, vitals::base::usage::Usage>) -> String {
    parse(vec!["program", "--help"]).unwrap_err().to_string()
}

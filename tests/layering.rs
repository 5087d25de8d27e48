//! Holds `src/` to the picture at the top of `src/lib.rs`: imports point down the table only.
//!
//! The table in `lib.rs` is the only list of rooms; this test reads it there. Beside it, each external crate has the
//! rooms it belongs to below.
#![allow(clippy::unwrap_used)]

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};

/// Which rooms may name which dependency. `*` is every room. A crate that is missing here fails the test, so that
/// a new dependency gets its place when it comes.
const CRATES: &[(&str, &[&str])] = &[
    ("base64", &["web"]),
    ("bytes", &["web", "exporter", "scrape_log"]),
    ("clap", &["base", "exporter", "scrape_log"]),
    ("csv", &["scrape_log"]),
    ("flate2", &["web", "exporter", "scrape_log"]),
    ("foldhash", &["vitals", "scrape_log"]),
    ("http_body_util", &["web", "exporter", "scrape_log"]),
    ("hyper", &["web", "exporter", "scrape_log"]),
    ("hyper_util", &["web"]),
    ("indicatif", &["scrape_log"]),
    ("itoa", &["*"]),
    ("jiff", &["base", "collectors", "scrape_log"]),
    ("kernel_calls", &["collectors"]),
    ("md5", &["scrape_log"]),
    ("memchr", &["*"]),
    ("plotters", &["scrape_log"]),
    ("prometheus", &["telemetry", "exporter", "scrape_log"]),
    ("ratatui", &["scrape_log"]),
    ("regex_lite", &["collectors", "exporter", "scrape_log"]),
    ("rustix", &["base", "host", "collectors", "web", "telemetry", "exporter", "scrape_log"]),
    ("rustls", &["web"]),
    ("rustls_native_certs", &["web"]),
    ("serde", &["vitals", "exporter", "scrape_log"]),
    ("serde_json", &["base", "vitals", "exporter", "scrape_log"]),
    ("serde_saphyr", &["scrape_log"]),
    ("sysinfo", &["collectors"]),
    ("thiserror", &["*"]),
    ("tokio", &["bin", "base", "web", "exporter", "scrape_log"]),
    ("tokio_rustls", &["web"]),
    ("tracing", &["bin", "base", "host", "collectors", "web", "exporter", "scrape_log"]),
    ("tracing_subscriber", &["base"]),
    ("unicode_width", &["scrape_log"]),
    ("vitals_exposition", &["*"]),
    ("zstd", &["scrape_log"]),
];

/// The rooms and, for each, the rooms it may use. `bin` may use all.
type Table = BTreeMap<String, BTreeSet<String>>;

#[test]
fn imports_point_down() {
    let table = read_table(&fs::read_to_string(project("src/lib.rs")).unwrap());
    let mut problems = Vec::new();
    let files = sources(&project("src"));
    assert!(files.len() > 15, "{files:?}");
    for file in files {
        let path = file.strip_prefix(project("src")).unwrap();
        problems.extend(upward_imports(path, &fs::read_to_string(&file).unwrap(), &table));
    }
    assert!(problems.is_empty(), "{}", problems.join("\n"));
}

#[test]
fn every_room_is_in_the_table_and_every_row_is_a_room() {
    let lib = fs::read_to_string(project("src/lib.rs")).unwrap();
    let rows: BTreeSet<String> = read_table(&lib).into_keys().collect();
    let rooms = fs::read_dir(project("src")).unwrap().map(|entry| entry.unwrap().path());
    let rooms =
        rooms.filter(|path| path.is_dir()).map(|path| path.file_name().unwrap().to_str().unwrap().to_owned());
    assert_eq!(rooms.collect::<BTreeSet<_>>(), rows);
    for (row, uses) in read_table(&lib) {
        assert!(uses.is_subset(&rows), "{row} may use {uses:?}");
        assert!(!uses.contains("bin") && !uses.contains(&row), "{row} may use {uses:?}");
    }
}

#[test]
fn the_table_has_no_circles() {
    let table = read_table(&fs::read_to_string(project("src/lib.rs")).unwrap());
    let mut open: Table = table;
    while !open.is_empty() {
        let before = open.len();
        let left: BTreeSet<String> = open.keys().cloned().collect();
        open.retain(|_, uses| !uses.is_disjoint(&left));
        assert!(open.len() < before, "a circle among {:?}", open.keys());
    }
}

#[test]
fn every_dependency_has_its_rooms() {
    let manifest = fs::read_to_string(project("Cargo.toml")).unwrap();
    let section = manifest.split_once("[dependencies]\n").unwrap().1;
    let section = section.split("\n[").next().unwrap();
    let names = section.lines().filter_map(|line| line.split_once('='));
    let names: BTreeSet<String> = names.map(|(name, _)| name.trim().replace('-', "_")).collect();
    assert_eq!(names, CRATES.iter().map(|(name, _)| (*name).to_owned()).collect());
}

#[test]
fn a_wrong_import_is_found() {
    let table = read_table(
        "//! | room | owns | may use |\n//! |---|---|---|\n//! | `bin/*` | all | everything |\n\
         //! | [`web`] | HTTP | base, host |\n//! | [`host`] | files | base |\n//! | [`base`] | little | nothing |\n",
    );
    let found = |path: &str, source: &str| upward_imports(Path::new(path), source, &table).len();
    for (path, source) in [
        (
            "host/mod.rs",
            "use crate::base::x;\nuse std::io; // crate::web\n/* crate::web */ const A: &str = \"crate::web\";",
        ),
        ("web/mod.rs", "use crate::{base, host::{self, Root}};\nuse hyper::body;"),
        ("web/a/b.rs", "use super::c; use crate::web::d; let lifetime: &'a str = 'x'.into();"),
        ("bin/x.rs", "use vitals::web;\nuse tokio::runtime;"),
        ("host/mod.rs", "let x = r#\"crate::web \" \"#; fn hyperlink() { my::hyper::f() }"),
    ] {
        assert_eq!(found(path, source), 0, "{source}");
    }
    for (path, source) in [
        ("host/mod.rs", "use crate::web::x;"),
        ("host/mod.rs", "use crate::{base::{a, b}, web};"),
        ("host/mod.rs", "use crate::{\n    base, // below\n    web,\n};"),
        ("host/mod.rs", "fn f() { crate :: web :: g() }"),
        ("host/mod.rs", "use super::web::x;"),
        ("host/file.rs", "use super::super::base;"),
        ("base/mod.rs", "let quote = '\"'; use crate::host; let other = '\"';"),
        ("base/mod.rs", "use crate::nowhere;"),
        ("host/mod.rs", "use crate::*;"),
        ("host/mod.rs", "use hyper::body;"),
        ("host/mod.rs", "fn f(x: &hyper::Request) {}"),
        ("web/a/b.rs", "use clap::Parser;"),
    ] {
        assert_eq!(found(path, source), 1, "{path}: {source}");
    }
}

fn project(path: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join(path)
}

/// All Rust files below `directory`.
fn sources(directory: &Path) -> Vec<PathBuf> {
    let mut found = Vec::new();
    for entry in fs::read_dir(directory).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            found.extend(sources(&path));
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            found.push(path);
        }
    }
    found.sort();
    found
}

/// The rows `| room | owns | may use |` of the table in a module's documentation.
fn read_table(lib: &str) -> Table {
    let rows = lib.lines().filter_map(|line| line.strip_prefix("//! |")).skip(2);
    let mut table: Table = rows
        .map(|row| {
            let cells: Vec<&str> = row.trim_end_matches([' ', '|']).split('|').map(str::trim).collect();
            let room = cells[0].trim_matches(['[', ']', '`']).trim_end_matches("/*");
            let uses = cells[2].split(", ").filter(|name| *name != "nothing").map(str::to_owned);
            (room.to_owned(), uses.collect())
        })
        .collect();
    assert!(table.len() > 2, "no table of rooms found");
    let all: BTreeSet<String> = table.keys().filter(|room| *room != "bin").cloned().collect();
    for uses in table.values_mut().filter(|uses| uses.contains("everything")) {
        *uses = all.clone();
    }
    table
}

/// What is wrong with the imports of one file; `path` is relative to `src/`.
fn upward_imports(path: &Path, source: &str, table: &Table) -> Vec<String> {
    let mut components = path.components();
    let room = components.next().unwrap().as_os_str().to_str().unwrap();
    let at_top_of_room = components.as_path() == Path::new("mod.rs");
    let Some(allowed) = table.get(room) else {
        return Vec::new(); // lib.rs itself
    };
    let tokens = tokens(source);
    let mut problems = Vec::new();
    let mut check = |used: &str| {
        if used != room && !allowed.contains(used) {
            problems.push(format!("src/{}: {room} may not use {used}", path.display()));
        }
    };
    for at in 0..tokens.len() {
        let [word, colons] = [tokens[at].as_str(), tokens.get(at + 1).map_or("", String::as_str)];
        let starts_a_path = at == 0 || tokens[at - 1] != "::";
        if colons != "::" || !starts_a_path {
            continue;
        }
        match word {
            // A binary names the library by its name; inside the library `vitals` is a room.
            "vitals" if room != "bin" => {}
            "crate" | "vitals" => path_heads(&tokens[at + 2..]).into_iter().for_each(&mut check),
            "super" if tokens.get(at + 2).is_some_and(|next| next == "super") => check("super::super"),
            "super" if at_top_of_room => {
                let heads = path_heads(&tokens[at + 2..]);
                heads.into_iter().filter(|head| table.contains_key(*head)).for_each(&mut check);
            }
            name => {
                let rooms =
                    CRATES.iter().find(|(known, _)| *known == name).map_or(&["*"][..], |(_, rooms)| *rooms);
                if !rooms.contains(&"*") && !rooms.contains(&room) {
                    check(name);
                }
            }
        }
    }
    problems
}

/// The first words of the path or of each path of the group `{…}` that `tokens` start with.
fn path_heads(tokens: &[String]) -> Vec<&str> {
    if tokens.first().is_none_or(|first| first != "{") {
        return tokens.first().map(String::as_str).into_iter().collect();
    }
    let mut heads = Vec::new();
    let mut depth = 0;
    for (at, token) in tokens.iter().enumerate() {
        match token.as_str() {
            "{" => depth += 1,
            "}" => depth -= 1,
            word if depth == 1 && matches!(tokens[at - 1].as_str(), "{" | ",") => heads.push(word),
            _ => {}
        }
        if depth == 0 {
            break;
        }
    }
    heads
}

/// The words, `::` and other characters of Rust code, without comments, strings and blanks.
fn tokens(source: &str) -> Vec<String> {
    let mut tokens = Vec::new();
    let mut rest = source;
    while let Some(first) = rest.chars().next() {
        let word = rest.find(|c: char| !c.is_alphanumeric() && c != '_').unwrap_or(rest.len());
        let skipped = if rest.starts_with("//") {
            rest.find('\n').unwrap_or(rest.len())
        } else if rest.starts_with("/*") {
            rest.find("*/").map_or(rest.len(), |end| end + 2)
        } else if let Some(length) = literal(rest) {
            length
        } else if word > 0 || rest.starts_with("::") {
            let length = word.max(if word == 0 { 2 } else { 0 });
            tokens.push(rest.split_at(length).0.to_owned());
            length
        } else {
            tokens.extend((!first.is_whitespace()).then(|| first.to_string()));
            first.len_utf8()
        };
        rest = rest.split_at(skipped).1;
    }
    tokens
}

/// The length of the string or character literal that `code` starts with.
fn literal(code: &str) -> Option<usize> {
    let prefix =
        ["br", "cr", "b", "c", "r"].into_iter().find(|prefix| code.starts_with(prefix)).unwrap_or("");
    let after = code.strip_prefix(prefix)?;
    let hashes = after.len() - after.trim_start_matches('#').len();
    if prefix.ends_with('r') && after.trim_start_matches('#').starts_with('"') {
        let end = format!("\"{}", "#".repeat(hashes));
        let start = prefix.len() + hashes + 1;
        return code.split_at(start).1.find(&end).map(|found| start + found + end.len());
    }
    let quote = after.chars().next().filter(|c| matches!(c, '"' | '\''))?;
    let mut characters = after.char_indices().skip(1);
    let mut count = 0;
    while let Some((at, character)) = characters.next() {
        match character {
            '\\' => {
                characters.next();
            }
            c if c == quote => return Some(prefix.len() + at + 1),
            // 'a without a closing quote at once is a lifetime.
            _ if quote == '\''
                && count == 0
                && !after.split_at(at + character.len_utf8()).1.starts_with('\'') =>
            {
                return None;
            }
            _ => {}
        }
        count += 1;
    }
    None
}

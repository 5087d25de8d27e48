//! `deploy/Dockerfile`: what it copies is there and not kept out.

use crate::common::rules::project;
use crate::{port, read};

fn instructions() -> Vec<(String, String)> {
    let file = read("deploy/Dockerfile").replace("\\\n", " ");
    let lines = file.lines().filter(|line| !line.starts_with('#') && !line.is_empty());
    lines
        .map(|line| line.split_once(' ').unwrap())
        .map(|(name, rest)| (name.to_owned(), rest.trim().to_owned()))
        .collect()
}

fn all(name: &str) -> Vec<String> {
    instructions().into_iter().filter(|(found, _)| found == name).map(|(_, rest)| rest).collect()
}

#[test]
fn what_is_copied_exists_and_nothing_else_is_sent() {
    let copies = all("COPY");
    let own = copies.iter().filter(|copy| !copy.starts_with("--from="));
    let mut copied: Vec<&str> = Vec::new();
    for copy in own {
        let mut words: Vec<&str> = copy.split_whitespace().collect();
        words.pop().unwrap();
        copied.extend(words);
    }
    assert!(copied.iter().all(|path| project(path).exists()), "{copied:?}");
    let ignore = read(".dockerignore");
    let mut sent: Vec<&str> = ignore.lines().filter_map(|line| line.strip_prefix('!')).collect();
    assert!(ignore.lines().any(|line| line == "*"));
    copied.sort_unstable();
    sent.sort_unstable();
    assert_eq!(copied, sent);
    // Cargo wants the files of all that the manifest names.
    let manifest = read("Cargo.toml");
    for path in manifest.lines().filter_map(|line| line.strip_prefix("path = \"")) {
        let top = path.split(['/', '"']).next().unwrap();
        assert!(copied.contains(&top), "{path}");
    }
}

#[test]
fn the_image_runs_what_was_built_as_nobody_in_particular() {
    let build = all("RUN").join("\n");
    assert!(
        read(".cargo/config.toml").contains("\nstatic = [") && build.starts_with("cargo static --locked")
    );
    for program in ["vitals-exporter", "scrape-log"] {
        assert!(build.contains(&format!("target/*/release/{program} ")), "{build}");
    }
    assert_eq!(all("ENTRYPOINT"), ["[\"/usr/bin/vitals-exporter\"]"]);
    assert_eq!(all("USER"), ["65532:65532"]);
    assert_eq!(all("FROM")[1], "scratch");
    let base = all("FROM")[0].clone();
    let manifest = read("Cargo.toml");
    let rust =
        manifest.lines().find_map(|line| line.strip_prefix("rust-version = ")).unwrap().trim_matches('"');
    assert!(base.starts_with(&format!("rust:{rust}")), "{base}: the manifest says {rust}");
    let version = format!("version=\"{}\"", env!("CARGO_PKG_VERSION"));
    assert!(all("LABEL")[0].contains(&version));
    let exporter = crate::exporter_takes(&[]).listen_addresses[0].clone();
    let recorder = match crate::recorder_takes(&[]).addresses {
        vitals::scrape_log::service::Addresses::Default(address) => address.port(),
        other => panic!("{other:?}"),
    };
    assert_eq!(all("EXPOSE"), [format!("{} {recorder}", port(&exporter))]);
}

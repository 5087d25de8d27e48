//! Files and directories by pattern: `*` and `?` within the components of a path.

use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt;
use std::path::{Component, Path, PathBuf};

/// The directories that `pattern` stands for, sorted. Where there is none, and without a wildcard, that is the
/// pattern itself, so that reading it tells what is wrong.
pub fn directories(pattern: &str) -> Vec<PathBuf> {
    let mut found = candidates(pattern);
    found.retain(|path| path.is_dir());
    if found.is_empty() {
        found.push(pattern.into());
    }
    found
}

/// The files that `pattern` stands for, sorted. Empty where there is none.
pub fn files(pattern: &str) -> Vec<PathBuf> {
    let mut found = candidates(pattern);
    found.retain(|path| path.is_file());
    found
}

/// What `pattern` stands for, as far as its last wildcard says; what is behind it need not exist.
fn candidates(pattern: &str) -> Vec<PathBuf> {
    let mut found = vec![PathBuf::new()];
    for component in Path::new(pattern).components() {
        let name = component.as_os_str();
        match component {
            Component::Normal(_) if has_wildcard(name.as_bytes()) => {
                found = found.iter().flat_map(|base| matching(base, name.as_bytes())).collect();
                found.sort();
            }
            _ => found.iter_mut().for_each(|path| path.push(name)),
        }
    }
    found
}

fn has_wildcard(name: &[u8]) -> bool {
    name.iter().any(|byte| matches!(byte, b'*' | b'?'))
}

/// What is in `base` and matches. As in a shell a leading point has to be given.
fn matching(base: &Path, pattern: &[u8]) -> Vec<PathBuf> {
    let listed = if base.as_os_str().is_empty() { Path::new(".") } else { base };
    let Ok(entries) = std::fs::read_dir(listed) else {
        return Vec::new();
    };
    entries
        .filter_map(|entry| Some(entry.ok()?.file_name()))
        .filter(|name| pattern.starts_with(b".") || !name.as_bytes().starts_with(b"."))
        .filter(|name| matches(pattern, name))
        .map(|name| base.join(name))
        .collect()
}

/// Whether all of `name` matches. Needs at most pattern times name steps: only the last `*` is tried again.
pub fn matches(pattern: &[u8], name: &OsStr) -> bool {
    let name = name.as_bytes();
    let (mut at, mut position) = (0, 0);
    let mut retry = None;
    loop {
        match (pattern.get(at), name.get(position)) {
            (None, None) => return true,
            (Some(b'*'), _) => {
                retry = Some((at + 1, position));
                at += 1;
                continue;
            }
            (Some(wanted), Some(byte)) if *wanted == b'?' || wanted == byte => {
                at += 1;
                position += 1;
                continue;
            }
            _ => {}
        }
        match retry {
            Some((after_star, taken)) if taken < name.len() => {
                retry = Some((after_star, taken + 1));
                (at, position) = (after_star, taken + 1);
            }
            _ => return false,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn wildcards() {
        for (pattern, name, want) in [
            ("*", "", true),
            ("*", "abc", true),
            ("a*c", "abbc", true),
            ("a*c", "abcd", false),
            ("a?c", "abc", true),
            ("a?c", "ac", false),
            ("*b*b", "abab", true),
            ("*b*b", "aba", false),
            ("", "", true),
            ("", "a", false),
            ("**", "a", true),
        ] {
            assert_eq!(matches(pattern.as_bytes(), OsStr::new(name)), want, "{pattern} {name}");
        }
        assert!(!matches(b"*a*a*a*a*a*a*a*a*b", OsStr::new(&"a".repeat(10_000))));
    }

    #[test]
    fn only_directories_that_match() {
        let folder = tempfile::tempdir().unwrap();
        for name in ["b/x", "a/x", ".hidden/x", "c/y"] {
            std::fs::create_dir_all(folder.path().join(name)).unwrap();
        }
        std::fs::write(folder.path().join("file"), "").unwrap();
        let at = |path: &str| format!("{}/{path}", folder.path().display());
        let all = |pattern: &str| {
            let found = directories(&at(pattern));
            found.iter().map(|path| path.to_str().unwrap().to_owned()).collect::<Vec<_>>()
        };
        assert_eq!(all("*/x"), [at("a/x"), at("b/x")]);
        assert_eq!(all("*"), [at("a"), at("b"), at("c")]);
        assert_eq!(all(".h*"), [at(".hidden")]);
        assert_eq!(all("missing"), [at("missing")]);
        assert_eq!(all("missing/*"), [at("missing/*")]);
        assert_eq!(all("file*"), [at("file*")]);
        assert_eq!(files(&at("f*")), [folder.path().join("file")]);
        assert_eq!(files(&at("file")), [folder.path().join("file")]);
        assert!(files(&at("b*")).is_empty());
        assert!(files(&at("missing")).is_empty());
    }
}

//! `@FILE` on the command line: further arguments, one on each line, as units written for node_exporter may have.

use std::ffi::{OsStr, OsString};
use std::os::unix::ffi::{OsStrExt, OsStringExt};

use crate::host::parse::lines;

/// A file may name others, and one that names itself has to end.
const DEPTH: usize = 8;

/// Puts the lines of each `@FILE` of `args` in its place, without those that are blank or begin with `#`. What
/// stands behind `--` is left as it is.
///
/// # Errors
/// A sentence that names the file.
pub(super) fn expand(args: Vec<OsString>) -> Result<Vec<OsString>, String> {
    let mut expanded = Vec::with_capacity(args.len());
    let mut args = args.into_iter();
    expanded.extend(args.next());
    while let Some(arg) = args.next() {
        if arg == "--" {
            expanded.push(arg);
            expanded.extend(args);
            break;
        }
        push(arg, DEPTH, &mut expanded)?;
    }
    Ok(expanded)
}

fn push(arg: OsString, depth: usize, expanded: &mut Vec<OsString>) -> Result<(), String> {
    let Some(path) = arg.as_bytes().strip_prefix(b"@") else {
        expanded.push(arg);
        return Ok(());
    };
    let shown = arg.to_string_lossy();
    if depth == 0 {
        return Err(format!("{shown}: more than {DEPTH} files of arguments, one inside the other"));
    }
    let text = std::fs::read(OsStr::from_bytes(path))
        .map_err(|error| format!("{shown}: {error}; expected a file with an argument on each line"))?;
    for (_, line) in lines(&text) {
        if !line.starts_with(b"#") && !line.trim_ascii().is_empty() {
            push(OsString::from_vec(line.to_vec()), depth - 1, expanded)?;
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_become_arguments() {
        let folder = tempfile::tempdir().unwrap();
        let at = |name: &str| format!("@{}", folder.path().join(name).display());
        std::fs::write(folder.path().join("inner"), "--c d\n").unwrap();
        std::fs::write(folder.path().join("outer"), format!("# no\n--a\n\n \n{}\n--b=@x", at("inner")))
            .unwrap();
        std::fs::write(folder.path().join("self"), at("self")).unwrap();
        let expanded = |args: &[&str]| expand(args.iter().map(OsString::from).collect());
        let all = expanded(&["@program", "--x=@y", &at("outer"), "z", "--", &at("none")]).unwrap();
        assert_eq!(all, ["@program", "--x=@y", "--a", "--c d", "--b=@x", "z", "--", &at("none")]);
        for (args, want) in [(at("none"), "none: No such file"), (at("self"), "8 files"), ("@".into(), "@: ")]
        {
            let error = expanded(&["program", &args]).unwrap_err();
            assert!(error.contains(want), "{error}");
        }
    }
}

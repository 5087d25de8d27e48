use std::fs;
use std::path::Path;
use std::process::{Command, Output};

fn check(file: &Path) -> (Option<i32>, String, String) {
    let program = env!("CARGO_BIN_EXE_scrape-log");
    let Output { status, stdout, stderr } =
        Command::new(program).arg("check-config").arg(file).output().unwrap();
    (status.code(), String::from_utf8(stdout).unwrap(), String::from_utf8(stderr).unwrap())
}

#[test]
fn the_exit_code_says_whether_a_configuration_is_good() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("prometheus.yml");
    fs::write(&file, "scrape_configs:\n- job_name: a\n  static_configs: [{targets: ['db01:9100']}]\n")
        .unwrap();
    let (code, text, mistakes) = check(&file);
    assert_eq!((code, mistakes.as_str()), (Some(0), ""));
    assert!(text.contains("1 job\n") && text.contains("static_configs: 1 target\n"), "{text}");
    fs::write(&file, "scrape_configs:\n- job_nme: a\n").unwrap();
    let (code, text, mistakes) = check(&file);
    assert_eq!((code, text.as_str()), (Some(1), ""));
    let wanted = format!("{}:2:3: unknown key \"job_nme\"", file.display());
    assert!(mistakes.contains(&wanted) && mistakes.contains("  2 | - job_nme: a\n"), "{mistakes}");
    let (code, _, mistakes) = check(&folder.path().join("missing.yml"));
    assert_eq!(code, Some(1));
    assert!(mistakes.contains("can't read") && mistakes.contains("missing.yml"), "{mistakes}");
}

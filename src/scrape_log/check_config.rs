//! `scrape-log check-config FILE`: what a configuration has in it, or all that is wrong with it.
//!
//! It looks at all that a start would: files that hold a password, a key or an authority have to be there, and the
//! targets that are known have to be such that they can be scraped. Files with targets may come later.

use std::fmt::Write as _;
use std::io::Write as _;
use std::path::Path;
use std::process::ExitCode;

use super::ask::ReadyJob;
use super::config::{self, Discovery, Job, TargetGroup};
use super::pools;
use crate::base::glob;

/// Prints what is found: to standard output what is there, to standard error what is wrong. The exit code is 1 if
/// anything is.
pub fn run(path: &Path) -> ExitCode {
    let Findings { text, mistakes } = check(path);
    // A closed pipe is no failure.
    let _written = std::io::stdout().write_all(text.as_bytes());
    let _written = std::io::stderr().write_all(mistakes.as_bytes());
    if mistakes.is_empty() { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

/// What there is to tell, line by line.
#[derive(Debug, Default)]
struct Findings {
    text: String,
    mistakes: String,
}

impl Findings {
    fn line(&mut self, line: impl std::fmt::Display) {
        add_line(&mut self.text, line);
    }

    fn mistake(&mut self, line: impl std::fmt::Display) {
        add_line(&mut self.mistakes, format_args!("error: {line}"));
    }
}

fn add_line(text: &mut String, line: impl std::fmt::Display) {
    let _infallible = writeln!(text, "{line}");
}

fn check(path: &Path) -> Findings {
    let mut findings = Findings::default();
    let (config, warnings) = match config::load(path) {
        Ok(read) => read,
        Err(error) => {
            findings.mistakes = error.details();
            return findings;
        }
    };
    findings.line(format_args!("{}: {}", path.display(), counted(config.jobs.len(), "job")));
    let jobs = config.jobs.into_iter().filter_map(|job| check_job(job, &mut findings)).collect();
    for problem in pools::problems(jobs) {
        findings.mistake(problem);
    }
    for warning in &warnings {
        findings.line(format_args!("warning: {warning}"));
    }
    findings
}

/// Gives the job with its client and the targets that are known, `None` if a file that it needs can't be used.
fn check_job(job: Job, findings: &mut Findings) -> Option<(ReadyJob, Vec<TargetGroup>)> {
    let Job { name, interval, timeout, .. } = &job;
    findings.line(format_args!("  job {name:?}, every {interval:?}, at most {timeout:?} each"));
    let mut known = Vec::new();
    for discovery in &job.discoveries {
        match discovery {
            Discovery::Static(groups) => {
                findings.line(format_args!("    static_configs: {}", targets(groups)));
                known.extend_from_slice(groups);
            }
            Discovery::Files { patterns } => {
                patterns.iter().for_each(|pattern| check_target_files(pattern, &mut known, findings));
            }
            Discovery::Http { url, refresh_interval, .. } => {
                findings.line(format_args!("    http_sd_configs: {url}, every {refresh_interval:?}"));
            }
        }
    }
    if job.discoveries.is_empty() {
        findings.line(format_args!("    warning: the job {name:?} has no targets"));
    }
    match ReadyJob::new(job) {
        Ok(ready) => Some((ready, known)),
        Err(problem) => {
            findings.mistake(problem);
            None
        }
    }
}

fn check_target_files(pattern: &Path, known: &mut Vec<TargetGroup>, findings: &mut Findings) {
    let files = glob::files(&pattern.to_string_lossy());
    let before = known.len();
    for file in &files {
        match config::load_target_groups(file) {
            Ok(groups) => known.extend(groups),
            Err(error) => findings.mistakes.push_str(&error.details()),
        }
    }
    let (shown, found) = (pattern.display(), targets(known.get(before..).unwrap_or_default()));
    findings.line(format_args!("    file_sd_configs: {shown}: {}, {found}", counted(files.len(), "file")));
    if files.is_empty() {
        findings.line(format_args!("    warning: there is no file {shown} yet"));
    }
}

fn targets(groups: &[TargetGroup]) -> String {
    counted(groups.iter().map(|group| group.targets.len()).sum(), "target")
}

/// `no targets`, `1 target`, `2 targets`.
fn counted(count: usize, noun: &str) -> String {
    match count {
        0 => format!("no {noun}s"),
        1 => format!("1 {noun}"),
        more => format!("{more} {noun}s"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs;

    #[test]
    fn says_what_is_there_and_what_is_missing() {
        let folder = tempfile::tempdir().unwrap();
        let at = |name: &str| folder.path().join(name);
        let config = "scrape_configs:\n\
            - job_name: node\n  \
              scrape_interval: 15s\n  \
              basic_auth: {username: me, password_file: password}\n  \
              static_configs: [{targets: ['a:1', 'b:2']}]\n  \
              file_sd_configs: [{files: ['t*.yml', later.json]}]\n\
            - job_name: idle\n\
            alerting: {}\n";
        fs::write(at("p.yml"), config).unwrap();
        fs::write(at("t1.yml"), "- targets: [c:3]\n").unwrap();
        fs::write(at("t2.yml"), "- targets: [d:4]\n").unwrap();
        let path = at("p.yml");
        let folder = folder.path().display();
        let found = check(&path);
        assert_eq!(
            found.text,
            format!(
                "{folder}/p.yml: 2 jobs\n  \
                 job \"node\", every 15s, at most 10s each\n    \
                 static_configs: 2 targets\n    \
                 file_sd_configs: {folder}/t*.yml: 2 files, 2 targets\n    \
                 file_sd_configs: {folder}/later.json: no files, no targets\n    \
                 warning: there is no file {folder}/later.json yet\n  \
                 job \"idle\", every 60s, at most 10s each\n    \
                 warning: the job \"idle\" has no targets\n\
                 warning: {folder}/p.yml: passed over, since scrape-log only scrapes: \"alerting\"\n"
            )
        );
        let missing =
            format!("error: job \"node\": basic_auth.password_file {folder}/password: No such file");
        assert!(found.mistakes.starts_with(&missing), "{}", found.mistakes);
        fs::write(at("password"), "hunter2\n").unwrap();
        assert_eq!(check(&path).mistakes, "");
        fs::write(at("t1.yml"), "- target: [c:3]\n").unwrap();
        assert!(check(&path).mistakes.contains("t1.yml:1:3: unknown key \"target\""));
        fs::write(at("t1.yml"), "- targets: ['c:99999', 'd:4']\n  labels: {env: prod}\n").unwrap();
        let wrong = check(&path).mistakes;
        assert!(wrong.starts_with("error: job \"node\": target with __address__ \"c:99999\": "), "{wrong}");
        assert_eq!(wrong.lines().count(), 1, "{wrong}");
        fs::write(&path, "scrape_configs:\n- job: node\n").unwrap();
        let wrong = check(&path);
        assert!(wrong.mistakes.contains("p.yml:2:3: unknown key \"job\""), "{}", wrong.mistakes);
        assert_eq!(wrong.text, "");
    }
}

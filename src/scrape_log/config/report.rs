//! What is wrong with a configuration, and where: all of it, not only the first mistake.

use std::cell::RefCell;
use std::fmt;
use std::path::{Path, PathBuf};

use super::yaml::{self, Position};

/// More mistakes in one file are not told, and longer lines are not shown: a list of targets that is wrong may be long,
/// and on one line.
const MAX_PROBLEMS: usize = 1000;
const MAX_LINE_BYTES: usize = 300;

/// Why a configuration can't be used.
#[derive(Debug)]
pub struct Error {
    path: PathBuf,
    cause: Cause,
}

#[derive(Debug)]
enum Cause {
    Unreadable(String),
    Problems(Vec<Problem>),
}

/// One mistake in a configuration.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Problem {
    /// The file.
    pub path: PathBuf,
    /// Where in the file.
    pub position: Option<Position>,
    /// What is wrong, and what is expected.
    pub message: String,
    line: Option<String>,
}

/// Something in a configuration that is accepted, but is not what it looks like.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Warning {
    /// The file.
    pub path: PathBuf,
    /// Where in the file.
    pub position: Option<Position>,
    /// What is to know.
    pub message: String,
}

impl Error {
    pub(super) fn unreadable(path: &Path, error: impl fmt::Display) -> Self {
        Self { path: path.to_owned(), cause: Cause::Unreadable(error.to_string()) }
    }

    /// All mistakes, in the order of the file. None if the file could not be read at all.
    pub fn problems(&self) -> &[Problem] {
        match &self.cause {
            Cause::Unreadable(_) => &[],
            Cause::Problems(problems) => problems,
        }
    }

    /// Everything that is wrong, with the lines of the file, for a terminal.
    pub fn details(&self) -> String {
        match &self.cause {
            Cause::Unreadable(_) => format!("{self}\n"),
            Cause::Problems(problems) => problems.iter().map(Problem::details).collect(),
        }
    }
}

/// One line: the first mistake, and how many more there are.
impl fmt::Display for Error {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        let path = self.path.display();
        match &self.cause {
            Cause::Unreadable(error) => write!(out, "can't read {path}: {error}"),
            Cause::Problems(problems) => {
                if let Some(first) = problems.first() {
                    write!(out, "{first}")?;
                }
                match problems.len() {
                    0 | 1 => Ok(()),
                    2 => write!(out, " (and one more mistake, which scrape-log check-config shows)"),
                    count => {
                        write!(out, " (and {} more mistakes, which scrape-log check-config shows)", count - 1)
                    }
                }
            }
        }
    }
}

impl std::error::Error for Error {}

impl Problem {
    /// The mistake with the line it is in, unless that may have a password in it.
    fn details(&self) -> String {
        match (&self.line, self.position) {
            (Some(line), Some(Position { line: number, column })) => {
                let blanks = " ".repeat(column.saturating_sub(1));
                let margin = " ".repeat(number.to_string().len());
                format!("{self}\n  {number} | {line}\n  {margin} | {blanks}^\n")
            }
            _ => format!("{self}\n"),
        }
    }
}

/// `FILE:LINE:COLUMN: what is wrong`.
impl fmt::Display for Problem {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        located(out, &self.path, self.position, &self.message)
    }
}

/// `FILE:LINE:COLUMN: what is to know`.
impl fmt::Display for Warning {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        located(out, &self.path, self.position, &self.message)
    }
}

fn located(
    out: &mut fmt::Formatter<'_>,
    path: &Path,
    position: Option<Position>,
    message: &str,
) -> fmt::Result {
    match position {
        Some(position) => write!(out, "{}:{position}: {message}", path.display()),
        None => write!(out, "{}: {message}", path.display()),
    }
}

/// Collects what is found in one file.
pub(super) struct Report<'a> {
    path: &'a Path,
    source: &'a str,
    problems: RefCell<Vec<Problem>>,
    warnings: RefCell<Vec<Warning>>,
}

impl<'a> Report<'a> {
    pub(super) fn new(path: &'a Path, source: &'a str) -> Self {
        Self { path, source, problems: RefCell::default(), warnings: RefCell::default() }
    }

    pub(super) fn path(&self) -> &'a Path {
        self.path
    }

    pub(super) fn problem(&self, at: Position, message: impl Into<String>) {
        if self.problems.borrow().len() == MAX_PROBLEMS {
            return; // looking for the line takes a while in a long file
        }
        let line = self.source.lines().nth(at.line - 1);
        let line = line.filter(|line| line.len() <= MAX_LINE_BYTES && !may_have_secrets(line));
        self.add(Some(at), message.into(), line.map(|line| line.replace(char::is_control, " ")));
    }

    /// A problem in lines that are not to be shown.
    pub(super) fn problem_with_secret(&self, at: Position, message: impl Into<String>) {
        self.add(Some(at), message.into(), None);
    }

    pub(super) fn no_yaml(&self, mistake: yaml::Mistake) {
        self.add(mistake.at, mistake.message, None);
    }

    fn add(&self, position: Option<Position>, message: String, line: Option<String>) {
        let mut problems = self.problems.borrow_mut();
        if problems.len() < MAX_PROBLEMS {
            problems.push(Problem { path: self.path.to_owned(), position, message, line });
        }
    }

    pub(super) fn warning(&self, position: Option<Position>, message: impl Into<String>) {
        let (path, message) = (self.path.to_owned(), message.into());
        self.warnings.borrow_mut().push(Warning { path, position, message });
    }

    /// Takes over what was found in another file.
    pub(super) fn absorb(&self, other: Report<'_>) {
        self.problems.borrow_mut().append(&mut other.problems.into_inner());
        self.warnings.borrow_mut().append(&mut other.warnings.into_inner());
    }

    pub(super) fn conclude<T>(self, result: T) -> Result<(T, Vec<Warning>), Error> {
        let mut problems = self.problems.into_inner();
        if problems.is_empty() {
            return Ok((result, self.warnings.into_inner()));
        }
        problems.sort_by(|a, b| (&a.path, a.position).cmp(&(&b.path, b.position)));
        problems.dedup();
        Err(Error { path: self.path.to_owned(), cause: Cause::Problems(problems) })
    }
}

/// Whether a line looks as if there were a password in it, or in the key beside the one that is wrong.
pub(super) fn may_have_secrets(line: &str) -> bool {
    let line = line.to_lowercase();
    ["pas", "word", "cred", "token", "secret", "key", "@"].iter().any(|mark| line.contains(mark))
}

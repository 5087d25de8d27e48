//! How a command line ends a program before it has begun: with help that was asked for, or with what is wrong.

use std::io::Write;
use std::process::ExitCode;

/// A text for whoever typed the command, and the exit code that goes with it.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{text}")]
pub struct Usage {
    text: String,
    /// 0 for help and version, [`Usage::WRONG`] for a mistake.
    pub code: u8,
}

impl Usage {
    /// The exit code for wrong flags (`EX_USAGE` of `sysexits.h`).
    pub const WRONG: u8 = 64;

    /// A mistake. `problem` names the flag, what was wrong and what is expected.
    pub fn wrong(problem: impl std::fmt::Display) -> Self {
        Self { text: format!("error: {problem}\n\nFor more information, try '--help'.\n"), code: Self::WRONG }
    }

    /// Prints the text where it belongs: what was asked for to standard output, mistakes to standard error.
    pub fn print(&self) -> ExitCode {
        let text = self.text.as_bytes();
        // A closed pipe (`--help | head`) is no failure.
        let _written = if self.code == 0 {
            std::io::stdout().write_all(text)
        } else {
            std::io::stderr().write_all(text)
        };
        ExitCode::from(self.code)
    }
}

impl From<clap::Error> for Usage {
    fn from(error: clap::Error) -> Self {
        Self { text: error.to_string(), code: if error.use_stderr() { Self::WRONG } else { 0 } }
    }
}

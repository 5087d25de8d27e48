//! A progress bar by bytes, for whoever waits at a terminal.

use std::io::IsTerminal;

use indicatif::{ProgressBar, ProgressStyle};

/// Shows how much of the files has been read, on standard error and only if that is a terminal.
pub(super) struct Progress {
    bar: ProgressBar,
    shown: bool,
}

impl Progress {
    pub(super) fn new(quiet: bool) -> Self {
        let shown = !quiet && std::io::stderr().is_terminal();
        let bar = if shown { ProgressBar::no_length() } else { ProgressBar::hidden() };
        let template = "{bar:30} {percent:>3}%  {bytes}/{total_bytes}  {bytes_per_sec}  {eta} left  {msg}";
        if let Ok(style) = ProgressStyle::with_template(template) {
            bar.set_style(style);
        }
        Self { bar, shown }
    }

    /// Whether anybody sees it: finding out how much there is to read would be for nothing otherwise.
    pub(super) fn is_shown(&self) -> bool {
        self.shown
    }

    /// How much there is to read.
    pub(super) fn set_total(&self, bytes: u64) {
        self.bar.set_length(bytes);
    }

    /// What is read now.
    pub(super) fn set_subject(&self, subject: &str) {
        if self.shown {
            self.bar.set_message(subject.to_owned());
        }
    }

    /// So much of it has been read.
    pub(super) fn set_read(&self, bytes: u64) {
        self.bar.set_position(bytes);
    }

    /// Does what may write to the terminal, without the bar in its way.
    pub(super) fn suspend<T>(&self, write: impl FnOnce() -> T) -> T {
        self.bar.suspend(write)
    }

    /// Writes a line to standard error, above the bar.
    pub(super) fn say(&self, line: &str) {
        self.suspend(|| eprintln!("{line}"));
    }

    /// Takes the bar away.
    pub(super) fn finish(&self) {
        self.bar.finish_and_clear();
    }
}

//! Colours. They only repeat what signs and words say.

use ratatui::style::{Color, Modifier, Style};

use crate::vitals::Severity;
use crate::vitals::status::Trouble;

/// The colours of the terminal's own palette, or none.
#[derive(Clone, Copy, Debug)]
pub(super) struct Theme {
    has_colours: bool,
}

impl Theme {
    pub(super) fn new(has_colours: bool) -> Self {
        Self { has_colours }
    }

    /// Without colours if `NO_COLOR` is set (<https://no-color.org>).
    pub(super) fn of_environment() -> Self {
        Self::new(std::env::var_os("NO_COLOR").is_none_or(|value| value.is_empty()))
    }

    fn colour(self, colour: Color) -> Style {
        if self.has_colours { Style::new().fg(colour) } else { Style::new() }
    }

    pub(super) fn trouble(self, trouble: Trouble) -> Style {
        match trouble {
            Trouble::Down => self.colour(Color::Red).add_modifier(Modifier::BOLD | Modifier::REVERSED),
            Trouble::Critical => self.colour(Color::Red).add_modifier(Modifier::BOLD),
            Trouble::Warning => self.colour(Color::Yellow).add_modifier(Modifier::BOLD),
            Trouble::Info => self.colour(Color::Cyan),
            Trouble::Stale | Trouble::Unknown => self.quiet(),
            Trouble::None => self.colour(Color::Green),
        }
    }

    pub(super) fn severity(self, severity: Severity) -> Style {
        self.trouble(severity.into())
    }

    /// What is there but not looked for: titles, units, old numbers.
    pub(super) fn quiet(self) -> Style {
        Style::new().add_modifier(Modifier::DIM)
    }

    pub(super) fn strong(self) -> Style {
        Style::new().add_modifier(Modifier::BOLD)
    }

    /// Bars and plots.
    pub(super) fn plot(self) -> Style {
        self.colour(Color::LightBlue)
    }

    /// The row that is selected.
    pub(super) fn selected(self) -> Style {
        if self.has_colours {
            Style::new().bg(Color::Indexed(237)).add_modifier(Modifier::BOLD)
        } else {
            Style::new().add_modifier(Modifier::REVERSED)
        }
    }

    /// Whether it is the present or the past.
    pub(super) fn moment(self, is_live: bool) -> Style {
        let colour = if is_live { Color::Green } else { Color::Magenta };
        self.colour(colour).add_modifier(Modifier::BOLD | Modifier::REVERSED)
    }
}

//! What every page needs.

use std::fmt::{self, Write};

/// A disc of a colour, as the URL of an image.
macro_rules! icon {
    ($colour:literal) => {
        concat!(
            "data:image/svg+xml,%3Csvg xmlns='http://www.w3.org/2000/svg' viewBox='0 0 8 8'%3E",
            "%3Ccircle cx='4' cy='4' r='3.5' fill='%23",
            $colour,
            "'/%3E%3C/svg%3E"
        )
    };
}

/// What a browser's tab shows while all is well.
pub const WELL_ICON: &str = icon!("1a7f43");
/// What it shows otherwise.
pub const ILL_ICON: &str = icon!("d93025");

/// Text as it may stand between tags and in a quoted attribute.
#[derive(Clone, Copy, Debug)]
pub struct Text<'a>(pub &'a str);

impl fmt::Display for Text<'_> {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        for character in self.0.chars() {
            match character {
                '&' => out.write_str("&amp;")?,
                '<' => out.write_str("&lt;")?,
                '>' => out.write_str("&gt;")?,
                '"' => out.write_str("&quot;")?,
                '\'' => out.write_str("&#39;")?,
                other => out.write_char(other)?,
            }
        }
        Ok(())
    }
}

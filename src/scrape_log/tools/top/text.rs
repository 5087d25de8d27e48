//! Texts of others, made harmless for a terminal, and fitted into cells.

use unicode_width::UnicodeWidthChar;

/// What stands for a character that must not get to a terminal.
const REPLACEMENT: char = '\u{fffd}';

/// The text on one line, at most `width` cells of a terminal wide. Control characters, those that turn or hide text and
/// those without a width are replaced, and what is too long ends in `…`.
pub(super) fn fitted(text: &str, width: usize) -> String {
    let mut fitted = String::new();
    let (mut used, mut last) = (0, None);
    for character in text.chars().map(harmless) {
        let wide = character.width().unwrap_or(1);
        if used + wide > width {
            // The last one makes room.
            while used + 1 > width {
                let Some((removed, wide)) = last.take() else { return fitted };
                let shorter = fitted.strip_suffix::<char>(removed).map(str::to_owned);
                fitted = shorter.unwrap_or_default();
                used -= wide;
            }
            fitted.push('…');
            return fitted;
        }
        fitted.push(character);
        used += wide;
        last = Some((character, wide));
    }
    fitted
}

/// The cells that a text takes.
pub(super) fn width(text: &str) -> usize {
    text.chars().map(|character| character.width().unwrap_or(1)).sum()
}

/// The text on lines of at most `width` cells, broken at blanks where there are some, and at most `lines` of them.
pub(super) fn wrapped(text: &str, width: usize, lines: usize) -> Vec<String> {
    let width = width.max(1);
    let all = fitted(text, width.saturating_mul(lines));
    let mut wrapped = vec![String::new()];
    for word in all.split(' ') {
        let line = wrapped.last().map_or(0, |line| self::width(line));
        let blank = usize::from(line > 0);
        if line + blank + self::width(word) > width && line > 0 {
            wrapped.push(String::new());
        } else if blank == 1
            && let Some(line) = wrapped.last_mut()
        {
            line.push(' ');
        }
        for character in word.chars() {
            let wide = character.width().unwrap_or(1);
            if wrapped.last().is_some_and(|line| self::width(line) + wide > width) {
                wrapped.push(String::new());
            }
            if let Some(line) = wrapped.last_mut() {
                line.push(character);
            }
        }
    }
    if wrapped.len() > lines {
        wrapped.truncate(lines);
        if let Some(last) = wrapped.last_mut() {
            *last = format!("{}…", fitted(last, width - 1));
        }
    }
    wrapped
}

fn harmless(character: char) -> char {
    let is_harmful = character.is_control()
        || character.width().unwrap_or(0) == 0
        // Marks that turn or hide text, some of which count as wide.
        || matches!(character, '\u{61c}' | '\u{ad}' | '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}'
            | '\u{2060}'..='\u{206f}' | '\u{fe00}'..='\u{fe0f}' | '\u{feff}' | '\u{fff9}'..='\u{fffb}'
            | '\u{e0000}'..='\u{e0fff}' | '\u{180b}'..='\u{180f}' | '\u{115f}' | '\u{1160}' | '\u{3164}' | '\u{ffa0}');
    if is_harmful { REPLACEMENT } else { character }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn texts_are_fitted() {
        for (text, width, want) in [
            ("db01", 4, "db01"),
            ("db01x", 4, "db0…"),
            ("", 3, ""),
            ("abc", 1, "…"),
            ("abc", 0, ""),
            ("日本語", 6, "日本語"),
            ("日本語", 5, "日本…"),
            ("日本語", 4, "日…"),
            ("日本", 1, "…"),
        ] {
            let fitted = fitted(text, width);
            assert_eq!(fitted, want, "{text} in {width}");
            assert!(self::width(&fitted) <= width);
        }
        assert_eq!(fitted(&"x".repeat(10_000), 20).chars().count(), 20);
    }

    #[test]
    fn nothing_harmful_is_left() {
        let hostile = "a\x1b[2J\x07\n\r\t\u{202e}b\u{200b}\u{9b}31m\u{2066}\u{301}\u{feff}\x7f\u{e0041}c";
        let shown = fitted(hostile, 100);
        assert_eq!(shown.chars().filter(|c| c.is_control() || *c == '\u{202e}').count(), 0, "{shown:?}");
        assert_eq!(
            shown,
            "a\u{fffd}[2J\u{fffd}\u{fffd}\u{fffd}\u{fffd}\u{fffd}b\u{fffd}\u{fffd}31m\u{fffd}\u{fffd}\u{fffd}\u{fffd}\u{fffd}c"
        );
    }

    #[test]
    fn long_texts_are_wrapped() {
        assert_eq!(wrapped("does not answer: refused", 10, 5), ["does not", "answer:", "refused"]);
        assert_eq!(wrapped("abcdefghij", 4, 5), ["abcd", "efgh", "ij"]);
        assert_eq!(wrapped("one two three four", 5, 2), ["one", "two…"]);
        assert_eq!(wrapped("", 5, 2), [""]);
        assert!(wrapped(&"x ".repeat(9_999), 7, 3).iter().all(|line| width(line) <= 7));
    }
}

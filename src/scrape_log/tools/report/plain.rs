//! Text of strangers, made harmless for people's eyes.

/// Longer names are cut.
const MAX_CHARACTERS: usize = 160;

/// The text without characters that move others around, hide, or mean something to a terminal. Long texts are cut.
pub(super) fn plain(text: &str) -> String {
    let mut plain: String =
        text.chars().take(MAX_CHARACTERS).map(|c| if is_odd(c) { '\u{fffd}' } else { c }).collect();
    if text.chars().nth(MAX_CHARACTERS).is_some() {
        plain.push('…');
    }
    plain
}

/// Control characters, and those that are not seen or change the direction of what follows.
fn is_odd(character: char) -> bool {
    character.is_control()
        || matches!(character,
            '\u{ad}' | '\u{61c}' | '\u{180e}' | '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}'
            | '\u{2060}'..='\u{206f}' | '\u{fe00}'..='\u{fe0f}' | '\u{feff}' | '\u{fff9}'..='\u{fffb}'
            | '\u{e0000}'..='\u{e0fff}')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_moves() {
        assert_eq!(plain("db\u{1b}[2J\u{202e}01\n\u{200b}ö漢"), "db\u{fffd}[2J\u{fffd}01\u{fffd}\u{fffd}ö漢");
        assert_eq!(plain(&"x".repeat(500)).chars().count(), MAX_CHARACTERS + 1);
    }
}

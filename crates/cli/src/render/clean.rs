//! Text from elsewhere, made harmless: an agent's words must not move the cursor or rename the window.

/// Shows control characters as signs instead of letting them act. Lines and tabs stay; what a delta brings is enough to
/// decide, so it does not matter how a text was cut.
pub(crate) fn clean(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for letter in text.chars() {
        match letter {
            '\n' | '\t' => out.push(letter),
            '\r' => {}
            // The Unicode block of control pictures has one for each of them.
            '\0'..='\x1f' => out.push(char::from_u32(0x2400 + letter as u32).unwrap_or('?')),
            '\x7f' => out.push('\u{2421}'),
            // The second set of controls, and what turns the direction of writing around.
            '\u{80}'..='\u{9f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}' => {
                out.push('\u{fffd}');
            }
            _ => out.push(letter),
        }
    }
    out
}

/// The same on one line, cut where it gets long.
pub(crate) fn one_line(text: &str, most: usize) -> String {
    let mut out = String::new();
    for (count, letter) in clean(text).chars().enumerate() {
        if count == most {
            out.push('…');
            break;
        }
        out.push(if matches!(letter, '\n' | '\t') { ' ' } else { letter });
    }
    out.trim_end().to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_words_move_the_cursor() {
        assert_eq!(clean("a\x1b[2Jb\r\nc\td"), "a␛[2Jb\nc\td");
        assert_eq!(clean("\u{9b}31m\u{202e}"), "\u{fffd}31m\u{fffd}");
        for code in (0..0x20u32).chain(0x7f..0xa0) {
            let letter = char::from_u32(code).unwrap();
            let shown = clean(&letter.to_string());
            let acts = shown.chars().any(|c| c.is_control() && c != '\n' && c != '\t');
            assert!(!acts, "{code:x}");
        }
    }

    #[test]
    fn one_line_is_one_line() {
        assert_eq!(one_line("a\nb\tc", 80), "a b c");
        assert_eq!(one_line("abcdef", 3), "abc…");
    }
}

//! What a content is called on the web: its name is a hint, its bytes decide.

/// Bytes looked at to tell text from binary; git looks at as many.
const SNIFFED: usize = 8_000;

/// Text as far as one can see from its beginning: no NUL, and UTF-8 up to where it was cut.
pub(super) fn looks_like_text(content: &[u8]) -> bool {
    let beginning = &content[..content.len().min(SNIFFED)];
    if beginning.contains(&0) {
        return false;
    }
    match std::str::from_utf8(beginning) {
        Ok(_) => true,
        Err(error) => error.error_len().is_none() && beginning.len() < content.len(),
    }
}

/// The media type of a text file with this name.
pub(super) fn of_text(name: &str) -> &'static str {
    match guess(name) {
        Some(guess) if is_textual(guess) => guess,
        // `.ts` is also a video, to a table that knows only names.
        _ => "text/plain",
    }
}

/// The media type of a binary file with this name.
pub(super) fn of_binary(name: &str) -> &'static str {
    match guess(name) {
        Some(guess) if !is_textual(guess) => guess,
        _ => "application/octet-stream",
    }
}

fn guess(name: &str) -> Option<&'static str> {
    mime_guess::from_path(name).first_raw()
}

fn is_textual(mime: &str) -> bool {
    let words = ["json", "xml", "javascript", "typescript", "yaml", "toml", "sql", "x-sh", "graphql"];
    mime.starts_with("text/") || words.iter().any(|word| mime.contains(word))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_never_overrules_the_bytes() {
        assert_eq!(of_text("a.html"), "text/html");
        assert_eq!(of_text("a.json"), "application/json");
        assert_eq!(of_text("a.ts"), "text/plain");
        assert_eq!(of_text("a.png"), "text/plain");
        assert_eq!(of_binary("a.png"), "image/png");
        assert_eq!(of_binary("a.html"), "application/octet-stream");
        assert_eq!(of_binary("Makefile"), "application/octet-stream");
    }

    #[test]
    fn a_letter_cut_by_the_sniffing_window_is_still_text() {
        let text = format!("{}é and more", "a".repeat(SNIFFED - 1));
        assert!(looks_like_text(text.as_bytes()));
        assert!(!looks_like_text(b"caf\xc3"));
        assert!(!looks_like_text(b"a\0b"));
        assert!(looks_like_text(b""));
    }
}

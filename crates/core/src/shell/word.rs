//! One word of a command: what is left of it without its quotes, and whether the shell decides that only later.

use super::{Opaque, Word};

/// Reads one word the way bash does. `Err` is the reason for which the whole command is opaque.
pub(super) fn decode(raw: &str) -> Result<Word, Opaque> {
    let mut reader = Reader { rest: raw, out: String::new(), dynamic: false };
    let mut before = None;
    while let Some(c) = reader.next() {
        match c {
            '\\' => {
                let escaped = reader.next().ok_or(Opaque::Unclear)?;
                if escaped != '\n' {
                    reader.out.push(escaped);
                }
            }
            '\'' => {
                let (text, rest) = reader.rest.split_once('\'').ok_or(Opaque::Unclear)?;
                reader.out.push_str(text);
                reader.rest = rest;
            }
            '"' => reader.double_quoted()?,
            '$' if reader.rest.starts_with('\'') => reader.ansi_c_quoted()?,
            '$' if reader.rest.starts_with(['"', '\\']) => return Err(Opaque::Unclear),
            '$' => reader.expansion()?,
            '`' => return Err(Opaque::CommandSubstitution),
            ' ' | '\t' | '\n' | ';' | '&' | '|' | '<' | '>' | '(' | ')' => {
                return Err(Opaque::Unclear);
            }
            '*' | '?' => reader.decided_later(c),
            '[' if reader.rest.contains(']') => reader.decided_later(c),
            '{' if reader.rest.contains('}') && (reader.rest.contains(',') || reader.rest.contains("..")) => {
                reader.decided_later(c);
            }
            '~' if matches!(before, None | Some('=' | ':')) => reader.decided_later(c),
            plain => reader.out.push(plain),
        }
        before = Some(c);
    }
    let Reader { out, dynamic, .. } = reader;
    Ok(if dynamic { Word::dynamic(raw) } else { Word::fixed(out) })
}

/// Reads the text between the tags of a here-document, and the tag.
///
/// Only plain tags are taken: where quotes inside a tag end, and with them the document, is read differently by
/// different shells.
pub(super) fn check_here(tag: &str, text: &str) -> Result<(), Opaque> {
    let tag = tag.trim_matches([' ', '\t']);
    let bare = ["'", "\""].iter().find_map(|quote| tag.strip_prefix(quote)?.strip_suffix(quote));
    let name = bare.unwrap_or(tag);
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"_.-".contains(&byte);
    if name.is_empty() || !name.bytes().all(plain) {
        return Err(Opaque::Unclear);
    }
    if bare.is_some() {
        return Ok(()); // data to the last character
    }
    let mut reader = Reader { rest: text, out: String::new(), dynamic: false };
    while let Some(c) = reader.next() {
        match c {
            // A joined line could hide the closing tag, or make one.
            '\\' if reader.rest.starts_with('\n') => return Err(Opaque::Unclear),
            '\\' => drop(reader.next()),
            '`' => return Err(Opaque::CommandSubstitution),
            '$' => reader.expansion()?,
            _ => {}
        }
    }
    Ok(())
}

struct Reader<'a> {
    rest: &'a str,
    out: String,
    dynamic: bool,
}

impl Reader<'_> {
    fn next(&mut self) -> Option<char> {
        let mut chars = self.rest.chars();
        let next = chars.next();
        self.rest = chars.as_str();
        next
    }

    fn decided_later(&mut self, c: char) {
        self.dynamic = true;
        self.out.push(c);
    }

    /// Behind the opening `"`.
    fn double_quoted(&mut self) -> Result<(), Opaque> {
        loop {
            match self.next().ok_or(Opaque::Unclear)? {
                '"' => return Ok(()),
                '\\' => match self.next().ok_or(Opaque::Unclear)? {
                    '\n' => {}
                    escaped @ ('$' | '`' | '"' | '\\') => self.out.push(escaped),
                    other => self.out.extend(['\\', other]),
                },
                '`' => return Err(Opaque::CommandSubstitution),
                '$' if self.rest.starts_with("\\\n") => return Err(Opaque::Unclear),
                '$' => self.expansion()?,
                plain => self.out.push(plain),
            }
        }
    }

    /// Behind the `$` of `$'...'`. Only the everyday escapes: sh does not know this form, and `\'` would end it there.
    /// What it comes to differs too, so that it counts as decided later.
    fn ansi_c_quoted(&mut self) -> Result<(), Opaque> {
        self.next();
        self.dynamic = true;
        loop {
            match self.next().ok_or(Opaque::Unclear)? {
                '\'' => return Ok(()),
                '\\' if !self.rest.starts_with(['n', 't', '\\', '"']) => {
                    return Err(Opaque::Unclear);
                }
                '\\' => drop(self.next()),
                _ => {}
            }
        }
    }

    /// Behind a `$` that may start an expansion.
    fn expansion(&mut self) -> Result<(), Opaque> {
        let Some(first) = self.rest.chars().next() else {
            self.out.push('$');
            return Ok(());
        };
        match first {
            '(' => self.arithmetic(),
            '[' => Err(Opaque::Arithmetic),
            '{' => {
                let (inside, rest) = self.rest[1..].split_once('}').ok_or(Opaque::Unclear)?;
                check_parameter(inside)?;
                self.rest = rest;
                self.dynamic = true;
                Ok(())
            }
            // The process id to bash, and to the tokenizer a dollar in front of an expansion.
            '$' if self.rest[1..].starts_with(['[', '{', '(', '\'', '"']) => Err(Opaque::Unclear),
            '_' | '@' | '*' | '#' | '?' | '-' | '$' | '!' => {
                self.next();
                self.dynamic = true;
                Ok(())
            }
            first if first.is_ascii_alphanumeric() => {
                self.next();
                self.dynamic = true;
                Ok(())
            }
            _ => {
                self.out.push('$');
                Ok(())
            }
        }
    }

    /// `$((1 + 2))`, on numbers alone; everything else in `$(` runs a command or may do so.
    fn arithmetic(&mut self) -> Result<(), Opaque> {
        let inside = self.rest.strip_prefix("((").ok_or(Opaque::CommandSubstitution)?;
        let (sum, rest) = inside.split_once("))").ok_or(Opaque::CommandSubstitution)?;
        if sum.is_empty() || !sum.bytes().all(|byte| byte.is_ascii_digit() || b" +-*/%".contains(&byte)) {
            return Err(if sum.contains(['$', '`', '(']) { Opaque::CommandSubstitution } else { Opaque::Arithmetic });
        }
        self.rest = rest;
        self.dynamic = true;
        Ok(())
    }
}

/// The text between `${` and `}`: a plain use of a variable, or an operator with plain text behind it.
fn check_parameter(inside: &str) -> Result<(), Opaque> {
    if inside.contains("$(") || inside.contains('`') {
        return Err(Opaque::CommandSubstitution);
    }
    if matches!(inside, "#" | "?" | "-" | "$" | "!" | "@" | "*") {
        return Ok(());
    }
    let measured = inside.strip_prefix('#').unwrap_or(inside);
    let operator = if measured.starts_with(['@', '*']) {
        &measured[1..]
    } else {
        measured.trim_start_matches(|c: char| c == '_' || c.is_ascii_alphanumeric())
    };
    if operator.len() == measured.len() {
        return Err(Opaque::Unclear); // `${!name}`, which uses what a variable holds as a name, among others
    }
    let operator = match operator.strip_prefix('[') {
        None => operator,
        Some(index) => {
            let (index, rest) = index.split_once(']').ok_or(Opaque::Unclear)?;
            if !matches!(index, "@" | "*") && !index.bytes().all(|byte| byte.is_ascii_digit()) {
                return Err(Opaque::Arithmetic);
            }
            rest
        }
    };
    let plain =
        |text: &str| text.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"_-./:,*?%#@+=^~".contains(&byte));
    match operator.as_bytes() {
        [] => Ok(()),
        [b':', b'0'..=b'9', ..] if operator.bytes().all(|byte| byte == b':' || byte.is_ascii_digit()) => Ok(()),
        [b':', b'-' | b'+' | b'?', ..] | [b'-' | b'+' | b'?' | b'%' | b'#' | b'/' | b'^' | b',', ..]
            if plain(operator) =>
        {
            Ok(())
        }
        [b':', next, ..] if !b"-+?=".contains(next) => Err(Opaque::Arithmetic),
        _ => Err(Opaque::Unclear), // assigns, transforms, or holds quotes
    }
}

/// The commands inside `$(...)` and backquotes of a word, roughly: enough to show and to refuse them.
pub(super) fn substitutions(raw: &str) -> Vec<&str> {
    let mut found = Vec::new();
    let mut rest = raw;
    while let Some(at) = rest.find(['$', '`']) {
        let behind = &rest[at + 1..];
        if rest.as_bytes()[at] == b'`' {
            let end = behind.find('`').unwrap_or(behind.len());
            found.push(&behind[..end]);
            rest = behind.get(end + 1..).unwrap_or_default();
        } else if let Some(inside) = behind.strip_prefix('(') {
            let mut depth = 1_u32;
            let end = inside.find(|c| {
                match c {
                    '(' => depth += 1,
                    ')' => depth -= 1,
                    _ => {}
                }
                depth == 0
            });
            found.push(&inside[..end.unwrap_or(inside.len())]);
            rest = end.map_or("", |end| &inside[end + 1..]);
        } else {
            rest = behind;
        }
    }
    found
}

/// A fixed text as one word.
pub(super) fn quote(text: &str) -> String {
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"_@%+:,./-=".contains(&byte);
    if !text.is_empty() && text.bytes().all(plain) { text.to_owned() } else { in_quotes(text) }
}

/// A fixed text as the word of a program: nothing that would read as a keyword or an assignment there.
pub(super) fn quote_program(text: &str) -> String {
    const KEYWORDS: [&str; 19] = [
        "case", "coproc", "do", "done", "elif", "else", "esac", "fi", "for", "function", "if", "in", "select", "then",
        "time", "until", "while", "[[", "]]",
    ];
    if text == "[" {
        return text.to_owned();
    }
    if text.contains('=') || KEYWORDS.contains(&text) { in_quotes(text) } else { quote(text) }
}

fn in_quotes(text: &str) -> String {
    format!("'{}'", text.replace('\'', r"'\''"))
}

//! What is checked before a command reaches the parser, so that hostile text costs a bounded amount of it.
//!
//! The parser recurses and backtracks. It is handed only what stays shallow, and never the few forms on which it and
//! bash are known to part ways.

use brush_parser::{ParserOptions, Token};

use super::{MAX_COMMAND, Opaque, word};

/// Expansions in one text; the tokenizer recurses into each. Documents written by agents have a handful.
const MAX_EXPANSIONS: usize = 96;

/// Here-documents in one text; the tokenizer's work grows with their square.
const MAX_HERE: usize = 256;

/// The longest tag of a here-document, in bytes; each of the document's lines is compared with it.
const MAX_HERE_TAG: usize = 256;

/// Words and operators; keeps the parser's work on `a;a;a;...` in the tens of milliseconds.
const MAX_TOKENS: usize = 16 * 1024;

/// Words and brackets that open a nested command, counted without looking whether they were closed: one that closes
/// and one that merely looks so are hard to tell apart before parsing.
const MAX_OPENERS: usize = 48;

/// `case` alone, since the parser reads the last arm of each twice: at most 2^6 times for the innermost.
const MAX_CASES: usize = 6;

/// Operators inside `[[ ]]`, which the parser's tree nests one level each.
const MAX_TEST_PARTS: usize = 64;

pub(super) fn options() -> ParserOptions {
    // `bash -c` starts with extended globbing off.
    ParserOptions { enable_extended_globbing: false, ..ParserOptions::default() }
}

/// Checks the text itself. `Err` means that nothing of it is looked at further.
pub(super) fn check_text(text: &str) -> Result<(), Opaque> {
    if text.len() > MAX_COMMAND {
        return Err(Opaque::TooLong);
    }
    if text.chars().any(is_hidden) {
        return Err(Opaque::HiddenCharacters);
    }
    let bytes = text.as_bytes();
    let pairs = || bytes.windows(2);
    let expansions = pairs().filter(|pair| matches!(*pair, b"$(" | b"${" | b"$[")).count();
    if expansions > MAX_EXPANSIONS || pairs().filter(|pair| *pair == b"<<").count() > MAX_HERE {
        return Err(Opaque::TooComplex);
    }
    // The parser joins lines inside `$'...'` too, where bash keeps the two characters.
    let joins_quoted = text.contains("$'") && text.contains("\\\n");
    // `x=(a)#b` is one word to bash, and the parser sees a comment.
    let hides_comment = text.contains(")#");
    if joins_quoted || hides_comment || splits_an_operator(bytes) {
        return Err(Opaque::Unclear);
    }
    check_here_tags(text)
}

/// Refuses here-documents whose tag could come out empty or endless: at the end of the text, the tokenizer would look
/// for an empty one for ever. Quotes around the `<<` are not looked at, so that none is missed.
fn check_here_tags(text: &str) -> Result<(), Opaque> {
    let mut behind = text;
    while let Some(at) = behind.find("<<") {
        let escaped = behind[..at].ends_with('\\');
        let run = &behind[at..];
        let rest = run.trim_start_matches('<');
        behind = rest;
        if run.len() - rest.len() == 3 && !escaped {
            continue; // a here-string has no tag
        }
        let rest = rest.strip_prefix('-').unwrap_or(rest);
        check_here_tag(rest.strip_prefix([' ', '\t']).unwrap_or(rest))?;
    }
    Ok(())
}

/// Looks for a tag at the start of the text that is not empty, expands nothing, and ends soon.
fn check_here_tag(text: &str) -> Result<(), Opaque> {
    let mut quote = None;
    let mut escaped = false;
    let mut named = false;
    for (at, byte) in text.bytes().enumerate() {
        if at > MAX_HERE_TAG {
            return Err(Opaque::Unclear);
        }
        match (quote, byte) {
            (Some(b'"'), _) if escaped => {
                escaped = false;
                named = true;
            }
            (Some(b'"'), b'\\') => escaped = true,
            (Some(open), _) if byte == open => quote = None,
            (Some(b'"'), b'$' | b'`') => return Err(Opaque::Unclear),
            (Some(_), _) => named |= !byte.is_ascii_whitespace(),
            (None, b'\'' | b'"') => quote = Some(byte),
            (None, b'\\' | b'$' | b'`') => return Err(Opaque::Unclear),
            (None, b' ' | b'\t' | b'\n' | b';' | b'&' | b'|' | b'<' | b'>' | b'(' | b')' | b'}' | b']') => {
                return if named { Ok(()) } else { Err(Opaque::Unclear) };
            }
            (None, _) => named = true,
        }
    }
    if named && quote.is_none() { Ok(()) } else { Err(Opaque::Unclear) }
}

/// Control characters, and the marks that reorder text on screen.
fn is_hidden(c: char) -> bool {
    (c.is_control() && c != '\n' && c != '\t')
        || matches!(c, '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2060}'..='\u{2069}' | '\u{feff}')
}

/// A continued line in the middle of an operator, or right behind a dollar or a closing bracket: bash joins the two,
/// the parser does not.
fn splits_an_operator(bytes: &[u8]) -> bool {
    let mut before = b' ';
    let mut rest = bytes;
    while let Some((&byte, tail)) = rest.split_first() {
        if byte == b'\\' && tail.first() == Some(&b'\n') {
            let mut after = &tail[1..];
            while let [b'\\', b'\n', more @ ..] = after {
                after = more;
            }
            let operator = b"<>&|;()".contains(&before);
            let continues = after.first().is_some_and(|next| b"<>&|;()-".contains(next));
            let grows = before == b')' && !after.first().is_none_or(|next| b" \t\n".contains(next));
            if before == b'$' || grows || (operator && continues) {
                return true;
            }
            rest = after;
        } else {
            before = byte;
            rest = tail;
        }
    }
    false
}

/// Splits a text into tokens, if those can be parsed at a bounded cost.
pub(super) fn tokens(text: &str) -> Result<Vec<Token>, Opaque> {
    let tokens =
        brush_parser::uncached_tokenize_str(text, &options().tokenizer_options()).map_err(|_| Opaque::Unparsable)?;
    check_tokens(&tokens)?;
    Ok(tokens)
}

fn check_tokens(tokens: &[Token]) -> Result<(), Opaque> {
    if tokens.len() > MAX_TOKENS {
        return Err(Opaque::TooComplex);
    }
    let (mut openers, mut cases, mut test_parts, mut tests) = (0, 0, 0, 0);
    let mut in_test = false;
    let mut previous: Option<&Token> = None;
    for token in outside_here_documents(tokens) {
        match token {
            Token::Operator(operator, _) => match operator.as_str() {
                "(" => {
                    // Arithmetic, or two subshells; the parser stops seeing here-documents for a while, and tries
                    // every reading of the brackets.
                    if matches!(previous, Some(Token::Operator(before, _)) if before == "(") {
                        return Err(Opaque::Arithmetic);
                    }
                    openers += 1;
                }
                // To sh, which has no `[[`, the next line is a command of its own.
                "\n" if in_test => return Err(Opaque::Unclear),
                "&&" | "||" => test_parts += 1,
                operator if operator.starts_with(['<', '>']) => {
                    if matches!(previous, Some(Token::Word(number, _)) if is_long_number(number)) {
                        return Err(Opaque::Unparsable); // no descriptor, and the parser panics on it
                    }
                }
                _ => {}
            },
            Token::Word(text, _) => match text.as_str() {
                "case" => {
                    openers += 1;
                    cases += 1;
                }
                "{" | "if" | "elif" | "while" | "until" | "for" | "select" | "function" | "coproc" => openers += 1,
                "[[" => {
                    tests += 1;
                    in_test = true;
                }
                "]]" => in_test = false,
                "!" => test_parts += 1,
                text if has_unclear_index(text) => return Err(Opaque::Unclear),
                // In `x=(a)b`, bash takes the end for a part of the assignment, the parser for a word.
                _ if is_closing(previous) && touches(previous, token) => {
                    return Err(Opaque::Unclear);
                }
                // bash takes `>&-` for all of the redirection, and what follows for a word.
                text if text.len() > 1 && text.starts_with('-') && is_copy(previous) => {
                    return Err(Opaque::Unclear);
                }
                _ => {}
            },
        }
        previous = Some(token);
    }
    let deep_test = tests > 0 && test_parts > MAX_TEST_PARTS;
    if openers > MAX_OPENERS || cases > MAX_CASES || deep_test {
        return Err(Opaque::TooComplex);
    }
    Ok(())
}

fn is_closing(token: Option<&Token>) -> bool {
    matches!(token, Some(Token::Operator(operator, _)) if operator == ")")
}

fn touches(before: Option<&Token>, token: &Token) -> bool {
    before.is_some_and(|before| before.location().end.index == token.location().start.index)
}

fn is_copy(token: Option<&Token>) -> bool {
    matches!(token, Some(Token::Operator(operator, _)) if operator == ">&" || operator == "<&")
}

fn is_long_number(text: &str) -> bool {
    // Descriptors are small; nine digits still fit the parser's integer.
    text.bytes().all(|byte| byte.is_ascii_digit()) && !(1..=9).contains(&text.len())
}

/// `name[index]...` is read as an expression by a grammar that backtracks; plain indices are all it gets.
fn has_unclear_index(text: &str) -> bool {
    let behind_name = text.trim_start_matches(|c: char| c == '_' || c.is_ascii_alphanumeric());
    let Some(index) = behind_name.strip_prefix('[') else {
        return false;
    };
    // Left open, bash reads on through blanks and operators to the closing bracket.
    let Some((index, _)) = index.split_once(']') else {
        return behind_name.len() < text.len();
    };
    behind_name.len() < text.len()
        && !index.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"_-.^!@*?".contains(&byte))
}

/// The tokens without the texts of here-documents, which are data.
fn outside_here_documents(tokens: &[Token]) -> impl Iterator<Item = &Token> {
    let mut skip = 0;
    tokens.iter().filter(move |token| {
        if skip > 0 {
            skip -= 1;
            return false;
        }
        if is_here(token) {
            skip = 3; // the tag, the text, the tag again
        }
        true
    })
}

fn is_here(token: &Token) -> bool {
    matches!(token, Token::Operator(operator, _) if operator == "<<" || operator == "<<-")
}

/// The first thing in any word or here-document that makes the command opaque.
///
/// Every word is looked at, whatever the parser makes of it, with a reading of quotes that is our own: a word on whose
/// end the two disagree shows up as a stray separator or an open quote.
pub(super) fn check_words(tokens: &[Token]) -> Result<(), Opaque> {
    let mut rest = tokens.iter();
    while let Some(token) = rest.next() {
        if is_here(token) {
            let (Some(tag), Some(text), Some(_end)) = (rest.next(), rest.next(), rest.next()) else {
                return Err(Opaque::Unparsable);
            };
            word::check_here(tag.to_str(), text.to_str())?;
        } else if let Token::Word(text, _) = token {
            word::decode(text)?;
        }
    }
    Ok(())
}

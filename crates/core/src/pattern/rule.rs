//! Patterns of shell commands, word by word.

use super::{MAX_PATTERN, Matcher, Pattern};
use crate::shell::{Stage, Word};

/// Whether a word that the shell decides later may stand for anything.
#[derive(Clone, Copy, PartialEq)]
pub(super) enum Doubt {
    Ignored,
    Counts,
}

/// A pattern made ready to be compared with stages.
pub(super) struct Rule<'a> {
    pattern: &'a Pattern,
    /// One line of words, or two for `:*`. None if the text is too long.
    lines: Option<Vec<Line>>,
}

struct Line {
    assignments: Vec<String>,
    words: Vec<Slot>,
}

enum Slot {
    /// `*` on its own.
    AnyWords,
    /// `plain` is what a word without quotes has to be for an equal text.
    Word { pieces: Vec<Piece>, plain: String, wild: bool },
}

#[derive(Clone, Copy, PartialEq)]
enum Piece {
    Char(char),
    Any,
}

impl<'a> Rule<'a> {
    pub(super) fn new(pattern: &'a Pattern) -> Rule<'a> {
        let text = pattern.text.trim();
        let lines = (pattern.matcher == Matcher::ShellCommand).then_some(()).and_then(|()| {
            let lines = match text.strip_suffix(":*") {
                Some(start) => vec![Line::new(&format!("{start} *")), Line::new(text)],
                None => vec![Line::new(text)],
            };
            let wild = lines.iter().any(Line::is_wild);
            (!wild || text.len() <= MAX_PATTERN).then_some(lines)
        });
        Rule { pattern, lines }
    }

    /// True if the pattern allows the stage.
    pub(super) fn covers(&self, stage: &Stage) -> bool {
        if self.pattern.matcher != Matcher::ShellCommand {
            return self.pattern.matches_text(&stage.text());
        }
        self.lines.iter().flatten().any(|line| {
            let assignments = stage.assignments.iter().map(|set| format!("{}={}", set.name, set.value.text));
            let same = line.assignments.is_empty() || assignments.eq(line.assignments.iter().cloned());
            same && line.covers_words(&words_of(stage, &stage.program), &covers_word)
        })
    }

    /// True if the pattern is meant for the stage, by whatever path its program is called.
    pub(super) fn hits(&self, stage: &Stage, doubt: Doubt) -> bool {
        if self.pattern.matcher != Matcher::ShellCommand {
            let too_long = self.pattern.matcher == Matcher::Glob && self.pattern.text.len() > MAX_PATTERN;
            return too_long || self.pattern.matches_text(&stage.text());
        }
        let Some(lines) = &self.lines else {
            return true;
        };
        let hits_word = |slot: &Slot, word: &Word| match slot {
            Slot::AnyWords => true,
            Slot::Word { .. } if doubt == Doubt::Counts && word.dynamic => true,
            Slot::Word { pieces, .. } => wild(pieces, &word.text),
        };
        [stage.program.as_str(), stage.base_name()].into_iter().any(|program| {
            let words = words_of(stage, program);
            lines.iter().any(|line| {
                let in_full = line.covers_words(&words, &hits_word);
                // A word that may become several, or none, may also be all that is missing.
                let first_dynamic = words.iter().position(|word| word.dynamic);
                in_full
                    || (doubt == Doubt::Counts
                        && first_dynamic.is_some_and(|at| line.may_start(&words[..at], &hits_word)))
            })
        })
    }
}

fn words_of(stage: &Stage, program: &str) -> Vec<Word> {
    let mut words = Vec::with_capacity(1 + stage.args.len());
    words.push(Word { text: program.to_owned(), dynamic: false });
    words.extend(stage.args.iter().cloned());
    words
}

/// To allow, a word the shell decides later is covered only by `*`, or by itself as written; and a part of a path only
/// if it does not climb out again.
fn covers_word(slot: &Slot, word: &Word) -> bool {
    match slot {
        Slot::AnyWords => true,
        Slot::Word { plain, .. } if word.dynamic => *plain == word.text,
        Slot::Word { pieces, wild: false, .. } => wild(pieces, &word.text),
        Slot::Word { pieces, .. } => !word.text.split('/').any(|part| part == "..") && wild(pieces, &word.text),
    }
}

impl Line {
    /// Splits a pattern into words, with the shell's quotes: a quoted `*` is just that character.
    fn new(text: &str) -> Line {
        let mut slots = split(text);
        let mut assignments = Vec::new();
        while let Some(Slot::Word { plain, wild: false, .. }) = slots.first() {
            if slots.len() < 2 || !is_assignment(plain) {
                break;
            }
            assignments.push(plain.clone());
            slots.remove(0);
        }
        Line { assignments, words: slots }
    }

    fn is_wild(&self) -> bool {
        self.words.iter().any(|slot| matches!(slot, Slot::AnyWords | Slot::Word { wild: true, .. }))
    }

    /// Compares words from the first to the last, `*` taking as many as needed.
    ///
    /// Only the last `*` is ever tried again: what an earlier one took was enough for all in between.
    fn covers_words(&self, words: &[Word], fits: &dyn Fn(&Slot, &Word) -> bool) -> bool {
        let (mut at, mut slot) = (0, 0);
        let mut star: Option<(usize, usize)> = None;
        if self.words.is_empty() {
            return false;
        }
        loop {
            match self.words.get(slot) {
                Some(Slot::AnyWords) => {
                    star = Some((slot + 1, at));
                    slot += 1;
                    continue;
                }
                Some(wanted) if words.get(at).is_some_and(|word| fits(wanted, word)) => {
                    slot += 1;
                    at += 1;
                    continue;
                }
                None if at == words.len() => return true,
                _ => {}
            }
            match star {
                Some((behind, taken)) if taken < words.len() => {
                    star = Some((behind, taken + 1));
                    (slot, at) = (behind, taken + 1);
                }
                _ => return false,
            }
        }
    }

    /// True if a command starting with these words may still come to match.
    fn may_start(&self, words: &[Word], fits: &dyn Fn(&Slot, &Word) -> bool) -> bool {
        for (slot, word) in self.words.iter().zip(words) {
            match slot {
                Slot::AnyWords => return true,
                slot if !fits(slot, word) => return false,
                Slot::Word { .. } => {}
            }
        }
        words.len() < self.words.len()
    }
}

fn is_assignment(word: &str) -> bool {
    word.split_once('=').is_some_and(|(name, _)| {
        name.starts_with(|c: char| c == '_' || c.is_ascii_alphabetic())
            && name.bytes().all(|byte| byte == b'_' || byte.is_ascii_alphanumeric())
    })
}

fn split(text: &str) -> Vec<Slot> {
    let mut slots = Vec::new();
    let mut pieces: Vec<Piece> = Vec::new();
    let mut plain = String::new();
    let mut started = false;
    let mut chars = text.chars().peekable();
    let mut finish = |pieces: &mut Vec<Piece>, plain: &mut String, started: &mut bool| {
        if std::mem::take(started) {
            let (pieces, plain) = (std::mem::take(pieces), std::mem::take(plain));
            let wild = pieces.contains(&Piece::Any);
            let alone = plain == "*" && wild;
            slots.push(if alone { Slot::AnyWords } else { Slot::Word { pieces, plain, wild } });
        }
    };
    while let Some(c) = chars.next() {
        if c.is_whitespace() {
            finish(&mut pieces, &mut plain, &mut started);
            continue;
        }
        started = true;
        plain.push(c);
        match c {
            '*' => pieces.push(Piece::Any),
            '\\' => {
                let escaped = chars.next().unwrap_or('\\');
                plain.push(escaped);
                pieces.push(Piece::Char(escaped));
            }
            quote @ ('\'' | '"') => {
                while let Some(inside) = chars.next() {
                    plain.push(inside);
                    if inside == quote {
                        break;
                    }
                    let escapes = quote == '"' && inside == '\\';
                    let escaped = chars.next_if(|next| escapes && matches!(next, '"' | '\\' | '$' | '`'));
                    plain.extend(escaped);
                    pieces.push(Piece::Char(escaped.unwrap_or(inside)));
                }
            }
            plain => pieces.push(Piece::Char(plain)),
        }
    }
    finish(&mut pieces, &mut plain, &mut started);
    slots
}

/// Compares a text with pieces from its first to its last character, in at most the product of their lengths.
fn wild(pieces: &[Piece], text: &str) -> bool {
    let mut chars = text.chars();
    let mut piece = 0;
    let mut star: Option<(usize, std::str::Chars<'_>)> = None;
    loop {
        let mut ahead = chars.clone();
        match (pieces.get(piece), ahead.next()) {
            (Some(Piece::Any), _) => {
                piece += 1;
                star = Some((piece, chars.clone()));
                continue;
            }
            (Some(Piece::Char(wanted)), Some(c)) if *wanted == c => {
                piece += 1;
                chars = ahead;
                continue;
            }
            (None, None) => return true,
            _ => {}
        }
        let Some((behind, taken)) = &mut star else {
            return false;
        };
        if taken.next().is_none() {
            return false;
        }
        piece = *behind;
        chars = taken.clone();
    }
}

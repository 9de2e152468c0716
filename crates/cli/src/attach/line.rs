//! What a typed line means.

/// A line, understood.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Said {
    Nothing,
    Prompt(String),
    /// To the ask that has waited longest.
    Answer(String),
    Dismiss,
    Steer(String),
    Interrupt(Option<String>),
    Queue,
    Help,
    Detach,
    Unknown(String),
}

pub(super) const HELP: &[&str] = &[
    "a line is a prompt, or the answer while something is asked",
    "/prompt TEXT     a prompt, also while something is asked; it waits in the queue while a turn runs",
    "/answer WORDS    answers what was asked first",
    "/dismiss         waves it aside",
    "/steer TEXT      says something to the turn that runs",
    "/interrupt [WHY] interrupts it",
    "/queue           shows what waits",
    "/detach          leaves; the session goes on",
];

impl Said {
    /// Reads a line; what it means depends on whether something is asked.
    pub(super) fn read(line: &str, asked: bool) -> Said {
        let text = line.trim();
        // Two slashes begin a text that begins with one.
        let plain = text.strip_prefix("//").map(|rest| format!("/{rest}"));
        let Some(words) = text.strip_prefix('/').filter(|_| plain.is_none()) else {
            let text = plain.unwrap_or_else(|| text.to_owned());
            return match (asked, text.is_empty()) {
                (true, _) => Said::Answer(text),
                (false, true) => Said::Nothing,
                (false, false) => Said::Prompt(text),
            };
        };
        let (word, rest) = words.split_once(char::is_whitespace).unwrap_or((words, ""));
        let rest = rest.trim().to_owned();
        match word {
            "prompt" | "steer" if rest.is_empty() => Said::Unknown(format!("/{word} without a text")),
            "prompt" => Said::Prompt(rest),
            "steer" => Said::Steer(rest),
            "answer" => Said::Answer(rest),
            "dismiss" => Said::Dismiss,
            "interrupt" => Said::Interrupt((!rest.is_empty()).then_some(rest)),
            "queue" => Said::Queue,
            "help" | "?" => Said::Help,
            "detach" | "quit" | "exit" => Said::Detach,
            _ => Said::Unknown(format!("/{word}")),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_is_a_prompt_or_the_answer_to_what_is_asked() {
        assert_eq!(Said::read(" go on ", false), Said::Prompt("go on".into()));
        assert_eq!(Said::read("yes", true), Said::Answer("yes".into()));
        assert_eq!(Said::read("", true), Said::Answer(String::new()), "it may take the default");
        assert_eq!(Said::read("  ", false), Said::Nothing);
        assert_eq!(Said::read("/prompt do it", true), Said::Prompt("do it".into()));
    }

    #[test]
    fn a_slash_begins_a_command_and_two_a_text() {
        assert_eq!(Said::read("/steer left  ", false), Said::Steer("left".into()));
        assert_eq!(Said::read("/interrupt", true), Said::Interrupt(None));
        assert_eq!(Said::read("/interrupt too slow", true), Said::Interrupt(Some("too slow".into())));
        assert_eq!(Said::read("//usr/bin is full", false), Said::Prompt("/usr/bin is full".into()));
        assert_eq!(Said::read("/dance", false), Said::Unknown("/dance".into()));
        assert_eq!(Said::read("/", false), Said::Unknown("/".into()));
    }
}

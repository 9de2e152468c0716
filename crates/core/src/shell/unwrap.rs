//! Programs that run another program: what that is.

use super::{Assignment, Opaque, Stage, Word, builtin};

pub(super) enum Unwrapped {
    Plain,
    /// `alone`: it does nothing by itself, so that the permission for what it runs is enough.
    Runs {
        inner: Vec<Inner>,
        alone: bool,
    },
    Opaque(Opaque),
}

pub(super) enum Inner {
    /// A text for a shell of its own.
    Script(String),
    Command {
        assignments: Vec<Assignment>,
        words: Vec<Word>,
    },
}

/// The options in front of a wrapped program. Whatever is not listed is not followed.
#[derive(Default)]
struct Options {
    plain: &'static str,
    valued: &'static str,
    long: &'static [&'static str],
    long_valued: &'static [&'static str],
    /// Words between the options and the program: the seconds of `timeout`.
    operands: usize,
    /// `A=b` words may come before the program.
    assigns: bool,
    /// It changes what the program may do, and wants a permission of its own.
    matters: bool,
}

fn options_of(name: &str) -> Option<Options> {
    let base = Options::default();
    Some(match name {
        "env" => Options {
            plain: "iv0",
            valued: "uC",
            long: &["--ignore-environment", "--debug", "--null"],
            long_valued: &["--unset", "--chdir"],
            assigns: true,
            ..base
        },
        "nohup" | "builtin" => base,
        "setsid" => Options { plain: "cfw", long: &["--ctty", "--fork", "--wait"], ..base },
        "time" => Options { plain: "pv", long: &["--portability", "--verbose"], ..base },
        "timeout" => Options {
            plain: "v",
            valued: "ks",
            long: &["--foreground", "--preserve-status", "--verbose"],
            long_valued: &["--kill-after", "--signal"],
            operands: 1,
            ..base
        },
        "nice" => Options { plain: "0123456789", valued: "n", long_valued: &["--adjustment"], ..base },
        "ionice" => Options { plain: "t", valued: "cn", ..base },
        "stdbuf" => Options { valued: "ioe", long_valued: &["--input", "--output", "--error"], ..base },
        "command" => Options { plain: "p", ..base },
        "exec" => Options { plain: "cl", valued: "a", ..base },
        "xargs" => Options {
            plain: "0rtpxo",
            valued: "nPILdEsa",
            long: &["--null", "--no-run-if-empty", "--verbose", "--exit", "--open-tty", "--interactive"],
            long_valued: &["--max-args", "--max-procs", "--delimiter", "--arg-file", "--max-chars"],
            ..base
        },
        "sudo" => Options {
            plain: "EHSknbAPB",
            valued: "ugprCTD",
            long: &["--non-interactive", "--set-home", "--stdin", "--background"],
            long_valued: &["--user", "--group", "--prompt"],
            assigns: true,
            matters: true,
            ..base
        },
        "doas" => Options { plain: "n", valued: "u", matters: true, ..base },
        _ => return None,
    })
}

pub(super) fn unwrap(stage: &Stage) -> Unwrapped {
    let name = known_name(&stage.program);
    let args = stage.args.as_slice();
    match name {
        "sh" | "bash" | "dash" | "ash" => shell(name, args),
        "find" => find(args),
        // They run what they are given, in ways or in languages that are not followed.
        "zsh" | "ksh" | "mksh" | "fish" | "csh" | "tcsh" | "pwsh" | "su" | "runuser" | "pkexec" | "chroot"
        | "nsenter" | "unshare" | "parallel" | "watch" | "script" | "strace" | "ltrace" | "flock" | "busybox"
        | "systemd-run" | "taskset" | "chrt" | "entr" | "at" | "batch" | "expect" | "setarch" | "fakeroot"
        | "proot" | "xvfb-run" | "dbus-run-session" | "start-stop-daemon" | "unbuffer" | "toybox" => {
            Unwrapped::Opaque(Opaque::Wrapper(name.to_owned()))
        }
        _ => match options_of(name) {
            Some(options) => program_behind(name, &options, args),
            None => Unwrapped::Plain,
        },
    }
}

/// The name by which a program is known, if it stands where the system keeps it.
fn known_name(program: &str) -> &str {
    match program.rsplit_once('/') {
        Some(("/bin" | "/usr/bin" | "/usr/local/bin" | "/sbin" | "/usr/sbin", name))
            if !matches!(name, "builtin" | "exec" | "command") =>
        {
            name
        }
        _ => program,
    }
}

fn program_behind(name: &str, options: &Options, args: &[Word]) -> Unwrapped {
    let not_followed = || Unwrapped::Opaque(Opaque::Wrapper(name.to_owned()));
    let asks_only = |word: &Word| !word.dynamic && matches!(word.text.as_str(), "-v" | "-V");
    if name == "command" && args.first().is_some_and(asks_only) {
        return Unwrapped::Plain; // says what a name means, and runs nothing
    }
    let Some((mut rest, placeholder)) = skip_options(options, args) else {
        return not_followed();
    };
    for _ in 0..options.operands {
        match rest.split_first() {
            Some((operand, tail)) if !operand.dynamic => rest = tail,
            _ => return not_followed(),
        }
    }
    let mut assignments = Vec::new();
    while let Some((word, tail)) = rest.split_first().filter(|_| options.assigns) {
        let Some((_, value)) = word.text.split_once('=') else {
            break;
        };
        let Some(variable) = builtin::assigned(&word.text).filter(|_| !word.dynamic) else {
            return not_followed();
        };
        assignments.push(Assignment { name: variable.to_owned(), value: Word::fixed(value) });
        rest = tail;
    }
    if rest.is_empty() {
        // `env` alone prints, `exec > file` redirects, `xargs` alone echoes.
        return if assignments.is_empty() && !options.matters { Unwrapped::Plain } else { not_followed() };
    }
    let mut words = rest.to_vec();
    if name == "xargs" {
        match placeholder {
            Some(placeholder) => mark_filled_in(&mut words, placeholder),
            None => words.push(Word::dynamic("\"$@\"")),
        }
    }
    Unwrapped::Runs { inner: vec![Inner::Command { assignments, words }], alone: !options.matters }
}

/// The words behind the options, and the value of `-I`.
fn skip_options<'a>(options: &Options, args: &'a [Word]) -> Option<(&'a [Word], Option<&'a str>)> {
    let mut placeholder = None;
    let mut rest = args;
    while let Some((word, tail)) = rest.split_first() {
        if word.dynamic {
            return None; // an option, a program, or both
        }
        let text = word.text.as_str();
        if !text.starts_with('-') {
            break;
        }
        rest = tail;
        if text == "--" {
            break;
        }
        if text.starts_with("--") {
            let (name, value) = text.split_once('=').map_or((text, None), |(name, value)| (name, Some(value)));
            if options.long_valued.contains(&name) {
                if value.is_none() {
                    rest = fixed_tail(rest)?;
                }
            } else if !options.long.contains(&text) {
                return None;
            }
            continue;
        }
        let letters = &text[1..];
        let takes = letters.find(|letter| !options.plain.contains(letter));
        match takes {
            None if letters.is_empty() => return None,
            None => {}
            Some(at) => {
                let letter = letters[at..].chars().next()?;
                if !options.valued.contains(letter) {
                    return None;
                }
                let attached = &letters[at + letter.len_utf8()..];
                let value = if attached.is_empty() {
                    let (value, _) = rest.split_first()?;
                    rest = fixed_tail(rest)?;
                    value.text.as_str()
                } else {
                    attached
                };
                if letter == 'I' {
                    placeholder = Some(value);
                }
            }
        }
    }
    Some((rest, placeholder))
}

fn fixed_tail(words: &[Word]) -> Option<&[Word]> {
    let (value, tail) = words.split_first()?;
    (!value.dynamic).then_some(tail)
}

/// Words that get a text put in when they are run.
fn mark_filled_in(words: &mut [Word], placeholder: &str) {
    for word in words {
        if !placeholder.is_empty() && word.text.contains(placeholder) && !word.dynamic {
            *word = Word::dynamic(word.quoted());
        }
    }
}

/// `sh -c TEXT`, `bash -lc TEXT`, `bash FILE`.
fn shell(name: &str, args: &[Word]) -> Unwrapped {
    let not_followed = || Unwrapped::Opaque(Opaque::Wrapper(name.to_owned()));
    let mut has_text = false;
    let mut rest = args;
    while let Some((word, tail)) = rest.split_first() {
        if word.dynamic {
            return not_followed();
        }
        let text = word.text.as_str();
        match text {
            "--" | "-" => {
                rest = tail;
                break;
            }
            "--version" | "--help" if !has_text => return Unwrapped::Plain,
            "--login" | "--noprofile" | "--norc" | "--posix" => rest = tail,
            _ if text.starts_with("--") => return not_followed(),
            _ if text.starts_with(['-', '+']) => {
                rest = tail;
                let off = text.starts_with('+');
                for letter in text[1..].chars() {
                    match letter {
                        'c' if !off => has_text = true,
                        // What shells are told at their start and what changes nothing in how text is read.
                        'l' | 'e' | 'u' | 'x' | 'f' | 'v' | 'n' | 'C' => {}
                        'o' => match rest.split_first() {
                            Some((option, tail)) if is_plain_option(option) => rest = tail,
                            _ => return not_followed(),
                        },
                        _ => return not_followed(),
                    }
                }
            }
            _ => break,
        }
    }
    match rest.first() {
        Some(word) if word.dynamic => not_followed(),
        Some(word) if has_text => Unwrapped::Runs { inner: vec![Inner::Script(word.text.clone())], alone: true },
        None if has_text => not_followed(),
        Some(word) if !word.text.starts_with("/dev/") && !word.text.starts_with("/proc/") => Unwrapped::Plain,
        _ => Unwrapped::Opaque(Opaque::ShellInput(name.to_owned())),
    }
}

fn is_plain_option(word: &Word) -> bool {
    !word.dynamic
        && matches!(word.text.as_str(), "pipefail" | "errexit" | "nounset" | "xtrace" | "noglob" | "noclobber")
}

/// `find . -name x -exec cmd {} ;`: find itself can delete and write, so that it wants a permission too.
fn find(args: &[Word]) -> Unwrapped {
    let mut inner = Vec::new();
    let mut rest = args;
    while let Some((word, tail)) = rest.split_first() {
        rest = tail;
        if word.dynamic || !matches!(word.text.as_str(), "-exec" | "-execdir" | "-ok" | "-okdir") {
            continue;
        }
        let end = |at: usize| {
            let text = tail[at].text.as_str();
            !tail[at].dynamic && (text == ";" || (text == "+" && at > 0 && tail[at - 1].text == "{}"))
        };
        let Some(end) = (0..tail.len()).find(|&at| end(at)) else {
            return Unwrapped::Opaque(Opaque::Wrapper("find".to_owned()));
        };
        let mut words = tail[..end].to_vec();
        mark_filled_in(&mut words, "{}");
        inner.push(Inner::Command { assignments: Vec::new(), words });
        rest = &tail[end + 1..];
    }
    if inner.is_empty() { Unwrapped::Plain } else { Unwrapped::Runs { inner, alone: false } }
}

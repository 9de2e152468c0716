//! What the shell does by itself: variables that steer programs, and builtins that run text.

use super::{Opaque, Stage, Word};

/// Variables that decide which program a name means, what code it loads first, or which program it starts.
/// Everything not listed is taken as data for the program that was asked for.
const STEERING: [&str; 62] = [
    "PATH",
    "IFS",
    "ENV",
    "BASH_ENV",
    "SHELLOPTS",
    "BASHOPTS",
    "PS0",
    "PS1",
    "PS2",
    "PS4",
    "PROMPT_COMMAND",
    "SHELL",
    "HOME",
    "CDPATH",
    "FIGNORE",
    "GLOBIGNORE",
    "EXECIGNORE",
    "POSIXLY_CORRECT",
    "HISTFILE",
    "INPUTRC",
    "FPATH",
    "ZDOTDIR",
    "BASH_XTRACEFD",
    "EDITOR",
    "VISUAL",
    "FCEDIT",
    "PAGER",
    "MANPAGER",
    "MANOPT",
    "LESS",
    "LESSOPEN",
    "LESSCLOSE",
    "LESSKEY",
    "BROWSER",
    "SSH_ASKPASS",
    "SUDO_ASKPASS",
    "SUDO_EDITOR",
    "GCONV_PATH",
    "TERMCAP",
    "TERMINFO",
    "NODE_OPTIONS",
    "NODE_PATH",
    "PERL5OPT",
    "PERL5LIB",
    "PERL5DB",
    "RUBYOPT",
    "RUBYLIB",
    "JAVA_TOOL_OPTIONS",
    "_JAVA_OPTIONS",
    "JDK_JAVA_OPTIONS",
    "CLASSPATH",
    "MAVEN_OPTS",
    "GRADLE_OPTS",
    "MAKEFLAGS",
    "MAKEFILES",
    "GOFLAGS",
    "CC",
    "CXX",
    "LD",
    "RUSTC",
    "RUSTFLAGS",
    "TAR_OPTIONS",
];

const STEERING_PREFIXES: [&str; 16] = [
    "LD_",
    "DYLD_",
    "GIT_",
    "BASH_FUNC_",
    "PYTHON",
    "CARGO_",
    "RUSTC_",
    "RUSTDOC",
    "NPM_CONFIG_",
    "npm_config_",
    "PIP_",
    "XDG_",
    "RSYNC_",
    "DOCKER_",
    "KUBE",
    "AWS_",
];

/// Refuses the variables that change what other programs are or do.
pub(super) fn check_variable(name: &str) -> Result<(), Opaque> {
    if STEERING.contains(&name) || STEERING_PREFIXES.iter().any(|prefix| name.starts_with(prefix)) {
        return Err(Opaque::Variable(name.to_owned()));
    }
    Ok(())
}

/// `PATH=/evil`, `PATH+=:/evil` and `x[0]=y` as words of `export`, `env` and their like: the name.
pub(super) fn assigned(text: &str) -> Option<&str> {
    let (name, _) = text.split_once('=')?;
    let name = name.strip_suffix('+').unwrap_or(name);
    let name = name.split('[').next().unwrap_or_default();
    is_name(name).then_some(name)
}

fn is_name(name: &str) -> bool {
    let first = name.bytes().next();
    first.is_some_and(|byte| byte == b'_' || byte.is_ascii_alphabetic())
        && name.bytes().all(|byte| byte == b'_' || byte.is_ascii_alphanumeric())
}

/// Looks at the builtins among programs.
pub(super) fn check(stage: &Stage) -> Result<(), Opaque> {
    let fixed = |word: &Word| (!word.dynamic).then_some(()).ok_or(Opaque::Unclear);
    match stage.program.as_str() {
        "eval" | "source" | "." | "trap" | "alias" | "unalias" | "enable" | "bind" | "fc" | "complete" | "compgen"
        | "compopt" | "shopt" | "let" | "hash" => Err(Opaque::Builtin(stage.program.clone())),
        "set" => check_set(stage),
        "export" | "readonly" | "declare" | "typeset" | "local" | "read" | "mapfile" | "readarray" | "getopts"
        | "unset" => {
            for word in &stage.args {
                fixed(word)?;
                // Integer and reference attributes, and callbacks: the value is evaluated, or is a name, or is run.
                let flags = word.text.strip_prefix(['-', '+']).unwrap_or_default();
                let evaluates = match stage.program.as_str() {
                    "mapfile" | "readarray" => flags.contains('C'),
                    "declare" | "typeset" | "local" | "export" | "readonly" => flags.contains(['i', 'n', 'f']),
                    _ => false,
                };
                if evaluates || word.text.contains('[') {
                    return Err(Opaque::Builtin(stage.program.clone()));
                }
                check_variable(assigned(&word.text).unwrap_or(&word.text))?;
            }
            Ok(())
        }
        // `-v 'a[...]'` evaluates what is in the brackets.
        "printf" | "test" | "[" | "wait" => {
            for pair in stage.args.windows(2) {
                let (option, name) = (&pair[0], &pair[1]);
                let names = option.text.starts_with("-v") || option.text.starts_with("-p");
                let harmless = stage.program == "[" && name.text == "]";
                if (names && (name.dynamic || name.text.contains('['))) && !harmless {
                    return Err(Opaque::Builtin(stage.program.clone()));
                }
                if names && stage.program != "[" && stage.program != "test" {
                    check_variable(&name.text)?;
                }
            }
            // The same behind an option that only comes to be `-v`.
            let evaluated = |word: &Word| word.text.contains('[') && word.text.contains(['$', '`']);
            if stage.args.iter().any(evaluated) && stage.args.iter().any(|word| word.dynamic) {
                return Err(Opaque::Builtin(stage.program.clone()));
            }
            let joined = stage.args.iter().any(|word| word.text.starts_with("-v") && word.text.len() > 2);
            if joined && stage.program == "printf" {
                return Err(Opaque::Builtin(stage.program.clone()));
            }
            Ok(())
        }
        _ => Ok(()),
    }
}

/// Only what scripts start with: `set -euo pipefail`. Other options change how the rest is read (`-k`, `-o posix`).
fn check_set(stage: &Stage) -> Result<(), Opaque> {
    let plain = |word: &Word| {
        let flags = word.text.strip_prefix(['-', '+']);
        !word.dynamic
            && (word.text == "pipefail"
                || flags.is_some_and(|flags| flags.bytes().all(|flag| b"eufxCo".contains(&flag))))
    };
    if stage.args.iter().all(plain) { Ok(()) } else { Err(Opaque::Builtin("set".into())) }
}

/// Stages that do nothing to anything, so that no permission has to name them.
pub(crate) fn does_nothing(stage: &Stage) -> bool {
    if stage.redirects_beyond_itself() {
        return false;
    }
    match stage.program.as_str() {
        // Assignments, a null device, a here-string for nobody.
        "" => true,
        ":" | "true" | "false" | "exit" | "return" | "break" | "continue" | "test" | "[" | "set" => true,
        _ => false,
    }
}

//! What a shell command would run, as far as it can be known without running it.
//!
//! The reading holds for bash and for sh, without aliases, and it fails closed: whatever is decided only when the
//! command runs, is not understood to the last character, or differs between the two, makes the command *opaque*, and
//! an opaque command is asked about. Its stages are a best effort: good enough to refuse it, never to allow it.

mod builtin;
mod condition;
mod guard;
mod redirect;
mod risk;
mod target;
mod unwrap;
mod walk;
mod word;

#[cfg(test)]
pub(crate) mod tests;

use std::fmt;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

pub(crate) use builtin::does_nothing;
pub use risk::{Assessment, Reason, Risk, risk};
pub use target::{Action, Resource, Target, targets};

/// The longest command that is read, in bytes. What people and agents type is far below; parsing time grows with it.
pub const MAX_COMMAND: usize = 64 * 1024;

/// The most simple commands one command may come to. A person asked about more would not read them.
pub const MAX_STAGES: usize = 512;

/// How deep commands may sit in the words of others: `sh -c "env sh -c '...'"`. Two are common, eight are a trick.
pub const MAX_WRAPPED: usize = 8;

/// Everything a command would run, in the order it is written.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Analysis {
    /// The command as it came.
    pub command: String,
    pub stages: Vec<Stage>,
    /// Why the stages cannot be trusted to be everything; the first reason found.
    pub opaque: Option<Opaque>,
}

impl Analysis {
    /// True if the stages are not known to be all that would run, so that somebody has to be asked.
    pub fn is_opaque(&self) -> bool {
        self.opaque.is_some()
    }
}

/// One simple command: `A=b program arg > file`.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Stage {
    /// The program word without its quotes; empty when there are only assignments or redirections.
    pub program: String,
    pub args: Vec<Word>,
    pub assignments: Vec<Assignment>,
    pub redirects: Vec<Redirect>,
    /// It does nothing but run stages that follow it (`env`, `timeout`, `sh -c`): those need covering, this does not.
    pub wrapper: bool,
}

/// One word of a command.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Word {
    /// Without quotes if it is fixed, and as written if it is dynamic.
    pub text: String,
    /// The shell decides what it becomes (a variable, a file name pattern, braces, a tilde), also how many words.
    pub dynamic: bool,
}

/// A variable set in front of a program, or on its own.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Assignment {
    pub name: String,
    pub value: Word,
}

/// A file opened by the shell itself. Copies of descriptors (`2>&1`) and here-documents open none.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Redirect {
    pub access: Access,
    pub target: Word,
}

/// What a redirection does to its file.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub enum Access {
    Read,
    Write,
    ReadWrite,
}

/// Why a command cannot be judged by its stages.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub enum Opaque {
    /// Longer than [`MAX_COMMAND`].
    TooLong,
    /// More nesting or more parts than are read.
    TooComplex,
    /// Control characters, or characters that make text read differently than it runs.
    HiddenCharacters,
    /// Not a command the shell would take, or not one that is understood.
    Unparsable,
    /// Quoting, an expansion or a here-document whose meaning differs between shells or is not followed.
    Unclear,
    /// `$(...)` or backquotes.
    CommandSubstitution,
    /// `<(...)` or `>(...)`.
    ProcessSubstitution,
    /// The name of a program comes from an expansion.
    DynamicProgram,
    /// Arithmetic on variables; the shell evaluates what they hold, and that can run commands.
    Arithmetic,
    /// Sets a variable that decides which programs run, or what they load.
    Variable(String),
    /// A builtin that runs text or changes how the rest is read: `eval`, `source`, `trap`.
    Builtin(String),
    /// A program that runs another one, given in a way that is not followed.
    Wrapper(String),
    /// A shell that reads its commands from its input.
    ShellInput(String),
}

impl fmt::Display for Opaque {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Opaque::TooLong => write!(f, "longer than {MAX_COMMAND} bytes"),
            Opaque::TooComplex => f.write_str("too deeply nested or too many parts"),
            Opaque::HiddenCharacters => f.write_str("contains control characters"),
            Opaque::Unparsable => f.write_str("not understood as a shell command"),
            Opaque::Unclear => f.write_str("uses quoting or expansions that are not followed"),
            Opaque::CommandSubstitution => f.write_str("runs a command to build another ($(...) or `...`)"),
            Opaque::ProcessSubstitution => f.write_str("runs a command behind a file name (<(...) or >(...))"),
            Opaque::DynamicProgram => f.write_str("chooses its program while running"),
            Opaque::Arithmetic => f.write_str("computes with variables, which can run commands"),
            Opaque::Variable(name) => write!(f, "sets {name}, which changes what programs do"),
            Opaque::Builtin(name) => write!(f, "uses {name}, which runs text or changes the shell"),
            Opaque::Wrapper(name) => write!(f, "runs another program through {name} in a way that is not followed"),
            Opaque::ShellInput(name) => write!(f, "{name} reads its commands from its input"),
        }
    }
}

/// Takes a command apart. Never fails: what is not understood is opaque.
pub fn analyse(command: &str) -> Analysis {
    let mut walk = walk::Walk::new();
    walk.script(command, 0);
    let (stages, opaque) = walk.finish();
    Analysis { command: command.to_owned(), stages, opaque }
}

impl Stage {
    /// The stage as a command of its own, without its redirections: reading it again gives the same stage.
    pub fn text(&self) -> String {
        let mut parts = Vec::with_capacity(1 + self.args.len() + self.assignments.len());
        for Assignment { name, value } in &self.assignments {
            parts.push(format!("{name}={}", if value.text.is_empty() { String::new() } else { value.quoted() }));
        }
        if !self.program.is_empty() {
            parts.push(word::quote_program(&self.program));
        }
        parts.extend(self.args.iter().map(Word::quoted));
        parts.join(" ")
    }

    /// The last part of the program's path: `rm` for `/bin/rm`.
    pub fn base_name(&self) -> &str {
        self.program.rsplit('/').next().unwrap_or_default()
    }

    /// True if a redirection opens something a permission has to be given for: any file written, except the null
    /// device and the command's own outputs, and any connection the shell makes by itself.
    pub fn redirects_beyond_itself(&self) -> bool {
        self.redirects.iter().any(|redirect| !redirect.is_harmless())
    }
}

impl Word {
    pub(crate) fn fixed(text: impl Into<String>) -> Word {
        Word { text: text.into(), dynamic: false }
    }

    pub(crate) fn dynamic(text: impl Into<String>) -> Word {
        Word { text: text.into(), dynamic: true }
    }

    /// The word as one could type it.
    pub fn quoted(&self) -> String {
        if self.dynamic { self.text.clone() } else { word::quote(&self.text) }
    }
}

impl Redirect {
    fn is_harmless(&self) -> bool {
        let own = matches!(self.target.text.as_str(), "/dev/null" | "/dev/stdin" | "/dev/stdout" | "/dev/stderr");
        if self.target.dynamic {
            return false;
        }
        own || (self.access == Access::Read && !self.is_connection())
    }

    /// bash connects when it is told to open these, which are no files.
    pub fn is_connection(&self) -> bool {
        ["/dev/tcp/", "/dev/udp/"].iter().any(|device| self.target.text.starts_with(device))
    }
}

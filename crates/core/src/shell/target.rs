//! What a command would touch, in the words of a permission ask.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{Access, Analysis, MAX_STAGES, Stage, builtin};
use crate::pattern::Matcher;

/// The kinds of things a command touches.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Resource {
    ShellCommand,
    File,
    Network,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub enum Action {
    Execute,
    Read,
    Write,
    Delete,
    Request,
}

/// One thing a permission is asked for. A grant of `matcher` and `value` as its pattern covers just this.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Target {
    pub resource: Resource,
    pub action: Action,
    pub value: String,
    pub matcher: Matcher,
}

/// Everything a permission has to cover before the command may run.
///
/// An opaque command is one target, itself to the letter. Any other gives one per stage, as a command of its own
/// without its redirections, and one per file or connection the shell opens. What well-known programs delete, write and
/// reach is added for the person who is asked.
pub fn targets(analysis: &Analysis) -> Vec<Target> {
    let mut found = Targets(Vec::new());
    if analysis.is_opaque() {
        found.add(Resource::ShellCommand, Action::Execute, analysis.command.clone(), Matcher::Exact);
    }
    for stage in &analysis.stages {
        if !analysis.is_opaque() && !stage.program.is_empty() && !stage.wrapper && !builtin::does_nothing(stage) {
            found.add(Resource::ShellCommand, Action::Execute, stage.text(), Matcher::ShellCommand);
        }
        found.redirects(stage);
        found.effects(stage);
    }
    found.0
}

struct Targets(Vec<Target>);

impl Targets {
    fn add(&mut self, resource: Resource, action: Action, value: String, matcher: Matcher) {
        let target = Target { resource, action, value, matcher };
        if self.0.len() < 2 * MAX_STAGES && !self.0.contains(&target) {
            self.0.push(target);
        }
    }

    fn file(&mut self, action: Action, path: &str) {
        self.add(Resource::File, action, path.to_owned(), Matcher::Exact);
    }

    fn redirects(&mut self, stage: &Stage) {
        for redirect in &stage.redirects {
            let path = redirect.target.text.as_str();
            if redirect.is_connection() {
                let host = path.split('/').skip(3).collect::<Vec<_>>().join(":");
                self.add(Resource::Network, Action::Request, host, Matcher::Exact);
                continue;
            }
            if matches!(path, "/dev/null" | "/dev/stdin" | "/dev/stdout" | "/dev/stderr") {
                continue;
            }
            if redirect.access != Access::Write {
                self.file(Action::Read, path);
            }
            if redirect.access != Access::Read {
                self.file(Action::Write, path);
            }
        }
    }

    /// What a few well-known programs do with their operands.
    fn effects(&mut self, stage: &Stage) {
        let operands = || stage.args.iter().map(|word| word.text.as_str()).filter(|text| !text.starts_with('-'));
        match stage.base_name() {
            "rm" | "rmdir" | "unlink" | "shred" => operands().for_each(|path| self.file(Action::Delete, path)),
            "tee" | "touch" | "mkdir" | "truncate" => operands().for_each(|path| self.file(Action::Write, path)),
            "mv" => {
                let all: Vec<_> = operands().collect();
                if let Some((to, from)) = all.split_last() {
                    from.iter().for_each(|path| self.file(Action::Delete, path));
                    self.file(Action::Write, to);
                }
            }
            "cp" | "ln" | "install" => {
                if let Some(to) = operands().next_back() {
                    self.file(Action::Write, to);
                }
            }
            "dd" => operands()
                .filter_map(|operand| operand.strip_prefix("of="))
                .for_each(|path| self.file(Action::Write, path)),
            "curl" | "wget" | "git" => {
                for url in operands().filter(|operand| operand.contains("://")) {
                    self.add(Resource::Network, Action::Request, host_of(url).to_owned(), Matcher::Exact);
                }
            }
            "ssh" | "scp" | "sftp" | "nc" | "telnet" => {
                if let Some(host) = operands().next() {
                    self.add(Resource::Network, Action::Request, host.to_owned(), Matcher::Exact);
                }
            }
            _ => {}
        }
    }
}

/// `example.org:8080` of `https://user@example.org:8080/path`.
fn host_of(url: &str) -> &str {
    let rest = url.split_once("://").map_or(url, |(_, rest)| rest);
    let authority = rest.split(['/', '?', '#', '\\']).next().unwrap_or_default();
    authority.rsplit('@').next().unwrap_or_default()
}

//! How an agent is started, and what it may take.

use std::collections::BTreeMap;
use std::ffi::OsStr;
use std::path::{Path, PathBuf};
use std::time::Duration;

use async_trait::async_trait;
use rejoin_core::id::TenantId;
use rejoin_machine::cage::Cage;

/// A configured agent: a command that speaks the protocol on its pipes.
#[derive(Debug, Clone)]
pub struct Recipe {
    /// Sessions call it `acp:NAME`.
    pub name: String,
    pub title: String,
    pub description: String,
    /// An absolute path, or a name to be found on PATH.
    pub command: String,
    pub args: Vec<String>,
    /// Beyond what every tool gets.
    pub env: BTreeMap<String, String>,
    /// Variables whose values are secrets: they come from the [`Keyring`].
    pub credentials: Vec<String>,
    /// The agent's own name of the mode that sessions begin in.
    pub mode: Option<String>,
    /// Options of the agent and their values, by its own names.
    pub options: BTreeMap<String, String>,
    /// The way of signing in to choose, by the agent's own name, if it must be told one.
    pub auth: Option<String>,
    pub cage: Cage,
    /// What to do when the command is not there.
    pub install: Option<String>,
    /// Nobody has asked for it by name: it is offered only where its command is.
    pub is_ready_made: bool,
    pub limits: Limits,
}

/// What an agent may take before it counts as hung or broken.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Limits {
    /// Bytes of one line that it writes.
    pub line: usize,
    /// From its start to its answer to `initialize`.
    pub start: Duration,
    /// For each further step until it has a session; to load one it reads a whole history.
    pub open: Duration,
    /// From being asked to stop a turn to having stopped it.
    pub cancel: Duration,
    /// Without a word in a turn, while nobody is asked anything.
    pub silence: Duration,
}

impl Default for Limits {
    fn default() -> Limits {
        Limits {
            line: 32 << 20,                      // the largest file that we keep, twice, as in a difference
            start: Duration::from_secs(60),      // Node programs need some 5 s on a busy machine
            open: Duration::from_secs(120),      // MCP servers of the session start within it
            cancel: Duration::from_secs(15),     // a tool that runs is ended first
            silence: Duration::from_secs(3_600), // a build can be long and say nothing
        }
    }
}

impl Recipe {
    /// An agent of which only its command is known.
    pub fn new(name: impl Into<String>, command: impl Into<String>) -> Recipe {
        let (name, command) = (name.into(), command.into());
        Recipe {
            title: name.clone(),
            description: format!("Runs {command}."),
            name,
            command,
            args: Vec::new(),
            env: BTreeMap::new(),
            credentials: Vec::new(),
            mode: None,
            options: BTreeMap::new(),
            auth: None,
            cage: Cage::Off,
            install: None,
            is_ready_made: false,
            limits: Limits::default(),
        }
    }

    /// How it is started, for people to read.
    pub fn command_line(&self) -> String {
        let words = std::iter::once(&self.command).chain(&self.args);
        words.map(String::as_str).collect::<Vec<_>>().join(" ")
    }

    /// The program itself, if it is there.
    pub fn program(&self) -> Option<PathBuf> {
        find(&self.command, self.env.get("PATH").map(OsStr::new))
    }
}

/// Looks for a program as a shell would, on this PATH or on ours.
fn find(command: &str, path: Option<&OsStr>) -> Option<PathBuf> {
    if command.contains('/') {
        return Some(PathBuf::from(command)).filter(|file| is_program(file));
    }
    let own = rejoin_machine::shell::environment().into_iter().find(|(name, _)| name == "PATH");
    let own = own.map(|(_, value)| value);
    let path = path.or(own.as_deref())?;
    let folders = std::env::split_paths(path).filter(|folder| folder.is_absolute());
    folders.map(|folder| folder.join(command)).find(|file| is_program(file))
}

fn is_program(file: &Path) -> bool {
    use std::os::unix::fs::PermissionsExt;
    file.metadata().is_ok_and(|found| found.is_file() && found.permissions().mode() & 0o111 != 0)
}

/// Where the secrets are that agents are given.
#[async_trait]
pub trait Keyring: Send + Sync + 'static {
    /// `None`: there is none of that name. The error says why it cannot be told.
    async fn secret(&self, tenant: &TenantId, name: &str) -> Result<Option<String>, String>;

    /// Opens a value of a session's configuration that was sealed for this purpose; others are given back as they are.
    fn open(&self, tenant: &TenantId, purpose: &str, value: &str) -> Result<String, String> {
        let _ = (tenant, purpose);
        Ok(value.to_owned())
    }
}

/// No secrets at all.
#[derive(Debug, Clone, Copy)]
pub struct NoKeys;

#[async_trait]
impl Keyring for NoKeys {
    async fn secret(&self, _: &TenantId, _: &str) -> Result<Option<String>, String> {
        Ok(None)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_program_is_found_on_the_path_it_will_have_and_nowhere_else() {
        let dir = tempfile::tempdir().unwrap();
        let file = dir.path().join("agent");
        std::fs::write(&file, "#!/bin/sh\n").unwrap();
        let mut recipe = Recipe::new("x", "agent");
        recipe.env.insert("PATH".into(), dir.path().to_str().unwrap().into());
        assert_eq!(recipe.program(), None, "it cannot be run yet");
        use std::os::unix::fs::PermissionsExt;
        std::fs::set_permissions(&file, std::fs::Permissions::from_mode(0o755)).unwrap();
        assert_eq!(recipe.program(), Some(file.clone()));
        assert_eq!(Recipe::new("x", file.to_str().unwrap()).program(), Some(file));
        assert_eq!(Recipe::new("x", "agent").program(), None);
    }
}

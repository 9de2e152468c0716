//! What agents run commands with.

use std::path::PathBuf;

use rejoin_machine::cage::{Cage, Fence};
use rejoin_machine::shell::{Command, Shell};
use rejoin_ports::agent::Opening;

/// A shell, and how far it is fenced in.
#[derive(Debug, Clone)]
pub struct Workbench {
    pub shell: Shell,
    pub cage: Cage,
    /// What no tool may touch: the gateway's own folder.
    pub hidden: Vec<PathBuf>,
}

impl Workbench {
    /// A command in the workspace of a session, with what the session's configuration adds to its environment.
    pub(crate) fn command(&self, script: &str, opening: &Opening) -> Command {
        let mut command = Command::new(script, &opening.folder);
        command.env = opening.config.environment.clone().into_iter().collect();
        command.cage = self.cage;
        command.fence = Fence { workspace: opening.folder.clone(), hidden: self.hidden.clone(), ..Fence::default() };
        command
    }
}

//! What we remember of an agent's session from one of its lives to the next.

use std::hash::{DefaultHasher, Hash, Hasher};
use std::sync::Arc;

use rejoin_ports::agent::AgentMemory;
use serde::{Deserialize, Serialize};
use serde_json::Value;

/// Additive for ever: records of earlier versions are read.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub(super) struct Remembered {
    /// The agent's own name of the session.
    pub(super) session: Option<String>,
    /// Whether there is anything in it that could be lost.
    pub(super) prompted: bool,
    /// What it has cost so far, as far as that was told.
    pub(super) cost_micros: u64,
    /// The mode that was last set.
    pub(super) mode: Option<String>,
    /// The mode that the session was configured for when that was set.
    pub(super) wanted: Option<String>,
    /// A mark of the commands that it was told to have: most agents tell them again whenever they start.
    pub(super) commands: Option<u64>,
}

impl Remembered {
    /// What cannot be read counts as forgotten.
    pub(super) async fn recall(memory: &Arc<dyn AgentMemory>) -> Remembered {
        match memory.recall().await {
            Ok(Some(text)) => serde_json::from_str(&text).unwrap_or_default(),
            Ok(None) => Remembered::default(),
            Err(error) => {
                tracing::warn!(%error, "what an agent remembers cannot be read");
                Remembered::default()
            }
        }
    }

    /// Whether these are other commands than those that were told last; from now on they are told.
    pub(super) fn has_new_commands(&mut self, commands: &Value) -> bool {
        let mut hasher = DefaultHasher::new(); // the same in every life of one version, and told once too often otherwise
        commands.to_string().hash(&mut hasher);
        let mark = Some(hasher.finish());
        std::mem::replace(&mut self.commands, mark) != mark
    }

    pub(super) async fn keep(&self, memory: &Arc<dyn AgentMemory>) {
        let text = serde_json::to_string(self).expect("it is plain data");
        if let Err(error) = memory.remember(text).await {
            // Its next life will begin anew, and say so.
            tracing::warn!(%error, "what an agent remembers cannot be kept");
        }
    }
}

//! Agents that speak the Agent Client Protocol (version 1) on the pipes of a process that we start.
//!
//! A session has one process, started when it is needed and kept while it is. The process may crash, hang, or talk nonsense:
//! then its turn ends as failed and says why, and the next prompt starts another, which goes back to the agent's own session
//! if the agent can. Nothing of it outlives the session, nor the gateway.

mod check;
mod child;
mod crowd;
mod elicitation;
pub mod failure;
mod files;
mod life;
mod lines;
mod memory;
mod message;
mod permission;
mod prompt;
mod recipe;
pub mod servers;
mod start;
mod telling;
mod terminals;
mod wire;

use std::sync::Arc;

use async_trait::async_trait;
use rejoin_ports::agent::{AgentError, AgentInfo, AgentSettings, OpenAgent, Opening};

use crate::agent::{Agent, Tasks};
use crate::workbench::Workbench;
use life::Kit;

pub use check::{Report, check};
pub use crowd::Crowd;
pub use failure::Failure;
pub use recipe::{Keyring, Limits, NoKeys, Recipe};

/// What agents of this kind are called before their own name.
pub const PREFIX: &str = "acp:";

/// A configured agent.
pub struct Acp {
    kit: Kit,
}

impl Acp {
    pub fn new(recipe: Recipe, bench: Workbench, keys: Arc<dyn Keyring>, crowd: Crowd) -> Acp {
        Acp { kit: Kit { recipe: Arc::new(recipe), bench, keys, crowd, known: Arc::default() } }
    }
}

#[async_trait]
impl Agent for Acp {
    fn info(&self) -> AgentInfo {
        let recipe = &self.kit.recipe;
        AgentInfo {
            name: format!("{PREFIX}{}", recipe.name),
            title: recipe.title.clone(),
            description: recipe.description.clone(),
            resumable: false, // what it waited for is in its memory only
            steerable: true,
        }
    }

    fn is_offered(&self) -> bool {
        !self.kit.recipe.is_ready_made || self.kit.recipe.program().is_some()
    }

    async fn settings(&self, opening: Opening) -> Result<AgentSettings, AgentError> {
        self.kit.settings(opening).await.map_err(|failure| AgentError::CannotOpen {
            name: format!("{PREFIX}{}", self.kit.recipe.name),
            why: failure.message,
        })
    }

    async fn open(&self, opening: Opening, tasks: &Tasks) -> Result<OpenAgent, AgentError> {
        Ok(life::begin(self.kit.clone(), opening, tasks))
    }
}

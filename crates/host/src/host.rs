//! Opens agents by name.

use std::collections::BTreeMap;
use std::sync::Arc;

use async_trait::async_trait;
use rejoin_ports::agent::{AgentError, AgentHost, AgentInfo, AgentSettings, OpenAgent, Opening};

use crate::agent::{Agent, Tasks};
use crate::echo::Echo;
use crate::script::Script;
use crate::workbench::Workbench;

/// All agents that sessions can be created for. Of two with the same name the later one counts.
pub struct Host {
    agents: BTreeMap<String, Arc<dyn Agent>>,
    tasks: Tasks,
}

impl Host {
    pub fn new(agents: impl IntoIterator<Item = Arc<dyn Agent>>) -> Host {
        let agents = agents.into_iter().map(|agent| (agent.info().name, agent)).collect();
        Host { agents, tasks: Tasks::default() }
    }

    /// The agents that need nothing but this crate.
    pub fn built_in(workbench: Workbench) -> Vec<Arc<dyn Agent>> {
        vec![Arc::new(Echo), Arc::new(Script::new(workbench))]
    }

    /// Ends all open agents and waits for them, and for the commands they run.
    pub async fn end(&self) {
        self.tasks.end().await;
    }
}

#[async_trait]
impl AgentHost for Host {
    fn agents(&self) -> Vec<AgentInfo> {
        self.agents.values().filter(|agent| agent.is_offered()).map(|agent| agent.info()).collect()
    }

    fn find(&self, name: &str) -> Option<AgentInfo> {
        self.agents.get(name).map(|agent| agent.info())
    }

    async fn open(&self, opening: Opening) -> Result<OpenAgent, AgentError> {
        let name = opening.agent.clone();
        let Some(agent) = self.agents.get(&name) else {
            return Err(AgentError::Unknown(name));
        };
        if self.tasks.stop().is_cancelled() {
            let why = "the gateway is stopping".to_owned();
            return Err(AgentError::CannotOpen { name, why });
        }
        agent.open(opening, &self.tasks).await
    }

    async fn settings(&self, opening: Opening) -> Result<AgentSettings, AgentError> {
        match self.agents.get(&opening.agent) {
            Some(agent) => agent.settings(opening).await,
            None => Err(AgentError::Unknown(opening.agent)),
        }
    }
}

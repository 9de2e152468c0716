//! An agent that says what a test put into its mouth, also what no agent of ours would say.

use async_trait::async_trait;
use rejoin_core::happening::{FromAgent, Happening};
use rejoin_core::header::AgentStatus;
use rejoin_ports::agent::{AgentError, AgentHost, AgentInfo, HAPPENINGS, ORDERS, OpenAgent, Opening, Order};
use tokio::sync::mpsc;

pub(crate) struct Puppet {
    /// Why it cannot be opened, if it cannot.
    pub(crate) broken: Option<String>,
    pub(crate) lines: Vec<Happening>,
}

impl Puppet {
    pub(crate) fn saying(lines: Vec<Happening>) -> Puppet {
        Puppet { broken: None, lines }
    }
}

#[async_trait]
impl AgentHost for Puppet {
    fn agents(&self) -> Vec<AgentInfo> {
        let (title, description) = ("Puppet".to_owned(), "Says what it is told.".to_owned());
        vec![AgentInfo { name: "puppet".to_owned(), title, description, resumable: false, steerable: false }]
    }

    fn find(&self, name: &str) -> Option<AgentInfo> {
        self.agents().into_iter().find(|agent| agent.name == name)
    }

    async fn open(&self, opening: Opening) -> Result<OpenAgent, AgentError> {
        if let Some(why) = self.broken.clone() {
            return Err(AgentError::CannotOpen { name: opening.agent, why });
        }
        let (orders, mut heard) = mpsc::channel(ORDERS);
        let (said, happenings) = mpsc::channel(HAPPENINGS);
        let lines = self.lines.clone();
        tokio::spawn(async move {
            let life = Happening::Life { status: AgentStatus::Ready, detail: None };
            if said.send(FromAgent { turn: None, happening: life }).await.is_err() {
                return;
            }
            while let Some(order) = heard.recv().await {
                let Order::Prompt { turn, .. } = order else { continue };
                for happening in lines.iter().cloned() {
                    if said.send(FromAgent { turn: Some(turn.clone()), happening }).await.is_err() {
                        return;
                    }
                }
            }
        });
        Ok(OpenAgent { orders, happenings })
    }
}

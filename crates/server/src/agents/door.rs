//! Agents through doors: which there are, and what they can be set to.

use std::sync::Arc;

use async_trait::async_trait;
use rejoin_core::header::SessionKind;
use rejoin_core::id::SessionId;
use rejoin_core::refusal::Refusal;
use rejoin_core::who::{Kind, Verb};
use rejoin_ports::agent::{AgentHost, AgentInfo, AgentSettings, Opening, Workplaces};
use rejoin_ports::gateway::{Agents, Caller, Failure, Sessions};

/// The agents of a host, as doors list them.
pub(crate) struct Hosted {
    pub(crate) host: Arc<dyn AgentHost>,
    pub(crate) sessions: Arc<dyn Sessions>,
    pub(crate) places: Arc<dyn Workplaces>,
}

#[async_trait]
impl Agents for Hosted {
    fn list(&self) -> Vec<AgentInfo> {
        self.host.agents()
    }

    async fn settings(&self, caller: &Caller, session: &SessionId) -> Result<AgentSettings, Failure> {
        let view = self.sessions.view(&caller.identity, session).await?;
        if !caller.identity.role.may(Verb::Write, Kind::Session) {
            return Err(Refusal::Forbidden.into());
        }
        if view.session.kind == SessionKind::Sealed {
            return Err(Refusal::Sealed.into());
        }
        let place = self
            .places
            .workplace(&view.session)
            .await
            .map_err(|error| Failure::Invalid { field: "workspace", why: error.to_string() })?;
        let opening = Opening {
            session: view.session.id,
            tenant: view.session.tenant,
            agent: view.session.agent,
            folder: place.folder,
            config: view.config,
            model: view.session.model,
            files: place.files,
            memory: place.memory,
            has_past: false,
        };
        self.host.settings(opening).await.map_err(|error| Failure::Invalid { field: "agent", why: error.to_string() })
    }
}

//! A session as lists show it.

use rejoin_core::header::Header;

use super::state;
use crate::wire::SessionMeta;

/// The label that keeps the agent type as the client named it, where that is a name for another agent.
pub(crate) const AGENT_TYPE: &str = "diminuendo.agentType";

pub(crate) fn meta(header: &Header) -> SessionMeta {
    SessionMeta {
        id: header.id.to_string(),
        tenant_id: header.tenant.to_string(),
        name: header.title.clone(),
        agent_type: header.labels.get(AGENT_TYPE).unwrap_or(&header.agent).clone(),
        status: state::status(header.standing()),
        archived: header.archived,
        created_at: header.created_at,
        updated_at: header.updated_at,
        last_activity_at: header.last_activity_at,
    }
}

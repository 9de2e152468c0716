//! What a session says. It is on its way when these return, and kept until the server has confirmed it.

use uuid::Uuid;

use super::super::Error;
use super::super::outbox::Sent;
use super::SessionClient;
use crate::payload::{
    AcpMessage, AcpProvider, AgentContent, AgentMessage, ClaudeRecord, Envelope, Message, SessionEvent, SessionMessage,
    Summary,
};
use serde_json::Value;

impl SessionClient {
    /// Sends a record of Claude Code. What a person typed becomes their message, anything else output of the agent. Usage in
    /// an answer is reported, and a summary goes into the metadata.
    pub fn send_claude_session_message(&self, record: impl Into<ClaudeRecord>) -> Result<Sent, Error> {
        let record = record.into();
        let (usage, summary) = (record.usage(), record.summary().map(str::to_owned));
        let sent = self.send(&record.into())?;
        if let Some(usage) = usage {
            self.send_usage_data(&usage);
        }
        if let Some(text) = summary {
            self.summarize(text);
        }
        Ok(sent)
    }

    pub fn send_codex_message(&self, data: Value) -> Result<Sent, Error> {
        self.send(&AgentMessage::from_cli(AgentContent::Codex { data }).into())
    }

    /// Sends a message of any agent, in the one form that all have.
    pub fn send_agent_message(&self, provider: AcpProvider, data: AcpMessage) -> Result<Sent, Error> {
        self.send(&AgentMessage::from_cli(AgentContent::Acp { provider, data }).into())
    }

    /// Sends what happened besides messages. Without an id it gets one.
    pub fn send_session_event(&self, event: SessionEvent, id: Option<&str>) -> Result<Sent, Error> {
        let id = id.map_or_else(|| Uuid::now_v7().to_string(), str::to_owned);
        self.send(&AgentMessage::event(id, event).into())
    }

    /// Sends an envelope of the session protocol.
    pub fn send_envelope(&self, envelope: Envelope) -> Result<Sent, Error> {
        self.send(&SessionMessage::from(envelope).into())
    }

    /// Sends any message.
    pub fn send(&self, message: &Message) -> Result<Sent, Error> {
        let shared = &self.0.0;
        shared.outbox.push(shared.key.seal(message)?)
    }

    /// The same under an id of one's own: sent again under it, by this process or another, it is stored once.
    pub fn send_as(&self, message: &Message, local_id: &str) -> Result<Sent, Error> {
        let shared = &self.0.0;
        shared.outbox.push_as(shared.key.seal(message)?, local_id)
    }

    /// Sends what was sealed elsewhere, with the session's key.
    pub fn send_sealed(&self, sealed: String) -> Result<Sent, Error> {
        self.0.0.outbox.push(sealed)
    }

    /// Messages and sealed bytes that are not confirmed yet.
    pub fn unconfirmed(&self) -> (usize, usize) {
        self.0.0.outbox.waiting()
    }

    /// Returns once the outbox has room again; see [`Error::OutboxFull`].
    pub async fn outbox_room(&self) {
        self.0.0.outbox.room().await;
    }

    fn summarize(&self, text: String) {
        let shared = self.0.0.clone();
        let summary = Summary { text, updated_at: shared.options().clock.now(), extra: Default::default() };
        tokio::spawn(async move {
            let changed = shared.metadata.change(&shared.socket, shared.options(), |mut metadata| {
                metadata.summary = Some(summary.clone());
                metadata
            });
            let stop = shared.stop.clone();
            let outcome = tokio::select! {
                () = stop.cancelled() => return,
                outcome = changed => outcome,
            };
            if let Err(error) = outcome {
                tracing::warn!(session.id = shared.id, %error, "happy: a summary was not taken");
            }
        });
    }
}

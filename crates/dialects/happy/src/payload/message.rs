//! One message of a session, opened.

use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::{AgentMessage, Meta, SessionMessage};

/// What a sealed message says, told apart by who says it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "role", rename_all = "lowercase")]
pub enum Message {
    User(UserMessage),
    Agent(AgentMessage),
    Session(Box<SessionMessage>),
    /// Of a form that this version does not know.
    #[serde(untagged)]
    Other(Value),
}

/// What a person wants from the agent.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct UserMessage {
    pub content: UserContent,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub local_key: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub meta: Option<Meta>,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "type", rename_all = "lowercase")]
pub enum UserContent {
    Text { text: String },
}

impl Message {
    /// Reads what was sealed. Everything can be read: what is not known is `Other`.
    pub fn read(value: Value) -> Message {
        Message::deserialize(&value).unwrap_or(Message::Other(value))
    }
}

impl UserMessage {
    pub fn new(text: impl Into<String>) -> UserMessage {
        UserMessage { content: UserContent::Text { text: text.into() }, local_key: None, meta: None }
    }

    pub fn with_meta(self, meta: Meta) -> UserMessage {
        UserMessage { meta: Some(meta), ..self }
    }

    pub fn text(&self) -> &str {
        let UserContent::Text { text } = &self.content;
        text
    }
}

impl From<UserMessage> for Message {
    fn from(message: UserMessage) -> Message {
        Message::User(message)
    }
}

impl From<AgentMessage> for Message {
    fn from(message: AgentMessage) -> Message {
        Message::Agent(message)
    }
}

impl From<SessionMessage> for Message {
    fn from(message: SessionMessage) -> Message {
        Message::Session(Box::new(message))
    }
}

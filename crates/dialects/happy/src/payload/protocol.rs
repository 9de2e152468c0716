//! The session protocol: turns, texts and tool calls as envelopes of one form, whichever agent runs.

use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::{Extra, Meta, Usage, cuid2};
use crate::wire::Millis;

/// An envelope, and how it is meant.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct SessionMessage {
    #[serde(deserialize_with = "either_wrapper")]
    pub content: Envelope,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub local_key: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub meta: Option<Meta>,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Envelope {
    pub id: String,
    pub time: Millis,
    pub role: Speaker,
    /// Apps pass over what an agent says outside of turns.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub turn: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub subagent: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub claude_uuid: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub codex_item_id: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub usage: Option<Usage>,
    pub ev: Ev,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Speaker {
    User,
    Agent,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "t", rename_all = "kebab-case", rename_all_fields = "camelCase")]
pub enum Ev {
    Text {
        text: String,
        #[serde(default, skip_serializing_if = "Option::is_none")]
        thinking: Option<bool>,
    },
    Service {
        text: String,
    },
    ToolCallStart {
        call: String,
        name: String,
        title: String,
        description: String,
        args: Extra,
    },
    ToolCallEnd {
        call: String,
    },
    /// Sent before the text it belongs to.
    File {
        r#ref: String,
        name: String,
        size: u64,
        #[serde(default, skip_serializing_if = "Option::is_none")]
        mime_type: Option<String>,
        #[serde(default, skip_serializing_if = "Option::is_none")]
        image: Option<Image>,
    },
    TurnStart,
    TurnEnd {
        status: TurnStatus,
    },
    Start {
        #[serde(default, skip_serializing_if = "Option::is_none")]
        title: Option<String>,
    },
    Stop,
    #[serde(untagged)]
    Other(Value),
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Image {
    pub width: u32,
    pub height: u32,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub thumbhash: Option<String>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum TurnStatus {
    Completed,
    Failed,
    Cancelled,
}

impl Envelope {
    /// What an agent does within a turn.
    pub fn agent(turn: impl Into<String>, time: Millis, ev: Ev) -> Envelope {
        Envelope { turn: Some(turn.into()), ..Envelope::new(Speaker::Agent, time, ev) }
    }

    pub fn user(time: Millis, ev: Ev) -> Envelope {
        Envelope::new(Speaker::User, time, ev)
    }

    fn new(role: Speaker, time: Millis, ev: Ev) -> Envelope {
        Envelope {
            id: cuid2(),
            time,
            role,
            turn: None,
            subagent: None,
            claude_uuid: None,
            codex_item_id: None,
            usage: None,
            ev,
        }
    }
}

impl From<Envelope> for SessionMessage {
    /// As command lines send it.
    fn from(content: Envelope) -> SessionMessage {
        SessionMessage { content, local_key: None, meta: Some(Meta::sent_from("cli")) }
    }
}

/// Command lines write the envelope itself, apps put it into `{type: 'session', data}`.
fn either_wrapper<'de, D: serde::Deserializer<'de>>(deserializer: D) -> Result<Envelope, D::Error> {
    let mut content = Value::deserialize(deserializer)?;
    let envelope = match content["type"] == "session" {
        true => content["data"].take(),
        false => content,
    };
    serde_json::from_value(envelope).map_err(serde::de::Error::custom)
}

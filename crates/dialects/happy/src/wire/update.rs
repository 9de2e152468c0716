//! What happened to the things of an account, told to those of its sockets that care.

use std::borrow::Cow;

use serde::{Deserialize, Serialize};
use serde_json::Value;
use serde_json::value::RawValue;

use super::{Avatar, Message, Millis, Versioned};

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Update {
    /// Twelve letters and digits.
    pub id: String,
    /// The account's number for it.
    pub seq: u64,
    pub body: Body,
    pub created_at: Millis,
}

impl Update {
    /// Reads one. Messages, of which many come, are read without the detour that telling bodies apart takes.
    pub fn read(text: &str) -> serde_json::Result<Update> {
        #[derive(Deserialize)]
        #[serde(rename_all = "camelCase")]
        struct Unread<'a> {
            id: String,
            seq: u64,
            #[serde(borrow)]
            body: &'a RawValue,
            created_at: Millis,
        }
        #[derive(Deserialize)]
        struct Kind<'a> {
            #[serde(borrow)]
            t: Cow<'a, str>,
        }
        #[derive(Deserialize)]
        struct NewMessage {
            sid: String,
            message: Message,
        }
        let Unread { id, seq, body, created_at } = serde_json::from_str(text)?;
        let body = body.get();
        let body = match serde_json::from_str::<Kind<'_>>(body) {
            Ok(kind) if kind.t == "new-message" => {
                let NewMessage { sid, message } = serde_json::from_str(body)?;
                Body::NewMessage { sid, message }
            }
            _ => serde_json::from_str(body)?,
        };
        Ok(Update { id, seq, body, created_at })
    }
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "t", rename_all = "kebab-case", rename_all_fields = "camelCase")]
pub enum Body {
    NewSession {
        id: String,
        seq: u64,
        metadata: String,
        metadata_version: u64,
        agent_state: Option<String>,
        agent_state_version: u64,
        data_encryption_key: Option<String>,
        active: bool,
        active_at: Millis,
        created_at: Millis,
        updated_at: Millis,
    },
    UpdateSession {
        id: String,
        #[serde(default, skip_serializing_if = "Option::is_none")]
        metadata: Option<Versioned>,
        #[serde(default, skip_serializing_if = "Option::is_none")]
        agent_state: Option<Versioned>,
    },
    DeleteSession {
        sid: String,
    },
    NewMessage {
        sid: String,
        message: Message,
    },
    UpdateAccount {
        id: String,
        #[serde(default, skip_serializing_if = "Option::is_none")]
        settings: Option<Versioned>,
        #[serde(default, skip_serializing_if = "Option::is_none", with = "maybe_null")]
        github: Option<Option<Value>>,
        #[serde(default, skip_serializing_if = "Option::is_none", with = "maybe_null")]
        username: Option<Option<String>>,
        #[serde(default, skip_serializing_if = "Option::is_none", with = "maybe_null")]
        first_name: Option<Option<String>>,
        #[serde(default, skip_serializing_if = "Option::is_none", with = "maybe_null")]
        last_name: Option<Option<String>>,
        #[serde(default, skip_serializing_if = "Option::is_none")]
        avatar: Option<Avatar>,
    },
    NewMachine {
        machine_id: String,
        seq: u64,
        metadata: String,
        metadata_version: u64,
        daemon_state: Option<String>,
        daemon_state_version: u64,
        data_encryption_key: Option<String>,
        active: bool,
        active_at: Millis,
        created_at: Millis,
        updated_at: Millis,
    },
    UpdateMachine {
        machine_id: String,
        #[serde(default, skip_serializing_if = "Option::is_none")]
        metadata: Option<Versioned>,
        #[serde(default, skip_serializing_if = "Option::is_none")]
        daemon_state: Option<Versioned>,
    },
    DeleteMachine {
        machine_id: String,
    },
    NewArtifact {
        artifact_id: String,
        seq: u64,
        header: String,
        header_version: u64,
        body: String,
        body_version: u64,
        data_encryption_key: String,
        created_at: Millis,
        updated_at: Millis,
    },
    UpdateArtifact {
        artifact_id: String,
        #[serde(default, skip_serializing_if = "Option::is_none")]
        header: Option<Versioned>,
        #[serde(default, skip_serializing_if = "Option::is_none")]
        body: Option<Versioned>,
    },
    DeleteArtifact {
        artifact_id: String,
    },
    NewFeedPost {
        id: String,
        body: Value,
        cursor: String,
        created_at: Millis,
        repeat_key: Option<String>,
    },
    KvBatchUpdate {
        changes: Vec<KvChange>,
    },
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct KvChange {
    pub key: String,
    pub value: Option<String>,
    pub version: u64,
}

/// A field that may be absent, `null`, or a value.
mod maybe_null {
    use serde::{Deserialize, Deserializer, Serialize, Serializer};

    pub(super) fn serialize<T: Serialize, S: Serializer>(
        value: &Option<Option<T>>,
        serializer: S,
    ) -> Result<S::Ok, S::Error> {
        value.as_ref().and_then(Option::as_ref).serialize(serializer)
    }

    pub(super) fn deserialize<'de, T: Deserialize<'de>, D: Deserializer<'de>>(
        deserializer: D,
    ) -> Result<Option<Option<T>>, D::Error> {
        Option::deserialize(deserializer).map(Some)
    }
}

//! Names of things: wrapped, so that they cannot be swapped, and checked, so that they can be shown and stored.

use std::borrow::Borrow;
use std::fmt;
use std::sync::Arc;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// The longest text that can be an id. Clients mint ids too, and theirs are at most UUIDs with a prefix.
pub const LONGEST_ID: usize = 128;

/// A text that cannot be an id.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("an id is 1 to {LONGEST_ID} printable ASCII characters without blanks")]
pub struct BadId;

fn check(text: &str) -> Result<(), BadId> {
    let fits = (1..=LONGEST_ID).contains(&text.len()) && text.bytes().all(|b| b.is_ascii_graphic());
    if fits { Ok(()) } else { Err(BadId) }
}

macro_rules! ids {
    ($($(#[$doc:meta])* $name:ident)*) => {$(
        $(#[$doc])*
        #[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Deserialize)]
        #[serde(try_from = "String")]
        pub struct $name(Arc<str>);

        impl JsonSchema for $name {
            fn inline_schema() -> bool {
                true
            }
            fn schema_name() -> std::borrow::Cow<'static, str> {
                stringify!($name).into()
            }
            fn json_schema(_: &mut schemars::SchemaGenerator) -> schemars::Schema {
                schemars::json_schema!({ "type": "string", "minLength": 1, "maxLength": LONGEST_ID })
            }
        }

        impl $name {
            /// Checks a text that came from outside.
            pub fn new(text: impl AsRef<str>) -> Result<Self, BadId> {
                check(text.as_ref()).map(|()| Self(text.as_ref().into()))
            }
            pub fn as_str(&self) -> &str {
                &self.0
            }
        }
        impl TryFrom<String> for $name {
            type Error = BadId;
            fn try_from(text: String) -> Result<Self, BadId> {
                Self::new(text)
            }
        }
        impl Serialize for $name {
            fn serialize<S: serde::Serializer>(&self, out: S) -> Result<S::Ok, S::Error> {
                out.serialize_str(&self.0)
            }
        }
        impl From<uuid::Uuid> for $name {
            fn from(id: uuid::Uuid) -> Self {
                let mut text = uuid::Uuid::encode_buffer();
                Self((*id.hyphenated().encode_lower(&mut text)).into())
            }
        }
        impl Borrow<str> for $name {
            fn borrow(&self) -> &str {
                &self.0
            }
        }
        impl fmt::Display for $name {
            fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
                out.write_str(&self.0)
            }
        }
        impl fmt::Debug for $name {
            fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
                write!(out, "{}({})", stringify!($name), self.0)
            }
        }
    )*};
}

ids! {
    /// One tenant: what is invisible to all others.
    TenantId
    /// A person or a machine account inside a tenant.
    UserId
    /// A program a person uses; it survives reconnects.
    ClientId
    SessionId
    TurnId
    MessageId
    PartId
    /// A tool call, named by the agent.
    CallId
    AskId
    QueueId
    GrantId
    /// Minted by a client, so that a command sent twice is done once.
    CommandId
    WorkspaceId
    TerminalId
}

impl CommandId {
    /// A name of ours among those of clients, which have no blanks.
    pub(crate) fn with_blank(text: String) -> CommandId {
        debug_assert!(text.contains(' '), "a client could mint it");
        CommandId(text.into())
    }
}

/// Where new ids come from. The rules mint none themselves, so that living and replaying agree.
pub trait Ids {
    fn mint(&mut self) -> uuid::Uuid;
}

/// Ids in the order they are made: time first, then a counter. For tests, and for anything that must be repeatable.
#[derive(Debug, Clone, Default)]
pub struct CountedIds(pub u64);

impl Ids for CountedIds {
    fn mint(&mut self) -> uuid::Uuid {
        self.0 += 1;
        uuid::Builder::from_unix_timestamp_millis(self.0, &[0; 10]).into_uuid()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_id_from_outside_is_checked_before_it_is_believed() {
        for bad in ["", "a b", "a\0", "é", &"x".repeat(LONGEST_ID + 1)] {
            assert_eq!(SessionId::new(bad), Err(BadId), "{bad:?}");
            assert!(serde_json::from_value::<SessionId>(serde_json::json!(bad)).is_err());
        }
        assert_eq!(SessionId::new("s-1").unwrap().as_str(), "s-1");
    }
}

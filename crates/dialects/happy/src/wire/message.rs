//! A sealed message of a session.

use serde::{Deserialize, Serialize};

use super::Millis;

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Message {
    pub id: String,
    pub seq: u64,
    pub content: Content,
    #[serde(default)]
    pub local_id: Option<String>,
    pub created_at: Millis,
    pub updated_at: Millis,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Content {
    /// `encrypted`; a client shows others to whoever wants them, and reads none.
    pub t: String,
    #[serde(default)]
    pub c: String,
}

impl Content {
    pub const ENCRYPTED: &str = "encrypted";

    pub fn encrypted(sealed: impl Into<String>) -> Content {
        Content { t: Content::ENCRYPTED.to_owned(), c: sealed.into() }
    }
}

/// What a post answers of a message: everything but its content.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Posted {
    pub id: String,
    pub seq: u64,
    #[serde(default)]
    pub local_id: Option<String>,
    pub created_at: Millis,
    pub updated_at: Millis,
}

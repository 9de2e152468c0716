//! Sessions, as the server keeps them.

use serde::{Deserialize, Serialize};

use super::super::Error;
use super::super::http::{Api, Ask};
use super::segment;
use crate::wire::{Millis, Session};

/// A session to create, or to load if its tag is known.
#[derive(Debug, Clone, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct NewSessionRecord {
    pub tag: String,
    /// Sealed.
    pub metadata: String,
    /// Servers pass over it.
    pub agent_state: Option<String>,
    pub data_encryption_key: Option<String>,
}

#[derive(Debug, Clone, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct SessionsPage {
    pub sessions: Vec<Session>,
    #[serde(default)]
    pub next_cursor: Option<String>,
    #[serde(default)]
    pub has_next: bool,
}

#[derive(Deserialize)]
struct One {
    session: Session,
}

impl Api {
    /// Creates a session, or gives back the one that has this tag already: then what was sent of it is dropped.
    pub async fn create_or_load_session(&self, new: &NewSessionRecord) -> Result<Session, Error> {
        let one: One = self.ask(Ask::post("creating a session", "/v1/sessions").json(new).safe()).await?;
        Ok(one.session)
    }

    /// The newest sessions, 150 at most.
    pub async fn sessions(&self) -> Result<Vec<Session>, Error> {
        Ok(self.ask::<SessionsPage>(Ask::get("listing sessions", "/v1/sessions")).await?.sessions)
    }

    /// Sessions that were there within the last quarter of an hour.
    pub async fn active_sessions(&self, limit: Option<u32>) -> Result<Vec<Session>, Error> {
        let ask = Ask::get("listing active sessions", "/v2/sessions/active").query("limit", limit);
        Ok(self.ask::<SessionsPage>(ask).await?.sessions)
    }

    /// One page of all sessions. `changed_since` leaves out those that have not changed since then.
    pub async fn sessions_page(
        &self,
        cursor: Option<&str>,
        limit: Option<u32>,
        changed_since: Option<Millis>,
    ) -> Result<SessionsPage, Error> {
        let ask = Ask::get("listing sessions", "/v2/sessions")
            .query("cursor", cursor)
            .query("limit", limit)
            .query("changedSince", changed_since);
        self.ask(ask).await
    }

    pub async fn archive_session(&self, session: &str) -> Result<(), Error> {
        self.tell(Ask::post("archiving a session", format!("/v1/sessions/{}/archive", segment(session))).safe()).await
    }

    /// Deletes a session with everything in it.
    pub async fn delete_session(&self, session: &str) -> Result<(), Error> {
        self.tell(Ask::delete("deleting a session", format!("/v1/sessions/{}", segment(session)))).await
    }
}

//! Messages of a session.

use serde::{Deserialize, Serialize};

use super::super::Error;
use super::super::http::{Api, Ask};
use super::segment;
use crate::wire::{Message, Posted};

/// A message to store. Sent again under the same id, it is stored once.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct NewMessage {
    /// Sealed.
    pub content: String,
    pub local_id: String,
}

#[derive(Debug, Clone, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct MessagesPage {
    pub messages: Vec<Message>,
    #[serde(default)]
    pub has_more: bool,
}

#[derive(Deserialize)]
struct PostedAll {
    messages: Vec<Posted>,
}

#[derive(Serialize)]
struct Post<'a, M> {
    messages: &'a [M],
}

impl Api {
    /// The newest messages, 150 at most, newest first.
    pub async fn newest_messages(&self, session: &str) -> Result<Vec<Message>, Error> {
        let ask = Ask::get("reading messages", format!("/v1/sessions/{}/messages", segment(session)));
        Ok(self.ask::<MessagesPage>(ask).await?.messages)
    }

    /// What is behind a number, in order.
    pub async fn messages_after(&self, session: &str, seq: u64, limit: u32) -> Result<MessagesPage, Error> {
        self.page(session, "after_seq", seq, limit).await
    }

    /// What is before a number, newest first.
    pub async fn messages_before(&self, session: &str, seq: u64, limit: u32) -> Result<MessagesPage, Error> {
        self.page(session, "before_seq", seq, limit).await
    }

    /// Stores messages, 100 at most, in their order. The answer is sorted by number.
    pub async fn post_messages(&self, session: &str, messages: &[NewMessage]) -> Result<Vec<Posted>, Error> {
        self.post(session, messages).await
    }

    /// Asked again where that may help: every message carries an id.
    pub(in crate::client) async fn post_safely<M: Serialize>(
        &self,
        session: &str,
        messages: &[M],
    ) -> Result<Vec<Posted>, Error> {
        Ok(self.ask::<PostedAll>(posting(session, messages).safe()).await?.messages)
    }

    /// Asked once: whoever asks knows when to ask again.
    pub(in crate::client) async fn post<M: Serialize>(
        &self,
        session: &str,
        messages: &[M],
    ) -> Result<Vec<Posted>, Error> {
        Ok(self.ask::<PostedAll>(posting(session, messages)).await?.messages)
    }

    async fn page(&self, session: &str, side: &'static str, seq: u64, limit: u32) -> Result<MessagesPage, Error> {
        let ask = Ask::get("reading messages", format!("/v3/sessions/{}/messages", segment(session)))
            .query(side, Some(seq))
            .query("limit", Some(limit));
        self.ask(ask).await
    }
}

fn posting<M: Serialize>(session: &str, messages: &[M]) -> Ask {
    Ask::post("sending messages", format!("/v3/sessions/{}/messages", segment(session))).json(&Post { messages })
}

//! Waking phones.

use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::super::Error;
use super::super::http::{Api, Ask};
use super::segment;
use crate::wire::Millis;

#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct PushToken {
    pub id: String,
    pub token: String,
    pub created_at: Millis,
    pub updated_at: Millis,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum PushKind {
    Done,
    Permission,
    Question,
}

/// What became of a push. Older servers do not say.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub struct PushOutcome {
    /// `sent`, `partial`, `suppressed`, `no_tokens`, or `failed`.
    #[serde(default)]
    pub result: Option<String>,
    #[serde(default)]
    pub tokens: Option<u64>,
    #[serde(default)]
    pub delivered: Option<u64>,
    #[serde(default)]
    pub reason: Option<String>,
}

#[derive(Deserialize)]
struct Tokens {
    tokens: Vec<PushToken>,
}

impl Api {
    pub async fn add_push_token(&self, token: &str) -> Result<(), Error> {
        let body = json!({ "token": token });
        self.tell(Ask::post("adding a push token", "/v1/push-tokens").json(&body).safe()).await
    }

    pub async fn remove_push_token(&self, token: &str) -> Result<(), Error> {
        self.tell(Ask::delete("removing a push token", format!("/v1/push-tokens/{}", segment(token))).safe()).await
    }

    pub async fn push_tokens(&self) -> Result<Vec<PushToken>, Error> {
        Ok(self.ask::<Tokens>(Ask::get("listing push tokens", "/v1/push-tokens")).await?.tokens)
    }

    /// Tells people that a session wants them. The server reads title, body and data.
    pub async fn push_event(
        &self,
        session: &str,
        kind: PushKind,
        title: &str,
        body: &str,
        data: Option<&Value>,
    ) -> Result<PushOutcome, Error> {
        let mut event = json!({ "kind": kind, "title": title, "body": body });
        if let Some(data) = data {
            event["data"] = data.clone();
        }
        let route = format!("/v1/sessions/{}/push-event", segment(session));
        self.ask(Ask::post("pushing", route).json(&event)).await
    }
}

//! Keys with which a machine gets at a session.

use serde::Deserialize;
use serde_json::{Value, json};

use super::super::Error;
use super::super::http::{Api, Ask};
use super::{Change, Versioned, changed, segment};
use crate::wire::Millis;

#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct AccessKey {
    pub data: String,
    pub data_version: u64,
    pub created_at: Millis,
    pub updated_at: Millis,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct One {
    access_key: Option<AccessKey>,
}

impl Api {
    pub async fn access_key(&self, session: &str, machine: &str) -> Result<Option<AccessKey>, Error> {
        Ok(self.ask::<One>(Ask::get("reading an access key", route(session, machine))).await?.access_key)
    }

    /// Creates it; one that is there already is a conflict (409).
    pub async fn create_access_key(&self, session: &str, machine: &str, data: &str) -> Result<AccessKey, Error> {
        let ask = Ask::post("creating an access key", route(session, machine)).json(&json!({ "data": data }));
        self.ask::<One>(ask).await?.access_key.ok_or(Error::Unreadable("creating an access key"))
    }

    pub async fn change_access_key(
        &self,
        session: &str,
        machine: &str,
        data: &str,
        expected_version: u64,
    ) -> Result<Change<Versioned>, Error> {
        const DOING: &str = "changing an access key";
        let body = json!({ "data": data, "expectedVersion": expected_version });
        let answer: Value = self.ask(Ask::put(DOING, route(session, machine)).json(&body)).await?;
        changed(DOING, &answer, "currentData")
    }
}

fn route(session: &str, machine: &str) -> String {
    format!("/v1/access-keys/{}/{}", segment(session), segment(machine))
}

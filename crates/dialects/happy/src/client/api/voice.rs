//! Talking to an agent. What servers answer here changes with their vendor; it comes as it is.

use serde_json::{Value, json};

use super::super::Error;
use super::super::http::{Api, Ask};

impl Api {
    /// Asks for a conversation; `allowed` in the answer says whether there is one.
    pub async fn voice_conversation(&self, agent: &str) -> Result<Value, Error> {
        let ask = Ask::post("asking for a conversation", "/v1/voice/conversations");
        self.ask(ask.json(&json!({ "agentId": agent }))).await
    }

    pub async fn voice_usage(&self) -> Result<Value, Error> {
        self.ask(Ask::get("reading usage of voice", "/v1/voice/usage")).await
    }
}

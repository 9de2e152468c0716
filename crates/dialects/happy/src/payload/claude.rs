//! Records of Claude Code, one line of its transcript each.

use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::{AgentContent, AgentMessage, Message, Meta, Usage, UserMessage};

/// One record, as Claude Code wrote it. What is not asked for here passes through.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct ClaudeRecord(pub Value);

impl ClaudeRecord {
    /// `user`, `assistant`, `summary`, `system`, `result`, …
    pub fn kind(&self) -> &str {
        self.0["type"].as_str().unwrap_or_default()
    }

    /// What a person typed; None for tool results, for sidechains and for what the tool says to itself.
    pub fn typed(&self) -> Option<&str> {
        let is = |name: &str| self.0[name] == true;
        let text = self.0["message"]["content"].as_str()?;
        (self.kind() == "user" && !is("isSidechain") && !is("isMeta")).then_some(text)
    }

    /// What an answer has cost.
    pub fn usage(&self) -> Option<Usage> {
        (self.kind() == "assistant").then(|| Usage::deserialize(&self.0["message"]["usage"]).ok())?
    }

    /// What a conversation is about, in the record that says so.
    pub fn summary(&self) -> Option<&str> {
        let names_leaf = self.0.get("leafUuid").is_some();
        (self.kind() == "summary" && names_leaf).then(|| self.0["summary"].as_str())?
    }
}

impl From<Value> for ClaudeRecord {
    fn from(record: Value) -> ClaudeRecord {
        ClaudeRecord(record)
    }
}

impl From<ClaudeRecord> for Message {
    /// What a person typed becomes their message; everything else is output of the agent.
    fn from(record: ClaudeRecord) -> Message {
        match record.typed() {
            Some(text) => Message::User(UserMessage::new(text).with_meta(Meta::sent_from("cli"))),
            None => Message::Agent(AgentMessage::from_cli(AgentContent::Output { data: record })),
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn what_a_person_typed_is_their_message() {
        let record = json!({ "type": "user", "uuid": "u", "message": { "role": "user", "content": "hi" } });
        let message = serde_json::to_value(Message::from(ClaudeRecord(record))).unwrap();
        let wanted =
            json!({ "role": "user", "content": { "type": "text", "text": "hi" }, "meta": { "sentFrom": "cli" } });
        assert_eq!(message, wanted);
    }

    #[test]
    fn everything_else_is_output() {
        for record in [
            json!({ "type": "user", "isSidechain": true, "message": { "content": "hi" } }),
            json!({ "type": "user", "isMeta": true, "message": { "content": "hi" } }),
            json!({ "type": "user", "message": { "content": [{ "type": "tool_result", "tool_use_id": "t" }] } }),
            json!({ "type": "assistant", "message": { "content": [] }, "slug": 7 }),
            json!({ "type": "new-kind" }),
        ] {
            let message = serde_json::to_value(Message::from(ClaudeRecord(record.clone()))).unwrap();
            let wanted = json!({
                "role": "agent", "content": { "type": "output", "data": record }, "meta": { "sentFrom": "cli" },
            });
            assert_eq!(message, wanted);
        }
    }

    #[test]
    fn only_a_summary_that_names_its_leaf_tells_what_it_is_about() {
        let told = ClaudeRecord(json!({ "type": "summary", "summary": "Fix", "leafUuid": "l" }));
        assert_eq!(told.summary(), Some("Fix"));
        assert_eq!(ClaudeRecord(json!({ "type": "summary", "summary": "Fix" })).summary(), None);
        assert_eq!(ClaudeRecord(json!({ "type": "system", "summary": "Fix", "leafUuid": "l" })).summary(), None);
    }
}

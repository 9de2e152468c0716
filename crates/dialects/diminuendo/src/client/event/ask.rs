//! What the agent asks, and guidance that it gets.

use serde::Deserialize;
use serde_json::Value;

use super::payload::payloads;

payloads! {
    /// The agent waits for [`answer_question`](crate::client::Client::answer_question).
    QuestionRequested turn { request_id: String, questions: Vec<Question> }
    /// The agent waits for [`answer_permission`](crate::client::Client::answer_permission).
    PermissionRequested turn {
        request_id: String,
        tool_call_id: Option<String>,
        tool_name: String,
        /// What it would do.
        action: String,
        details: Value,
        /// What may be answered.
        options: Vec<String>,
    }
    /// The agent waits no more.
    ApprovalResolved turn {
        request_id: String,
        /// `answered`, `dismissed`, `allowed`, `denied` or `expired`.
        outcome: String,
        answers: Value,
        resolved_by: Option<String>,
    }
    /// Somebody steered the agent.
    SteerSent turn { content: String, user_id: Option<String> }
}

/// One question.
#[derive(Debug, Clone, Default, PartialEq, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub struct Question {
    /// The key of its answer.
    pub key: String,
    pub prompt: String,
    pub options: Option<Vec<String>>,
    pub required: Option<bool>,
    pub secret: Option<bool>,
}

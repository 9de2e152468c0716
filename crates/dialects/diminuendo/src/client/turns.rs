//! Turns: beginning one, stopping it, steering it, answering what it asks. None of these has an answer; what happens is
//! told by events, and what cannot be done by an [`ErrorEvent`](super::event::ErrorEvent).
//!
//! All of them wait while there is no connection, and are sent again when the connection broke before anything showed
//! that they had arrived.

use serde_json::{Map, Value, json};

use super::pump::given::Tell;
use super::{Client, Error};
use crate::names::{self, said};

/// An answer to a [`PermissionRequested`](super::event::PermissionRequested).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Decision {
    Allow,
    Deny,
    AllowAlways,
}

impl Client {
    /// Begins a turn, and returns the id that its [`TurnStarted`](super::event::TurnStarted) will carry: `client_turn_id`,
    /// or one that is made here. A turn with the same id is begun once, however often it is sent.
    pub fn run_turn(&self, session: &str, text: &str, client_turn_id: Option<&str>) -> Result<String, Error> {
        let turn = client_turn_id.map_or_else(|| uuid::Uuid::now_v7().to_string(), str::to_owned);
        let fields = json!({ "sessionId": session, "text": text, "clientTurnId": turn });
        self.tell(said::RUN_TURN, Tell::Turn(turn.clone()), fields)?;
        Ok(turn)
    }

    /// Stops the turn that is running, if there is one.
    pub fn stop_turn(&self, session: &str) -> Result<(), Error> {
        self.tell(said::STOP_TURN, Tell::Stop, json!({ "sessionId": session }))
    }

    /// Guides the agent while it works.
    pub fn steer(&self, session: &str, text: &str) -> Result<(), Error> {
        let fields = json!({ "sessionId": session, names::fields::STEER_TEXT[0]: text });
        self.tell(said::STEER, Tell::Steer(text.to_owned()), fields)
    }

    /// Answers a [`QuestionRequested`](super::event::QuestionRequested): by the keys of its questions.
    ///
    /// With `dismissed` the question is closed without an answer; see [`dismiss_question`](Client::dismiss_question).
    pub fn answer_question(
        &self,
        session: &str,
        request_id: &str,
        answers: impl IntoIterator<Item = (impl Into<String>, impl Into<String>)>,
        dismissed: bool,
    ) -> Result<(), Error> {
        let answers: Map<String, Value> =
            answers.into_iter().map(|(key, answer)| (key.into(), Value::String(answer.into()))).collect();
        let fields = json!({
            "sessionId": session,
            "requestId": request_id,
            "answers": answers,
            "dismissed": dismissed.then_some(true),
        });
        self.tell(said::ANSWER_QUESTION, Tell::Answer(request_id.to_owned()), fields)
    }

    /// Closes a question without an answer.
    pub fn dismiss_question(&self, session: &str, request_id: &str) -> Result<(), Error> {
        self.answer_question(session, request_id, [] as [(&str, &str); 0], true)
    }

    /// Answers a [`PermissionRequested`](super::event::PermissionRequested).
    pub fn answer_permission(&self, session: &str, request_id: &str, decision: Decision) -> Result<(), Error> {
        let decision = match decision {
            Decision::Allow => names::ALLOW,
            Decision::Deny => names::DENY,
            Decision::AllowAlways => names::ALLOW_ALWAYS,
        };
        self.answer_question(session, request_id, [(names::DECISION, decision)], false)
    }
}

//! How turns end, and who works beside them.

use rejoin_core::id::{SessionId, TurnId};
use rejoin_core::turn::Outcome;
use rejoin_core::usage::Usage;
use rejoin_happy::payload::{Envelope, Ev, SessionEvent, TurnStatus, Usage as Spent};

use super::super::name::cuid;
use super::{Telling, What};

impl Telling<'_> {
    pub(super) fn turn_ended(&mut self, turn: &TurnId, outcome: &Outcome, usage: &Usage) {
        let turn = cuid(turn.as_str());
        for call in std::mem::take(self.open) {
            self.agent(&turn, Ev::ToolCallEnd { call: call.to_string() });
        }
        let status = match outcome {
            Outcome::Completed => TurnStatus::Completed,
            Outcome::Failed { message, .. } => {
                self.agent(&turn, Ev::Service { text: format!("The turn failed: {message}") });
                TurnStatus::Failed
            }
            Outcome::Interrupted { reason } => {
                // Whoever pressed stop knows.
                if reason != "user" {
                    self.agent(&turn, Ev::Service { text: format!("The turn was interrupted: {reason}") });
                }
                TurnStatus::Cancelled
            }
        };
        if *usage != Usage::default() {
            let blank = Ev::Service { text: String::new() };
            self.envelope(Envelope { usage: Some(spent(usage)), ..Envelope::agent(turn.as_str(), self.at, blank) });
        }
        self.agent(&turn, Ev::TurnEnd { status });
        self.session_event(SessionEvent::Ready);
        self.push(What::Ended);
    }

    /// A session that works for this one, as a subagent.
    pub(super) fn child(&mut self, session: &SessionId, ev: Ev) {
        let Some(turn) = self.turn.clone() else { return };
        let subagent = Some(cuid(&format!("{} {session}", self.session)));
        self.envelope(Envelope { subagent, ..Envelope::agent(turn, self.at, ev) });
    }
}

fn spent(usage: &Usage) -> Spent {
    Spent {
        input_tokens: usage.input,
        output_tokens: usage.output,
        cache_creation_input_tokens: Some(usage.cache_write),
        cache_read_input_tokens: Some(usage.cache_read),
        service_tier: None,
        context_window: None,
    }
}

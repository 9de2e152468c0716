//! A turn, and what the agent says and thinks in it.

use super::payload::payloads;

payloads! {
    /// A turn began.
    TurnStarted turn {
        /// The id under which a client asked for it.
        client_turn_id: Option<String>,
    }
    /// The agent says more.
    TextDelta turn { text: String }
    /// A turn is over.
    TurnComplete turn {
        /// All that was said.
        final_text: String,
        /// Somebody stopped it.
        stopped: bool,
    }
    /// A turn failed.
    TurnError turn { message: String, code: Option<String> }
    /// More of a message.
    MessageDelta turn { text: String, message_id: Option<String> }
    /// The agent begins to think.
    ThinkingStart turn {}
    /// The agent thinks on.
    ThinkingProgress turn { text: String }
    /// The agent has thought.
    ThinkingComplete turn { text: Option<String>, duration_ms: Option<u64> }
}

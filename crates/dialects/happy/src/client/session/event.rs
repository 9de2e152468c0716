//! What is told besides what people say.

use serde_json::Value;

use crate::payload::Message;
use crate::wire::Ephemeral;

#[derive(Debug, Clone, PartialEq)]
pub enum SessionNews {
    /// A message that is not a person's: of an agent elsewhere, say, or of a form that is not known.
    Message {
        seq: u64,
        message: Box<Message>,
    },
    /// It is under another key, or damaged. The cursor has passed it.
    Unreadable {
        seq: u64,
        id: String,
    },
    /// An update, or a message that is not sealed, as it came: what concerns a session should not be among these.
    Update(Value),
    Ephemeral(Ephemeral),
}

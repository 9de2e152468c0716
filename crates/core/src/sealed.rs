//! Sealed messages: only their own people can read them. To us they are texts in an order.

use crate::header::LONGEST_LABEL;
use crate::id::CommandId;
use crate::part::LONGEST_PART;
use crate::refusal::Refusal;

/// A sealed message to be kept.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Sealing {
    /// Kept as the exact text that came.
    pub content: String,
    /// The client's own name for it. A session takes each name once.
    pub local: Option<String>,
}

impl Sealing {
    /// What must hold of each of them.
    pub fn check(&self) -> Result<(), Refusal> {
        let local = self.local.as_ref().map(String::len);
        if local == Some(0) {
            return Err(Refusal::Empty);
        }
        let fits = self.content.len() <= LONGEST_PART && local.is_none_or(|local| local <= LONGEST_LABEL);
        if fits { Ok(()) } else { Err(Refusal::TooLong) }
    }
}

impl CommandId {
    /// What the receipt of a sealed message is called by its client's own name for it. It has a blank, so no client can
    /// mint one that is the same.
    pub fn of_local(local: &str) -> CommandId {
        CommandId::with_blank(format!("local {local}"))
    }
}

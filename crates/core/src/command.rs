//! What people ask of a session.

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::ask::Answer;
use crate::header::{Config, Model};
use crate::id::{AskId, ClientId, GrantId, MessageId, QueueId, SessionId};
use crate::part::Attachment;
use crate::turn::IfBusy;
use crate::who::Verb;

/// A command, without the id and the author that travel beside it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(tag = "type", rename_all = "kebab-case", rename_all_fields = "camelCase")]
pub enum Command {
    Prompt {
        text: String,
        #[serde(default)]
        attachments: Vec<Attachment>,
        #[serde(default)]
        if_busy: IfBusy,
        /// The client's own name for it, given back when its turn starts.
        #[serde(default)]
        reference: Option<String>,
    },
    Steer {
        text: String,
    },
    Interrupt {
        #[serde(default)]
        reason: Option<String>,
        #[serde(default)]
        clear_queue: bool,
    },
    Answer {
        ask: AskId,
        answer: Answer,
    },
    Enqueue {
        text: String,
        #[serde(default)]
        attachments: Vec<Attachment>,
        #[serde(default)]
        reference: Option<String>,
    },
    Edit {
        item: QueueId,
        text: String,
    },
    Move {
        item: QueueId,
        #[serde(default)]
        before: Option<QueueId>,
    },
    Dequeue {
        item: QueueId,
    },
    Claim {
        /// Take it only if it is free or one's own, and say nothing otherwise.
        #[serde(default)]
        quietly: bool,
    },
    Release,
    Takeover,
    RespondTakeover {
        approve: bool,
        /// Who is answered; absent: whoever asks.
        #[serde(default)]
        requester: Option<ClientId>,
    },
    /// The last connection of a client that speaks of control is gone. Doors send it, people do not.
    #[serde(skip)]
    Detached {
        client: ClientId,
    },
    Fork {
        /// The last message to copy; absent: all.
        #[serde(default)]
        message: Option<MessageId>,
        #[serde(default)]
        title: Option<String>,
        /// The new session's id; absent: minted.
        #[serde(default)]
        into: Option<SessionId>,
    },
    Revert {
        message: MessageId,
        /// Hide the message too, not only what follows it.
        #[serde(default)]
        inclusive: bool,
    },
    Compact,
    Close,
    Reopen,
    Archive,
    Unarchive,
    Rename {
        title: Option<String>,
    },
    Label {
        labels: BTreeMap<String, String>,
    },
    SetModel {
        model: String,
        #[serde(default)]
        provider: Option<String>,
        #[serde(default)]
        variant: Option<String>,
    },
    Configure {
        config: Box<Config>,
    },
    End {
        reason: String,
        #[serde(default)]
        exit_code: Option<i32>,
        #[serde(default)]
        error: Option<String>,
    },
    RevokeGrant {
        grant: GrantId,
    },
    SetRegister {
        name: String,
        /// The version it must have now.
        expected: u64,
        value: Option<String>,
    },
    Seal {
        content: String,
        #[serde(default)]
        local: Option<String>,
    },
}

impl Command {
    /// What somebody must be allowed to do to a session to give this command.
    pub fn verb(&self) -> Verb {
        match self {
            Command::Steer { .. } => Verb::Steer,
            Command::Archive | Command::Unarchive => Verb::Archive,
            // A lost connection is a fact, whatever its user may still do.
            Command::Detached { .. } => Verb::Read,
            _ => Verb::Write,
        }
    }
    /// Whether control, where somebody has it, binds this command. An answer is bound by its ask's authority instead.
    pub fn needs_control(&self) -> bool {
        matches!(
            self,
            Command::Prompt { .. }
                | Command::Steer { .. }
                | Command::Interrupt { .. }
                | Command::Enqueue { .. }
                | Command::Edit { .. }
                | Command::Move { .. }
                | Command::Dequeue { .. }
                | Command::SetModel { .. }
                | Command::Configure { .. }
        )
    }
    pub fn model(model: Model) -> Command {
        Command::SetModel { model: model.model, provider: model.provider, variant: model.variant }
    }
}

//! A turn as the agent sees that thinks it through.

use std::sync::Arc;

use rejoin_core::ask::{Ask, Settled};
use rejoin_core::happening::{Happening, NewAsk};
use rejoin_core::id::{AskId, CallId, TurnId};
use rejoin_core::turn::Prompt;

use crate::inbox::{ChildEnd, Inbox};
use crate::voice::Voice;

/// How much of a turn's id the ids made from it repeat. It is a UUID; with a longer one they would be too long themselves.
const LONGEST_STEM: usize = 64;

pub(crate) struct Turn {
    pub(crate) id: TurnId,
    pub(crate) prompt: Prompt,
    /// What was settled since the agent was last heard, if another life of the process began this turn.
    pub(crate) settled: Vec<(Ask, Settled)>,
    pub(crate) voice: Voice,
    pub(crate) inbox: Arc<Inbox>,
}

/// How a turn ended, as far as its agent is concerned.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum End {
    Done,
    Failed {
        code: String,
        message: String,
        retry_ms: Option<u64>,
    },
    /// The agent itself dies of it.
    Died(String),
}

impl Turn {
    /// Waits for room. When nobody listens any more it never comes back: whoever runs the turn ends it then.
    pub(crate) async fn say(&self, happening: Happening) {
        let said = self.voice.say(Some(self.id.clone()), happening).await;
        if said.is_err() {
            std::future::pending().await
        }
    }

    pub(crate) async fn say_text(&self, text: impl Into<String>) {
        self.say(Happening::Text(text.into())).await;
    }

    pub(crate) async fn ask(&self, ask: NewAsk) -> Settled {
        let id = ask.id.clone();
        self.say(Happening::Asked(ask)).await;
        self.inbox.answer(&id).await
    }

    /// Starts a call that will change the world, and waits until its start is kept: only then may it do so.
    pub(crate) async fn start(&self, call: &CallId) {
        let started = Happening::ToolStarted { call: call.clone(), input: None };
        self.say(started).await;
        self.inbox.start(call).await;
    }

    pub(crate) async fn steer(&self) -> String {
        self.inbox.steer().await
    }

    pub(crate) async fn child(&self, call: &CallId) -> ChildEnd {
        self.inbox.child(call).await
    }

    /// The same in every life of the process, and never that of another turn.
    pub(crate) fn ask_id(&self, mark: impl std::fmt::Display) -> AskId {
        AskId::new(format!("{}-ask{mark}", self.stem())).expect("a short mark behind part of an id")
    }

    /// As [`Turn::ask_id`].
    pub(crate) fn call_id(&self, mark: impl std::fmt::Display) -> CallId {
        CallId::new(format!("{}-call{mark}", self.stem())).expect("a short mark behind part of an id")
    }

    fn stem(&self) -> &str {
        let id = self.id.as_str();
        &id[id.len().saturating_sub(LONGEST_STEM)..] // ids are ASCII
    }
}

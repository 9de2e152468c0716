//! A session's own life: created, named, configured, closed, archived, ended.

use std::collections::BTreeMap;
use std::sync::Arc;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::Decider;
use crate::event::{Event, Logged};
use crate::header::{
    AgentStatus, Config, End, Header, LONGEST_CONFIG, LONGEST_LABEL, LONGEST_TITLE, MOST_LABELS, Model, Origin,
    SessionKind, Status,
};
use crate::id::{SessionId, TenantId, UserId, WorkspaceId};
use crate::part::WholeMessage;
use crate::position::{Millis, Seq};
use crate::refusal::Refusal;
use crate::register::{self, MOST_REGISTERS};
use crate::session::Session;
use crate::turn::Outcome;
use crate::usage::Usage;
use crate::value::is_too_deep;
use crate::who::Author;

/// A session to be.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct NewSession {
    pub id: SessionId,
    pub tenant: TenantId,
    pub owner: Option<UserId>,
    pub kind: SessionKind,
    pub agent: String,
    pub title: Option<String>,
    pub workspace: Option<WorkspaceId>,
    pub profile: Option<String>,
    pub model: Option<Model>,
    pub parent: Option<SessionId>,
    pub root: Option<SessionId>,
    pub origin: Option<Origin>,
    pub labels: BTreeMap<String, String>,
    pub tag: Option<String>,
    pub config: Config,
    /// Set from its beginning, each at version 1.
    #[serde(default)]
    pub registers: BTreeMap<String, Option<String>>,
}

impl NewSession {
    /// What must hold before the first event is written.
    pub fn check(&self) -> Result<(), Refusal> {
        check_title(self.title.as_deref())?;
        check_labels(&self.labels)?;
        check_config(&self.config)?;
        if self.registers.len() > MOST_REGISTERS {
            return Err(Refusal::TooLong);
        }
        self.registers.iter().try_for_each(|(name, value)| register::check(name, value.as_deref()))?;
        if self.agent.is_empty() {
            return Err(Refusal::Empty);
        }
        let model = self.model.iter().flat_map(|model| {
            [Some(&model.model), model.provider.as_ref(), model.variant.as_ref()].into_iter().flatten()
        });
        let names = [Some(&self.agent), self.profile.as_ref(), self.tag.as_ref()].into_iter().flatten().chain(model);
        let fit = names.map(String::len).all(|length| length <= LONGEST_LABEL);
        if fit { Ok(()) } else { Err(Refusal::TooLong) }
    }

    /// Its first events: the creation, its registers, and for a fork the messages it begins with.
    pub fn begin(
        self,
        now: Millis,
        author: Arc<Author>,
        copied: Vec<WholeMessage>,
    ) -> Result<(Session, Vec<Logged>), Refusal> {
        self.check()?;
        let header = Header {
            id: self.id,
            tenant: self.tenant,
            owner: self.owner,
            created_by: author.user.clone(),
            kind: self.kind,
            agent: self.agent,
            title: clean(self.title),
            workspace: self.workspace,
            profile: self.profile,
            model: self.model,
            parent: self.parent,
            root: self.root,
            origin: self.origin,
            labels: self.labels,
            tag: self.tag,
            status: Status::Idle,
            agent_status: AgentStatus::Stopped,
            archived: false,
            end: None,
            created_at: now,
            updated_at: now,
            last_activity_at: None,
            last_turn: None,
            turns: 0,
            usage: Usage::default(),
        };
        let created = Event::SessionCreated { header: Box::new(header), config: Box::new(self.config) };
        let mut log = vec![Logged::new(Seq::FIRST, now, author.clone(), created)];
        let mut session = Session::begin(&log[0]).expect("it begins with its creation");
        let registers = self.registers.into_iter();
        let registers = registers.map(|(name, value)| Event::RegisterSet { name, version: 1, value });
        let copied = copied.into_iter();
        let copied = copied.map(|WholeMessage { message, parts, .. }| Event::MessageAdded { message, parts });
        for event in registers.chain(copied) {
            let logged = Logged::new(session.next_seq(), now, author.clone(), event);
            session.apply(&logged);
            log.push(logged);
        }
        Ok((session, log))
    }
}

/// A title is trimmed, and an empty one is none.
fn clean(title: Option<String>) -> Option<String> {
    title.map(|title| title.trim().to_owned()).filter(|title| !title.is_empty())
}

fn check_title(title: Option<&str>) -> Result<(), Refusal> {
    let fits = title.is_none_or(|title| title.trim().chars().count() <= LONGEST_TITLE);
    if fits { Ok(()) } else { Err(Refusal::TooLong) }
}

fn check_labels(labels: &BTreeMap<String, String>) -> Result<(), Refusal> {
    let fit =
        labels.iter().all(|(key, value)| (1..=LONGEST_LABEL).contains(&key.len()) && value.len() <= LONGEST_LABEL);
    if fit && labels.len() <= MOST_LABELS { Ok(()) } else { Err(Refusal::TooLong) }
}

fn check_config(config: &Config) -> Result<(), Refusal> {
    let length = serde_json::to_string(config).map_or(usize::MAX, |text| text.len());
    if length <= LONGEST_CONFIG && !config.extra.values().any(is_too_deep) { Ok(()) } else { Err(Refusal::TooLong) }
}

impl Decider<'_> {
    pub(super) fn rename(&mut self, title: Option<String>) -> Result<(), Refusal> {
        check_title(title.as_deref())?;
        let title = clean(title);
        if title != self.session.header.title {
            self.emit(Event::SessionRenamed { title });
        }
        Ok(())
    }

    pub(super) fn label(&mut self, labels: BTreeMap<String, String>) -> Result<(), Refusal> {
        check_labels(&labels)?;
        self.emit(Event::SessionLabelled { labels });
        Ok(())
    }

    pub(super) fn set_model(
        &mut self,
        model: String,
        provider: Option<String>,
        variant: Option<String>,
    ) -> Result<(), Refusal> {
        let long = [Some(&model), provider.as_ref(), variant.as_ref()]
            .into_iter()
            .flatten()
            .any(|name| name.len() > LONGEST_LABEL);
        if long || model.is_empty() {
            return Err(if long { Refusal::TooLong } else { Refusal::Empty });
        }
        self.emit(Event::ModelSet { model: Some(Model { model, provider, variant }) });
        Ok(())
    }

    pub(super) fn configure(&mut self, config: Box<Config>) -> Result<(), Refusal> {
        check_config(&config)?;
        let was_used_up = self.is_used_up();
        self.emit(Event::ConfigSet { config });
        if was_used_up {
            self.advance(); // what waited for a larger budget
        }
        Ok(())
    }

    pub(super) fn close(&mut self) -> Result<(), Refusal> {
        self.check_not_ended()?;
        if self.session.header.status != Status::Closed {
            self.emit(Event::SessionClosed {});
        }
        Ok(())
    }

    pub(super) fn reopen(&mut self) -> Result<(), Refusal> {
        self.check_not_ended()?;
        if self.session.header.status == Status::Closed {
            self.emit(Event::SessionReopened {});
            self.advance();
        }
        Ok(())
    }

    /// An archived session runs nothing.
    pub(super) fn archive(&mut self) -> Result<(), Refusal> {
        if !self.session.header.archived {
            self.emit(Event::SessionArchived {});
            self.stop_compacting("archived");
            self.end_turn(Outcome::Interrupted { reason: "archived".into() });
        }
        Ok(())
    }

    pub(super) fn unarchive(&mut self) -> Result<(), Refusal> {
        if self.session.header.archived {
            self.emit(Event::SessionUnarchived {});
            self.advance();
        }
        Ok(())
    }

    pub(super) fn end(&mut self, reason: String, exit_code: Option<i32>, error: Option<String>) -> Result<(), Refusal> {
        self.check_not_ended()?;
        if reason.len() > LONGEST_LABEL || error.as_ref().is_some_and(|error| error.len() > LONGEST_CONFIG) {
            return Err(Refusal::TooLong);
        }
        // Its end comes first, so that nothing queued starts behind the turn it cuts short.
        self.emit(Event::SessionEnded { end: End { reason, exit_code, error, at: self.now } });
        self.stop_compacting("ended");
        self.end_turn(Outcome::Interrupted { reason: "ended".into() });
        Ok(())
    }

    pub(super) fn expire_session(&mut self) {
        if self.session.header.end.is_none() && self.session.ends_at().is_some_and(|at| at <= self.now) {
            let ended = self.end("max_duration_exceeded".into(), Some(0), None);
            debug_assert!(ended.is_ok(), "it has not ended");
        }
    }

    /// The last thing that is said in a log before it is deleted.
    pub fn delete(&mut self) {
        self.stop_compacting("deleted");
        // Only the turn: nothing queued starts behind it.
        self.end_turn_only(Outcome::Interrupted { reason: "deleted".into() });
        self.emit(Event::SessionDeleted {});
    }

    /// The store has begun a new life behind a backup: versions and numbers given since then must not be given again.
    pub fn restored(&mut self, lift: u64) {
        self.emit(Event::SessionRestored { lift });
    }
}

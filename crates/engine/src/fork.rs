//! Forks: a new session that begins with a copy of what is visible of another.

use std::collections::HashMap;

use rejoin_core::command::Command;
use rejoin_core::decide::NewSession;
use rejoin_core::event::Event;
use rejoin_core::header::{LONGEST_TITLE, Origin, SessionKind};
use rejoin_core::id::{CommandId, Ids, MessageId, SessionId};
use rejoin_core::part::{Message, MessageStatus, Part, WholeMessage};
use rejoin_core::refusal::Refusal;
use rejoin_core::session::Session;
use rejoin_core::who::{Kind, Verb};
use rejoin_ports::gateway::{Caller, Failure};
use rejoin_ports::store::{PAGE_BYTES, StoreError, body_digest};

use crate::engine::{Engine, TimeIds};

/// The most that a fork copies, in bytes of the log it is read from.
const LARGEST_COPY: usize = 64 << 20;

impl Engine {
    /// A fork is made before it is noted at its source. Its id follows from the command's, so that the same command again
    /// finds the same fork.
    pub(crate) async fn prepare_fork(
        &self,
        caller: &Caller,
        source: &SessionId,
        id: &CommandId,
        command: Command,
    ) -> Result<(Command, Option<SessionId>), Failure> {
        let Command::Fork { message, title, into } = command else {
            return Ok((command, None));
        };
        let into = into.unwrap_or_else(|| {
            let digest = body_digest(format!("fork {source} {} {id}", caller.identity.user).as_bytes());
            uuid::Builder::from_custom_bytes(digest).into_uuid().into()
        });
        let may = caller.identity.role.may(Verb::Create, Kind::Session)
            && caller.identity.role.may(Verb::Write, Kind::Session);
        if !may {
            return Err(Refusal::Forbidden.into());
        }
        let follower = self.follower(&caller.identity, source).await?;
        if self.inner.is_read_only(source) {
            return Err(Failure::ReadOnly);
        }
        // Sent again: the copy is there already.
        if let Some(made) = self.inner.store.stored(&into).await?
            && made.row.header.origin.as_ref().is_some_and(|origin| origin.session == *source)
            && made.row.header.tenant == caller.identity.tenant
        {
            return Ok((Command::Fork { message, title, into: Some(into.clone()) }, Some(into)));
        }
        let (session, tip) = {
            let mut state = follower.state();
            (state.fold(), state.tip)
        };
        if session.header.kind == SessionKind::Sealed {
            return Err(Refusal::Sealed.into());
        }
        let upto = match &message {
            None => tip,
            Some(message) => {
                let place = self.inner.store.place(source, message).await?.filter(|(first, _)| !session.hides(*first));
                place.ok_or_else(|| Refusal::NoSuchMessage(message.clone()))?.1.get()
            }
        };
        // A copy is read as a whole: one at a time.
        let _turn = self.inner.copying.acquire().await.map_err(|_| Failure::Closing)?;
        let copied = self.copy(&session, source, upto).await?;
        let named = session.header.title.as_deref().map(|title| {
            let kept: String = title.chars().take(LONGEST_TITLE - " (fork)".len()).collect();
            format!("{kept} (fork)")
        });
        let new = NewSession {
            id: into.clone(),
            tenant: session.header.tenant.clone(),
            owner: session.header.owner.clone(),
            kind: SessionKind::Hosted,
            agent: session.header.agent.clone(),
            title: title.clone().or(named),
            workspace: session.header.workspace.clone(),
            profile: session.header.profile.clone(),
            model: session.header.model.clone(),
            parent: None,
            root: None,
            origin: Some(Origin { session: source.clone(), message: message.clone() }),
            labels: session.header.labels.clone(),
            tag: None,
            config: session.config.clone(),
            registers: Default::default(),
        };
        let created = self.begin(&caller.identity, caller.author.clone(), new, copied, Vec::new()).await?;
        let ours = created.header.origin.as_ref().is_some_and(|origin| origin.session == *source);
        if !ours {
            return Err(Failure::Invalid { field: "into", why: "a session of this id exists already".into() });
        }
        Ok((Command::Fork { message, title, into: Some(into.clone()) }, Some(into)))
    }

    /// Reads every visible message up to `upto`, with new ids throughout.
    async fn copy(&self, session: &Session, source: &SessionId, upto: u64) -> Result<Vec<WholeMessage>, Failure> {
        let mut copied: Vec<WholeMessage> = Vec::new();
        let mut open: HashMap<MessageId, (Message, Vec<Part>)> = HashMap::new();
        let mut names: HashMap<MessageId, MessageId> = HashMap::new();
        let (mut after, mut read) = (0, 0);
        loop {
            let page = self.inner.store.read(source, after, PAGE_BYTES * 4).await?;
            read += page.batch.lines().len();
            if read > LARGEST_COPY {
                return Err(Failure::Invalid {
                    field: "message",
                    why: "the session is too long to be copied up to there".into(),
                });
            }
            let events = page
                .batch
                .events()
                .map_err(|error| StoreError::Corrupt { doing: "copying a session", why: error.to_string() })?;
            for logged in events {
                after = logged.seq.get();
                if after > upto || session.hides(logged.seq) {
                    continue;
                }
                let (message, parts) = match &logged.event {
                    Event::MessageAdded { message, parts } => (message.clone(), parts.clone()),
                    Event::MessageStarted { message } => {
                        open.insert(message.id.clone(), (message.clone(), Vec::new()));
                        continue;
                    }
                    Event::PartCompleted { part, .. } => {
                        if let Some((_, parts)) = open.get_mut(&part.message) {
                            parts.push(part.clone());
                        }
                        continue;
                    }
                    Event::MessageCompleted { message } => match open.remove(&message.id) {
                        Some((_, parts)) => (message.clone(), parts),
                        None => continue,
                    },
                    _ => continue,
                };
                copied.push(rename(message, parts, &mut names));
            }
            if !page.more || after >= upto {
                return Ok(copied);
            }
        }
    }
}

/// The same message under a new name; what it refers to is renamed with it.
fn rename(mut message: Message, mut parts: Vec<Part>, names: &mut HashMap<MessageId, MessageId>) -> WholeMessage {
    let id: MessageId = TimeIds.mint().into();
    names.insert(std::mem::replace(&mut message.id, id.clone()), id.clone());
    message.parent = message.parent.and_then(|parent| names.get(&parent).cloned());
    message.turn = None;
    message.status = MessageStatus::Completed;
    for part in &mut parts {
        part.id = TimeIds.mint().into();
        part.message = id.clone();
    }
    WholeMessage { message, parts, truncated: false }
}

//! Creating sessions and running commands on them, by the real rules.

use std::collections::HashMap;
use std::sync::Arc;

use async_trait::async_trait;
use rejoin_core::command::Command;
use rejoin_core::decide::{Decider, Facts, NewSession};
use rejoin_core::id::{CommandId, Ids, MessageId, SessionId};
use rejoin_core::part::WholeMessage;
use rejoin_core::position::{Position, Seq};
use rejoin_core::refusal::Refusal;
use rejoin_core::who::{Identity, Kind, Verb};
use rejoin_ports::gateway::{
    Caller, Create, Created, Failure, LaterMessages, ListQuery, MessagePage, Ran, SessionPage, Sessions, View,
};
use tokio::sync::watch;

use super::{Fake, Kept, NOW};

#[async_trait]
impl Sessions for Fake {
    async fn create(&self, caller: &Caller, create: Create) -> Result<Created, Failure> {
        self.failing()?;
        if !caller.identity.role.may(Verb::Create, Kind::Session) {
            return Err(Refusal::Forbidden.into());
        }
        let mut state = self.state();
        let known = create.id.as_ref().and_then(|id| state.sessions.get(id));
        let tagged = create.tag.as_ref().and_then(|tag| {
            let mut all = state.sessions.values();
            all.find(|kept| kept.fold.header.tag.as_ref() == Some(tag))
        });
        if let Some(kept) = known.or(tagged) {
            if kept.fold.header.tenant != caller.identity.tenant {
                return Err(Failure::NotFound("session"));
            }
            return Ok(Created { header: kept.fold.header.clone(), position: kept.position(), existed: true });
        }
        if create.agent != "echo" {
            return Err(Failure::Invalid { field: "agent", why: "there is no such agent".into() });
        }
        let minted = state.ids.mint();
        let id = create.id.unwrap_or_else(|| minted.into());
        let new = NewSession {
            id: id.clone(),
            tenant: caller.identity.tenant.clone(),
            owner: create.private.then(|| caller.identity.user.clone()),
            kind: create.kind,
            agent: create.agent,
            title: create.title,
            workspace: create.workspace,
            profile: create.profile,
            model: create.model,
            parent: None,
            root: None,
            origin: None,
            labels: create.labels,
            tag: create.tag,
            config: create.config,
            registers: create.registers,
        };
        let (fold, log) = new.begin(NOW, caller.author.clone(), Vec::new())?;
        let mut kept =
            Kept { fold, batches: Vec::new(), receipts: HashMap::new(), oldest: 0, state: watch::Sender::default() };
        let position = kept.commit(log);
        let header = kept.fold.header.clone();
        state.sessions.insert(id.clone(), kept);
        state.order.push(id);
        Ok(Created { header, position, existed: false })
    }

    async fn run(&self, caller: &Caller, session: &SessionId, id: CommandId, command: Command) -> Result<Ran, Failure> {
        let mut held = self.held.subscribe();
        held.wait_for(|held| !held).await.unwrap();
        self.failing()?;
        let mut state = self.state();
        state.callers.push(caller.clone());
        let state = &mut *state;
        let kept = state.sessions.get_mut(session);
        let kept = kept.filter(|kept| kept.fold.header.tenant == caller.identity.tenant);
        let kept = kept.ok_or(Failure::NotFound("session"))?;
        let body = format!("{command:?}");
        let receipt = (caller.identity.user.clone(), id);
        if let Some((known, ran)) = kept.receipts.get(&receipt) {
            return match *known == body {
                true => Ok(ran.clone()),
                false => Err(Failure::IdReused),
            };
        }
        let forked = match &command {
            Command::Fork { into, .. } => Some(into.clone().unwrap_or(state.ids.mint().into())),
            _ => None,
        };
        let mut pending = Vec::new();
        let mut decider = Decider {
            session: &mut kept.fold,
            pending: &mut pending,
            now: NOW,
            author: Arc::clone(&caller.author),
            ids: &mut state.ids,
            facts: Facts {
                role: Some(caller.identity.role),
                capabilities: caller.capabilities.clone(),
                speaks_control: caller.speaks_control,
                ..Facts::default()
            },
        };
        decider.command(command)?;
        let position = kept.commit(pending);
        let ran = Ran { position, forked };
        kept.receipts.insert(receipt, (body, ran.clone()));
        Ok(ran)
    }

    async fn list(&self, identity: &Identity, query: ListQuery) -> Result<SessionPage, Failure> {
        self.failing()?;
        let state = self.state();
        let after = query.cursor.map_or(0, |cursor| cursor.parse().unwrap_or(0));
        let visible = state.order.iter().rev().map(|id| &state.sessions[id].fold.header);
        let mut items: Vec<_> = visible
            .filter(|header| header.tenant == identity.tenant)
            .filter(|header| query.status.is_none_or(|status| header.status == status))
            .filter(|header| query.archived.is_none_or(|archived| header.archived == archived))
            .filter(|header| {
                let label = query.label.as_ref();
                label.is_none_or(|(name, value)| header.labels.get(name) == Some(value))
            })
            .skip(after)
            .take(query.limit + 1)
            .cloned()
            .collect();
        let more = items.len() > query.limit;
        items.truncate(query.limit);
        Ok(SessionPage { next_cursor: more.then(|| (after + query.limit).to_string()), items })
    }

    async fn header(
        &self,
        identity: &Identity,
        session: &SessionId,
    ) -> Result<(rejoin_core::header::Header, Position), Failure> {
        self.visible(identity, session, |kept| (kept.fold.header.clone(), kept.position()))
    }

    async fn view(&self, identity: &Identity, session: &SessionId) -> Result<View, Failure> {
        self.failing()?;
        self.visible(identity, session, |kept| kept.view())
    }

    async fn messages(
        &self,
        identity: &Identity,
        session: &SessionId,
        before: Option<&str>,
        limit: usize,
    ) -> Result<MessagePage, Failure> {
        self.visible(identity, session, |kept| {
            let mut messages = kept.messages();
            let upto = before.map(|id| messages.iter().position(|m| m.message.id.as_str() == id));
            match upto {
                Some(Some(at)) => messages.truncate(at),
                Some(None) => {
                    let message = MessageId::new(before.unwrap()).unwrap();
                    return Err(Refusal::NoSuchMessage(message).into());
                }
                None => {}
            }
            let items = messages.split_off(messages.len().saturating_sub(limit));
            let next_cursor = (!messages.is_empty()).then(|| items[0].message.id.to_string());
            Ok(MessagePage { items, next_cursor })
        })?
    }

    async fn messages_after(
        &self,
        identity: &Identity,
        session: &SessionId,
        after: u64,
        limit: usize,
    ) -> Result<LaterMessages, Failure> {
        self.visible(identity, session, |kept| {
            let mut items: Vec<_> = kept.numbered().filter(|(seq, _)| seq.get() > after).collect();
            let more = items.len() > limit;
            items.truncate(limit);
            let last = items.last().filter(|_| more).map(|(seq, _)| seq.get());
            let next = last.unwrap_or(kept.position().seq.max(after));
            LaterMessages { items, next, more }
        })
    }

    async fn message(
        &self,
        identity: &Identity,
        session: &SessionId,
        message: &MessageId,
    ) -> Result<WholeMessage, Failure> {
        self.visible(identity, session, |kept| {
            let mut messages = kept.messages().into_iter();
            let found = messages.find(|whole| whole.message.id == *message);
            found.ok_or(Failure::NotFound("message"))
        })?
    }

    async fn delete(&self, caller: &Caller, session: &SessionId) -> Result<(), Failure> {
        self.visible(&caller.identity, session, |_| ())?;
        if !caller.identity.role.may(Verb::Delete, Kind::Session) {
            return Err(Refusal::Forbidden.into());
        }
        let mut state = self.state();
        let kept = state.sessions.remove(session).unwrap();
        state.order.retain(|id| id != session);
        kept.state.send_modify(|life| life.deleted = true);
        Ok(())
    }
}

impl Kept {
    fn messages(&self) -> Vec<WholeMessage> {
        self.numbered().map(|(_, message)| message).collect()
    }

    fn numbered(&self) -> impl Iterator<Item = (Seq, WholeMessage)> {
        let events = self.batches.iter().flat_map(|batch| batch.events().unwrap());
        events.filter_map(|logged| match &logged.event {
            rejoin_core::event::Event::MessageAdded { message, parts } => {
                let whole = WholeMessage { message: message.clone(), parts: parts.clone(), truncated: false };
                Some((logged.seq, whole))
            }
            _ => None,
        })
    }
}

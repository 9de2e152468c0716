//! Sessions of the tenant: listing, creating, changing, deleting.

use std::collections::BTreeMap;

use rejoin_core::command::Command;
use rejoin_core::header::{Config, Header, LONGEST_TITLE, SessionKind};
use rejoin_core::id::{CommandId, SessionId};
use rejoin_core::position::Position;
use rejoin_core::who::Identity;
use rejoin_ports::gateway::{Create, ListQuery, Ran};
use serde_json::{Value, json};

use super::{Done, Outcome};
use crate::codec::meta;
use crate::names::{SessionChange, told};
use crate::server::Hall;
use crate::server::failure::Refused;
use crate::server::tenant::DELETED;
use crate::server::who::Who;
use crate::wire::{Code, SessionMeta};

/// Sessions that one list shows.
const MOST_LISTED: usize = 500;
/// Sessions of which those are chosen: pages come by when sessions were created, and old ones may be in use.
const MOST_LOOKED_AT: usize = 5_000;
const PAGE: usize = 100;

pub(in crate::server) fn mint() -> CommandId {
    uuid::Uuid::now_v7().into()
}

/// The session, if it is one for this dialect: what other clients encrypt among themselves does not exist here.
pub(in crate::server) async fn visible(
    door: &Hall,
    identity: &Identity,
    session: &SessionId,
) -> Result<(Header, Position), Refused> {
    let (header, position) = door.gateway.sessions.header(identity, session).await?;
    match header.kind {
        SessionKind::Hosted => Ok((header, position)),
        SessionKind::Sealed => Err(Refused::no_session()),
    }
}

pub(in crate::server) async fn list(door: &Hall, who: &Who, archived: bool) -> Outcome {
    let sessions = listed(door, &who.identity(), archived).await?;
    Ok(Done::told(json!({ "type": told::SESSION_LIST, "sessions": sessions })))
}

/// The newest first: by what happened last, and those in which nothing happened behind the others.
pub(in crate::server) async fn listed(
    door: &Hall,
    identity: &Identity,
    archived: bool,
) -> Result<Vec<SessionMeta>, Refused> {
    let mut found = Vec::new();
    let mut query = ListQuery { limit: PAGE, roots_only: true, ..ListQuery::default() };
    query.archived = (!archived).then_some(false);
    loop {
        let page = door.gateway.sessions.list(identity, query.clone()).await?;
        found.extend(page.items.iter().map(meta::meta));
        match page.next_cursor {
            Some(cursor) if found.len() < MOST_LOOKED_AT => query.cursor = Some(cursor),
            _ => break,
        }
    }
    found.sort_by_key(|session| std::cmp::Reverse((session.last_activity_at, session.created_at)));
    found.truncate(MOST_LISTED);
    Ok(found)
}

pub(in crate::server) async fn create(door: &Hall, who: &Who, agent_type: String, name: Option<String>) -> Outcome {
    check_name(name.as_deref())?;
    let agent = door.options.agent_types.get(&agent_type).unwrap_or(&agent_type).clone();
    if !door.gateway.agents.list().iter().any(|known| known.name == agent) {
        return Err(Refused::new(Code::UnknownAgentType, format!("There is no agent type `{agent_type}`")));
    }
    let labels = match agent == agent_type {
        true => BTreeMap::new(),
        false => BTreeMap::from([(meta::AGENT_TYPE.to_owned(), agent_type)]),
    };
    let create = Create {
        id: None,
        kind: SessionKind::Hosted,
        agent,
        title: name,
        workspace: None,
        profile: None,
        model: None,
        labels,
        tag: None,
        private: false,
        config: Config::default(),
        registers: Default::default(),
    };
    let created = door.gateway.sessions.create(&who.caller(), create).await?;
    let own = Some((created.header.id.clone(), created.position.seq));
    let told = json!({ "type": told::SESSION_CREATED, "session": meta::meta(&created.header) });
    Ok(Done { own, ..Done::told(told) })
}

fn check_name(name: Option<&str>) -> Result<(), Refused> {
    if name.is_some_and(|name| name.chars().count() > LONGEST_TITLE) {
        let why = format!("Invalid message: `name` is at most {LONGEST_TITLE} characters");
        return Err(Refused::new(Code::InvalidMessage, why));
    }
    Ok(())
}

pub(in crate::server) async fn rename(door: &Hall, who: &Who, session: SessionId, name: String) -> Outcome {
    let name = name.trim();
    check_name(Some(name))?;
    let title = Some(name.to_owned()).filter(|name| !name.is_empty());
    let ran = run(door, who, &session, Command::Rename { title }).await?;
    told_of(door, who, session, &ran, told::SESSION_UPDATED).await
}

pub(in crate::server) async fn archive(door: &Hall, who: &Who, session: SessionId, away: bool) -> Outcome {
    let (command, name) = match away {
        true => (Command::Archive, told::SESSION_ARCHIVED),
        false => (Command::Unarchive, told::SESSION_UNARCHIVED),
    };
    let ran = run(door, who, &session, command).await?;
    told_of(door, who, session, &ran, name).await
}

pub(in crate::server) async fn run(
    door: &Hall,
    who: &Who,
    session: &SessionId,
    command: Command,
) -> Result<Ran, Refused> {
    let caller = who.caller();
    visible(door, &caller.identity, session).await?;
    Ok(door.gateway.sessions.run(&caller, session, mint(), command).await?)
}

async fn told_of(door: &Hall, who: &Who, session: SessionId, ran: &Ran, name: &str) -> Outcome {
    let (header, _) = visible(door, &who.identity(), &session).await?;
    let told = changed(name, &header, door.options.session_change_event);
    let frames = told.into_iter().collect();
    Ok(Done { frames, own: Some((session, ran.position.seq)), ..Done::default() })
}

/// How a change of a session is told. Nothing, for a session that is none for this dialect.
pub(in crate::server) fn changed(name: &str, header: &Header, how: SessionChange) -> Option<Value> {
    if header.kind != SessionKind::Hosted || header.parent.is_some() {
        return None;
    }
    let name = match how {
        SessionChange::Updated if name != told::SESSION_CREATED => told::SESSION_UPDATED,
        _ => name,
    };
    Some(json!({ "type": name, "session": meta::meta(header) }))
}

pub(in crate::server) async fn delete(door: &Hall, who: &Who, session: SessionId) -> Outcome {
    let caller = who.caller();
    visible(door, &caller.identity, &session).await?;
    door.gateway.sessions.delete(&caller, &session).await?;
    let told = json!({ "type": told::SESSION_DELETED, "sessionId": session });
    Ok(Done { own: Some((session, DELETED)), ..Done::told(told) })
}

//! Sessions of an account: sealed ones of the heart, with their metadata, agent state and wrapped key in registers.

use rejoin_core::command::Command;
use rejoin_core::header::{Config, Header, SessionKind};
use rejoin_core::id::{CommandId, SessionId};
use rejoin_core::refusal::Refusal;
use rejoin_core::register::Register;
use rejoin_ports::gateway::{Create, Failure, ListQuery, SealedSession};
use serde_json::{Value, json};

use super::presence::{Seen, Thing};
use super::who::Who;
use super::{Hall, id};
use crate::wire::{Body, Session, Versioned};

const METADATA: &str = "metadata";
const AGENT_STATE: &str = "agentState";
const KEY: &str = "dataEncryptionKey";
/// Registers begin with version 1, where this dialect begins with 0.
const FIRST: u64 = 1;
/// The longest tag. Clients use UUIDs.
const LONGEST_TAG: usize = 256;
/// Sessions that a list looks at, the newest by their birth.
const LOOKED_AT: usize = 5_000;
const PAGE: usize = 200;

/// What a client asks for when it begins a session.
pub(super) struct Begin {
    pub(super) tag: String,
    pub(super) metadata: String,
    pub(super) data_encryption_key: Option<String>,
}

/// Creates a session, or finds the one that has the tag already, unchanged.
pub(super) async fn begin(hall: &Hall, who: &Who, begin: Begin) -> Result<Session, Failure> {
    if begin.tag.len() > LONGEST_TAG {
        return Err(Failure::Invalid { field: "tag", why: format!("must not have more than {LONGEST_TAG} bytes") });
    }
    let registers = [
        (METADATA.to_owned(), Some(begin.metadata)),
        (AGENT_STATE.to_owned(), None),
        (KEY.to_owned(), begin.data_encryption_key),
    ];
    let create = Create {
        id: Some(SessionId::new(id::fresh()).expect("our own names are ids")),
        kind: SessionKind::Sealed,
        // Who it is that works there is sealed too.
        agent: "sealed".to_owned(),
        title: None,
        workspace: None,
        profile: None,
        model: None,
        labels: Default::default(),
        tag: Some(begin.tag),
        private: true,
        config: Config::default(),
        registers: registers.into(),
    };
    let created = hall.gateway.sessions.create(&who.caller(None), create).await?;
    let session = created.header.id;
    // Whoever begins it again is there, or will be in a moment; a new one is there from its birth.
    hall.presence.here(hall, who, Thing::Session, session.as_str(), !created.existed).await?;
    card(hall, who, &session).await
}

/// A session as it is shown.
pub(super) async fn card(hall: &Hall, who: &Who, session: &SessionId) -> Result<Session, Failure> {
    let standing = hall.gateway.sealed.standing(&who.identity(), session).await?;
    let seen = hall.presence.seen(hall, who, Thing::Session, session.as_str(), at_birth(&standing.header)).await?;
    Ok(shown(standing, seen))
}

/// How a session of the account stood when it was made; `None`: it is not the account's.
pub(super) async fn born(hall: &Hall, who: &Who, session: &str) -> Result<Option<Seen>, Failure> {
    let Ok(session) = SessionId::new(session) else { return Ok(None) };
    match hall.gateway.sessions.header(&who.identity(), &session).await {
        Ok((header, _)) => Ok(is_ours(&header).then(|| at_birth(&header))),
        Err(Failure::NotFound(_)) => Ok(None),
        Err(error) => Err(error),
    }
}

fn at_birth(header: &Header) -> Seen {
    Seen { active: true, active_at: header.created_at, written_at: 0 }
}

/// Sealed, and this user's alone.
pub(super) fn is_ours(header: &Header) -> bool {
    header.kind == SessionKind::Sealed && header.owner.is_some()
}

fn shown(standing: SealedSession, seen: Seen) -> Session {
    let SealedSession { header, mut registers, sealed, .. } = standing;
    let mut take = |name| {
        let Register { version, value } = registers.remove(name).unwrap_or_default();
        (value, version.saturating_sub(FIRST))
    };
    let ((metadata, metadata_version), (agent_state, agent_state_version)) = (take(METADATA), take(AGENT_STATE));
    Session {
        id: header.id.to_string(),
        seq: sealed,
        metadata: metadata.unwrap_or_default(),
        metadata_version,
        agent_state,
        agent_state_version,
        data_encryption_key: take(KEY).0,
        active: seen.active,
        active_at: seen.active_at,
        created_at: header.created_at,
        updated_at: header.updated_at.max(seen.written_at),
    }
}

impl Session {
    /// The update that tells of a new one.
    pub(super) fn into_new(self) -> Body {
        Body::NewSession {
            id: self.id,
            seq: self.seq,
            metadata: self.metadata,
            metadata_version: self.metadata_version,
            agent_state: self.agent_state,
            agent_state_version: self.agent_state_version,
            data_encryption_key: self.data_encryption_key,
            active: self.active,
            active_at: self.active_at,
            created_at: self.created_at,
            updated_at: self.updated_at,
        }
    }
}

/// The update that tells of a register.
pub(super) fn told(session: &SessionId, name: &str, version: u64, value: &Option<String>) -> Option<Body> {
    let versioned = Some(Versioned { value: value.clone(), version: version.saturating_sub(FIRST) });
    let id = session.to_string();
    match name {
        METADATA => Some(Body::UpdateSession { id, metadata: versioned, agent_state: None }),
        AGENT_STATE => Some(Body::UpdateSession { id, metadata: None, agent_state: versioned }),
        _ => None,
    }
}

/// A register that clients change.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Field {
    Metadata,
    AgentState,
}

impl Field {
    pub(super) fn name(self) -> &'static str {
        match self {
            Field::Metadata => METADATA,
            Field::AgentState => AGENT_STATE,
        }
    }
}

/// Changes a register if it still has the version expected. The answer is what a socket acknowledges with.
pub(super) async fn update(
    hall: &Hall,
    who: &Who,
    session: &str,
    field: Field,
    expected: u64,
    value: Option<String>,
) -> Value {
    let error = || json!({ "result": "error" });
    let Ok(session) = SessionId::new(session) else { return error() };
    let name = field.name();
    let stored = value.clone();
    let command = Command::SetRegister { name: name.to_owned(), expected: expected.saturating_add(FIRST), value };
    let command_id = CommandId::from(uuid::Uuid::now_v7());
    match hall.gateway.sessions.run(&who.caller(None), &session, command_id, command).await {
        Ok(_) => json!({ "result": "success", "version": expected + 1, name: stored }),
        Err(Failure::Refused(Refusal::VersionMismatch { version, value })) => {
            json!({ "result": "version-mismatch", "version": version.saturating_sub(FIRST), name: value })
        }
        Err(failure) => {
            tracing::debug!(error = &failure as &dyn std::error::Error, "happy: a register was not changed");
            error()
        }
    }
}

/// All sessions of the account, the one that was changed last first; of those made last as many as a list looks at.
pub(super) async fn all(hall: &Hall, who: &Who) -> Result<Vec<(Header, Seen)>, Failure> {
    let seen = hall.presence.all(hall, who, Thing::Session).await?;
    let mut found = Vec::new();
    let mut cursor = None;
    while found.len() < LOOKED_AT {
        let query = ListQuery { sealed: true, limit: PAGE, cursor: cursor.take(), ..ListQuery::default() };
        let page = hall.gateway.sessions.list(&who.identity(), query).await?;
        let ours = page.items.into_iter().filter(is_ours);
        found.extend(ours.map(|header| {
            let seen = seen.get(header.id.as_str()).copied().unwrap_or_else(|| at_birth(&header));
            (header, seen)
        }));
        cursor = page.next_cursor;
        if cursor.is_none() {
            break;
        }
    }
    found.sort_by_key(|(header, seen)| std::cmp::Reverse(header.updated_at.max(seen.written_at)));
    Ok(found)
}

/// The cards of sessions that were listed; what was deleted meanwhile is left out.
pub(super) async fn cards(hall: &Hall, who: &Who, listed: Vec<(Header, Seen)>) -> Result<Vec<Session>, Failure> {
    let mut cards = Vec::with_capacity(listed.len());
    for (header, seen) in listed {
        match hall.gateway.sealed.standing(&who.identity(), &header.id).await {
            Ok(standing) => cards.push(shown(standing, seen)),
            Err(Failure::NotFound(_)) => {}
            Err(error) => return Err(error),
        }
    }
    Ok(cards)
}

/// Puts a session away: it is not active any more, whatever its process still says.
pub(super) async fn archive(hall: &Hall, who: &Who, session: &str) -> Result<(), Failure> {
    born(hall, who, session).await?.ok_or(Failure::NotFound("session"))?;
    hall.presence.ended(hall, who, Thing::Session, session, hall.options.clock.now()).await
}

pub(super) async fn delete(hall: &Hall, who: &Who, session: &str) -> Result<(), Failure> {
    born(hall, who, session).await?.ok_or(Failure::NotFound("session"))?;
    let id = SessionId::new(session).map_err(|_| Failure::NotFound("session"))?;
    hall.leftovers.expect(hall, who, session).await?;
    hall.gateway.sessions.delete(&who.caller(None), &id).await?;
    hall.leftovers.gone();
    super::access_key::forget_session(hall, who, session).await?;
    super::usage::forget_session(hall, who, session).await?;
    hall.presence.forget(hall, who, Thing::Session, session).await
}

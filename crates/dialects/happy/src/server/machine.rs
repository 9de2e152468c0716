//! Machines: computers where a daemon starts sessions. Their metadata and state are sealed, and each has its own version.

use rejoin_core::position::Millis;
use rejoin_ports::gateway::Failure;
use rejoin_ports::store::{Expect, Owner};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::hub::Scope;
use super::presence::{Seen, Thing};
use super::shelf::{Kept, is_key, line, put, until_kept};
use super::who::Who;
use super::{Hall, access_key};
use crate::wire::{Body, Machine, Versioned};

pub(super) const KIND: &str = "happy.machine";
/// Lines of the feed that tell of one part.
pub(super) const METADATA: &str = "happy.machine-metadata";
pub(super) const DAEMON_STATE: &str = "happy.machine-state";
/// Which account has the machine of an id: ids are everybody's.
const HOLDER: &str = "happy.machine-holder";
/// Machines that a list shows.
const LISTED: usize = 1_000;
/// The longest metadata or state.
const LONGEST: usize = 1 << 20;

#[derive(Clone, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Card {
    metadata: String,
    metadata_version: u64,
    daemon_state: Option<String>,
    daemon_state_version: u64,
    data_encryption_key: Option<String>,
    created_at: Millis,
    updated_at: Millis,
}

/// What a daemon says of its machine.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Register {
    pub(super) id: String,
    pub(super) metadata: String,
    #[serde(default)]
    pub(super) daemon_state: Option<String>,
    #[serde(default)]
    pub(super) data_encryption_key: Option<String>,
}

/// Registers a machine, or finds it, unchanged. `None`: it is another account's.
pub(super) async fn register(hall: &Hall, who: &Who, wanted: Register) -> Result<Option<Machine>, Failure> {
    let texts = [Some(&wanted.metadata), wanted.daemon_state.as_ref(), wanted.data_encryption_key.as_ref()];
    if !is_key(&wanted.id) || texts.into_iter().flatten().any(|text| text.len() > LONGEST) {
        return Err(Failure::Invalid { field: "machine", why: "has an id or a text that is too long".into() });
    }
    let (owner, id) = (who.owner(), wanted.id.as_str());
    let card = until_kept(|| async {
        let kept: Kept<Card> = hall.kept(&owner, KIND, id).await?;
        let (expect, now) = (kept.unchanged(), hall.now());
        if let Some(card) = kept.value {
            return Ok(Some(card));
        }
        let holder: Kept<String> = hall.kept(&Owner::Gateway, HOLDER, id).await?;
        if holder.value.as_ref().is_some_and(|account| *account != who.account.id) {
            return Ok(None);
        }
        let card = Card {
            metadata: wanted.metadata.clone(),
            metadata_version: 1,
            daemon_state: wanted.daemon_state.clone(),
            daemon_state_version: u64::from(wanted.daemon_state.is_some()),
            data_encryption_key: wanted.data_encryption_key.clone(),
            created_at: now,
            updated_at: now,
        };
        let writes = vec![
            put(&owner, KIND, id, expect, Some(&card), now),
            put(&Owner::Gateway, HOLDER, id, holder.unchanged(), Some(&who.account.id), now),
        ];
        let lines = vec![line(&owner, KIND, &born_line(id), now), line(&owner, METADATA, id, now)];
        hall.keep(writes, lines).await?;
        Ok(Some(card))
    });
    let Some(card) = card.await? else { return Ok(None) };
    show(hall, who, id, card).await.map(|machine| Some(Machine { seq: None, ..machine }))
}

/// All machines of an account, those that were there last first.
pub(super) async fn list(hall: &Hall, who: &Who) -> Result<Vec<Machine>, Failure> {
    let seen = hall.presence.all(hall, who, Thing::Machine).await?;
    let cards: Vec<(String, Card)> = hall.all(&who.owner(), KIND, "", LISTED).await?;
    let show = |(id, card): (String, Card)| {
        let seen = seen.get(&id).copied().unwrap_or_else(|| at_birth(&card));
        shown(&id, card, seen)
    };
    let mut machines: Vec<Machine> = cards.into_iter().map(show).collect();
    machines.sort_by_key(|machine| std::cmp::Reverse(machine.active_at));
    Ok(machines)
}

pub(super) async fn find(hall: &Hall, who: &Who, id: &str) -> Result<Machine, Failure> {
    let card = card(hall, who, id).await?.ok_or(Failure::NotFound("machine"))?;
    show(hall, who, id, card).await
}

/// Removes a machine and its access keys. Its sessions stay.
pub(super) async fn delete(hall: &Hall, who: &Who, id: &str) -> Result<(), Failure> {
    let owner = who.owner();
    let gone = until_kept(|| async {
        let (kept, now): (Kept<Card>, Millis) = (hall.kept(&owner, KIND, id).await?, hall.now());
        if kept.value.is_none() {
            return Err(Failure::NotFound("machine"));
        }
        let writes = vec![
            put::<Card>(&owner, KIND, id, kept.unchanged(), None, now),
            put::<String>(&Owner::Gateway, HOLDER, id, Expect::Anything, None, now),
        ];
        hall.keep(writes, vec![line(&owner, KIND, &gone_line(id), now)]).await
    });
    gone.await?;
    access_key::forget_machine(hall, who, id).await?;
    hall.presence.forget(hall, who, Thing::Machine, id).await
}

/// How a machine of the account stood when it was registered; `None`: it is not the account's.
pub(super) async fn born(hall: &Hall, who: &Who, id: &str) -> Result<Option<Seen>, Failure> {
    Ok(card(hall, who, id).await?.map(|card| at_birth(&card)))
}

async fn card(hall: &Hall, who: &Who, id: &str) -> Result<Option<Card>, Failure> {
    Ok(hall.kept(&who.owner(), KIND, id).await?.value)
}

fn at_birth(card: &Card) -> Seen {
    Seen { active: false, active_at: card.created_at, written_at: 0 }
}

async fn show(hall: &Hall, who: &Who, id: &str, card: Card) -> Result<Machine, Failure> {
    let seen = hall.presence.seen(hall, who, Thing::Machine, id, at_birth(&card)).await?;
    Ok(shown(id, card, seen))
}

fn shown(id: &str, card: Card, seen: Seen) -> Machine {
    Machine {
        id: id.to_owned(),
        metadata: card.metadata,
        metadata_version: card.metadata_version,
        daemon_state: card.daemon_state,
        daemon_state_version: card.daemon_state_version,
        data_encryption_key: card.data_encryption_key,
        seq: Some(0),
        active: seen.active,
        active_at: seen.active_at,
        created_at: card.created_at,
        updated_at: card.updated_at.max(seen.written_at),
    }
}

fn born_line(id: &str) -> String {
    format!("+ {id}")
}

fn gone_line(id: &str) -> String {
    format!("- {id}")
}

/// What a line of the feed tells.
pub(super) async fn told(hall: &Hall, who: &Who, kind: &str, key: &str) -> Result<Option<(Scope, Body)>, Failure> {
    if let (KIND, Some(id)) = (kind, key.strip_prefix("- ")) {
        return Ok(Some((Scope::People, Body::DeleteMachine { machine_id: id.to_owned() })));
    }
    let id = key.strip_prefix("+ ").filter(|_| kind == KIND).unwrap_or(key);
    let Some(card) = card(hall, who, id).await? else { return Ok(None) };
    let machine_id = id.to_owned();
    Ok(Some(match kind {
        METADATA => {
            let metadata = Some(Versioned { value: Some(card.metadata), version: card.metadata_version });
            (Scope::Machine(id.into()), Body::UpdateMachine { machine_id, metadata, daemon_state: None })
        }
        DAEMON_STATE => {
            let daemon_state = Some(Versioned { value: card.daemon_state, version: card.daemon_state_version });
            (Scope::Machine(id.into()), Body::UpdateMachine { machine_id, metadata: None, daemon_state })
        }
        _ => (Scope::People, into_new(show(hall, who, id, card).await?)),
    }))
}

fn into_new(machine: Machine) -> Body {
    Body::NewMachine {
        machine_id: machine.id,
        seq: 0,
        metadata: machine.metadata,
        metadata_version: machine.metadata_version,
        daemon_state: machine.daemon_state,
        daemon_state_version: machine.daemon_state_version,
        data_encryption_key: machine.data_encryption_key,
        active: machine.active,
        active_at: machine.active_at,
        created_at: machine.created_at,
        updated_at: machine.updated_at,
    }
}

/// A part of a machine with a version of its own.
#[derive(Clone, Copy)]
enum Part {
    Metadata,
    DaemonState,
}

impl Part {
    fn name(self) -> &'static str {
        match self {
            Part::Metadata => "metadata",
            Part::DaemonState => "daemonState",
        }
    }

    fn kind(self) -> &'static str {
        match self {
            Part::Metadata => METADATA,
            Part::DaemonState => DAEMON_STATE,
        }
    }

    fn of(self, card: &Card) -> (u64, Option<&str>) {
        match self {
            Part::Metadata => (card.metadata_version, Some(&card.metadata)),
            Part::DaemonState => (card.daemon_state_version, card.daemon_state.as_deref()),
        }
    }
}

/// Acknowledges `machine-update-metadata`.
pub(super) async fn update_metadata(hall: &Hall, who: &Who, arg: &Value) -> Value {
    update(hall, who, arg, Part::Metadata).await
}

/// Acknowledges `machine-update-state`. Who reports a state is there.
pub(super) async fn update_state(hall: &Hall, who: &Who, arg: &Value) -> Value {
    update(hall, who, arg, Part::DaemonState).await
}

async fn update(hall: &Hall, who: &Who, arg: &Value, part: Part) -> Value {
    let error = |message: &str| json!({ "result": "error", "message": message });
    let text = |field: &str| arg.get(field).and_then(Value::as_str);
    let expected = arg.get("expectedVersion").and_then(Value::as_u64);
    let (Some(id), Some(value), Some(expected)) = (text("machineId"), text(part.name()), expected) else {
        return error("Invalid parameters");
    };
    if value.len() > LONGEST {
        return error("Invalid parameters");
    }
    match change(hall, who, id, part, expected, value).await {
        Ok(Changed::Done(version)) => json!({ "result": "success", "version": version, part.name(): value }),
        Ok(Changed::Mismatch { version, value }) => {
            json!({ "result": "version-mismatch", "version": version, part.name(): value })
        }
        Err(Failure::NotFound(_)) => error("Machine not found"),
        Err(failure) => {
            tracing::warn!(error = &failure as &dyn std::error::Error, "happy: a machine was not changed");
            error("Internal error")
        }
    }
}

enum Changed {
    Done(u64),
    Mismatch { version: u64, value: Option<String> },
}

async fn change(hall: &Hall, who: &Who, id: &str, part: Part, expected: u64, value: &str) -> Result<Changed, Failure> {
    let owner = who.owner();
    let changed = until_kept(|| async {
        let kept: Kept<Card> = hall.kept(&owner, KIND, id).await?;
        let (expect, now) = (kept.unchanged(), hall.now());
        let mut card = kept.value.ok_or(Failure::NotFound("machine"))?;
        let (version, stored) = part.of(&card);
        if version != expected {
            return Ok(Changed::Mismatch { version, value: stored.map(str::to_owned) });
        }
        match part {
            Part::Metadata => (card.metadata, card.metadata_version) = (value.to_owned(), version + 1),
            Part::DaemonState => (card.daemon_state, card.daemon_state_version) = (Some(value.to_owned()), version + 1),
        }
        card.updated_at = now;
        let writes = vec![put(&owner, KIND, id, expect, Some(&card), now)];
        hall.keep(writes, vec![line(&owner, part.kind(), id, now)]).await?;
        Ok(Changed::Done(version + 1))
    });
    let changed = changed.await?;
    if let (Changed::Done(_), Part::DaemonState) = (&changed, part) {
        hall.presence.here(hall, who, Thing::Machine, id, true).await?;
    }
    Ok(changed)
}

//! Listens to the socket of somebody who sees all, and opens what it says.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard};

use tokio::sync::mpsc;

use super::super::inbox::Inlet;
use super::super::socket::{Heard, Status};
use super::news::Opened;
use super::{OpenedUpdate, Shared, UserNews};
use crate::wire::{Body, Content, Ephemeral, Machine, Message, Session, Update};

/// Sessions that are followed message by message. Each may be followed more than once.
#[derive(Default)]
pub(super) struct Follows(Mutex<Inlets>);

#[derive(Default)]
struct Inlets {
    next: u64,
    by_session: HashMap<String, HashMap<u64, Inlet<()>>>,
}

impl Follows {
    pub(super) fn add(&self, session: &str, inlet: Inlet<()>) -> u64 {
        let mut inlets = self.inlets();
        inlets.next += 1;
        let number = inlets.next;
        inlets.by_session.entry(session.to_owned()).or_default().insert(number, inlet);
        number
    }

    pub(super) fn remove(&self, session: &str, number: u64) {
        let mut inlets = self.inlets();
        if let Some(of_session) = inlets.by_session.get_mut(session) {
            of_session.remove(&number);
            if of_session.is_empty() {
                inlets.by_session.remove(session);
            }
        }
    }

    async fn message(&self, session: &str, message: &Message) {
        let inlets: Vec<Inlet<()>> = match self.inlets().by_session.get(session) {
            Some(inlets) => inlets.values().cloned().collect(),
            None => return,
        };
        for inlet in inlets {
            inlet.message(message.clone()).await;
        }
    }

    fn catch_up(&self) {
        self.inlets().by_session.values().flat_map(HashMap::values).for_each(Inlet::catch_up);
    }

    fn inlets(&self) -> MutexGuard<'_, Inlets> {
        self.0.lock().expect("no holder of this lock panics")
    }
}

pub(super) async fn listen(shared: Arc<Shared>, mut heard: mpsc::Receiver<Heard>) {
    let stop = shared.stop.clone();
    loop {
        let heard = tokio::select! {
            () = stop.cancelled() => return,
            heard = heard.recv() => heard,
        };
        let Some(heard) = heard else { return };
        tokio::select! {
            () = stop.cancelled() => return,
            () = take(&shared, heard) => {}
        }
    }
}

async fn take(shared: &Shared, heard: Heard) {
    match heard {
        Heard::Connected => {
            shared.follows.catch_up();
            shared.news.tell(UserNews::Connected).await;
        }
        Heard::Lost => shared.news.tell(UserNews::Disconnected).await,
        Heard::Refused => {
            if let Status::Refused(why) = shared.socket.status() {
                shared.news.tell(UserNews::Refused(why)).await;
            }
            shared.news.close();
            shared.stop.cancel();
        }
        Heard::Event { name, data, .. } if name == "update" => match Update::read(&data) {
            Ok(update) => {
                if let Body::NewMessage { sid, message } = &update.body {
                    shared.follows.message(sid, message).await;
                }
                // Opening costs something; it is done for whoever listens.
                if shared.news.is_heard() {
                    let opened = open(shared, &update.body).await;
                    let Update { seq, body, created_at, .. } = update;
                    shared.news.tell(UserNews::Update(Box::new(OpenedUpdate { body, seq, created_at, opened }))).await;
                } else {
                    learn(shared, &update.body);
                }
            }
            Err(error) => tracing::debug!(%error, "happy: an update of another kind"),
        },
        Heard::Event { name, data, .. } if name == "ephemeral" => {
            if let Ok(ephemeral) = serde_json::from_str::<Ephemeral>(&data) {
                shared.news.tell(UserNews::Ephemeral(ephemeral)).await;
            }
        }
        Heard::Event { name, .. } => tracing::debug!(event = name, "happy: an event"),
    }
}

/// Remembers the keys of what is new.
fn learn(shared: &Shared, body: &Body) -> Opened {
    match body {
        Body::NewSession { id, .. } => {
            let record = session(body).expect("it is a session");
            let opened = shared.account.open_session(record).ok();
            shared.keys.add(id, opened.as_ref().map(|session| session.key.clone()));
            opened.map_or(Opened::Nothing, |session| Opened::Session(Box::new(session)))
        }
        Body::NewMachine { machine_id, .. } => {
            let record = machine(body).expect("it is a machine");
            let opened = shared.account.open_machine(record).ok();
            shared.keys.add(machine_id, opened.as_ref().map(|machine| machine.key.clone()));
            opened.map_or(Opened::Nothing, |machine| Opened::Machine(Box::new(machine)))
        }
        _ => Opened::Nothing,
    }
}

async fn open(shared: &Shared, body: &Body) -> Opened {
    match body {
        Body::NewMessage { sid, message } if message.content.t == Content::ENCRYPTED => {
            let key = shared.keys.session(&shared.account, sid).await;
            let message = key.and_then(|key| key.open_message(&message.content.c).ok());
            message.map_or(Opened::Nothing, |message| Opened::Message(Box::new(message)))
        }
        Body::UpdateSession { id, metadata, agent_state } => {
            let Some(key) = shared.keys.session(&shared.account, id).await else { return Opened::Nothing };
            let sealed = |part: &Option<crate::wire::Versioned>| part.as_ref().and_then(|part| part.value.clone());
            Opened::SessionChange {
                metadata: sealed(metadata).and_then(|sealed| key.open_as(&sealed)).map(Box::new),
                agent_state: sealed(agent_state).and_then(|sealed| key.open_as(&sealed)),
            }
        }
        Body::UpdateMachine { machine_id, metadata, daemon_state } => {
            let Some(key) = shared.keys.machine(&shared.account, machine_id).await else { return Opened::Nothing };
            let sealed = |part: &Option<crate::wire::Versioned>| part.as_ref().and_then(|part| part.value.clone());
            Opened::MachineChange {
                metadata: sealed(metadata).and_then(|sealed| key.open_as(&sealed)).map(Box::new),
                daemon_state: sealed(daemon_state).and_then(|sealed| key.open_as(&sealed)),
            }
        }
        Body::NewArtifact {
            artifact_id,
            seq,
            header,
            header_version,
            body,
            body_version,
            data_encryption_key,
            created_at,
            updated_at,
        } => {
            let head = crate::wire::ArtifactHead {
                id: artifact_id.clone(),
                header: header.clone(),
                header_version: *header_version,
                data_encryption_key: Some(data_encryption_key.clone()),
                seq: *seq,
                created_at: *created_at,
                updated_at: *updated_at,
            };
            let artifact = crate::wire::Artifact { head, body: body.clone(), body_version: *body_version };
            let opened = shared.account.open_artifact(artifact).ok();
            opened.map_or(Opened::Nothing, |artifact| Opened::Artifact(Box::new(artifact)))
        }
        body => learn(shared, body),
    }
}

fn session(body: &Body) -> Option<Session> {
    let Body::NewSession {
        id,
        seq,
        metadata,
        metadata_version,
        agent_state,
        agent_state_version,
        data_encryption_key,
        active,
        active_at,
        created_at,
        updated_at,
    } = body.clone()
    else {
        return None;
    };
    Some(Session {
        id,
        seq,
        metadata,
        metadata_version,
        agent_state,
        agent_state_version,
        data_encryption_key,
        active,
        active_at,
        created_at,
        updated_at,
    })
}

fn machine(body: &Body) -> Option<Machine> {
    let Body::NewMachine {
        machine_id: id,
        seq,
        metadata,
        metadata_version,
        daemon_state,
        daemon_state_version,
        data_encryption_key,
        active,
        active_at,
        created_at,
        updated_at,
    } = body.clone()
    else {
        return None;
    };
    Some(Machine {
        id,
        metadata,
        metadata_version,
        daemon_state,
        daemon_state_version,
        data_encryption_key,
        seq: Some(seq),
        active,
        active_at,
        created_at,
        updated_at,
    })
}

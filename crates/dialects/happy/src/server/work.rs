//! What clients ask for over their sockets: events in, acknowledgements out.

use std::sync::Arc;

use rejoin_ports::gateway::{Failure, Sealing};
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;
use serde_json::{Value, json};

use super::connection::{Client, Waiting};
use super::engine::{Namespace, Packet};
use super::hub::Room;
use super::presence::Thing;
use super::session::Field;
use super::who::Who;
use super::{Hall, access_key, artifact, machine, message, session, usage};
use crate::packet;
use crate::wire::Posted;

/// Messages that go into one commit, and their bytes.
const TOGETHER: usize = 250;
const TOGETHER_BYTES: usize = 4 << 20;

/// Events that are answered once they are kept, whoever asks for an answer.
pub(super) const CONFIRMED: [&str; 1] = ["message"];

/// An event of a client, read as far as its kind needs it.
pub(super) struct Asked {
    pub(super) ack: Option<u64>,
    /// Roughly what it takes in memory.
    pub(super) bytes: usize,
    pub(super) what: What,
}

pub(super) enum What {
    /// A message for a session; many of these come, so they are read without a detour.
    Message(Message),
    Other {
        name: String,
        argument: Value,
    },
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Message {
    sid: String,
    message: String,
    #[serde(default)]
    local_id: Option<String>,
}

/// What came of one or more of them.
pub(super) struct Done {
    pub(super) answers: Vec<Packet>,
    /// They leave behind everything up to this number of the feed.
    pub(super) behind: u64,
    /// Something was lost that the client believes to have arrived: it must be let go, and look what is there.
    pub(super) lost: bool,
}

impl Asked {
    /// What has not the shape of its kind is nothing, as anything that nobody knows.
    pub(super) fn read(name: String, args: Vec<Box<RawValue>>, ack: Option<u64>) -> Asked {
        let argument = args.first().map_or("null", |argument| argument.get());
        let bytes = name.len() + argument.len();
        let what = match name.as_str() {
            "message" => serde_json::from_str(argument).ok().map(What::Message),
            _ => None,
        };
        let what =
            what.unwrap_or_else(|| What::Other { argument: serde_json::from_str(argument).unwrap_or_default(), name });
        Asked { ack, bytes, what }
    }
}

/// Takes what can be done together with the first: messages of one session share a commit.
pub(super) fn gather(first: Asked, asked: &mut std::collections::VecDeque<Asked>) -> Vec<Asked> {
    let mut bytes = first.bytes;
    let mut gathered = vec![first];
    while let (What::Message(first), Some(Asked { what: What::Message(next), bytes: more, .. })) =
        (&gathered[0].what, asked.front())
    {
        if gathered.len() >= TOGETHER || bytes + more > TOGETHER_BYTES || first.sid != next.sid {
            break;
        }
        bytes += more;
        gathered.extend(asked.pop_front());
    }
    gathered
}

/// Begins what was asked.
pub(super) fn begin(hall: &Hall, client: &Client, room: &Arc<Room>, gathered: Vec<Asked>) -> Waiting<Done> {
    let (hall, who, room) = (hall.clone(), client.who.clone(), room.clone());
    let (socket, namespace) = (client.name.clone(), client.namespace);
    Box::pin(async move {
        let acks: Vec<Option<u64>> = gathered.iter().map(|asked| asked.ack).collect();
        let mut messages = Vec::new();
        let mut other = None;
        for asked in gathered {
            match asked.what {
                What::Message(message) => messages.push(message),
                What::Other { name, argument } => other = Some((name, argument)),
            }
        }
        let (answers, changed, lost) = match other {
            Some((name, argument)) => {
                let (answer, changed) = work(&hall, &who, &name, &argument).await;
                (packets(namespace, &acks, answer.as_slice()), changed, false)
            }
            None => match post(&hall, &who, &socket, messages).await {
                Ok(posted) => (packets(namespace, &acks, &posted), true, false),
                Err(Lost) => (Vec::new(), false, true),
            },
        };
        let mut behind = 0;
        if changed && !answers.is_empty() {
            // If it cannot be read, the answer leaves at once.
            behind = room.tip().await.unwrap_or(0);
        }
        Done { answers, behind, lost }
    })
}

/// The answers of those who want one.
fn packets<T: Serialize>(namespace: Namespace, acks: &[Option<u64>], answers: &[T]) -> Vec<Packet> {
    let packet = |(ack, answer): (&Option<u64>, &T)| {
        let text = packet::ack(namespace.as_str(), (*ack)?, answer);
        Some(Packet::new(&text.expect("answers are JSON")))
    };
    acks.iter().zip(answers).filter_map(packet).collect()
}

/// One event: its answer, if it has one, and whether it may have changed something that is told.
async fn work(hall: &Hall, who: &Who, name: &str, arg: &Value) -> (Option<Value>, bool) {
    let text = |field: &str| arg.get(field).and_then(Value::as_str);
    let presence = &hall.presence;
    match name {
        "ping" => (Some(json!({})), false),
        "update-metadata" => (Some(update(hall, who, arg, Field::Metadata).await), true),
        "update-state" => (Some(update(hall, who, arg, Field::AgentState).await), true),
        "session-alive" => {
            if let (Some(sid), Some(time)) = (text("sid"), time(arg)) {
                let thinking = arg.get("thinking").and_then(Value::as_bool).unwrap_or(false);
                heard(presence.alive(hall, who, Thing::Session, sid, time, thinking).await);
            }
            (None, false)
        }
        "session-end" => {
            if let (Some(sid), Some(time)) = (text("sid"), time(arg)) {
                let time = time.min(hall.options.clock.now());
                heard(presence.ended(hall, who, Thing::Session, sid, time).await);
            }
            (None, false)
        }
        "machine-alive" => {
            if let (Some(machine), Some(time)) = (text("machineId"), time(arg)) {
                heard(presence.alive(hall, who, Thing::Machine, machine, time, false).await);
            }
            (None, false)
        }
        "usage-report" => (Some(usage::report(hall, who, arg).await), true),
        "machine-update-metadata" => (Some(machine::update_metadata(hall, who, arg).await), true),
        "machine-update-state" => (Some(machine::update_state(hall, who, arg).await), true),
        "artifact-read" => (Some(artifact::read(hall, who, arg).await), false),
        "artifact-create" => (Some(artifact::create(hall, who, arg).await), true),
        "artifact-update" => (Some(artifact::update(hall, who, arg).await), true),
        "artifact-delete" => (Some(artifact::delete(hall, who, arg).await), true),
        "access-key-get" => (Some(access_key::get(hall, who, arg).await), false),
        _ => (None, false),
    }
}

/// Messages that could not be kept, through no fault of the client's.
struct Lost;

/// Messages of one session, in one commit, and where each of them is. What is for a session that is not there, or not allowed,
/// is dropped without an answer.
async fn post(hall: &Hall, who: &Who, socket: &str, messages: Vec<Message>) -> Result<Vec<Posted>, Lost> {
    let Some(first) = messages.first() else { return Ok(Vec::new()) };
    let sid = first.sid.clone();
    let sealing = |message: Message| Sealing {
        content: message.message,
        local: message.local_id.filter(|local| !local.is_empty()),
    };
    let messages = messages.into_iter().map(sealing).collect();
    match message::post(hall, who, &sid, Some(socket), messages).await {
        Ok(posted) => Ok(posted),
        Err(Failure::NotFound(_)) => Ok(Vec::new()),
        Err(error @ (Failure::Refused(_) | Failure::Invalid { .. })) => {
            tracing::info!(error = &error as &dyn std::error::Error, session.id = sid, "happy: messages were refused");
            Ok(Vec::new())
        }
        Err(error) => {
            tracing::warn!(error = &error as &dyn std::error::Error, session.id = sid, "happy: messages were not kept");
            Err(Lost)
        }
    }
}

async fn update(hall: &Hall, who: &Who, arg: &Value, field: Field) -> Value {
    let value = match (field, arg.get(field.name())) {
        (_, Some(Value::String(value))) => Some(value.clone()),
        (Field::AgentState, Some(Value::Null)) => None,
        _ => return json!({ "result": "error" }),
    };
    let sid = arg.get("sid").and_then(Value::as_str);
    let (Some(sid), Some(expected)) = (sid, arg.get("expectedVersion").and_then(Value::as_u64)) else {
        return json!({ "result": "error" });
    };
    session::update(hall, who, sid, field, expected, value).await
}

fn heard(outcome: Result<(), Failure>) {
    match outcome {
        Ok(()) | Err(Failure::NotFound(_)) => {}
        Err(error) => tracing::warn!(error = &error as &dyn std::error::Error, "happy: an event was not done"),
    }
}

/// A time, which JavaScript may write with a fraction.
fn time(arg: &Value) -> Option<u64> {
    let value = arg.get("time")?;
    value.as_u64().or_else(|| value.as_f64().filter(|number| *number >= 0.0).map(|number| number as u64))
}

//! Turns: beginning one, stopping it, steering it, and answering what it asks.

use rejoin_core::command::Command;
use rejoin_core::id::{AskId, CommandId, SessionId};
use rejoin_core::refusal::Refusal;
use rejoin_core::turn::IfBusy;
use rejoin_core::who::{Kind, Verb};
use rejoin_ports::gateway::Failure;
use serde_json::{Map, Value};

use super::sessions::{mint, visible};
use super::{Done, Outcome};
use crate::codec::answer;
use crate::server::Hall;
use crate::server::failure::Refused;
use crate::server::who::Who;
use crate::wire::Code;

pub(in crate::server) async fn run(
    door: &Hall,
    who: &Who,
    session: SessionId,
    text: String,
    turn: Option<String>,
) -> Outcome {
    let caller = who.caller();
    visible(door, &caller.identity, &session).await?;
    // The same turn again, after a lost connection say, is done once.
    let id = turn.as_deref().map_or_else(mint, command_of);
    let command = Command::Prompt { text, attachments: Vec::new(), if_busy: IfBusy::Refuse, reference: turn };
    match door.gateway.sessions.run(&caller, &session, id, command).await {
        Ok(_) => Ok(Done::default()),
        Err(Failure::IdReused) => {
            let why = "Invalid message: `clientTurnId` was used for another text before";
            Err(Refused::new(Code::InvalidMessage, why))
        }
        Err(failure) => Err(failure.into()),
    }
}

/// The id of a command from a client's own name for a turn, which may be of any characters.
fn command_of(turn: &str) -> CommandId {
    let digest = aws_lc_rs::digest::digest(&aws_lc_rs::digest::SHA256, turn.as_bytes());
    let hex: String = digest.as_ref().iter().map(|byte| format!("{byte:02x}")).collect();
    CommandId::new(format!("turn-{hex}")).expect("letters and digits make an id")
}

/// Without a turn there is nothing to stop, and nothing to say.
pub(in crate::server) async fn stop(door: &Hall, who: &Who, session: SessionId) -> Outcome {
    let caller = who.caller();
    visible(door, &caller.identity, &session).await?;
    let command = Command::Interrupt { reason: None, clear_queue: false };
    match door.gateway.sessions.run(&caller, &session, mint(), command).await {
        Ok(_) | Err(Failure::Refused(Refusal::NotRunning)) => Ok(Done::default()),
        Err(failure) => Err(failure.into()),
    }
}

pub(in crate::server) async fn steer(door: &Hall, who: &Who, session: SessionId, text: String) -> Outcome {
    super::sessions::run(door, who, &session, Command::Steer { text }).await?;
    Ok(Done::default())
}

pub(in crate::server) async fn answer(
    door: &Hall,
    who: &Who,
    session: SessionId,
    ask: AskId,
    answers: Map<String, Value>,
    dismissed: bool,
) -> Outcome {
    let caller = who.caller();
    visible(door, &caller.identity, &session).await?;
    if !caller.identity.role.may(Verb::Write, Kind::Session) {
        return Err(Refusal::Forbidden.into());
    }
    let view = door.gateway.sessions.view(&caller.identity, &session).await?;
    let Some(open) = view.asks.iter().find(|open| open.id == ask) else {
        return Err(Refused::new(Code::QuestionNotFound, "Nobody waits for that answer"));
    };
    let answer = answer::read(open, &answers, dismissed)
        .map_err(|why| Refused::new(Code::InvalidAnswer, format!("Invalid answer: {why}")))?;
    door.gateway.sessions.run(&caller, &session, mint(), Command::Answer { ask, answer }).await?;
    Ok(Done::default())
}

//! The socket's frames, as they travel.

use rejoin_core::command::Command;
use rejoin_core::id::CommandId;
use rejoin_core::position::Position;
use rejoin_ports::gateway::View;
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;

use crate::client::commands::Named;
use crate::client::{Done, Error, Happened, Problem};

/// What the gateway says.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Frame {
    Event(Box<Happened>),
    Ack(Done),
    Refused(CommandId, Problem),
    Gap(Box<View>),
    CaughtUp(Position),
    Deleted,
    Stopping,
    /// Something newer than this client, or an answer to a ping.
    Other,
}

/// Exactly one of these is there; what is unknown is ignored.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Wire<'a> {
    #[serde(borrow)]
    event: Option<&'a RawValue>,
    ack: Option<Done>,
    refused: Option<Refused>,
    gap: Option<Gap>,
    caught_up: Option<CaughtUp>,
    deleted: Option<bool>,
    stopping: Option<bool>,
}

#[derive(Deserialize)]
struct Refused {
    id: Option<CommandId>,
    #[serde(flatten)]
    problem: Problem,
}

#[derive(Deserialize)]
struct Gap {
    snapshot: Box<View>,
}

#[derive(Deserialize)]
struct CaughtUp {
    position: Position,
}

pub(super) fn read(text: &str) -> Result<Frame, Error> {
    let wire: Wire<'_> = serde_json::from_str(text)
        .map_err(|why| Error::Unreadable { what: "a frame of the session's socket", why: why.to_string() })?;
    if let Some(event) = wire.event {
        let event = Happened::read(event.get().as_bytes())?;
        return Ok(Frame::Event(Box::new(event)));
    }
    if let Some(ack) = wire.ack {
        return Ok(Frame::Ack(ack));
    }
    if let Some(Refused { id: Some(id), problem }) = wire.refused {
        return Ok(Frame::Refused(id, problem));
    }
    if let Some(gap) = wire.gap {
        return Ok(Frame::Gap(gap.snapshot));
    }
    if let Some(caught_up) = wire.caught_up {
        return Ok(Frame::CaughtUp(caught_up.position));
    }
    Ok(match (wire.deleted, wire.stopping) {
        (Some(true), _) => Frame::Deleted,
        (_, Some(true)) => Frame::Stopping,
        _ => Frame::Other,
    })
}

pub(super) fn command(id: &CommandId, command: &Command) -> Result<String, serde_json::Error> {
    #[derive(Serialize)]
    struct Frame<'a> {
        command: Named<'a>,
    }
    serde_json::to_string(&Frame { command: Named { id, command } })
}

pub(super) fn ping(number: u64) -> String {
    format!("{{\"ping\":{number}}}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_command_travels_with_its_id_beside_its_type() {
        let id = CommandId::new("c-1").unwrap();
        let frame = command(&id, &Command::Steer { text: "left".into() }).unwrap();
        assert_eq!(frame, r#"{"command":{"id":"c-1","type":"steer","text":"left"}}"#);
    }

    #[test]
    fn what_is_newer_than_this_client_is_passed_over() {
        assert_eq!(read(r#"{"pong":3}"#).unwrap(), Frame::Other);
        assert_eq!(read(r#"{"weather":{"rain":true}}"#).unwrap(), Frame::Other);
        assert!(read("[").is_err());
    }

    #[test]
    fn a_refusal_names_its_command() {
        let refused = read(r#"{"refused":{"id":"c-1","code":"busy","detail":"a turn is running","status":409}}"#);
        let Frame::Refused(id, problem) = refused.unwrap() else { panic!("another frame") };
        assert_eq!((id.as_str(), problem.code.as_str(), problem.status), ("c-1", "busy", 409));
    }
}

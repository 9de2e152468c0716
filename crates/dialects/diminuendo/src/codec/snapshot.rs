//! A session at the moment somebody joins it.

use rejoin_core::part::PartBody;
use rejoin_core::turn::OpenTurn;
use rejoin_ports::gateway::View;
use serde_json::{Value, json};

use super::{ask, history, meta, number};
use crate::names::told;

pub(crate) fn snapshot(view: &View, subscribers: usize) -> Value {
    let session = meta::meta(&view.session);
    let recent: Vec<_> = view.recent.iter().map(|message| history::item(message, None)).collect();
    let pending: Vec<Value> = view.asks.iter().map(|one| ask::pending(one, &session.id)).collect();
    let mut told = json!({
        "type": told::STATE_SNAPSHOT,
        "sessionId": session.id,
        "session": session,
        "recentHistory": recent,
        "subscriberCount": subscribers,
        "lastSeq": number::whole(view.position.seq),
        "pendingRequests": pending,
    });
    if let Some(turn) = &view.open_turn {
        told["activeTurn"] = active(turn);
    }
    told
}

fn active(turn: &OpenTurn) -> Value {
    // Text of the parts that are complete, and then of the one that streams.
    let streams = turn.parts.iter().filter_map(|part| match &part.body {
        PartBody::Text { text } => Some(text.as_str()),
        _ => None,
    });
    let text = [turn.text.as_str()].into_iter().chain(streams).collect::<String>();
    let mut told = json!({ "turnId": turn.id, "startedAt": turn.started_at, "textSoFar": text });
    if let Some(reference) = &turn.reference {
        told["clientTurnId"] = reference.as_str().into();
    }
    told
}

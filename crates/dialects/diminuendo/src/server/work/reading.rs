//! Pages of history and of events.

use rejoin_core::event::Logged;
use rejoin_core::id::SessionId;
use rejoin_core::position::{Heard, Position};
use serde_json::{Value, json};

use super::sessions::visible;
use super::{Done, Outcome};
use crate::codec::frames::Frames;
use crate::codec::{event, history, number};
use crate::names::{Naming, told};
use crate::server::Hall;
use crate::server::failure::Refused;
use crate::server::who::Who;
use crate::wire::Code;

/// Events of the log read at once.
const PAGE: usize = 1_000;
/// About how much text one answer has.
const LARGEST_ANSWER: usize = 16 << 20;

pub(in crate::server) async fn history(
    door: &Hall,
    who: &Who,
    session: SessionId,
    after: u64,
    limit: usize,
) -> Outcome {
    let identity = who.identity();
    visible(door, &identity, &session).await?;
    let page = door.gateway.sessions.messages_after(&identity, &session, number::event_of(after), limit).await?;
    let items: Vec<_> = page.items.iter().map(|(seq, message)| history::item(message, Some(seq.get()))).collect();
    let mut told = json!({ "type": told::HISTORY, "sessionId": session, "items": items, "hasMore": page.more });
    if page.more {
        told["nextAfterSeq"] = number::whole(page.next).into();
    }
    Ok(Done::told(told))
}

pub(in crate::server) async fn events(
    door: &Hall,
    who: &Who,
    session: SessionId,
    after: u64,
    limit: usize,
    naming: Naming,
) -> Outcome {
    let identity = who.identity();
    let (_, Position { epoch, .. }) = visible(door, &identity, &session).await?;
    // A page is asked for with numbers of the log as it is, those from before a restore included.
    let mut from = Heard { epoch: Some(epoch), ..number::resume(after) };
    let mut frames = Frames::new(&session, naming);
    let mut found: Vec<(u64, String)> = Vec::new();
    let mut bytes = 0;
    let is_full = |found: &Vec<(u64, String)>, bytes| found.len() > limit || bytes > LARGEST_ANSWER;
    let more = loop {
        let (page, tip) = door.gateway.follow.page(&identity, &session, from, PAGE).await?;
        // A position that the log does not have: nothing is behind it.
        let Some(page) = page else { break false };
        for (_, line) in page.iter() {
            let Ok(logged) = Logged::read(line) else { continue };
            event::texts(&logged, after, &mut frames, &session, &mut |number, text| {
                bytes += text.len();
                found.push((number, text));
            });
            if is_full(&found, bytes) {
                break;
            }
        }
        // One too many says that there are more.
        if is_full(&found, bytes) {
            break true;
        }
        let last = page.last().map_or(tip.seq, |seq| seq.get());
        if last >= tip.seq {
            break false;
        }
        from = Heard { epoch: Some(epoch), seq: last };
    };
    found.truncate(limit);
    let last = found.last().map_or(after, |(number, _)| *number);
    let events = found.iter().map(|(_, text)| serde_json::from_str(text)).collect::<Result<Vec<Value>, _>>();
    let events = events.map_err(|_| Refused::new(Code::Internal, "Something went wrong on our side"))?;
    let told =
        json!({ "type": told::EVENTS, "sessionId": session, "events": events, "hasMore": more, "lastSeq": last });
    Ok(Done::told(told))
}

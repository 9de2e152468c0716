//! Transcripts: messages read from the log, newest page first or behind a number. Completed parts are fat, so deltas are
//! never needed.

use std::collections::HashMap;

use rejoin_core::event::{Event, Logged};
use rejoin_core::id::{MessageId, SessionId};
use rejoin_core::part::{Message, Part, WholeMessage};
use rejoin_core::position::Seq;
use rejoin_core::session::Session;
use rejoin_ports::batch::Batch;
use rejoin_ports::gateway::{Failure, LaterMessages};
use rejoin_ports::store::{PAGE_EVENTS, Store, StoreError};

/// How many pages of log one call for later messages reads at most: of full ones, about as many bytes as a page of a
/// transcript. Whoever wants more calls again.
const LATER_PAGES: usize = 64;

/// What is looked for.
pub(crate) struct Wanted {
    /// The newest number that counts.
    pub(crate) upto: u64,
    pub(crate) messages: usize,
    /// About how many bytes of log may be read for it.
    pub(crate) bytes: usize,
}

/// Messages, oldest first, and whether there are older ones.
#[derive(Default)]
pub(crate) struct Found {
    pub(crate) messages: Vec<WholeMessage>,
    pub(crate) more: bool,
}

#[derive(Default)]
struct Gathered {
    message: Option<Message>,
    /// Newest first.
    parts: Vec<Part>,
    /// Its first event was seen, so nothing of it is missing.
    begun: bool,
}

/// Reads the log backwards until it has enough. What a revert hides is left out, and so is the message of the open turn.
pub(crate) async fn read(
    store: &dyn Store,
    session: &Session,
    id: &SessionId,
    wanted: Wanted,
) -> Result<Found, Failure> {
    let open = session.turn.as_ref().and_then(|turn| turn.message.as_ref()).map(|message| message.id.clone());
    let mut gathered: HashMap<MessageId, Gathered> = HashMap::new();
    let mut order: Vec<MessageId> = Vec::new(); // newest first
    let (mut upto, mut read) = (wanted.upto, 0);
    let mut more = true;
    'reading: while more && upto > 0 {
        let page = store.read_back(id, upto).await?;
        more = page.more;
        let events = events_of(&page.batch)?;
        let Some(first) = events.first() else { break };
        let next = first.seq.get() - 1;
        for logged in events.iter().rev().filter(|logged| !session.hides(logged.seq)) {
            let (id, begins) = match &logged.event {
                Event::MessageAdded { message, .. } | Event::MessageStarted { message } => (&message.id, true),
                Event::MessageCompleted { message } => (&message.id, false),
                Event::PartCompleted { part, .. } => (&part.message, false),
                _ => continue,
            };
            if open.as_ref() == Some(id) {
                continue;
            }
            if !gathered.contains_key(id) {
                if order.len() == wanted.messages {
                    more = true;
                    break 'reading;
                }
                order.push(id.clone());
            }
            let whole = gathered.entry(id.clone()).or_default();
            whole.begun |= begins;
            match &logged.event {
                Event::MessageAdded { message, parts } => {
                    whole.message = Some(message.clone());
                    whole.parts.extend(parts.iter().rev().cloned());
                }
                Event::MessageCompleted { message } | Event::MessageStarted { message } => {
                    whole.message.get_or_insert_with(|| message.clone());
                }
                Event::PartCompleted { part, .. } => whole.parts.push(part.clone()),
                _ => {}
            }
        }
        read += page.batch.lines().len();
        upto = next;
        if read >= wanted.bytes {
            break;
        }
    }
    let mut messages: Vec<WholeMessage> = Vec::with_capacity(order.len());
    for id in order.into_iter().rev() {
        let Some(Gathered { message: Some(message), mut parts, begun }) = gathered.remove(&id) else {
            continue;
        };
        parts.reverse();
        messages.push(WholeMessage { message, parts, truncated: !begun });
    }
    Ok(Found { messages, more: more && upto > 0 })
}

/// Reads the log forwards from behind `after` until it has enough messages that became whole there.
pub(crate) async fn read_later(
    store: &dyn Store,
    session: &Session,
    id: &SessionId,
    after: u64,
    wanted: Wanted,
) -> Result<LaterMessages, Failure> {
    let mut items = Vec::new();
    // Messages do not overlap, so one at most is under way at any place. Its parts, if its beginning was read here.
    let mut begun: Option<Vec<Part>> = None;
    let (mut upto, mut pages, mut bytes) = (after, 0, 0);
    while upto < wanted.upto {
        if pages == LATER_PAGES || bytes >= wanted.bytes {
            return Ok(LaterMessages { items, next: upto, more: true });
        }
        let page = store.read(id, upto, PAGE_EVENTS).await?;
        let known = events_of(&page.batch)?.iter().take_while(|logged| logged.seq.get() <= wanted.upto);
        for logged in known {
            upto = logged.seq.get();
            if session.hides(logged.seq) {
                begun = None;
                continue;
            }
            let whole = match &logged.event {
                Event::MessageStarted { .. } => {
                    begun = Some(Vec::new());
                    continue;
                }
                Event::PartCompleted { part, .. } => {
                    begun.iter_mut().for_each(|parts| parts.push(part.clone()));
                    continue;
                }
                Event::MessageAdded { message, parts } => Some((message, parts.clone())),
                Event::MessageCompleted { message } => begun.take().map(|parts| (message, parts)),
                _ => continue,
            };
            if items.len() == wanted.messages {
                let next = items.last().map_or(after, |(seq, _): &(Seq, _)| seq.get());
                return Ok(LaterMessages { items, next, more: true });
            }
            match whole {
                Some((message, parts)) => {
                    items.push((logged.seq, WholeMessage { message: message.clone(), parts, truncated: false }));
                }
                None => {
                    let one = Wanted { upto, messages: 1, bytes: wanted.bytes };
                    let found = read(store, session, id, one).await?.messages;
                    items.extend(found.into_iter().map(|message| (logged.seq, message)));
                }
            }
        }
        pages += 1;
        bytes += page.batch.lines().len();
        if !page.more {
            break;
        }
    }
    Ok(LaterMessages { items, next: upto, more: false })
}

fn events_of(batch: &Batch) -> Result<&[Logged], StoreError> {
    batch.events().map_err(|error| StoreError::Corrupt { doing: "reading a transcript", why: error.to_string() })
}

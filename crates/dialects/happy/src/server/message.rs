//! Sealed messages of a session: posted, sent over sockets, and read by pages.

use rejoin_core::event::{Event, Logged};
use rejoin_core::id::SessionId;
use rejoin_ports::gateway::{Failure, SealedMark, SealedMessage, SealedPage, Sealing};

use super::who::Who;
use super::{Hall, id, session};
use crate::wire::{Body, Content, Message, Posted};

/// Messages of a page, and whether there are more.
pub(super) struct Page {
    pub(super) messages: Vec<Message>,
    pub(super) more: bool,
}

/// Which messages of a session are read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Stretch {
    /// Those behind a number, ascending.
    After(u64),
    /// Those before a number, descending.
    Before(u64),
}

pub(super) async fn read(
    hall: &Hall,
    who: &Who,
    session: &str,
    stretch: Stretch,
    most: usize,
) -> Result<Page, Failure> {
    let session = ours(hall, who, session).await?;
    let (identity, sealed) = (who.identity(), &hall.gateway.sealed);
    let SealedPage { messages, more } = match stretch {
        Stretch::After(after) => sealed.sealed_after(&identity, &session, after, most).await?,
        Stretch::Before(before) => sealed.sealed_before(&identity, &session, before, most).await?,
    };
    Ok(Page { messages: messages.into_iter().map(shown).collect(), more })
}

/// Puts messages into a session, in this order, all in one commit; one whose local id is known already is not put again.
///
/// Sent over a socket they are not echoed to it.
pub(super) async fn post(
    hall: &Hall,
    who: &Who,
    session: &str,
    socket: Option<&str>,
    messages: Vec<Sealing>,
) -> Result<Vec<Posted>, Failure> {
    let session = ours(hall, who, session).await?;
    let marks = hall.gateway.sealed.seal(&who.caller(socket), &session, messages).await?;
    Ok(marks.into_iter().map(posted).collect())
}

/// The account's session of that name.
async fn ours(hall: &Hall, who: &Who, name: &str) -> Result<SessionId, Failure> {
    let missing = Failure::NotFound("session");
    let Ok(id) = SessionId::new(name) else { return Err(missing) };
    match session::born(hall, who, name).await? {
        Some(_) => Ok(id),
        None => Err(missing),
    }
}

fn shown(message: SealedMessage) -> Message {
    Message {
        id: id::spelled(message.id.as_str()),
        seq: message.number,
        content: Content::encrypted(message.content),
        local_id: message.local,
        created_at: message.at,
        updated_at: message.at,
    }
}

fn posted(mark: SealedMark) -> Posted {
    Posted {
        id: id::spelled(mark.id.as_str()),
        seq: mark.number,
        local_id: mark.local,
        created_at: mark.at,
        updated_at: mark.at,
    }
}

/// The update that tells of a new one.
pub(super) fn told(session: &SessionId, logged: &Logged) -> Option<Body> {
    let Event::SealedAdded { id, number, local, content } = &logged.event else { return None };
    Some(Body::NewMessage {
        sid: session.to_string(),
        message: Message {
            id: id::spelled(id.as_str()),
            seq: *number,
            content: Content::encrypted(content.clone()),
            local_id: local.clone(),
            created_at: logged.at,
            updated_at: logged.at,
        },
    })
}

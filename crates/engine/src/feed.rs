//! What an owner's feed says of a session's events.

use rejoin_core::event::{Event, Logged};
use rejoin_core::header::Header;
use rejoin_ports::store::{FeedEntry, FeedItem, Owner};

/// Whose feed a session is in: its own user's where it is private, or else the whole tenant's.
pub(crate) fn owner(header: &Header) -> Owner {
    match &header.owner {
        Some(user) => Owner::User(header.tenant.clone(), user.clone()),
        None => Owner::Tenant(header.tenant.clone()),
    }
}

/// The word for an event, if lists care about it. Deltas and parts never stand in a feed, and that a session is deleted
/// stands there when it is gone.
fn change(event: &Event) -> Option<&'static str> {
    Some(match event {
        Event::SessionCreated { .. } => "created",
        Event::SessionRenamed { .. } => "renamed",
        Event::SessionLabelled { .. } | Event::ModelSet { .. } | Event::ConfigSet { .. } => "changed",
        Event::SessionArchived {} => "archived",
        Event::SessionUnarchived {} => "unarchived",
        Event::SessionEnded { .. } => "ended",
        Event::SessionClosed {} | Event::SessionReopened {} | Event::TurnStarted { .. } | Event::TurnEnded { .. } => {
            "status"
        }
        Event::AskOpened { .. } => "askOpened",
        Event::AskAnswered { .. } | Event::AskClosed { .. } => "askClosed",
        Event::RegisterSet { .. } => "register",
        Event::SealedAdded { .. } => "sealed",
        _ => return None,
    })
}

pub(crate) fn entries(header: &Header, events: &[Logged]) -> Vec<FeedEntry> {
    let said = events.iter().filter_map(|logged| Some((logged, change(&logged.event)?)));
    said.map(|(logged, change)| FeedEntry {
        owner: owner(header),
        what: FeedItem::Session { session: header.id.clone(), seq: logged.seq.get(), change: change.to_owned() },
        at: logged.at,
    })
    .collect()
}

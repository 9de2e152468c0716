//! The sessions that a connection follows, and what each of them says.

use std::collections::HashMap;

use futures_util::StreamExt;
use futures_util::future::AbortHandle;
use futures_util::stream::FuturesUnordered;
use rejoin_core::event::Event;
use rejoin_core::id::SessionId;
use rejoin_ports::batch::Batch;
use rejoin_ports::gateway::{Delivery, Failure};
use rejoin_socket::frame;
use serde_json::json;

use super::Connection;
use crate::codec::snapshot;
use crate::names::told;
use crate::server::followed::{Followed, News, Next};
use crate::server::request::{Request, Said};
use crate::server::viewers::Viewing;

#[derive(Default)]
pub(super) struct Joined {
    waiting: FuturesUnordered<Next>,
    known: HashMap<SessionId, Place>,
    joinings: u64,
}

/// A joined session. We are one of those who look at it for as long as this is kept.
struct Place {
    /// Of the joining.
    number: u64,
    /// Ends the waiting for what comes.
    waiting: AbortHandle,
    viewing: Option<Viewing>,
}

impl Joined {
    pub(super) fn is_empty(&self) -> bool {
        self.known.is_empty()
    }

    pub(super) fn sessions(&self) -> impl Iterator<Item = &SessionId> {
        self.known.keys()
    }

    /// How many are joined beside the one that is asked for.
    pub(super) fn others(&self, said: &Said) -> usize {
        match &said.request {
            Ok(Request::JoinSession { session, .. }) if self.known.contains_key(session) => self.known.len() - 1,
            _ => self.known.len(),
        }
    }

    pub(super) fn next_number(&mut self) -> u64 {
        self.joinings += 1;
        self.joinings
    }

    /// Joins a session; an earlier joining of it is over.
    pub(super) fn add(&mut self, mut followed: Followed) {
        let viewing = followed.viewing.take();
        self.leave(&followed.session);
        self.wait(followed, viewing);
    }

    pub(super) fn leave(&mut self, session: &SessionId) {
        if let Some(place) = self.known.remove(session) {
            place.waiting.abort();
        }
    }

    pub(super) fn go_on(&mut self, followed: Followed) {
        let current = self.known.get_mut(&followed.session).filter(|place| place.number == followed.number);
        if let Some(place) = current {
            let viewing = place.viewing.take();
            self.wait(followed, viewing);
        }
    }

    pub(super) fn end(&mut self, followed: &Followed) {
        if self.known.get(&followed.session).is_some_and(|place| place.number == followed.number) {
            self.known.remove(&followed.session);
        }
    }

    fn wait(&mut self, followed: Followed, viewing: Option<Viewing>) {
        let (waiting, registration) = AbortHandle::new_pair();
        let place = Place { number: followed.number, waiting, viewing };
        self.known.insert(followed.session.clone(), place);
        self.waiting.push(followed.next(registration));
    }

    /// What any of them says next; for ever, if there is none.
    pub(super) async fn next(&mut self) -> (Followed, News) {
        loop {
            match self.waiting.next().await {
                Some(Some(news)) => return news,
                Some(None) => {} // one that was left
                None => std::future::pending().await,
            }
        }
    }
}

impl Connection {
    /// Tells the client. Says whether the session goes on.
    pub(super) fn deliver(&mut self, followed: &mut Followed, news: News) -> bool {
        let delivery = match news {
            News::Viewers(count) => {
                let now = self.door.options.clock.now();
                self.say(&json!({
                    "type": told::SUBSCRIBER_COUNT,
                    "sessionId": followed.session,
                    "subscriberCount": count,
                    "ts": now,
                }));
                return true;
            }
            News::Delivery(delivery) => delivery,
        };
        match delivery {
            Ok(Delivery::Events { batch, first }) => {
                let frames = followed.frames(&batch, first, self.begin.naming);
                self.push(frames);
                if takes_back(&batch, first) {
                    let request = Ok(Request::ShowAgain { session: followed.session.clone() });
                    self.asked.push_front(Said { id: None, bytes: 0, request });
                }
                true
            }
            Ok(Delivery::CaughtUp(_)) => {
                if let Some(marker) = followed.replayed() {
                    self.say(&marker);
                }
                true
            }
            // What was known is of another life of the log: this takes its place.
            Ok(Delivery::Gap(view)) => {
                followed.known = 0;
                let count = *followed.count.borrow();
                self.say(&snapshot::snapshot(&view, count));
                true
            }
            // The tenant's list tells of it.
            Ok(Delivery::Deleted) | Err(Failure::NotFound(_)) => false,
            Ok(Delivery::Stopping) | Err(Failure::Closing) => false,
            Err(failure) => {
                tracing::error!(%failure, session.id = %followed.session, "diminuendo: a log cannot be read");
                self.parting = Some((frame::code::INTERNAL, "the log cannot be read at the moment"));
                false
            }
        }
    }
}

/// Whether something that was told is not true any more: then only the whole session can say what is.
fn takes_back(batch: &Batch, first: usize) -> bool {
    let events = batch.events().unwrap_or_default();
    events.iter().skip(first).any(|logged| matches!(logged.event, Event::Reverted { .. }))
}

//! Reading what was: history, events, and how far away the gateway is.

use std::time::Duration;

use serde_json::json;

use super::call::Call;
use super::event::{EventsPage, HistoryPage};
use super::{Client, Error, Event, frame};
use crate::names::{said, told};
use crate::wire::HistoryItem;

impl Client {
    /// Messages behind a number, the oldest first, at most `limit`.
    pub async fn get_history(&self, session: &str, after_seq: u64, limit: u64) -> Result<Vec<HistoryItem>, Error> {
        self.history_page(session, after_seq, limit).await.map(|page| page.items)
    }

    /// As [`get_history`](Client::get_history), with what to ask for next.
    pub async fn history_page(&self, session: &str, after_seq: u64, limit: u64) -> Result<HistoryPage, Error> {
        let fields = json!({ "sessionId": session, "afterSeq": after_seq, "limit": limit });
        match self.ask(Call::new(said::GET_HISTORY, &[told::HISTORY], fields)).await?.event {
            Event::History(page) => Ok(page),
            _ => Err(Error::Unreadable(said::GET_HISTORY)),
        }
    }

    /// Events behind a number as they were told, the oldest first, at most `limit`.
    pub async fn get_events(&self, session: &str, after_seq: u64, limit: u64) -> Result<Vec<Event>, Error> {
        self.events_page(session, after_seq, limit).await.map(|page| page.events)
    }

    /// As [`get_events`](Client::get_events), with what to ask for next.
    pub async fn events_page(&self, session: &str, after_seq: u64, limit: u64) -> Result<EventsPage, Error> {
        let fields = json!({ "sessionId": session, "afterSeq": after_seq, "limit": limit });
        match self.ask(Call::new(said::GET_EVENTS, &[told::EVENTS], fields)).await?.event {
            Event::Events(page) => Ok(page),
            _ => Err(Error::Unreadable(said::GET_EVENTS)),
        }
    }

    /// The time from here to the gateway and back.
    pub async fn ping(&self) -> Result<Duration, Error> {
        let call = Call::new(said::PING, &[told::PONG], json!({ "ts": frame::unix_ms() }));
        self.ask(call).await.map(|answer| answer.after)
    }
}

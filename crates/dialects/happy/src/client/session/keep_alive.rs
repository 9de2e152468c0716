//! Saying that a session is there: only the newest word counts, and none is dropped because the line is busy.

use std::sync::Arc;

use serde_json::json;
use tokio::sync::watch;
use tokio::time::Instant;

use super::super::socket::Socket;
use super::super::{Error, Status};
use super::{SessionClient, Shared};
use crate::payload::Drive;

#[derive(Default)]
pub(super) struct Presence {
    wanted: watch::Sender<Wanted>,
    /// The number of the last word that went out.
    told: watch::Sender<u64>,
}

#[derive(Debug, Clone, Copy, Default)]
struct Wanted {
    number: u64,
    word: Option<Word>,
}

#[derive(Debug, Clone, Copy)]
enum Word {
    Alive { thinking: bool, mode: Drive },
    Dead { at: u64 },
}

impl Presence {
    fn say(&self, word: Word) {
        self.wanted.send_modify(|wanted| {
            // An end that nobody heard of yet is not taken back.
            let is_ending = matches!(wanted.word, Some(Word::Dead { .. })) && *self.told.borrow() < wanted.number;
            if !is_ending {
                *wanted = Wanted { number: wanted.number + 1, word: Some(word) };
            }
        });
    }

    /// Returns once the newest word went out, or when there is no connection for it.
    pub(super) async fn flush(&self, socket: &Socket) {
        let number = self.wanted.borrow().number;
        let mut told = self.told.subscribe();
        let went_out = told.wait_for(|told| *told >= number);
        let gone = socket.changed(&Status::Connected);
        tokio::select! {
            _ = went_out => {}
            _ = gone => {}
        }
    }
}

impl SessionClient {
    /// Says that the session is there, and whether its agent is at work: about every two seconds, and when that changes.
    pub fn keep_alive(&self, thinking: bool, mode: Drive) {
        self.0.0.presence.say(Word::Alive { thinking, mode });
    }

    /// Says that the session is over. Nothing that is said later revives it for a minute.
    pub fn send_session_death(&self) {
        let at = self.0.0.options().clock.now();
        self.0.0.presence.say(Word::Dead { at });
    }
}

/// Tells the newest word, whenever there is a connection.
pub(super) async fn tell(shared: Arc<Shared>) {
    let mut wanted = shared.presence.wanted.subscribe();
    while wanted.changed().await.is_ok() {
        loop {
            let Wanted { number, word } = *wanted.borrow_and_update();
            let Some(word) = word else { break };
            let (event, data) = match word {
                Word::Alive { thinking, mode } => {
                    // Whoever waited for a connection is still there now.
                    let time = shared.options().clock.now();
                    ("session-alive", json!({ "sid": shared.id, "time": time, "thinking": thinking, "mode": mode }))
                }
                Word::Dead { at } => ("session-end", json!({ "sid": shared.id, "time": at })),
            };
            if shared.socket.emit(event, &data).await.is_ok() {
                shared.presence.told.send_replace(number);
                break;
            }
            // Looked at again from time to time, for no connection may come any more.
            let patience = shared.options().connect_timeout;
            if let Err(Error::Refused(_) | Error::Closed) = shared.socket.connected(Instant::now() + patience).await {
                return;
            }
        }
    }
}

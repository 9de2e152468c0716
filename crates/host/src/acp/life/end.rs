//! The end of an agent: nothing of it stays, and what it did until then is told.

use std::time::Duration;

use rejoin_core::happening::Happening;
use rejoin_core::header::AgentStatus;
use serde_json::json;
use tokio::time::timeout;

use super::Life;
use super::state::{Live, State};
use crate::acp::files::told;
use crate::acp::message::Message;
use crate::voice::Voice;

/// How long an agent may take to put its session away.
const CLOSING: Duration = Duration::from_secs(1);

impl Life {
    pub(super) async fn end(&mut self) {
        self.turn = None;
        self.orders.close();
        let voice = self.voice.clone();
        for said in self.outbox.drain(..) {
            let _ = voice.say(said.turn, said.happening).await; // with nobody to hear it, the agent ends anyway
        }
        say(&voice, lives(AgentStatus::Stopping)).await;
        match std::mem::replace(&mut self.state, State::Off) {
            State::On(live) => close(*live).await,
            State::Burying(burying) => drop(burying.await),
            // What has only begun to start is killed with what starts it.
            State::Starting(_) | State::Off => {}
        }
        while let Some(done) = self.works.join_next().await {
            if let Ok(work) = done
                && let Some(changed) = work.changed
            {
                say(&voice, told(changed)).await;
            }
        }
        self.watch.end(&self.tasks);
        while !self.watch.is_ready() {
            for changed in self.watch.found(&self.tasks).await {
                say(&voice, told(changed)).await;
            }
        }
        say(&voice, lives(AgentStatus::Stopped)).await;
    }
}

fn lives(status: AgentStatus) -> Happening {
    Happening::Life { status, detail: None }
}

async fn say(voice: &Voice, happening: Happening) {
    // With nobody to hear it, the agent ends anyway.
    let _ = voice.say(None, happening).await;
}

async fn close(live: Live) {
    let Live { mut child, session, can, terminals, flight, .. } = live;
    terminals.end();
    // One that is in the middle of something would finish that first.
    if can.close && flight.is_none() {
        let closing = async {
            let number = child.request("session/close", json!({"sessionId": session})).await.ok()?;
            loop {
                match child.next().await.ok()? {
                    Message::Response { id, .. } if id == number => return Some(()),
                    _ => {}
                }
            }
        };
        let _ = timeout(CLOSING, closing).await; // it ends all the same
    }
    child.end().await;
}

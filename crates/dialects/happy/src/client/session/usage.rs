//! What a session has cost so far. A report replaces the one before, so each tells the sum.

use std::sync::{Arc, Mutex};

use serde_json::json;
use tokio::sync::watch;
use tokio::time::{Instant, sleep};

use super::super::backoff::after_conflict;
use super::super::socket::Socket;
use super::super::{Error, Status};
use super::{SessionClient, Shared};
use crate::payload::{Cost, Tokens, Usage};

pub(super) struct Meter {
    key: String,
    sum: Mutex<(Tokens, Cost)>,
    /// Counts what was added, and what of it the server knows.
    added: watch::Sender<u64>,
    told: watch::Sender<u64>,
}

impl Meter {
    pub(super) fn new(key: String) -> Meter {
        Meter { key, sum: Mutex::default(), added: watch::Sender::default(), told: watch::Sender::default() }
    }

    fn add(&self, tokens: Tokens, cost: Cost) {
        let mut sum = self.sum.lock().expect("no holder of this lock panics");
        sum.0 += tokens;
        sum.1 += cost;
        drop(sum);
        self.added.send_modify(|count| *count += 1);
    }

    /// Returns once the server knows the sum, or when there is no connection to tell it.
    pub(super) async fn flush(&self, socket: &Socket) {
        let number = *self.added.borrow();
        let mut told = self.told.subscribe();
        tokio::select! {
            _ = told.wait_for(|told| *told >= number) => {}
            _ = socket.changed(&Status::Connected) => {}
        }
    }
}

impl SessionClient {
    /// Adds what a turn has cost.
    pub fn send_usage_data(&self, usage: &Usage) {
        self.send_usage(Tokens::from(usage), Cost::default());
    }

    /// The same with money.
    pub fn send_usage(&self, tokens: Tokens, cost: Cost) {
        self.0.0.meter.add(tokens, cost);
    }
}

/// Tells the sum, whenever it has grown and there is a connection.
pub(super) async fn tell(shared: Arc<Shared>) {
    let mut added = shared.meter.added.subscribe();
    let mut failures = 0;
    while added.wait_for(|added| *added > *shared.meter.told.borrow()).await.is_ok() {
        let number = *added.borrow_and_update();
        match report(&shared).await {
            Ok(()) => failures = 0,
            Err(Error::Refused(_) | Error::Closed) => return,
            // The server does not want it; the next sum may be better.
            Err(error @ Error::Rejected { .. }) => tracing::warn!(session.id = shared.id, %error, "happy: usage"),
            Err(_) => {
                failures += 1;
                sleep(after_conflict(failures)).await;
                continue;
            }
        }
        shared.meter.told.send_replace(number);
    }
}

async fn report(shared: &Shared) -> Result<(), Error> {
    const DOING: &str = "reporting usage";
    shared.socket.connected(Instant::now() + shared.options().request_timeout).await?;
    let (tokens, cost) = *shared.meter.sum.lock().expect("no holder of this lock panics");
    let report = json!({ "key": shared.meter.key, "sessionId": shared.id, "tokens": tokens, "cost": cost });
    let answer = shared.socket.call(DOING, "usage-report", Some(&report), shared.options().ack_timeout).await?;
    match answer["success"] == true {
        true => Ok(()),
        false => Err(Error::Rejected { doing: DOING, text: answer["error"].as_str().unwrap_or_default().to_owned() }),
    }
}

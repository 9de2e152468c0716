//! The way of older servers: over the socket, which confirms nothing. What arrived is seen by reading it back.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use serde_json::json;
use tokio::time::{Instant, sleep};

use super::super::Error;
use super::super::api::NewMessage;
use super::super::backoff::Backoff;
use super::Flusher;
use crate::wire::Posted;

/// What is handed over before it is read back: the server shows the newest 150, and others write as well.
const TOGETHER: usize = 50;
/// How often a message is handed over before we give up. Servers that have its id store it once.
const ROUNDS: usize = 4;
/// Looks for a message after it was handed over.
const LOOKS: usize = 6;
const FIRST_LOOK: Duration = Duration::from_millis(50);
const LONGEST_LOOK: Duration = Duration::from_secs(2);

impl Flusher {
    /// Hands messages over and finds out which of them have arrived. An error is one of the connection.
    pub(super) async fn over_socket(&self, batch: &[Arc<NewMessage>]) -> Result<Vec<Result<Posted, Error>>, Error> {
        let batch = &batch[..batch.len().min(TOGETHER)];
        let mut found: HashMap<&str, Result<Posted, Error>> = HashMap::new();
        for _ in 0..ROUNDS {
            self.socket.connected(Instant::now() + self.api.options().request_timeout).await?;
            for message in batch {
                if found.contains_key(&*message.local_id) {
                    continue;
                }
                let event = json!({ "sid": self.session, "message": message.content, "localId": message.local_id });
                match self.socket.emit("message", &event).await {
                    Err(error @ Error::TooLarge { .. }) => drop(found.insert(&message.local_id, Err(error))),
                    outcome => outcome?,
                }
            }
            if self.look(batch, &mut found).await? {
                break;
            }
        }
        let outcome = |message: &Arc<NewMessage>| found.remove(&*message.local_id).unwrap_or(Err(Error::Unconfirmed));
        Ok(batch.iter().map(outcome).collect())
    }

    /// Whether all of them are there.
    async fn look<'a>(
        &self,
        batch: &'a [Arc<NewMessage>],
        found: &mut HashMap<&'a str, Result<Posted, Error>>,
    ) -> Result<bool, Error> {
        let mut backoff = Backoff::new(FIRST_LOOK, LONGEST_LOOK);
        for _ in 0..LOOKS {
            let newest = self.api.newest_messages(&self.session).await?;
            for message in newest {
                let Some(local_id) = &message.local_id else { continue };
                let Some(ours) = batch.iter().find(|ours| ours.local_id == *local_id) else { continue };
                let posted = Posted {
                    id: message.id,
                    seq: message.seq,
                    local_id: message.local_id,
                    created_at: message.created_at,
                    updated_at: message.updated_at,
                };
                found.insert(&ours.local_id, Ok(posted));
            }
            if batch.iter().all(|message| found.contains_key(&*message.local_id)) {
                return Ok(true);
            }
            sleep(backoff.next_wait()).await;
        }
        Ok(false)
    }
}

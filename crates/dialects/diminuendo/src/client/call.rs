//! Sending messages: those that want an answer, and those that do not.

use serde_json::Value;
use tokio::sync::{OwnedSemaphorePermit, oneshot};
use tokio::time::timeout;
use tokio_tungstenite::tungstenite::Utf8Bytes;

use super::pump::OUTBOX;
use super::pump::given::{Answer, Ask, Given, Reply, Tell, What};
use super::{Client, Error, frame};
use crate::names::LARGEST_MESSAGE;
use crate::wire::Code;

/// A request.
pub(super) struct Call {
    pub(super) kind: &'static str,
    /// The events that may answer it.
    pub(super) expects: &'static [&'static str],
    pub(super) session: Option<String>,
    pub(super) path: Option<String>,
    pub(super) after: Option<u64>,
    pub(super) fields: Value,
}

impl Call {
    pub(super) fn new(kind: &'static str, expects: &'static [&'static str], fields: Value) -> Call {
        let text = |name: &str| fields[name].as_str().map(str::to_owned);
        let (session, path) = (text("sessionId"), text("path"));
        Call { kind, expects, session, path, after: fields["afterSeq"].as_u64(), fields }
    }
}

impl Client {
    /// Sends a request and waits for its answer.
    pub(super) async fn ask(&self, call: Call) -> Result<Answer, Error> {
        let (id, room, frame) = self.prepared(call.kind, call.fields)?;
        let (caller, answered) = oneshot::channel();
        let Call { kind, expects, session, path, after, .. } = Call { fields: Value::Null, ..call };
        let what = What::Ask(Ask { expects, path, after, reply: Reply::Caller(caller) });
        self.0.0.give(Given { kind, id, frame, session, what, room: Some(room) })?;
        match timeout(self.0.0.options.request_timeout, answered).await {
            Ok(answer) => answer.unwrap_or(Err(Error::NotConnected)),
            Err(_) => Err(Error::Timeout(kind)),
        }
    }

    /// Sends a message that has no answer. It waits while there is no connection.
    pub(super) fn tell(&self, kind: &'static str, tell: Tell, fields: Value) -> Result<(), Error> {
        let session = fields["sessionId"].as_str().map(str::to_owned);
        let (id, room, frame) = self.prepared(kind, fields)?;
        self.0.0.give(Given { kind, id, frame, session, what: What::Tell(tell), room: Some(room) })
    }

    fn prepared(&self, kind: &'static str, fields: Value) -> Result<(String, OwnedSemaphorePermit, Utf8Bytes), Error> {
        let shared = &self.0.0;
        if !shared.goes_on() {
            return Err(Error::NotConnected);
        }
        let room = shared.room.clone().try_acquire_owned().map_err(|_| Error::OutboxFull(OUTBOX))?;
        let id = shared.next_id();
        let frame = frame::write(kind, fields, &id, &shared.options);
        if frame.len() > LARGEST_MESSAGE {
            // The gateway would say the same, and could not say of which message.
            let code = Code::MessageTooLarge.as_str().to_owned();
            let message = format!("The message is larger than {LARGEST_MESSAGE} bytes");
            return Err(Error::Gateway { code, message, retry_after: None });
        }
        Ok((id, room, frame))
    }
}

//! A Socket.IO connection that comes back by itself: events both ways, and answers to them.
//!
//! Nothing is kept for a later connection here. Who must not lose what it says asks again; what that takes is known above.

mod calls;
mod carry;
mod pump;
mod shake;

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use serde::Serialize;
use serde_json::{Value, json};
use tokio::sync::{mpsc, watch};
use tokio::time::{Instant, timeout, timeout_at};
use tokio_util::sync::CancellationToken;

use super::{Error, Options};
use crate::packet::{self, Body, Engine, Message};
pub(super) use calls::Answer;
use calls::Calls;
use pump::Pump;

/// Packets that wait to be written. Who has more to say waits.
const OUTGOING: usize = 256;
/// Events that wait to be heard. When they are full the socket is not read.
const HEARD: usize = 64;
/// What fits into a packet where the server does not say.
const USUAL_PAYLOAD: usize = 1_000_000;

/// Whose socket it is, which decides what it hears.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Scope {
    /// True: somebody is looking, so that no phone needs to ring.
    User {
        is_active: bool,
    },
    Session(String),
    Machine(String),
}

/// What a server says over a socket, in order.
#[derive(Debug)]
pub(super) enum Heard {
    Connected,
    Lost,
    /// The last thing that is heard: there is no use in coming back.
    Refused,
    Event {
        name: String,
        /// The first argument, as it came; `null` if there is none.
        data: String,
        reply: Option<Reply>,
    },
}

/// Where the answer to an event goes.
#[derive(Debug, Clone, Copy)]
pub(super) struct Reply {
    epoch: u64,
    id: u64,
}

/// Whether there is a connection.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Status {
    /// Not yet, or not any more: it is tried again and again.
    Connecting,
    Connected,
    /// The server lets nobody in with this token, for this reason. It is not tried again.
    Refused(String),
    /// Somebody here closed it.
    Closed,
}

#[derive(Debug, Clone)]
struct State {
    status: Status,
    /// Counts connections.
    epoch: u64,
    max_payload: usize,
    /// The server confirms messages once it has kept them.
    confirms: bool,
}

/// Our end of the connection. Cheap to clone; it lives until it is closed.
#[derive(Clone)]
pub(super) struct Socket(Arc<Shared>);

struct Shared {
    options: Options,
    outgoing: mpsc::Sender<Outgoing>,
    state: watch::Sender<State>,
    calls: Calls,
    stop: CancellationToken,
}

struct Outgoing {
    /// For this connection and no other.
    epoch: u64,
    packet: String,
}

impl Socket {
    /// Connects, in the background.
    pub(super) fn open(options: &Options, token: &str, scope: &Scope) -> (Socket, mpsc::Receiver<Heard>) {
        let (outgoing, outgoing_out) = mpsc::channel(OUTGOING);
        let (heard, heard_out) = mpsc::channel(HEARD);
        let state = State { status: Status::Connecting, epoch: 0, max_payload: USUAL_PAYLOAD, confirms: false };
        let stop = CancellationToken::new();
        let shared = Arc::new(Shared {
            options: options.clone(),
            outgoing,
            state: watch::Sender::new(state),
            calls: Calls::default(),
            stop: stop.clone(),
        });
        let auth = scope.auth(token, &options.label);
        let pump = Pump::new(shared.clone(), auth, outgoing_out, heard);
        tokio::spawn(pump.run());
        (Socket(shared), heard_out)
    }

    pub(super) fn status(&self) -> Status {
        self.0.state.borrow().status.clone()
    }

    /// Returns once the status is another than this one, and says which.
    pub(super) async fn changed(&self, from: &Status) -> Status {
        let mut state = self.0.state.subscribe();
        let changed = state.wait_for(|state| state.status != *from).await;
        changed.map_or(Status::Closed, |state| state.status.clone())
    }

    /// Waits for a connection.
    pub(super) async fn connected(&self, until: Instant) -> Result<(), Error> {
        let mut state = self.0.state.subscribe();
        let settled = state.wait_for(|state| state.status != Status::Connecting);
        match timeout_at(until, settled).await {
            Err(_) => Err(Error::Timeout("connecting")),
            Ok(Err(_)) => Err(Error::Closed),
            Ok(Ok(state)) => state.usable().map(drop),
        }
    }

    /// The bytes that fit into one packet.
    pub(super) fn max_payload(&self) -> usize {
        self.0.state.borrow().max_payload
    }

    /// Sends an event. It is on its way then; whether it arrives is not known.
    pub(super) async fn emit(&self, name: &str, data: &Value) -> Result<(), Error> {
        let epoch = self.0.state.borrow().usable()?;
        self.send(epoch, self.event(None, name, data)?).await
    }

    /// Sends an event and waits for its answer.
    pub(super) async fn call(
        &self,
        doing: &'static str,
        name: &str,
        data: Option<&Value>,
        patience: Duration,
    ) -> Result<Value, Error> {
        let epoch = self.0.state.borrow().usable()?;
        let call = self.0.calls.begin()?;
        // Whoever clears the calls of a lost connection has raised the number before.
        if self.0.state.borrow().usable()? != epoch {
            return Err(Error::NotConnected);
        }
        let packet = match data {
            Some(data) => self.event(Some(call.id), name, data)?,
            None => {
                let body = Body::Event { ack: Some(call.id), name: name.into(), args: Vec::new() };
                let message = Message { namespace: self.namespace(), body }.to_string();
                Engine::Message(&message).to_string()
            }
        };
        let answer = async {
            self.send(epoch, packet).await?;
            call.answer().await
        };
        timeout(patience, answer).await.unwrap_or(Err(Error::Timeout(doing)))
    }

    /// The number of a connection whose server confirms messages, if there is one now.
    pub(super) fn confirming(&self) -> Option<u64> {
        let state = self.0.state.borrow();
        state.usable().ok().filter(|_| state.confirms)
    }

    /// Sends an event over this connection and no other. Its answer may be waited for later, behind those of others.
    pub(super) async fn ask(&self, epoch: u64, name: &str, data: &impl Serialize) -> Result<Answer, Error> {
        let (id, answer) = self.0.calls.expect()?;
        // Whoever clears the calls of a lost connection has raised the number before.
        if self.0.state.borrow().usable()? != epoch {
            return Err(Error::NotConnected);
        }
        let packet = packet::event(self.namespace(), Some(id), name, data).map_err(|_| Error::Unreadable("event"))?;
        self.send(epoch, self.fits("event", packet)?).await?;
        Ok(answer)
    }

    /// Answers an event. Nobody waits for the answer once the connection is lost.
    pub(super) async fn answer(&self, reply: Reply, value: &str) -> Result<(), Error> {
        let packet = packet::ack(self.namespace(), reply.id, value).map_err(|_| Error::Unreadable("answer"))?;
        let packet = self.fits("answer", packet)?;
        self.send(reply.epoch, packet).await
    }

    /// Disconnects for good. What was said before still goes out.
    pub(super) fn close(&self) {
        self.0.stop.cancel();
    }

    pub(super) fn is_closed(&self) -> bool {
        self.0.stop.is_cancelled()
    }

    async fn send(&self, epoch: u64, packet: String) -> Result<(), Error> {
        self.0.outgoing.send(Outgoing { epoch, packet }).await.map_err(|_| self.over())
    }

    fn over(&self) -> Error {
        match self.0.state.borrow().usable() {
            Err(error) => error,
            Ok(_) => Error::NotConnected,
        }
    }

    fn event(&self, ack: Option<u64>, name: &str, data: &Value) -> Result<String, Error> {
        let packet = packet::event(self.namespace(), ack, name, data).map_err(|_| Error::Unreadable("event"))?;
        self.fits("event", packet)
    }

    fn fits(&self, what: &'static str, packet: String) -> Result<String, Error> {
        let (size, limit) = (packet.len(), self.max_payload());
        if size > limit { Err(Error::TooLarge { what, size, limit }) } else { Ok(packet) }
    }

    fn namespace(&self) -> &str {
        self.0.options.server.namespace()
    }
}

impl State {
    /// The number of the connection that there is.
    fn usable(&self) -> Result<u64, Error> {
        match &self.status {
            Status::Connected => Ok(self.epoch),
            Status::Connecting => Err(Error::NotConnected),
            Status::Refused(why) => Err(Error::Refused(why.clone())),
            Status::Closed => Err(Error::Closed),
        }
    }
}

impl Scope {
    fn auth(&self, token: &str, label: &str) -> Value {
        let mut auth = json!({ "token": token, "happyClient": label, packet::CONFIRMED: true });
        match self {
            Scope::User { is_active } => {
                auth["clientType"] = "user-scoped".into();
                auth["appState"] = if *is_active { "active" } else { "background" }.into();
            }
            Scope::Session(id) => {
                auth["clientType"] = "session-scoped".into();
                auth["sessionId"] = id.as_str().into();
            }
            Scope::Machine(id) => {
                auth["clientType"] = "machine-scoped".into();
                auth["machineId"] = id.as_str().into();
            }
        }
        auth
    }
}

impl fmt::Debug for Socket {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.debug_struct("Socket").field("status", &self.status()).finish_non_exhaustive()
    }
}

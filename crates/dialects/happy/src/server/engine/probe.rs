//! A WebSocket that wants to take a polling session over.

use std::sync::Arc;

use bytes::Bytes;
use rejoin_core::position::Millis;
use rejoin_ports::clock::Clock;
use rejoin_socket::{Incoming, Socket, WriteError, frame};

use super::outgoing::Packet;
use super::polling::Session;
use super::refused::Refused;
use crate::packet::{Engine, PROBE};

/// How long a client may take from opening the WebSocket to using it.
const UPGRADE_MS: Millis = 10_000;

/// The right to try, which is given back when it is dropped unused.
pub(super) struct Trying {
    session: Option<Arc<Session>>,
}

impl Trying {
    pub(super) fn begin(session: Arc<Session>) -> Result<Trying, Refused> {
        session.begin_trying()?;
        Ok(Trying { session: Some(session) })
    }

    /// Lets the client prove its socket, and hands that to the session.
    pub(super) async fn prove(mut self, mut socket: Socket, clock: Arc<dyn Clock>) {
        let Some(session) = self.session.clone() else { return };
        let late = clock.until(clock.now() + UPGRADE_MS);
        let proven = tokio::select! {
            proven = talk(&session, &mut socket) => proven.unwrap_or(false),
            () = late => false,
            () = session.over() => false,
        };
        if proven {
            self.session = None;
            session.switch(Box::new(socket));
        } else {
            drop(self);
            socket.part(frame::code::NORMAL, "").await;
        }
    }
}

impl Drop for Trying {
    fn drop(&mut self) {
        if let Some(session) = &self.session {
            session.stay_with_polling();
        }
    }
}

/// Says whether the client is done with polling.
async fn talk(session: &Session, socket: &mut Socket) -> Result<bool, WriteError> {
    let pong: Bytes = Packet::new(&Engine::Pong(PROBE).to_string()).framed().clone();
    let mut probed = false;
    while let Some(Ok(heard)) = socket.reading.next().await {
        match heard {
            Incoming::Ping(payload) => socket.writing.pong(&payload),
            Incoming::Pong(_) => {}
            Incoming::Text(text) => match Engine::decode(&text) {
                Ok(Engine::Ping(PROBE)) if !probed => {
                    probed = true;
                    socket.writing.push(pong.clone())?;
                    socket.writing.flush().await?;
                    session.let_polls_end();
                }
                Ok(Engine::Upgrade) if probed => return Ok(true),
                _ => return Ok(false),
            },
            Incoming::Binary(_) | Incoming::Close(_) => return Ok(false),
        }
        socket.writing.flush().await?;
    }
    Ok(false)
}

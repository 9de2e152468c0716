//! The handshake: from an open socket to somebody who is signed in.

use std::time::Duration;

use futures_util::{SinkExt, StreamExt};
use tokio::time::{Instant, timeout_at};
use tokio_tungstenite::tungstenite::Message;

use super::hear::Note;
use super::{Frames, Pump, Sink};
use crate::client::event::Opened;
use crate::client::{Error, Event, dial, frame};
use crate::names::{DOTTED_VERSION, PROTOCOL_VERSION};
use crate::wire::Code;

/// How long a gateway that wants no token may take to say who we are.
const UNASKED: Duration = Duration::from_millis(500);
/// Frames before the handshake is done. There should be three.
const FRAMES: usize = 64;

impl Pump {
    /// Connects and signs in.
    pub(super) async fn open(&mut self) -> Result<(Sink, Frames), Error> {
        let deadline = Instant::now() + self.shared.options.connect_timeout;
        let opening = async {
            let socket = dial::open(&self.shared.options).await?;
            self.is_open = true;
            self.shared.opened(&self.stop);
            self.emit(Event::Opened(Opened), 0);
            let (mut sink, mut frames) = socket.split();
            self.watch = super::Watch::new(self.shared.options.ping_interval, Instant::now());
            self.shake(&mut sink, &mut frames).await?;
            Ok((sink, frames))
        };
        timeout_at(deadline, opening).await.unwrap_or(Err(Error::ConnectTimeout))
    }

    async fn shake(&mut self, sink: &mut Sink, frames: &mut Frames) -> Result<(), Error> {
        // Set once the gateway has said that it wants no token.
        let mut unasked: Option<Instant> = None;
        for _ in 0..FRAMES {
            let message = match unasked {
                None => frames.next().await,
                Some(until) => match timeout_at(until, frames.next()).await {
                    Ok(message) => message,
                    Err(_) => {
                        self.shared.signed_in(&self.stop, None);
                        return Ok(());
                    }
                },
            };
            let text = match message {
                Some(Ok(Message::Text(text))) => text,
                Some(Ok(Message::Close(_))) | None => return Err(Error::NotConnected),
                Some(Ok(_)) => continue,
                Some(Err(why)) => return Err(Error::socket("signing in", why)),
            };
            match self.hear(&text, Instant::now()) {
                Note::Welcome(welcome) => {
                    if ![PROTOCOL_VERSION, DOTTED_VERSION].contains(&welcome.protocol_version) {
                        let message = format!("the gateway speaks version {}", welcome.protocol_version);
                        let code = Code::VersionMismatch.as_str().to_owned();
                        return Err(Error::Gateway { code, message, retry_after: None });
                    }
                    if !welcome.requires_auth {
                        unasked = Some(Instant::now() + UNASKED);
                    } else if self.shared.options.token.is_empty() {
                        return Err(Error::AuthRequired);
                    } else {
                        let frame = frame::authenticate(&self.shared.next_id(), &self.shared.options);
                        sink.send(Message::Text(frame)).await.map_err(|why| Error::socket("signing in", why))?;
                    }
                }
                Note::SignedIn => return Ok(()),
                Note::Refused(error) => return Err(error),
                Note::Nothing => {}
            }
        }
        Err(Error::Unreadable("authenticate"))
    }
}

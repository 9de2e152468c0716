//! The task behind a subscription: connects, carries items one way and commands the other, and connects again.

use std::pin::pin;
use std::sync::Arc;

use futures_util::{SinkExt, StreamExt};
use rejoin_core::id::SessionId;
use rejoin_core::position::{Heard, Millis};
use tokio::sync::mpsc;
use tokio_tungstenite::tungstenite::Message;
use tokio_tungstenite::tungstenite::protocol::CloseFrame;

use super::dial::{Lost, Socket};
use super::frame::{self, Frame};
use super::outbox::{Given, Kept, Outbox};
use super::track::{Taken, Track};
use super::{Item, JoinFrom};
use crate::client::{Backoff, Client, Error, Problem};

/// How long a connection may be silent before we ask whether anybody is there.
const QUIET_MS: Millis = 20_000;
/// How long the answer may take before the connection is taken for dead.
const PATIENCE_MS: Millis = 15_000;
/// The gateway's close codes: the key was revoked or has expired, and the session was deleted.
const SIGNED_OUT: u16 = 4401;
const DELETED: u16 = 4404;

type Items = mpsc::Sender<Result<Item, Error>>;

pub(super) struct Pump {
    client: Client,
    session: SessionId,
    /// Absent until the session was looked at, with [`JoinFrom::Now`].
    track: Option<Track>,
    items: Items,
    given: mpsc::Receiver<Given>,
    outbox: Outbox,
    backoff: Backoff,
    /// Whether there was a connection before.
    joined: bool,
}

/// Why one connection is over.
enum Over {
    Lost(Lost),
    Deleted,
    /// Whoever followed is gone.
    Unheard,
}

impl From<Lost> for Over {
    fn from(lost: Lost) -> Over {
        Over::Lost(lost)
    }
}

impl Pump {
    pub(super) fn new(
        client: Client,
        session: SessionId,
        from: JoinFrom,
        items: Items,
        given: mpsc::Receiver<Given>,
    ) -> Pump {
        let track = match from {
            JoinFrom::Start => Some(Track::at(Heard::NOTHING)),
            JoinFrom::After(heard) => Some(Track::at(heard)),
            JoinFrom::Now => None,
        };
        Pump {
            client,
            session,
            track,
            items,
            given,
            outbox: Outbox::default(),
            backoff: Backoff::fresh(),
            joined: false,
        }
    }

    pub(super) async fn run(mut self) {
        let items = self.items.clone();
        let end = tokio::select! {
            end = self.follow() => end,
            () = items.closed() => None,
        };
        self.given.close();
        while let Ok(given) = self.given.try_recv() {
            self.outbox.push(given);
        }
        self.outbox.close(end.as_ref());
        if let Some(error) = end {
            let _ = self.items.send(Err(error)).await; // nobody may be left to hear it
        }
    }

    /// Connects again and again; returns the error that no other attempt would cure, if that was the end.
    async fn follow(&mut self) -> Option<Error> {
        loop {
            self.outbox.again();
            let why = match self.one_connection().await {
                Over::Unheard => return None,
                Over::Deleted => {
                    let _ = self.items.send(Ok(Item::Deleted)).await;
                    return None;
                }
                Over::Lost(Lost::ForGood(error)) => {
                    let gone = error.problem().is_some_and(Problem::is_not_found);
                    if gone && self.joined {
                        let _ = self.items.send(Ok(Item::Deleted)).await;
                        return None;
                    }
                    return Some(error);
                }
                Over::Lost(Lost::Passing(why)) => why,
            };
            if !self.pause(why).await {
                return None;
            }
        }
    }

    /// Tells that there is no connection, and waits a little. False: nobody is there to be told.
    async fn pause(&mut self, why: Arc<str>) -> bool {
        let wait = self.backoff.next_wait();
        let until = self.client.0.clock.now() + wait.as_millis() as Millis;
        let attempt = self.backoff.tries();
        let told = Item::Reconnecting { attempt, wait, why };
        if self.items.send(Ok(told)).await.is_err() {
            return false;
        }
        self.client.0.clock.until(until).await;
        true
    }

    async fn one_connection(&mut self) -> Over {
        let track = match self.join().await {
            Ok(track) => track,
            Err(over) => return over,
        };
        let socket = match self.client.dial(&self.session, track.heard()).await {
            Ok(socket) => socket,
            Err(lost) => return lost.into(),
        };
        self.joined = true;
        if self.items.send(Ok(Item::Connected)).await.is_err() {
            return Over::Unheard;
        }
        self.carry(socket).await
    }

    /// Where to begin: with [`JoinFrom::Now`] the session is looked at first.
    async fn join(&mut self) -> Result<Track, Over> {
        if let Some(track) = self.track {
            return Ok(track);
        }
        let view = match self.client.session(&self.session).await {
            Ok(view) => view,
            Err(Error::Problem(problem)) => return Err(Lost::from_answer(problem).into()),
            Err(error @ Error::Transport { .. }) => return Err(Lost::passing(error).into()),
            Err(error) => return Err(Lost::ForGood(error).into()),
        };
        let track = Track::at(view.position.into());
        self.track = Some(track);
        let told = self.items.send(Ok(Item::Joined(Box::new(view)))).await;
        told.map(|()| track).map_err(|_| Over::Unheard)
    }

    /// Carries both ways until the connection is lost.
    ///
    /// A frame is read only when there is room for what it may bring: that is the backpressure. Writing goes on beside
    /// it, so that a gateway that waits for us to read cannot stop us from reading.
    async fn carry(&mut self, socket: Socket) -> Over {
        let clock = self.client.0.clock.clone();
        let items = self.items.clone();
        let (mut sink, mut frames) = socket.split();
        let mut watch = Watch::new(clock.now());
        let mut room = None;
        let mut writing = false;
        let mut retry_at: Option<Millis> = None;
        loop {
            if !writing && let Some(frame) = self.outbox.next() {
                if let Err(why) = sink.feed(Message::text(frame)).await {
                    return Lost::from_socket(why).into();
                }
                writing = true;
            }
            let wake_at = watch.wake_at().min(retry_at.unwrap_or(Millis::MAX));
            let waking = pin!(clock.until(wake_at));
            tokio::select! {
                reserved = items.reserve(), if room.is_none() => match reserved {
                    Ok(permit) => {
                        room = Some(permit);
                        // Not having read, we could not have heard.
                        watch.heard(clock.now());
                    }
                    Err(_) => return Over::Unheard,
                },
                frame = frames.next(), if room.is_some() => {
                    watch.heard(clock.now());
                    let message = match frame {
                        Some(Ok(message)) => message,
                        Some(Err(why)) => return Lost::from_socket(why).into(),
                        None => return Lost::passing("the connection was closed").into(),
                    };
                    match self.take(message) {
                        Ok(Taking::Item(item)) => {
                            let permit = room.take().expect("a frame is read only with room for it");
                            permit.send(Ok(item));
                        }
                        Ok(Taking::Nothing) => {}
                        Ok(Taking::Later) => {
                            retry_at = Some(clock.now() + self.backoff.next_wait().as_millis() as Millis);
                        }
                        Err(over) => return over,
                    }
                }
                written = sink.flush(), if writing => match written {
                    Ok(()) => writing = false,
                    Err(why) => return Lost::from_socket(why).into(),
                },
                Some(given) = self.given.recv() => self.outbox.push(given),
                () = waking => {
                    let now = clock.now();
                    if retry_at.is_some_and(|at| at <= now) {
                        retry_at = None;
                        self.outbox.again();
                    }
                    // While there is no room we do not listen, and silence means nothing.
                    match watch.due(now, room.is_some()) {
                        Due::Nothing => {}
                        Due::Dead => return Lost::passing("the gateway is silent").into(),
                        Due::Ping => {
                            if !writing {
                                if let Err(why) = sink.feed(Message::text(frame::ping(now))).await {
                                    return Lost::from_socket(why).into();
                                }
                                writing = true;
                            }
                        }
                    }
                }
            }
        }
    }

    fn take(&mut self, message: Message) -> Result<Taking, Over> {
        let text = match message {
            Message::Text(text) => text,
            Message::Close(frame) => return Err(closed(frame)),
            _ => return Ok(Taking::Nothing),
        };
        let frame = frame::read(&text).map_err(Lost::ForGood)?;
        let track = self.track.as_mut().expect("a connection has a beginning");
        // It answers, so the next loss begins with a short wait; a refusal for now is no such sign.
        if !matches!(frame, Frame::Refused(..)) {
            self.backoff.worked();
        }
        Ok(match frame {
            Frame::Event(event) => match track.take(event.position()) {
                Taken::New => Taking::Item(Item::Event(event)),
                Taken::Known => Taking::Nothing,
                Taken::Foreign => {
                    // The gateway owes us a gap; asked anew from where we are, it will see that.
                    return Err(Lost::passing("the log is in another life").into());
                }
            },
            Frame::Gap(view) => {
                track.begin_anew(view.position);
                Taking::Item(Item::Gap(view))
            }
            Frame::CaughtUp(at) => {
                track.caught_up(at);
                Taking::Item(Item::CaughtUp(at))
            }
            Frame::Ack(done) => {
                self.outbox.done(done);
                Taking::Nothing
            }
            Frame::Refused(id, problem) => match self.outbox.refused(&id, problem) {
                Kept::No => Taking::Nothing,
                Kept::ForLater => Taking::Later,
            },
            Frame::Deleted => return Err(Over::Deleted),
            Frame::Stopping | Frame::Other => Taking::Nothing,
        })
    }
}

/// What a frame was good for.
enum Taking {
    Item(Item),
    Nothing,
    /// A command was refused for now.
    Later,
}

/// What a close frame means.
fn closed(frame: Option<CloseFrame>) -> Over {
    let Some(CloseFrame { code, reason }) = frame else {
        return Lost::passing("the connection was closed").into();
    };
    match u16::from(code) {
        SIGNED_OUT => {
            let detail = match reason.is_empty() {
                true => "the key or token is not valid any more".to_owned(),
                false => reason.to_string(),
            };
            Lost::ForGood(Problem::new(401, "invalid_token", detail).into()).into()
        }
        DELETED => Over::Deleted,
        _ if !reason.is_empty() => Lost::passing(reason).into(),
        code => Lost::passing(format!("the gateway closed the connection ({code})")).into(),
    }
}

/// Notices a connection that died without a word.
struct Watch {
    heard_at: Millis,
    pinged_at: Option<Millis>,
}

enum Due {
    Nothing,
    Ping,
    Dead,
}

impl Watch {
    fn new(now: Millis) -> Watch {
        Watch { heard_at: now, pinged_at: None }
    }
    fn heard(&mut self, now: Millis) {
        *self = Watch::new(now);
    }
    fn wake_at(&self) -> Millis {
        match self.pinged_at {
            Some(at) => at + PATIENCE_MS,
            None => self.heard_at + QUIET_MS,
        }
    }
    fn due(&mut self, now: Millis, listening: bool) -> Due {
        if !listening {
            self.heard(now);
        }
        if now < self.wake_at() {
            return Due::Nothing;
        }
        if self.pinged_at.is_some() {
            return Due::Dead;
        }
        self.pinged_at = Some(now);
        Due::Ping
    }
}

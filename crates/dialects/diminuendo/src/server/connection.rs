//! One connection: a single task that waits for the client, for the sessions it joined, for its tenant, for the answer to a
//! request, and for time.

mod farewell;
mod joined;

use std::collections::VecDeque;
use std::net::IpAddr;
use std::pin::{Pin, pin};
use std::sync::Arc;

use bytes::{Bytes, BytesMut};
use futures_util::FutureExt;
use rejoin_core::id::SessionId;
use rejoin_core::position::Millis;
use rejoin_ports::sign_in::Over;
use rejoin_socket::{Due, Incoming, Keepalive, Reading, Socket, Violation, WriteError, Writing, frame};
use serde_json::{Value, json};

use self::joined::Joined;
use super::failure::Refused;
use super::followed::{Followed, News};
use super::rate::{Rate, Verdict};
use super::request::{self, Said};
use super::tenant::{self, Line, Listening, Missed};
use super::who::Who;
use super::work::{self, Asking, Done, Effect};
use super::{Hall, close};
use crate::names::{self, Naming, told};
use crate::wire::Code;

/// Requests that a client may have unanswered; beyond that nothing more is read from it.
const ASKED: usize = 64;
const ASKED_BYTES: usize = 2 << 20;
/// What one write gathers.
const GATHERED_CHUNKS: usize = 64;
const GATHERED_BYTES: usize = 256 << 10;
/// A client that has not signed in by then is let go.
const SIGN_IN_MS: Millis = 30_000;
/// A quiet client is asked whether it is there, and is dead 75 seconds after it was last heard.
const QUIET_MS: Millis = 30_000;
const PATIENCE_MS: Millis = 45_000;
/// A client that takes nothing for so long is let go; the log has it all when it comes back.
const STALLED_MS: Millis = 120_000;
/// Changes of the tenant's list that the client was told of in an answer, and must not hear again: as many as may wait to
/// be heard.
const OWN: usize = tenant::KEPT;

pub(super) type Waiting<T> = Pin<Box<dyn Future<Output = T> + Send>>;

/// The end of a connection: its code and reason.
type Parting = (u16, &'static str);

/// How a connection begins.
pub(super) struct Begin {
    pub(super) peer: Option<IpAddr>,
    pub(super) version: u64,
    pub(super) naming: Naming,
}

struct Connection {
    door: Hall,
    begin: Begin,
    /// What clients know as their `clientId`.
    name: Arc<str>,
    who: Option<Who>,
    listening: Option<Listening>,
    joined: Joined,
    writing: Writing,
    /// What we say ourselves. It waits here while the writer is busy: behind a large batch the writer takes nothing more.
    words: BytesMut,
    asked: VecDeque<Said>,
    running: Option<Waiting<Done>>,
    rate: Rate,
    own: VecDeque<(SessionId, u64)>,
    parting: Option<Parting>,
    keepalive: Keepalive,
    began_at: Millis,
    heartbeat_at: Millis,
    /// How far the writer was when it was first seen waiting, and when.
    stalled: Option<(u64, Millis)>,
    /// The client was told that we stop.
    warned: bool,
}

/// What woke the task.
enum Woken {
    Heard(Option<Result<Incoming, Violation>>),
    News(Box<(Followed, News)>),
    Written(Result<(), WriteError>),
    Done(Done),
    Over,
    Listed,
    Draining,
    Stopped,
    Time,
}

/// Serves a connection until its end. One box for all of it, so that the task around it stays small.
pub(super) fn serve(door: Hall, begin: Begin, socket: Socket) -> Waiting<()> {
    let Socket { reading, writing } = socket;
    let now = door.options.clock.now();
    let connection = Connection {
        name: uuid::Uuid::now_v7().to_string().into(),
        who: None,
        listening: None,
        joined: Joined::default(),
        writing,
        words: BytesMut::new(),
        asked: VecDeque::new(),
        running: None,
        rate: Rate::new(door.options.messages_per_window.get()),
        own: VecDeque::new(),
        parting: None,
        keepalive: Keepalive::new(QUIET_MS, PATIENCE_MS, now),
        began_at: now,
        heartbeat_at: now + names::HEARTBEAT_MS,
        stalled: None,
        warned: false,
        begin,
        door,
    };
    Box::pin(connection.live(reading))
}

impl Connection {
    async fn live(mut self, mut reading: Reading) {
        let door = self.door.clone();
        let _counted = door.viewers.connected();
        self.greet();
        let mut over: Waiting<Over> = Box::pin(std::future::pending());
        let mut timer = self.wake_in(QUIET_MS);
        // Once for the connection: each new one would be entered in a list that all connections share.
        let (mut draining, mut stopped) =
            (pin!(door.options.draining.cancelled()), pin!(door.options.stop.cancelled()));
        let parting = loop {
            if let Some(parting) = self.parting {
                break Some(parting);
            }
            self.begin_next();
            if self.writing.waiting() == 0 {
                self.speak();
            }
            let written = self.writing.waiting() == 0;
            let may_read = self.has_room();
            // Not while a request is under way: what it changes is told by its answer.
            let hears_tenant = written && self.running.is_none() && self.listening.is_some();
            let Connection { joined, writing, running, listening, warned, .. } = &mut self;
            let woken = tokio::select! {
                _ = &mut over => Woken::Over,
                flushed = writing.flush(), if !written => Woken::Written(flushed),
                done = async { running.as_mut().expect("checked").await }, if running.is_some() => Woken::Done(done),
                heard = reading.next(), if may_read => Woken::Heard(heard),
                // Also when none is joined: those that were left end here.
                news = joined.next(), if written => Woken::News(Box::new(news)),
                () = async { listening.as_mut().expect("checked").changed().await }, if hears_tenant => Woken::Listed,
                () = &mut draining, if !*warned => Woken::Draining,
                // Whoever has joined something is told by its log when all of it was told.
                () = &mut stopped, if joined.is_empty() => Woken::Stopped,
                () = &mut timer => Woken::Time,
            };
            let next = match woken {
                Woken::Over => {
                    self.refuse(&Refused::not_signed_in());
                    Err(Some((close::NOT_SIGNED_IN, "the sign-in is over")))
                }
                Woken::Written(Ok(())) => Ok(()),
                Woken::Written(Err(error)) => {
                    tracing::debug!(%error, "diminuendo: a socket broke");
                    Err(None)
                }
                Woken::Done(done) => {
                    self.running = None;
                    if self.finish(done) {
                        let who = self.who.as_ref().expect("somebody has just signed in");
                        over = Box::pin(who.signed.over(door.options.clock.clone()));
                    }
                    Ok(())
                }
                Woken::Heard(heard) => self.hear(heard),
                Woken::News(news) => {
                    let (followed, news) = *news;
                    self.gather(followed, news);
                    Ok(())
                }
                Woken::Listed => {
                    self.tell_of_tenant().await;
                    Ok(())
                }
                Woken::Draining => {
                    self.warn();
                    Ok(())
                }
                Woken::Stopped => Err(Some((frame::code::GOING_AWAY, "the gateway is stopping"))),
                Woken::Time => self.tick().map(|due| timer = self.wake_in(due)),
            };
            if let Err(parting) = next {
                break parting;
            }
        };
        // Boxed: while it lives, a connection pays nothing for its end.
        Box::pin(self.part(reading, parting)).await;
    }

    fn wake_in(&self, ms: Millis) -> Waiting<()> {
        let clock = self.door.options.clock.clone();
        Box::pin(async move { clock.until(clock.now().saturating_add(ms)).await })
    }

    /// What comes first, before anything was asked for.
    fn greet(&mut self) {
        let dev = self.door.options.dev;
        self.say(&json!({ "type": told::WELCOME, "protocolVersion": self.begin.version, "requiresAuth": !dev }));
        self.say(&json!({
            "type": told::CONNECTED,
            "clientId": &*self.name,
            "heartbeatIntervalMs": names::HEARTBEAT_MS,
            "ts": self.began_at,
        }));
        if dev {
            let (door, peer, name) = (self.door.clone(), self.begin.peer, self.name.clone());
            self.running = Some(Box::pin(async move {
                let outcome = work::signing_in::unasked(&door, peer, &name).await;
                outcome.unwrap_or_else(|refused| Done::told(refused.to_frame(door.options.error_code_style)))
            }));
        }
    }

    /// Whether another message may be read.
    fn has_room(&self) -> bool {
        let bytes: usize = self.asked.iter().map(|said| said.bytes).sum();
        self.asked.len() < ASKED && bytes < ASKED_BYTES
    }

    fn begin_next(&mut self) {
        if self.running.is_some() || self.writing.waiting() + self.words.len() >= GATHERED_BYTES {
            return;
        }
        let Some(said) = self.asked.pop_front() else { return };
        let asking = Asking {
            who: self.who.clone(),
            peer: self.begin.peer,
            connection: self.name.clone(),
            naming: self.begin.naming,
            joined: self.joined.others(&said),
            next_joining: self.joined.next_number(),
        };
        self.running = Some(Box::pin(work::work(self.door.clone(), asking, said)));
    }

    /// Gives the answer, and does what follows from it. Says whether somebody has signed in.
    fn finish(&mut self, done: Done) -> bool {
        done.frames.iter().for_each(|frame| self.say(frame));
        if let Some(own) = done.own {
            if self.own.len() == OWN {
                self.own.pop_front();
            }
            self.own.push_back(own);
        }
        match done.effect {
            Effect::None => false,
            Effect::SignedIn(who, listening) => {
                self.who = Some(who);
                if listening.is_some() {
                    self.listening = listening;
                }
                true
            }
            Effect::Joined(followed) => {
                self.joined.add(*followed);
                false
            }
            Effect::Left(session) => {
                self.joined.leave(&session);
                false
            }
            Effect::Over(code, reason) => {
                self.parting = Some((code, reason));
                false
            }
        }
    }

    fn hear(&mut self, heard: Option<Result<Incoming, Violation>>) -> Result<(), Option<Parting>> {
        let now = self.door.options.clock.now();
        self.keepalive.heard(now);
        let refuse = |refused| Said { id: None, bytes: 0, request: Err(refused) };
        let said = match heard {
            None => return Err(None),
            Some(Ok(Incoming::Ping(payload))) => {
                self.writing.pong(&payload);
                return Ok(());
            }
            Some(Ok(Incoming::Pong(_))) => return Ok(()),
            Some(Ok(Incoming::Close(_))) => return Err(Some((frame::code::NORMAL, ""))),
            Some(Ok(Incoming::Text(text))) => request::read(&text),
            Some(Ok(Incoming::Binary(_))) => refuse(Refused::new(Code::InvalidJson, "Messages are text")),
            Some(Err(Violation::Oversize { limit, .. })) => {
                refuse(Refused::new(Code::MessageTooLarge, format!("The message is larger than {limit} bytes")))
            }
            Some(Err(violation)) => {
                tracing::debug!(%violation, "diminuendo: a socket's client broke the protocol");
                return Err(Some((violation.close_code(), "")));
            }
        };
        let said = match self.rate.count(now) {
            Verdict::Taken => said,
            Verdict::TooMany { retry_ms } => {
                let refused = Refused::new(Code::RateLimited, "Too many messages");
                Said { request: Err(Refused { retry_ms: Some(retry_ms), ..refused }), ..said }
            }
            Verdict::Incorrigible => return Err(Some((frame::code::POLICY, "too many messages"))),
        };
        self.asked.push_back(said);
        Ok(())
    }

    /// Takes news of a session, and with them all that is there already, for one write.
    fn gather(&mut self, mut followed: Followed, news: News) {
        let mut goes_on = self.deliver(&mut followed, news);
        let mut chunks = 1;
        while goes_on
            && self.parting.is_none()
            && chunks < GATHERED_CHUNKS
            && self.writing.waiting() < GATHERED_BYTES
            && followed.reader.ready()
        {
            let Some(next) = followed.reader.next().now_or_never() else { break };
            goes_on = self.deliver(&mut followed, News::Delivery(next));
            chunks += 1;
        }
        match goes_on {
            true => self.joined.go_on(followed),
            false => self.joined.end(&followed),
        }
    }

    /// Lines of the tenant's list that are not this client's own doing.
    async fn tell_of_tenant(&mut self) {
        let Some(listening) = &mut self.listening else { return };
        match listening.take() {
            Missed::Lines(lines) => {
                for line in lines {
                    if line.seq == tenant::DELETED {
                        self.joined.leave(&line.session);
                    }
                    if !self.knows(&line) {
                        self.words.extend_from_slice(&line.frame);
                    }
                }
            }
            Missed::TooMuch => {
                let Some(who) = &self.who else { return };
                if let Ok(sessions) = work::sessions::listed(&self.door, &who.identity(), false).await {
                    self.say(&json!({ "type": told::SESSION_LIST, "sessions": sessions }));
                }
            }
        }
    }

    /// Whether an answer has told of it already.
    fn knows(&mut self, line: &Line) -> bool {
        let knows = self.own.iter().any(|(session, upto)| *session == line.session && line.seq <= *upto);
        // No line behind this one is told by what it was remembered for.
        self.own.retain(|(session, upto)| *session != line.session || *upto > line.seq);
        knows
    }

    fn warn(&mut self) {
        self.warned = true;
        let options = &self.door.options;
        let told = json!({
            "type": told::SERVER_SHUTDOWN,
            "ts": options.clock.now(),
            "graceMs": options.grace_ms,
            "reason": "the server is stopping",
        });
        self.say(&told);
    }

    /// Looks at the time, and says in how long to look again.
    fn tick(&mut self) -> Result<Millis, Option<Parting>> {
        let now = self.door.options.clock.now();
        if self.who.is_none() && now.saturating_sub(self.began_at) >= SIGN_IN_MS {
            return Err(Some((close::NOT_SIGNED_IN, "nobody signed in")));
        }
        if self.writing.waiting() == 0 {
            self.stalled = None;
        } else {
            let progress = self.writing.progress();
            let (seen, since) = *self.stalled.get_or_insert((progress, now));
            if seen != progress {
                self.stalled = Some((progress, now));
            } else if now.saturating_sub(since) >= STALLED_MS {
                return Err(Some((close::STALLED, "nothing was read for two minutes")));
            }
        }
        if now >= self.heartbeat_at {
            self.heartbeat_at = now + names::HEARTBEAT_MS;
            // Who does not read what there is needs no proof that we live.
            if self.writing.waiting() == 0 && self.who.is_some() {
                self.beat(now);
            }
        }
        if !self.has_room() || self.writing.waiting() > 0 {
            // Nothing is read from it, or it is busy reading: its silence means nothing.
            self.keepalive.heard(now);
        }
        let quiet = match self.keepalive.due(now) {
            Due::Nothing { until_ms } => until_ms.saturating_sub(now).clamp(1, QUIET_MS),
            Due::Ping => {
                self.push(frame::chunk(|out| frame::ping(out, b"")));
                QUIET_MS
            }
            Due::Dead => {
                tracing::debug!("diminuendo: a socket's client is gone");
                return Err(None);
            }
        };
        Ok(quiet.min(self.heartbeat_at.saturating_sub(now)).max(1))
    }

    /// One for each joined session, or one for the connection.
    fn beat(&mut self, now: Millis) {
        let sessions: Vec<SessionId> = self.joined.sessions().cloned().collect();
        for session in &sessions {
            self.say(&json!({ "type": told::HEARTBEAT, "sessionId": session, "ts": now }));
        }
        if sessions.is_empty() {
            self.say(&json!({ "type": told::HEARTBEAT, "ts": now }));
        }
    }

    fn say(&mut self, message: &Value) {
        frame::text(&mut self.words, &message.to_string());
    }

    /// Hands what we say to the writer.
    fn speak(&mut self) {
        if !self.words.is_empty() {
            let words = std::mem::take(&mut self.words).freeze();
            self.write(words);
        }
    }

    fn refuse(&mut self, refused: &Refused) {
        self.say(&refused.to_frame(self.door.options.error_code_style));
    }

    /// Hands a chunk to the writer, behind what we said before. It has room: this happens only while little waits.
    fn push(&mut self, chunk: Bytes) {
        self.speak();
        self.write(chunk);
    }

    fn write(&mut self, chunk: Bytes) {
        if let Err(error) = self.writing.push(chunk) {
            tracing::warn!(%error, "diminuendo: a frame was not taken");
            self.parting = Some((frame::code::INTERNAL, "too much to write"));
        }
    }
}

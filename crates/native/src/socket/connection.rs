//! One connection: a single task that waits for the client, for the log, for the answer to a command, and for time.

use std::collections::VecDeque;
use std::pin::Pin;

use bytes::Bytes;
use futures_util::FutureExt;
use rejoin_core::command::Command;
use rejoin_core::control::Holder;
use rejoin_core::id::{CommandId, SessionId};
use rejoin_core::position::{Millis, Position};
use rejoin_ports::gateway::{Delivery, Failure, Ran, Reader};
use rejoin_ports::sign_in::Over;
use rejoin_socket::{Due, Incoming as Heard, Keepalive, Reading, Socket, Violation, WriteError, Writing, frame};
use serde_json::json;

use super::incoming::{self, Incoming};
use super::{close, stopping};
use crate::api::Api;
use crate::attached::Place;
use crate::commands::{Done, mint};
use crate::identity::{Who, is_of_control};
use crate::problem::Problem;
use crate::rendition;
use crate::sse::{STALLED_MS, problem_of};

/// Commands that a client may have unanswered; beyond that nothing more is read from it.
const IN_FLIGHT: usize = 16;
/// What one write gathers: enough for the kernel's buffer, and not so much that an answer waits long behind it.
const GATHERED_CHUNKS: usize = 64;
const GATHERED_BYTES: usize = 256 << 10;
/// A quiet client is asked whether it is there, and is dead 75 seconds after it was last heard.
const QUIET_MS: Millis = 30_000;
const PATIENCE_MS: Millis = 45_000;
/// An answer waits for its events. They were committed before it, so this much is never needed; nothing waits for ever.
const ANSWER_MS: Millis = 30_000;
/// How long a command that was begun may take to end when the connection does.
const LAST_COMMAND_MS: Millis = 5_000;
/// How long telling a session that its client is gone may take: a closed socket must not stay because the session is stuck.
const DETACH_MS: Millis = 5_000;

pub(super) type Waiting<T> = Pin<Box<dyn Future<Output = T> + Send>>;

/// The end of a connection: its code and reason.
type Parting = (u16, &'static str);

/// A command's end.
struct Outcome {
    id: CommandId,
    done: Result<Ran, Failure>,
}

/// A message that waits until the events before it are on their way.
struct Answer {
    frame: Bytes,
    after: Option<Position>,
    since: Millis,
}

/// What is done next for the client, in the order in which it asked.
enum Asked {
    Command(CommandId, Box<Command>),
    /// Answered without being done, and not before what was asked for earlier.
    Refused(Bytes),
}

struct Connection {
    api: Api,
    who: Who,
    session: SessionId,
    /// Set once the client has spoken of control here.
    place: Option<Place>,
    reader: Box<dyn Reader>,
    writing: Writing,
    asked: VecDeque<Asked>,
    running: Option<Waiting<Outcome>>,
    answers: VecDeque<Answer>,
    /// Answers that were handed to the writer and may not have left.
    unwritten: usize,
    /// Nothing follows from the log.
    parting: Option<Parting>,
    keepalive: Keepalive,
    /// How far the writer was when it was first seen waiting, and when.
    stalled: Option<(u64, Millis)>,
}

/// What woke the task.
enum Woken {
    Heard(Option<Result<Heard, Violation>>),
    Delivered(Result<Delivery, Failure>),
    Written(Result<(), WriteError>),
    Ran(Outcome),
    Over(Over),
    Time,
}

/// Serves a connection until its end.
///
/// One box for all of it, so that the task around it stays small.
pub(super) fn serve(api: Api, who: Who, session: SessionId, reader: Box<dyn Reader>, socket: Socket) -> Waiting<()> {
    let Socket { reading, writing } = socket;
    let now = api.clock.now();
    let mut connection = Connection {
        keepalive: Keepalive::new(QUIET_MS, PATIENCE_MS, now),
        api,
        who,
        session,
        place: None,
        reader,
        writing,
        asked: VecDeque::new(),
        running: None,
        answers: VecDeque::new(),
        unwritten: 0,
        parting: None,
        stalled: None,
    };
    if connection.who.control {
        connection.attach();
    }
    Box::pin(connection.live(reading))
}

impl Connection {
    async fn live(mut self, mut reading: Reading) {
        let mut over: Waiting<Over> = Box::pin(self.who.signed.over(self.api.clock.clone()));
        let mut timer = self.wake_in(QUIET_MS);
        let parting = loop {
            if let Some(parting) = self.parting {
                break Some(parting);
            }
            self.begin_next();
            if !self.settle() {
                break Some((close::FAILED, "too much to write"));
            }
            let written = self.writing.waiting() == 0;
            if written {
                self.unwritten = 0;
            }
            let may_read = self.unanswered() < IN_FLIGHT;
            let Connection { reader, writing, running, .. } = &mut self;
            let woken = tokio::select! {
                why = &mut over => Woken::Over(why),
                flushed = writing.flush(), if !written => Woken::Written(flushed),
                outcome = async { running.as_mut().expect("checked").await }, if running.is_some() => Woken::Ran(outcome),
                heard = reading.next(), if may_read => Woken::Heard(heard),
                // Inside a block, so that nothing is set up for a branch that is switched off.
                delivery = async { reader.next().await }, if written => Woken::Delivered(delivery),
                () = &mut timer => Woken::Time,
            };
            let next = match woken {
                Woken::Over(why) => {
                    let problem = problem_of(why);
                    self.refuse(None, &problem);
                    Err(Some((close::SIGNED_OUT, "the sign-in is over")))
                }
                Woken::Written(Ok(())) => Ok(()),
                Woken::Written(Err(error)) => {
                    tracing::debug!(%error, "native: a socket broke");
                    Err(None)
                }
                Woken::Ran(outcome) => {
                    self.running = None;
                    self.answer(outcome);
                    Ok(())
                }
                Woken::Heard(heard) => self.hear(heard),
                Woken::Delivered(delivery) => {
                    self.gather(delivery);
                    Ok(())
                }
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
        let clock = self.api.clock.clone();
        Box::pin(async move { clock.until(clock.now().saturating_add(ms)).await })
    }

    /// Commands without an answer that has left.
    fn unanswered(&self) -> usize {
        let running = usize::from(self.running.is_some());
        self.asked.len() + running + self.answers.len() + self.unwritten
    }

    /// Commands are done one after the other: the next is begun when the one before it is committed.
    fn begin_next(&mut self) {
        while self.running.is_none()
            && let Some(asked) = self.asked.pop_front()
        {
            match asked {
                Asked::Refused(frame) => self.answer_behind(frame, None),
                Asked::Command(id, command) => {
                    if is_of_control(&command) {
                        self.who.control = true;
                        self.attach();
                    }
                    let caller = self.who.caller_of(&command);
                    let (api, session) = (self.api.clone(), self.session.clone());
                    self.running = Some(Box::pin(async move {
                        let sessions = &api.gateway.sessions;
                        let done = sessions.run(&caller, &session, id.clone(), *command).await;
                        Outcome { id, done }
                    }));
                }
            }
        }
    }

    fn answer(&mut self, Outcome { id, done }: Outcome) {
        match done {
            Ok(ran) => {
                let position = ran.position;
                let ack = json!({ "ack": Done::new(id, ran) });
                self.answer_behind(text(&ack), Some(position));
            }
            Err(failure) => {
                let problem = Problem::from(failure);
                self.log(&problem);
                let frame = refused(Some(id.as_str()), &problem);
                self.answer_behind(frame, None);
            }
        }
    }

    fn answer_behind(&mut self, frame: Bytes, after: Option<Position>) {
        let since = self.api.clock.now();
        self.answers.push_back(Answer { frame, after, since });
    }

    /// Hands over every answer whose events are on their way, as far as there is room. Says whether the writer took them.
    fn settle(&mut self) -> bool {
        while self.writing.waiting() < GATHERED_BYTES
            && let Some(answer) = self.answers.front()
        {
            let at = self.reader.position();
            let waits = answer.after.is_some_and(|after| after.epoch == at.epoch && at.seq < after.seq);
            if waits && self.parting.is_none() {
                if self.api.clock.now().saturating_sub(answer.since) < ANSWER_MS {
                    return true;
                }
                tracing::warn!(session.id = %self.session, "native: an answer's events did not come");
            }
            let frame = answer.frame.clone();
            self.answers.pop_front();
            self.unwritten += 1;
            if !self.push(frame) {
                return false;
            }
        }
        true
    }

    /// Hands a chunk to the writer. It is bounded on our side already, so it is always taken.
    fn push(&mut self, frame: Bytes) -> bool {
        let taken = self.writing.push(frame);
        if let Err(error) = &taken {
            tracing::warn!(%error, session.id = %self.session, "native: a frame was not taken");
        }
        taken.is_ok()
    }

    fn hear(&mut self, heard: Option<Result<Heard, Violation>>) -> Result<(), Option<Parting>> {
        self.keepalive.heard(self.api.clock.now());
        match heard {
            None => Err(None),
            Some(Ok(Heard::Text(message))) => {
                self.take(&message);
                Ok(())
            }
            Some(Ok(Heard::Binary(_))) => {
                self.refuse_later(None, &Problem::malformed("", "messages are text"));
                Ok(())
            }
            Some(Ok(Heard::Ping(payload))) => {
                self.writing.pong(&payload);
                Ok(())
            }
            Some(Ok(Heard::Pong(_))) => Ok(()),
            Some(Ok(Heard::Close(_))) => Err(Some((frame::code::NORMAL, ""))),
            Some(Err(Violation::Oversize { limit, .. })) => {
                let why = format!("the message is over {limit} bytes");
                self.refuse_later(None, &Problem::new("body_too_large", why).with("most", limit));
                Ok(())
            }
            Some(Err(violation)) => {
                tracing::debug!(%violation, "native: a socket's client broke the protocol");
                Err(Some((violation.close_code(), "")))
            }
        }
    }

    fn take(&mut self, message: &str) {
        match incoming::read(message) {
            Incoming::Command(id, command) => self.asked.push_back(Asked::Command(id, command)),
            Incoming::Senseless(id, problem) => {
                self.refuse_later(id.as_ref().map(CommandId::as_str), &problem);
            }
            // An answer like others, so that pings without reading are bounded too.
            Incoming::Ping(number) => self.answer_behind(text(&json!({ "pong": number })), None),
        }
    }

    /// Says no in the order of what was asked.
    fn refuse_later(&mut self, id: Option<&str>, problem: &Problem) {
        self.asked.push_back(Asked::Refused(refused(id, problem)));
    }

    /// Says no now.
    fn refuse(&mut self, id: Option<&str>, problem: &Problem) {
        self.log(problem);
        self.push(refused(id, problem));
    }

    /// Takes a delivery, and with it all that is there already, for one write.
    fn gather(&mut self, first: Result<Delivery, Failure>) {
        let mut chunks = 1;
        self.deliver(first);
        while self.parting.is_none()
            && chunks < GATHERED_CHUNKS
            && self.writing.waiting() < GATHERED_BYTES
            && self.reader.ready()
        {
            let Some(next) = self.reader.next().now_or_never() else {
                break;
            };
            self.deliver(next);
            chunks += 1;
        }
    }

    fn deliver(&mut self, delivery: Result<Delivery, Failure>) {
        let frame = match delivery {
            Ok(Delivery::Events { batch, first }) => rendition::frames(&batch).from(first),
            Ok(Delivery::CaughtUp(position)) => text(&json!({ "caughtUp": { "position": position } })),
            Ok(Delivery::Gap(view)) => text(&json!({ "gap": { "snapshot": *view } })),
            Ok(Delivery::Deleted) => {
                self.parting = Some((close::DELETED, "the session was deleted"));
                text(&json!({ "deleted": true }))
            }
            Ok(Delivery::Stopping) => {
                self.parting = Some((close::STOPPING, "the gateway is stopping"));
                text(&json!({ "stopping": true }))
            }
            Err(failure) => {
                self.parting = Some(match failure {
                    Failure::NotFound(_) => (close::DELETED, "the session is gone"),
                    Failure::Closing => (close::STOPPING, "the gateway is stopping"),
                    _ => (close::FAILED, "the log cannot be read at the moment"),
                });
                let problem = Problem::from(failure);
                self.log(&problem);
                refused(None, &problem)
            }
        };
        if !self.push(frame) {
            self.parting = Some((close::FAILED, "too much to write"));
        }
    }

    /// Looks at the time, and says in how long to look again.
    fn tick(&mut self) -> Result<Millis, Option<Parting>> {
        let now = self.api.clock.now();
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
        if self.unanswered() >= IN_FLIGHT || self.writing.waiting() > 0 {
            // Nothing is read from it, or it is busy reading: its silence means nothing.
            self.keepalive.heard(now);
        }
        match self.keepalive.due(now) {
            Due::Nothing { until_ms } => Ok(until_ms.saturating_sub(now).clamp(1, QUIET_MS)),
            Due::Ping => {
                self.push(frame::chunk(|out| frame::ping(out, b"")));
                Ok(QUIET_MS)
            }
            Due::Dead => {
                tracing::debug!(session.id = %self.session, "native: a socket's client is gone");
                Err(None)
            }
        }
    }

    /// Ends the connection: what was begun is done and answered, what was not is refused, and all of it leaves before the close.
    async fn part(mut self, reading: Reading, parting: Option<Parting>) {
        if let Some(running) = self.running.take() {
            let late = self.api.clock.now().saturating_add(LAST_COMMAND_MS);
            tokio::select! {
                outcome = running => self.answer(outcome),
                () = self.api.clock.until(late) => {}
            }
        }
        if let Some(place) = self.place.take() {
            self.detach(place).await;
        }
        let Some((code, reason)) = parting else {
            return;
        };
        self.parting = Some((code, reason));
        for asked in std::mem::take(&mut self.asked) {
            let frame = match asked {
                Asked::Refused(frame) => frame,
                Asked::Command(id, _) => refused(Some(id.as_str()), &stopping()),
            };
            self.answer_behind(frame, None);
        }
        let late = self.api.clock.now().saturating_add(LAST_COMMAND_MS);
        while self.settle() && !self.answers.is_empty() {
            let clock = self.api.clock.clone();
            tokio::select! {
                // Room for the rest of the answers; there are few, and an answer is small.
                flushed = self.writing.flush() => if flushed.is_err() { return },
                () = clock.until(late) => break,
            }
        }
        let socket = Socket { reading, writing: self.writing };
        socket.part(code, reason).await;
    }

    /// From now on this client's last connection to the session matters.
    fn attach(&mut self) {
        let Some(client) = self.who.client.clone() else {
            return;
        };
        if self.place.is_none() {
            let identity = self.who.identity();
            let place = Place {
                tenant: identity.tenant.clone(),
                session: self.session.clone(),
                holder: Holder { user: identity.user.clone(), client },
            };
            self.api.attached.add(place.clone());
            self.place = Some(place);
        }
    }

    /// Tells the session that a client which speaks of control has no connection left.
    async fn detach(&mut self, place: Place) {
        if !self.api.attached.remove(&place) || self.api.stop.is_cancelled() {
            return;
        }
        let command = Command::Detached { client: place.holder.client };
        let caller = self.who.caller_of(&command);
        let sessions = &self.api.gateway.sessions;
        let late = self.api.clock.now().saturating_add(DETACH_MS);
        tokio::select! {
            told = sessions.run(&caller, &self.session, mint(), command) => if let Err(failure) = told {
                tracing::debug!(%failure, session.id = %self.session, "native: telling that a client is gone");
            },
            () = self.api.clock.until(late) => {
                tracing::warn!(session.id = %self.session, "native: the session did not hear in time that a client is gone");
            }
        }
    }

    fn log(&self, problem: &Problem) {
        if let Some(cause) = problem.cause() {
            tracing::error!(session.id = %self.session, cause, "native: a socket's request failed");
        }
    }
}

fn text(message: &serde_json::Value) -> Bytes {
    frame::chunk(|out| frame::text(out, &message.to_string()))
}

fn refused(id: Option<&str>, problem: &Problem) -> Bytes {
    text(&json!({ "refused": problem.to_refused(id) }))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn size_of_output<A, B, F>(_: impl Fn(A, B) -> F) -> usize {
        size_of::<F>()
    }

    #[test]
    fn a_connection_that_waits_is_small() {
        let size = size_of_output(Connection::live);
        assert!(size <= 2_048, "{size} bytes of {} are the connection", size_of::<Connection>());
    }
}

//! One connection to a terminal: a single task that waits for the client, for the terminal, and for time.

use std::pin::Pin;

use bytes::{BufMut, Bytes, BytesMut};
use futures_util::FutureExt;
use rejoin_core::id::{SessionId, TerminalId};
use rejoin_core::position::Millis;
use rejoin_ports::sign_in::Over;
use rejoin_ports::terminals::{TerminalFailure, TerminalPiece, TerminalViewer};
use rejoin_socket::{Due, Incoming as Heard, Keepalive, Reading, Socket, Violation, WriteError, Writing, frame};

use super::sized;
use super::socket::{Said, Told};
use crate::api::Api;
use crate::body;
use crate::identity::Who;
use crate::problem::Problem;
use crate::socket::close;
use crate::sse::{STALLED_MS, problem_of};

/// What one write gathers: four pieces of output. More would only be older when it is seen.
const GATHERED_BYTES: usize = 64 << 10;
/// A quiet client is asked whether it is there, and is dead 75 seconds after it was last heard.
const QUIET_MS: Millis = 30_000;
const PATIENCE_MS: Millis = 45_000;

type Waiting<T> = Pin<Box<dyn Future<Output = T> + Send>>;

/// The end of a connection: its code and reason.
type Parting = (u16, &'static str);

struct Connection {
    api: Api,
    who: Who,
    session: SessionId,
    id: TerminalId,
    viewer: Box<dyn TerminalViewer>,
    writing: Writing,
    /// What was said last and is not done; meanwhile nothing more is read.
    doing: Option<Waiting<Result<(), TerminalFailure>>>,
    parting: Option<Parting>,
    keepalive: Keepalive,
    /// How far the writer was when it was first seen waiting, and when.
    stalled: Option<(u64, Millis)>,
}

/// What woke the task.
enum Woken {
    Heard(Option<Result<Heard, Violation>>),
    Seen(Option<TerminalPiece>),
    Written(Result<(), WriteError>),
    Done(Result<(), TerminalFailure>),
    Over(Over),
    Stopping,
    Time,
}

/// Serves a connection until its end.
pub(super) fn serve(
    api: Api,
    who: Who,
    session: SessionId,
    id: TerminalId,
    viewer: Box<dyn TerminalViewer>,
    socket: Socket,
) -> Waiting<()> {
    let Socket { reading, writing } = socket;
    let keepalive = Keepalive::new(QUIET_MS, PATIENCE_MS, api.clock.now());
    let connection =
        Connection { api, who, session, id, viewer, writing, doing: None, parting: None, keepalive, stalled: None };
    Box::pin(connection.live(reading))
}

impl Connection {
    async fn live(mut self, mut reading: Reading) {
        let mut over: Waiting<Over> = Box::pin(self.who.signed.over(self.api.clock.clone()));
        let stop = self.api.stop.clone();
        let mut timer = self.wake_in(QUIET_MS);
        let parting = loop {
            if let Some(parting) = self.parting {
                break Some(parting);
            }
            let written = self.writing.waiting() == 0;
            let may_read = self.doing.is_none();
            let Connection { viewer, writing, doing, .. } = &mut self;
            let woken = tokio::select! {
                why = &mut over => Woken::Over(why),
                () = stop.cancelled() => Woken::Stopping,
                flushed = writing.flush(), if !written => Woken::Written(flushed),
                done = async { doing.as_mut().expect("checked").await }, if doing.is_some() => Woken::Done(done),
                heard = reading.next(), if may_read => Woken::Heard(heard),
                piece = async { viewer.next().await }, if written => Woken::Seen(piece),
                () = &mut timer => Woken::Time,
            };
            let next = match woken {
                Woken::Over(why) => {
                    self.refuse(&problem_of(why));
                    Err(Some((close::SIGNED_OUT, "the sign-in is over")))
                }
                Woken::Stopping => {
                    // How it ended is told before we part: terminals end first when the gateway stops.
                    self.gather_ready();
                    Err(Some(self.parting.unwrap_or_else(|| {
                        self.push(text(&Told::Stopping(true)));
                        (close::STOPPING, "the gateway is stopping")
                    })))
                }
                Woken::Written(Ok(())) => Ok(()),
                Woken::Written(Err(error)) => {
                    tracing::debug!(%error, "native: a terminal's socket broke");
                    Err(None)
                }
                Woken::Done(done) => {
                    self.doing = None;
                    if let Err(failure) = done {
                        self.refuse(&failure.into());
                    }
                    Ok(())
                }
                Woken::Heard(heard) => self.hear(heard),
                Woken::Seen(piece) => {
                    self.gather(piece);
                    Ok(())
                }
                Woken::Time => self.tick().map(|due| timer = self.wake_in(due)),
            };
            if let Err(parting) = next {
                break parting;
            }
        };
        if let Some((code, reason)) = parting {
            let socket = Socket { reading, writing: self.writing };
            Box::pin(socket.part(code, reason)).await;
        }
    }

    fn wake_in(&self, ms: Millis) -> Waiting<()> {
        let clock = self.api.clock.clone();
        Box::pin(async move { clock.until(clock.now().saturating_add(ms)).await })
    }

    fn push(&mut self, frame: Bytes) {
        if let Err(error) = self.writing.push(frame) {
            tracing::debug!(%error, session.id = %self.session, "native: a terminal's frame was not taken");
            self.parting = Some((close::FAILED, "too much to write"));
        }
    }

    fn refuse(&mut self, problem: &Problem) {
        if let Some(cause) = problem.cause() {
            tracing::error!(session.id = %self.session, cause, "native: a terminal's request failed");
        }
        self.push(text(&Told::Refused(problem.to_refused(None))));
    }

    fn hear(&mut self, heard: Option<Result<Heard, Violation>>) -> Result<(), Option<Parting>> {
        self.keepalive.heard(self.api.clock.now());
        match heard {
            None => return Err(None),
            Some(Ok(Heard::Text(message))) => self.take(&message),
            Some(Ok(Heard::Binary(bytes))) => self.input(bytes),
            Some(Ok(Heard::Ping(payload))) => self.writing.pong(&payload),
            Some(Ok(Heard::Pong(_))) => {}
            Some(Ok(Heard::Close(_))) => return Err(Some((frame::code::NORMAL, ""))),
            Some(Err(Violation::Oversize { limit, .. })) => {
                let why = format!("the message is over {limit} bytes");
                self.refuse(&Problem::new("body_too_large", why).with("most", limit));
            }
            Some(Err(violation)) => {
                tracing::debug!(%violation, "native: a terminal's client broke the protocol");
                return Err(Some((violation.close_code(), "")));
            }
        }
        Ok(())
    }

    fn take(&mut self, message: &str) {
        let said = body::parse(message.as_bytes()).and_then(body::shaped::<Said>);
        match said {
            Err(problem) => self.refuse(&problem),
            Ok(Said::Ping(number)) => self.push(text(&Told::Pong(number))),
            Ok(Said::Input(typed)) => self.input(typed.into()),
            Ok(Said::EndInput(false)) => {}
            Ok(Said::EndInput(true)) => {
                let (api, session, id) = (self.api.clone(), self.session.clone(), self.id.clone());
                let caller = self.who.caller();
                self.doing =
                    Some(Box::pin(async move { api.gateway.terminals.end_input(&caller, &session, &id).await }));
            }
            Ok(Said::Resize(size)) => match sized(size) {
                Err(problem) => self.refuse(&problem),
                Ok(size) => {
                    let (api, session, id) = (self.api.clone(), self.session.clone(), self.id.clone());
                    let caller = self.who.caller();
                    self.doing =
                        Some(Box::pin(async move { api.gateway.terminals.resize(&caller, &session, &id, size).await }));
                }
            },
        }
    }

    fn input(&mut self, bytes: Bytes) {
        let (api, session, id) = (self.api.clone(), self.session.clone(), self.id.clone());
        let caller = self.who.caller();
        self.doing = Some(Box::pin(async move { api.gateway.terminals.input(&caller, &session, &id, bytes).await }));
    }

    /// Takes a piece, and with it what is there already, for one write.
    fn gather(&mut self, first: Option<TerminalPiece>) {
        self.show(first);
        self.gather_ready();
    }

    fn gather_ready(&mut self) {
        while self.parting.is_none() && self.writing.waiting() < GATHERED_BYTES {
            let Some(next) = self.viewer.next().now_or_never() else {
                break;
            };
            self.show(next);
        }
    }

    fn show(&mut self, piece: Option<TerminalPiece>) {
        let frame = match piece {
            Some(TerminalPiece::Output { at, bytes }) => output(at, &bytes),
            Some(TerminalPiece::Snapshot(snapshot)) => text(&Told::Snapshot(snapshot)),
            Some(TerminalPiece::Resized(size)) => text(&Told::Resized(size)),
            Some(TerminalPiece::Exited(exit)) => text(&Told::Exited(exit)),
            None => {
                self.parting = Some((frame::code::NORMAL, "what ran in the terminal has ended"));
                return;
            }
        };
        self.push(frame);
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
            // It is busy reading: its silence means nothing.
            self.keepalive.heard(now);
        }
        match self.keepalive.due(now) {
            Due::Nothing { until_ms } => Ok(until_ms.saturating_sub(now).clamp(1, QUIET_MS)),
            Due::Ping => {
                self.push(frame::chunk(|out| frame::ping(out, b"")));
                Ok(QUIET_MS)
            }
            Due::Dead => Err(None),
        }
    }
}

fn text(told: &Told) -> Bytes {
    let text = serde_json::to_string(told).expect("plain JSON");
    frame::chunk(|out| frame::text(out, &text))
}

fn output(at: u64, bytes: &[u8]) -> Bytes {
    let mut payload = BytesMut::with_capacity(8 + bytes.len());
    payload.put_u64(at);
    payload.put_slice(bytes);
    frame::chunk(|out| frame::binary(out, &payload))
}

//! One connection as the door has it: packets in order, only when they are asked for, whatever carries them.

mod farewell;
mod hearing;
mod line;
mod time;

use std::net::IpAddr;
use std::pin::Pin;

use rejoin_core::position::Millis;
use rejoin_socket::Socket;
use serde_json::value::RawValue;

use self::farewell::Ending;
use self::line::{Line, Woken};
use super::heartbeat::Heartbeat;
use super::outgoing::{Full, Packet, Queue};
use super::polling::Posted;
use super::sessions::Registered;
use super::stall::Stall;
use super::{CONNECT_TIMEOUT_MS, Hall, Namespace, PING_INTERVAL_MS, sid};
use crate::packet;

/// Who opened a connection, as far as that is known before anything is said.
#[derive(Debug, Clone)]
pub struct Caller {
    pub address: Option<IpAddr>,
    /// How the client's program names itself.
    pub label: Option<Box<str>>,
}

/// What the door is told.
#[derive(Debug)]
pub enum Incoming {
    /// A client asks to join a namespace. Until the door [accepts](Peer::accept) or [rejects](Peer::reject) that, nothing more
    /// is told.
    Connect { namespace: Namespace, auth: Option<Box<RawValue>> },
    /// An event in a namespace that was joined; with `ack` an answer is wanted.
    Event { namespace: Namespace, name: String, args: Vec<Box<RawValue>>, ack: Option<u64> },
    /// The answer to an event that asked for one under this number.
    Ack { namespace: Namespace, id: u64, args: Vec<Box<RawValue>> },
    /// The client left a namespace, and may join it again.
    Disconnect { namespace: Namespace },
    /// All that was pushed is written: there is room again.
    Written,
}

/// A connection. All its methods that wait may be dropped and called again at any time: nothing is lost by it.
///
/// It lives only while [`next`](Peer::next) or [`tend`](Peer::tend) is awaited: then it writes, pings, watches the time, and
/// hears that the gateway stops.
pub struct Peer {
    hall: Hall,
    caller: Caller,
    line: Line,
    /// A session that began with polling is known to its requests as long as this lives.
    _registered: Option<Registered>,
    queue: Queue,
    /// Something was pushed, and the door not yet told that it is written.
    writing: bool,
    posted: Option<Posted>,
    joined: [bool; Namespace::COUNT],
    undecided: Option<Namespace>,
    /// When a client that has joined nothing is let go; nobody waits for one that has.
    join_by: Option<Millis>,
    heartbeat: Heartbeat,
    /// Since the last ping there was a while when the client was not heard.
    deaf: bool,
    stall: Stall,
    ending: Option<Ending>,
    timer: Waiting,
    /// Once for the connection: each new one would be entered in a list that all connections share.
    stopped: Waiting,
}

type Waiting = Pin<Box<dyn Future<Output = ()> + Send>>;

impl Peer {
    pub(super) fn websocket(hall: Hall, socket: Socket, opened: Packet, caller: Caller) -> Peer {
        let mut peer = Peer::new(hall, Line::Socket(Box::new(socket)), None, caller);
        peer.say(opened);
        peer
    }

    pub(super) fn polling(hall: Hall, registered: Registered, caller: Caller) -> Peer {
        let line = Line::Polling(registered.session().clone());
        Peer::new(hall, line, Some(registered), caller)
    }

    fn new(hall: Hall, line: Line, registered: Option<Registered>, caller: Caller) -> Peer {
        let now = hall.options.clock.now();
        let stopped = Box::pin(hall.options.stop.clone().cancelled_owned());
        let mut peer = Peer {
            caller,
            line,
            _registered: registered,
            queue: Queue::default(),
            writing: false,
            posted: None,
            joined: [false; Namespace::COUNT],
            undecided: None,
            join_by: Some(now + CONNECT_TIMEOUT_MS),
            heartbeat: Heartbeat::answered(now),
            deaf: false,
            stall: Stall::default(),
            ending: None,
            timer: Box::pin(std::future::pending()),
            stopped,
            hall,
        };
        peer.wake_at(now + PING_INTERVAL_MS);
        peer
    }

    pub fn caller(&self) -> &Caller {
        &self.caller
    }

    /// What the client says next, or that all is [written](Incoming::Written). `None` at the end of the connection, also when
    /// the gateway stops: then say what is left to say, and [`part`](Peer::part).
    pub async fn next(&mut self) -> Option<Incoming> {
        self.live(true).await
    }

    /// Like [`next`](Peer::next), but hears nothing: for a door that has its hands full.
    pub async fn tend(&mut self) -> Option<Incoming> {
        self.live(false).await
    }

    /// Waits until all that was pushed is written, or the connection ends. Hears nothing.
    pub async fn flush(&mut self) {
        while self.waiting() > 0 && self.tend().await.is_some() {}
    }

    /// Takes a packet to be written behind all that was pushed before.
    pub fn push(&mut self, packet: Packet) -> Result<(), Full> {
        if self.is_full() {
            return Err(Full { waiting: self.waiting() });
        }
        self.say(packet);
        Ok(())
    }

    /// Bytes that were pushed and not written. Sources should be asked for more only while this is small.
    pub fn waiting(&self) -> usize {
        self.queue.bytes() + self.line.waiting()
    }

    /// Lets the client join the namespace that it asked for, under the name that is returned.
    pub fn accept(&mut self, namespace: Namespace) -> String {
        self.accept_with(namespace, &[])
    }

    /// The same for a client that wants to know which events are confirmed.
    pub fn accept_with(&mut self, namespace: Namespace, confirmed: &[&str]) -> String {
        let sid = sid::random();
        if self.decides(namespace) {
            self.joined[namespace as usize] = true;
            self.join_by = None;
            self.say(Packet::new(&packet::connected(namespace.as_str(), &sid, confirmed)));
        }
        sid
    }

    /// Does not let it. Whatever the client sent behind its request is passed over.
    pub fn reject(&mut self, namespace: Namespace, message: &str) {
        if self.decides(namespace) {
            self.say(Packet::new(&packet::connect_error(namespace.as_str(), message)));
        }
    }

    /// Sends the client out of a namespace. Client libraries do not come back by themselves after that.
    pub fn disconnect(&mut self, namespace: Namespace) {
        if std::mem::take(&mut self.joined[namespace as usize]) {
            self.say(Packet::new(&packet::disconnect(namespace.as_str())));
        }
    }

    fn decides(&mut self, namespace: Namespace) -> bool {
        let decides = self.undecided == Some(namespace);
        if decides {
            self.undecided = None;
        } else {
            tracing::warn!(%namespace, "happy: a decision that nobody asked for");
        }
        decides
    }

    fn is_full(&self) -> bool {
        self.line.is_full(&self.queue)
    }

    /// Takes what must be said, however much waits: there is little of it, and none while the client is not heard.
    fn say(&mut self, packet: Packet) {
        if matches!(self.ending, Some(Ending::Gone)) {
            return;
        }
        self.queue.push(packet);
        self.writing = true;
        self.line.hand_over(&mut self.queue);
    }

    async fn live(&mut self, listening: bool) -> Option<Incoming> {
        loop {
            if self.ending.is_some() {
                return None;
            }
            self.line.hand_over(&mut self.queue);
            if self.writing && self.waiting() == 0 {
                self.writing = false;
                return Some(Incoming::Written);
            }
            let listening = listening && self.undecided.is_none() && !self.is_full();
            self.deaf |= !listening;
            if listening && let Some(posted) = self.posted.take() {
                match self.hear_posted(posted) {
                    Some(incoming) => return Some(incoming),
                    None => continue,
                }
            }
            let woken = tokio::select! {
                woken = self.line.woken(listening, self.writing) => woken,
                () = &mut self.stopped => Woken::Stopped,
                () = &mut self.timer => Woken::Time,
            };
            let incoming = match woken {
                Woken::Heard(text) => self.hear(&text),
                Woken::Posted(posted) => {
                    self.posted = Some(posted);
                    None
                }
                Woken::Nothing => None,
                Woken::Switched(switched) => {
                    self.switch(switched);
                    None
                }
                Woken::Ended(ending) => {
                    self.end(ending);
                    None
                }
                Woken::Stopped => {
                    self.end(Ending::Stopping);
                    None
                }
                Woken::Time => {
                    self.look_at_the_time();
                    None
                }
            };
            if incoming.is_some() {
                return incoming;
            }
        }
    }

    fn end(&mut self, ending: Ending) {
        self.ending = Some(ending);
    }

    fn now(&self) -> Millis {
        self.hall.options.clock.now()
    }
}

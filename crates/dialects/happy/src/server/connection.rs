//! One connection: a single task that waits for the client, for what happens in its account, for calls of others, for the
//! answer to a request, and for time.
//!
//! Events of a client are handled one after the other, in the order in which they came; only calls to other sockets wait
//! beside them. What is told to the client is pulled while it reads, so a slow one holds nothing but its place.

mod calls;
mod greeting;

use std::collections::VecDeque;
use std::pin::{Pin, pin};
use std::sync::Arc;

use rejoin_ports::gateway::Failure;
use serde_json::Value;

use self::calls::Calls;
use self::greeting::Guest;
use super::Hall;
use super::engine::{Incoming, Namespace, Packet, Peer};
use super::hub::{Line, Listening, Missed, Role, Room};
use super::who::Who;
use super::work::{self, Asked, Done, What};

/// Events of a client that wait for their turn, and their bytes; beyond that nothing more is read from it.
const ASKED: usize = 256;
const ASKED_BYTES: usize = 4 << 20;
/// Bytes that may wait to be written before nothing more is pulled. A connection takes more than is pulled at once.
const WAITING_BYTES: usize = 256 << 10;

pub(super) type Waiting<T> = Pin<Box<dyn Future<Output = T> + Send>>;

/// A client that was let in.
pub(super) struct Client {
    pub(super) who: Who,
    role: Role,
    /// What the connection is called, in authors and in the room.
    pub(super) name: Arc<str>,
    pub(super) namespace: Namespace,
}

struct Connection {
    hall: Hall,
    client: Client,
    room: Arc<Room>,
    peer: Peer,
    /// Gone while the feed is read for a client that is far behind.
    listening: Option<Listening>,
    catching_up: Option<Waiting<CaughtUp>>,
    /// What was read of it and not told yet.
    read: VecDeque<Line>,
    asked: VecDeque<Asked>,
    asked_bytes: usize,
    running: Option<Waiting<Done>>,
    /// Answers that may leave once everything up to a number of the feed was told.
    answers: VecDeque<(u64, Packet)>,
    /// Up to which number of the feed everything was told.
    told: u64,
    calls: Calls,
    over: bool,
}

type CaughtUp = (Listening, Result<Option<Vec<Line>>, Failure>);

enum Woken {
    Over,
    Heard(Option<Incoming>),
    Done(Done),
    Changed,
    CaughtUp(Box<CaughtUp>),
    Call(calls::News),
}

/// Serves a connection until its end.
pub(super) async fn serve(hall: Hall, mut peer: Peer) {
    let Some(Guest { who, role, namespace, looks, wants_confirmed }) = greeting::greet(&hall, &mut peer).await else {
        return peer.part().await;
    };
    let room = match hall.hub.enter(&hall, &who).await {
        Ok(room) => room,
        Err(error) => {
            tracing::warn!(error = &error as &dyn std::error::Error, "happy: an account's room cannot be opened");
            peer.reject(namespace, "Authentication failed");
            return peer.part().await;
        }
    };
    let listening = room.listen();
    let confirmed: &[&str] = if wants_confirmed { &work::CONFIRMED } else { &[] };
    let name: Arc<str> = peer.accept_with(namespace, confirmed).into();
    if role == Role::Person {
        room.looks(&name, looks);
    }
    if let Role::Machine(machine) = &role {
        hall.presence.connected(&hall, &who, machine, true);
    }
    let connection = Connection {
        told: listening.heard(),
        listening: Some(listening),
        catching_up: None,
        read: VecDeque::new(),
        asked: VecDeque::new(),
        asked_bytes: 0,
        running: None,
        answers: VecDeque::new(),
        calls: Calls::new(name.clone(), namespace),
        over: false,
        client: Client { who, role, name, namespace },
        hall,
        room,
        peer,
    };
    connection.live().await;
}

impl Connection {
    async fn live(mut self) {
        {
            let signed = self.client.who.signed.clone();
            let mut over = pin!(signed.over(self.hall.options.clock.clone()));
            while !self.over {
                self.begin_next();
                self.pull();
                let woken = self.woken(over.as_mut()).await;
                self.take(woken);
            }
        }
        self.end().await;
    }

    async fn woken(&mut self, over: Pin<&mut impl Future>) -> Woken {
        let room = self.peer.waiting() < WAITING_BYTES;
        let hears = room && self.asked.len() < ASKED && self.asked_bytes < ASKED_BYTES && self.calls.has_room();
        let Connection { peer, listening, catching_up, read, running, calls, .. } = self;
        let heard = async {
            match hears {
                true => peer.next().await,
                false => peer.tend().await,
            }
        };
        tokio::select! {
            _ = over => Woken::Over,
            done = async { running.as_mut().expect("checked").await }, if running.is_some() => Woken::Done(done),
            heard = heard => Woken::Heard(heard),
            () = async { listening.as_mut().expect("checked").changed().await }, if room && listening.is_some() && read.is_empty() => {
                Woken::Changed
            }
            caught = async { catching_up.as_mut().expect("checked").await }, if catching_up.is_some() => {
                Woken::CaughtUp(Box::new(caught))
            }
            news = calls.next(), if room => Woken::Call(news),
        }
    }

    fn take(&mut self, woken: Woken) {
        match woken {
            Woken::Over => {
                // What somebody asks who may not be here any more is not done.
                self.asked.clear();
                self.over = true;
            }
            Woken::Heard(None) => self.over = true,
            Woken::Heard(Some(incoming)) => self.hear(incoming),
            Woken::Done(done) => {
                self.running = None;
                if done.lost {
                    // Nothing behind it is done either: there would be a hole.
                    self.asked.clear();
                    self.over = true;
                }
                self.answers.extend(done.answers.into_iter().map(|answer| (done.behind, answer)));
                self.answer(self.told); // before what is done next says something
            }
            Woken::Changed => {}
            Woken::CaughtUp(caught) => {
                self.catching_up = None;
                let (listening, read) = *caught;
                match read {
                    Ok(Some(lines)) => {
                        self.read.extend(lines);
                        self.listening = Some(listening);
                    }
                    // What it lacks is gone. A client that comes back asks for everything anew.
                    Ok(None) | Err(_) => self.over = true,
                }
            }
            Woken::Call(news) => {
                if let Some(packet) = self.calls.take(news) {
                    self.say(packet);
                }
            }
        }
    }

    fn hear(&mut self, incoming: Incoming) {
        match incoming {
            Incoming::Event { name, args, ack, .. } => {
                let asked = Asked::read(name, args, ack);
                self.asked_bytes += asked.bytes;
                self.asked.push_back(asked);
            }
            Incoming::Ack { id, args, .. } => self.calls.answered(id, args),
            // A connection is there for one namespace.
            Incoming::Connect { namespace, .. } => self.peer.reject(namespace, "Invalid namespace"),
            Incoming::Disconnect { .. } => self.over = true,
            Incoming::Written => {}
        }
    }

    /// Begins what was asked next. What needs no waiting is done at once.
    fn begin_next(&mut self) {
        while self.running.is_none() {
            let Some(first) = self.asked.pop_front() else { break };
            if !self.do_at_once(&first) {
                let gathered = work::gather(first, &mut self.asked);
                self.running = Some(work::begin(&self.hall, &self.client, &self.room, gathered));
            }
            self.asked_bytes = self.asked.iter().map(|asked| asked.bytes).sum();
        }
    }

    /// Does what concerns only who is here. `false`: it is something else.
    fn do_at_once(&mut self, asked: &Asked) -> bool {
        let What::Other { name, argument } = &asked.what else { return false };
        match name.as_str() {
            "rpc-register" | "rpc-unregister" => {
                let packet = self.calls.registered(&self.room, name == "rpc-register", argument);
                self.say(packet);
            }
            "rpc-call" => self.calls.begin(&self.hall, &self.room, argument, asked.ack),
            "app-state" => {
                if self.client.role == Role::Person {
                    let looks = argument.get("state").and_then(Value::as_str) == Some("active");
                    self.room.looks(&self.client.name, looks);
                }
            }
            _ => return false,
        }
        true
    }

    /// Pulls what there is to tell, as far as the client reads.
    fn pull(&mut self) {
        while self.peer.waiting() < WAITING_BYTES {
            if let Some(line) = self.read.pop_front() {
                self.tell(line);
                continue;
            }
            let Some(listening) = &mut self.listening else { break };
            self.told = listening.heard();
            let signals = listening.take_signals();
            match listening.take() {
                Missed::Lines(lines) => {
                    let all = lines.is_empty();
                    let heard = listening.heard();
                    lines.into_iter().for_each(|line| self.tell(line));
                    self.told = heard;
                    self.signal(signals);
                    if all {
                        break;
                    }
                }
                Missed::Far => {
                    self.signal(signals);
                    let mut listening = self.listening.take().expect("just looked at");
                    self.catching_up = Some(Box::pin(async move {
                        let read = listening.read().await;
                        (listening, read)
                    }));
                }
            }
        }
        self.answer(self.told);
    }

    /// Gives the answers that wait for nothing behind this number.
    fn answer(&mut self, told: u64) {
        while self.answers.front().is_some_and(|(behind, _)| *behind <= told) {
            let (_, answer) = self.answers.pop_front().expect("just looked at");
            self.say(answer);
        }
    }

    fn tell(&mut self, line: Line) {
        self.told = line.number - 1;
        self.answer(self.told);
        let own = line.except.as_ref().is_some_and(|except| *except == self.client.name);
        if !own && line.scope.reaches(&self.client.role) {
            self.say(line.told.packet(self.client.namespace));
        }
        self.told = line.number;
    }

    fn signal(&mut self, signals: Vec<super::hub::Signal>) {
        for signal in signals {
            if signal.scope.reaches(&self.client.role) {
                self.say(signal.told.packet(self.client.namespace));
            }
        }
    }

    fn say(&mut self, packet: Packet) {
        if let Err(error) = self.peer.push(packet) {
            // Less is pulled than a connection takes, so this does not happen; but nothing is left out silently.
            tracing::error!(%error, "happy: a packet was not taken");
            self.over = true;
        }
    }

    /// The connection is over: its methods go, and others hear of it.
    async fn end(mut self) {
        self.room.methods.gone(&self.client.name);
        self.room.gone(&self.client.name);
        self.calls.close();
        // What was sent is done although nobody hears of it: the client believes that it has arrived.
        if let Some(running) = self.running.take() {
            running.await;
        }
        while let Some(first) = self.asked.pop_front() {
            if !matches!(&first.what, What::Other { name, .. } if name.starts_with("rpc-") || name == "app-state") {
                let gathered = work::gather(first, &mut self.asked);
                work::begin(&self.hall, &self.client, &self.room, gathered).await;
            }
        }
        if let Role::Machine(machine) = &self.client.role {
            self.hall.presence.connected(&self.hall, &self.client.who, machine, false);
        }
        self.peer.part().await;
    }
}

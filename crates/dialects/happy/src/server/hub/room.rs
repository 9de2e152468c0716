//! The room of one account: what its sockets have not heard yet, up to a bound, and who is there.

use std::collections::{HashMap, VecDeque};
use std::sync::{Arc, Mutex, Weak};

use rejoin_ports::gateway::Failure;
use tokio::sync::watch;
use tokio::task::AbortHandle;

use super::{Line, Scope, Signal, reading};
use crate::server::Hall;
use crate::server::rpc::Methods;
use crate::server::who::Who;

/// Lines that are kept for sockets that are a little behind, and their bytes. Who is further behind reads the feed itself.
const LINES: usize = 2_048;
const BYTES: usize = 8 << 20;
/// Signals that are kept. Who is further behind has missed the oldest.
const SIGNALS: usize = 256;
/// Lines that a socket takes at once.
const TAKEN: usize = 256;
const TAKEN_BYTES: usize = 256 << 10;
/// How long to wait when the feed cannot be read.
const PAUSE_MS: u64 = 1_000;

pub(crate) struct Room {
    hall: Hall,
    pub(crate) who: Who,
    heard: Mutex<Heard>,
    /// Up to which number of the feed the room has read.
    read_to: watch::Sender<u64>,
    signalled: watch::Sender<u64>,
    /// Who answers which calls.
    pub(crate) methods: Methods,
    /// People's sockets that say that somebody looks at them, by name.
    looking: Mutex<HashMap<Arc<str>, bool>>,
    task: Mutex<Option<AbortHandle>>,
}

#[derive(Default)]
struct Heard {
    lines: VecDeque<Line>,
    bytes: usize,
    /// Everything behind this number that is told is in `lines`.
    from: u64,
    signals: VecDeque<(u64, Signal)>,
}

impl Room {
    pub(super) fn open(hall: Hall, who: Who, tip: u64) -> Arc<Room> {
        let room = Arc::new(Room {
            methods: Methods::new(hall.options.clock.clone()),
            heard: Mutex::new(Heard { from: tip, ..Heard::default() }),
            read_to: watch::Sender::new(tip),
            signalled: watch::Sender::new(0),
            looking: Mutex::default(),
            task: Mutex::new(None),
            hall: hall.clone(),
            who,
        });
        let (weak, stop) = (Arc::downgrade(&room), hall.options.stop.clone());
        let task = tokio::spawn(async move {
            tokio::select! {
                () = follow(weak, hall, tip) => {}
                () = stop.cancelled() => {}
            }
        });
        *room.task.lock().expect("no holder of this lock panics") = Some(task.abort_handle());
        room
    }

    /// Tells those who are there now.
    pub(crate) fn signal(&self, signal: Signal) {
        let number = {
            let mut heard = self.heard.lock().expect("no holder of this lock panics");
            let number = *self.signalled.borrow() + 1;
            if signal.about.is_some() {
                heard.signals.retain(|(_, known)| known.about != signal.about);
            }
            while heard.signals.len() >= SIGNALS {
                heard.signals.pop_front();
            }
            heard.signals.push_back((number, signal));
            self.signalled.send_replace(number);
            number
        };
        debug_assert!(number > 0);
    }

    /// Begins to listen behind everything that was told so far.
    pub(crate) fn listen(self: &Arc<Room>) -> Listening {
        let (newest, signals) = (self.read_to.subscribe(), self.signalled.subscribe());
        let (heard, signalled) = (*newest.borrow(), *signals.borrow());
        Listening { room: self.clone(), newest, signals, heard, signalled }
    }

    /// How far the feed has come: everything that was kept until now is told with a number up to this one.
    pub(crate) async fn tip(&self) -> Result<u64, Failure> {
        reading::tip(&self.hall, &self.who).await
    }

    /// A socket of a person says whether somebody looks at it.
    pub(crate) fn looks(&self, socket: &Arc<str>, looks: bool) {
        self.looking.lock().expect("no holder of this lock panics").insert(socket.clone(), looks);
    }

    pub(crate) fn gone(&self, socket: &Arc<str>) {
        self.looking.lock().expect("no holder of this lock panics").remove(socket);
    }

    /// Whether somebody looks at one of the account's apps right now.
    pub(crate) fn somebody_looks(&self) -> bool {
        self.looking.lock().expect("no holder of this lock panics").values().any(|looks| *looks)
    }

    fn add(&self, lines: Vec<Line>, read_to: u64) {
        let mut heard = self.heard.lock().expect("no holder of this lock panics");
        for line in lines {
            heard.bytes += line.told.weight();
            heard.lines.push_back(line);
        }
        while heard.lines.len() > LINES || (heard.bytes > BYTES && heard.lines.len() > 1) {
            let oldest = heard.lines.pop_front().expect("just counted");
            heard.bytes -= oldest.told.weight();
            heard.from = oldest.number;
        }
        drop(heard);
        self.read_to.send_replace(read_to);
    }

    /// What lies between was lost to us: whoever has not heard it has to come back and list again.
    fn skip(&self, to: u64) {
        let mut heard = self.heard.lock().expect("no holder of this lock panics");
        *heard = Heard { from: to, signals: std::mem::take(&mut heard.signals), ..Heard::default() };
        drop(heard);
        self.read_to.send_replace(to);
    }
}

impl Drop for Room {
    fn drop(&mut self) {
        if let Some(task) = self.task.lock().expect("no holder of this lock panics").take() {
            task.abort();
        }
    }
}

/// Reads the feed for as long as somebody is in the room.
async fn follow(room: Weak<Room>, hall: Hall, mut after: u64) {
    loop {
        let Some(who) = room.upgrade().map(|room| room.who.clone()) else { return };
        match reading::next(&hall, &who, after).await {
            Ok(Some((lines, read_to))) => {
                let Some(room) = room.upgrade() else { return };
                room.add(lines, read_to);
                after = read_to;
            }
            Ok(None) => {
                let Some(room) = room.upgrade() else { return };
                match room.tip().await {
                    Ok(tip) => {
                        room.skip(tip);
                        after = tip;
                    }
                    Err(Failure::Closing) => return,
                    Err(_) => hall.options.clock.until(hall.options.clock.now() + PAUSE_MS).await,
                }
            }
            Err(Failure::Closing) => return,
            Err(error) => {
                tracing::warn!(error = &error as &dyn std::error::Error, "happy: an account's feed cannot be read");
                hall.options.clock.until(hall.options.clock.now() + PAUSE_MS).await;
            }
        }
    }
}

/// A socket's place in what its account is told.
pub(crate) struct Listening {
    room: Arc<Room>,
    newest: watch::Receiver<u64>,
    signals: watch::Receiver<u64>,
    heard: u64,
    signalled: u64,
}

/// What a socket has not heard.
pub(crate) enum Missed {
    Lines(Vec<Line>),
    /// It is further behind than the room remembers: read the feed, with [`Listening::read`].
    Far,
}

impl Listening {
    /// Up to which number of the feed everything was taken.
    pub(crate) fn heard(&self) -> u64 {
        self.heard
    }

    /// Returns when there is something that was not taken.
    pub(crate) async fn changed(&mut self) {
        let (heard, signalled) = (self.heard, self.signalled);
        let gone = tokio::select! {
            grown = self.newest.wait_for(|newest| *newest > heard) => grown.is_err(),
            grown = self.signals.wait_for(|newest| *newest > signalled) => grown.is_err(),
        };
        if gone {
            std::future::pending::<()>().await;
        }
    }

    /// Takes lines that are there, a bounded number of them.
    pub(crate) fn take(&mut self) -> Missed {
        let state = self.room.heard.lock().expect("no holder of this lock panics");
        let read_to = *self.newest.borrow_and_update();
        if self.heard < state.from {
            return Missed::Far;
        }
        let first = state.lines.partition_point(|line| line.number <= self.heard);
        let (mut lines, mut bytes) = (Vec::new(), 0);
        for line in state.lines.range(first..) {
            if lines.len() == TAKEN || bytes >= TAKEN_BYTES {
                break;
            }
            bytes += line.told.weight();
            self.heard = line.number;
            lines.push(line.clone());
        }
        let all = first + lines.len() == state.lines.len();
        if all {
            self.heard = self.heard.max(read_to);
        }
        Missed::Lines(lines)
    }

    /// Reads lines that the room no longer has. `None`: they are gone for good.
    pub(crate) async fn read(&mut self) -> Result<Option<Vec<Line>>, Failure> {
        let (hall, who) = (self.room.hall.clone(), self.room.who.clone());
        let Some((lines, read_to)) = reading::next(&hall, &who, self.heard).await? else { return Ok(None) };
        self.heard = read_to;
        Ok(Some(lines))
    }

    /// Signals that came since the last time, as far as they are still there.
    pub(crate) fn take_signals(&mut self) -> Vec<Signal> {
        let state = self.room.heard.lock().expect("no holder of this lock panics");
        let newest = *self.signals.borrow_and_update();
        let signals = state.signals.iter().filter(|(number, _)| *number > self.signalled);
        let signals = signals.map(|(_, signal)| signal.clone()).collect();
        self.signalled = newest;
        signals
    }
}

/// What a socket is there for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Role {
    Person,
    Session(Arc<str>),
    Machine(Arc<str>),
}

impl Scope {
    pub(crate) fn reaches(&self, role: &Role) -> bool {
        match (self, role) {
            (_, Role::Person) => true,
            (Scope::Session(told), Role::Session(own)) | (Scope::Machine(told), Role::Machine(own)) => told == own,
            _ => false,
        }
    }
}

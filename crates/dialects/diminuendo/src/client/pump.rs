//! The task behind a client: connects, carries events one way and messages the other, and connects again.

mod delivery;
pub(super) mod given;
mod hear;
mod joined;
mod outbox;
mod pending;
mod sending;
mod shake;
mod watch;

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Duration;

use futures_util::stream::{SplitSink, SplitStream};
use futures_util::{SinkExt, StreamExt};
use tokio::sync::{mpsc, oneshot};
use tokio::time::{Instant, sleep_until, timeout};
use tokio_tungstenite::tungstenite::Message;
use tokio_util::sync::CancellationToken;

use super::dial::Socket;
use super::event::Disconnected;
use super::shared::Shared;
use super::{Error, Event, frame};
use delivery::Delivery;
use given::{Given, Reply, What};
use joined::Joined;
use outbox::Outbox;
use pending::Pending;
use watch::{Due, Watch};

/// Messages that wait for a connection, for an answer, or for a sign that they arrived: more than anybody gives while a
/// train is in a tunnel.
pub(super) const OUTBOX: usize = 256;
/// Pings that were not answered; with more of them another would tell nothing.
const PINGS: usize = 4;
/// How long parting may take.
const PARTING: Duration = Duration::from_secs(1);
/// A gateway that cannot be reached is not asked more often than this, whatever the settings say.
const SHORTEST_DELAY: Duration = Duration::from_millis(10);

type Sink = SplitSink<Socket, Message>;
type Frames = SplitStream<Socket>;
type First = oneshot::Sender<Result<(), Error>>;

pub(super) struct Pump {
    shared: Arc<Shared>,
    stop: CancellationToken,
    given: mpsc::Receiver<Given>,
    /// Our own messages, which go before those that wait. At most one for each joined session, and a few.
    ahead: VecDeque<Given>,
    outbox: Outbox,
    pending: Pending,
    joined: Joined,
    delivery: Delivery,
    watch: Watch,
    is_open: bool,
    /// The number of the next message on this connection.
    number: u64,
    /// The gateway wants to hear nothing until then.
    paused_until: Option<Instant>,
    /// Sessions that could not be joined again for now.
    rejoin_at: Vec<(Instant, String)>,
}

/// Why a connection is over, or was none.
enum Over {
    /// Somebody here wanted it.
    Stopped,
    Lost(Error),
    /// The gateway ended it, with this reason if it gave one.
    Closed(Option<String>),
}

impl Pump {
    pub(super) fn new(shared: Arc<Shared>, stop: CancellationToken, given: mpsc::Receiver<Given>) -> Pump {
        let (timeout, interval) = (shared.options.request_timeout, shared.options.ping_interval);
        Pump {
            shared,
            stop,
            given,
            ahead: VecDeque::new(),
            outbox: Outbox::default(),
            pending: Pending::new(timeout),
            joined: Joined::default(),
            delivery: Delivery::default(),
            watch: Watch::new(interval, Instant::now()),
            is_open: false,
            number: 0,
            paused_until: None,
            rejoin_at: Vec::new(),
        }
    }

    /// Runs until it is stopped, or until no other attempt would help. The first attempt is reported.
    pub(super) async fn run(mut self, first: First) {
        let mut first = Some(first);
        loop {
            let over = self.one_connection(&mut first).await;
            // A first attempt that failed is for whoever wanted it to judge.
            let (goes_on, error) = match first.take() {
                Some(first) => {
                    let error = match over {
                        Over::Lost(error) => error,
                        Over::Stopped | Over::Closed(_) => Error::NotConnected,
                    };
                    self.lost(false, Some(error.to_string()));
                    let _ = first.send(Err(error)); // whoever wanted it may have gone
                    break;
                }
                None => self.judge(over),
            };
            self.lost(goes_on, error.as_ref().map(|why| why.to_string()));
            if !goes_on {
                break;
            }
            let asked = match &error {
                Some(Why::Error(Error::Gateway { retry_after, .. })) => retry_after.unwrap_or_default(),
                _ => Duration::ZERO,
            };
            if !self.pause(self.shared.options.reconnect_delay.max(asked).max(SHORTEST_DELAY)).await {
                self.lost(false, None);
                break;
            }
        }
        self.end();
    }

    /// Whether to try again, and why that is needed.
    fn judge(&self, over: Over) -> (bool, Option<Why>) {
        let again = self.shared.options.auto_reconnect && !self.stop.is_cancelled();
        match over {
            Over::Stopped => (false, None),
            Over::Closed(why) => (again, why.map(Why::Reason)),
            Over::Lost(error) => (again && !is_for_good(&error), Some(Why::Error(error))),
        }
    }

    async fn one_connection(&mut self, first: &mut Option<First>) -> Over {
        let stop = self.stop.clone();
        let opened = tokio::select! {
            biased;
            () = stop.cancelled() => return Over::Stopped,
            () = gone(first) => return Over::Stopped,
            opened = self.open() => opened,
        };
        let (mut sink, mut frames) = match opened {
            Ok(halves) => halves,
            Err(error) => return Over::Lost(error),
        };
        if let Some(first) = first.take() {
            let _ = first.send(Ok(())); // whoever wanted it may have gone
        }
        let over = self.carry(&mut sink, &mut frames).await;
        if matches!(over, Over::Stopped) {
            self.part(&mut sink).await;
        }
        over
    }

    /// Carries both ways until the connection is over.
    ///
    /// A frame is read only when every stream has taken what came before it: that is the backpressure. Writing goes on
    /// beside it, so that a gateway that waits for us to read cannot stop us from reading.
    async fn carry(&mut self, sink: &mut Sink, frames: &mut Frames) -> Over {
        let stop = self.stop.clone();
        self.rejoin();
        let mut writing = false;
        loop {
            if !writing && let Some(frame) = self.next_frame(Instant::now()) {
                if let Err(why) = sink.feed(Message::Text(frame)).await {
                    return broken(why);
                }
                writing = true;
            }
            let listening = self.delivery.is_clear();
            let waking = wake(self.wake_at());
            tokio::select! {
                biased;
                () = stop.cancelled() => return Over::Stopped,
                written = sink.flush(), if writing => match written {
                    Ok(()) => writing = false,
                    Err(why) => return broken(why),
                },
                Some(given) = self.given.recv() => self.outbox.push(given),
                () = waking => {
                    if self.tick(Instant::now(), listening) == Due::Dead {
                        return Over::Closed(Some("the gateway is silent".to_owned()));
                    }
                }
                () = self.delivery.step(), if !listening => self.watch.heard(Instant::now()),
                message = frames.next(), if listening => {
                    let now = Instant::now();
                    self.watch.heard(now);
                    match message {
                        Some(Ok(Message::Text(text))) => drop(self.hear(&text, now)),
                        Some(Ok(Message::Close(frame))) => {
                            let reason = frame.map(|frame| frame.reason.to_string());
                            return Over::Closed(reason.filter(|reason| !reason.is_empty()));
                        }
                        Some(Ok(_)) => {} // nothing that this protocol uses
                        Some(Err(why)) => return broken(why),
                        None => return Over::Closed(None),
                    }
                }
            }
        }
    }

    fn wake_at(&self) -> Option<Instant> {
        let rejoin = self.rejoin_at.iter().map(|(at, _)| *at).min();
        [self.watch.wake_at(!self.joined.is_empty()), self.pending.next_expiry(), self.paused_until, rejoin]
            .into_iter()
            .flatten()
            .min()
    }

    /// Looks at the time.
    fn tick(&mut self, now: Instant, listening: bool) -> Due {
        self.paused_until = self.paused_until.filter(|until| now < *until);
        for sent in self.pending.expired(now) {
            let kind = sent.kind;
            self.settle(sent, Err(Error::Timeout(kind)), now);
        }
        for (_, session) in self.rejoin_at.extract_if(.., |(at, _)| *at <= now) {
            let Some(last) = self.joined.all().find(|(joined, _)| *joined == session).map(|(_, last)| last) else {
                continue; // it was left meanwhile
            };
            let given = frame::join(self.shared.next_id(), &self.shared.options, &session, last, Reply::Rejoin);
            self.ahead.push_back(given);
        }
        let due = self.watch.due(now, !self.joined.is_empty(), listening);
        if due == Due::Ping && self.pending.unanswered_pings() < PINGS {
            self.ping(Reply::Nobody);
        }
        due
    }

    /// Tells handlers at once, and streams as soon as they have room.
    fn emit(&mut self, event: Event, size: usize) {
        self.shared.handlers.tell(&event);
        self.delivery.push(event, size, &self.shared.streams);
    }

    /// There is no connection any more.
    fn lost(&mut self, goes_on: bool, reason: Option<String>) {
        for (event, size) in self.joined.release() {
            self.emit(event, size);
        }
        for sent in self.pending.drain() {
            if let Reply::Caller(caller) = sent.ask.reply {
                let _ = caller.send(Err(Error::NotConnected)); // whoever asked may have gone
            }
        }
        self.ahead.clear();
        self.rejoin_at.clear();
        self.paused_until = None;
        self.number = 0;
        self.outbox.lost();
        if !self.shared.options.auto_rejoin {
            self.joined.clear();
        }
        if !goes_on {
            self.shared.retire(&self.stop);
        }
        self.shared.closed();
        if std::mem::take(&mut self.is_open) {
            self.emit(Event::Disconnected(Disconnected { will_reconnect: goes_on, reason }), 0);
        }
    }

    /// Waits before the next attempt, and until the streams have taken what there is. False: there is to be none.
    async fn pause(&mut self, wait: Duration) -> bool {
        let stop = self.stop.clone();
        let until = Instant::now() + wait;
        let mut waiting = true;
        while waiting || !self.delivery.is_clear() {
            let clear = self.delivery.is_clear();
            tokio::select! {
                biased;
                () = stop.cancelled() => return false,
                Some(given) = self.given.recv() => self.outbox.push(given),
                () = self.delivery.step(), if !clear => {}
                () = sleep_until(until), if waiting => waiting = false,
            }
        }
        true
    }

    /// Sends what was given before the end, and says goodbye.
    async fn part(&mut self, sink: &mut Sink) {
        self.given.close();
        while let Ok(given) = self.given.try_recv() {
            self.outbox.push(given);
        }
        let parting = async {
            while let Some(frame) = self.next_frame(Instant::now()) {
                sink.feed(Message::Text(frame)).await?;
            }
            sink.close().await
        };
        // Who does not listen is left without a word.
        let _ = timeout(PARTING, parting).await;
    }

    /// Nothing will be sent any more, and nothing heard.
    fn end(&mut self) {
        self.given.close();
        while let Ok(given) = self.given.try_recv() {
            self.outbox.push(given);
        }
        for given in self.outbox.drain() {
            if let What::Ask(given::Ask { reply: Reply::Caller(caller), .. }) = given.what {
                let _ = caller.send(Err(Error::NotConnected)); // whoever asked may have gone
            }
        }
        self.delivery.finish();
        self.shared.ended();
    }
}

/// Why there is no connection.
enum Why {
    Reason(String),
    Error(Error),
}

impl std::fmt::Display for Why {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Why::Reason(reason) => out.write_str(reason),
            Why::Error(error) => error.fmt(out),
        }
    }
}

/// Whether another attempt would end the same way.
fn is_for_good(error: &Error) -> bool {
    use crate::wire::Code;
    let lasting = [Code::AuthFailed, Code::Unauthenticated, Code::Forbidden, Code::VersionMismatch];
    matches!(error, Error::AuthRequired) || lasting.iter().any(|code| error.is(*code))
}

fn broken(why: tokio_tungstenite::tungstenite::Error) -> Over {
    Over::Lost(Error::socket("following the connection", why))
}

/// Returns when whoever wanted the first connection has gone.
async fn gone(first: &mut Option<First>) {
    match first {
        Some(first) => first.closed().await,
        None => std::future::pending().await,
    }
}

async fn wake(at: Option<Instant>) {
    match at {
        Some(at) => sleep_until(at).await,
        None => std::future::pending().await,
    }
}

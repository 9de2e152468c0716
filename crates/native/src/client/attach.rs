//! Following a session live: what it says, in order and each thing once, through lost connections and restarts.

mod dial;
mod frame;
mod outbox;
mod pump;
mod track;

use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use futures_util::Stream;
use rejoin_core::command::Command;
use rejoin_core::id::{CommandId, SessionId};
use rejoin_core::position::{Heard, Position};
use rejoin_ports::gateway::View;
use tokio::sync::{Semaphore, mpsc, oneshot};

use super::commands::mint;
use super::{Client, CommandError, Done, Error, Happened};
pub(super) use dial::{Lost, Socket};
use outbox::Given;

/// Items that wait for whoever follows. When it is full the socket is not read, so a slow follower costs no more memory.
const ITEMS: usize = 256;
/// Commands that wait for an answer, or for a connection: more than anybody types while a train is in a tunnel.
const OUTBOX: usize = 128;

/// Where a subscription begins.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum JoinFrom {
    /// The first event of the log.
    Start,
    /// The session as it is ([`Item::Joined`]), and what follows.
    Now,
    /// What follows a position.
    After(Heard),
}

/// What a subscription tells.
#[derive(Debug, Clone, PartialEq)]
pub enum Item {
    /// Something happened. Events come in order, and each of them once.
    Event(Box<Happened>),
    /// The session at the moment one joined; what follows comes after it. Only with [`JoinFrom::Now`].
    Joined(Box<View>),
    /// Everything that was there when the connection began has been told.
    CaughtUp(Position),
    /// The position is gone or belongs to another life of the log: whatever was known is replaced by this.
    Gap(Box<View>),
    /// There is a connection.
    Connected,
    /// There is none; the next attempt comes after `wait`. Commands given now are sent then.
    Reconnecting { attempt: u32, wait: Duration, why: Arc<str> },
    /// The session is gone; nothing follows.
    Deleted,
}

/// A live subscription to one session: a stream of [`Item`]s. Dropping it ends it.
///
/// The stream ends after [`Item::Deleted`], or after an error that another attempt would not cure: a revoked key, say.
#[derive(Debug)]
pub struct Attached {
    items: mpsc::Receiver<Result<Item, Error>>,
    commands: Commands,
    heard: Option<Heard>,
}

/// Gives commands through a subscription's connection. Cheap to clone, and usable from other tasks.
#[derive(Debug, Clone)]
pub struct Commands {
    given: mpsc::Sender<Given>,
    room: Arc<Semaphore>,
}

impl Client {
    /// Follows a session. Connecting, and connecting again, happens in the background.
    ///
    /// Must be called within a Tokio runtime.
    pub fn attach(&self, session: &SessionId, from: JoinFrom) -> Attached {
        let (items_in, items) = mpsc::channel(ITEMS);
        let (given, given_out) = mpsc::channel(OUTBOX);
        let pump = pump::Pump::new(self.clone(), session.clone(), from, items_in, given_out);
        tokio::spawn(pump.run());
        Attached {
            items,
            commands: Commands { given, room: Arc::new(Semaphore::new(OUTBOX)) },
            heard: match from {
                JoinFrom::After(heard) => Some(heard),
                JoinFrom::Start => Some(Heard::NOTHING),
                JoinFrom::Now => None,
            },
        }
    }
}

impl Attached {
    /// The next item; `None` when the subscription is over.
    pub async fn next(&mut self) -> Option<Result<Item, Error>> {
        std::future::poll_fn(|task| self.poll_item(task)).await
    }

    /// Gives a command. It is in the outbox when this returns, behind those given before; the answer is the future's.
    ///
    /// The answer comes behind the events that lead to it, so keep reading items while waiting, or wait in another task.
    /// Dropping the future takes nothing back.
    pub fn send(&self, command: Command) -> Sent {
        self.commands.send(command)
    }

    /// Something that gives commands from elsewhere.
    pub fn commands(&self) -> Commands {
        self.commands.clone()
    }

    /// Everything up to here has been taken from this stream: a new subscription can begin behind it.
    pub fn heard(&self) -> Option<Heard> {
        self.heard
    }

    fn poll_item(&mut self, task: &mut Context<'_>) -> Poll<Option<Result<Item, Error>>> {
        let item = std::task::ready!(self.items.poll_recv(task));
        let at = match &item {
            Some(Ok(Item::Event(event))) => Some(event.position()),
            Some(Ok(Item::Gap(view) | Item::Joined(view))) => Some(view.position),
            // Of an empty log this is all there is to hear: which life it is in.
            Some(Ok(Item::CaughtUp(at))) if self.heard.is_none_or(|heard| heard.seq <= at.seq) => Some(*at),
            _ => None,
        };
        if let Some(at) = at {
            self.heard = Some(at.into());
        }
        Poll::Ready(item)
    }
}

impl Stream for Attached {
    type Item = Result<Item, Error>;
    fn poll_next(self: Pin<&mut Self>, task: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        self.get_mut().poll_item(task)
    }
}

impl Commands {
    /// As [`Attached::send`].
    pub fn send(&self, command: Command) -> Sent {
        self.send_as(mint(), command)
    }

    /// Gives a command under an id of one's own.
    pub fn send_as(&self, id: CommandId, command: Command) -> Sent {
        Sent(self.give(id, command))
    }

    fn give(&self, id: CommandId, command: Command) -> Result<Answered, CommandError> {
        let full = || CommandError::Full(OUTBOX);
        let room = self.room.clone().try_acquire_owned().map_err(|_| full())?;
        let frame = frame::command(&id, &command).map_err(|why| CommandError::Unwritable(why.to_string()))?;
        let (answer, answered) = oneshot::channel();
        let given = Given { id, frame, answer, _room: room };
        self.given.try_send(given).map_err(|why| match why {
            mpsc::error::TrySendError::Full(_) => full(),
            mpsc::error::TrySendError::Closed(_) => CommandError::Closed(None),
        })?;
        Ok(answered)
    }
}

type Answered = oneshot::Receiver<Result<Done, CommandError>>;

/// A command on its way: what became of it.
#[derive(Debug)]
#[must_use = "the command is given in any case; this says whether it was done"]
pub struct Sent(Result<Answered, CommandError>);

impl Future for Sent {
    type Output = Result<Done, CommandError>;
    fn poll(mut self: Pin<&mut Self>, task: &mut Context<'_>) -> Poll<Self::Output> {
        match &mut self.0 {
            Ok(answered) => {
                Pin::new(answered).poll(task).map(|answer| answer.unwrap_or(Err(CommandError::Closed(None))))
            }
            Err(error) => Poll::Ready(Err(error.clone())),
        }
    }
}

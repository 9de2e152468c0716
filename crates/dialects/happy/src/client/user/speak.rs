//! Speaking in a session, and following what is said in it without a gap.

use std::fmt;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;
use std::task::{Context, Poll};

use async_trait::async_trait;
use futures_util::Stream;
use tokio::sync::mpsc;
use tokio_util::sync::{CancellationToken, DropGuard};
use uuid::Uuid;

use super::super::api::NewMessage;
use super::super::inbox::{Hand, Inbox};
use super::super::{Error, OpenedSession};
use super::{Shared, UserClient};
use crate::payload::{Message, UserMessage};
use crate::wire::{self, Posted};

/// Messages of one session that wait to be taken. When they are full no more are read; the server keeps them.
const WAITING: usize = 64;

/// A message of a session that is followed.
#[derive(Debug, Clone, PartialEq)]
pub struct Followed {
    pub seq: u64,
    pub id: String,
    pub local_id: Option<String>,
    pub created_at: u64,
    /// None: it cannot be opened.
    pub message: Option<Message>,
}

/// The messages of one session from a place on, each once and in order: a [`Stream`]. It ends when the client is closed.
pub struct SessionMessages {
    messages: mpsc::Receiver<Followed>,
    shared: Arc<Shared>,
    session: String,
    number: u64,
    _stop: DropGuard,
}

struct FollowingHand {
    session: OpenedSession,
    messages: mpsc::Sender<Followed>,
}

#[async_trait]
impl Hand<()> for FollowingHand {
    async fn message(&self, message: wire::Message) {
        let opened = self.session.open(&message).ok();
        let wire::Message { id, seq, local_id, created_at, .. } = message;
        let _ = self.messages.send(Followed { seq, id, local_id, created_at, message: opened }).await; // it may be dropped
    }

    async fn other(&self, (): ()) {}
}

impl UserClient {
    /// Says something in a session. It is stored when this returns; an error of the way there leaves it unknown, and
    /// saying it again with [`UserClient::post`] under the same id stores it once.
    pub async fn send_user_message(&self, session: &OpenedSession, message: UserMessage) -> Result<Posted, Error> {
        self.send(session, &message.into()).await
    }

    /// Stores any message in a session.
    pub async fn send(&self, session: &OpenedSession, message: &Message) -> Result<Posted, Error> {
        self.post(session, message, &Uuid::now_v7().to_string()).await
    }

    /// Stores a message under an id: again under the same one, it is stored once.
    pub async fn post(&self, session: &OpenedSession, message: &Message, local_id: &str) -> Result<Posted, Error> {
        let message = NewMessage { content: session.seal(message)?, local_id: local_id.to_owned() };
        let api = self.account().api();
        // It carries an id, so it may be asked twice.
        let posted = api.post_safely(session.id(), &[&message]).await?;
        posted.into_iter().next().ok_or(Error::Unreadable("sending messages"))
    }

    /// Follows a session behind a number; 0 is its beginning.
    pub fn follow(&self, session: &OpenedSession, after: u64) -> SessionMessages {
        let (messages, messages_out) = mpsc::channel(WAITING);
        let hand = FollowingHand { session: session.clone(), messages };
        let shared = &self.0.0;
        let api = shared.account.api().clone();
        let (inlet, inbox) = Inbox::new(api, session.id(), after, hand, Arc::new(AtomicBool::new(false)));
        inlet.catch_up();
        let number = shared.follows.add(session.id(), inlet);
        let stop = shared.stop.child_token();
        tokio::spawn(inbox.run(CancellationToken::clone(&stop)));
        SessionMessages {
            messages: messages_out,
            shared: shared.clone(),
            session: session.id().to_owned(),
            number,
            _stop: stop.drop_guard(),
        }
    }
}

impl SessionMessages {
    /// The next one; `None` once the client is closed.
    pub async fn next(&mut self) -> Option<Followed> {
        self.messages.recv().await
    }
}

impl Stream for SessionMessages {
    type Item = Followed;
    fn poll_next(self: Pin<&mut Self>, task: &mut Context<'_>) -> Poll<Option<Followed>> {
        self.get_mut().messages.poll_recv(task)
    }
}

impl Drop for SessionMessages {
    fn drop(&mut self) {
        self.shared.follows.remove(&self.session, self.number);
    }
}

impl fmt::Debug for SessionMessages {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.debug_struct("SessionMessages").field("session", &self.session).finish_non_exhaustive()
    }
}

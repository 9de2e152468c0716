//! What a phone or a browser does: sees everything of an account, speaks in sessions, and calls what agents answer to.

mod calls;
mod keys;
mod listen;
mod news;
mod speak;

use std::fmt;
use std::sync::Arc;

use serde_json::json;
use tokio::time::{Duration, Instant};
use tokio_util::sync::CancellationToken;

use super::socket::{Scope, Socket};
use super::stream::{Events, Streams};
use super::{Account, Error, Status};
use keys::KeyRing;
pub use news::{Opened, OpenedUpdate, UserNews};
pub use speak::{Followed, SessionMessages};

/// Somebody who looks at all of an account. Cheap to clone; when the last clone is dropped it is closed.
#[derive(Clone)]
pub struct UserClient(Arc<Owner>);

struct Owner(Arc<Shared>);

impl Drop for Owner {
    fn drop(&mut self) {
        self.0.close();
    }
}

struct Shared {
    account: Account,
    socket: Socket,
    keys: KeyRing,
    news: Streams<UserNews>,
    follows: listen::Follows,
    stop: CancellationToken,
}

impl Account {
    /// Connects as somebody who sees all of the account. With `is_active` phones do not ring meanwhile.
    ///
    /// Must be called within a Tokio runtime.
    pub fn user_client(&self, is_active: bool) -> UserClient {
        let (socket, heard) = Socket::open(self.options(), self.token(), &Scope::User { is_active });
        let stop = CancellationToken::new();
        let shared = Arc::new(Shared {
            account: self.clone(),
            socket,
            keys: KeyRing::default(),
            news: Streams::default(),
            follows: listen::Follows::default(),
            stop,
        });
        tokio::spawn(listen::listen(shared.clone(), heard));
        UserClient(Arc::new(Owner(shared)))
    }
}

impl UserClient {
    pub fn account(&self) -> &Account {
        &self.0.0.account
    }

    /// Whether there is a connection.
    pub fn status(&self) -> Status {
        self.0.0.socket.status()
    }

    /// Returns once the status is another than this one, and says which.
    pub async fn status_changed(&self, from: &Status) -> Status {
        self.0.0.socket.changed(from).await
    }

    /// Waits for a connection. An error says that there will be none, or none in that time.
    pub async fn connected(&self, patience: Duration) -> Result<(), Error> {
        self.0.0.socket.connected(Instant::now() + patience).await
    }

    /// Everything that happens in the account, in order, from now on.
    ///
    /// What happens while there is no connection is not told: with each [`UserNews::Connected`] what is shown has to be
    /// read anew. Messages of one session without a gap are what [`UserClient::follow`] is for.
    ///
    /// Keep reading it, or drop it: while it is full nothing more is read from the socket, answers to calls included.
    pub fn news(&self) -> Events<UserNews> {
        self.0.0.news.add()
    }

    /// Says whether somebody is looking, so that no phone needs to ring.
    pub async fn set_active(&self, is_active: bool) -> Result<(), Error> {
        let state = if is_active { "active" } else { "background" };
        self.0.0.socket.emit("app-state", &json!({ "state": state })).await
    }

    pub fn close(&self) {
        self.0.0.close();
    }
}

impl Shared {
    fn close(&self) {
        self.stop.cancel();
        self.news.close();
        self.socket.close();
    }
}

impl fmt::Debug for UserClient {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.debug_struct("UserClient").field("status", &self.status()).finish_non_exhaustive()
    }
}
